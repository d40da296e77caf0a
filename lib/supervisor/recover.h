/* recover.h - repairs what a worker has left in shared memory. */
#pragma once

#include "pool/pool.h"

/* Both after the worker was reaped. */
/* A worker died: repairs what it left half done, and ends its tasks. The block of its record, if it
 * has one (core/crash_record.h), goes to the innermost one. */
void pi_recover(posse_executor *executor, unsigned worker, const struct pi_death *death,
                pi_block_ref record);
/* A worker exited cleanly: what it had handed to others becomes the program's. */
void pi_reparent(posse_executor *executor, unsigned worker);

/* recover_blocks.c: the same for blocks, locks and queues. The worker's own ones become `next`'s:
 * PI_OWNER_PROGRAM, or PI_OWNER_NONE, then they are freed. */
void pi_recover_blocks(posse_executor *executor, unsigned worker, unsigned next);
