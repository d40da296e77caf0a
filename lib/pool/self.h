/* self.h - what this thread is: a worker, or a caller that runs a task inline, and its task. */
#pragma once

#include "pool/pool.h"

struct pi_limits;
struct pi_task_memory;

/* What all items of a map's chunk share; and how one of them, or a block, has failed so far. */
struct pi_item {
    const void *arg;
    size_t arg_size;
    unsigned runs; /* before this task, in larger chunks */
    bool failed;
    int code;
    char message[256];
};

/* A running task. On its worker's stack. */
struct posse_task {
    posse_executor *executor;
    struct posse_task *outer; /* that waits for it on the same stack, or NULL */
    struct pi_slot *slot;
    uint64_t word;         /* RUNNING, exact when it began */
    uint32_t index;        /* of the slot */
    unsigned worker;       /* PI_OWNER_PROGRAM inline */
    bool failed;           /* posse_task_fail was called */
    bool special;          /* what end_special in end.c is for: */
    bool refused;          /* its last result was over options.max_result; or it has limits */
    bool over;             /* it has ended over one of them */
    bool signalled;        /* by posse_kill, with SIGTERM (worker/help.c); or */
    bool waits_for_signal; /* it waits for that, and has seen these: */
    uint64_t walks_before, walks_seen;
    bool of_map; /* the map says how large its result is */
    bool lost;   /* its process has died, as slot->death says (worker/fresh.c) */
    int code;
    uint64_t deadline;        /* PI_NEVER: none */
    uint32_t grace_ms;        /* before that posse_task_cancelled asks it to stop */
    uint32_t outer_index;     /* what was on its worker's stack before, as in the worker, */
    uint64_t earliest;        /* and the first deadline there */
    uint64_t size;            /* of the result so far */
    pi_block_ref block;       /* that holds it, HELD by this worker, if it is not inline */
    struct pi_item *item;     /* in a function of a map: failures go here */
    struct pi_limits *limits; /* of memory and processor time; NULL: none (worker/task_limits.h) */
    struct pi_os_fds *descriptors; /* its copies; NULL: it has none */
    bool elsewhere; /* it has not begun in the place of its worker (worker/place.c) */
    struct pi_task_memory *memory; /* in a process of its own: where its result goes; else NULL */
    struct pi_feed *feed;          /* what it tells; NULL: nothing yet in this run */
};

struct pi_self {
    posse_executor *executor;
    unsigned worker;         /* PI_OWNER_PROGRAM inline */
    long ran;                /* tasks so far, */
    long ran_assigned;       /* and of these, of posse_broadcast: none of max_tasks_per_worker */
    uint64_t counted_ns;     /* when it last counted for a trace: see tracer.c */
    uint64_t ended_ns;       /* when its last task ended, if it goes on at once; 0: see stamp.c */
    bool begun;              /* its initializer has ended, and it is sealed if it has to be */
    struct posse_task *task; /* that runs now, or NULL */
    uint32_t broadcast;      /* the serial of the one that it ran at its start; 0: none */
};
extern _Thread_local struct pi_self *pi_self; /* NULL: neither */

/* In the process of one task (task_memory.h): its memory. NULL: this is no such process. */
extern struct pi_task_memory *pi_own_memory;

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

/* Whether a thread that takes and frees slots as `owner` may have a stash. */
static inline bool pi_has_stash(const posse_executor *executor, unsigned owner)
{
    return owner == PI_OWNER_PROGRAM && executor->stashes.n > 0;
}

/* Before `owner` takes what may outlive it, if it is a worker: see `escaped` in
 * core/worker_record.h. */
static inline void pi_mark_escaping(const posse_executor *executor, unsigned owner)
{
    if (owner >= PI_MAX_WORKERS)
        return;
    _Atomic uint32_t *escaped = &executor->segment.workers[owner].escaped;
    if (pi_load_relaxed(escaped) == 0) /* relaxed: only this worker writes it */
        pi_store_release(escaped, 1);  /* with reap_worker, in supervisor.c */
}

/* Before `owner`, if it is a worker, changes a slot: see `touched` and `walk` in
 * core/worker_record.h. True: this thread runs the worker's tasks. */
static inline bool pi_will_touch(posse_executor *executor, unsigned owner)
{
    if (owner >= PI_MAX_WORKERS)
        return false;
    _Atomic uint32_t *walk = &executor->segment.workers[owner].walk;
    bool runs_tasks = pi_self_in(executor) != NULL;
    if (!runs_tasks && pi_load_relaxed(walk) == 0) /* relaxed, both: the change of the slot is */
        pi_store_relaxed(walk, 1);                 /* a release, so it publishes this */
    return runs_tasks;
}
static inline void pi_touch(posse_executor *executor, unsigned owner, uint32_t index)
{
    if (pi_will_touch(executor, owner))
        pi_slots_touch(&executor->segment.slots, owner, index);
}
