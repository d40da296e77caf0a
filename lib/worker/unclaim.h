/* unclaim.h - gives a task back to the queue. */
#pragma once

#include "pool/pool.h"

/* Gives a claimed task back that has not begun, or was lost: it is PENDING again, and in the ring.
 * False: it is KILLING. */
bool pi_put_back(posse_executor *executor, uint32_t index, uint64_t word);
/* The same, and wakes a worker for it. */
bool pi_unclaim(posse_executor *executor, uint32_t index, uint64_t word);
