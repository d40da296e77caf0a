/* stamp.h - stamps a task, with options.stamps: see core/stamps.h. */
#pragma once

#include "pool/self.h"

/* The submitter, in FILLING. */
static inline void pi_stamp_submit(struct pi_slot *slot, uint64_t now)
{
    pi_store_relaxed(&slot->result_size, now); /* relaxed: PENDING publishes it */
}
/* Its worker, before its run counts in `attempt`. */
void pi_stamp_start(const struct posse_task *task);
/* The task runs in a process of its own: worker/fresh.c. Nothing without options.stamps. */
void pi_stamp_process(const struct posse_task *task, long pid);
/* Whoever is about to make the task final, from that word; `end` is a final state, perhaps PINNED.
 * Returns the counter that now includes the run, or NULL. The caller must subtract 1 from it if its
 * last arrow fails. */
_Atomic uint64_t *pi_stamp_end(posse_executor *executor, uint32_t index, uint64_t from,
                               uint64_t end);
/* A thread, when it leaves a task that was ended in that state while the thread ran it: before the
 * task is unpinned. */
void pi_stamp_left(const struct posse_task *task, enum pi_state state);
/* The supervisor, of a thread that ended in such a task: before the task is unpinned. */
void pi_stamp_reaped(posse_executor *executor, uint32_t index, uint64_t word);
/* A worker that lives, when the run of its task is over and the task runs again: before it is
 * PENDING. */
void pi_stamp_again(posse_executor *executor, uint32_t index, uint64_t word);
