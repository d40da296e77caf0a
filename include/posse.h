/* posse.h - a process pool with futures for C.
 *
 * A task is a function of the program. An executor runs its tasks in worker processes, in threads,
 * or inside submit: a flag chooses. A future gives the result of one task:
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
 * Beside it stand posse_group.h (tasks together), posse_progress.h (progress, messages, a bar),
 * posse_log.h (what no call reports), posse_trace.h (times, a picture), posse_autopsy.h (where a
 * lost task was) and posse_seal.h (what workers may do).
 *
 * Rules for all calls, unless a declaration says otherwise:
 *   threads   any thread may call anything at any time, but no thread may use an executor that
 *             posse_destroy has freed, and threads of one task must not call posse_task_return,
 *             _reserve, _fail or _take_descriptor at the same time
 *   fork      in a child that the program forks each call returns POSSE_WRONG_PROCESS and harms
 *             nothing; tasks may use their executor, see posse_task_executor
 *   signals   no call is safe in a signal handler; a handler that interrupts a blocking call
 *             does not end it
 *   leaving   no call is a cancellation point: pthread_cancel takes effect after the call. But code
 *             of the program that a call runs in the calling thread (an inline task, a callback, a
 *             source, the log) may be cancelled, exit the thread or throw through the call, which
 *             holds nothing then. A thread whose cancel type is asynchronous may make no call, as
 *             with most of libc
 *   time      milliseconds; a timeout of -1 waits for ever, 0 does not wait; clocks are monotonic
 *   errors    every call returns a status. After a bad argument that is POSSE_INVALID, and nothing
 *             has changed; posse_last_error says which argument. With POSSE_SYSTEM and
 *             POSSE_NO_MEMORY errno has the system's reason. A call that may return POSSE_NO_MEMORY
 *             returns POSSE_SYSTEM if the system denies the memory for another reason, such as a
 *             filter of system calls
 *   limits    of an executor: POSSE_MAX_WORKERS workers; 4000 threads and tasks that wait at a
 *             time; one future for each 512 bytes of options.max_memory, but at least 1024 and at
 *             most 16 million. Beyond that calls return POSSE_NO_MEMORY. One argument, result,
 *             queue or posse_alloc that is larger than max_memory is POSSE_TOO_LARGE
 *   outputs   a call that fails still sets its outputs: a pointer to NULL, a number to 0, a flag to
 *             false, a handle to all zero (which no call accepts), a struct to all zero but for its
 *             status (posse_error, posse_item), which is what the call returned. It leaves buffers
 *             as they were, also structs without a valid struct_size, and in an array the places
 *             beyond the number that the call gives
 *   structs   the caller sets struct_size to the sizeof of the struct before each call, also where
 *             the call fills the struct. So programs and libraries of different versions work
 *             together: members that an older program does not have count as zero; members that
 *             this library does not know must be zero; a call fills as much as the struct holds.
 *             POSSE_INVALID: struct_size is not set, under 16 or over 4096
 *   files     posse keeps descriptors of its own. A program that closes all descriptors, as
 *             daemon and closefrom do, must do so before posse_create; later its executors break,
 *             see posse_why_broken. Before each use posse checks that a descriptor is still its
 *             own, and never touches another; only a close by another thread at that very moment
 *             goes unnoticed
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
#define POSSE_VERSION_MINOR 3
#define POSSE_VERSION_PATCH 0
#define POSSE_VERSION "0.3.0"

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
    X(POSSE_BROKEN, 6,                                                                             \
      "the executor is broken: no worker starts, the supervisor died, or memory is damaged")       \
    X(POSSE_SHUT_DOWN, 7, "the executor has been shut down")                                       \
    X(POSSE_FULL, 8, "the queue is at its limit")                                                  \
    X(POSSE_TOO_LARGE, 9, "a size or a count is over the maximum, or over the given buffer")       \
    X(POSSE_NO_MEMORY, 10, "no memory: /dev/shm, a resource limit or the machine is exhausted")    \
    X(POSSE_INVALID, 11, "an argument is not valid, or the handle is stale")                       \
    X(POSSE_NOT_SUPPORTED, 12, "not possible with this backend or on this system")                 \
    X(POSSE_WRONG_PROCESS, 13, "the executor belongs to another process")                          \
    X(POSSE_SYSTEM, 14, "a system call failed; errno tells why")                                   \
    X(POSSE_TOO_LATE, 15, "the task is already running or has ended")                              \
    X(POSSE_NOT_LOADED, 16, "the workers do not have this function: it was loaded or made later")  \
    X(POSSE_DEADLOCK, 17, "the call would wait for the task that makes it")                        \
    X(POSSE_END, 18, "there is nothing more")                                                      \
    X(POSSE_CLOSED, 19, "the queue is closed")                                                     \
    X(POSSE_OWNER_DIED, 20, "the lock is held now; the one who held it before has died")           \
    X(POSSE_FORBIDDEN, 21, "the task made a system call that its seal forbids")                    \
    X(POSSE_OVER_MEMORY, 22, "the task needed more memory than it may have")                       \
    X(POSSE_OVER_CPU, 23, "the task used more processor time than it may have")

typedef enum posse_status {
#define POSSE_STATUS_CONSTANT(name, value, message) name = (value),
    POSSE_STATUS_LIST(POSSE_STATUS_CONSTANT)
#undef POSSE_STATUS_CONSTANT
} posse_status;

/* Returns the constant's name, such as "POSSE_OK"; "POSSE_UNKNOWN" for a value that is none. The
 * string is constant. */
POSSE_API const char *posse_status_name(posse_status status);

/* Returns the meaning in words. The string is constant. */
POSSE_API const char *posse_status_message(posse_status status);

/* Says in words what was wrong with this thread's last call that returned POSSE_INVALID,
 * POSSE_TOO_LARGE, POSSE_NOT_SUPPORTED, POSSE_NO_MEMORY or POSSE_SYSTEM: which argument, or what
 * was not available; "options.min_workers is over options.max_workers". The same after
 * posse_task_reserve returned NULL. "" if there was no such call. The string is constant. */
POSSE_API const char *posse_last_error(void);

/* The version of the library that is linked: "0.3.0". */
POSSE_API const char *posse_version(void);

/* ---- executor -------------------------------------------------------------------------------- */

/* A pool of workers; made by posse_create. */
typedef struct posse_executor posse_executor;
/* A running task, as it sees itself; valid until it returns. */
typedef struct posse_task posse_task;

/* A future: a value of 16 bytes that may be copied and compared. It names one task of one executor
 * and stays valid until posse_release. After that it is stale: every call returns POSSE_INVALID
 * (until its place has been used four billion times more).
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

/* What a task can reach of other tasks. */
typedef enum posse_isolation {
    POSSE_SHARED = 0, /* all shared memory of the executor */
    POSSE_FRESH = 1   /* nothing: each task has a process of its own, see posse_seal.h */
} posse_isolation;

#define POSSE_MAX_WORKERS 1000

/* A task, or what a worker runs at its start or end; see posse_task_return. */
typedef int posse_fn(posse_task *task, const void *arg, size_t size);

typedef enum posse_on_worker_lost {
    POSSE_CARRY_ON = 0, /* only the worker's task is lost; another worker takes its place */
    POSSE_BREAK = 1     /* the executor is broken, as in Python */
} posse_on_worker_lost;

/* What options.log is told; see posse_log.h. */
typedef struct posse_log_record posse_log_record;

