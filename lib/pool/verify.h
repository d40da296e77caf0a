/* verify.h - what a caller that has been blocked for a second checks. */
#ifndef PI_VERIFY_H
#define PI_VERIFY_H

#include "posse.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pi_verify;

/* The first entry of the ring, as blocked callers of this process have seen it. */
struct pi_stall {
    _Atomic uint64_t position, checked_ns, rounds;
    _Atomic uint32_t looks;
};

/* Whether the supervisor lives and the ring is in order, and wakes workers for what waits. */
void pi_verify_pool(posse_executor *executor);
/* Whether a task can still end, as its word and the ring are in order: looked at again and again by
 * who waits for it, who keeps what it has seen, zero at first. */
void pi_verify_task(posse_executor *executor, uint32_t index, struct pi_verify *verify);
/* Tasks on one stack that are looked at: beyond that the chain is scribbled. */
#define PI_MAX_NESTED 1000000u
/* Whether a worker has this task on its stack, or says so, or says so much that it is not known. */
bool pi_is_on_stack(posse_executor *executor, unsigned worker, uint32_t index);
/* Ends a task whose word names a worker that there is not: LOST. */
void pi_finish_ownerless(posse_executor *executor, uint32_t index, uint64_t word);

#endif
