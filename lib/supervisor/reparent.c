/* A worker that leaves on purpose may have given handles and memory to others: a task that submits
 * another one and returns the handle, or returns a block of posse_alloc. These are the program's
 * from then on. Otherwise they would end with the next worker of the worker, should that one die.
 *
 * It is done before the worker is used again, not when the worker leaves: most workers never are. Until
 * then nobody else acts in the worker's name, so a name found here is that of the one who left. The
 * supervisor passes over the slots of all groups that have the worker's mark (core/groups.h) and
 * over all blocks; it does so only if the worker ever had anything to give (`escaped`, in its record).
 */
#include "pool/pool.h"
#include "supervisor/recover.h"
#include "supervisor/supervisor.h"

/* Whether the slot is in an open group that the worker has marked. */
static bool may_be_its(struct pi_slots *slots, uint32_t index, unsigned worker)
{
    uint64_t group = pi_load_acquire(&slots->groups[index / PI_GROUP_SLOTS]); /* as pi_slots_has */
    return pi_group_state(group) == PI_GROUP_OPEN && pi_group_has_mark(group, worker);
}

static void inherit_slots(posse_executor *e, unsigned worker)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t submitter = (uint16_t)worker;
        if (!may_be_its(slots, i, worker)) {
            i |= PI_GROUP_SLOTS - 1; /* nor the rest of its group */
            continue;
        }
        if (pi_load_relaxed(&slots->at[i].submitter) == submitter) /* relaxed: the CAS checks it */
            (void)pi_cas(&slots->at[i].submitter, &submitter, (uint16_t)PI_OWNER_PROGRAM);
    }
}

void pi_reparent(struct pi_supervisor *s, unsigned worker)
{
    inherit_slots(s->executor, worker);
    pi_reparent_blocks(s->executor, worker);
    s->children[worker].escaped = false;
}
