/* Runs in: program, worker, supervisor. */
#include "worker/unclaim.h"
#include "os/clock.h"
#include "pool/block.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/verify.h"
#include "pool/wake.h"

/* When the time of its group is up; PI_NEVER: it has none. order: relaxed: of this life */
static uint64_t group_end(posse_executor *e, struct pi_slot *slot)
{
    bool bounded = pi_load_relaxed(&slot->arg_size) & PI_BOUNDED;
    const struct pi_details *details = bounded ? pi_slot_details(e, slot) : NULL;
    return details ? details->group_end_ns : PI_NEVER;
}

bool pi_put_back(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t until = group_end(e, slot); /* before another claims it */
    enum pi_lane lane = pi_slot_lane(slot);
    uint64_t entry = pi_in_ring(lane);
    if (!pi_slot_transition(slot, &word, PI_PENDING, entry, 0))
        return false;
    if (!(word & entry) && pi_push(e, lane, index, 0) != PI_PUSHED)
        pi_finish_ownerless(e, index, pi_with_state(word | entry, PI_PENDING)); /* no memory */
    if (until <= pi_os_now()) /* after PENDING: the walk of task_group.h may have passed it */
        (void)pi_finish_pending(e, index, pi_generation(word), PI_TIMED_OUT);
    return true;
}

bool pi_unclaim(posse_executor *e, uint32_t index, uint64_t word)
{
    bool back = pi_put_back(e, index, word);
    if (back)
        (void)pi_wake_or_grow(e);
    return back;
}
