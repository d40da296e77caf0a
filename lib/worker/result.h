/* result.h - where the result or message of a running task goes: the slot, a block that its worker
 * holds, or the memory that its own process shares with the worker. */
#pragma once

#include "pool/block.h"
#include "pool/self.h"

/* Room for its result; the block is 0 if it is not in one. POSSE_NO_MEMORY, POSSE_SYSTEM,
 * POSSE_TOO_LARGE. */
posse_status pi_result_room(struct posse_task *task, size_t size, struct pi_bytes *room);
/* The same with a text that is not a string. */
void pi_task_fail_with(struct posse_task *task, int code, const struct pi_bytes *text);
/* Makes a running task fail: the text takes the place of its result. If memory is short, the text
 * is cut to what the slot holds. */
void pi_task_fail(struct posse_task *task, int code, const char *text);
/* Frees what it has so far. */
void pi_drop_result(struct posse_task *task);
