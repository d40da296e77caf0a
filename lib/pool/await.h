/* await.h - waiting until a task is final, or for another event of the executor. */
#ifndef PI_AWAIT_H
#define PI_AWAIT_H

#include "pool/pool.h"

/* Waits until a task is final. `slow` tells that the caller must call pi_call_exit when it has read
 * what it came for. POSSE_OK, POSSE_TIMEOUT, POSSE_INVALID, POSSE_BROKEN, POSSE_SHUT_DOWN,
 * POSSE_DEADLOCK, POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_await_final(posse_future future, uint64_t until, uint64_t *word, bool *slow);
/* A task that waits for one which nobody has begun (`word` is its word) runs it itself.
 * POSSE_OK: it did. POSSE_TIMEOUT: not this one; the task may wait for it. POSSE_NO_MEMORY: its
 * stack has no room for that. It must not wait then: all workers may have come so far, and nobody
 * would run it. */
posse_status pi_help(posse_executor *executor, uint32_t index, uint64_t word);
/* Whether this thread is inside the task, or is on its way out of it, which ends the thread. */
bool pi_on_this_stack(posse_executor *executor, posse_future future);
/* Whether as many tasks wait as queue_limit allows. */
bool pi_is_full(posse_executor *executor);
/* Waits until the ring has fewer than queue_limit entries. POSSE_OK, POSSE_TIMEOUT, ... */
posse_status pi_await_room(posse_executor *executor, uint64_t until);
/* Waits until the phase is PI_CLOSED or PI_DEAD, or the executor is being destroyed. */
posse_status pi_await_closed(posse_executor *executor, uint64_t until);
/* Waits until all callbacks have returned, or the executor is being destroyed: posse_destroy waits
 * until this caller has left, and then has the others called. The phase is not PI_OPEN. */
posse_status pi_await_callbacks(posse_executor *executor, uint64_t until);

#endif
