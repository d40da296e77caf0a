#include "core/done_list.h"

bool pi_done_list_push(struct pi_slots *slots, struct pi_parker *parker, uint32_t slot,
                       uint32_t generation)
{
    uint64_t head = pi_load_relaxed(&parker->done); /* relaxed: the CAS checks it */
    uint64_t tag = pi_done_tag(generation) << PI_DONE_REF_BITS;
    do /* relaxed: published by the CAS */
        pi_store_relaxed(&slots->at[slot].link, tag | head);
    while (!pi_cas_seq(&parker->done, &head, /* with the exchange of pi_done_list_take */
                       pi_done_ref_make(slot, generation)));
    return head == 0;
}

pi_done_ref pi_done_list_take(struct pi_parker *parker)
{
    return pi_exchange_seq(&parker->done, 0); /* with the CAS of pi_done_list_push */
}

bool pi_done_list_next(struct pi_slots *slots, uint32_t count, pi_done_ref *at, uint32_t *slot,
                       bool *broken)
{
    uint64_t mask = ((uint64_t)1 << PI_DONE_REF_BITS) - 1;
    *broken = false;
    if (*at == 0)
        return false;
    *slot = (uint32_t)(*at >> PI_DONE_TAG_BITS) - 1;
    if (*at > mask || *slot >= count || !pi_slots_has(slots, *slot)) {
        *broken = true;
        return false;
    }
    uint64_t link = pi_load_relaxed(&slots->at[*slot].link); /* relaxed: after the exchange */
    *broken = link >> PI_DONE_REF_BITS != pi_done_tag((uint32_t)*at);
    *at = *broken ? 0 : link & mask;
    return !*broken;
}