/* What posse_create makes. Zero is the default everywhere. What pointers lead to is copied. */
typedef struct posse_options {
    size_t struct_size; /* sizeof(posse_options) */
    posse_backend backend;
    /* 0: with processes the number of usable processors; with threads 4 more, but at most 32. */
    long max_workers;
    /* The length of the queue. When it is full, submit blocks. At most 16777216; 0: no limit. If
     * tasks have priorities, threads that submit at the same time may each exceed it by one. */
    long queue_limit;
    /* How often a task runs again after its worker was lost (0 to 255). */
    long retries;

    /* ps and debuggers show a worker as <prefix>_<its number>. The prefix is cut so that this has
     * at most 15 bytes. NULL: posse-<number of the executor>. */
    const char *worker_name_prefix;

    /* Runs in each worker before its first task, with a copy of its argument. It may return a code
     * or call posse_task_fail, as a task does. If three workers in a row fail in it, exit or crash,
     * the executor is broken, see posse_why_broken. A worker that something else kills in it (see
     * posse_create) does not count. Inline it runs once, in posse_create; if it fails, posse_create
     * gives an executor that is broken. */
    posse_fn *initializer;
    const void *initializer_arg;
    size_t initializer_size;
    /* Runs in each worker that leaves on purpose, also at posse_shutdown, as the worker's last act.
     * It does not run in a worker that is killed, as posse_destroy kills processes. How it ends
     * does not matter. */
    posse_fn *finalizer;
    const void *finalizer_arg;
    size_t finalizer_size;

    /* A worker is replaced after this many tasks; 0: never. The next worker starts before it
     * leaves; with on_demand only if a task waits for a worker. What it gave to others stays:
     * memory of posse_alloc, futures of tasks that it submitted. */
    long max_tasks_per_worker;
    /* A worker is replaced after a task if its memory has grown by at least this many bytes since
     * before its first task; 0: never. Shared memory does not count. Processes only. */
    size_t max_rss_per_worker;

    /* True: posse_create starts min_workers, and more start when a task finds none idle, up to
     * max_workers. False: all start at once. */
    bool on_demand;
    /* A worker that has been idle for so long leaves if more than min_workers are there. Another
     * starts when a task finds none idle. At most 49 days; 0: never. */
    long idle_timeout_ms;
    long min_workers; /* at most max_workers */

    /* When a worker dies that posse has not ended itself. */
    posse_on_worker_lost on_worker_lost;

    /* True: when the program exits (by exit, or a return from main), it first waits for all
     * accepted tasks, as by posse_shutdown, unless posse_destroy is called meanwhile. A child that
     * the program has forked does not wait. False: tasks end with the program. */
    bool wait_at_exit;

    /* True: posse_task_reserve, and with it the results of a map, and posse_alloc give cleared
     * memory. False: that memory shows what other tasks had there before. Clearing prevents
     * disclosure by mistake; a task can still read all shared memory, see posse_create. */
    bool wipe;

    /* Called with what no call reports: lost workers, tasks that fail unobserved, an executor that
     * breaks, and what may go wrong, see posse_log.h. NULL: there is no log. */
    void (*log)(void *context, const posse_log_record *record);
    void *log_context;

    /* Bytes of shared memory for all tasks together: futures, arguments, results and posse_alloc.
     * (What one task may gain in its worker is posse_job.max_memory.) From 1 MiB to 256 GiB (more
     * counts as 256 GiB). Beyond that calls return POSSE_NO_MEMORY. posse_create reserves address
     * space for it, less than twice as much. Memory is taken when it is first used, and given back
     * when the executor is idle.
     * 0: half of the memory of the machine, or of the program's memory cgroup if that allows less,
     * and at most 64 GiB. If the address space is limited (RLIMIT_AS), at most an eighth of what is
     * left of it. If the system does not reserve so much, posse_create halves it until the system
     * does.
     * If the machine's memory runs out, the kernel kills a worker, not the program or the
     * supervisor: workers make themselves its first choice. But that frees no shared memory, so
     * this limit is what bounds results and posse_alloc. */
    size_t max_memory;

    /* 0 or 1. 1: a crash of a worker process tells where it was, see posse_autopsy.h. Processes on
     * Linux only. 0: it does not. */
    long autopsy;

    /* Takes rights from the workers: see posse_seal.h. A task that does what is forbidden ends as
     * POSSE_FORBIDDEN. Processes only, on Linux. NULL: none. */
    const struct posse_seal *seal;

    /* The result of a task in bytes at most; 0: as large as shared memory can be, with POSSE_FRESH
     * 1 MiB. A larger one is POSSE_TOO_LARGE, and the task fails unless it gives another one. Not
     * of a map, unless it is POSSE_FRESH. */
    size_t max_result;

    /* 0 or 1. 1: the last 4 KiB that a task wrote to stderr are known, see posse_autopsy.h, which
     * also says what that changes in workers. Needs autopsy. 0: they are not. */
    long keep_stderr;
    /* 1: tasks keep times, which posse_trace.h tells. Costs each submit and each run a look at the
     * clock (some 50 ns a task), and a future 64 bytes of shared memory. 0: they do not. */
    long stamps;
    /* posse_isolation. POSSE_FRESH: each task runs in a process that has run no other one, and sees
     * only its own argument and result. It is sealed as `seal` says; NULL: as a seal that allows
     * nothing. See posse_seal.h. Processes only, on Linux. */
    long isolation;
    /* Bytes for the messages of one task that nobody has read, see posse_task_emit in
     * posse_progress.h; rounded up to a power of two, at most 1 GiB. 0: 16 KiB. */
    size_t message_memory;

    /* Runs the tasks elsewhere, in place of the workers: see posse_runner.h. Processes only, and
     * without a seal, isolation or autopsy. NULL: none. */
    const struct posse_runner *runner;
} posse_options;

/* Makes an executor and starts its workers. options may be NULL: all defaults. Processes are forked
 * here and never later: tasks find what the program had at this moment (memory, open descriptors,
 * loaded libraries, rights). stdout and stderr are flushed. Blocks for about a millisecond. In that
 * time the supervisor and the first worker are forked, so the program's page tables are copied
 * twice; the supervisor forks the other workers after that.
 * The pool is no security boundary between tasks, unless it is POSSE_FRESH: each can read and write
 * all shared memory of the executor. Create it after dropping privileges.
 * Worker processes are not children of the program. A process that adopts orphans (process 1 of a
 * container, or one with PR_SET_CHILD_SUBREAPER) becomes the parent of one process of each
 * executor, the supervisor: wait(-1) finds it, posse_destroy ends and reaps it, and SIGCHLD reports
 * its end. If something else kills the supervisor, that process becomes the parent of the workers,
 * too.
 * A worker that dies is replaced. If ten starts in a row fail by themselves, over at least half a
 * second, and no worker is left, the executor is broken. A worker that something else kills as it
 * starts does not count (SIGKILL, which the kernel sends when memory runs out, SIGTERM, SIGHUP or
 * another signal that is not of a crash). Another starts after a pause that doubles up to a second,
 * for ever. Meanwhile calls wait as long as their timeouts say, and workers_lost of
 * posse_get_stats grows.
 * A worker process ignores the signals that the program ignores at this moment (SIGTERM and SIGCHLD
 * too), and always SIGINT, SIGQUIT, SIGTTIN and SIGTTOU. All others are at their default, and none
 * is blocked. So a task may write to the terminal and set it, but reading from it fails with EIO.
 * Threads of the library block all signals except SIGPROF, SIGABRT and those of their own faults
 * (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS), which the program's handlers see.
 * POSSE_INVALID: a count is negative, a backend or policy unknown, a size without its argument, an
 * argument without its function, min_workers over max_workers, max_memory under 1 MiB, autopsy,
 * keep_stderr or stamps neither 0 nor 1, keep_stderr without autopsy, isolation unknown, the seal
 * or the runner not valid, or executor NULL.
 * POSSE_TOO_LARGE: max_workers is over POSSE_MAX_WORKERS, or queue_limit, retries, idle_timeout_ms
 * or message_memory over its maximum, or a list of the seal.
 * POSSE_NOT_SUPPORTED: max_rss_per_worker is set with threads or inline, or where memory cannot be
 * measured. autopsy is set with threads or inline, or not on Linux. keep_stderr is set with
 * POSSE_FRESH, or where RLIMIT_FSIZE is at most 1 MiB or memfd_create gives no file that can be
 * sealed. A seal or POSSE_FRESH is set with threads or inline, or the system cannot enforce all of
 * it. A runner is set with threads or inline, or beside a seal, autopsy or POSSE_FRESH. With
 * processes also if the system denies a call without which workers cannot be watched or would
 * outlive the program, as filters of system calls do: errno tells. Where only pidfd_open is denied,
 * the supervisor checks twice a second that the program lives.
 * POSSE_NO_MEMORY: /dev/shm or memory is exhausted, or no more processes or threads are allowed.
 * POSSE_SYSTEM: a system call failed; also too many files are open, or a path of the seal cannot be
 * opened. */
