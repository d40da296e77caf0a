/* posse.h - a process pool with futures for C.
 *
 * Tasks are functions of the program. They are submitted to an executor, run in worker processes
 * (or in threads, or inside submit: a flag chooses), and give their results through futures:
 *
 *     posse_executor *pool;
 *     posse_future sum;
 *     if (posse_create(NULL, &pool) == POSSE_OK) {
 *         posse_submit(pool, add_up, numbers, sizeof numbers, &sum);
 *         ...
 *         posse_result_into(sum, -1, &total, sizeof total, NULL);
 *         posse_release(sum);
 *         posse_destroy(pool);
 *     }
 *
 * Rules for all calls, unless a declaration says otherwise:
 *   threads   any thread may call anything at any time, but nobody may use an executor that
 *             posse_destroy has freed
 *   fork      a child that the program forks gets POSSE_WRONG_PROCESS and harms nothing;
 *             tasks may call what they are given, see posse_task_executor
 *   signals   no call is safe in a signal handler; a handler that interrupts a blocking call
 *             does not end it
 *   time      milliseconds; a timeout of -1 waits for ever, 0 looks and returns;
 *             clocks are monotonic
 *   errors    every call gives a status; a bad argument gives POSSE_INVALID and changes nothing
 */
#ifndef POSSE_H
#define POSSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POSSE_VERSION_MAJOR 0
#define POSSE_VERSION_MINOR 1
#define POSSE_VERSION_PATCH 0
#define POSSE_VERSION "0.1.0"

#if defined(__GNUC__)
#define POSSE_API __attribute__((visibility("default")))
#define POSSE_CHECK __attribute__((warn_unused_result))
#define POSSE_PRINTF(at, first) __attribute__((format(printf, at, first)))
#else
#define POSSE_API
#define POSSE_CHECK
#define POSSE_PRINTF(at, first)
#endif

/* ---- status ---------------------------------------------------------------------------------- */

/* Every status: constant, value, what it means. */
#define POSSE_STATUS_LIST(X)                                                                       \
    X(POSSE_OK, 0, "success")                                                                      \
    X(POSSE_TIMEOUT, 1, "the wait ended before the event; nothing has changed")                    \
    X(POSSE_CANCELLED, 2, "the task was cancelled")                                                \
    X(POSSE_TASK_FAILED, 3, "the task reported an error of its own")                               \
    X(POSSE_WORKER_LOST, 4, "the worker that ran the task died")                                   \
    X(POSSE_DEADLINE, 5, "the task ran longer than it was allowed to")                             \
    X(POSSE_BROKEN, 6, "the executor is broken: no worker can be started or the supervisor died")  \
    X(POSSE_SHUT_DOWN, 7, "the executor has been shut down")                                       \
    X(POSSE_FULL, 8, "the queue is at its limit")                                                  \
    X(POSSE_TOO_LARGE, 9, "a size or a count is over the maximum, or over the given buffer")       \
    X(POSSE_NO_MEMORY, 10, "no memory: /dev/shm, a resource limit or the machine is exhausted")    \
    X(POSSE_INVALID, 11, "an argument is not valid, or the handle is stale")                       \
    X(POSSE_NOT_SUPPORTED, 12, "not possible with this backend or on this system")                 \
    X(POSSE_WRONG_PROCESS, 13, "the executor belongs to another process")                          \
    X(POSSE_SYSTEM, 14, "a system call failed; errno tells why")                                   \
    X(POSSE_TOO_LATE, 15, "the task is already running or has ended")                              \
    X(POSSE_NOT_LOADED, 16, "the workers do not have this function: its library was loaded later") \
    X(POSSE_DEADLOCK, 17, "the call would wait for the task that makes it")

typedef enum posse_status {
#define POSSE_STATUS_CONSTANT(name, value, message) name = value,
    POSSE_STATUS_LIST(POSSE_STATUS_CONSTANT)
#undef POSSE_STATUS_CONSTANT
} posse_status;

/* "POSSE_OK", ...; "POSSE_UNKNOWN" for a value that is none. The string is constant. */
POSSE_API const char *posse_status_name(posse_status status);

/* The meaning in words. The string is constant. */
POSSE_API const char *posse_status_message(posse_status status);

/* The version of the library that is linked, e.g. "0.1.0". */
POSSE_API const char *posse_version(void);

/* ---- executor -------------------------------------------------------------------------------- */

/* A pool of workers; made by posse_create. */
typedef struct posse_executor posse_executor;
/* A running task, as it sees itself; valid until it returns. */
typedef struct posse_task posse_task;

