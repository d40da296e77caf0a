/* finish.h - the one function that makes a task final, and what frees a slot. */
#ifndef PI_FINISH_H
#define PI_FINISH_H

#include "pool/pool.h"

/* The one way to an end: *from -> state (with `set` flags), unless the task is in another state by
 * now. Frees its argument, wakes who waits for it, and frees the slot if nobody holds it. */
bool pi_finish(posse_executor *executor, uint32_t index, uint64_t *from, enum pi_state state,
               uint64_t set);
/* The same, counted before it can be seen. */
bool pi_finish_counted(posse_executor *executor, uint32_t index, uint64_t *from,
                       enum pi_state state, uint64_t set, _Atomic uint64_t *counter);
/* Frees a slot that is final, or FILLING or PENDING and given up by its submitter, with its blocks.
 * False: it was freed by somebody else, or claimed. */
bool pi_discard(posse_executor *executor, uint32_t index, uint64_t word);
/* PENDING -> CANCELLED for all tasks that have not begun. */
void pi_cancel_all(posse_executor *executor);

#endif