POSSE_API POSSE_CHECK posse_status posse_create(const posse_options *options,
                                                posse_executor **executor);

#define POSSE_NO_WAIT 1u        /* return at once; the work goes on */
#define POSSE_CANCEL_FUTURES 2u /* cancel every task that has not started */

/* Accepts no more tasks from the program, lets the accepted ones end, then ends the workers. Blocks
 * up to timeout_ms until that is done and the callbacks have returned; not with POSSE_NO_WAIT.
 * Tasks that are still running may submit and wait as before. It may be called again, with other
 * flags too, and by a callback (which does not wait for callbacks). Results stay readable until
 * posse_destroy.
 * POSSE_TIMEOUT: tasks are left; they go on.
 * POSSE_DEADLOCK: a task of this executor called it without POSSE_NO_WAIT.
 * POSSE_NO_MEMORY: it is shut down, but too many threads wait already, so this one did not.
 * POSSE_INVALID: a flag is unknown.
 * POSSE_SHUT_DOWN: posse_destroy was called meanwhile.
 * POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_shutdown(posse_executor *executor, unsigned flags, long timeout_ms);

/* Blocks up to timeout_ms until no accepted task is queued or running, and the callbacks that are
 * due have returned. A callback may call it, too, and does not wait for callbacks. The executor
 * goes on: tasks that are submitted meanwhile count as well. A task that has ended in a thread
 * which still runs it (posse_kill, timeout_ms) does not count. The call looks at each outstanding
 * future.
 * POSSE_OK: there was such a moment during the call; also if the executor is shut down.
 * POSSE_TIMEOUT: tasks are left, or callbacks.
 * POSSE_DEADLOCK: a task of this executor called it.
 * POSSE_BROKEN: tasks that are left never end.
 * POSSE_SHUT_DOWN: posse_destroy was called meanwhile.
 * POSSE_NO_MEMORY: over 4000 threads and tasks wait already, or there is no memory for another.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_wait_idle(posse_executor *executor, long timeout_ms);

/* Ends an executor at once and frees it with all its futures, results and memory from posse_alloc.
 * Queued tasks are cancelled. Running tasks are killed (processes) or waited for (threads; blocks
 * as long as they run). Threads that are blocked in a call on the executor return first, with
 * POSSE_SHUT_DOWN. Callbacks of all futures have returned when it does. For an orderly end call
 * posse_shutdown before. NULL is fine.
 * POSSE_DEADLOCK: a task, a callback or options.log of this executor called it.
 * POSSE_WRONG_PROCESS.
 * POSSE_OK otherwise, also if it is broken. */
POSSE_API posse_status posse_destroy(posse_executor *executor);

/* Shuts the executor down by force: running tasks end as POSSE_WORKER_LOST, queued ones as
 * POSSE_CANCELLED, and no worker is replaced. terminate sends SIGTERM, and a second later SIGKILL
 * to workers that are still there (to all of them, if the program ignored SIGTERM at posse_create).
 * kill sends SIGKILL. Neither blocks. Both are fine on an executor that is shut down or broken.
 * POSSE_NOT_SUPPORTED: the executor has threads, which cannot be killed, or is inline.
 * POSSE_WRONG_PROCESS: also when called by a task. */
POSSE_API posse_status posse_terminate_workers(posse_executor *executor);
POSSE_API posse_status posse_kill_workers(posse_executor *executor);

/* Changes max_workers. More workers start at once, or on demand. Workers that are too many leave,
 * idle ones first, when their tasks have ended. Does not block. Any thread, and tasks too.
 * POSSE_INVALID: it is less than 1 or less than min_workers.
 * POSSE_TOO_LARGE: it is over POSSE_MAX_WORKERS.
 * POSSE_NOT_SUPPORTED: the executor is inline.
 * POSSE_SHUT_DOWN, POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_resize(posse_executor *executor, long max_workers);

typedef struct posse_stats {
    size_t struct_size;        /* sizeof(posse_stats), set by the caller */
    uint64_t workers;          /* alive now */
    uint64_t workers_idle;     /* of these, waiting for work */
    uint64_t workers_started;  /* since create */
    uint64_t workers_lost;     /* died, or were killed with their task, since create */
    uint64_t queued;           /* tasks that wait for a worker, or for their turn in a group */
    uint64_t running;          /* tasks that are running */
    uint64_t done;             /* tasks that ended since create with a result */
    uint64_t failed;           /* tasks that ended with an error of their own */
    uint64_t cancelled;        /* tasks that were cancelled before or while running */
    uint64_t timed_out;        /* tasks that passed their deadline, or another limit of their job */
    uint64_t lost;             /* tasks that were lost with their worker, POSSE_FORBIDDEN too */
    uint64_t futures;          /* slots in use: tasks under way and ended ones not yet released */
    uint64_t memory_blocks;    /* of shared memory, that hold arguments, results and posse_alloc */
    uint64_t memory_reserved;  /* bytes of address space for shared memory */
    uint64_t memory_committed; /* of these, bytes that have memory now, used or kept for later */
    uint64_t memory_used;      /* of these, bytes that futures and blocks use */
    /* Processor time of the workers since create, in nanoseconds, also of those that have ended,
     * and with POSSE_FRESH of the processes of tasks that have ended; 0: inline, or not on Linux.
     * Costs a system call for each worker that is alive. */
    uint64_t cpu_ns;
} posse_stats;

/* Fills stats with the counts of this moment. Under load each is exact, but they need not add up.
 * Costs a pass over the outstanding futures and the blocks of shared memory.
 * POSSE_INVALID: stats is NULL, or its struct_size is not valid.
 * POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_get_stats(posse_executor *executor, posse_stats *stats);

/* ---- tasks ----------------------------------------------------------------------------------- */

/* A task is a posse_fn. arg points to its own copy of the argument, aligned for any type, or is
 * NULL if the size is 0. It returns 0 for success; anything else is the task's own error code. It
 * may run in another process: there it finds the program's memory as it was at posse_create, and
 * what it changes stays in its worker, for later tasks there (see posse_fork(7)). It must not leave
 * by longjmp, not even to a task that waits for it: a worker process is lost with both then, in a
 * thread the future never ends. With pthread_exit it is lost with its worker, as soon as threads
 * that it has started have ended. A C++ exception that leaves it kills its worker process (by
 * signal 6), or, in a thread, the program (std::terminate). Inline both go through posse_submit,
 * which has given no future then; the task has failed. It has also failed if a task that waits for
 * it runs it (see posse_task_executor) and catches the exception, which goes through the call that
 * waits. */

/* Gives the program's result: copies size bytes. The last call counts; without one the result is
 * empty.
 * POSSE_INVALID: also in a map, whose functions write their results in place.
 * POSSE_NO_MEMORY, POSSE_TOO_LARGE: nothing has changed, the task goes on. But if size is over
 * options.max_result, the task fails unless it gives another result. */
POSSE_API posse_status posse_task_return(posse_task *task, const void *data, size_t size);

/* Gives room for a result of size bytes, to be written in place without a copy. Not cleared unless
 * options.wipe is set: it shows what was there before, also of other tasks. Aligned for any type of
 * that size. Replaces an earlier result.
 * NULL: there is no memory, size is over options.max_result, or the task has failed, or it is a
 * map's. */
POSSE_API void *posse_task_reserve(posse_task *task, size_t size);

/* Makes the task fail, whatever it returns later, with a code (0 is possible) and a message, which
 * is cut after 255 bytes. Returns code, for
 * `return posse_task_fail(task, 7, "no such page: %s", url);` */
POSSE_API int posse_task_fail(posse_task *task, int code, const char *format, ...)
    POSSE_PRINTF(3, 4);

/* True once posse_cancel or posse_kill was called for the task, or it has passed its deadline, or
 * the job's grace_ms before that. A long task checks this now and then and returns early. */
POSSE_API bool posse_task_cancelled(const posse_task *task);

