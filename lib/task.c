/* What a running task may ask and say. All of it concerns only its own worker's memory and slot. */
#include "api.h"

#include "os/clock.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 256

/* Room for a result of size bytes; what was there before is gone if there is memory. */
static posse_status reserve(posse_task *task, size_t size, void **bytes)
{
    posse_executor *e = task->executor;
    pi_ref block = 0;
    if (size > PI_INLINE_RESULT) {
        posse_status status = pi_block_acquire(e, pi_owner_here(e), size, &block);
        if (status != POSSE_OK)
            return status;
    }
    if (task->block)
        pi_block_release(e, pi_owner_here(e), task->block, pi_tag_held(pi_owner_here(e)));
    task->block = block;
    task->size = size;
    *bytes = block ? pi_block_bytes(e, block, size) : pi_slot_result_room(task->slot, size);
    return POSSE_OK;
}

posse_status posse_task_return(posse_task *task, const void *data, size_t size)
{
    void *bytes;
    if (!task || (size && !data))
        return POSSE_INVALID;
    if (pi_check(task->executor) != POSSE_OK)
        return POSSE_WRONG_PROCESS; /* a child that the task has forked */
    if (task->failed)
        return POSSE_OK; /* a failed task has a message in place of a result */
    posse_status status = reserve(task, size, &bytes);
    if (status == POSSE_OK && size)
        memmove(bytes, data, size);
    return status;
}

void *posse_task_reserve(posse_task *task, size_t size)
{
    void *bytes;
    if (!task || task->failed || pi_check(task->executor) != POSSE_OK ||
        reserve(task, size, &bytes) != POSSE_OK)
        return NULL;
    return bytes;
}

int posse_task_fail(posse_task *task, int code, const char *format, ...)
{
    char text[MESSAGE_SIZE] = "";
    void *bytes;
    if (!task || pi_check(task->executor) != POSSE_OK)
        return code;
    if (format) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
    }
    size_t size = strlen(text);
    if (reserve(task, size, &bytes) != POSSE_OK) {
        size = PI_INLINE_RESULT; /* no memory: as much as the slot holds */
        (void)reserve(task, size, &bytes);
    }
    memcpy(bytes, text, size);
    task->failed = true;
    task->code = code;
    return code;
}

bool posse_task_cancelled(const posse_task *task)
{
    if (!task)
        return false;
    uint64_t word = pi_load_relaxed(&task->slot->word); /* relaxed: seen soon enough */
    return pi_state(word) != PI_RUN || (word & PI_CANCEL) || os_now() >= task->deadline;
}

long posse_task_time_left(const posse_task *task)
{
    if (!task || task->deadline == OS_NEVER)
        return -1;
    uint64_t now = os_now();
    return now >= task->deadline ? 0 : (long)((task->deadline - now + 999999) / 1000000);
}

int posse_task_worker(const posse_task *task)
{
    if (!task)
        return -1;
    return task->seat == PI_PROGRAM ? 0 : (int)task->seat;
}

int posse_task_attempt(const posse_task *task) { return task ? task->slot->attempt : 0; }

posse_executor *posse_task_executor(const posse_task *task) { return task ? task->executor : NULL; }
