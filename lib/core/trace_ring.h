/* trace_ring.h - what a trace shows: rings of events in shared memory.
 *
 * Runs in: worker, supervisor and program (write), program (reads). Only with options.stamps: else
 * there is no area for them. They have memory from the first posse_trace_start on, until
 * posse_destroy. Each writer has a ring of its own, which keeps the newest events: ring 0 is the
 * supervisor's, ring 1 + w that of worker w. The last is the program's, whose threads share it, and
 * inline all callers share ring 1: there each claims a position by a locked addition, which is its
 * step 4. So one that has not come to step 3 leaves an event that is not whole.
 *
 *   step of a writer                          if it dies right after    what a reader finds
 *   1  `mark` of the oldest event := 0        an event less             the others
 *   2  its fields, release each               the same                  the same
 *   3  `mark` := 1 + the position, release    `head` is behind          the next worker of this
 *                                                                       record writes it anew
 *   4  `head` := 1 + the position, release    nothing is left to do     all
 *
 * A reader takes `head` (acquire) and looks at the positions before it, as many as a ring holds. An
 * event counts if `mark` is right before its fields were read (acquire each) and after. A run that
 * a worker has not ended has no event; if the worker dies, the supervisor writes that of the run. A
 * worker that dies after its event and before the last arrow leaves two of one run: the reader
 * shows the supervisor's.
 *
 * A writer that has no ring, or cannot open it, counts in `trace_missed` of the header.
 *
 * A task may overwrite all this. So a reader checks each number, and shows at worst what is not so.
 */
#pragma once

#include "core/details.h"
#include "core/monotonic.h"

#include <stdbool.h>

enum pi_trace_kind {
    PI_TRACE_NONE,
    PI_TRACE_RUN,      /* a task ran: all fields; value: its function, and pi_trace_process */
    PI_TRACE_SLEEP,    /* a worker slept */
    PI_TRACE_COUNTERS, /* value: tasks that wait, bytes that have memory */
    PI_TRACE_START,    /* a worker was started; value: its pid */
    PI_TRACE_END,      /* it was reaped; value: its pid, and signal and exit code */
    PI_TRACE_KILL,     /* the supervisor kills it; value: its pid */
    PI_TRACE_DEADLINE, /* a task is over its time */
    PI_TRACE_KINDS
};

struct pi_trace_cell {
    _Atomic uint64_t mark;
    _Atomic uint64_t what; /* kind, state of the task, attempt: 8 bits each; worker: 32 bits */
    _Atomic uint64_t task; /* generation, slot */
    _Atomic uint64_t at;   /* its moment, or its end */
    _Atomic uint64_t began;
    _Atomic uint64_t submitted;
    _Atomic uint64_t value[2];
    _Atomic uint64_t name[PI_NAME_SIZE / sizeof(uint64_t)]; /* of the job */
};

struct pi_trace_ring {
    _Alignas(128) _Atomic uint64_t head;
    char unused[120];
    struct pi_trace_cell at[];
};

/* All rings, as a process sees them. */
struct pi_trace_rings {
    char *base;
    unsigned rings;    /* 0: there are none */
    uint32_t capacity; /* events of a ring */
    /* 1: they have memory. */
    struct pi_monotonic begun;
};

static inline size_t pi_trace_ring_size(uint32_t capacity)
{
    size_t size = sizeof(struct pi_trace_ring) + capacity * sizeof(struct pi_trace_cell);
    return (size + 127) & ~(size_t)127;
}

static inline struct pi_trace_ring *pi_trace_ring(const struct pi_trace_rings *rings, unsigned ring)
{
    return (void *)(rings->base + ring * pi_trace_ring_size(rings->capacity));
}

/* The process of a run, and how it died if the task is LOST: as wait gives it, in two bytes. */
static inline uint64_t pi_trace_process(uint32_t pid, int signal, int exit_code)
{
    return (uint64_t)(uint16_t)(signal ? signal : exit_code << 8) << 32 | pid;
}
static inline unsigned pi_trace_pid(uint64_t process) { return (unsigned)process; }
static inline int pi_trace_signal(uint64_t process) { return (int)(process >> 32 & 0xff); }
static inline int pi_trace_exit_code(uint64_t process)
{
    return pi_trace_signal(process) ? -1 : (int)(process >> 40 & 0xff);
}

static inline uint64_t pi_trace_what(enum pi_trace_kind kind, unsigned state, unsigned attempt)
{
    return (uint64_t)kind | (uint64_t)state << 8 | (uint64_t)attempt << 16;
}