/* Milliseconds to the deadline, 0 after it, -1 without one. */
POSSE_API long posse_task_time_left(const posse_task *task);

/* The number of the worker that runs it: 0 to max_workers - 1. It is larger while workers are being
 * replaced, or threads that missed a deadline are still running. */
POSSE_API int posse_task_worker(const posse_task *task);

/* Which run this is: 1, or more after workers were lost (see also posse_on_lost); 255 for all after
 * that. */
POSSE_API int posse_task_attempt(const posse_task *task);

/* The task's own copy of job.descriptors[i], close-on-exec; -1: there is none, or it was taken. It
 * is closed when the task returns. A task that closes it itself, or hands it to a stream (fdopen),
 * must take it. */
POSSE_API int posse_task_descriptor(const posse_task *task, size_t i);

/* The same, and posse does not close it any more: the caller does. It stays open in the worker, for
 * later tasks, until then. */
POSSE_API int posse_task_take_descriptor(posse_task *task, size_t i);

/* The executor that runs it, for tasks that submit tasks. A task may submit to it, wait for what it
 * submitted, cancel and release. A task that waits for one that has not started runs it itself, so
 * recursion works with one worker. Tasks that do so lie on one stack: a worker process has as much
 * as the thread that called posse_create, a thread the default of the C library, at least 1 MiB. A
 * level costs about 1 KiB and what the task itself uses, so 8 MiB hold some thousands. When less
 * than 128 KiB are left (or a quarter, of a small stack), a wait that would run one more returns
 * POSSE_NO_MEMORY instead; the future stays as it is. Not inline, where a submit is an ordinary
 * call; with POSSE_FRESH calls on it return POSSE_NOT_SUPPORTED. */
POSSE_API posse_executor *posse_task_executor(const posse_task *task);

/* ---- submit ---------------------------------------------------------------------------------- */

/* Queues fn(arg) and gives a future, which the caller must release. If future is NULL, the task
 * runs unobserved. The size bytes at arg are copied. Blocks only while the queue is at queue_limit;
 * submits by tasks never block.
 * POSSE_INVALID: executor or fn is NULL, or a size has no arg.
 * POSSE_TOO_LARGE: the argument is larger than shared memory can be.
 * POSSE_NOT_LOADED: fn lies in memory that could not be executed at posse_create, as it was loaded
 * or made later. A function that a compiler made later in memory that could be executed already is
 * not noticed: it costs the worker. Where /proc is missing nothing is noticed.
 * POSSE_NO_MEMORY: the system has no memory left, or the executor has reached options.max_memory,
 * or it has as many futures as it can have at once, see limits in posse(7).
 * POSSE_SHUT_DOWN, POSSE_BROKEN, POSSE_WRONG_PROCESS.
 * With any status but POSSE_OK the task has not run and never will. */
POSSE_API POSSE_CHECK posse_status posse_submit(posse_executor *executor, posse_fn *fn,
                                                const void *arg, size_t size, posse_future *future);

/* Which of the tasks that wait is taken next: the first HIGH one, else the first NORMAL one, else
 * the first LOW one. (With 8 workers or more, also by default, and no queue_limit it is one of the
 * first NORMAL ones: many workers take tasks from several queues by turns.) No task is interrupted
 * for it, so an urgent one starts when a worker ends the task that it runs. Of 32 tasks that are
 * taken, one is the first LOW one, if one waits: so LOW tasks get a little time whatever else is
 * submitted. But NORMAL tasks wait for as long as HIGH ones keep all workers busy. A task keeps its
 * priority when it runs again. A task that waits for another one may run that one itself, whatever
 * its priority. Without workers it has no effect. */
typedef enum posse_priority {
    POSSE_PRIORITY_LOW = -1,
    POSSE_PRIORITY_NORMAL = 0,
    POSSE_PRIORITY_HIGH = 1
} posse_priority;

#define POSSE_MAX_DESCRIPTORS 16

#define POSSE_TERMINATE 4u /* of posse_job: posse_kill sends SIGTERM first, see grace_ms */

/* A task with more to say about it. Zero is the default everywhere. */
typedef struct posse_job {
    size_t struct_size; /* sizeof(posse_job) */
    posse_fn *fn;
    const void *arg;
    size_t size;      /* of the argument in bytes */
    const char *name; /* stands in errors and descriptions, cut after 31 bytes; copied */
    /* How long the task may run, counted from its start (at most 49 days); 0: for ever. A worker
     * process that overruns it is killed and replaced, as by posse_kill. A thread cannot be killed:
     * its future ends on time, and the thread leaves when its task returns. Another thread takes
     * its place, unless there are POSSE_MAX_WORKERS already. Inline it is noticed when the task
     * returns. */
    long timeout_ms;
    /* How often the task runs again if its worker is lost (0 to 255); 0: as in the executor's
     * options, -1: never. */
    long retries;
    long queue_timeout_ms; /* at queue_limit: how long to wait for room; 0: for ever */
    unsigned flags; /* POSSE_NO_WAIT: at queue_limit return POSSE_FULL at once; POSSE_TERMINATE */
    long priority;  /* posse_priority: which of the tasks that wait is next */

    /* Bytes of memory that this one task may gain over what its worker had before it, from 1 MiB;
     * 0: any number. (What all tasks share is options.max_memory.) Past that malloc returns NULL
     * (all private writable memory counts that it maps, also stacks of its threads), and the task
     * may go on without. It ends as POSSE_OVER_MEMORY if it fails, crashes or calls exit when errno
     * is still ENOMEM. A refusal of shared memory counts too if the task then fails: a call of
     * posse that returns POSSE_NO_MEMORY sets errno to ENOMEM. Memory that malloc does not ask the
     * system for (a stack, what it changes of the program's) is compared 20 times a second: a task
     * that has more is killed. What its worker has already and malloc finds free there is no gain,
     * and shared memory is none. */
    size_t max_memory;
    /* Processor time that the task may use, of all its threads together (at most 49 days); 0: any
     * time. A task that has used it is killed, at most some 50 ms later, or ends as POSSE_OVER_CPU
     * when it returns. */
    long max_cpu_ms;
    /* How long the task may go on once posse_task_cancelled is true: it turns true that long before
     * the deadline (so it is at most timeout_ms, if that is set), and after a posse_cancel the task
     * is killed that much later, as POSSE_CANCELLED. 0: it turns true at the deadline, and
     * posse_cancel kills no running task. At most 49 days. Inline it never kills: the task is only
     * asked to stop before its deadline.
     * With POSSE_TERMINATE in flags, posse_kill sends a running task's worker process SIGTERM, and
     * kills it that much later (after a posse_cancel, grace_ms counts from that call), or at the
     * deadline, or when the task is over a limit: as POSSE_CANCELLED. A task that handles SIGTERM
     * may end in time, as it likes; its worker is replaced after it, perhaps without its finalizer.
     * One that does not handle SIGTERM dies of it at once, also as POSSE_CANCELLED. The signal also
     * reaches what the task has started. */
    long grace_ms;
    /* max_memory and max_cpu_ms: worker processes of Linux only. Unless the executor is POSSE_FRESH
     * they hold back a task that goes wrong, not one that means to: it can raise its own limit and
     * change what posse compares. A task that ends so does not run again. Processes that the task
     * starts have the same limit of memory, each for itself; their memory and processor time are
     * not compared. Tasks that it runs while it waits for them do not count, and have limits of
     * their own. But the processor time of threads that an earlier task has left running in the
     * worker counts. */

    /* Open descriptors that the task gets copies of, see posse_task_descriptor; at most
     * POSSE_MAX_DESCRIPTORS. They are copied in the call: the program may close its own after it.
     * As after a fork, copies share one file offset, also those of another run of the task. The
     * executor holds them until the task has begun its last run, or ends without: with processes in
     * the supervisor. So RLIMIT_NOFILE of the program at posse_create limits how many tasks with
     * descriptors may wait at a time; and at most 4096 may. With processes a submit and a run each
     * cost some 30 microseconds more, a submit to an executor that sleeps some 100: it blocks until
     * the supervisor has answered. If the worker cannot get its copies, as it has no descriptors
     * left, the task fails. */
    const int *descriptors;
    size_t n_descriptors;
    /* The group that the task belongs to, see posse_group.h; NULL: none. */
    struct posse_group *group;
    /* Blocks of posse_alloc that the task gets if the executor is POSSE_FRESH, see posse_seal.h; at
     * most POSSE_MAX_JOB_MEMORY. Elsewhere they are checked alone, as tasks reach them anyway. */
    const struct posse_memory *memory;
    size_t n_memory;
    /* How often the task has run elsewhere already (0 to 254): posse_task_attempt counts on from
     * there. For a place of a runner, see posse_runner.h. Only the program may set it, and not with
     * options.stamps. */
    long runs_before;
} posse_job;

