/* posse_trace.h - when tasks waited and ran: of one task, of all together, and as a picture.
 *
 * Most of it needs options.stamps = 1:
 *
 *     posse_info info = {.struct_size = sizeof info};
 *     if (posse_get_info(future, &info) == POSSE_OK && info.ended_ns)
 *         printf("ran %.3f ms\n", (double)(info.ended_ns - info.started_ns) / 1e6);
 *
 * The rules of posse.h hold for all calls.
 */
#ifndef POSSE_TRACE_H
#define POSSE_TRACE_H

#include <posse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- times ----------------------------------------------------------------------------------- */

/* With options.stamps each task has three stamps: moments of CLOCK_MONOTONIC in nanoseconds. That
 * clock is the same in all processes of a machine. A worker that goes on with the next task at once
 * takes the end of one for the start of the next. The tasks of a batch of posse_submit_many have
 * one moment of submit.
 *
 * A task may write over what is kept. So it may be wrong, but reading it does no harm. */

typedef enum posse_state {
    POSSE_STATE_PENDING = 0, /* waits for a worker */
    POSSE_STATE_RUNNING = 1,
    POSSE_STATE_ENDED = 2
} posse_state;

/* What is known of a task now. */
typedef struct posse_info {
    size_t struct_size; /* sizeof(posse_info), set by the caller */
    posse_state state;
    posse_status status; /* how it ended, as posse_exception says it; POSSE_TIMEOUT: it has not */
    long worker;         /* that runs it, or ran it last, as posse_task_worker; -1: none yet */
    /* The process that runs it, or ran it last: the worker's; with POSSE_FRESH the task's own; with
     * threads and inline the program's. 0: not known, as it never ran or the executor is without
     * stamps. A lost task has it also without. */
    long pid;
    long attempt;          /* runs so far, from 0 to 255 */
    uint64_t submitted_ns; /* a stamp; 0: not known, as the executor is without stamps */
    uint64_t started_ns;   /* the same, of the last run; 0: also if it never ran */
    uint64_t ended_ns;     /* the same; 0: also if it has not ended */
    uint64_t cpu_ns;       /* as in posse_error: only of tasks with limits */
    uint64_t peak_memory;  /* the same */
    char name[32];         /* of the job; "" if it has none */
} posse_info;

/* Tells what is known of a task, at any time until posse_release: of one that waits, runs, has
 * ended, was cancelled or was lost. Does not block.
 * POSSE_OK: info is filled.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_get_info(posse_future future, posse_info *info);

/* Times by their size: counts[i] of them took 2^i nanoseconds or more, but less than 2^(i + 1).
 * The first one also counts those of 0. */
typedef struct posse_histogram {
    uint64_t counts[64];
} posse_histogram;

/* The times of all tasks since posse_create. Chunks of a map are tasks. A worker that dies just as
 * it counts may leave that task out, or count it twice. */
typedef struct posse_times {
    size_t struct_size; /* sizeof(posse_times), set by the caller */
    /* From submit to the start of the first run. */
    posse_histogram waiting;
    /* From the start of the last run to its end, whatever end that was. If a thread's task is ended
     * while the thread goes on, the run ends when the thread leaves it. A task that was cancelled
     * between two runs is not here. */
    posse_histogram running;
} posse_times;

/* Adds up what the workers have counted. Does not block.
 * POSSE_OK: times is filled.
 * POSSE_NOT_SUPPORTED: the executor is without options.stamps.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_get_times(posse_executor *executor, posse_times *times);

/* The time in nanoseconds that a part q (0 to 1) of the counted times does not exceed: with 0.5 the
 * median. It lies in the right power of two, and is estimated within that. 0: nothing was counted,
 * or histogram is NULL. q below 0 counts as 0, above 1 as 1. */
POSSE_API uint64_t posse_quantile(const posse_histogram *histogram, double q);

/* ---- timeline -------------------------------------------------------------------------------- */

/* A picture of what the workers did: each run of a task with its name (or its function's), its
 * process, how long it waited and how it ended; starts, deaths and kills of workers, deadlines,
 * when workers slept, how many tasks waited, and how much memory there was. */
typedef enum posse_trace_format {
    /* For ui.perfetto.dev and chrome://tracing: the trace event format, a JSON object. */
    POSSE_TRACE_JSON = 0,
    /* A picture for a browser: a row for each worker, a colour for each outcome; the pointer on a
     * run tells of its task. */
    POSSE_TRACE_SVG = 1
} posse_trace_format;

/* Begins a trace. Each worker keeps its last 4096 events in shared memory, so that those of a
 * worker that dies are there; fewer, if all would take more than an eighth of options.max_memory.
 * That memory stays until posse_destroy. A run costs some 20 ns more. Workers leave no events if
 * their number is at least twice max_workers of posse_create, and at least 8. The file says how
 * many events are lacking. Only one thread of the program at a time may call this, or
 * posse_trace_stop.
 * POSSE_NOT_SUPPORTED: the executor is without options.stamps, or a worker process called it.
 * POSSE_NO_MEMORY, POSSE_SYSTEM: there is no memory.
 * POSSE_INVALID: path is NULL, format unknown, or a trace is on already.
 * POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_trace_start(posse_executor *executor, const char *path,
                                                     posse_trace_format format);

/* Ends the trace, and writes the file. What is there is replaced; a new file only its owner may
 * read. A run that has not ended lasts until this moment in it. posse_destroy writes no file, so a
 * program that wants one calls this before, also after posse_shutdown or when the executor is
 * broken.
 * POSSE_SYSTEM, POSSE_NO_MEMORY: the file cannot be written; errno tells why. It is empty then, if
 * the system lets it be cut, or not whole. The trace is over.
 * POSSE_INVALID: no trace is on. POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_trace_stop(posse_executor *executor);

#ifdef __cplusplus
}
#endif

#endif
