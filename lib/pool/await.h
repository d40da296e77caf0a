/* await.h - waiting until a task is final, or for another event of the executor.
 *
 * Runs in: program, worker.
 *
 * Waiting for a task is in steps here, as a task that waits does more between two steps: see
 * worker/help.h, which the calls of the API use.
 */
#ifndef PI_AWAIT_H
#define PI_AWAIT_H

#include "pool/pool.h"

/* One caller's wait for one task. Set `future`, zero the rest. */
struct pi_await {
    posse_future future;
    uint64_t word;       /* as last seen */
    uint32_t parker_ref; /* 1 + index; 0: none yet */
    bool spun;
    struct pi_verify verify;
};

/* What can be said now: POSSE_OK: the task is final. POSSE_TIMEOUT: not yet. POSSE_INVALID,
 * POSSE_BROKEN, POSSE_SHUT_DOWN, POSSE_DEADLOCK. */
posse_status pi_await_look(struct pi_await *wait);
/* After a look that said POSSE_TIMEOUT: spins, gets ready to be woken, or sleeps. POSSE_OK: the
 * caller must look again. POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_await_step(struct pi_await *wait, uint64_t until);
void pi_await_end(struct pi_await *wait);

/* Whether this thread is inside the task, or is on its way out of it, which ends the thread. */
bool pi_on_this_stack(posse_executor *executor, posse_future future);

/* Whether an event has happened; `parker` is the caller's, which sleeps on it if not. */
typedef bool pi_event_fn(posse_executor *executor, uint32_t parker);
/* Waits for an event that wakes all parkers. POSSE_OK, POSSE_TIMEOUT, POSSE_NO_MEMORY. */
posse_status pi_await_event(posse_executor *executor, pi_event_fn *event, uint64_t until);
/* Whether as many tasks wait as queue_limit allows. */
bool pi_is_full(posse_executor *executor);
/* Waits until the queue has fewer than queue_limit entries. POSSE_OK, POSSE_TIMEOUT, ... */
posse_status pi_await_room(posse_executor *executor, uint64_t until);
/* Wakes all callers that sleep, and waits until they have left. The phase must be such that they
 * do. */
void pi_await_callers(posse_executor *executor);

#endif