/* Submits a job. Statuses as posse_submit. Also:
 * POSSE_FULL: the queue is at queue_limit, and POSSE_NO_WAIT is set.
 * POSSE_TIMEOUT: queue_timeout_ms has passed.
 * POSSE_TOO_LARGE: also timeout_ms, max_cpu_ms, grace_ms, retries, runs_before or n_descriptors is
 * over its maximum.
 * POSSE_SYSTEM: a descriptor cannot be copied. errno is EBADF: it is not open; EMFILE: the process
 * that holds the copies, or the caller, has no descriptor left; EPIPE: that process takes none any
 * more.
 * POSSE_NOT_SUPPORTED: max_memory or max_cpu_ms is set with threads or inline, or where the system
 * cannot measure memory. max_memory is set, and /proc hides the workers: see posse_seal.h.
 * POSSE_TERMINATE is set in an executor that is POSSE_FRESH or has a runner; descriptors or memory
 * in one that has a runner; runs_before in one with options.stamps. A task in a worker process has
 * set a group or runs_before.
 * POSSE_CANCELLED, POSSE_DEADLINE: the job's group was cancelled, or its time is up.
 * POSSE_INVALID: also a number is negative, grace_ms over timeout_ms, max_memory under 1 MiB, a
 * flag or priority unknown, POSSE_TERMINATE without grace_ms, or the group one of another executor.
 */
POSSE_API POSSE_CHECK posse_status posse_submit_with(posse_executor *executor, const posse_job *job,
                                                     posse_future *future);

/* Submits n jobs at once, which costs less than one by one. All have the same struct_size, which is
 * the distance from one to the next. Jobs are accepted in their order, each as posse_submit_with
 * says, up to the first for which there is no room or no memory in time, or until the executor
 * closes. So the first *accepted tasks are accepted, and the others have not run and never will. In
 * which order workers take them, posse_priority says. futures has n places, and gets a future for
 * each accepted task, and all zero for the others. If it is NULL, the tasks run unobserved. No
 * argument may lie in it. accepted may be NULL.
 * Before the first job enters, all are checked: if one is not valid, *accepted is 0. At queue_limit
 * each job waits as its own queue_timeout_ms and flags say, counted from when it is the next.
 * POSSE_OK: all are accepted, also if n is 0.
 * POSSE_INVALID: also jobs is NULL, or struct_size is not the same in all. No job was submitted.
 * POSSE_NOT_LOADED: no job was submitted.
 * Others as posse_submit_with: they tell why the first job that was not accepted was refused. */
POSSE_API POSSE_CHECK posse_status posse_submit_many(posse_executor *executor,
                                                     const posse_job *jobs, size_t n,
                                                     posse_future *futures, size_t *accepted);

/* What posse_broadcast runs. Zero is the default everywhere. */
typedef struct posse_broadcast_job {
    size_t struct_size; /* sizeof(posse_broadcast_job) */
    posse_fn *fn;
    const void *arg; /* copied */
    size_t size;
    long timeout_ms; /* for all of it; 0: for ever */
    /* 1: each worker that starts later runs fn, too, before its first task, as it runs the
     * initializer (see posse_options; after it). That holds until the next call with 1: only the
     * last one counts, and with fn NULL they run nothing any more. */
    long also_later;
    /* How it ended in each worker, in the order of their numbers, as posse_exception says it: the
     * first `capacity` of them. */
    posse_status *statuses;
    size_t capacity;
} posse_broadcast_job;

/* Runs a function once in every worker that is there, to load a table anew for example. Idle
 * workers run it at once, the others when their task has ended, before their next one. Blocks until
 * it has ended in all. *n, if not NULL, gets their number. A worker that leaves before it has begun
 * fn does not count, so the number may be 0. Workers that posse_create has not started yet are
 * later ones: it returns when the first is there. If a worker dies in it, fn does not run again
 * there, and without also_later the replacement does not run it. Calls by several threads come one
 * after the other, in all workers in the same order. posse_get_stats counts each run as a task,
 * max_tasks_per_worker does not. Inline it runs once, in the caller.
 * POSSE_OK: it returned 0 in each of them.
 * POSSE_TASK_FAILED, POSSE_WORKER_LOST, POSSE_FORBIDDEN: the first that did not end well ended so.
 * POSSE_TIMEOUT: time was up. Workers that had not begun it never will: their status is
 * POSSE_CANCELLED. It goes on where it runs: there the status is POSSE_TIMEOUT.
 * POSSE_DEADLOCK: a task of this executor called it.
 * POSSE_NOT_SUPPORTED: the isolation is POSSE_FRESH, where no task finds what another one has left;
 * or options.runner is set.
 * POSSE_NO_MEMORY, POSSE_TOO_LARGE: there was no memory for the argument in some worker; statuses
 * are as with POSSE_TIMEOUT.
 * POSSE_INVALID: job is NULL or its struct_size is not valid, fn is NULL without also_later, a size
 * has no arg, a number is negative, also_later neither 0 nor 1, or capacity has no statuses.
 * POSSE_NOT_LOADED, POSSE_SYSTEM, POSSE_SHUT_DOWN, POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_broadcast(posse_executor *executor,
                                                   const posse_broadcast_job *job, size_t *n);

/* ---- futures --------------------------------------------------------------------------------- */

/* Blocks up to timeout_ms until the task has ended, and shows its result in place: *data points to
 * *size bytes that stay valid until posse_release (NULL and 0 for an empty result). Either may be
 * NULL.
 * POSSE_OK: there is a result.
 * POSSE_TASK_FAILED, POSSE_CANCELLED, POSSE_WORKER_LOST, POSSE_FORBIDDEN, POSSE_DEADLINE,
 * POSSE_OVER_MEMORY, POSSE_OVER_CPU: the task ended so, see posse_exception.
 * POSSE_TIMEOUT: the task has not ended yet.
 * POSSE_BROKEN, POSSE_SHUT_DOWN: the task will never end.
 * POSSE_DEADLOCK: a task waits for itself, or the initializer of a sealed worker for a task that no
 * worker has begun.
 * POSSE_NO_MEMORY: over 4000 threads and tasks wait already, or there is no memory for another; or
 * the stack of a task that waits has no room to run the other one, see posse_task_executor. */
POSSE_API posse_status posse_result(posse_future future, long timeout_ms, const void **data,
                                    size_t *size);

/* As posse_result, but copies the result into buffer. *size, if not NULL, gets the result's size.
 * POSSE_TOO_LARGE: the result is larger than capacity; nothing was copied, *size says how large it
 * is, and the future is as before.
 * POSSE_INVALID: also if another thread releases it meanwhile; buffer has no result then. */
POSSE_API posse_status posse_result_into(posse_future future, long timeout_ms, void *buffer,
                                         size_t capacity, size_t *size);

