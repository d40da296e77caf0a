#include "core/stash.h"

#include "base/tuning.h"

/* Slots of the table for each stash: so the stashes have few of them. */
#define SLOTS_PER_STASH 512u

void pi_stashes_init(struct pi_stashes *stashes, const struct pi_slots *slots, unsigned workers)
{
    uint32_t n = slots->max / SLOTS_PER_STASH;
    stashes->n = workers < 2 * PI_WORKERS_PER_RING ? 0 : n < PI_STASHES ? n : PI_STASHES;
}

static _Thread_local uint32_t number; /* of this thread, from 1 on; 0: it has not submitted yet */

static void number_thread(void)
{
    static _Atomic uint32_t threads;
    if (number == 0) /* relaxed: only the value counts */
        number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
}

struct pi_stash *pi_stash_here(struct pi_stashes *stashes)
{
    return number != 0 && number <= stashes->n ? &stashes->of_thread[number - 1] : NULL;
}

void pi_stashes_give_all(struct pi_slots *slots)
{
    uint32_t groups = pi_slots_count(slots) / PI_GROUP_SLOTS;
    for (uint32_t group = 0; group < groups; group++)
        if (pi_slots_has(slots, group * PI_GROUP_SLOTS))
            pi_group_give(slots, group, UINT64_MAX);
}

/* ---- taking ---- */

/* Sets the bits of what was released. If the map had them, the group may be closed, and its memory
 * be given back: the opener sets them. */
static void flush(struct pi_slots *slots, struct pi_bitmap_bits *released)
{
    if (released->bits != 0 && pi_slots_has(slots, released->word * PI_GROUP_SLOTS))
        pi_group_give(slots, released->word, released->bits);
    released->bits = 0;
}

/* The bits of some free slots of a group. No bits: all are taken. */
static struct pi_bitmap_bits from_map(struct pi_slots *slots, const struct pi_wish *wish)
{
    return pi_bitmap_alloc_bits(&slots->map, pi_slots_count(slots), wish->hint, wish->most);
}

/* Takes the lowest `most` of the bits. */
static struct pi_bitmap_bits lowest(struct pi_bitmap_bits *from, unsigned most)
{
    struct pi_bitmap_bits some = *from;
    for (; most > 0 && from->bits != 0; most--)
        from->bits &= from->bits - 1;
    some.bits &= ~from->bits;
    return some;
}

static struct pi_bitmap_bits take(struct pi_stash *stash, struct pi_slots *slots,
                                  const struct pi_wish *wish)
{
    if (!stash)
        return from_map(slots, wish);
    if (stash->next.bits == 0) {
        struct pi_wish group = {PI_GROUP_SLOTS, stash->released.word * PI_GROUP_SLOTS};
        flush(slots, &stash->released);
        stash->next = from_map(slots, &group);
    }
    return lowest(&stash->next, wish->most);
}

unsigned pi_stash_acquire(struct pi_stashes *stashes, struct pi_slots *slots,
                          const struct pi_wish *wish, struct pi_filling *filling)
{
    if (stashes->n > 0)
        number_thread();
    struct pi_stash *stash = pi_stash_here(stashes);
    struct pi_bitmap_bits some;
    unsigned n = 0;
    while (n == 0 && (some = take(stash, slots, wish)).bits != 0)
        n = pi_slots_fill(slots, &some, filling);
    return n;
}

/* ---- freeing ---- */

/* Adds a slot's bit to those of the same group, or to none. */
static bool add(struct pi_bitmap_bits *bits, uint32_t index)
{
    if (bits->bits != 0 && bits->word != index / PI_GROUP_SLOTS)
        return false;
    bits->word = index / PI_GROUP_SLOTS;
    bits->bits |= (uint64_t)1 << index % PI_GROUP_SLOTS;
    return true;
}

void pi_stash_free(struct pi_stashes *stashes, struct pi_slots *slots, uint32_t index)
{
    struct pi_stash *stash = pi_stash_here(stashes);
    if (!stash) {
        pi_slot_give(slots, index);
    } else if (!add(&stash->next, index) && !add(&stash->released, index)) {
        flush(slots, &stash->released);
        (void)add(&stash->released, index);
    }
}
