#include "remote/agent.h"
#include "base/tuning.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_TAKEN 64

/* ---- tasks that have ended ---- */

static void take_ended(struct pi_agent *a)
{
    posse_completion ended[MAX_TAKEN];
    size_t n;
    while ((n = posse_completion_queue_take(a->ended, ended, MAX_TAKEN)) > 0)
        for (size_t i = 0; i < n; i++) {
            const struct pi_mark *mark = ended[i].context;
            struct pi_spot *spot = mark->spot;
            if (spot->state != PI_BUSY ||
                memcmp(&spot->future, &ended[i].future, sizeof spot->future) != 0)
                continue;
            spot->hears &= mark->of_end;
            spot->tells |= !mark->of_end;
            spot->ended |= mark->of_end || posse_done(spot->future);
            pi_work_next(spot);
            pi_spot_write(spot);
        }
}

static void write_all(struct pi_agent *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->spots[i].state != PI_CLOSED)
            pi_spot_write(&a->spots[i]);
}

/* Tasks that have told something, or do not know yet that they are to stop; connections whose peer
 * may have all of a large message. */
static void look_at_places(struct pi_agent *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct pi_spot *s = &a->spots[i];
        if (s->state > PI_CONNECTING && !pi_spot_writes(s))
            pi_net_settle(s->fd, a->silence_ms, &s->longer);
        pi_work_ask(s);
        if (s->state != PI_BUSY || !s->tells)
            continue;
        pi_work_next(s);
    }
}

/* ---- connections ---- */

/* Connects closed places: one alone, until there is a pool. Returns whether one is still closed. */
static bool connect_all(struct pi_agent *a)
{
    bool closed = false;
    for (size_t i = 0; i < (a->pool ? a->n : 1); i++) {
        if (a->spots[i].state == PI_CLOSED)
            pi_spot_connect(&a->spots[i]);
        else if (a->spots[i].state == PI_CONNECTING)
            pi_spot_check_time(&a->spots[i]);
        closed |= a->spots[i].state <= PI_CONNECTING;
    }
    return closed;
}

/* How long to try: a moment if nobody listens there any more, long if the network is away. */
static int64_t patience(const struct pi_agent *a)
{
    if (!a->welcomed || a->error == 0)
        return PI_CONNECT_MS;
    bool refused = a->error == ECONNREFUSED || a->error == ENOENT;
    return refused ? PI_CONNECT_AGAIN_MS : PI_UNREACHABLE_MS;
}

static bool is_alone(struct pi_agent *a)
{
    bool connecting = false;
    for (size_t i = 0; i < a->n; i++) {
        connecting |= a->spots[i].state == PI_CONNECTING;
        if (pi_spot_lasts(&a->spots[i]))
            pi_agent_seen(a);
    }
    if (connecting && !a->tried)
        return false; /* each target may take its time, once */
    return pi_net_now() - a->alive >= patience(a);
}

