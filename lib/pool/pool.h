/* pool.h - an executor as one process sees it, and what all of posse's parts do to it.
 *
 * The handle is private to a process; the supervisor and the workers have copies of it from the
 * fork. What they share is in the segment (core/segment.h).
 *
 *   file          what it does
 *   memory.c      opening and backing the segment, and counting what has memory
 *   grow.c        growing tables
 *   block.c       blocks of the arena
 *   trim.c        giving memory back
 *   wake.c        waking workers and callers; the one function that makes a task final
 *   park.c        sleeping
 *   verify.c       what a caller looks after that sleeps for long
 *   wait.c        waiting until a task is final, or there is room in the queue
 *   dispatch_threads.c, dispatch.c, cq.c   waiting for many tasks: see dispatch.h
 *   run.c         running one task
 *   hooks.c       a worker's name, its initializer and finalizer
 *   loop.c        a worker's life
 *   supervisor.c  watching workers, ending them
 *   scale.c       how many there should be: starting, replacing, sending away
 *   backlog.c      how many workers the tasks that wait could use
 *   reparent.c     what a worker that left on purpose leaves to the program
 *   error.c      why an executor broke, or could not be had
 *   deadline.c       deadlines and kills
 *   recover.c, recover_blocks.c     what is repaired when a worker has died
 *   sync.c, recover_sync.c    locks and queues, see sync.h
 *   process.c, thread.c, inline.c   the backends
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
#include "pool/memory.h"

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
    _Atomic uint64_t freed;          /* inline: bytes since the last trim */
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
    pid_t parent; /* in a worker process: the supervisor, */
    uid_t user;   /* and whose it is at first */
    gid_t group;
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

/* ---- wake.c ---- */

/* For a task that was pushed: wakes a worker as pi_wake_worker does, or asks for one more if all
 * are busy and there may be more. */
bool pi_wake_or_grow(posse_executor *executor);
/* The same for a worker that has a task now, and leaves those that wait to others. */
void pi_wake_for_backlog(posse_executor *executor);
/* Wakes one sleeping worker, if none is looking for work already. `force`: even then.
 * True: it did. */
bool pi_wake_worker(posse_executor *executor, bool force);
/* Posts every worker, whatever its bits say:
 * it may have been claimed by one who died before the post. */
void pi_wake_all_workers(posse_executor *executor);
/* Posts a parker; its index comes from shared memory. False: nobody owns it. */
bool pi_post_parker(posse_executor *executor, uint32_t index);
/* Wakes every caller that sleeps anywhere, and has those that wait for many tasks look at all. */
void pi_wake_all_parkers(posse_executor *executor);
/* Wakes the callers that the word of a slot names: its task has ended, or it was released. */
void pi_wake_waiters(posse_executor *executor, uint32_t slot, uint64_t word, bool ended);
/* Wakes the submitters that wait for room. */
void pi_wake_room(posse_executor *executor);

/* The one way to an end: *from -> state (with `set` flags), unless the task is in another state by
 * now. Frees its argument, wakes who waits for it, and frees the slot if nobody holds it. */
bool pi_finish(posse_executor *executor, uint32_t index, uint64_t *from, enum pi_state state,
               uint64_t set);
/* The same, counted before it can be seen. */
bool pi_finish_counted(posse_executor *executor, uint32_t index, uint64_t *from,
                       enum pi_state state, uint64_t set, _Atomic uint64_t *counter);
/* Frees a slot that is final, or FILLING or PENDING and given up by its submitter, with its blocks.
 * False: it was freed by somebody else, or claimed. */
bool pi_discard(posse_executor *executor, uint32_t index, uint64_t word);
/* PENDING -> CANCELLED for all tasks that have not begun. */
void pi_cancel_all(posse_executor *executor);
/* Raises the phase; false if it is there or further already. */
bool pi_raise_phase(posse_executor *executor, enum pi_phase phase);
/* Marks the executor broken, says why, and wakes everyone. */
void pi_break(posse_executor *executor, const struct pi_error *why);
/* The same for a ring that makes no sense any more. */
void pi_break_queue(posse_executor *executor);
/* What a phase means to a caller: POSSE_OK while open. */
posse_status pi_phase_status(enum pi_phase phase);

