/* crash_block.h - the block of a worker's record: see core/crash_record.h. */
#pragma once

#include "pool/pool.h"

/* Bytes of the record, and of what is behind it. */
size_t pi_crash_block_size(const posse_executor *executor);
/* Takes a block for a worker that is about to start, and makes the record in it empty. 0: the
 * executor has no records, or no memory for one. */
pi_block_ref pi_crash_block_acquire(posse_executor *executor);
/* The record in the block; NULL: there is none. */
struct pi_crash_record *pi_crash_block_record(posse_executor *executor, pi_block_ref ref);
/* Makes the block the result of a task that is about to be final, in the state of `word`. */
void pi_crash_block_attach(posse_executor *executor, pi_block_ref ref, uint32_t index,
                           uint64_t word);
/* Of a dead worker whose stderr is kept (else *file is -1): writes its end into the block, if there
 * is one, and shows it. *file is -1 then. */
void pi_crash_block_keep(posse_executor *executor, pi_block_ref ref, int *file);
/* Frees the block, unless a task has got it, or there is none. *ref is 0 then. */
void pi_crash_block_release(posse_executor *executor, pi_block_ref *ref);