/* A future: a value of 16 bytes that may be copied and compared. It names one task of one executor,
 * and stays valid until posse_release; after that it is stale and every call says POSSE_INVALID.
 * All zero is never valid. */
typedef struct posse_future {
    posse_executor *executor;
    uint32_t slot;
    uint32_t generation;
} posse_future;

typedef enum posse_backend {
    POSSE_PROCESS = 0, /* worker processes: a task that crashes or is killed costs its one future */
    POSSE_THREAD = 1,  /* worker threads of the program */
    POSSE_INLINE = 2   /* no workers: the task runs inside submit, for debugging */
} posse_backend;

#define POSSE_MAX_WORKERS 1000

/* What posse_create makes. Zero is the default everywhere; `size` must be sizeof(posse_options). */
typedef struct posse_options {
    size_t size;
    posse_backend backend;
    /* 0: as many as processors may be used (processes), at most 32 and those + 4 (threads). */
    long max_workers;
    /* Tasks that may wait for a worker before submit holds the program back; 0: no limit. */
    long queue_limit;
    /* How often a task is run again after its worker was lost (0 to 255). */
    long retries;
} posse_options;

/* Makes an executor and starts its workers. options may be NULL: all defaults. Processes are forked
 * here and never later: what the program had at this moment (memory, open descriptors, loaded
 * libraries) is what tasks find. stdout and stderr are flushed. Blocks for about a millisecond.
 * POSSE_INVALID: options of a wrong size, a negative count, an unknown backend, executor is NULL.
 * POSSE_TOO_LARGE: max_workers over POSSE_MAX_WORKERS, another count over its maximum.
 * POSSE_NO_MEMORY: no room in /dev/shm, over a resource limit, or no memory.
 * POSSE_SYSTEM: errno tells. */
POSSE_API POSSE_CHECK posse_status posse_create(const posse_options *options,
                                                posse_executor **executor);

#define POSSE_NO_WAIT 1u        /* return at once; the work goes on */
#define POSSE_CANCEL_FUTURES 2u /* cancel every task that has not started */

/* Accepts no more tasks from the program, lets the accepted ones end, then ends the workers. Blocks
 * until that is done, or for timeout_ms, unless POSSE_NO_WAIT is given. Tasks that are still
 * running may submit and wait as before. May be called again, with other flags too. Results stay
 * readable until posse_destroy.
 * POSSE_TIMEOUT: tasks are left; they go on.
 * POSSE_DEADLOCK: called by a task of this executor without POSSE_NO_WAIT.
 * POSSE_INVALID: unknown flags.
 * POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_shutdown(posse_executor *executor, unsigned flags, long timeout_ms);

/* Ends an executor at once and frees it with all its futures, results and memory from posse_alloc:
 * queued tasks are cancelled, running ones are killed (processes) or waited for (threads; that may
 * block for as long as they run). Threads that are blocked in a call on the executor return first,
 * with POSSE_SHUT_DOWN. For an orderly end call posse_shutdown before. NULL is fine.
 * POSSE_DEADLOCK: called by a task of this executor.
 * POSSE_WRONG_PROCESS.
 * POSSE_OK otherwise, also if it is broken. */
POSSE_API posse_status posse_destroy(posse_executor *executor);

/* Shuts the executor down by force: running tasks end as POSSE_WORKER_LOST, queued ones as
 * POSSE_CANCELLED, and no worker is replaced. terminate sends SIGTERM, and SIGKILL a second later
 * to those that are still there; kill sends SIGKILL. Do not block. Fine on an executor that is
 * already shut down or broken.
 * POSSE_NOT_SUPPORTED: threads cannot be killed.
 * POSSE_WRONG_PROCESS: also when called by a task. */
POSSE_API posse_status posse_terminate_workers(posse_executor *executor);
POSSE_API posse_status posse_kill_workers(posse_executor *executor);

typedef struct posse_stats {
    size_t size;            /* set it to sizeof(posse_stats) before the call */
    uint64_t workers;       /* alive now */
    uint64_t workers_idle;  /* of these, waiting for work */
    uint64_t workers_lost;  /* died, or were killed with their task, since create */
    uint64_t queued;        /* tasks that wait for a worker */
    uint64_t running;       /* tasks that are running */
    uint64_t done;          /* ended since create: with a result */
    uint64_t failed;        /* ... with an error of their own */
    uint64_t cancelled;     /* ... cancelled before or while running */
    uint64_t timed_out;     /* ... over their deadline */
    uint64_t lost;          /* ... with their worker */
    uint64_t futures;       /* slots in use: tasks under way and ended ones not yet released */
    uint64_t memory_blocks; /* of shared memory, that hold arguments, results and posse_alloc */
} posse_stats;

