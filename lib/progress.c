/* Runs in: program, worker.
 *
 * How far a task is: said by the task, shown by its future. The feed that holds it is in
 * core/feed.h.
 */
#include "core/feed.h"
#include "internal.h"
#include "pool/feed_block.h"
#include "pool/self.h"
#include "pool/wake.h"
#include "pool/task_memory.h"
#include "posse_progress.h"
#include "worker/fresh_task.h"

#include <errno.h>

/* errno stays as it is: ENOMEM would count as the task's (posse_job.max_memory). */
__attribute__((noinline)) static struct pi_feed *open_feed(posse_task *task)
{
    posse_status status;
    int error = errno;
    struct pi_feed *feed = task->item ? NULL : pi_feed_open(task, &status);
    errno = error;
    return feed;
}

/* A reader may wait for the task to tell anything at all: see posse_completion_queue_listen. */
static void tell_first(const posse_task *task, struct pi_feed *feed)
{
    if (!pi_load_seq(&feed->awaited)) /* seq, all: with pi_feed_has_message, as with a message */
        return;
    pi_store_seq(&feed->awaited, 0); /* as said */
    pi_wake_readers(task->executor, pi_load_seq(&task->slot->word));
}

void posse_task_progress(posse_task *task, uint64_t done, uint64_t total)
{
    if (task && task->memory && !task->item && pi_fresh_is_here())
        pi_feed_set(&task->memory->feed, done, total); /* see worker/fresh_look.c */
    if (!task || !pi_os_fork_detect_holds(&task->executor->guard))
        return;
    bool first = !task->feed || task->item;
    struct pi_feed *feed = first ? open_feed(task) : task->feed;
    if (!feed)
        return;
    pi_feed_set(feed, done, total);
    if (first)
        tell_first(task, feed);
}

posse_status posse_progress(posse_future future, uint64_t *done, uint64_t *total)
{
    struct pi_seen seen;
    uint64_t numbers[2] = {0, 0};
    posse_status status = pi_future_look(future, &seen);
    if (status == POSSE_OK) {
        pi_see_blocks(future.executor); /* the slot may name one */
        struct pi_feed *feed = pi_feed_find(future.executor, seen.slot);
        bool whole = !feed || pi_feed_get(feed, &numbers[0], &numbers[1]);
        status = pi_confirm(future, seen.slot, whole ? POSSE_OK : POSSE_BROKEN);
    }
    if (done)
        *done = status == POSSE_OK ? numbers[0] : 0;
    if (total)
        *total = status == POSSE_OK ? numbers[1] : 0;
    return status;
}
