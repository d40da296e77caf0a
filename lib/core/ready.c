#include "core/ready.h"

bool pi_ready_push(struct pi_slots *slots, struct pi_parker *parker, uint32_t slot,
                   uint32_t generation)
{
    uint64_t head = pi_load_relaxed(&parker->ready); /* relaxed: the CAS checks it */
    uint64_t tag = pi_ready_tag(generation) << PI_READY_REF_BITS;
    do /* relaxed: published by the CAS */
        pi_store_relaxed(&slots->at[slot].link, tag | head);
    while (!pi_cas_seq(&parker->ready, &head, pi_ready_ref_make(slot, generation)));
    return head == 0;
}

pi_ready_ref pi_ready_take(struct pi_parker *parker) { return pi_exchange_seq(&parker->ready, 0); }

bool pi_ready_next(struct pi_slots *slots, uint32_t count, pi_ready_ref *at, uint32_t *slot,
                   bool *broken)
{
    uint64_t mask = ((uint64_t)1 << PI_READY_REF_BITS) - 1;
    *broken = false;
    if (*at == 0)
        return false;
    *slot = (uint32_t)(*at >> PI_READY_BITS) - 1;
    if (*at > mask || *slot >= count || !pi_slots_has(slots, *slot)) {
        *broken = true;
        return false;
    }
    uint64_t link = pi_load_relaxed(&slots->at[*slot].link); /* relaxed: after the exchange */
    *broken = link >> PI_READY_REF_BITS != pi_ready_tag((uint32_t)*at);
    *at = *broken ? 0 : link & mask;
    return !*broken;
}
