/* run.h - running one task. */
#ifndef PI_RUN_H
#define PI_RUN_H

#include "pool/pool.h"

/* Runs a claimed task to its end; `word` is RUNNING, exact. */
void pi_run(posse_executor *executor, unsigned worker, uint32_t index, uint64_t word);
/* After a task's function has returned: ends the process if it is a child that the task has forked,
 * which has nothing to return to, or a worker in which a task has jumped out (longjmp) to this one
 * that waited for it, and can never be ended. */
void pi_check_return(const struct posse_task *task);
/* How many tasks ended so in a worker; exact also while its worker works or when it has died. */
uint64_t pi_count_finished(posse_executor *executor, unsigned worker, enum pi_end end);

#endif
