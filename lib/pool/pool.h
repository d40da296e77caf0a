/* pool.h - an executor as one process sees it.
 *
 * Runs in: program, worker, supervisor.
 *
 * The struct is private to a process; the supervisor and the worker processes have copies of it
 * from the fork. What the processes share is in the segment (core/segment.h).
 */
#pragma once

#include "core/segment.h"
#include "core/stash.h"
#include "os/code_range.h"
#include "os/fork_detect.h"
#include "os/identity.h"
#include "os/kept_output.h"
#include "os/shm.h"
#include "pool/dispatch.h"
#include "pool/held.h"
#include "pool/verify.h"
#include "posse.h"

struct pi_backend;
struct pi_crash_record;
struct pi_log;
struct pi_os_seal;
struct pi_runner;
struct pi_supervisor;
struct pi_trace;

/* worker/hooks.c: what a worker runs at its start and end, with the executor's copy of the
 * argument, and how workers are named. */
struct pi_hook {
    posse_fn *fn; /* NULL: nothing */
    void *arg;
    size_t size;
};
struct pi_hooks {
    char name[16]; /* worker_name_prefix */
    struct pi_hook initializer, finalizer;
};

/* submit_check.c: the functions that worker processes have, and the one that was found last. */
struct pi_functions {
    struct pi_os_code code;
    _Atomic uintptr_t last;
};

/* supervisor/launch.c, backend_process.c: how processes reach each other. */
struct pi_link {
    struct pi_os_fd socket;           /* in the program: to the supervisor, */
    struct pi_os_identity supervisor; /* and which process that is */
    pid_t parent;                     /* in a worker: the supervisor, */
    struct pi_os_user user;           /* and whose it is at first */
    /* In the program and a worker: where requests for descriptors go; -1: nowhere. */
    struct pi_os_fd descriptors;
};

/* pool/descriptors.c: in a sealed worker, which can make none later, the sockets on which answers
 * come. One thread asks at a time. */
struct pi_answers {
    bool kept;
    pthread_mutex_t lock;
    struct pi_os_fd ends[2];
};

/* Without workers: submit_inline.c, supervisor/backend_inline.c and pool/trim.c. */
struct pi_inline {
    _Atomic uint32_t running; /* tasks that are running */
    _Atomic uint32_t ending;  /* 1: a caller has begun to close the executor */
    _Atomic uint64_t freed;   /* bytes since the last trim */
};

struct posse_executor {
    /* What it is. Constant after posse_create, but for the owner. */
    const struct pi_backend *backend;
    bool fresh;      /* each task has a process of its own: worker/fresh.c */
    unsigned number; /* of the executors of this process, and those that it was forked from */
    unsigned owner;  /* in whose name this process acts: PI_OWNER_PROGRAM, or a worker's index */
    unsigned cpus;   /* usable: no more threads than these spin */
    struct pi_os_fork_detect guard;

    /* What posse_create was told. */
    unsigned workers;     /* at most, at first: see max_workers in the segment */
    unsigned min_workers; /* below that no worker exits for being idle */
    bool on_demand;       /* workers are started when a task finds none free */
    bool break_on_loss;   /* POSSE_BREAK */
    bool wipe;            /* memory that callers get to write in is cleared first */
    bool autopsy;         /* workers have records, see core/crash_record.h */
    bool keep_stderr;     /* what workers write to stderr is kept, see os/kept_output.h */
    bool stamps;          /* tasks have times, see core/stamps.h */
    uint8_t retries;      /* default of a task */
    uint64_t queue_limit; /* entries; 0: none */
    long idle_timeout_ms; /* 0: none */
    long max_tasks;       /* of one worker; 0: any number */
    size_t max_rss;       /* that a worker may gain, in bytes; 0: any number */
    size_t max_memory;    /* bytes that the segment may have */
    size_t max_result;    /* bytes of a task's result; 0: any number */
    posse_fn *map_fn;     /* of tasks of maps, whose results may be larger */
    size_t ring_bytes;    /* of the messages of a task: a power of two */
    struct pi_hooks hooks;
    struct pi_os_seal *seal; /* worker/sealed.c; NULL: none */

    /* Its parts. */
    struct pi_segment segment;
    struct pi_os_shm memory;
    struct pi_dispatcher dispatcher;
    struct pi_stall stall;
    struct pi_inline without_workers;
    struct pi_functions functions;
    struct pi_link link;
    struct pi_answers answers;
    struct pi_holder holder; /* in the supervisor; with threads and inline in the program */
    struct pi_supervisor *supervisor;    /* backend_thread.c; else NULL */
    struct posse_executor *at_exit_next; /* at_exit.c */
    struct pi_log *log;                  /* log.c, in the program; NULL: none */
    uint32_t log_parker; /* pool/report.h: 1 + the parker of the log; 0: nothing is reported */

    /* Its callers. */
    _Atomic uint32_t calls;   /* that did not wait: see pi_poll_supervisor */
    _Atomic uint32_t hint;    /* submit.c: where a free slot may be */
    _Atomic uint32_t blocked; /* between pi_call_enter and pi_call_exit: destroy waits for them */
    uint32_t withheld;        /* task_member.c: tasks that wait; the dispatcher's lock */
    _Atomic uint32_t broadcasting; /* broadcast.c: 1: a caller has its turn */
    uint32_t broadcasts;           /* so far; by that caller */
    _Atomic uint32_t destroying;   /* posse_destroy was called: no call may sleep any more */
    struct pi_stashes stashes;

    struct pi_runner *runner; /* worker/place.c; NULL: workers call the functions of tasks */
    struct pi_crash_record *crash_record; /* in a worker that has one; else NULL */
    struct pi_os_output output;           /* in a worker, if stderr is kept */
    struct pi_trace *trace;               /* in the program, while one is on; else NULL */
    bool has_trace_rings;                 /* in the program: its rings of events have memory */
};

/* order: seq; posse_destroy sets it (seq) and then wakes all callers. */
static inline bool pi_destroying(const posse_executor *executor)
{
    return atomic_load(&executor->destroying) != 0;
}

/* Whether a handle is of the life that the slot's word shows, and was not given back. */
static inline bool pi_handle_valid(uint64_t word, posse_future future)
{
    return pi_generation(word) == future.generation && pi_state(word) >= PI_PENDING &&
           !(word & PI_DETACHED);
}

/* The word of the future's slot; 0, as if the handle were stale, if the slot is not there any more.
 * Seq, with pi_slot_transition: what was written before a task ended is seen after it. */
static inline uint64_t pi_word_of(posse_future future)
{
    return pi_slots_word(&future.executor->segment.slots, future.slot);
}

/* Opens the blocks that others have added: wherever this thread may come by a pointer to one, which
 * it follows without a call. */
static inline void pi_see_blocks(posse_executor *executor)
{
    (void)pi_arena_end(&executor->segment.arena);
}

/* How many workers there may be at most, now. `last` if a task has overwritten it. */
static inline unsigned pi_max_workers(const posse_executor *executor, unsigned last)
{
    uint64_t word = pi_load_seq(&executor->segment.header->max_workers); /* with posse_resize */
    uint32_t max = (uint32_t)word;
    return pi_monotonic_is_valid(word) && max >= 1 && max <= PI_MAX_WORKERS ? max : last;
}

static inline enum pi_phase pi_phase_of(posse_executor *executor)
{
    return (enum pi_phase)pi_monotonic_get(&executor->segment.phase);
}
