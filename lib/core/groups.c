/* order: as the table in groups.h says. */
#include "core/groups.h"

#include "core/slot.h"

static _Atomic uint64_t *word_at(struct pi_slots *slots, uint32_t group, uint32_t i)
{
    return &slots->at[group * PI_GROUP_SLOTS + i].word;
}

/* ---- opening ---- */

bool pi_group_claim(struct pi_slots *slots, uint32_t group, unsigned owner)
{
    uint64_t seen = pi_load_acquire(&slots->groups[group]); /* acquire: with its last owner */
    uint64_t claimed = pi_group_make(PI_GROUP_CLAIMED, owner, pi_group_floor(seen));
    return pi_group_state(seen) == PI_GROUP_CLOSED && pi_cas(&slots->groups[group], &seen, claimed);
}

uint32_t pi_groups_claim(struct pi_slots *slots, unsigned owner, uint32_t most, uint32_t *first)
{
    uint32_t groups = pi_slots_count(slots) / PI_GROUP_SLOTS, n = 0;
    for (uint32_t i = 0; i < groups && n < most; i++) {
        if (pi_group_claim(slots, i, owner))
            *first = n++ == 0 ? i : *first;
        else if (n > 0)
            break;
    }
    return n;
}

uint32_t pi_groups_in_use(struct pi_slots *slots)
{
    uint32_t groups = pi_slots_count(slots) / PI_GROUP_SLOTS, used = 0;
    for (uint32_t i = 0; i < groups; i++) /* relaxed: only counted */
        used += pi_group_state(pi_load_relaxed(&slots->groups[i])) != PI_GROUP_CLOSED;
    return used;
}

/* OPEN(o) -> OPEN. Workers may put their marks there meanwhile. */
static void end_opening(struct pi_slots *slots, uint32_t group)
{
    uint64_t seen = pi_load_relaxed(&slots->groups[group]); /* relaxed: the CAS checks it */
    uint64_t opened;
    do
        opened = (seen & ~PI_GROUP_OWNER_MASK) | (uint64_t)PI_OWNER_NONE << PI_GROUP_OWNER_SHIFT;
    while (!pi_cas(&slots->groups[group], &seen, opened));
}

void pi_group_open(struct pi_slots *slots, uint32_t group)
{
    uint64_t claimed = pi_load_relaxed(&slots->groups[group]); /* relaxed: ours */
    uint64_t floor = pi_group_floor(claimed);
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++) /* relaxed: the next store publishes it */
        pi_store_relaxed(word_at(slots, group, i), floor | PI_FREE);
    pi_store_release(&slots->groups[group],
                     pi_group_make(PI_GROUP_OPEN, pi_group_owner(claimed), floor));
    pi_group_give(slots, group, UINT64_MAX);
    end_opening(slots, group);
}

void pi_group_leave(struct pi_slots *slots, uint32_t group, unsigned memory)
{
    uint64_t floor = pi_group_floor(pi_load_relaxed(&slots->groups[group])); /* relaxed: ours */
    pi_store_release(&slots->groups[group], /* with the acquire of the next claim */
                     pi_group_make(PI_GROUP_CLOSED, 0, floor) | memory);
}

/* ---- in use ---- */

bool pi_group_enter(struct pi_slots *slots, uint32_t group, unsigned owner)
{
    uint64_t seen = pi_load_acquire(&slots->groups[group]); /* with pi_group_open */
    while (pi_group_state(seen) == PI_GROUP_OPEN) {
        uint64_t marked = owner < PI_MAX_WORKERS ? pi_group_marked(seen, owner) : seen;
        if (marked == seen || pi_cas(&slots->groups[group], &seen, marked))
            return true;
    }
    return false;
}

/* The bits, of these, whose slots are FREE. */
static uint64_t free_bits(struct pi_slots *slots, uint32_t group, uint64_t of)
{
    uint64_t bits = 0;
    for (uint64_t rest = of; rest != 0; rest &= rest - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(rest);
        if (pi_state(pi_load_seq(word_at(slots, group, i))) == PI_FREE) /* with pi_slots_acquire */
            bits |= (uint64_t)1 << i;
    }
    return bits;
}

void pi_group_give(struct pi_slots *slots, uint32_t group, uint64_t bits)
{
    while ((bits = free_bits(slots, group, bits)) != 0) {
        pi_bitmap_free_word(&slots->map, group, bits);
        bits &= ~free_bits(slots, group, bits);
        if (bits == 0)
            return;
        pi_bitmap_clear(&slots->map, group, bits);
    }
}

void pi_group_repair(struct pi_slots *slots, uint32_t group, uint64_t bits)
{
    pi_bitmap_clear(&slots->map, group, bits & ~free_bits(slots, group, bits));
    pi_group_give(slots, group, bits);
}

void pi_group_recover(struct pi_slots *slots, uint32_t group, unsigned worker)
{
    uint64_t seen = pi_load_acquire(&slots->groups[group]); /* with pi_group_open */
    enum pi_group state = pi_group_state(seen);
    if (pi_group_owner(seen) != worker || state == PI_GROUP_CLOSED)
        return;
    if (state == PI_GROUP_OPEN) {
        pi_group_repair(slots, group, UINT64_MAX);
        end_opening(slots, group);
    } else {
        pi_group_leave(slots, group, PI_GROUP_MEMORY);
    }
}

/* ---- closing ---- */

/* FREE -> NO_SLOT. Raises *floor above its generation. */
static bool empty_slot(_Atomic uint64_t *word, uint64_t *floor)
{
    uint64_t seen = pi_load_seq(word), next = (uint64_t)pi_generation(seen) + 1;
    if (pi_state(seen) != PI_FREE || (seen & PI_IN_RING))
        return false;
    PI_ASSERT_ARROW(seen, PI_NO_SLOT);
    if (!pi_cas_seq(word, &seen, pi_with_state(seen, PI_NO_SLOT)))
        return false;
    next = next << PI_GROUP_FLOOR_SHIFT;
    *floor = *floor > next ? *floor : next;
    return true;
}

static void undo(struct pi_slots *slots, uint32_t group, uint32_t emptied)
{
    for (uint32_t i = 0; i < emptied; i++) {
        uint64_t word = pi_load_relaxed(word_at(slots, group, i)); /* relaxed: nobody changes it */
        pi_store_release(word_at(slots, group, i), pi_with_state(word, PI_FREE));
    }
    pi_group_give(slots, group, UINT64_MAX);
}

/* A worker in pi_group_enter may still put a mark there, and no more than that. */
static void close_word(_Atomic uint64_t *at, uint64_t floor)
{
    uint64_t seen = pi_load_acquire(at);
    while (!pi_cas(at, &seen, pi_group_make(PI_GROUP_CLOSED, 0, floor) | PI_GROUP_MEMORY))
        ;
}

bool pi_slots_close(struct pi_slots *slots, uint32_t group)
{
    uint64_t seen = pi_load_acquire(&slots->groups[group]), floor = pi_group_floor(seen);
    if (pi_group_state(seen) != PI_GROUP_OPEN || pi_group_owner(seen) != PI_OWNER_NONE ||
        !pi_bitmap_alloc_word(&slots->map, group))
        return false;
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        if (!empty_slot(word_at(slots, group, i), &floor)) {
            undo(slots, group, i);
            return false;
        }
    close_word(&slots->groups[group], floor);
    return true;
}
