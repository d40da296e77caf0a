#include "core/slot.h"

#define AHEAD 3 /* entries */

/* As pi_group_enter, but with one load if there is nothing to mark. */
static inline bool enter(struct pi_slots *slots, uint32_t group, unsigned owner)
{
    uint64_t word = pi_load_acquire(&slots->groups[group]); /* with pi_group_open */
    bool open = pi_group_state(word) == PI_GROUP_OPEN;
    return (open && owner >= PI_MAX_WORKERS) || pi_group_enter(slots, group, owner);
}

/* False: the bit of the map was wrong. The slot is taken, and the process that frees it gives the
 * bit back.
 */
static inline bool begin_filling(struct pi_slot *slot, unsigned owner, uint64_t *word)
{
    uint64_t seen = pi_load_relaxed(&slot->word); /* relaxed: the CAS checks it */
    while (pi_state(seen) == PI_FREE) {
        *word = pi_with_state(pi_with_owner(seen, owner), PI_FILLING);
        PI_ASSERT_ARROW(seen, *word);
        if (pi_cas_seq(&slot->word, &seen, *word)) /* with pi_slot_free, and pi_group_give */
            return true;
    }
    return false;
}

/* The slot of the lowest of these bits. A word of the map is a group. */
static uint32_t slot_of(const struct pi_bitmap_bits *of, uint64_t bits)
{
    return of->word * PI_GROUP_SLOTS + (uint32_t)__builtin_ctzll(bits);
}

/* After its word was won. */
static inline void clear_bit(struct pi_slots *slots, uint32_t index)
{
    pi_bitmap_clear(&slots->map, index / PI_GROUP_SLOTS, (uint64_t)1 << index % PI_GROUP_SLOTS);
}

uint32_t pi_slots_acquire(struct pi_slots *slots, unsigned owner, uint32_t hint, uint64_t *word)
{
    _Atomic uint32_t *note = owner < PI_MAX_WORKERS ? &slots->workers[owner].touched : NULL;
    for (;;) {
        uint32_t index = pi_bitmap_alloc_noted(&slots->map, pi_slots_count(slots), hint, note);
        if (index == PI_NO_INDEX)
            return PI_NO_INDEX;
        if (!enter(slots, index / PI_GROUP_SLOTS, owner))
            continue; /* the process that opens the group gives it back */
        if (begin_filling(&slots->at[index], owner, word)) {
            clear_bit(slots, index);
            pi_slots_touch(slots, owner, index); /* its bit is right now */
            if (owner < PI_MAX_WORKERS)          /* again: others may have closed and opened it */
                (void)pi_group_enter(slots, index / PI_GROUP_SLOTS, owner);
            return index;
        }
    }
}

unsigned pi_slots_fill(struct pi_slots *slots, const struct pi_bitmap_bits *bits,
                       struct pi_filling *filling)
{
    unsigned n = 0;
    if (bits->bits == 0 || !enter(slots, bits->word, PI_OWNER_PROGRAM))
        return 0; /* as above */
    for (uint64_t rest = bits->bits & (bits->bits - 1); rest != 0; rest &= rest - 1)
        pi_prefetch(&slots->at[slot_of(bits, rest)]);
    for (uint64_t rest = bits->bits; rest != 0; rest &= rest - 1) {
        uint32_t index = slot_of(bits, rest);
        filling[n].index = index;
        if (!begin_filling(&slots->at[index], PI_OWNER_PROGRAM, &filling[n].word))
            continue;
        clear_bit(slots, index);
        n++;
    }
    return n;
}

bool pi_slot_publish(struct pi_slot *slot, uint64_t fill, uint64_t flags)
{
    uint64_t entry = flags & PI_IN_RING;
    uint64_t owner = pi_with_owner(fill & ~PI_IN_RING, PI_OWNER_NONE);
    uint64_t ready = pi_with_state(owner, PI_PENDING) | flags;
    PI_ASSERT_ARROW(fill, ready);
    /* Entries of earlier lives may still be in rings, where somebody may pass them just now. One
     * that is in the ring of this lane serves this life. Without entries nobody but us writes the
     * word. seq, with the CAS of claim_head */
    while (fill & PI_IN_RING)
        if (pi_cas_seq(&slot->word, &fill, ready | (fill & PI_IN_RING)))
            return !(fill & entry);
    pi_store_release(&slot->word, ready); /* with the acquire of the claimer */
    return true;
}

void pi_slot_withhold(struct pi_slot *slot, uint64_t fill, uint64_t flags)
{
    uint64_t withheld = pi_with_owner(fill & ~PI_IN_RING, PI_OWNER_WITHHELD);
    uint64_t ready = pi_with_state(withheld, PI_PENDING) | flags;
    PI_ASSERT_ARROW(fill, ready);
    /* seq, with the CAS of claim_head, which may pass an entry of an earlier life just now */
    while (!pi_cas_seq(&slot->word, &fill, ready | (fill & PI_IN_RING)))
        ;
}

