/* fresh_memory.h - blocks of posse_alloc that a task gets in a process of its own. */
#pragma once

#include "pool/self.h"
#include "pool/task_memory.h"

/* The worker, before the task: finds the pages of all blocks of its job. False: one is gone. */
bool pi_fresh_find_blocks(const struct posse_task *task, struct pi_task_blocks *blocks);
/* The process, before the task: maps them, and closes the descriptors of the segment. 0 or an
 * errno: the task must not begin. */
int pi_fresh_map_blocks(struct pi_os_shm *memory, const struct pi_task_blocks *blocks);
