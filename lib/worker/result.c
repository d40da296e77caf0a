/* Runs in: worker, and the process of a task; inline and with threads in the program. */
#include "worker/result.h"
#include "base/copy.h"
#include "pool/error.h"
#include "pool/task_memory.h"

#include <string.h>

void pi_drop_result(struct posse_task *task)
{
    if (task->block)
        pi_block_release(task->executor, task->worker, task->block, pi_tag_held(task->worker));
    task->block = 0;
    task->size = 0;
}

posse_status pi_result_room(struct posse_task *task, size_t size, struct pi_bytes *room)
{
    *room = (struct pi_bytes){.size = size, .bytes = pi_slot_result_room(task->slot, size)};
    if (size <= PI_INLINE_RESULT)
        return POSSE_OK;
    if (!task->memory)
        return pi_block_acquire(task->executor, task->worker, size, room);
    room->bytes = pi_task_result_room(task->memory, task->memory->arg_room);
    return size <= task->memory->result_room
               ? POSSE_OK
               : pi_refuse(POSSE_TOO_LARGE, "the result is over options.max_result");
}

void pi_task_fail_with(struct posse_task *task, int code, const struct pi_bytes *text)
{
    struct pi_bytes room;
    pi_drop_result(task);
    if (pi_result_room(task, text->size, &room) != POSSE_OK)
        (void)pi_result_room(task, PI_INLINE_RESULT, &room);
    pi_copy_only(room.bytes, text->bytes, room.size); /* of a task that had its own process */
    task->block = room.ref;
    task->size = room.size;
    task->failed = true;
    task->code = code;
}

void pi_task_fail(struct posse_task *task, int code, const char *text)
{
    struct pi_bytes bytes = {.size = strlen(text), .bytes = (char *)(uintptr_t)text};
    pi_task_fail_with(task, code, &bytes);
}
