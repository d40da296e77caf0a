/* segment.h - the one shared segment: what is where in it.
 *
 * Runs in: program, worker, supervisor. The segment is a mapping made before the first fork, so it
 * has the same address everywhere. Still it holds no address of itself: slots, blocks, workers and
 * parkers are named by index. Each process finds them through its own `struct pi_segment`, which it
 * computes, and never reads from shared memory.
 *
 * The mapping is only address space. It is cut into areas, one for each table, whose places depend
 * on max_memory and the number of rings. The front part of an area is in use: it has memory, and
 * each process opens it (makes it readable and writable) before it looks there. The rest is
 * neither, so nothing that walks the memory of a process finds it. A process learns that a table
 * has grown by its count (monotonic.h), which opens the new part before it says so.
 */
#pragma once

#include "core/arena.h"
#include "core/details.h"
#include "core/done_list.h"
#include "core/trace_ring.h"
#include "core/idle.h"
#include "core/lanes.h"
#include "core/parker.h"
#include "core/stamps.h"
#include "core/worker_events.h"

enum pi_phase {
    PI_OPEN = 1,
    PI_DRAINING, /* the program: no more tasks of its own; the accepted ones end */
    PI_STOPPING, /* the program: no task is started; workers end, by force if `stop` says so */
    PI_CLOSED,   /* the supervisor: all workers have ended */
    PI_DEAD      /* anyone: no worker can start, the supervisor died, or the ring is damaged */
};

/* What ends the workers. */
enum pi_stop { PI_STOP_TASKS_END, PI_STOP_TERMINATE, PI_STOP_KILL };

/* Why an executor broke, or an initializer failed. */
struct pi_error {
    struct pi_death death; /* of a worker; else zero, and -1 for the pid */
    int32_t code;          /* of an initializer */
    int32_t failures;      /* of initializers, in a row; 0: they are not the reason */
    char message[256];     /* ends with 0: the reader checks it */
};

/* An error in shared memory. The first writer claims it. A claimer that dies leaves a text that
 * nobody reads.
 *
 *   state          meaning        changed by                                to
 *   0              no error       anyone, by CAS                            CLAIMED
 *   CLAIMED + w    w is writing   w, release, with the acquire of a reader  WRITTEN + w
 *   WRITTEN + w    may be read    the supervisor, for a new start           0
 */
struct pi_error_cell {
    _Atomic uint32_t state;
    struct pi_error reason;
};
#define PI_ERROR_CLAIMED 0x10000u
#define PI_ERROR_WRITTEN 0x20000u

/* What decides where everything is. */
struct pi_segment_options {
    size_t memory;         /* bytes that tables and blocks may take */
    unsigned normal_rings; /* of the lane NORMAL: a power of two */
    unsigned stamps;       /* 1: with the tables of core/stamps.h, and rings of events */
    unsigned trace_rings;  /* how many; 0: none */
    unsigned trace_capacity;
};

/* What posse-top (lib/top), which has only the memory, must know to read it. The program writes it
 * before the first fork, and `supervisor` after that; the executor itself reads none of it. */
struct pi_origin {
    char magic[8];    /* PI_MAGIC */
    char version[16]; /* POSSE_VERSION */
    uint64_t layout;  /* pi_segment_format() */
    struct pi_segment_options options;
    int32_t program; /* its pid */
    /* The same; 0: there is none yet. relaxed: only the value counts. */
    _Atomic int32_t supervisor;
    char name[16]; /* of the executor, as ps shows its supervisor */
    /* A posse_backend. Others than processes have no file: their memory is the program's own. */
    uint32_t backend;
};
#define PI_MAGIC "posse\n\0\1"

/* The head of the segment. Each group of fields has cache lines of its own. */
struct pi_header {
    /* First, whatever the version. */
    struct pi_origin origin;

    /* phase to trace_begun are numbers of monotonic.h: all read, few write, by CAS upwards. order:
     * seq, as a submitter looks at the phase after its push. */
    _Alignas(128) _Atomic uint64_t phase;
    _Atomic uint64_t stop;          /* enum pi_stop, with STOPPING; the program raises it */
    _Atomic uint64_t workers_count; /* in use or once used; the supervisor raises it */
    _Atomic uint64_t slots_count;
    _Atomic uint64_t parkers_count;
    _Atomic uint64_t arena_end;
    _Atomic uint64_t more_lanes;  /* 1: see lanes.h */
    _Atomic uint64_t trace_begun; /* 1: see trace_ring.h */
    /* How many workers there may be, in the form of monotonic.h. order: posse_resize stores it
     * (seq) before it notifies the supervisor, which reads it each time. */
    _Atomic uint64_t max_workers;
    /* Bytes that have memory, as those count that back and give back. */
    _Atomic uint64_t committed;
    /* 1: the supervisor starts a worker if it is notified and a task waits. order: it alone stores
     * it (seq) before it counts the tasks that wait; read (seq) after a push. See scale.c. */
    _Atomic uint32_t grow_on_demand;
    /* 1: the supervisor must give memory back. See pool/trim.c. */
    _Atomic uint32_t trim;
    /* 1: the system does not show what memory workers use, so job.max_memory is refused. order:
     * relaxed: the program stores it before there are workers. */
    _Atomic uint32_t hides_memory;
    /* 1: a trace is on. order: relaxed, as its edges are not sharp. */
    _Atomic uint32_t tracing;
    /* Events that had no place: see core/trace_ring.h. order: relaxed, because it only counts. */
    _Atomic uint64_t trace_missed;

