/* end.h - ends a task that has run. */
#pragma once

#include "pool/pool.h"

struct posse_task;

/* The task's function has returned, or was left. */
void pi_end_task(struct posse_task *task, int code);
/* After a function of the program has returned. Ends the process if it is a child that the task has
 * forked: that has nothing to return to. Ends the worker if a task has jumped out (longjmp) to
 * `task`, which waited for it: such a task can never end. */
void pi_check_return(const struct posse_task *task);
/* In a worker process: flushes stdout and stderr. What is kept of stderr is shown. */
void pi_flush_streams(posse_executor *executor);
/* How many tasks of a worker ended like that. Exact while the worker works, and after its death. */
uint64_t pi_count_finished(posse_executor *executor, unsigned worker, enum pi_end end);
