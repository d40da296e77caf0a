/* groups.h - which slots have memory. 64 slots are a group, which has memory or none as a whole:
 * 12 KiB, three pages, and one word of the slots' map. Each group has a word here.
 *
 * Runs in: program, worker, supervisor.
 *
 *   state       meaning                               changed by                   to
 *   CLOSED      there is no slot here. MEMORY: there  a process that needs slots,  CLAIMED(o)
 *               is memory, but nobody may look at it  or gives the memory back
 *   CLAIMED(o)  o makes the slots, or gives their     o                            OPEN(o), CLOSED
 *               memory back                           the supervisor, o reaped     CLOSED, MEMORY
 *   OPEN(o)     the slots may be used; o is about to  o                            OPEN
 *               set their bits in the map             the supervisor, o reaped,    OPEN
 *                                                     corrects them
 *   OPEN        the slots may be used                 the trim, if all are free    CLOSED, MEMORY
 *               a worker that takes a slot here puts  the worker, in OPEN(o) too   its mark
 *               its mark
 *
 * order: every arrow is one compare-and-swap from the exact word (acquire and release). The
 * claimer leaves CLAIMED by a release store. A process that has loaded OPEN (acquire) may look at
 * the slots. Words of slots are seq where a group closes: each FREE -> NO_SLOT before the next
 * look.
 *
 *   opening                                         if it dies after that
 *   CLOSED -> CLAIMED(o): its bits are clear        CLOSED, MEMORY
 *   backs the memory; words := FREE, of generation  the same
 *   `floor`
 *   CLAIMED(o) -> OPEN(o)                           the supervisor sets the bits of those that are
 *                                                   FREE, and clears the others
 *   sets all bits of the map; OPEN(o) -> OPEN       nothing is left to do
 *
 *   closing, by the trim (if the supervisor dies, so does the executor)
 *   clears all bits of the map, if all were set       now nobody finds a slot here
 *   each word FREE -> NO_SLOT, if it is not IN_RING   if one is not, it undoes all that
 *   OPEN -> CLOSED, MEMORY; floor := more than the    an old handle is stale also when the group is
 *   generation of any slot here                       open again
 *
 * A caller may look at a slot whose index it has had for a while. It asks pi_slots_has first. If
 * the group closes between the two, the caller finds NO_SLOT: the trim gives the memory back 100 ms
 * after it has closed the group, not before. (If a thread does not run for so long, its look makes
 * a page of zeros, which is NO_SLOT too; without memory for that page, the thread's process dies.)
 *
 *   bits 0-1     state
 *   bit 2        MEMORY
 *   bits 4-13    o; PI_OWNER_NONE in OPEN
 *   bits 14-23   the mark: 0, 1 + a worker, or MANY. The recovery looks in groups with the dead
 *                worker's mark, or MANY, for what it has submitted. A mark goes when a group closes
 *   bits 32-63   floor
 *
 * The model is tests/model/groups.pml.
 */
#pragma once

#include "base/atomic.h"
#include "core/state.h"

#define PI_GROUP_SLOTS 64u

enum pi_group { PI_GROUP_CLOSED, PI_GROUP_CLAIMED, PI_GROUP_OPEN };

#define PI_GROUP_STATE 3u
#define PI_GROUP_MEMORY 4u
#define PI_GROUP_OWNER_SHIFT 4
#define PI_GROUP_OWNER_MASK ((uint64_t)0x3ff << PI_GROUP_OWNER_SHIFT)
#define PI_GROUP_MARK_SHIFT 14
#define PI_GROUP_MARK_MASK ((uint64_t)0x3ff << PI_GROUP_MARK_SHIFT)
#define PI_GROUP_MANY PI_GROUP_MARK_MASK
#define PI_GROUP_FLOOR_SHIFT 32

static inline enum pi_group pi_group_state(uint64_t group)
{
    return (enum pi_group)(group & PI_GROUP_STATE);
}
static inline unsigned pi_group_owner(uint64_t group)
{
    return (unsigned)((group & PI_GROUP_OWNER_MASK) >> PI_GROUP_OWNER_SHIFT);
}
static inline uint64_t pi_group_floor(uint64_t group)
{
    return group & (uint64_t)UINT32_MAX << PI_GROUP_FLOOR_SHIFT;
}
static inline uint64_t pi_group_make(enum pi_group state, unsigned owner, uint64_t floor)
{
    return (uint64_t)state | (uint64_t)owner << PI_GROUP_OWNER_SHIFT | floor;
}
/* The word with a worker's mark; the same if it has that. */
static inline uint64_t pi_group_marked(uint64_t group, unsigned worker)
{
    uint64_t mark = (uint64_t)(worker + 1) << PI_GROUP_MARK_SHIFT,
             there = group & PI_GROUP_MARK_MASK;
    return there == mark ? group : group | (there ? PI_GROUP_MANY : mark);
}
/* Whether a worker may have submitted what is there. */
static inline bool pi_group_has_mark(uint64_t group, unsigned worker)
{
    return (group & PI_GROUP_MARK_MASK) == PI_GROUP_MANY || pi_group_marked(group, worker) == group;
}

/* Bytes of the words of the groups of `slots` slots. */
static inline size_t pi_groups_size(uint32_t slots)
{
    return slots / PI_GROUP_SLOTS * sizeof(uint64_t);
}

struct pi_slots;

/* CLOSED -> CLAIMED(owner), of a group below the count. */
bool pi_group_claim(struct pi_slots *slots, uint32_t group, unsigned owner);
/* Claims the first CLOSED groups that lie in a row, `most` of them. Returns how many; 0: all are
 * in use. */
uint32_t pi_groups_claim(struct pi_slots *slots, unsigned owner, uint32_t most, uint32_t *first);
/* How many are not CLOSED. */
uint32_t pi_groups_in_use(struct pi_slots *slots);
/* Gives slots of a group to the map: sets those bits whose slots are FREE. A walk over all tasks
 * passes a group whose bits are all set. So a bit that is set while its slot is taken is cleared at
 * once: the taker clears it when it has won the word, and the setter looks at the word again.
 * order: seq, both. The model is tests/model/stash.pml. */
void pi_group_give(struct pi_slots *slots, uint32_t group, uint64_t bits);
/* After a death: the dead process may have set bits, and not looked again. So the supervisor clears
 * those whose slots are not FREE, and then gives what is FREE: others may free slots meanwhile. */
void pi_group_repair(struct pi_slots *slots, uint32_t group, uint64_t bits);
/* CLAIMED -> OPEN, by the claimer, which has given the group memory. */
void pi_group_open(struct pi_slots *slots, uint32_t group);
/* CLAIMED -> CLOSED, by the claimer. `memory`: PI_GROUP_MEMORY or 0. */
void pi_group_leave(struct pi_slots *slots, uint32_t group, unsigned memory);
/* Puts the owner's mark, if it is a worker that takes a slot there. False: it is not open. */
bool pi_group_enter(struct pi_slots *slots, uint32_t group, unsigned owner);
/* Ends what a dead worker has begun with it. */
void pi_group_recover(struct pi_slots *slots, uint32_t group, unsigned worker);
/* OPEN -> CLOSED, MEMORY, for the trim. False: some of its slots are in use. True: the trim waits
 * until no caller that found the group open can still look. Then it may give the memory back:
 * pi_group_claim, then pi_group_leave(..., 0). */
bool pi_slots_close(struct pi_slots *slots, uint32_t group);
