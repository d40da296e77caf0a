/* Runs in: worker, supervisor, program.
 *
 * Writing events: core/trace_ring.h has the steps.
 */
#include "pool/tracer.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/self.h"

#include <string.h>

#define SUPERVISOR 0u

/* NULL: the writer has none, or cannot open it. */
static struct pi_trace_ring *ring_of(posse_executor *e, unsigned ring)
{
    struct pi_trace_rings *rings = &e->segment.trace;
    if (ring >= rings->rings || !pi_monotonic_get(&rings->begun))
        return NULL;
    return pi_trace_ring(rings, ring);
}

/* The last ring. */
static unsigned program(const posse_executor *e) { return e->segment.trace.rings - 1; }

/* A worker that came too late for a ring has none. */
static unsigned ring_of_worker(const posse_executor *e, unsigned worker)
{
    unsigned ring = worker < PI_MAX_WORKERS ? 1 + worker : 1;
    return ring < program(e) ? ring : PI_NO_INDEX;
}

/* Which ring is this thread's, for the run of a worker's task. */
static unsigned ring_here(const posse_executor *e)
{
    const struct pi_self *self = pi_self_in(e);
    return self ? ring_of_worker(e, self->worker) : SUPERVISOR;
}

/* Whether several threads write there. */
static bool is_shared(const posse_executor *e, unsigned ring)
{
    return !e->backend->spawn || ring == program(e);
}

/* What a writer fills in. */
struct draft {
    uint64_t what, task, at, began, submitted, value[2];
    const struct pi_details *details; /* for the name; NULL: none */
};

/* release, all: with read_event in trace_read.c */
static void write_fields(struct pi_trace_cell *event, const struct draft *draft)
{
    static const uint64_t none[PI_NAME_SIZE / sizeof(uint64_t)];
    uint64_t name[PI_NAME_SIZE / sizeof(uint64_t)];
    pi_store_release(&event->what, draft->what);           /* as said */
    pi_store_release(&event->task, draft->task);           /* as said */
    pi_store_release(&event->at, draft->at);               /* as said */
    pi_store_release(&event->began, draft->began);         /* as said */
    pi_store_release(&event->submitted, draft->submitted); /* as said */
    pi_store_release(&event->value[0], draft->value[0]);   /* as said */
    pi_store_release(&event->value[1], draft->value[1]);   /* as said */
    memcpy(name, draft->details ? (const void *)draft->details->name : none, sizeof name);
    for (size_t i = 0; i < sizeof name / sizeof name[0]; i++)
        pi_store_release(&event->name[i], name[i]); /* as said */
}

static void miss(posse_executor *e)
{
    pi_add_relaxed(&e->segment.header->trace_missed, 1); /* relaxed: it only counts */
}

static void append(posse_executor *e, unsigned number, const struct draft *draft)
{
    struct pi_trace_ring *ring = ring_of(e, number);
    if (!ring) {
        miss(e);
        return;
    }
    /* relaxed: this thread alone writes it, or a locked addition gives each a position */
    bool shared = is_shared(e, number);
    uint64_t position = shared ? pi_add_relaxed(&ring->head, 1) /* as said */
                               : pi_load_relaxed(&ring->head);  /* as said */
    struct pi_trace_cell *event = &ring->at[position % e->segment.trace.capacity];
    pi_store_relaxed(&event->mark, 0); /* relaxed: the next store publishes it */
    write_fields(event, draft);
    pi_store_release(&event->mark, position + 1); /* with read_event in trace_read.c */
    if (!shared)
        pi_store_release(&ring->head, position + 1); /* with read_ring there */
}

/* ---- counters ---- */

static void count(posse_executor *e, unsigned ring, uint64_t now)
{
    struct draft draft = {.what = pi_trace_what(PI_TRACE_COUNTERS, 0, 0), .at = now, .began = now};
    draft.value[0] = pi_lanes_length(&e->segment.lanes);
    draft.value[1] = pi_load_relaxed(&e->segment.header->committed); /* relaxed: it only counts */
    append(e, ring, &draft);
}

/* Not for each task: many workers read what this reads. */
static void count_now_and_then(posse_executor *e, uint64_t now)
{
    if (!pi_self || now - pi_self->counted_ns < PI_TRACE_COUNT_NS)
        return;
    pi_self->counted_ns = now;
    count(e, ring_here(e), now);
}

void pi_tracer_count(posse_executor *e)
{
    if (pi_tracing(e))
        count(e, pi_self_in(e) ? ring_here(e) : program(e), pi_os_now());
}

void pi_tracer_claimed(posse_executor *e)
{
    if (pi_tracing(e))
        count_now_and_then(e, pi_os_now());
}

/* ---- of a worker ---- */

void pi_tracer_run(posse_executor *e, const struct pi_trace_run *run)
{
    if (!pi_tracing(e))
        return;
    struct pi_slot *slot = &e->segment.slots.at[run->index];
    struct pi_stamps *stamps = &e->segment.stamps[run->index];
    unsigned worker = pi_owner(run->word), ring = ring_here(e);
    struct draft draft = {
        .task = (uint64_t)pi_generation(run->word) << 32 | run->index,
        .at = run->at,
        /* relaxed: the run is over, or this worker's */
        .value = {pi_load_relaxed(&slot->fn)},
        .details = pi_slot_details(e, slot),
    };
    /* relaxed, all: this thread wrote them, or their writer was reaped */
    unsigned attempt = pi_load_relaxed(&slot->attempt);
    uint64_t life = pi_load_relaxed(&stamps->life); /* as said */
    bool begun = life >> 32 == pi_generation(run->word);
    draft.began = begun ? pi_load_relaxed(&stamps->started) : run->at;       /* as said */
    draft.submitted = begun ? pi_load_relaxed(&stamps->submitted) : run->at; /* as said */
    bool lost = run->state == PI_LOST; /* then the slot tells of a death */
    draft.value[1] =
        pi_trace_process(begun ? (uint32_t)life : 0, lost ? (int)slot->death.signal : 0,
                         lost ? (int)slot->death.exit_code : 0);
    draft.what = pi_trace_what(PI_TRACE_RUN, run->state, attempt) |
                 (uint64_t)(worker < PI_MAX_WORKERS ? worker : 0) << 32;
    append(e, ring, &draft);
    count_now_and_then(e, run->at);
}

void pi_tracer_slept(posse_executor *e, uint64_t since, uint64_t now)
{
    if (!pi_tracing(e) || !pi_self)
        return;
    struct draft draft = {.what = pi_trace_what(PI_TRACE_SLEEP, 0, 0) | (uint64_t)pi_self->worker
                                                                            << 32,
                          .at = now,
                          .began = since};
    append(e, ring_here(e), &draft);
}

/* ---- of the supervisor ---- */

void pi_tracer_mark(posse_executor *e, const struct pi_trace_mark *what)
{
    if (!pi_tracing(e))
        return;
    uint64_t now = pi_os_now();
    struct draft draft = {.what = pi_trace_what(what->kind, 0, 0) | (uint64_t)what->worker << 32,
                          .at = now,
                          .began = now,
                          .value = {what->value[0], what->value[1]}};
    append(e, SUPERVISOR, &draft);
}

void pi_tracer_death(posse_executor *e, unsigned worker, const struct pi_death *death)
{
    uint64_t how = (uint64_t)(uint32_t)death->signal << 32 | (uint32_t)death->exit_code;
    struct pi_trace_mark ended = {PI_TRACE_END, worker, {(uint64_t)death->pid, how}};
    pi_tracer_mark(e, &ended);
}
