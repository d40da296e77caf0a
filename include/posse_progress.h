/* posse_progress.h - how far a task is and its messages, while it runs; and a progress bar.
 *
 *     static int resize(posse_task *task, const void *arg, size_t size)
 *     {
 *         for (uint64_t i = 0; i < n; i++) {
 *             resize_one(i);
 *             posse_task_progress(task, i + 1, n);
 *         }
 *         return 0;
 *     }
 *
 * The rules of posse.h hold for all calls.
 */
#ifndef POSSE_PROGRESS_H
#define POSSE_PROGRESS_H

#include <posse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- progress -------------------------------------------------------------------------------- */

/* Says how far the task is: `done` of `total` units, whatever they are; total 0: unknown. Costs a
 * few nanoseconds. The first call takes up to 256 bytes of options.max_memory, which stay until
 * posse_release; without memory it does nothing. It does nothing in the function of a map, too.
 * With POSSE_FRESH others see it at most some tenth of a second later. Threads of a task must not
 * make this call at the same time. */
POSSE_API void posse_task_progress(posse_task *task, uint64_t done, uint64_t total);

/* Shows what the task has said last, while it runs and after its end: the two numbers of one call,
 * also if its worker was killed in it. 0 and 0: it has said nothing. When a task runs again, it is
 * what the run before has said, until the task says more. Either pointer may be NULL. Does not
 * block.
 * POSSE_BROKEN: a task has overwritten it.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_progress(posse_future future, uint64_t *done, uint64_t *total);

/* ---- messages -------------------------------------------------------------------------------- */

/* Sends a copy of size bytes (0 is possible) to the holders of the task's future. Does not block.
 * Messages wait there until they are read or the future is released: options.message_memory bytes
 * for each task, of which a message takes size + 8, rounded up to a multiple of 8. The first call
 * takes that memory. If the worker dies, messages sent before stay, and one half sent is not there.
 * Threads of a task must not make this call at the same time.
 * POSSE_FULL: there is no room until a message is read; nothing was sent.
 * POSSE_TOO_LARGE: the message is over options.message_memory.
 * POSSE_TOO_LATE: the future has ended already, while the thread of the task goes on.
 * POSSE_INVALID: data is NULL, but size is not 0; also in the function of a map.
 * POSSE_NOT_SUPPORTED: with POSSE_FRESH the task shares no memory.
 * POSSE_NO_MEMORY, POSSE_SYSTEM, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_task_emit(posse_task *task, const void *data, size_t size);

/* The same, and blocks up to timeout_ms for room.
 * POSSE_TIMEOUT: there was no room in time.
 * POSSE_FULL: there will be none: the future has been released.
 * POSSE_DEADLOCK: there is no room, and the caller that could read waits on the same stack: inline,
 * and if a task that waits for this one runs it (see posse_task_executor).
 * POSSE_SHUT_DOWN, POSSE_BROKEN: the executor is destroyed or broken.
 * Others as posse_task_emit. */
POSSE_API posse_status posse_task_emit_wait(posse_task *task, const void *data, size_t size,
                                            long timeout_ms);

/* Takes the next message of a task, in the order in which they were sent, and copies it into
 * buffer. Blocks up to timeout_ms for one. *size, if not NULL, gets its size. Each message goes to
 * one caller. If that caller is a task, and its worker dies meanwhile, the message is still there,
 * or it was taken and is lost with the worker. When a task runs again, what the run before has sent
 * stays, and comes first: a message that must be told from one of that run carries
 * posse_task_attempt. Inline all are there when the submit returns.
 * POSSE_END: the task has ended, and all were taken.
 * POSSE_TIMEOUT: there was none in time.
 * POSSE_TOO_LARGE: the message is larger than capacity; it stays, *size says how large it is.
 * POSSE_BROKEN: also if a task has overwritten them.
 * POSSE_DEADLOCK, POSSE_NO_MEMORY, POSSE_SHUT_DOWN, POSSE_INVALID, POSSE_WRONG_PROCESS: as
 * posse_result. How the task has ended, posse_exception says. */
POSSE_API posse_status posse_next_message(posse_future future, long timeout_ms, void *buffer,
                                          size_t capacity, size_t *size);