/* Counts at this moment; under load each is exact but they need not add up. Costs a pass over the
 * outstanding futures.
 * POSSE_INVALID: stats->size is wrong.
 * POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_get_stats(posse_executor *executor, posse_stats *stats);

/* ---- tasks ----------------------------------------------------------------------------------- */

/* A task. arg points to its own copy of the argument, aligned for any type, or is NULL if the size
 * is 0. Returns 0 for success, anything else is the task's own error code. It may run in another
 * process: it finds the program's memory as it was at create, and what it changes there stays in
 * its worker. */
typedef int posse_fn(posse_task *task, const void *arg, size_t size);

/* Gives the program's result: copies size bytes. The last call counts; without one the result is
 * empty.
 * POSSE_NO_MEMORY, POSSE_TOO_LARGE: nothing has changed, the task goes on. */
POSSE_API posse_status posse_task_return(posse_task *task, const void *data, size_t size);

/* Room for a result of size bytes, to be written in place: no copy is made. Not cleared; aligned
 * for any type of that size. Replaces an earlier result.
 * NULL: no memory, or the task has failed. */
POSSE_API void *posse_task_reserve(posse_task *task, size_t size);

/* Makes the task fail, with a code (0 is possible) and a message of at most 255 bytes, whatever it
 * returns later. Returns code, for `return posse_task_fail(task, 7, "no such page: %s", url);` */
POSSE_API int posse_task_fail(posse_task *task, int code, const char *format, ...)
    POSSE_PRINTF(3, 4);

/* True once posse_cancel or posse_kill was called for it, or it has passed its deadline: a long
 * task looks now and then and returns early. */
POSSE_API bool posse_task_cancelled(const posse_task *task);

/* Milliseconds to the deadline, 0 after it, -1 without one. */
POSSE_API long posse_task_time_left(const posse_task *task);

/* Which worker runs it: 0 to max_workers - 1, or more while threads that missed a deadline
 * are still running. */
POSSE_API int posse_task_worker(const posse_task *task);

/* Which run this is: 1, or more after workers were lost. */
POSSE_API int posse_task_attempt(const posse_task *task);

/* The executor that runs it, for tasks that submit tasks. A task may submit to it, wait for what it
 * submitted, cancel and release; a task that waits for one that nobody has started runs it itself,
 * so recursion works with one worker. */
POSSE_API posse_executor *posse_task_executor(const posse_task *task);

/* ---- submit ---------------------------------------------------------------------------------- */

/* Queues fn(arg) and gives a future that the caller must release, or runs it unobserved if future
 * is NULL. The size bytes at arg are copied. Blocks only while the queue is at queue_limit; tasks
 * themselves are never held back.
 * POSSE_INVALID: executor or fn is NULL, a size without arg.
 * POSSE_TOO_LARGE: the argument.
 * POSSE_NOT_LOADED: fn lies in a library that was loaded after posse_create.
 * POSSE_NO_MEMORY: nothing was queued.
 * POSSE_SHUT_DOWN, POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_submit(posse_executor *executor, posse_fn *fn,
                                                const void *arg, size_t size, posse_future *future);

/* A task with more to say about it. Zero is the default everywhere;
 * struct_size must be sizeof(posse_job). */
typedef struct posse_job {
    size_t struct_size;
    posse_fn *fn;
    const void *arg;
    size_t size;      /* of the argument in bytes */
    const char *name; /* shown in errors, at most 31 bytes count; copied */
    /* How long the task may run, counted from its start; 0: for ever. A process is killed and
     * replaced. A thread cannot be: its future ends on time, another thread takes its place, and it
     * leaves when its task returns. Inline it is noticed when the task returns. */
    long timeout_ms;
    /* How often to run it again if its worker is lost (0 to 255);
     * 0: as the executor's options say, -1: never. */
    long retries;
    long queue_timeout_ms; /* at queue_limit: how long to wait for room; 0: for ever */
    unsigned flags;        /* POSSE_NO_WAIT: at queue_limit return POSSE_FULL at once */
} posse_job;

/* As posse_submit. Also:
 * POSSE_FULL: the queue is at queue_limit, with POSSE_NO_WAIT.
 * POSSE_TIMEOUT: queue_timeout_ms has passed.
 * POSSE_TOO_LARGE: also timeout_ms over 49 days, retries over 255. */
