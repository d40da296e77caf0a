/* worker.c - steps of a worker that has, or looks for, a task. */
#include "sim.h"

/* ---- the worker: claim ----------------------------------------------------------------------- */

int is_given(struct sim *s, struct actor *a)
{
    if (!a->given)
        return -1;
    a->task = (unsigned)a->given - 1;
    a->given = 0;
    return a->idle ? STOP_IDLING : RUN;
}

bool is_direct(const struct sim *s, const struct actor *a) { return s->protocol.direct; }

int see_head(struct sim *s, struct actor *a)
{
    a->position = a->ring->first;
    return -1;
}

/* Where a worker looks at its n-th try: by turns, as claim_normal. */
static struct ring *ring_of(const struct sim *s, const struct actor *a, unsigned n)
{
    unsigned worker = a->number - s->load.submitters;
    return &s->rings[(worker + a->ran / TURN + n) % s->protocol.rings];
}

/* No entry: the next ring; at the end of these it has no task. */
int see_entry(struct sim *s, struct actor *a)
{
    if (a->position < a->ring->end) {
        a->task = *entry_at(s, a->ring, a->position);
        a->tried = 0;
        return s->protocol.take > 1 ? TAKE : CLAIM;
    }
    if (++a->tried < s->protocol.rings) {
        a->ring = ring_of(s, a, a->tried);
        return PEEK;
    }
    a->tried = 0;
    a->ring = ring_of(s, a, 0);
    return GO_IDLE;
}

int see_word(struct sim *s, struct actor *a)
{
    a->claimed = false;
    return s->tasks[a->task].in_ring ? -1 : ADVANCE;
}

int claim(struct sim *s, struct actor *a)
{
    a->claimed = s->tasks[a->task].in_ring;
    a->lost = a->claimed ? 0 : a->lost;
    s->tasks[a->task].in_ring = false;
    return -1;
}

/* Another worker was first. The pause doubles with each such time in a row, up to 64 times. */
static int again(const struct sim *s, struct actor *a)
{
    a->at += s->protocol.pause * (double)(1u << a->lost);
    a->lost += a->lost < 6;
    return PEEK;
}

/* Another has moved it: no need to get the line. */
int look_at_head(struct sim *s, struct actor *a)
{
    if (a->ring->first == a->position)
        return -1;
    return a->claimed ? LOOK_AHEAD : again(s, a);
}

int advance(struct sim *s, struct actor *a)
{
    if (a->ring->first == a->position)
        a->ring->first++;
    return a->claimed ? LOOK_AHEAD : again(s, a);
}

int claimed(struct sim *s, struct actor *a) { return a->idle ? STOP_IDLING : RUN; }

/* ---- the worker: several entries at once ----------------------------------------------------- */

/* Half of its share of what waits, so that there is some left for workers that come later. */
static unsigned fair(const struct sim *s, const struct actor *a)
{
    unsigned entries = a->ring->end - a->position;
    unsigned takers = (s->load.workers + s->protocol.rings - 1) / s->protocol.rings;
    unsigned n = entries / (2 * takers);
    n = n > s->protocol.take ? s->protocol.take : n;
    return n ? n : 1;
}

int take(struct sim *s, struct actor *a)
{
    struct ring *ring = a->ring;
    if (ring->first != a->position)
        return again(s, a);
    a->n_taken = fair(s, a);
    a->begun = a->prefetched = a->lost = 0;
    for (unsigned i = 0; i < a->n_taken; i++) {
        a->taken[i] = *entry_at(s, ring, ring->first++);
        s->tasks[a->taken[i]].in_ring = false;
    }
    a->task = a->taken[0];
    return -1;
}

int fetched(struct sim *s, struct actor *a)
{
    if (++a->prefetched < a->n_taken) {
        a->task = a->taken[a->prefetched];
        return TAKE_FETCH;
    }
    a->task = a->taken[0];
    return -1;
}

int next_taken(struct sim *s, struct actor *a)
{
    a->task = a->taken[a->begun++];
    return a->idle ? STOP_IDLING : RUN;
}

/* ---- the worker: run ------------------------------------------------------------------------- */

/* Tasks differ by up to a tenth, so that workers do not march in step. */
int run_task(struct sim *s, struct actor *a)
{
    a->random = a->random * 6364136223846793005u + 1442695040888963407u;
    double part = (double)(a->random >> 40) / (double)(1 << 24);
    a->ran++;
    a->at += s->load.task_ns * (0.9 + 0.2 * part);
    return -1;
}

int finish(struct sim *s, struct actor *a)
{
    struct task *task = &s->tasks[a->task];
    task->final = true;
    if (task->waiter && a->at - s->actors[task->waiter - 1].since > SPIN_NS) {
        a->at += s->machine.costs.post; /* pi_wake_waiters: the submitter sleeps */
        s->actors[task->waiter - 1].at = a->at + s->machine.costs.wake;
        task->waiter = 0;
    }
    return -1;
}

int finished(struct sim *s, struct actor *a)
{
    if (a->begun < a->n_taken) {
        a->task = a->taken[a->begun];
        return TAKE_NEXT;
    }
    a->n_taken = a->begun = 0;
    a->ring = ring_of(s, a, 0);
    return WORK;
}
