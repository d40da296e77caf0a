/* Runs in: program.
 *
 * Takes the events of a trace out of shared memory. A task may have overwritten them, and workers
 * may write on. So each event is copied, and the copy checked: what it names, and that it lies
 * within the trace. What is not so is left out, and counted.
 */
#include "trace.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/block.h"

#include <stdlib.h>
#include <string.h>

/* Events that begin at the same time: all workers end a sleep, or the trace begins. */
#define MAX_TWINS 64

void pi_trace_heads(posse_executor *e, uint64_t *heads)
{
    const struct pi_trace_rings *rings = &e->segment.trace;
    for (unsigned i = 0; i < rings->rings; i++) /* with append in tracer.c */
        heads[i] = pi_load_acquire(&pi_trace_ring(rings, i)->head);
}

/* ---- the array ---- */

/* NULL: there is no memory. */
static struct pi_trace_event *add(struct pi_trace *trace)
{
    if (trace->n == trace->room) {
        size_t room = trace->room ? 2 * trace->room : 256;
        struct pi_trace_event *more = realloc(trace->events, room * sizeof *more);
        if (!more)
            return NULL;
        trace->events = more;
        trace->room = room;
    }
    struct pi_trace_event *event = &trace->events[trace->n++];
    memset(event, 0, sizeof *event);
    return event;
}

bool pi_trace_count(posse_executor *e, struct pi_trace *trace, uint64_t at)
{
    struct pi_trace_event *event = add(trace);
    if (!event)
        return false;
    event->kind = PI_TRACE_COUNTERS;
    event->began = event->at = event->submitted = at;
    event->value[0] = pi_lanes_length(&e->segment.lanes);
    event->value[1] = pi_load_relaxed(&e->segment.header->committed); /* relaxed: it only counts */
    return true;
}

/* ---- events ---- */

/* acquire, all: with write_fields in tracer.c. False: it is not whole. */
static bool copy_event(const struct pi_trace_cell *from, uint64_t position,
                       struct pi_trace_event *to)
{
    uint64_t words[PI_NAME_SIZE / sizeof(uint64_t)];
    if (pi_load_acquire(&from->mark) != position + 1) /* with append in tracer.c */
        return false;
    uint64_t what = pi_load_acquire(&from->what), task = pi_load_acquire(&from->task); /* as said */
    to->at = pi_load_acquire(&from->at);                                               /* as said */
    to->began = pi_load_acquire(&from->began);                                         /* as said */
    to->submitted = pi_load_acquire(&from->submitted);                                 /* as said */
    to->value[0] = pi_load_acquire(&from->value[0]);                                   /* as said */
    to->value[1] = pi_load_acquire(&from->value[1]);                                   /* as said */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        words[i] = pi_load_acquire(&from->name[i]); /* as said */
    memcpy(to->name, words, sizeof words - 1);
    to->kind = (enum pi_trace_kind)(what & 0xff);
    to->state = (enum pi_state)(what >> 8 & 0xff);
    to->attempt = what >> 16 & 0xff;
    to->worker = (unsigned)(what >> 32);
    to->slot = (uint32_t)task;
    to->generation = (uint32_t)(task >> 32);
    return pi_load_again(&from->mark) == position + 1; /* before it is used */
}

static bool is_sound(const struct pi_trace *trace, const struct pi_trace_event *event)
{
    bool run = event->kind == PI_TRACE_RUN;
    bool ended = event->state >= PI_DONE && event->state < PI_STATES;
    return event->kind > PI_TRACE_NONE && event->kind < PI_TRACE_KINDS &&
           event->worker < PI_MAX_WORKERS && event->began <= event->at &&
           event->at >= trace->began && event->at <= trace->ended &&
           (!run || ended || event->state == PI_PENDING);
}

/* What began earlier is cut. */
static void fit(const struct pi_trace *trace, struct pi_trace_event *event)
{
    if (event->kind != PI_TRACE_RUN || event->submitted > event->began)
        event->submitted = event->began;
    if (event->began < trace->began)
        event->began = trace->began;
}

/* An event of before the trace, or after, is none that is lacking. */
static bool keep(struct pi_trace *trace, struct pi_trace_event *event, bool whole)
{
    bool outside = event->at < trace->began || event->at > trace->ended;
    if (whole && event->kind != PI_TRACE_NONE && outside)
        return false;
    if (!whole || !is_sound(trace, event)) {
        trace->dropped++;
        return false;
    }
    fit(trace, event);
    return true;
}

static bool read_ring(posse_executor *e, struct pi_trace *trace, unsigned number)
{
    const struct pi_trace_rings *rings = &e->segment.trace;
    struct pi_trace_ring *ring = pi_trace_ring(rings, number);
    uint64_t head = pi_load_acquire(&ring->head); /* with append in tracer.c */
    uint64_t n = head - trace->heads[number];
    if (n > rings->capacity) {
        trace->dropped += n - rings->capacity < UINT32_MAX ? n - rings->capacity : 1;
        n = rings->capacity;
    }
    for (; n > 0; n--) {
        uint64_t position = head - n;
        struct pi_trace_event *event = add(trace);
        if (!event)
            return false;
        bool whole = copy_event(&ring->at[position % rings->capacity], position, event);
        event->by_supervisor = number == 0;
        if (!keep(trace, event, whole))
            trace->n--;
    }
    return true;
}

/* ---- runs that go on ---- */

