/* posse_group.h - tasks that are waited for, cancelled and held back together.
 *
 *     posse_group_options options = {.struct_size = sizeof options, .max_running = 4};
 *     posse_group *group;
 *     if (posse_group_create(pool, &options, &group) == POSSE_OK) {
 *         job.group = group;
 *         posse_submit_with(pool, &job, NULL);
 *         ...
 *         status = posse_group_wait(group, -1);
 *         posse_group_destroy(group);
 *     }
 *
 * The rules of posse.h hold for all calls.
 */
#ifndef POSSE_GROUP_H
#define POSSE_GROUP_H

#include <posse.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- groups ---------------------------------------------------------------------------------- */

/* A task is of a group if its job.group names it. The group neither owns nor keeps the task's
 * future: the caller releases it whenever it likes, or gives none. A group is the program's: worker
 * processes cannot use it (POSSE_WRONG_PROCESS), nor can tasks wait for it. The first one of an
 * executor starts a thread in it, which ends with posse_destroy. */

/* What posse_group_create makes. Zero is the default everywhere. */
typedef struct posse_group_options {
    size_t struct_size; /* sizeof(posse_group_options) */
    /* How many of its tasks run at a time; 0: any number. The others wait in the group, in their
     * order, and not in the queue: they do not count for queue_limit, and hold up no other tasks.
     * A task of any group that another task waits for may run at once, see posse_task_executor.
     * Inline each runs in its submit. */
    long max_running;
    /* 1: the first task that ends neither with a result nor as POSSE_CANCELLED cancels the group,
     * as posse_group_cancel does. */
    long cancel_on_failure;
    /* The time of the whole group, counted from posse_group_create; 0: for ever. When it is up, all
     * its tasks that have not ended end as POSSE_DEADLINE, and a submit to the group returns that.
     * Tasks that run are ended as by job.timeout_ms, of which the earlier end counts:
     * posse_task_time_left and job.grace_ms go by it. The others never start. Inline a task that
     * runs ends so when it returns. What the group has after posse_group_destroy keeps its time. */
    long timeout_ms;
} posse_group_options;

typedef struct posse_group posse_group;

/* Makes a group. options may be NULL: all defaults.
 * POSSE_INVALID: max_running or timeout_ms is negative, cancel_on_failure neither 0 nor 1, or group
 * NULL.
 * POSSE_NOT_SUPPORTED: a task in a worker process called it.
 * POSSE_NO_MEMORY, POSSE_SYSTEM: there is no memory or no thread.
 * POSSE_SHUT_DOWN: also from a task, which may still submit then.
 * POSSE_BROKEN, POSSE_WRONG_PROCESS. */
POSSE_API POSSE_CHECK posse_status posse_group_create(posse_executor *executor,
                                                      const posse_group_options *options,
                                                      posse_group **group);

/* Blocks up to timeout_ms until all its tasks have ended. A group may be used again after that.
 * POSSE_OK: all that have ended since it was made have results.
 * POSSE_TASK_FAILED, POSSE_WORKER_LOST, POSSE_FORBIDDEN, POSSE_DEADLINE, POSSE_OVER_MEMORY,
 * POSSE_OVER_CPU: all have ended, and the first that failed ended so.
 * POSSE_CANCELLED: all have ended, none has failed, and some were cancelled.
 * POSSE_TIMEOUT: tasks are left.
 * POSSE_DEADLOCK: a task of its executor called it.
 * POSSE_BROKEN, POSSE_SHUT_DOWN: tasks that are left never end.
 * POSSE_NO_MEMORY: over 4000 threads and tasks wait already, or there is no memory for another.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_group_wait(posse_group *group, long timeout_ms);

/* How many of its tasks have not ended; 0 if group is NULL, or of another process. */
POSSE_API size_t posse_group_left(posse_group *group);

/* Cancels all its tasks, each as posse_cancel does: those that run are asked to stop. From now on a
 * submit to the group returns POSSE_CANCELLED. Does not block. It may be called again.
 * POSSE_INVALID, POSSE_WRONG_PROCESS. */
POSSE_API posse_status posse_group_cancel(posse_group *group);

/* The same, each as posse_kill does. Statuses as posse_group_cancel. */
POSSE_API posse_status posse_group_kill(posse_group *group);

/* Ends a group. Tasks that have not begun are cancelled; others go on without it. Does not block.
 * NULL is fine. The caller must call it before posse_destroy; no thread may be using the group.
 * POSSE_WRONG_PROCESS: nothing was done. */
POSSE_API posse_status posse_group_destroy(posse_group *group);

#ifdef __cplusplus
}
#endif

#endif
