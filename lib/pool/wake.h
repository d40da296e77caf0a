/* wake.h - waking workers and callers. */
#pragma once

#include "pool/pool.h"

/* For a task that was pushed: wakes a worker as pi_wake_worker does. If all are busy and there may
 * be more, the supervisor is asked to start one. True: it woke a worker. */
bool pi_wake_or_grow(posse_executor *executor);
/* The same for several tasks that were pushed: wakes a worker for each that no worker looks for
 * already. True: it woke one. */
bool pi_wake_or_grow_for(posse_executor *executor, unsigned tasks);
/* The same for a worker that has a task now, and leaves the tasks that wait to others. */
void pi_wake_for_backlog(posse_executor *executor);
/* Wakes one sleeping worker, unless another looks for work already. True: it did. */
bool pi_wake_worker(posse_executor *executor);
/* Wakes one sleeping worker. True: it did. */
bool pi_wake_sleeper(posse_executor *executor);
/* Posts every worker, whatever its bits say: a process may have claimed it and died before the
 * post. */
void pi_wake_all_workers(posse_executor *executor);

/* Posts a parker; its index comes from shared memory. False: nobody owns it. */
bool pi_post_parker(posse_executor *executor, uint32_t index);
/* Wakes every caller that sleeps anywhere. Those that wait for many tasks look at all of them. */
void pi_wake_all_parkers(posse_executor *executor);
/* Wakes the callers that a slot's word names, because its task has ended. */
void pi_wake_waiters(posse_executor *executor, uint32_t slot, uint64_t word);
/* Wakes the callers that a slot's word names, because its task has put a message. */
void pi_wake_readers(posse_executor *executor, uint64_t word);
/* The same because its handle was released. A caller that waits for many tasks looks at all. */
void pi_wake_released(posse_executor *executor, uint64_t word);
/* Wakes the submitters that wait for room. */
void pi_wake_room(posse_executor *executor);
