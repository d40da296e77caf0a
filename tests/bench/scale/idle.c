/* idle.c - steps of a worker without a task, and how it is woken. */
#include "sim.h"

#include <math.h>

/* ---- waking ---------------------------------------------------------------------------------- */

/* Wakes a sleeper, unless enough spin: a submitter at most one for each task. */
bool can_wake(const struct sim *s, const struct actor *a)
{
    unsigned most = s->protocol.wakes, call = a->next % s->protocol.many + 1;
    if (!is_worker(s, a) && call < most)
        most = call;
    return s->sleepers > 0 && s->spinners < most && a->woken < most;
}

void wake_one(struct sim *s, struct actor *a)
{
    for (unsigned i = 0; i < s->load.workers; i++) {
        struct actor *w = worker_at(s, i);
        if (!w->sleeps)
            continue;
        w->sleeps = false;
        s->spinners += !w->spins; /* it may have been about to spin */
        w->spins = true;
        s->sleepers--;
        a->woken++;
        a->at += s->machine.costs.post;
        w->at = a->at + s->machine.costs.wake;
        return;
    }
}

/* ---- the worker: idle ------------------------------------------------------------------------ */

int may_spin(struct sim *s, struct actor *a)
{
    a->idle = true;
    a->since = a->at;
    return s->spinners < s->protocol.spin && !a->spins ? SPIN : SLEEP;
}

int spin(struct sim *s, struct actor *a)
{
    s->spinners += !a->spins; /* it may have been woken meanwhile */
    a->spins = true;
    return -1;
}

static bool has_entry(const struct sim *s, const struct actor *a)
{
    for (unsigned i = 0; i < s->protocol.rings; i++)
        if (s->rings[i].first < s->rings[i].end)
            return true;
    return a->given;
}

/* The processor looks at lines that it has until one changes: that costs nobody anything. */
int probe(struct sim *s, struct actor *a)
{
    a->listens = false;
    if (has_entry(s, a))
        return WORK;
    if (a->at >= a->since + SPIN_NS)
        return SLEEP;
    a->listens = true;
    a->at = a->since + SPIN_NS;
    return PROBE;
}

int sleep_now(struct sim *s, struct actor *a)
{
    s->spinners -= a->spins;
    a->spins = false;
    s->sleepers += !a->sleeps;
    a->sleeps = true;
    return -1;
}

int asleep(struct sim *s, struct actor *a)
{
    if (!has_entry(s, a) && a->sleeps)
        a->at = INFINITY;
    return WORK;
}

int stop_idling(struct sim *s, struct actor *a)
{
    s->spinners -= a->spins;
    s->sleepers -= a->sleeps;
    a->idle = a->spins = a->sleeps = false;
    a->woken = 0;
    return -1;
}

int is_more(struct sim *s, struct actor *a) { return has_entry(s, a) && can_wake(s, a) ? -1 : RUN; }

int wake_next(struct sim *s, struct actor *a)
{
    wake_one(s, a);
    return can_wake(s, a) ? WAKE_NEXT : RUN;
}
