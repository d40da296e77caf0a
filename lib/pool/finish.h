/* finish.h - the one function that makes a task final, and the one that frees a slot. */
#pragma once

#include "pool/pool.h"

/* Makes a task final: *from becomes `end`, a final state and flags to be set, unless the task is in
 * another state by now. Before anybody can see that, it adds 1 to *counter; NULL: the caller
 * counts. Then it frees the argument, wakes those who wait for the task, and frees the slot if
 * nobody holds its handle. */
bool pi_finish(posse_executor *executor, uint32_t index, uint64_t *from, uint64_t end,
               _Atomic uint64_t *counter);
/* The same of a task that has not begun, in this life of the slot. False: it has. */
bool pi_finish_pending(posse_executor *executor, uint32_t index, uint32_t generation,
                       enum pi_state end);
/* Frees a slot that is final, or FILLING or PENDING and given up by its submitter, with its blocks.
 * False: somebody else has freed or claimed it. */
bool pi_discard(posse_executor *executor, uint32_t index, uint64_t word);
/* The same of this word, if it is final and nobody holds its task any more; or leaves it to the
 * log. */
void pi_discard_if_left(posse_executor *executor, uint32_t index, uint64_t word);
/* PENDING -> CANCELLED for all tasks that have not begun. */
void pi_cancel_all(posse_executor *executor);
