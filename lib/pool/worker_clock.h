/* worker_clock.h - the processor time of the workers. */
#pragma once

#include "pool/pool.h"

/* The worker, at its start. */
void pi_worker_clock_begin(posse_executor *executor, unsigned worker);
/* A thread at its end; the supervisor, about to reap a process. */
void pi_worker_clock_end(posse_executor *executor, unsigned worker);
/* The worker, or the supervisor after the end of its clock: the processes of its tasks count. */
void pi_worker_clock_add(posse_executor *executor, unsigned worker, uint64_t used);
/* What all workers of this number have used so far. */
uint64_t pi_worker_cpu_ns(posse_executor *executor, unsigned worker);
