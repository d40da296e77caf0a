/* run_assigned.h - what a worker runs of posse_broadcast. */
#pragma once

#include "pool/pool.h"

/* The function of the task that posse_broadcast assigns. */
posse_fn pi_broadcast_task;
/* Runs the task that the worker's record names, if it is still withheld. */
void pi_run_assigned(posse_executor *executor, unsigned worker, uint64_t assigned);
/* Before the worker's first task: what posse_broadcast has left for workers that start later.
 * False: it failed, and *why says how. */
bool pi_run_for_later(posse_executor *executor, unsigned worker, struct pi_error *why);
