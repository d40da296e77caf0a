/* Runs in: program, worker.
 *
 * How far a task is: said by the task, shown by its future. The feed that holds it is in
 * core/feed.h.
 */
#include "core/feed.h"
#include "internal.h"
#include "pool/feed_block.h"
#include "pool/self.h"
#include "pool/task_memory.h"
#include "posse_progress.h"
#include "worker/fresh_task.h"

#include <errno.h>

void posse_task_progress(posse_task *task, uint64_t done, uint64_t total)
{
    if (!task || task->item)
        return;
    if (task->memory && pi_fresh_is_here())
        pi_feed_set(&task->memory->feed, done, total); /* see worker/fresh_look.c */
    if (pi_os_fork_detect_holds(&task->executor->guard))
        pi_feed_say(task, done, total);
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