/* How a task ended; or, after a call that returned another status, that status, in words. */
typedef struct posse_error {
    size_t struct_size; /* sizeof(posse_error), set by the caller */
    /* POSSE_OK, POSSE_TASK_FAILED, POSSE_CANCELLED, POSSE_WORKER_LOST, POSSE_FORBIDDEN,
     * POSSE_DEADLINE, POSSE_OVER_MEMORY or POSSE_OVER_CPU; or what the call returned */
    posse_status status;
    int code;      /* of the task, with POSSE_TASK_FAILED */
    int signal;    /* that killed the worker (POSSE_WORKER_LOST, POSSE_FORBIDDEN); 0: it exited */
    int exit_code; /* of the worker, with the same statuses; -1 if a signal killed it */
    long pid;      /* of the worker, with the same statuses */
    int attempt;   /* which run this was, from 1 to 255; 0 if it never ran */
    char name[32]; /* of the job; "" if it has none */
    char message[320]; /* in words, after "<name>: " if it has a name; "" for POSSE_OK */
    /* With POSSE_FORBIDDEN: the number of the system call, and its name, which is constant. -1 and
     * "unknown": the task had its own handler of SIGSYS, or that signal was blocked. Else 0 and
     * NULL. */
    long call;
    const char *call_name;
    /* Of a task with max_memory or max_cpu_ms that ended by itself or over one of them, else 0: the
     * most bytes of memory that its worker had more than before it, where max_memory is set (what
     * it touched of shared memory counts here), and the processor time that it used. */
    uint64_t peak_memory;
    uint64_t cpu_ns;
} posse_error;

/* Blocks up to timeout_ms until the task has ended, and says how: "thumbnail: worker 123 was killed
 * by signal 9 (Killed)". error may be NULL.
 * POSSE_OK: the task has ended, error->status says how.
 * POSSE_BROKEN: it never will; error is as by posse_why_broken.
 * Otherwise as posse_result. */
POSSE_API posse_status posse_exception(posse_future future, long timeout_ms, posse_error *error);

/* Says why an executor is broken: error->status is POSSE_BROKEN, with the code and message of the
 * initializer, or the end of the worker, or the other reason in words. error->attempt is how many
 * workers in a row failed in the initializer; 0: that is not the reason. The status is POSSE_OK if
 * the executor is not broken.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_why_broken(posse_executor *executor, posse_error *error);

/* Cancels a task that has not started. A running one is only asked to stop (posse_task_cancelled);
 * but one with job.grace_ms is killed if it has not ended that much later, as POSSE_CANCELLED.
 * POSSE_OK: the task will never run, and its future has ended.
 * POSSE_TOO_LATE: the task is running or has ended. */
POSSE_API posse_status posse_cancel(posse_future future);

/* As posse_cancel, and ends a running task too. Its worker process is killed and replaced. The
 * future of a thread's task ends, while the thread goes on until the task returns. Tasks of other
 * workers are not hit. With the process are lost the tasks that wait for this one on its worker,
 * and one that it runs itself as it waits for it (see posse_task_executor). Does not block: the
 * future ends soon after, as POSSE_CANCELLED. With POSSE_TERMINATE in job.flags the task gets
 * SIGTERM first, and may end by itself.
 * POSSE_TOO_LATE: the task has ended, or it runs inline. */
POSSE_API posse_status posse_kill(posse_future future);

/* The state now. All are false for a stale handle. */
POSSE_API bool posse_done(posse_future future);      /* has ended, one way or another */
POSSE_API bool posse_running(posse_future future);   /* is being run */
POSSE_API bool posse_cancelled(posse_future future); /* has ended as POSSE_CANCELLED */

/* The state in words, for logs: "pending", "running", "cancelled", "finished: returned 8 bytes",
 * "finished: failed with code 7: no such page", "finished: worker 123 was killed by signal 9
 * (Killed)", ...; after "<name>: " if the job has a name: "thumbnail: pending"; and "stale". It is
 * one line: bytes of control characters, and those that are no UTF-8, are question marks. As
 * snprintf: writes at most capacity bytes, the end included, and returns the length that the text
 * has without that limit. If buffer is NULL it writes nothing. Does not block. */
POSSE_API size_t posse_describe(posse_future future, char *buffer, size_t capacity);

/* Called when a future has ended. Returns 0; anything else goes to options.log. */
typedef int posse_callback(posse_future future, void *context);

/* Makes posse call callback(future, context) once, when the future has ended in any way, or cannot
 * end any more as its executor broke. One thread of the executor, which the first callback starts,
 * calls them one after another, those of one future in the order in which they were added. If the
 * future has ended already and no callback of it is due, the calling thread calls it before this
 * returns. A callback may call anything but posse_destroy of its executor. If it ends its thread
 * (pthread_exit), another thread calls the rest; a C++ exception there ends the program. Callbacks
 * of a future that was released are not called any more.
 * POSSE_NOT_SUPPORTED: a task in a worker process called it.
 * POSSE_NO_MEMORY, POSSE_SYSTEM: there is no memory or no thread, as with posse_create; nothing was
 * added.
 * POSSE_SHUT_DOWN: options.log called it while posse_destroy runs.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_add_done_callback(posse_future future, posse_callback *callback,
                                               void *context);

/* Gives the future back. From now on it is stale, and so is the result that posse_result showed. A
 * task that has not ended goes on unobserved.
 * POSSE_INVALID: it was released before. */
POSSE_API posse_status posse_release(posse_future future);

/* ---- many futures ---------------------------------------------------------------------------- */

/* The calls below take futures of any executors together. If they are of several, the first such
 * call starts a thread in each, which ends with posse_destroy. */

typedef enum posse_when {
    POSSE_ALL_COMPLETED = 0,
    POSSE_FIRST_COMPLETED = 1,
    POSSE_FIRST_EXCEPTION =
        2 /* a task has ended, but not with a result or by cancel; or all have */
} posse_when;

/* Blocks up to timeout_ms until the condition `when` holds for n futures. done, if not NULL, has n
 * places and gets for each whether it has ended. *n_done, if not NULL, gets their number, where a
 * future that is given twice counts once. Both are also set if the call does not return POSSE_OK.
 * POSSE_OK: the condition holds.
 * POSSE_TIMEOUT: it did not hold in time.
 * POSSE_BROKEN, POSSE_SHUT_DOWN: it can never hold.
 * POSSE_NO_MEMORY, POSSE_DEADLOCK: as posse_result.
 * POSSE_SYSTEM.
 * POSSE_INVALID: a future is not valid, or `when` is unknown. POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_wait(const posse_future *futures, size_t n, posse_when when,
                                  long timeout_ms, bool *done, size_t *n_done);

/* Gives futures in the order in which they end. Used by one thread at a time. */
typedef struct posse_completion_iter posse_completion_iter;

/* Begins: futures that have ended already come first, then the others as they end. Each comes once,
 * also if it is given twice. The timeout is for all of it, from now on. The array is not needed
 * after the call. Does not block.
 * Statuses as posse_wait, but never POSSE_TIMEOUT. */
POSSE_API POSSE_CHECK posse_status posse_as_completed(const posse_future *futures, size_t n,
                                                      long timeout_ms,
                                                      posse_completion_iter **iter);

/* Gives the next one, which may be released at once. *index, if not NULL, gets its first place in
 * the array. Blocks. A future that was released meanwhile is left out.
 * POSSE_END: all were given.
 * POSSE_TIMEOUT: time is up; asking again gives what ends later.
 * POSSE_NO_MEMORY, POSSE_DEADLOCK: as with posse_result; asking again is possible, too.
 * POSSE_BROKEN, POSSE_SHUT_DOWN: the rest will never end.
 * Once posse_destroy of one of the executors has returned, only the close may be called. */
POSSE_API POSSE_CHECK posse_status posse_completion_iter_next(posse_completion_iter *iter,
                                                              posse_future *future, size_t *index);

/* How many have not been given yet. */
POSSE_API size_t posse_completion_iter_left(const posse_completion_iter *iter);

/* Ends the iteration; the futures stay as they are. NULL is fine; so is an executor that has been
 * destroyed meanwhile. */
POSSE_API void posse_completion_iter_close(posse_completion_iter *iter);

/* A descriptor for poll, epoll and the like that reports futures that have ended. */
typedef struct posse_completion_queue posse_completion_queue;

/* Makes one. It belongs to no executor, and takes futures of any of the program's.
 * POSSE_INVALID, POSSE_NO_MEMORY, POSSE_SYSTEM (errno tells). */
POSSE_API POSSE_CHECK posse_status posse_completion_queue_create(posse_completion_queue **queue);

/* The descriptor, which is readable while there is something to take. It is non-blocking and
 * close-on-exec, must be neither read nor closed, and lives until posse_completion_queue_destroy.
 * -1: the program has closed it. */