/* ---- park.c ---- */

/* How long a caller sleeps before it looks after the pool. A constant, but for tests: they make it
 * long, so that a caller that nobody wakes sleeps on. */
extern uint64_t pi_verify_interval_ns;
/* A parker for that owner, its semaphore empty; PI_NO_INDEX: none is to be had, errno tells why. */
uint32_t pi_park_acquire(posse_executor *executor, unsigned owner);
/* Looks for a few microseconds, while there are processors to spare and the answer is
 * POSSE_TIMEOUT: for what is about to happen it is cheaper than to sleep and be woken. */
typedef posse_status pi_probe_fn(void *context);
posse_status pi_spin(posse_executor *executor, pi_probe_fn *look, void *context);
/* Sleeps on it, at most until the moment, and looks after the pool when that took a second.
 * False: it was not woken. */
bool pi_park_until(posse_executor *executor, uint32_t parker, uint64_t until);
/* Around all that a caller which may sleep does with an executor: destroy waits for its leaving. */
void pi_call_enter(posse_executor *executor);
void pi_call_exit(posse_executor *executor);
/* The same for os/unwind.h. */
void pi_call_exit_unwound(void *executor);
/* Wakes all callers that sleep, and waits until they have left.
 * The phase must be such that they do. */
void pi_await_callers(posse_executor *executor);
/* Whether the supervisor lives; if not, the executor is marked broken. Two system calls. */
bool pi_check_supervisor(posse_executor *executor);
/* The same now and then: for calls that do not wait. */
bool pi_poll_supervisor(posse_executor *executor);

/* ---- verify.c ---- */

/* Whether the supervisor lives and the ring is in order, and wakes workers for what waits. */
void pi_verify_pool(posse_executor *executor);
/* Whether a task can still end, as its word and the ring are in order: looked at again and again by
 * who waits for it, who keeps what it has seen, zero at first. */
void pi_verify_task(posse_executor *executor, uint32_t index, struct pi_verify *verify);
/* Tasks on one stack that are looked at: beyond that the chain is scribbled. */
#define PI_MAX_NESTED 1000000u
/* Whether a worker has this task on its stack, or says so, or says so much that it is not known. */
bool pi_is_on_stack(posse_executor *executor, unsigned worker, uint32_t index);
/* Ends a task whose word names a worker that there is not: LOST. */
void pi_finish_ownerless(posse_executor *executor, uint32_t index, uint64_t word);

/* ---- wait.c ---- */

/* Waits until a task is final. `slow` tells that the caller must call pi_call_exit when it has read
 * what it came for. POSSE_OK, POSSE_TIMEOUT, POSSE_INVALID, POSSE_BROKEN, POSSE_SHUT_DOWN,
 * POSSE_DEADLOCK, POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_await_final(posse_future future, uint64_t until, uint64_t *word, bool *slow);
/* A task that waits for one which nobody has begun (`word` is its word) runs it itself.
 * POSSE_OK: it did. POSSE_TIMEOUT: not this one; the task may wait for it. POSSE_NO_MEMORY: its
 * stack has no room for that. It must not wait then: all workers may have come so far, and nobody
 * would run it. */
posse_status pi_help(posse_executor *executor, uint32_t index, uint64_t word);
/* Whether this thread is inside the task, or is on its way out of it, which ends the thread. */
bool pi_on_this_stack(posse_executor *executor, posse_future future);
/* Whether as many tasks wait as queue_limit allows. */
bool pi_is_full(posse_executor *executor);
/* Waits until the ring has fewer than queue_limit entries. POSSE_OK, POSSE_TIMEOUT, ... */
posse_status pi_await_room(posse_executor *executor, uint64_t until);
/* Waits until the phase is PI_CLOSED or PI_DEAD, or the executor is being destroyed. */
posse_status pi_await_closed(posse_executor *executor, uint64_t until);
/* Waits until all callbacks have returned, or the executor is being destroyed: posse_destroy waits
 * until this caller has left, and then has the others called. The phase is not PI_OPEN. */
