/* A worker that leaves on purpose may have given handles and memory to others: a task that submits
 * another one and returns the handle, or returns a block of posse_alloc. These are the program's
 * from then on. Otherwise they would end with the next worker of the seat, should that one die.
 *
 * It is done before the seat is used again, not when the worker leaves: most seats never are. Until
 * then nobody else acts in the seat's name, so a name found here is that of the one who left. The
 * supervisor passes over the slots of all groups that have the worker's mark (core/groups.h) and
 * over all blocks; it does so only if the worker ever had anything to give (`gives` in its seat).
 */
#include "worker/backend.h"

/* Whether the slot is in an open group that the worker has marked. */
static bool may_be_its(struct pi_slots *slots, uint32_t index, unsigned seat)
{
    uint64_t group = pi_load_acquire(&slots->groups[index / PI_GROUP_SLOTS]); /* as pi_slots_has */
    return pi_group_state(group) == PI_GROUP_OPEN && pi_group_has_mark(group, seat);
}

static void inherit_slots(posse_executor *e, unsigned seat)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t submitter = (uint16_t)seat;
        if (!may_be_its(slots, i, seat)) {
            i |= PI_GROUP_SLOTS - 1; /* nor the rest of its group */
            continue;
        }
        if (pi_load_relaxed(&slots->at[i].submitter) == submitter) /* relaxed: the CAS checks it */
            (void)pi_cas(&slots->at[i].submitter, &submitter, (uint16_t)PI_PROGRAM);
    }
}

void pi_inherit(struct pi_supervisor *s, unsigned seat)
{
    inherit_slots(s->executor, seat);
    pi_inherit_blocks(s->executor, seat);
    s->hands[seat].gave = false;
}
