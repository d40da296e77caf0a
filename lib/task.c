/* Runs in: worker; inline in the program.
 *
 * What a running task may ask and say. It concerns only the task's own slot, and its worker's
 * memory.
 */
#include "internal.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/block.h"
#include "pool/self.h"
#include "worker/fresh_task.h"
#include "worker/result.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Room for a result of size bytes; its block is 0 if that is in the slot. */
static posse_status make_room(posse_task *task, size_t size, struct pi_bytes *room)
{
    size_t most = task->of_map ? 0 : task->executor->max_result;
    task->refused = most && size > most; /* unless the task gives another result after it */
    task->special |= task->refused;
    if (task->refused)
        return pi_refuse(POSSE_TOO_LARGE, "the result is over options.max_result");
    return pi_result_room(task, size, room);
}

/* Puts a new result in the place of the earlier one, which is freed. */
static void replace(posse_task *task, const struct pi_bytes *room)
{
    if (task->block)
        pi_block_release(task->executor, task->worker, task->block, pi_tag_held(task->worker));
    task->block = room->ref;
    task->size = room->size;
}

posse_status pi_elsewhere(void)
{
    return pi_own_memory
               ? pi_refuse(POSSE_NOT_SUPPORTED, "a task in a process of its own has no executor")
               : POSSE_WRONG_PROCESS;
}

/* A child that the task has forked may say nothing for it. */
posse_status pi_check_task(const posse_task *task)
{
    if (!task->memory)
        return pi_check(task->executor);
    return pi_fresh_is_here() ? POSSE_OK : POSSE_WRONG_PROCESS;
}

/* Whether the task may give a result. */
static posse_status check(const posse_task *task)
{
    if (!task)
        return pi_refuse(POSSE_INVALID, "task is NULL");
    if (task->item)
        return pi_refuse(POSSE_INVALID, "the function of a map has its results' places already");
    return pi_check_task(task);
}

posse_status posse_task_return(posse_task *task, const void *data, size_t size)
{
    struct pi_bytes room;
    if (size && !data)
        return pi_refuse(POSSE_INVALID, "data is NULL");
    posse_status status = check(task);
    if (status == POSSE_OK && task->failed)
        return POSSE_OK; /* a failed task has a message in place of a result */
    if (status == POSSE_OK)
        status = make_room(task, size, &room);
    if (status != POSSE_OK)
        return status;
    if (size)
        memmove(room.bytes, data, size); /* data may lie in the earlier result, freed after it */
    replace(task, &room);
    return POSSE_OK;
}

void *posse_task_reserve(posse_task *task, size_t size)
{
    struct pi_bytes room;
    posse_status status = check(task);
    if (status == POSSE_OK && task->failed)
        status = pi_refuse(POSSE_INVALID, "the task has failed");
    if (status != POSSE_OK || make_room(task, size, &room) != POSSE_OK)
        return NULL;
    replace(task, &room);
    if (task->executor->wipe)
        memset(room.bytes, 0, size);
    return room.bytes;
}

int posse_task_fail(posse_task *task, int code, const char *format, ...)
{
    char text[sizeof task->item->message] = "";
    if (!task || pi_check_task(task) != POSSE_OK)
        return code;
    if (format) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
    }
    if (task->item) {
        task->item->failed = true;
        task->item->code = code;
        memcpy(task->item->message, text, sizeof text);
    } else {
        pi_task_fail(task, code, text);
    }
    return code;
}

const void *posse_map_arg(const posse_task *task, size_t *size)
{
    const struct pi_item *item = task ? task->item : NULL;
    if (size)
        *size = item ? item->arg_size : 0;
    return item ? item->arg : NULL;
}

bool posse_task_cancelled(const posse_task *task)
{
    if (!task)
        return false;
    uint64_t word = pi_load_relaxed(&task->slot->word); /* relaxed: it need not be seen at once */
    return pi_state(word) != PI_RUNNING || (word & PI_CANCEL_REQUESTED) ||
           (task->deadline != PI_NEVER && pi_os_now() + task->grace_ms * PI_MS >= task->deadline);
}

long posse_task_time_left(const posse_task *task)
{
    if (!task || task->deadline == PI_NEVER)
        return -1;
    uint64_t now = pi_os_now();
    return now >= task->deadline ? 0 : (long)((task->deadline - now + 999999) / 1000000);
}

int posse_task_worker(const posse_task *task)
{
    if (!task)
        return -1;
    return task->worker == PI_OWNER_PROGRAM ? 0 : (int)task->worker;
}

int posse_task_attempt(const posse_task *task)
{
    if (!task)
        return 0;
    /* relaxed: its own worker's */
    return pi_attempt(pi_load_relaxed(&task->slot->attempt), task->item ? task->item->runs : 0);
}

/* Its place; NULL: the task has none of that number. */
static int *descriptor_at(const posse_task *task, size_t i)
{
    struct pi_os_fds *own = task ? task->descriptors : NULL;
    return own && i < (size_t)own->n ? &own->at[i] : NULL;
}

int posse_task_descriptor(const posse_task *task, size_t i)
{
    const int *at = descriptor_at(task, i);
    return at ? *at : -1;
}

int posse_task_take_descriptor(posse_task *task, size_t i)
{
    int *at = descriptor_at(task, i), fd = at ? *at : -1;
    if (at)
        *at = -1;
    return fd;
}

posse_executor *posse_task_executor(const posse_task *task) { return task ? task->executor : NULL; }
