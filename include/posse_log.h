/* posse_log.h - what happens in an executor that no call reports: options.log of posse_create.
 *
 *     static void print(void *context, const posse_log_record *record)
 *     {
 *         (void)context;
 *         if (record->level >= POSSE_LOG_WARNING)
 *             fprintf(stderr, "posse: %s\n", record->message);
 *     }
 *
 *     posse_options options = {.struct_size = sizeof options, .log = print};
 *
 * The library itself writes nothing anywhere.
 *
 * An executor with a log has a thread of its own in the program, which calls options.log, one call
 * at a time. Without workers (POSSE_INLINE) there is no thread: the thread that submits calls it,
 * and for what is left the one that calls posse_destroy. Then calls may come at the same time, and,
 * if options.log submits, within each other. In two cases another thread calls it, as said at
 * POSSE_LOG_THREADS and POSSE_LOG_CALLBACK. options.log may call anything but posse_destroy of that
 * executor, which returns POSSE_DEADLOCK. While it runs, later records wait. posse_destroy returns
 * when it has had all of them.
 */
#ifndef POSSE_LOG_H
#define POSSE_LOG_H

#include <posse.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum posse_log_level {
    POSSE_LOG_INFO = 1,    /* the pool mends itself: no action is needed */
    POSSE_LOG_WARNING = 2, /* something was lost, or may go wrong */
    POSSE_LOG_ERROR = 3    /* the executor has ended */
} posse_log_level;

typedef enum posse_log_event {
    /* WARNING. The program has other threads when posse_create forks processes (Linux only), so a
     * lock that such a thread holds at that moment stays locked in every worker. The C library has
     * such locks, too: localtime_r, mktime, setlocale, setenv, rand or syslog may then hang in
     * tasks. posse_create calls the log, before it forks. */
    POSSE_LOG_THREADS = 1,
    /* WARNING. A done callback has returned non-zero. The thread that ran it calls the log. */
    POSSE_LOG_CALLBACK = 2,
    /* WARNING. A task has ended without a result, and nobody had its future then: it was submitted
     * without one, or its future had been released. Not if it was cancelled. */
    POSSE_LOG_TASK_FAILED = 3,
    /* WARNING. A worker process has died, or posse has killed it because of its task. */
    POSSE_LOG_WORKER_LOST = 4,
    /* INFO. A worker was started, and another one had been lost before. */
    POSSE_LOG_WORKER_REPLACED = 5,
    /* WARNING. There were more records of workers than could wait. The message says how many were
     * dropped. */
    POSSE_LOG_DROPPED = 6,
    /* ERROR. The executor is broken, see posse_why_broken. If the supervisor dies, a call on the
     * executor must find that first. */
    POSSE_LOG_BROKEN = 7
} posse_log_event;

/* Valid during the call. A later version may have more members at its end, and more events. */
struct posse_log_record {
    size_t struct_size; /* sizeof(posse_log_record) of the library */
    posse_log_level level;
    posse_log_event event;
    posse_executor *executor; /* NULL with POSSE_LOG_THREADS: posse_create has not returned */
    const char *message;      /* in words, one line of UTF-8 without control characters */
    long worker;              /* of WORKER_LOST and WORKER_REPLACED: its number; else -1 */
    /* Of TASK_FAILED what posse_exception would have said, of BROKEN what posse_why_broken says.
     * Of WORKER_LOST status, signal, exit code and pid, and the call if it was forbidden. Else
     * NULL. */
    const posse_error *error;
    /* Of WORKER_LOST the task that the worker ran, or waited in, as its submit gave the future, for
     * a look whether it is one of the program's own. It may have been released already, and is not
     * the log's to release. task.executor is NULL if the worker ran none, or one that had ended, as
     * in other events. */
    posse_future task;
    char task_name[32]; /* of its job; "" if it has none */
};

#ifdef __cplusplus
}
#endif

#endif
