/* await.h - waiting until a task is final, or for another event of the executor.
 *
 * Runs in: program, worker.
 */
#pragma once

#include "pool/pool.h"

/* One caller's wait for one task. Set the first two, `unobserved` too
 * if need be, zero the rest. */
struct pi_await {
    posse_future future;
    posse_status (*help)(posse_future future); /* pi_help, of worker/help.h */
    uint64_t word;                             /* as last seen */
    bool unobserved;     /* nobody need hold the future: it is enough that the task is not open */
    bool entered;        /* the caller must call pi_call_exit when it has read what it came for */
    uint32_t parker_ref; /* 1 + index; 0: none yet */
    bool spun;
    struct pi_verify verify;
    /* NULL, or whether something else has happened that ends the wait, and wakes as the end does */
    bool (*ready)(const struct pi_await *wait);
};

/* Waits until the task is final, or `ready`. POSSE_OK, POSSE_TIMEOUT, POSSE_INVALID, POSSE_BROKEN,
 * POSSE_SHUT_DOWN, POSSE_DEADLOCK, POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_await_final(struct pi_await *wait, uint64_t until);

/* Whether this thread is inside the task, or is on its way out of it, which ends the thread. */
bool pi_on_this_stack(posse_executor *executor, posse_future future);

/* Whether an event has happened; `parker` is the caller's, which sleeps on it if not. */
typedef bool pi_event_fn(void *context, uint32_t parker);
/* Waits for an event that wakes all parkers. POSSE_OK, POSSE_TIMEOUT, POSSE_NO_MEMORY. */
posse_status pi_await_event(posse_executor *executor, pi_event_fn *event, void *context,
                            uint64_t until);
/* Whether as many tasks wait as queue_limit allows. */
bool pi_is_full(posse_executor *executor);
/* For a pi_event_fn: whether they do not, or no task is accepted any more. Announces the parker,
 * which pi_wake_room posts. */
bool pi_has_room(posse_executor *executor, uint32_t parker);
/* Wakes all callers that sleep, and waits until they have left. The phase must be such that they
 * do. */
void pi_await_callers(posse_executor *executor);