POSSE_API int posse_completion_queue_fd(const posse_completion_queue *queue);

/* Adds a future with a context. The queue delivers both when the future has ended, or cannot end
 * any more as its executor broke. The first one of an executor starts a thread in it, which ends
 * with posse_destroy.
 * POSSE_NOT_SUPPORTED: a task in a worker process called it.
 * POSSE_NO_MEMORY, POSSE_SYSTEM: there is no memory or no thread; with errno EBADF the program has
 * closed the descriptor. What was added before can still be taken.
 * POSSE_SHUT_DOWN: options.log called it while posse_destroy runs.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_completion_queue_add(posse_completion_queue *queue,
                                                  posse_future future, void *context);

typedef struct posse_completion {
    posse_future future;
    void *context;
} posse_completion;

/* Takes at most capacity futures that have ended, in the order in which they did. Returns their
 * number, 0 if there is none or taken is NULL. Left out are futures that were released before they
 * ended, and those that had not ended when their executor was destroyed. Does not block.
 * Any thread. */
POSSE_API size_t posse_completion_queue_take(posse_completion_queue *queue, posse_completion *taken,
                                             size_t capacity);

/* Closes the descriptor, and forgets what was added. NULL is fine. No thread may be using it. */
POSSE_API void posse_completion_queue_destroy(posse_completion_queue *queue);

/* ---- map ------------------------------------------------------------------------------------- */

#define POSSE_MAX_INPUTS 8

/* An array of items. */
typedef struct posse_input {
    const void *data;
    size_t size;   /* of an item in bytes */
    size_t stride; /* from one item to the next in bytes; 0: size */
} posse_input;

/* Runs on one item: items[k] points to its element of input k, result to room for its result (not
 * cleared unless options.wipe is set). Returns 0, or fails as a task does; only this item fails
 * then. */
typedef int posse_map_fn(posse_task *task, const void *const *items, void *result);

/* Several items in a row, for a function that loops over them itself, which is fastest for small
 * ones. Element i of input k is at inputs[k] + i * strides[k], result i at
 * results + i * result_stride. */
typedef struct posse_block {
    size_t first; /* number of its first item */
    size_t count;
    const char *inputs[POSSE_MAX_INPUTS];
    size_t strides[POSSE_MAX_INPUTS];
    char *results;
    size_t result_stride;
} posse_block;

/* Runs on a block. If it fails, all items of the block have failed. */
typedef int posse_block_fn(posse_task *task, const posse_block *block);

/* Gives the next item: writes its element of input k to elements[k]. The thread that calls
 * posse_map_open or posse_map_next calls it, at most as far ahead as buffersize says. It may block:
 * so it is called only while there is no item to give, unless its last 64 chunks came in less than
 * a millisecond each. timeout_ms does not cut it short, but an item that comes too late never
 * begins. It may leave by an exception of C++ or by pthread_exit. posse_map_open closes the map
 * then; after posse_map_next the caller must still call posse_map_close.
 * POSSE_OK: it has written an item.
 * POSSE_END: there are no more.
 * Otherwise the map ends too: after the items before posse_map_next returns what it returned. */
typedef posse_status posse_source(void *context, void *const *elements);

/* What is lost with a chunk whose worker died (POSSE_WORKER_LOST, POSSE_FORBIDDEN) or was killed
 * because the chunk was over its time (POSSE_DEADLINE). */
typedef enum posse_on_lost {
    POSSE_LOSE_CHUNK = 0, /* all items of the chunk */
    /* Only the guilty item. Both halves of the chunk run again, then both halves of each one that
     * is lost, until the guilty item runs alone. So items must tolerate being run again, as with
     * retries: an item that shares a chunk of n with a guilty one runs again at most log2(n) times,
     * rounded up, also if it had ended. posse_task_attempt counts these runs. Each guilty item
     * costs at most twice that number of further tasks. block_fn gets smaller blocks then.
     * options.retries are for an item that runs alone. With a source the map keeps a copy of items
     * that are on their way.
     * Other items are lost, too, if they cannot run again: because the map's time is up, there is
     * no memory, or the executor is shut down or broken (with POSSE_BREAK a worker that dies breaks
     * it). A thread that is over its time goes on, so its items do not run again. Inline it has no
     * effect. */
    POSSE_SPLIT = 1
} posse_on_lost;

/* What posse_map does. Zero is the default everywhere. Its items cannot be limited by max_memory,
 * max_cpu_ms or grace_ms of posse_job. */
typedef struct posse_map_job {
    size_t struct_size;       /* sizeof(posse_map_job) */
    posse_map_fn *fn;         /* runs on one item */
    posse_block_fn *block_fn; /* runs on a block; set one of the two */
    /* What the function gets: arrays of `count` items each, whose data must stay until the end.
     * With a source only the sizes of its elements count, and data is not used. Worker processes
     * use memory of posse_alloc in place, other memory is copied, and all with POSSE_FRESH. Threads
     * use all in place, unless there is an item_timeout_ms, after which they may still run. */
    const posse_input *inputs;
    size_t n_inputs; /* at most POSSE_MAX_INPUTS */
    size_t count;
    posse_source *source;
    void *source_context;
    /* What it gives: result_size bytes an item. results is an array for all items, in place as
     * above, or NULL: posse_map_next shows them. result_stride 0: result_size. */
    size_t result_size;
    void *results;
    size_t result_stride;
    /* Items in one task; 0: posse chooses (1 with a source). */
    long chunksize;
    /* How many items may be on their way: given to workers, and not yet by posse_map_next. 0: some
     * chunks for each worker. */
    long buffersize;
    bool unordered;       /* posse_map_next gives chunks as they end */
    long timeout_ms;      /* for all of it, from posse_map or posse_map_open on; 0: for ever */
    long item_timeout_ms; /* for an item; a chunk has that times its items; 0: for ever */
    /* What all items share: posse_map_arg gives it to the function. It must stay until the end. It
     * is used in place as inputs are, or copied with each chunk, so if it is large, it should be
     * memory of posse_alloc. */
    const void *arg;
    size_t arg_size;
    long priority; /* posse_priority, of all its tasks */
    long on_lost;  /* posse_on_lost: what is lost with a guilty item */
} posse_map_job;

/* The `arg` of the map, for its function; *size, if not NULL, gets its size. A copy is aligned for
 * any type. NULL and 0: the map has none, or the task is not a map's. */
POSSE_API const void *posse_map_arg(const posse_task *task, size_t *size);

/* Runs a function on all items. Blocks up to the job's timeout_ms, and then until items that run
 * have ended if they use memory of the program in place, as posse_map_close. If a worker dies,
 * every item of its chunk is lost, but see posse_on_lost. statuses, if not NULL, has `count` places
 * and gets how each item ended, as posse_exception says it. The call fills it whatever it returns:
 * an item that never began has POSSE_CANCELLED, one that was still running has the status that the
 * call returns. The bytes in job.results of an item without POSSE_OK mean nothing.
 * POSSE_OK: all items have results.
 * POSSE_TASK_FAILED, POSSE_WORKER_LOST, POSSE_FORBIDDEN, POSSE_DEADLINE, POSSE_CANCELLED: the first
 * item that has no result ended so; the others have theirs.
 * POSSE_TIMEOUT: time was up; items that had not begun were cancelled.
 * POSSE_DEADLOCK: as posse_result.
 * POSSE_INVALID: job is NULL or its struct_size is not valid (then statuses stays as it was);
 * neither or both functions are set; a number is negative; priority or on_lost is unknown; a size
 * is 0 or an array NULL where there are items; results overlap; a size has no arg; a source has an
 * array of results; job has a source (see posse_map_open).
 * POSSE_TOO_LARGE: there are too many inputs, a chunk or arg is over 4 GB, item_timeout_ms is over
 * 49 days, or there are more statuses than memory can hold (they stay as they were). In an executor
 * that is POSSE_FRESH also result_size over options.max_result.
 * POSSE_NOT_LOADED, POSSE_NO_MEMORY, POSSE_SYSTEM, POSSE_SHUT_DOWN, POSSE_BROKEN,
 * POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_map(posse_executor *executor, const posse_map_job *job,
                                             posse_status *statuses);

/* The same, item by item. Used by one thread at a time. */
typedef struct posse_map_iter posse_map_iter;