bool pi_slot_offer(struct pi_slot *slot, uint32_t generation, bool *push)
{
    uint64_t entry = pi_in_ring(pi_slot_lane(slot));
    uint64_t seen = pi_load_seq(&slot->word); /* with pi_slot_transition */
    while (pi_generation(seen) == generation && pi_is_withheld(seen)) {
        *push = !(seen & entry);
        /* seq, with the CAS of claim_head */
        if (pi_cas_seq(&slot->word, &seen, pi_with_owner(seen, PI_OWNER_NONE) | entry))
            return true;
    }
    return false;
}

/* Whether the task of a word that was just read waits in this lane. */
static bool is_pending(struct pi_slot *slot, uint64_t word, enum pi_lane lane)
{
    return pi_state(word) == PI_PENDING && pi_owner(word) != PI_OWNER_WITHHELD &&
           pi_slot_lane(slot) == lane;
}

/* The entry at the head of a lane is about to be passed: clears its IN_RING, and claims the task if
 * it is PENDING there. True: claimed. */
static bool claim_head(struct pi_slot *slot, enum pi_lane lane, unsigned owner, uint64_t *word)
{
    uint64_t entry = pi_in_ring(lane), seen = pi_load_seq(&slot->word); /* with pi_slot_publish */
    while (seen & entry) {
        bool pending = is_pending(slot, seen, lane);
        *word = seen & ~entry;
        if (pending)
            *word = pi_with_state(pi_with_owner(*word, owner), PI_RUNNING);
        PI_ASSERT_ARROW(seen, *word);
        if (pi_cas_seq(&slot->word, &seen, *word)) /* acquire: with pi_slot_publish */
            return pending;
    }
    return false;
}

/* Lets the cache fetch a slot that will be claimed soon: another processor wrote it last. */
static void fetch_ahead(struct pi_slots *slots, struct pi_ring *ring, uint64_t position)
{
    bool mark;
    uint32_t index = pi_ring_at(ring, position, &mark);
    if (index < slots->max)
        pi_prefetch(&slots->at[index]);
}

uint32_t pi_slots_claim_next(struct pi_slots *slots, struct pi_ring *ring, unsigned owner,
                             uint64_t *word)
{
    uint64_t position;
    for (;;) {
        uint32_t index = pi_ring_peek(ring, &position);
        if (index == PI_NO_INDEX)
            return PI_NO_INDEX;
        bool claimed = false;
        if (pi_slots_has(slots, index)) {
            pi_slots_touch(slots, owner, index);
            claimed = claim_head(&slots->at[index], (enum pi_lane)ring->lane, owner, word);
        }
        pi_ring_advance(ring, position);
        if (!claimed)
            continue;
        fetch_ahead(slots, ring, position + AHEAD);
        return index;
    }
}

struct pi_entries pi_slots_count_entries(struct pi_slots *slots, struct pi_ring *ring, unsigned max)
{
    struct pi_entries count = {0, 0};
    /* seq, as are the looks at words. A submitter has set `room_waiter` before, and a canceller
     * looks there after. supervisor/scale.c has its own order. */
    struct pi_ring_walk walk = {.position = pi_load_seq(&ring->shared->head)};
    while (count.pending < max) {
        uint32_t index = pi_ring_next(ring, &walk);
        if (index == PI_NO_INDEX && !walk.mark)
            break;
        if (!walk.mark &&
            is_pending(&slots->at[index], pi_slots_word(slots, index), (enum pi_lane)ring->lane))
            count.pending++;
        else
            count.stale++;
    }
    return count;
}

bool pi_slot_claim(struct pi_slot *slot, unsigned owner, uint64_t *word)
{
    uint64_t run = pi_with_state(pi_with_owner(*word, owner), PI_RUNNING);
    if (pi_state(*word) != PI_PENDING)
        return false;
    PI_ASSERT_ARROW(*word, run);
    if (!pi_cas(&slot->word, word, run)) /* acquire: with the release of pi_slot_publish */
        return false;
    *word = run;
    return true;
}

bool pi_slot_transition(struct pi_slot *slot, uint64_t *from, enum pi_state to, uint64_t set,
                        uint64_t clear)
{
    uint64_t first = *from;
    while (pi_same_state(*from, first)) {
        uint64_t next = pi_with_state((*from | set) & ~clear, to);
        PI_ASSERT_ARROW(*from, next);
        /* release: publishes the result, with the acquire of each process that sees the state;
         * acquire: the parker's sleep */
        if (pi_cas_seq(&slot->word, from, next))
            return true;
    }
    return false;
}

bool pi_slot_empty(struct pi_slot *slot, uint64_t *word, unsigned owner)
{
    uint64_t emptied = pi_emptied(*word, owner);
    PI_ASSERT_ARROW(*word, emptied);
    if (!pi_cas(&slot->word, word, emptied)) /* before the blocks are free: with pi_confirm */
        return false;
    *word = emptied;
    return true;
}

bool pi_slot_free(struct pi_slot *slot, uint64_t *word)
{
    PI_ASSERT_ARROW(*word, pi_freed(*word));
    return pi_cas(&slot->word, word, pi_freed(*word)); /* with the CAS of pi_slots_acquire */
}
