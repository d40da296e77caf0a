/* fresh_look.h - what a worker passes on while a task runs in a process of its own. */
#pragma once

#include "pool/self.h"
#include "pool/task_memory.h"

/* Before `go`: nothing of an earlier run is left. */
void pi_fresh_look_begin(const struct posse_task *task);
/* In each look, and after the end. The task is told what callers ask of it; its note and its
 * progress come to where others find them. */
void pi_fresh_look(struct posse_task *task, struct pi_task_memory *memory);
