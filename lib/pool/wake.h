/* wake.h - waking workers and callers. */
#ifndef PI_WAKE_H
#define PI_WAKE_H

#include "pool/pool.h"

/* For a task that was pushed: wakes a worker as pi_wake_worker does, or asks for one more if all
 * are busy and there may be more. */
bool pi_wake_or_grow(posse_executor *executor);
/* The same for a worker that has a task now, and leaves those that wait to others. */
void pi_wake_for_backlog(posse_executor *executor);
/* Wakes one sleeping worker, if none is looking for work already. `force`: even then.
 * True: it did. */
bool pi_wake_worker(posse_executor *executor, bool force);
/* Posts every worker, whatever its bits say:
 * it may have been claimed by one who died before the post. */
void pi_wake_all_workers(posse_executor *executor);
/* Posts a parker; its index comes from shared memory. False: nobody owns it. */
bool pi_post_parker(posse_executor *executor, uint32_t index);
/* Wakes every caller that sleeps anywhere, and has those that wait for many tasks look at all. */
void pi_wake_all_parkers(posse_executor *executor);
/* Wakes the callers that the word of a slot names: its task has ended, or it was released. */
void pi_wake_waiters(posse_executor *executor, uint32_t slot, uint64_t word, bool ended);
/* Wakes the submitters that wait for room. */
void pi_wake_room(posse_executor *executor);

#endif
