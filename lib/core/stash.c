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

/* ---- taking ---- */

/* Sets the bits of what was released. */
static void flush(struct pi_stash *stash, struct pi_slots *slots)
{
    struct pi_bitmap_bits *released = &stash->released;
    uint64_t bits = pi_group_free_bits(slots, released->word, released->bits);
    if (bits != 0)
        pi_bitmap_free_word(&slots->map, released->word, bits);
    released->bits = 0;
}

/* Takes up to `most` slots of a group from the map. No bits: all are taken. */
static struct pi_bitmap_bits fill(struct pi_slots *slots, uint32_t hint, unsigned most)
{
    struct pi_bitmap_bits bits;
    uint64_t filling = 0;
    do {
        bits = pi_bitmap_alloc_bits(&slots->map, pi_slots_count(slots), hint, most);
        filling = pi_slots_fill(slots, &bits);
    } while (filling == 0 && bits.bits != 0);
    bits.bits = filling;
    return bits;
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

/* relaxed: we own the slots. A word of another state was overwritten. */
static unsigned list(struct pi_slots *slots, const struct pi_bitmap_bits *bits,
                     struct pi_filling *filling)
{
    unsigned n = 0;
    for (uint64_t rest = bits->bits; rest != 0; rest &= rest - 1) {
        uint32_t index = bits->word * PI_GROUP_SLOTS + (uint32_t)__builtin_ctzll(rest);
        uint64_t word = pi_load_relaxed(&slots->at[index].word); /* as said */
        filling[n] = (struct pi_filling){index, word};
        n += pi_has_state(word, PI_FILLING, PI_OWNER_PROGRAM);
    }
    return n;
}

unsigned pi_stash_acquire(struct pi_stash *stashes, struct pi_slots *slots, unsigned most,
                          struct pi_filling *filling)
{
    struct pi_stash *stash = enter(stashes, slots);
    struct pi_bitmap_bits some;
    unsigned n;
    do {
        if (stash && stash->kept.bits == 0) {
            uint32_t hint = stash->released.word * PI_GROUP_SLOTS;
            flush(stash, slots);
            stash->kept = fill(slots, hint, PI_GROUP_SLOTS);
        }
        some = stash ? lowest(&stash->kept, most) : fill(slots, 0, most);
        n = list(slots, &some, filling);
    } while (n == 0 && some.bits != 0);
    if (stash)
        leave(stash);
    return n;
}

/* ---- freeing ---- */

typedef bool arrow(struct pi_slot *slot, uint64_t *word);

/* Takes the arrow, while the state is that of *word: flags may change meanwhile. */
static bool take(arrow *step, struct pi_slot *slot, uint64_t *word)
{
    for (uint64_t was = *word; pi_same_state(*word, was);)
        if (step(slot, word))
            return true;
    return false;
}

/* Whether a slot's bit can be beside these. */
static bool is_beside(const struct pi_bitmap_bits *bits, uint32_t index)
{
    return bits->bits == 0 || bits->word == index / PI_GROUP_SLOTS;
}

static void add(struct pi_bitmap_bits *bits, uint32_t index)
{
    bits->word = index / PI_GROUP_SLOTS;
    bits->bits |= (uint64_t)1 << index % PI_GROUP_SLOTS;
}

static bool free_into(struct pi_stash *stash, struct pi_slots *slots, uint32_t index,
                      uint64_t *word)
{
    bool keep = is_beside(&stash->kept, index);
    if (!take(keep ? pi_slot_keep : pi_slot_free, &slots->at[index], word))
        return false;
    if (!keep && !is_beside(&stash->released, index))
        flush(stash, slots);
    add(keep ? &stash->kept : &stash->released, index);
    return true;
}

bool pi_stash_free(struct pi_stash *stashes, struct pi_slots *slots, uint32_t index, uint64_t *word)
{
    struct pi_stash *stash = enter(stashes, slots);
    bool freed =
        stash ? free_into(stash, slots, index, word) : take(pi_slot_free, &slots->at[index], word);
    if (stash)
        leave(stash);
    else if (freed)
        pi_bitmap_free(&slots->map, index);
    return freed;
}