/* False: there is no memory. */
static bool read_running(posse_executor *e, struct pi_trace *trace, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    struct pi_stamps *stamps = &e->segment.stamps[index];
    struct pi_trace_event event = {.kind = PI_TRACE_RUN, .state = PI_RUNNING, .slot = index};
    event.generation = pi_generation(word);
    event.worker = pi_owner(word) < PI_MAX_WORKERS ? pi_owner(word) : 0;
    event.attempt = pi_load_relaxed(&slot->attempt); /* relaxed, all: the word is looked at again */
    uint64_t life = pi_load_acquire(&stamps->life);  /* with pi_stamp_start */
    if (life >> 32 != event.generation)
        return true;
    event.value[1] = pi_trace_process((uint32_t)life, 0, 0);
    event.began = pi_load_relaxed(&stamps->started);       /* as said */
    event.submitted = pi_load_relaxed(&stamps->submitted); /* as said */
    event.at = trace->ended;
    event.value[0] = pi_load_relaxed(&slot->fn); /* as said */
    const struct pi_details *details = pi_slot_details(e, slot);
    if (details)
        memcpy(event.name, details->name, sizeof event.name - 1);
    /* before it is used */
    if (!pi_same_state(pi_load_again(&slot->word), word) || event.began > event.at)
        return true;
    struct pi_trace_event *to = add(trace);
    if (!to)
        return false;
    *to = event;
    fit(trace, to);
    return true;
}

static bool read_slots(posse_executor *e, struct pi_trace *trace)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    pi_see_blocks(e); /* the details may lie there */
    for (uint32_t i = 0; pi_slots_next(slots, count, &i); i++) {
        uint64_t word = pi_load_acquire(&slots->at[i].word); /* with pi_slot_transition */
        bool left = pi_final(word) && (word & PI_PINNED);    /* a thread still runs it */
        if ((left || pi_is_running(word)) && !read_running(e, trace, i, word))
            return false;
    }
    return true;
}

/* ---- order ---- */

/* Of what begins at the same time the longer one comes first: it lies below. */
static int compare(const void *left, const void *right)
{
    const struct pi_trace_event *a = left, *b = right;
    if (a->began != b->began)
        return a->began < b->began ? -1 : 1;
    return a->at == b->at ? 0 : a->at > b->at ? -1 : 1;
}

static bool is_same_run(const struct pi_trace_event *a, const struct pi_trace_event *b)
{
    return b->kind == PI_TRACE_RUN && a->worker == b->worker && a->slot == b->slot &&
           a->generation == b->generation && a->attempt == b->attempt;
}

/* Whether the supervisor tells of that run, too: a worker died between its event and its arrow, or
 * has ended the run since the slots were read. Or the worker tells of it again, as the task ended
 * otherwise in between. All began at the same time. */
static bool is_told_again(const struct pi_trace *trace, size_t i)
{
    const struct pi_trace_event *event = &trace->events[i];
    if (event->kind != PI_TRACE_RUN || event->by_supervisor)
        return false;
    size_t first = i > MAX_TWINS ? i - MAX_TWINS : 0;
    for (size_t k = first; k < trace->n && k < i + MAX_TWINS; k++)
        if (k != i && trace->events[k].began == event->began &&
            is_same_run(event, &trace->events[k]) &&
            (trace->events[k].by_supervisor || event->state == PI_RUNNING ||
             (k < i && trace->events[k].state != PI_RUNNING)))
            return true;
    return false;
}

static void drop_twins(struct pi_trace *trace)
{
    size_t kept = 0;
    for (size_t i = 0; i < trace->n; i++)
        if (is_told_again(trace, i))
            trace->events[i].kind = PI_TRACE_NONE;
    for (size_t i = 0; i < trace->n; i++)
        if (trace->events[i].kind != PI_TRACE_NONE)
            trace->events[kept++] = trace->events[i];
    trace->n = kept;
}

/* How many runs of its worker a run lies on. */
static void find_depth(struct pi_trace_row *row, struct pi_trace_event *run)
{
    while (row->depth > 0 && row->ends[row->depth - 1] <= run->began)
        row->depth--;
    run->depth = row->depth;
    if (row->depth < PI_TRACE_DEPTH)
        row->ends[row->depth++] = run->at;
}

/* False: there is no memory. */
static bool arrange(struct pi_trace *trace)
{
    qsort(trace->events, trace->n, sizeof *trace->events, compare);
    drop_twins(trace);
    for (size_t i = 0; i < trace->n; i++)
        if (trace->events[i].worker >= trace->workers)
            trace->workers = trace->events[i].worker + 1;
    trace->rows = calloc(trace->workers, sizeof *trace->rows);
    if (!trace->rows)
        return false;
    for (size_t i = 0; i < trace->n; i++)
        if (trace->events[i].kind == PI_TRACE_RUN)
            find_depth(&trace->rows[trace->events[i].worker], &trace->events[i]);
    return true;
}

bool pi_trace_read(posse_executor *e, struct pi_trace *trace)
{
    for (unsigned i = 0; i < e->segment.trace.rings; i++)
        if (!read_ring(e, trace, i))
            return false;
    /* relaxed: it only counts. A task may have overwritten it. */
    trace->dropped += (uint32_t)(pi_load_relaxed(&e->segment.header->trace_missed) - trace->missed);
    return read_slots(e, trace) && pi_trace_count(e, trace, trace->ended) && arrange(trace);
}