/* For an event loop: adds a future to a completion queue (see posse.h), once, for what its task
 * tells. The queue delivers it with the context when there is a message that nobody has taken, when
 * posse_progress gives other numbers than 0 and 0, if it gave these at this call, or when the task
 * has ended. Then the program reads with a timeout of 0, and may add it again. Each delivery costs
 * a pass over all futures that wait in queues of this process.
 * POSSE_OK and others as posse_completion_queue_add. */
POSSE_API posse_status posse_completion_queue_listen(posse_completion_queue *queue,
                                                     posse_future future, void *context);

/* ---- progress bar ---------------------------------------------------------------------------- */

/* A line that tells how far tasks are, as tqdm for Python prints it:
 *
 *     thumbnails:  42%|########            | 42/100 [00:03<00:04, 13.9it/s]
 *
 * The calls below draw it in the thread that waits, at most ten times a second; no thread is
 * started. That holds on a terminal, if TERM is set and not "dumb". Elsewhere they write nothing,
 * and posse_progress_bar_close the last line alone. There are no colours. The line is as wide as
 * the terminal at that moment, else 80 columns. While the user has stopped the terminal it is not
 * drawn.
 *
 * Tasks may write to the same terminal. A line that a task writes by one call and that ends there
 * is never broken: it begins on a line of its own below the bar, which stays as it was then, and
 * the bar is drawn again below both. This needs a terminal that wraps as a VT100 does, as all
 * current ones do. What a task has written of a line that has not ended yet is erased when the bar
 * is drawn next.
 *
 * A bar is used by one thread at a time. */
typedef struct posse_progress_bar posse_progress_bar;

/* How a bar looks. Zero is the default everywhere. */
typedef struct posse_progress_bar_options {
    size_t struct_size; /* sizeof(posse_progress_bar_options) */
    /* Stands before the bar; copied, cut after 127 bytes. UTF-8; control characters are question
     * marks. NULL: nothing does. */
    const char *label;
    const char *unit; /* of the rate, cut after 15 bytes; NULL: "it" */
    int fd;           /* where it is written; 0: stderr */
} posse_progress_bar_options;

/* Makes a bar, and starts its clock. look may be NULL: all defaults. Writes nothing yet.
 * POSSE_INVALID: bar is NULL, fd is negative, or struct_size is not valid.
 * POSSE_NO_MEMORY. */
POSSE_API POSSE_CHECK posse_status posse_progress_bar_open(const posse_progress_bar_options *look,
                                                           posse_progress_bar **bar);

/* As posse_wait with POSSE_ALL_COMPLETED, and draws how many of the futures have ended. What
 * running tasks say of themselves (posse_task_progress) counts as a part of a task, of up to 256
 * futures. A single task that says its total is shown in its own units.
 * POSSE_INVALID: also bar is NULL. Others as posse_wait. */
POSSE_API posse_status posse_progress_wait(posse_progress_bar *bar, const posse_future *futures,
                                           size_t n, long timeout_ms);

/* As posse_map_next, and draws how many items were given. The total is unknown with a source.
 * POSSE_INVALID: also bar is NULL. Others as posse_map_next. */
POSSE_API POSSE_CHECK posse_status posse_progress_map_next(posse_progress_bar *bar,
                                                           posse_map_iter *iter, posse_item *item);

/* As posse_wait_idle, and draws how many tasks of the executor have ended since the first such call
 * with this bar, of those and the ones that are left. With very many tasks it draws more seldom,
 * down to once a second, as it counts them all each time.
 * POSSE_INVALID: also bar is NULL. Others as posse_wait_idle. */
POSSE_API posse_status posse_progress_wait_idle(posse_progress_bar *bar, posse_executor *executor,
                                                long timeout_ms);

/* Draws these numbers, if the last time was 100 ms ago; for loops of the program's own. total 0:
 * unknown. Does not block. NULL is fine. */
POSSE_API void posse_progress_draw(posse_progress_bar *bar, uint64_t done, uint64_t total);

/* Draws the last numbers, ends the line, and frees the bar. Blocks while what it draws on has no
 * room, as a terminal that the user has stopped. NULL is fine. */
POSSE_API void posse_progress_bar_close(posse_progress_bar *bar);

#ifdef __cplusplus
}
#endif

#endif
