/* place.h - runs tasks elsewhere, if options.runner says so. */
#pragma once

#include "pool/block.h"
#include "pool/self.h"
#include "posse_runner.h"

/* Of a task that is lost elsewhere: its result is the name of the node, in a block of that size. */
#define PI_NODE_NAME 80

/* options.runner, copied. */
struct pi_runner {
    posse_runner calls;
    /* The function whose argument has pointers to functions, and where. */
    posse_fn *chunk;
    size_t pointers[2];
};

/* In a worker, before its first task. */
void pi_place_begin(posse_executor *executor);
/* Before a claim: whether a task can run in the place of this worker. If not, it has waited for a
 * while, or broken the executor; the worker looks at the phase again. */
bool pi_place_ready(posse_executor *executor, unsigned worker);
/* In the supervisor, when its workers have ended or were killed. */
void pi_place_ended(posse_executor *executor);
/* In place of the task's function. Returns what it returned. If the task is lost, over a limit or
 * has not begun, task->lost, task->over and task->elsewhere say so. */
int pi_place_call(struct posse_task *task, const struct pi_bytes *arg);
