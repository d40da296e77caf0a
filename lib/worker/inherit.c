/* A worker that leaves on purpose may have given handles and memory to others: a task that submits
 * another one and returns the handle, or returns a block of posse_alloc. These are the program's
 * from then on. Otherwise they would end with the next worker of the seat, should that one die.
 *
 * It is done before the seat is used again, not when the worker leaves: most seats never are. Until
 * then nobody else acts in the seat's name, so a name found here is that of the one who left. As it
 * is a pass over all slots and blocks, it is not done for a worker that never had anything to give
 * (`gives` in its seat).
 */
#include "worker/backend.h"

static void inherit_slots(posse_executor *e, unsigned seat)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t submitter = (uint16_t)seat;
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
