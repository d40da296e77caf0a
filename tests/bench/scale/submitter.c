/* submitter.c - steps of a thread of the program: it submits, then reads results. */
#include "sim.h"

#include <math.h>
#include <stddef.h>

/* ---- the submitter --------------------------------------------------------------------------- */

bool first_of_call(const struct sim *s, const struct actor *a)
{
    return a->next % s->protocol.many == 0;
}

bool last_of_call(const struct sim *s, const struct actor *a)
{
    return (a->next + 1) % s->protocol.many == 0 || a->next + 1 == a->share;
}

bool has_map(const struct sim *s, const struct actor *a) { return !s->protocol.stash; }
bool has_stash(const struct sim *s, const struct actor *a) { return s->protocol.stash; }

int take_slot(struct sim *s, struct actor *a)
{
    a->task = a->tasks[a->next] = s->next_slot++;
    return -1;
}

int publish(struct sim *s, struct actor *a)
{
    struct task *task = &s->tasks[a->task];
    task->in_ring = true;
    task->final = false;
    /* Its ring: its own, or by turns, but a line of cells in one ring. */
    unsigned turn = s->protocol.home ? 0 : a->next / CELLS_PER_LINE;
    a->ring = &s->rings[(turn + a->number) % s->protocol.rings];
    return -1;
}

/* Threads share `last`. Another may have entered behind it meanwhile: then that cell is taken. */
int see_last(struct sim *s, struct actor *a)
{
    const struct ring *ring = a->ring;
    a->position = ring->behind_last;
    bool is_full = a->position - ring->earlier_head >= ring->room - 1;
    a->searched = ring->behind_last == 0 || is_full;
    return a->searched ? SEARCH : -1;
}

int see_cell(struct sim *s, struct actor *a)
{
    a->searched = a->position < a->ring->end;
    return a->searched ? SEARCH : PUT;
}

int see_tail(struct sim *s, struct actor *a)
{
    a->position = a->seen_tail = a->ring->tail_at;
    return -1;
}

int walk(struct sim *s, struct actor *a)
{
    if (a->position == a->ring->end)
        return -1;
    a->position++;
    return FIND_END;
}

/* A full ring goes on in one of twice the size: that is seldom, so it costs nothing here. */
int see_room(struct sim *s, struct actor *a)
{
    struct ring *ring = a->ring;
    a->seen_head = ring->first;
    if (a->seen_head > a->position)
        return SEARCH;
    if (a->position - a->seen_head >= ring->room - 1)
        ring->room *= 2;
    return -1;
}

static void rouse(struct sim *s, const struct actor *by)
{
    for (unsigned i = 0; i < s->load.workers; i++) {
        struct actor *w = worker_at(s, i);
        if (w->listens && w->at > by->at)
            w->at = by->at;
    }
}

int put(struct sim *s, struct actor *a)
{
    struct ring *ring = a->ring;
    if (a->position != ring->end)
        return a->searched ? FIND_END : SEARCH; /* another submitter was first */
    *entry_at(s, ring, ring->end++) = a->task;
    rouse(s, a);
    return -1;
}

bool searched(const struct sim *s, const struct actor *a) { return a->searched; }

int note_head(struct sim *s, struct actor *a)
{
    a->ring->earlier_head = a->seen_head;
    return -1;
}

bool eighth(const struct sim *s, const struct actor *a)
{
    return !a->searched && (a->position + 1) % TAIL_LAG == 0;
}

int read_tail(struct sim *s, struct actor *a)
{
    a->seen_tail = a->ring->tail_at;
    return -1;
}

bool tail_lags(const struct sim *s, const struct actor *a)
{
    return (a->searched || eighth(s, a)) && a->seen_tail + TAIL_LAG <= a->position + 1;
}

/* Unless another has moved it. */
int move_tail(struct sim *s, struct actor *a)
{
    if (a->ring->tail_at == a->seen_tail)
        a->ring->tail_at = a->position + 1;
    return -1;
}

/* Of several threads the last one to write decides, as in put_behind_last. */
int pushed(struct sim *s, struct actor *a)
{
    a->ring->behind_last = a->position + 1;
    return WAKE;
}

bool can_call(const struct sim *s, const struct actor *a)
{
    return last_of_call(s, a) && can_wake(s, a);
}

/* The idle words say that a worker spins: the task goes to that one. */
static struct actor *spinner(const struct sim *s)
{
    for (unsigned i = 0; i < s->load.workers; i++)
        if (worker_at(s, i)->listens && !worker_at(s, i)->given)
            return worker_at(s, i);
    return NULL;
}

bool can_give(const struct sim *s, const struct actor *a)
{
    return s->protocol.direct && spinner(s);
}

int give(struct sim *s, struct actor *a)
{
    struct actor *w = spinner(s);
    if (!w)
        return PUSH; /* it has found another task meanwhile */
    a->at = line_access(&s->machine, &w->inbox, a->cache, LOCKED, a->at);
    s->tasks[a->task].in_ring = false;
    w->given = (int)a->task + 1;
    w->at = a->at;
    return SUBMITTED;
}

int wake(struct sim *s, struct actor *a)
{
    if (!can_wake(s, a))
        return -1;
    wake_one(s, a);
    return can_wake(s, a) ? WAKE : -1;
}

int submitted(struct sim *s, struct actor *a)
{
    a->woken = 0;
    if (++a->next < a->share)
        return CHECK;
    a->next = 0;
    return LOOK;
}

/* ---- the submitter reads results ------------------------------------------------------------- */

int look(struct sim *s, struct actor *a)
{
    struct task *task = &s->tasks[a->task = a->tasks[a->next]];
    if (task->final) {
        task->waiter = 0;
        a->waits = false;
        return -1;
    }
    if (!a->waits)
        a->since = a->at;
    a->waits = true;
    task->waiter = (int)a->number + 1;
    a->at = INFINITY;
    return LOOK;
}

void begin_batch(struct sim *s, double now)
{
    s->at_end = 0;
    s->next_slot = 0;
    s->batch++;
    s->machine.processors[0].transfers = 0;
    for (unsigned i = 0; i < s->n_actors; i++) {
        struct actor *a = &s->actors[i];
        s->machine.processors[a->cache].transfers = 0;
        a->busy_ns = 0;
        if (is_worker(s, a))
            continue;
        a->next = 0;
        a->row = CHECK;
        a->at = now;
    }
    s->began = now;
}

int released(struct sim *s, struct actor *a)
{
    if (++a->next < a->share)
        return LOOK;
    s->ended = a->at;
    a->at = INFINITY;
    if (++s->at_end == s->load.submitters && s->batch < 2)
        begin_batch(s, s->ended);
    return CHECK;
}
