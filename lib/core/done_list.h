/* done_list.h - a list of tasks that have ended, for one who waits for many of them and will not look
 * at each.
 *
 * Its owner is a process: the parker that it puts into the words of what it waits for `collects`.
 * Whoever makes such a task final pushes the slot on that parker's list, and posts the parker if
 * the list was empty; the owner takes the whole list at once.
 *
 *   who        step                                        if it dies after that
 *   finisher   makes the task final (slot.h)              the supervisor asks all owners to rescan
 *              stores the slot's link (relaxed)            the same
 *              CAS of the parker's head (seq): from now    the same: the owner may sleep on a list
 *              on it is in the list                        that is not empty
 *              posts, if the head was 0                    nothing is left to do
 *   owner      exchanges the head for 0 (acquire, with     (its parker is freed with it)
 *              the CAS), walks the links
 *
 * The list is a hint, like all lists here. Nobody holds a slot back while it is in one: it may be
 * released, used again, and pushed again, here or elsewhere, which breaks the chain behind it. So
 * each reference carries part of the slot's generation, and each link that of its own slot when it
 * was stored: a link that does not match is a broken chain, and the owner looks at every task that
 * it waits for instead. It also does so when it is asked to (`rescan`), and after a second of
 * sleep.
 *
 * The model is tests/model/ready.pml.
 */
#ifndef PI_DONE_LIST_H
#define PI_DONE_LIST_H

#include "core/parker.h"
#include "core/slot.h"

/* Slot + 1 and the low bits of its generation; 0: none. A link is the reference of the next entry,
 * and above it the bits of its own slot's generation. */
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

/* Pushes a slot that is final. True: the list was empty, so its owner must be posted. */
bool pi_done_list_push(struct pi_slots *slots, struct pi_parker *parker, uint32_t slot,
                       uint32_t generation);

/* Takes all; the newest entry comes first. */
pi_done_ref pi_done_list_take(struct pi_parker *parker);

/* Goes to the next entry: its slot, below count. False: the end, or (*broken) the chain leads
 * astray. */
bool pi_done_list_next(struct pi_slots *slots, uint32_t count, pi_done_ref *at, uint32_t *slot,
                       bool *broken);

#endif
