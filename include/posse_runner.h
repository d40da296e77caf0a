/* posse_runner.h - runs the tasks of a pool of worker processes elsewhere: on another machine, in a
 * container, in a process of another program.
 *
 * Each worker of such a pool stands for one place where tasks run. It takes tasks from the queue as
 * ever, but hands each to the runner in place of a call of its function. Deadlines, cancels, kills,
 * retries, waits, maps and statistics are those of any pool. A deadline or a kill kills the worker
 * in the middle of `run`: the place must see its end (of a connection, for example) and end the
 * task.
 *
 * With options.runner posse_alloc, locks, queues and posse_broadcast return POSSE_NOT_SUPPORTED,
 * and so do jobs with descriptors, memory or POSSE_TERMINATE: a place shares no memory and no
 * descriptors with the program, and gets no signals. Maps copy all of their items. A task that the
 * runner runs has no posse_task; what it gives comes back by the runner.
 */
#ifndef POSSE_RUNNER_H
#define POSSE_RUNNER_H

#include "posse.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a task ended, as its runner says. */
typedef enum posse_run_end {
    /* It has returned `code`. The runner has given its result or its message by posse_task_return,
     * posse_task_reserve or posse_task_fail. */
    POSSE_RUN_RETURNED = 0,
    /* It died, as `signal`, `exit_code` and `pid` say, on `node`: POSSE_WORKER_LOST, or it runs
     * again. */
    POSSE_RUN_LOST = 1,
    /* It was over max_memory, or max_cpu_ms. One that has no such limit is lost, as with any number
     * that is not here. */
    POSSE_RUN_OVER_MEMORY = 2,
    POSSE_RUN_OVER_CPU = 3,
    /* It has not begun: it goes back to the queue, and this run does not count. A posse_cancel that
     * came meanwhile has returned POSSE_TOO_LATE; the task runs all the same, unless posse_cancel
     * is called once more, and posse_task_cancelled is true in it. */
    POSSE_RUN_NOT_BEGUN = 4
} posse_run_end;

/* One run of a task. */
typedef struct posse_run {
    size_t struct_size;
    /* For posse_task_return, posse_task_cancelled, posse_task_time_left and others; and for
     * posse_task_progress and posse_task_emit, with what the task tells where it runs. */
    posse_task *task;
    posse_fn *fn;
    const void *arg; /* in shared memory, until the runner returns */
    size_t size;
    /* Where in `arg` pointers to functions stand, in bytes from its beginning; a pointer may be
     * NULL. A map has them. */
    size_t pointers[2];
    size_t n_pointers;
    size_t max_memory; /* as in its posse_job; 0: none */
    long max_cpu_ms;

    /* The runner sets these; they are zero before. */
    posse_run_end end;
    int code;
    int signal;
    int exit_code; /* -1 if a signal killed it */
    long pid;
    const char *node;     /* in words: where it died; NULL: unknown. It is copied */
    uint64_t peak_memory; /* of a task with limits: see posse_error */
    uint64_t cpu_ns;
} posse_run;

/* Asks whether a task can run in the place of this worker. */
typedef struct posse_place {
    size_t struct_size;
    int worker; /* as posse_task_worker */
    /* If none can run yet, the runner sets these. The worker asks again when one of `fds` is
     * readable (-1: none) or `timeout_ms` has passed (-1: never), or earlier. */
    int fds[2];
    long timeout_ms;
    /* If none can ever run: why, for posse_why_broken. */
    char message[256];
} posse_place;

/* These functions run in processes of the pool, in one thread, with the memory that the program had
 * at posse_create. They must not call the executor. `run` and `ready` run in the workers. */
typedef struct posse_runner {
    size_t struct_size; /* sizeof(posse_runner) */
    /* Runs a task, and blocks until it has ended. */
    void (*run)(void *context, posse_run *run);
    /* Called before each task is taken. It must not block.
     * POSSE_OK: a task can run.
     * POSSE_TIMEOUT: not yet.
     * Otherwise the executor breaks.
     * A worker that dies here is replaced, as often as it happens, unless on_worker_lost says
     * otherwise. */
    posse_status (*ready)(void *context, posse_place *place);
    void *context;
    /* Called once when all workers have ended or were killed (one that was killed may still run for
     * a moment), also if the program has died, but not if the supervisor was killed; if
     * posse_create fails, it may or may not be called. NULL: nothing is called. It runs in the
     * supervisor, and posse_destroy waits for it. Processes that the program has forked since may
     * have copies of its descriptors: a runner can shut sockets down here, which ends all of
     * them. */
    void (*ended)(void *context);
} posse_runner;

/* Bytes of options.message_memory that hold messages of the task which nobody has read, those of
 * earlier runs too: a message takes its size + 8, rounded up to a multiple of 8. UINT64_MAX:
 * the future was released, so nobody can read them. For `run`, in its thread. */
POSSE_API uint64_t posse_run_unread(const posse_run *run);

/* Nobody will read the messages of a task that has sent some: posse_task_emit_wait returns
 * POSSE_FULL when there is no room, as if the future was released. The caller holds the future, and
 * nobody releases it meanwhile. Does not block.
 * POSSE_OK.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_close_messages(posse_future future);

/* Sets what posse_last_error returns in this thread, and returns `status`. For a library that makes
 * executors with a runner and refuses a call. `words` must stay valid; NULL: no words. */
POSSE_API posse_status posse_refuse(posse_status status, const char *words);

#ifdef __cplusplus
}
#endif

#endif
