/* Runs in: program, worker, supervisor.
 *
 * The stamps of a task: core/stamps.h says which process writes which. A worker that goes on at
 * once takes the end of one task for the start of the next. So a task costs two looks at the clock,
 * by the submitter and by the worker. With FRESH, or after a sleep, the worker looks twice.
 */
#include "pool/stamp.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/tracer.h"

static uint64_t since(uint64_t from, uint64_t to) { return to > from ? to - from : 0; }

static uint64_t later(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* ---- counts ---- */

/* relaxed, both: readers take each count alone. Inline many threads write it. */
static void count_inline(_Atomic uint64_t *at) { pi_add_relaxed(at, 1); /* as said */ }

static _Atomic uint64_t *count(const posse_executor *e, _Atomic uint64_t *classes, uint64_t ns)
{
    _Atomic uint64_t *at = &classes[pi_time_class(ns)];
    if (e->backend->spawn)
        pi_increment(at);
    else
        count_inline(at);
    return at;
}

static struct pi_worker_times *times_of(posse_executor *e, unsigned worker)
{
    return &e->segment.times[worker < PI_MAX_WORKERS ? worker : 0];
}

/* ---- start ---- */

void pi_stamp_start(const struct posse_task *task)
{
    posse_executor *e = task->executor;
    struct pi_slot *slot = task->slot;
    struct pi_stamps *stamps = &e->segment.stamps[task->index];
    bool at_once = !task->outer && !e->fresh && pi_self->ended_ns; /* FRESH makes a process first */
    uint64_t now = at_once ? pi_self->ended_ns : pi_os_now();
    if (pi_stamps_in_slot(slot)) { /* relaxed, all: published by `life` */
        uint64_t submitted = pi_load_relaxed(&slot->result_size);
        now = later(now, submitted); /* it came in after the end of the last task */
        pi_store_relaxed(&stamps->submitted, submitted);
        (void)count(e, times_of(e, task->worker)->waited, since(submitted, now));
    }
    pi_store_relaxed(&stamps->started, now); /* as said */
    /* with read_stamps in info.c */
    pi_store_release(&stamps->life,
                     pi_stamps_life(pi_generation(task->word), (uint32_t)e->guard.pid));
}

void pi_stamp_process(const struct posse_task *task, long pid)
{
    posse_executor *e = task->executor;
    if (e->stamps) /* release: as above */
        pi_store_release(&e->segment.stamps[task->index].life,
                         pi_stamps_life(pi_generation(task->word), (uint32_t)pid));
}

/* ---- end ---- */

/* Others may write it at the same time, for this life or late for an earlier one. */
static void raise_end(struct pi_stamps *stamps, uint64_t now)
{
    uint64_t seen = pi_load_relaxed(&stamps->ended);          /* relaxed: the CAS checks it */
    while (seen < now && !pi_cas(&stamps->ended, &seen, now)) /* orders nothing */
        ;
}

/* Whether this thread ends the task that it runs. */
static bool is_own(const posse_executor *e, uint64_t from)
{
    const struct pi_self *self = pi_self_in(e);
    return self && pi_is_run_by(from, self->worker);
}

/* The run is over: tells a trace, and counts the run unless its worker died before the first
 * stamps of the task. */
static _Atomic uint64_t *note_run(posse_executor *e, const struct pi_trace_run *run)
{
    const struct pi_stamps *stamps = &e->segment.stamps[run->index];
    /* relaxed, both: this thread wrote them, or the worker was reaped */
    uint64_t started = pi_load_relaxed(&stamps->started);
    uint64_t life = pi_load_relaxed(&stamps->life); /* as said */
    pi_tracer_run(e, run);
    if (life >> 32 != pi_generation(run->word)) /* they are of an earlier life of the slot */
        return NULL;
    return count(e, times_of(e, pi_owner(run->word))->ran, since(started, run->at));
}

_Atomic uint64_t *pi_stamp_end(posse_executor *e, uint32_t index, uint64_t from, uint64_t end)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    struct pi_stamps *stamps = &e->segment.stamps[index];
    struct pi_trace_run run = {index, from, pi_state(end), pi_os_now()};
    bool own = is_own(e, from), ran = pi_state(from) != PI_PENDING;
    if (!pi_same_state(pi_load_relaxed(&slot->word), from)) /* relaxed: the last arrow checks it */
        return NULL;
    if (own) {
        pi_self->ended_ns = run.at;
        pi_store_relaxed(&stamps->ended, run.at); /* relaxed: published with the state */
    } else {
        raise_end(stamps, run.at);
    }
    bool reaped = ran && (e->backend->kills ? e->owner == PI_OWNER_NONE : run.state == PI_LOST);
    bool notes = own || (reaped && pi_owner(from) < pi_workers_count(&e->segment));
    bool goes_on = end & PI_PINNED; /* then pi_stamp_left or pi_stamp_reaped notes the run */
    return notes && !goes_on ? note_run(e, &run) : NULL;
}

void pi_stamp_left(const struct posse_task *task, enum pi_state state)
{
    struct pi_trace_run run = {task->index, task->word, state, pi_os_now()};
    pi_self->ended_ns = run.at;
    (void)note_run(task->executor, &run);
}

void pi_stamp_reaped(posse_executor *e, uint32_t index, uint64_t word)
{
    const struct pi_trace_run run = {index, word, pi_state(word), pi_os_now()};
    (void)note_run(e, &run);
}

void pi_stamp_again(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_trace_run run = {index, word, PI_PENDING, pi_os_now()};
    pi_self->ended_ns = run.at; /* when the next run begins, unless FRESH */
    pi_tracer_run(e, &run);
}
