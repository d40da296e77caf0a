/* Runs in: agent.
 *
 * A place connects: to each address of the program's host in turn, without blocking, so places that
 * are connected go on meanwhile.
 */
#include "base/tuning.h"
#include "remote/agent.h"

#include <errno.h>

static void join(struct pi_spot *s)
{
    struct pi_agent *a = s->agent;
    pi_net_watch(s->fd, a->silence_ms);
    s->state = PI_JOINING;
    s->since = pi_net_now();
    /* That it took long is no sign that nobody is there; that it went again is one that somebody
     * is. Time in which many places connect counts once. */
    int64_t from = s->begun > a->credited ? s->begun : a->credited;
    a->alive = a->error ? s->since : a->alive + s->since - from;
    a->credited = s->since;
    a->error = 0;
    a->tried = true;
    a->join.has_pool = a->pool;
    pi_join_write(&s->out, &a->join);
    pi_spot_write(s);
}

static bool is_connected(const struct pi_agent *a)
{
    size_t i = 0;
    while (i < a->n && !pi_spot_lasts(&a->spots[i]))
        i++;
    return i < a->n;
}

/* Begins with the next target that is not refused at once. */
static void try_targets(struct pi_spot *s)
{
    struct pi_agent *a = s->agent;
    for (; s->target < a->targets.n; s->target++) {
        s->fd = pi_net_begin(&a->targets.at[s->target]);
        if (s->fd >= 0) {
            s->state = PI_CONNECTING;
            s->since = pi_net_now();
            return;
        }
        s->failed = errno;
        if (errno == EAGAIN) /* its queue is full: somebody is there */
            pi_agent_seen(a);
    }
    a->error = s->failed;
    a->tried = true;
    if (!is_connected(a)) /* else they lead there, and to ask the system may take seconds */
        a->targets.n = 0; /* the host may have others by now */
}

void pi_spot_connect(struct pi_spot *s)
{
    struct pi_agent *a = s->agent;
    s->begun = pi_net_now();
    s->target = 0;
    if (a->targets.n == 0 && !pi_net_resolve(a->address, &a->targets))
        s->failed = errno;
    try_targets(s);
}

static void try_next(struct pi_spot *s, int error)
{
    pi_spot_close(s);
    s->failed = error;
    s->target++;
    try_targets(s);
}

void pi_spot_answered(struct pi_spot *s)
{
    int error = pi_net_error(s->fd);
    if (error == 0)
        join(s);
    else
        try_next(s, error);
}

void pi_spot_check_time(struct pi_spot *s)
{
    if (pi_net_now() - s->since > PI_CONNECTING_MS)
        try_next(s, ETIMEDOUT);
}
