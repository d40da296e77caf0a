#include "core/stash.h"

/* One for every 512 slots there may be: so in a small table the stashes have few of them. */
#define SLOTS_PER_STASH 512u

/* This thread's number. relaxed: only the value counts. */
static unsigned thread_number(void)
{
    static _Atomic unsigned last;
    static _Thread_local unsigned number;
    if (number == 0)
        number = 1 + atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) % PI_STASHES;
    return number - 1;
}

/* NULL: another thread is in there. */
static struct pi_stash *enter(struct pi_stash *stashes, const struct pi_slots *slots)
{
    uint32_t n = slots->max / SLOTS_PER_STASH;
    struct pi_stash *stash = &stashes[thread_number() % (n < 1 ? 1 : n)];
    bool busy = atomic_exchange_explicit(&stash->busy, 1, memory_order_acquire); /* with leave */
    return busy ? NULL : stash;
}

static void leave(struct pi_stash *stash)
{
    atomic_store_explicit(&stash->busy, 0, memory_order_release); /* with enter */
}

static struct pi_bitmap_bits from_map(struct pi_slots *slots, uint32_t hint, unsigned most)
{
    return pi_bitmap_alloc_bits(&slots->map, pi_slots_count(slots), hint, most);
}

/* Makes sure that there are bits in `next`, from what was released or from the map. False: the map
 * has none. */
static bool refill(struct pi_stash *stash, struct pi_slots *slots)
{
    if (stash->next.bits == 0) {
        stash->next = stash->released;
        stash->released.bits = 0;
    }
    if (stash->next.bits == 0) {
        stash->next = from_map(slots, stash->hint, PI_GROUP_SLOTS);
        stash->hint = stash->next.word * PI_GROUP_SLOTS;
    }
    return stash->next.bits != 0;
}

/* Takes the lowest `most` of the bits. */
static struct pi_bitmap_bits take(struct pi_bitmap_bits *from, unsigned most)
{
    struct pi_bitmap_bits some = *from;
    for (; most > 0 && from->bits != 0; most--)
        from->bits &= from->bits - 1;
    some.bits &= ~from->bits;
    return some;
}

/* Whatever stash this thread has, another one is in there. */
static unsigned acquire_from_map(struct pi_slots *slots, unsigned most, struct pi_filling *filling)
{
    struct pi_bitmap_bits some;
    unsigned n = 0;
    while (n == 0 && (some = from_map(slots, 0, most)).bits != 0)
        n = pi_slots_fill(slots, &some, filling);
    return n;
}

unsigned pi_stash_acquire(struct pi_stash *stashes, struct pi_slots *slots, unsigned most,
                          struct pi_filling *filling)
{
    struct pi_stash *stash = enter(stashes, slots);
    unsigned n = 0;
    if (!stash)
        return acquire_from_map(slots, most, filling);
    while (n == 0 && refill(stash, slots)) {
        struct pi_bitmap_bits some = take(&stash->next, most);
        n = pi_slots_fill(slots, &some, filling);
    }
    leave(stash);
    return n;
}

/* Adds a bit to those of the same word, or to none. */
static bool add(struct pi_bitmap_bits *bits, uint32_t index)
{
    if (bits->bits != 0 && bits->word != index / PI_GROUP_SLOTS)
        return false;
    bits->word = index / PI_GROUP_SLOTS;
    bits->bits |= (uint64_t)1 << index % PI_GROUP_SLOTS;
    return true;
}

void pi_stash_free(struct pi_stash *stashes, struct pi_slots *slots, uint32_t index)
{
    struct pi_stash *stash = enter(stashes, slots);
    if (!stash) {
        pi_bitmap_free(&slots->map, index);
        return;
    }
    if (!add(&stash->next, index) && !add(&stash->released, index)) {
        pi_bitmap_free_word(&slots->map, stash->released.word, stash->released.bits);
        stash->released.bits = 0;
        (void)add(&stash->released, index);
    }
    leave(stash);
}