static void serve(struct pi_agent *a, const struct pollfd *fds)
{
    if (fds[a->n].revents)
        take_ended(a);
    for (size_t i = 0; i < a->n; i++) {
        struct pi_spot *s = &a->spots[i];
        if (fds[i].fd < 0 || s->state == PI_CLOSED || s->fd != fds[i].fd)
            continue;
        if (s->state == PI_CONNECTING) {
            if (fds[i].revents)
                pi_spot_answered(s);
            continue;
        }
        if (fds[i].revents & POLLOUT)
            pi_spot_write(s);
        if (s->state != PI_CLOSED && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
            pi_spot_read(s);
    }
}

/* Whether the place waits for something that no descriptor tells. */
static bool waits(const struct pi_spot *s)
{
    return (s->state == PI_JOINING && pi_net_now() - s->since <= PI_CONNECT_MS) ||
           s->state == PI_GREETED || (s->state == PI_BUSY && (s->tells || s->asked)) || s->longer;
}

static void sleep_and_serve(struct pi_agent *a, struct pollfd *fds, bool closed)
{
    bool looks = closed;
    for (size_t i = 0; i < a->n; i++) {
        const struct pi_spot *s = &a->spots[i];
        fds[i] = (struct pollfd){.fd = s->state == PI_CLOSED ? -1 : s->fd, .events = POLLIN};
        if (pi_spot_writes(s) || s->state == PI_CONNECTING)
            fds[i].events |= POLLOUT;
        looks |= waits(s);
    }
    fds[a->n] = (struct pollfd){.fd = a->ended ? posse_completion_queue_fd(a->ended) : -1,
                                .events = POLLIN};
    if (poll(fds, (nfds_t)a->n + 1, looks ? PI_CONNECT_AGAIN_MS : -1) > 0)
        serve(a, fds);
    if (looks && a->pool) {
        pi_agent_pool_look(a);
        look_at_places(a);
        write_all(a);
    }
}

/* What a place that ends waits for, as events of its connection. 0: nothing. One that has nothing
 * more to write says so: its proxy gives it no task. */
static short awaited(struct pi_spot *s, bool wrote)
{
    if (s->state < PI_GREETED)
        return 0;
    if (wrote && !pi_spot_writes(s)) { /* a result, and a task may be on its way already */
        pi_work_give_back(s);
        pi_spot_write(s);
    }
    if (s->state < PI_GREETED)
        return 0; /* the write has found the end */
    if (pi_spot_writes(s))
        return POLLOUT;
    (void)shutdown(s->fd, SHUT_WR);
    return pi_net_is_sending(s->fd) ? POLLIN : 0;
}

/* Waits for what is being written, such as a large result, and is on its way. */
static void write_rest(struct pi_agent *a, struct pollfd *fds)
{
    bool any = true;
    for (size_t i = 0; i < a->n; i++)
        fds[i].events = 0;
    for (int64_t end = pi_net_now() + PI_SETTLE_MS; any && pi_net_now() < end;) {
        any = false;
        write_all(a);
        for (size_t i = 0; i < a->n; i++) {
            short events = awaited(&a->spots[i], fds[i].events == POLLOUT);
            fds[i] = (struct pollfd){.fd = events ? a->spots[i].fd : -1, .events = events};
            any |= events != 0;
        }
        if (any)
            (void)poll(fds, (nfds_t)a->n, PI_CONNECT_AGAIN_MS);
    }
}

/* Its tasks that run are killed; then its workers run the finalizer, if they have one. */
static void end(struct pi_agent *a, struct pollfd *fds)
{
    if (a->ended)
        take_ended(a);
    for (size_t i = 0; i < a->n; i++)
        pi_work_give_back(&a->spots[i]);
    write_rest(a, fds); /* and why it ends */
    for (size_t i = 0; i < a->n; i++)
        pi_spot_close(&a->spots[i]);
    posse_completion_queue_destroy(a->ended);
    if (a->finalizes)
        (void)posse_shutdown(a->pool, POSSE_CANCEL_FUTURES, PI_FINALIZERS_MS);
    (void)posse_destroy(a->pool);
    pi_modules_free(&a->modules);
}

int pi_agent_run(struct pi_agent *a)
{
    struct pollfd *fds = calloc(a->n + 1, sizeof *fds);
    a->spots = calloc(a->n, sizeof *a->spots);
    a->code = fds && a->spots ? -1 : 1;
    a->alive = pi_net_now();
    a->silence_ms = PI_SILENCE_MS; /* until the program says it */
    for (size_t i = 0; a->code < 0 && i < a->n; i++)
        a->spots[i] = (struct pi_spot){.agent = a,
                                       .end = {.spot = &a->spots[i], .of_end = true},
                                       .news = {.spot = &a->spots[i]}};
    while (a->code < 0) {
        bool closed = connect_all(a);
        if (is_alone(a)) {
            snprintf(a->why, sizeof a->why, "nobody is at %.150s", a->address);
            a->code = a->welcomed ? 0 : 1;
            break;
        }
        sleep_and_serve(a, fds, closed);
    }
    if (a->spots && fds)
        end(a, fds);
    free(a->spots);
    free(fds);
    return a->code;
}