posse_status pi_await_callbacks(posse_executor *executor, uint64_t until);

/* ---- run.c, loop.c ---- */

/* Runs a claimed task to its end; `word` is RUNNING, exact. */
void pi_run(posse_executor *executor, unsigned worker, uint32_t index, uint64_t word);
/* After a task's function has returned: ends the process if it is a child that the task has forked,
 * which has nothing to return to, or a worker in which a task has jumped out (longjmp) to this one
 * that waited for it, and can never be ended. */
void pi_check_return(const struct posse_task *task);
/* How many tasks ended so in a worker; exact also while its worker works or when it has died. */
uint64_t pi_count_finished(posse_executor *executor, unsigned worker, enum pi_end end);
/* A worker's life, from its initializer to the mark that it has left. Sets pi_self. */
void pi_worker_loop(posse_executor *executor, unsigned worker);

/* ---- hooks.c ---- */

/* <prefix>_<worker>, in at most 15 bytes. */
void pi_worker_name(const posse_executor *executor, unsigned worker, char name[16]);
/* Runs the initializer as a task that has no future. False: it failed, and *why says how. pi_self
 * must be set. */
bool pi_initialize(posse_executor *executor, unsigned worker, struct pi_error *why);
void pi_finalize(posse_executor *executor, unsigned worker);

/* ---- error.c ---- */

/* Gives the status back, and notes the words, which are constant, for posse_last_error. Each
 * POSSE_INVALID, POSSE_TOO_LARGE, POSSE_NOT_SUPPORTED, POSSE_NO_MEMORY and POSSE_SYSTEM of a call
 * comes from here: pi_refuse(POSSE_INVALID, "size is 0"). */
void pi_note_refusal(const char *words) __attribute__((cold));
static inline posse_status pi_refuse(posse_status status, const char *words)
{
    pi_note_refusal(words);
    return status;
}
/* The words of this thread's last refusal. */
const char *pi_refusal(void);
/* Words that several calls need. */
#define PI_STALE "the future is stale: it was released, or is none of this executor's"
#define PI_WRONG_TIMEOUT "timeout_ms is under -1"
#define PI_NO_HEAP "the program has no memory left"
#define PI_NO_PARKER "too many threads and tasks are waiting, or there is no memory for one more"
#define PI_NO_SHARED "shared memory is exhausted: /dev/shm, a resource limit, or the machine"

/* What an errno means to a caller, who finds it in errno too: POSSE_OK if it is 0, POSSE_NO_MEMORY
 * if memory or the number of processes and threads is exhausted, else POSSE_SYSTEM. The words say
 * what failed. */
posse_status pi_refuse_errno(int error, const char *words);
/* The same of what has just failed, and has set errno. */
posse_status pi_failure(const char *words);

/* A reason that is no more than words; the same for what has failed with an errno. */
struct pi_error pi_error_from_words(const char *words);
struct pi_error pi_error_from_errno(const char *what, int error);
struct pi_error pi_error_from_death(const struct pi_death *death);
/* The end of a worker in words. */
void pi_describe_death(const struct pi_death *death, char *text, size_t size);
/* Says it, in the name of `owner`, unless something is said already. */
void pi_error_cell_write(struct pi_error_cell *report, unsigned owner,
                         const struct pi_error *reason);
/* False: nothing (more) is said. Whatever the memory holds, the message ends. */
bool pi_error_cell_read(struct pi_error_cell *report, struct pi_error *reason);
/* Fills error as posse_why_broken does: POSSE_OK if the executor is not broken. */
void pi_why_broken(posse_executor *executor, posse_error *error);

#endif
