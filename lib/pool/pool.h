/* pool.h - an executor as one process sees it, and what all of posse's parts do to it.
 *
 * The handle is private to a process; the supervisor and the workers have copies of it from the
 * fork. What they share is in the segment (core/segment.h).
 */
#ifndef PI_POOL_H
#define PI_POOL_H

#include "core/segment.h"
#include "os/code_range.h"
#include "os/fork_detect.h"
#include "os/identity.h"
#include "os/shm.h"
#include "posse.h"
#include "pool/dispatch.h"

struct pi_backend;
struct pi_supervisor;

/* What a worker runs at its start or end, with our copy of its argument. */
struct pi_hook {
    posse_fn *fn; /* NULL: nothing */
    void *arg;
    size_t size;
};

/* The first entry of the ring, at looks of callers that are blocked: see verify.c. */
struct pi_stall {
    _Atomic uint64_t position, checked_ns, rounds;
    _Atomic uint32_t looks;
};

struct posse_executor {
    struct pi_segment segment;
    const struct pi_backend *backend;
    struct pi_os_fork_detect guard;
    struct pi_os_shm memory;
    struct pi_os_code code;    /* where the functions are that the workers have */
    _Atomic uintptr_t last_fn; /* one that was found there: most programs submit few */
    unsigned owner;            /* who this process is: PI_OWNER_PROGRAM, or a worker's index */
    unsigned workers;          /* at most, at first: see max_workers in the segment */
    unsigned min_workers;      /* below that nobody leaves for being idle */
    bool on_demand;            /* workers are started when a task finds none free */
    bool break_on_loss;        /* POSSE_BREAK */
    bool wipe;                 /* what callers get to write in is cleared first */
    long idle_timeout_ms;      /* 0: none */
    long max_tasks;            /* of one worker; 0: any number */
    size_t max_rss;            /* that a worker may gain, in bytes; 0: any number */
    size_t max_memory;         /* bytes that the segment may have */
    char name[16];             /* worker_name_prefix */
    struct pi_hook initializer, finalizer;
    void (*log)(void *context, const char *message);
    void *log_context;
    unsigned cpus;                   /* usable: no more threads than these spin */
    uint64_t queue_limit;            /* entries; 0: none */
    uint8_t retries;                 /* default of a task */
    _Atomic uint32_t calls;          /* submits, to look at the supervisor now and then */
    _Atomic uint32_t hint;           /* where a free slot may be */
    _Atomic uint64_t inline_freed;   /* inline: bytes since the last trim */
    _Atomic uint32_t inline_running; /* inline backend: tasks that are running, */
    _Atomic uint32_t inline_ending;  /* 1: and somebody has begun to close it */
    _Atomic uint32_t destroying;     /* posse_destroy was called: nobody may sleep any more */
    /* Callers that sleep, or have slept and still read: destroy waits for them. */
    _Atomic uint32_t blocked;
    struct pi_stall stall;
    struct pi_dispatcher dispatcher; /* of this process */
    /* Process backend: the socket to the supervisor, and which process that is. */
    struct pi_os_fd socket;
    struct pi_os_identity supervisor_identity;
    pid_t parent;           /* in a worker process: the supervisor, */
    struct pi_os_user user; /* and as whom the worker acts at first */
    /* Thread backend: private memory of the supervisor; else NULL here. */
    struct pi_supervisor *supervisor;
    struct posse_executor *at_exit_next; /* see at_exit.c */
};

/* What all items of a map share; and how one of them, or a block, has failed, so far. */
struct pi_item {
    const void *arg;
    size_t arg_size;
    bool failed;
    int code;
    char message[256];
};

/* A running task. On its worker's stack. */
struct posse_task {
    posse_executor *executor;
    struct posse_task *outer; /* that waits for it on the same stack, or NULL */
    struct pi_slot *slot;
    uint64_t word;   /* RUNNING, exact when it began */
    uint32_t index;  /* of the slot */
    unsigned worker; /* PI_OWNER_PROGRAM inline */
    bool failed;     /* posse_task_fail was called */
    int code;
    uint64_t deadline;    /* PI_NEVER: none */
    uint32_t outer_index; /* what was on its worker's stack before, as in the worker, */
    uint64_t earliest;    /* and the first deadline there */
    uint64_t size;        /* of the result so far */
    pi_block_ref block;   /* that holds it, HELD by this worker, if it is not inline */
    struct pi_item *item; /* in a function of a map: failures go here */
};

/* What this thread is, if it is a worker or runs a task inline. */
struct pi_self {
    posse_executor *executor;
    unsigned worker;
    long ran;                /* tasks so far */
    struct posse_task *task; /* that runs now, or NULL */
};
extern _Thread_local struct pi_self *pi_self;

/* This thread as a worker of the executor, or NULL. */
static inline struct pi_self *pi_self_in(const posse_executor *executor)
{
    return pi_self && pi_self->executor == executor ? pi_self : NULL;
}

/* In whose name this thread takes slots, blocks and parkers. */
static inline unsigned pi_owner_here(const posse_executor *executor)
{
    struct pi_self *self = pi_self_in(executor);
    return self ? self->worker : executor->owner;
}

/* Before `owner` takes what may outlive it, if it is a worker: see `escaped` in core/worker_record.h. */
static inline void pi_mark_escaping(const posse_executor *executor, unsigned owner)
{
    if (owner >= PI_MAX_WORKERS)
        return;
    _Atomic uint32_t *escaped = &executor->segment.workers[owner].escaped;
    if (pi_load_relaxed(escaped) == 0) /* relaxed: only this worker writes it */
        pi_store_release(escaped, 1);  /* with reap_worker, in supervisor.c */
}

/* Before `owner`, if it is a worker, changes a slot: see `touched` and `walk` in core/worker_record.h.
 * True: it is the thread that runs the worker's tasks. Relaxed: that step is a release. */
static inline bool pi_will_touch(posse_executor *executor, unsigned owner)
{
    if (owner >= PI_MAX_WORKERS)
        return false;
    _Atomic uint32_t *walk = &executor->segment.workers[owner].walk;
    bool runs_tasks = pi_self_in(executor) != NULL;
    if (!runs_tasks && pi_load_relaxed(walk) == 0)
        pi_store_relaxed(walk, 1);
    return runs_tasks;
}
static inline void pi_touch(posse_executor *executor, unsigned owner, uint32_t index)
{
    if (pi_will_touch(executor, owner))
        pi_slots_touch(&executor->segment.slots, owner, index);
}

static inline bool pi_destroying(const posse_executor *executor)
{
    return atomic_load(&executor->destroying) != 0; /* with posse_destroy, which then wakes all */
}

/* Whether a handle is of the life that the slot's word shows, and was not given back. */
static inline bool pi_handle_valid(uint64_t word, posse_future future)
{
    return pi_generation(word) == future.generation && pi_state(word) >= PI_PENDING &&
           !(word & PI_DETACHED);
}

/* Seq, with pi_slot_transition: what was written before a task ended is seen after it. 0, as if it were
 * stale, if there is no such slot any more. */
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

/* How many workers there may be at most, now; a task may have scribbled there: `last` then. */
static inline unsigned pi_max_workers(const posse_executor *executor, unsigned last)
{
    uint64_t word = pi_load_seq(&executor->segment.header->max_workers);
    uint32_t max = (uint32_t)word;
    return pi_monotonic_is_valid(word) && max >= 1 && max <= PI_MAX_WORKERS ? max : last;
}

static inline enum pi_phase pi_phase_of(posse_executor *executor)
{
    return (enum pi_phase)pi_monotonic_get(&executor->segment.phase);
}

#endif
