/* fresh.h - runs each task in a process of its own, if options.isolation is POSSE_FRESH. */
#pragma once

#include "pool/block.h"
#include "pool/self.h"

/* In a worker whose initializer has ended, in place of pi_seal_worker. False: it must run no task,
 * and *why says so. */
bool pi_fresh_begin(posse_executor *executor, unsigned worker, struct pi_error *why);
/* In place of the task's function: runs it elsewhere, and takes its result. Returns what it
 * returned. If its process has died, the task is lost or over a limit then, as task->lost and
 * task->over say. */
int pi_fresh_call(struct posse_task *task, const struct pi_bytes *arg);
/* Between two tasks: forks a process for the next one, unless there is one. */
void pi_fresh_prepare(posse_executor *executor);