POSSE_API POSSE_CHECK posse_status posse_submit_with(posse_executor *executor, const posse_job *job,
                                                     posse_future *future);

/* ---- futures --------------------------------------------------------------------------------- */

/* Waits for the end of the task and shows its result in place: *data points to *size bytes that
 * stay valid until posse_release (NULL and 0 for an empty result). Either may be NULL.
 * POSSE_OK: there is a result.
 * POSSE_TASK_FAILED, POSSE_CANCELLED, POSSE_WORKER_LOST, POSSE_DEADLINE: how it ended, see
 * posse_exception.
 * POSSE_TIMEOUT: not ended yet.
 * POSSE_BROKEN, POSSE_SHUT_DOWN: it never will.
 * POSSE_DEADLOCK: a task waits for itself.
 * POSSE_NO_MEMORY: over 4000 threads and tasks are waiting already. */
POSSE_API posse_status posse_result(posse_future future, long timeout_ms, const void **data,
                                    size_t *size);

/* As posse_result, but copies the result into buffer. *size, if not NULL, gets the result's size.
 * POSSE_TOO_LARGE: the result is larger than capacity; nothing was copied, and the future is as
 * before. */
POSSE_API posse_status posse_result_into(posse_future future, long timeout_ms, void *buffer,
                                         size_t capacity, size_t *size);

/* How a task ended. */
typedef struct posse_error {
    /* POSSE_OK, POSSE_TASK_FAILED, POSSE_CANCELLED, POSSE_WORKER_LOST or POSSE_DEADLINE */
    posse_status status;
    int code;          /* of the task, with POSSE_TASK_FAILED */
    int signal;        /* that killed the worker, with POSSE_WORKER_LOST; 0 if it exited */
    int exit_code;     /* of the worker, with POSSE_WORKER_LOST; -1 if a signal killed it */
    long pid;          /* of the worker, with POSSE_WORKER_LOST */
    int attempt;       /* which run this was, from 1; 0 if it never ran */
    char name[32];     /* of the job */
    char message[256]; /* in words; empty for POSSE_OK */
} posse_error;

/* Waits for the end of the task and tells how it ended. error is filled by value and may be NULL.
 * POSSE_OK: it has ended, error->status says how. Otherwise as posse_result. */
POSSE_API posse_status posse_exception(posse_future future, long timeout_ms, posse_error *error);

/* Cancels a task that has not started. A running one is only asked to stop (posse_task_cancelled).
 * POSSE_OK: it will never run, and its future has ended.
 * POSSE_TOO_LATE: it is running or has ended. */
POSSE_API posse_status posse_cancel(posse_future future);

/* As posse_cancel, and ends a running task too: its worker process is killed and replaced; the
 * future of a thread's task ends, while the thread goes on until the task returns. Only this task
 * is hit (and tasks that wait for it on the same worker). Does not block: the future ends soon
 * after, as POSSE_CANCELLED.
 * POSSE_TOO_LATE: it has ended, or it runs inline. */
POSSE_API posse_status posse_kill(posse_future future);

/* The state now. All are false for a stale handle. */
POSSE_API bool posse_done(posse_future future);      /* has ended, one way or another */
POSSE_API bool posse_running(posse_future future);   /* is being run */
POSSE_API bool posse_cancelled(posse_future future); /* has ended as POSSE_CANCELLED */

/* Gives the future back; it is stale from now on, and so is the result shown by posse_result. A
 * task that has not ended goes on unobserved.
 * POSSE_INVALID: it was released before. */
POSSE_API posse_status posse_release(posse_future future);

/* ---- memory that tasks and the program share ------------------------------------------------- */

/* size bytes that have the same address in the program and in all workers: pass the pointer in an
 * argument, and no copy is made. Not cleared; aligned to 64 bytes. What the program allocates lives
 * until posse_free or posse_destroy; what a task allocates is also freed when its worker dies.
 * POSSE_NO_MEMORY, POSSE_TOO_LARGE, POSSE_INVALID (size 0), POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_alloc(posse_executor *executor, size_t size,
                                               void **memory);

/* Frees what posse_alloc gave, in any process of the executor. NULL is fine.
 * POSSE_INVALID: memory was not from posse_alloc or is free already. */
POSSE_API posse_status posse_free(posse_executor *executor, void *memory);

#ifdef __cplusplus
}
#endif

#endif
