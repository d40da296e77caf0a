#include "core/lanes.h"

/* From the lane NORMAL. The taker's turn is at one of its rings. */
static uint32_t claim_normal(struct pi_lanes *lanes, struct pi_slots *slots,
                             const struct pi_taker *taker, uint64_t *word)
{
    uint32_t index = PI_NO_INDEX;
    unsigned first = taker->begun + taker->ran / PI_RING_TURN;
    for (unsigned i = 0; i < lanes->normal && index == PI_NO_INDEX; i++) {
        struct pi_ring *ring = &lanes->ring[(first + i) & (lanes->normal - 1)];
        index = pi_slots_claim_next(slots, ring, taker->owner, word);
    }
    return index;
}

static uint32_t claim_from(struct pi_lanes *lanes, enum pi_lane lane, struct pi_slots *slots,
                           const struct pi_taker *taker, uint64_t *word)
{
    if (lane == PI_LANE_NORMAL)
        return claim_normal(lanes, slots, taker, word);
    return pi_slots_claim_next(slots, pi_lanes_ring(lanes, lane, 0), taker->owner, word);
}

/* While there are lanes: kept out of the path of those that have one. */
__attribute__((noinline)) static uint32_t claim_by_priority(struct pi_lanes *lanes,
                                                            struct pi_slots *slots,
                                                            const struct pi_taker *taker,
                                                            uint64_t *word)
{
    static const enum pi_lane usual[] = {PI_LANE_HIGH, PI_LANE_NORMAL, PI_LANE_LOW};
    static const enum pi_lane low_first[] = {PI_LANE_LOW, PI_LANE_HIGH, PI_LANE_NORMAL};
    uint32_t n = pi_add_relaxed(lanes->claims, 1) + 1; /* relaxed: only the value counts */
    const enum pi_lane *order = n % PI_CLAIMS_PER_LOW == 0 ? low_first : usual;
    uint32_t index = PI_NO_INDEX;
    for (int i = 0; i < PI_LANES && index == PI_NO_INDEX; i++)
        index = claim_from(lanes, order[i], slots, taker, word);
    return index;
}

uint32_t pi_lanes_claim_next(struct pi_lanes *lanes, struct pi_slots *slots,
                             const struct pi_taker *taker, uint64_t *word)
{
    if (pi_lanes_more(lanes))
        return claim_by_priority(lanes, slots, taker, word);
    return claim_normal(lanes, slots, taker, word);
}

bool pi_lanes_any(struct pi_lanes *lanes)
{
    uint64_t position;
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n; i++)
        if (pi_ring_peek(&lanes->ring[i], &position) != PI_NO_INDEX)
            return true;
    return false;
}

uint64_t pi_lanes_length(struct pi_lanes *lanes)
{
    uint64_t length = 0;
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n; i++)
        length += pi_ring_length(&lanes->ring[i]);
    return length;
}

uint64_t pi_lanes_passed(struct pi_lanes *lanes)
{
    uint64_t passed = 0;
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n; i++)
        passed += pi_load_seq(&lanes->ring[i].shared->head); /* with pi_ring_advance */
    return passed;
}

uint64_t pi_lanes_end(struct pi_lanes *lanes)
{
    uint64_t end = 0;
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n; i++)
        end += pi_ring_end(&lanes->ring[i]);
    return end;
}

struct pi_entries pi_lanes_count_entries(struct pi_lanes *lanes, struct pi_slots *slots,
                                         unsigned max)
{
    struct pi_entries all = {0, 0};
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n && all.pending < max; i++) {
        struct pi_entries of = pi_slots_count_entries(slots, &lanes->ring[i], max - all.pending);
        all.pending += of.pending;
        all.stale += of.stale;
    }
    return all;
}
