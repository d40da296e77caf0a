/* park.h - sleeping: parkers, spinning, and callers that posse_destroy waits for. */
#ifndef PI_PARK_H
#define PI_PARK_H

#include "pool/pool.h"

/* How long a caller sleeps before it looks after the pool. A constant, but for tests: they make it
 * long, so that a caller that nobody wakes sleeps on. */
extern uint64_t pi_verify_interval_ns;
/* A parker for that owner, its semaphore empty; PI_NO_INDEX: none is to be had, errno tells why. */
uint32_t pi_park_acquire(posse_executor *executor, unsigned owner);
/* Looks for a few microseconds, while there are processors to spare and the answer is
 * POSSE_TIMEOUT: for what is about to happen it is cheaper than to sleep and be woken. */
typedef posse_status pi_probe_fn(void *context);
posse_status pi_spin(posse_executor *executor, pi_probe_fn *look, void *context);
/* Sleeps on it, at most until the moment, and looks after the pool when that took a second.
 * False: it was not woken. */
bool pi_park_until(posse_executor *executor, uint32_t parker, uint64_t until);
/* Around all that a caller which may sleep does with an executor: destroy waits for its leaving. */
void pi_call_enter(posse_executor *executor);
void pi_call_exit(posse_executor *executor);
/* The same for os/unwind.h. */
void pi_call_exit_unwound(void *executor);
/* Wakes all callers that sleep, and waits until they have left.
 * The phase must be such that they do. */
void pi_await_callers(posse_executor *executor);
/* Whether the supervisor lives; if not, the executor is marked broken. Two system calls. */
bool pi_check_supervisor(posse_executor *executor);
/* The same now and then: for calls that do not wait. */
bool pi_poll_supervisor(posse_executor *executor);

#endif
