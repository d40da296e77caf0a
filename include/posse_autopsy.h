/* posse_autopsy.h - where a lost task was: the frames of its crash, and what it noted last.
 *
 * It needs worker processes on Linux, and options.autopsy = 1:
 *
 *     char text[8192];
 *     if (posse_result(future, -1, NULL, NULL) != POSSE_OK) {
 *         posse_autopsy_text(future, text, sizeof text);
 *         fputs(text, stderr);
 *     }
 *
 * The rules of posse.h hold for all calls.
 */
#ifndef POSSE_AUTOPSY_H
#define POSSE_AUTOPSY_H

#include <posse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- autopsy --------------------------------------------------------------------------------- */

/* With options.autopsy each worker process handles SIGSEGV, SIGBUS, SIGFPE, SIGILL and SIGABRT, on
 * a stack of its own (64 KiB). It leaves a signal alone for which the initializer has installed a
 * handler, and so may a task. The handler writes down where the worker is, at most a second long.
 * Then the worker dies of the signal as it would without a handler, with the same core dump.
 *
 * Each worker has a block of 1 KiB of options.max_memory, which stays with a future whose task is
 * lost until posse_release, as the task's argument does. If there is no memory for it, nothing is
 * known of the tasks of that worker.
 *
 * posse_create loads the unwinder of the C library, where it has one. Elsewhere only functions are
 * seen that keep frame pointers (-fno-omit-frame-pointer).
 *
 * A task may write over what is kept. So it may be wrong, but reading it does no harm. */

#define POSSE_MAX_FRAMES 48 /* the innermost ones count */

/* Where a worker died. */
typedef struct posse_autopsy_report {
    size_t struct_size; /* sizeof(posse_autopsy_report), set by the caller */
    /* Of the crash; 0: there was none, as the worker was killed or exited (see posse_exception), or
     * a handler of the task's own took it */
    int signal;
    int code; /* si_code of sigaction(2): whether nothing is mapped there, for example */
    /* That was accessed, or of the instruction with SIGFPE and SIGILL; 0 also if the signal was
     * sent, or the processor does not say it */
    uint64_t address;
    size_t n_frames; /* 0: the worker has seen none */
    /* Addresses of code, in the worker and in the program: where it crashed, then the return
     * addresses of its callers */
    uint64_t frames[POSSE_MAX_FRAMES];
    /* What posse_task_note wrote last in this run of the task; "": nothing. Control characters are
     * question marks. */
    char note[256];
} posse_autopsy_report;

/* Tells where the worker of a task was when it died. Tasks that end with these statuses may have a
 * report: POSSE_WORKER_LOST, POSSE_FORBIDDEN, POSSE_DEADLINE, POSSE_OVER_MEMORY, POSSE_OVER_CPU. A
 * cancelled task has none, even if its worker was killed. Does not block.
 * POSSE_OK: report is filled.
 * POSSE_TIMEOUT: the task has not ended yet.
 * POSSE_END: there is nothing to tell. The task has ended in another way, or the worker died before
 * it began the task. Or the task waited for another one, which ran on the same worker and has the
 * report. Or the executor is without options.autopsy, or there was no memory.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_autopsy(posse_future future, posse_autopsy_report *report);

/* What is at a frame. */
typedef struct posse_frame {
    size_t struct_size;   /* sizeof(posse_frame), set by the caller */
    uint64_t address;     /* as in the report */
    uint64_t in_module;   /* the address in the module's file, as addr2line takes it */
    uint64_t in_function; /* bytes from the begin of the function */
    char module[256];     /* the path of the program or library; "": unknown */
    char function[256];   /* its name; "": unknown */
} posse_frame;

/* Names a frame of the report, by what the program has loaded: functions that are static, too,
 * unless the module's file was stripped. Code that a task has loaded is unknown. Reads the file.
 * POSSE_OK: frame is filled, as far as it is known.
 * POSSE_END: the report has no frame of that index.
 * Others as posse_autopsy. */
POSSE_API POSSE_CHECK posse_status posse_autopsy_frame(posse_future future, size_t index,
                                                       posse_frame *frame);

/* All of it in words for a log, some lines: what posse_describe says, and what the report has. Of a
 * future without a report it is the first line alone. As snprintf: writes at most capacity bytes,
 * the end included, and returns the length that the text has without that limit. If buffer is NULL
 * it writes nothing. Does not block. */
POSSE_API size_t posse_autopsy_text(posse_future future, char *buffer, size_t capacity);

/* What a task wrote to stderr last, at most 4 KiB of it, as text: control characters other than
 * tabs and ends of lines are question marks. Of tasks as in posse_autopsy. As snprintf: writes at
 * most capacity bytes, the end included, and returns the length that the text has without that
 * limit; 0 also if it is not known. If buffer is NULL it writes nothing. Does not block.
 *
 * It needs options.keep_stderr = 1. That changes stderr, which is descriptor 2, in each worker
 * process:
 * - It is a file in memory, so isatty is false, and writing never waits. What is written shows
 *   where stderr of the program led at posse_create, but only when the task ends, or the
 *   initializer or finalizer. The future ends after that: a full pipe holds it up, and a pipe
 *   without a reader sends the worker SIGPIPE, as they do to a task without the option.
 * - There is room for 1 MiB. What a task writes beyond that is lost: write fails with EPERM.
 * - If the worker dies, the supervisor shows the rest, as far as a pipe or a terminal takes it at
 *   once. Some of it may show twice.
 * - What another thread or process writes just when a task ends may be lost.
 * - A descriptor of the worker's own leads to the program's stderr.
 * It is not known either if a worker had no descriptor or memory for it: stderr is as without the
 * option then. */
POSSE_API size_t posse_autopsy_stderr(posse_future future, char *buffer, size_t capacity);

/* Notes what the task does now, as printf; the last note counts, and is cut after 255 bytes. Costs
 * about as much as snprintf. Does nothing without options.autopsy. A note that another thread of
 * the task writes at the same time may count in its place. */
POSSE_API void posse_task_note(posse_task *task, const char *format, ...) POSSE_PRINTF(2, 3);

/* Saves the argument of a task in a file, if the task ended with one of the statuses that
 * posse_autopsy names. Replaces what is there; a new file only its owner may read. Does not wait
 * for the reader of a FIFO.
 * POSSE_TIMEOUT: the task has not ended yet.
 * POSSE_END: the task has ended in another way, or the executor is without options.autopsy.
 * POSSE_SYSTEM, POSSE_NO_MEMORY: the file cannot be written; errno tells why.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_autopsy_save(posse_future future, const char *path);

/* Runs fn with a saved argument in the calling thread, under a debugger for example. Pointers in
 * the argument, of posse_alloc too, lead nowhere.
 * POSSE_OK, POSSE_TASK_FAILED: the task ended so.
 * POSSE_INVALID: path or fn is NULL, or what is there is no file of posse_autopsy_save.
 * POSSE_SYSTEM, POSSE_NO_MEMORY: the file cannot be read, or there is no memory for it. */
POSSE_API POSSE_CHECK posse_status posse_replay(const char *path, posse_fn *fn);

#ifdef __cplusplus
}
#endif

#endif