/* Begins: submits what buffersize allows, or with a source the first chunk. job and its list of
 * inputs are copied, the arrays not. Blocks while the source does, and while the queue is at
 * queue_limit. *iter is set before the source is called; it is NULL if the call does not return
 * POSSE_OK. Statuses as posse_map. */
POSSE_API POSSE_CHECK posse_status posse_map_open(posse_executor *executor,
                                                  const posse_map_job *job, posse_map_iter **iter);

typedef struct posse_item {
    size_t struct_size; /* sizeof(posse_item), set by the caller */
    size_t index;
    posse_status status; /* POSSE_OK, or how it failed */
    const void *result;  /* valid until the next call; in job.results, if given; NULL: it failed,
                          * or result_size is 0 */
} posse_item;

/* Gives the next item that has ended, in their order, unless the job is unordered. If there is
 * none, it asks the source for more, then blocks until one has ended.
 * POSSE_OK: item is filled; item->status says how it ended.
 * Otherwise item->status is what the call returns, the rest of the item is zero:
 * POSSE_END: all were given, or an earlier call has said that no more items come.
 * POSSE_TIMEOUT: the time for all is up.
 * POSSE_SHUT_DOWN, POSSE_BROKEN, POSSE_NO_MEMORY, POSSE_DEADLOCK: as posse_result, and no more
 * items come. If the source ended the map with a status of its own, the call returns that. */
POSSE_API POSSE_CHECK posse_status posse_map_next(posse_map_iter *iter, posse_item *item);

/* Says how the item that was given last ended, as posse_exception. Unless the call returns
 * POSSE_OK, error->status is what it returns.
 * POSSE_INVALID: no item was given last. */
POSSE_API posse_status posse_map_exception(posse_map_iter *iter, posse_error *error);

/* Ends it: items that have not begun are cancelled. Blocks until running items have ended if they
 * use memory of the program in place (threads, memory of posse_alloc). NULL is fine. The caller
 * must call it before posse_destroy.
 * POSSE_OK, POSSE_WRONG_PROCESS; it is freed in either case. */
POSSE_API posse_status posse_map_close(posse_map_iter *iter);

/* ---- memory that tasks and the program share ------------------------------------------------- */

/* Gives size bytes that have the same address in the program and in all workers: pass the pointer
 * in an argument, and no copy is made. Not cleared unless options.wipe is set; aligned to 64 bytes.
 * With POSSE_FRESH cleared, and whole blocks of 64 KiB: a task has those that job.memory lists.
 * What the program allocates lives until posse_free or posse_destroy; what a task allocates is also
 * freed when its worker dies.
 * A process can use memory that another process has allocated once it has made a call of posse
 * after that: to start a task, to show a result, to take a lock, to get an item from a queue. If
 * the pointer comes another way, the process must make such a call first, posse_get_stats for
 * example. A child that the program forks can use what was allocated before the fork.
 * POSSE_NOT_SUPPORTED: options.runner is set.
 * POSSE_NO_MEMORY, POSSE_TOO_LARGE, POSSE_INVALID (size 0), POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_alloc(posse_executor *executor, size_t size,
                                               void **memory);

/* Frees what posse_alloc gave, in any process of the executor. NULL is fine.
 * POSSE_INVALID: memory was not from posse_alloc or is free already. */
POSSE_API posse_status posse_free(posse_executor *executor, void *memory);

/* ---- tools for tasks that share -------------------------------------------------------------- */

/* A lock and a bounded queue in the executor's shared memory, for the program's threads and tasks
 * on any backend. Both are values that may be copied, and passed in arguments. They live until they
 * are destroyed, or until posse_destroy, and can be used after posse_shutdown too. Afterwards they
 * are stale: every call returns POSSE_INVALID, calls that are waiting too. What a task made also
 * ends when its worker dies; a worker that leaves on purpose leaves it to the others. All zero is
 * never valid.
 * POSSE_BROKEN is also returned if a task has overwritten their memory. */

typedef struct posse_lock {
    posse_executor *executor;
    uint64_t id;
} posse_lock;

/* Makes a lock, which no thread holds yet.
 * POSSE_NOT_SUPPORTED: options.runner is set.
 * POSSE_NO_MEMORY, POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_lock_create(posse_executor *executor, posse_lock *lock);

/* Takes the lock for the calling thread. Blocks up to timeout_ms. A task that runs on the stack of
 * one that waits for it is the same thread. The lock is not recursive, and waiting threads do not
 * get it in order. If a task returns without releasing it, its worker keeps it; when the worker
 * ends, that counts as a death. Once a task is seen to be lost, its locks can be taken.
 * POSSE_OK: this thread holds the lock now.
 * POSSE_OWNER_DIED: so it does, but the worker that held it has ended, so what it guards may be
 * half changed. Only the next holder gets this.
 * POSSE_TIMEOUT.
 * POSSE_DEADLOCK: this thread holds it already.
 * POSSE_BROKEN, POSSE_SHUT_DOWN: it was not taken; the executor is broken or destroyed.
 * POSSE_NO_MEMORY: over 4000 threads and tasks wait already.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_lock_acquire(posse_lock lock, long timeout_ms);

/* Releases the lock, which another thread or task may take then.
 * POSSE_INVALID: this thread does not hold it. POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_lock_release(posse_lock lock);

/* Destroys the lock; calls that wait for it return POSSE_INVALID.
 * POSSE_INVALID: it is held. POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_lock_destroy(posse_lock lock);

typedef struct posse_queue {
    posse_executor *executor;
    uint64_t id;
} posse_queue;

/* Makes a queue of at most `capacity` items of at most item_size bytes each, and takes its memory.
 * POSSE_INVALID: one of them is 0.
 * POSSE_TOO_LARGE: capacity times (item_size + 16) bytes is over max_memory, see limits in
 * posse(7).
 * POSSE_NOT_SUPPORTED: options.runner is set.
 * POSSE_NO_MEMORY, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_queue_create(posse_executor *executor, size_t capacity,
                                                      size_t item_size, posse_queue *queue);

/* Appends a copy of size bytes (0 is possible). Blocks up to timeout_ms for room. If its worker
 * dies meanwhile, the whole item is in the queue, or nothing of it. A caller that is stopped while
 * it copies holds the others up; they may wait a second longer than their timeout.
 * POSSE_TIMEOUT: there was no room in time.
 * POSSE_CLOSED: the queue is closed.
 * POSSE_TOO_LARGE: size is over item_size.
 * POSSE_BROKEN, POSSE_SHUT_DOWN, POSSE_NO_MEMORY, POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_queue_put(posse_queue queue, const void *data, size_t size,
                                       long timeout_ms);

/* Takes the first item. Blocks up to timeout_ms for one. *size, if not NULL, gets its size. If its
 * worker dies meanwhile, the item is still in the queue, or it was taken and is lost with the
 * worker.
 * POSSE_TIMEOUT: there was no item in time.
 * POSSE_CLOSED: the queue is closed and empty.
 * POSSE_TOO_LARGE: the item is larger than capacity; it stays, *size says how large.
 * Others as posse_queue_put. */
POSSE_API posse_status posse_queue_get(posse_queue queue, void *buffer, size_t capacity,
                                       size_t *size, long timeout_ms);

/* Closes the queue: no more puts; gets go on until it is empty. Wakes all callers that wait. May be
 * called again.
 * POSSE_TIMEOUT: nothing was done, as others were inside for five seconds; one may be stopped.
 * POSSE_BROKEN, POSSE_SHUT_DOWN, POSSE_NO_MEMORY, POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_queue_close(posse_queue queue);

/* Items in it now; 0 if the handle is not valid. */
POSSE_API size_t posse_queue_length(posse_queue queue);

/* Destroys the queue: its items are lost, calls that wait return POSSE_INVALID.
 * Statuses as posse_queue_close. */
POSSE_API posse_status posse_queue_destroy(posse_queue queue);

#ifdef __cplusplus
}
#endif

#endif
