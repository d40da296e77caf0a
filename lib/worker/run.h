/* run.h - runs one task. */
#pragma once

#include "pool/pool.h"

/* Runs a claimed task to its end; `word` is RUNNING, exact. */
void pi_run(posse_executor *executor, unsigned worker, uint32_t index, uint64_t word);
