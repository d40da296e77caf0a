/* done_list.h - the tasks that have ended, for one caller that waits for many of them.
 *
 * Runs in: program, worker, supervisor. The owner of the list is a process. Its parker `collects`,
 * and stands in the words of the tasks that it waits for. The finisher of such a task pushes
 * the slot on that parker's list, and posts the parker if the list was empty. The owner takes the
 * whole list at once.
 *
 *   actor      step                                        if it dies after that
 *   finisher   makes the task final (slot.h)               the supervisor asks all owners to rescan
 *              stores the slot's link (relaxed)            the same
 *              CAS of the parker's head (seq): now it is   the same: the owner may sleep on a list
 *              in the list                                 that is not empty
 *              posts, if the head was 0                    nothing is left to do
 *   owner      exchanges the head for 0 (seq, with the     (its parker is freed with it)
 *              CAS), walks the links
 *
 * The list is a hint. A slot in it may be released, used again, and pushed again, here or
 * elsewhere, which breaks the chain behind it. So each reference carries part of the slot's
 * generation, and each link that of its own slot when it was stored. If a link does not match, the
 * owner looks at every task that it waits for. It does so too when it is asked to (`rescan`), and
 * after a second of sleep.
 *
 * The model is tests/model/done_list.pml.
 */
#pragma once

#include "core/parker.h"
#include "core/slot.h"

/* Slot + 1 and the low bits of its generation; 0: none. A link is the reference of the next entry
 * and, above it, those bits of its own slot's generation. */
typedef uint64_t pi_done_ref;
#define PI_DONE_TAG_BITS 20
#define PI_DONE_REF_BITS 44 /* 24 for the slot */

static inline uint64_t pi_done_tag(uint32_t generation)
{
    return generation & (((uint64_t)1 << PI_DONE_TAG_BITS) - 1);
}
static inline pi_done_ref pi_done_ref_make(uint32_t slot, uint32_t generation)
{
    return (uint64_t)(slot + 1) << PI_DONE_TAG_BITS | pi_done_tag(generation);
}

/* Pushes a slot that is final. True: the list was empty, the caller must post its owner. */
bool pi_done_list_push(struct pi_slots *slots, struct pi_parker *parker, uint32_t slot,
                       uint32_t generation);

/* Takes all; the newest entry comes first. */
pi_done_ref pi_done_list_take(struct pi_parker *parker);

/* Goes to the next entry: its slot, below count. False: the end, or the chain is *broken. */
bool pi_done_list_next(struct pi_slots *slots, uint32_t count, pi_done_ref *at, uint32_t *slot,
                       bool *broken);