    _Alignas(128) struct pi_idle idle;
    struct pi_ring_shared ring[PI_QUEUE_RINGS];
    /* Whose turn it is, see lanes.h. order: relaxed, because it only counts. */
    _Alignas(128) _Atomic uint32_t lane_claims;
    _Atomic uint32_t workers_begun; /* each begins at the next ring */

    /* 1 + the parker of a submitter that waits for room in the queue, and MANY if there are more.
     * order: a submitter sets it (seq), then looks at the head (seq). A worker moves the head
     * (seq), then looks here (seq) and wakes those that are named. */
    _Alignas(128) _Atomic uint32_t room_waiter;

    /* When the supervisor looks at the deadlines by itself, 0: never. See pi_worker. */
    _Alignas(128) _Atomic uint64_t next_check_ns;
    /* By the supervisor alone. */
    _Atomic uint64_t workers;
    _Atomic uint64_t workers_started;
    _Atomic uint64_t workers_lost;
    /* While it could start workers. relaxed: callers only see whether it is awake. */
    _Atomic uint64_t supervisor_rounds;
    _Atomic uint64_t supervisor_walks; /* of the stacks of all workers, that have begun */
    _Atomic uint64_t slots_recovered;  /* slots that recoveries looked at: what a death costs */
    /* By all processes; added up. */
    _Atomic uint64_t lost;
    _Atomic uint64_t timed_out;
    _Atomic uint64_t cancelled;
    _Atomic uint64_t inline_ended[PI_ENDS]; /* as in a worker, but plain counts */
    /* Locks and queues made so far, which gives each its serial. 0: there never was one. */
    _Atomic uint64_t sync_serial;

    struct pi_worker_events events; /* only with a log */
    /* Tasks that wait in their groups; DRAINING does not end before they do. The program writes it,
     * see task_group.h. */
    _Atomic uint32_t withheld;
    /* 1: tasks are assigned to workers. The program writes it, see supervisor/drop_assigned.c. */
    _Atomic uint32_t assigned;
    /* What workers run that start from now on; 0: nothing. See pool/assign.h. */
    _Atomic uint64_t for_later;

    struct pi_error_cell broken;      /* why the phase is DEAD; written before it is raised */
    struct pi_error_cell initializer; /* how it failed; the worker writes, the supervisor takes */
};

#define PI_ROOM_MANY 0x80000000u

/* A table's place, and how much of its front this process has opened: private, it only grows. The
 * first four are open as a whole. */
struct pi_area {
    char *base;
    size_t size;
    _Atomic size_t opened; /* bytes: release, with the acquire of the next look */
};

enum pi_area_of {
    PI_AREA_HEADER, /* and the parkers' map */
    PI_AREA_WORKERS,
    PI_AREA_TIMES,
    PI_AREA_PARKERS,
    PI_AREA_SLOT_MAP,
    PI_AREA_GROUPS,
    PI_AREA_SLOTS,
    PI_AREA_STAMPS,
    PI_AREA_TRACE,
    PI_AREA_RINGS, /* one for each */
    PI_AREA_UNITS = PI_AREA_RINGS + PI_QUEUE_RINGS,
    PI_AREA_TAGS,
    PI_AREA_BYTES,
    PI_AREAS
};

struct pi_segment {
    char *base;
    size_t size;
    struct pi_segment_options options; /* that it was laid out with */
    struct pi_area areas[PI_AREAS];
    struct pi_header *header;
    struct pi_monotonic phase, stop, workers_count;
    struct pi_worker *workers;
    struct pi_slots slots;
    struct pi_lanes lanes;
    struct pi_parkers parkers;
    struct pi_arena arena;
    /* With stamps (core/stamps.h), else NULL: beside each slot, and each worker. */
    struct pi_stamps *stamps;
    struct pi_worker_times *times;
    struct pi_trace_rings trace;
};

/* Workers in use or once used. A submitter reads it after its push: so it counts a new worker, or
 * that worker sees the task at its first look at the ring. */
static inline unsigned pi_workers_count(struct pi_segment *segment)
{
    return pi_monotonic_get(&segment->workers_count);
}

#define PI_MIN_MEMORY ((size_t)1 << 20)
#define PI_MAX_MEMORY ((size_t)256 << 30) /* a reference to a block has 32 bits in places */

/* Another number for most changes of what lies where; the version tells releases apart. */
uint64_t pi_segment_format(void);
/* What a segment was made with, which a task may have overwritten. False: there is no such one. */
bool pi_segment_options_of(const struct pi_origin *origin, struct pi_segment_options *options);
/* Lays out a segment at base. */
void pi_segment_layout(struct pi_segment *segment, char *base,
                       const struct pi_segment_options *options);
/* The address space that it takes: less than twice the memory. */
size_t pi_segment_size(const struct pi_segment_options *options);
