/* Runs in: program, worker. */
#include "worker/unclaim.h"
#include "pool/grow.h"
#include "pool/verify.h"
#include "pool/wake.h"

bool pi_unclaim(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    enum pi_lane lane = pi_slot_lane(slot);
    uint64_t entry = pi_in_ring(lane);
    if (!pi_slot_transition(slot, &word, PI_PENDING, entry, 0))
        return false;
    if (!(word & entry) && pi_push(e, lane, index, 0) != PI_PUSHED)
        pi_finish_ownerless(e, index, pi_with_state(word | entry, PI_PENDING)); /* no memory */
    (void)pi_wake_or_grow(e);
    return true;
}
