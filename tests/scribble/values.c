/* values.c - what is written: noise, and what looks as if it belonged there. */
#include "scribble.h"

#include <string.h>

static uint64_t small(struct dice *dice)
{
    static const uint64_t limits[] = {
        255,  256,  257,      511,      512, 999, 1000,  1001,       1022,       1023,
        4095, 4096, 0xfffff0, 1u << 20, 64,  63,  65536, UINT32_MAX, 0x7fffffff, 1ull << 40};
    return one_in(dice, 2) ? below(dice, 17) : limits[below(dice, COUNT(limits))];
}

/* The word of a slot, of a generation that is likely. */
static uint64_t likely_word(uint64_t there, struct dice *dice)
{
    static const unsigned owners[] = {0, 1, 2, 3, PI_OWNER_PROGRAM, PI_OWNER_NONE, 700};
    uint64_t word = one_in(dice, 4) ? below(dice, 4) << PI_GENERATION_SHIFT
                                    : there >> PI_GENERATION_SHIFT << PI_GENERATION_SHIFT;
    word |= below(dice, PI_STATES + 1);
    word = pi_with_owner(word, owners[below(dice, COUNT(owners))]);
    word = pi_with_parker(word, one_in(dice, 2) ? 0 : (unsigned)below(dice, 6));
    return word | (one_in(dice, 2) ? 0 : below(dice, 64) << 4);
}

static uint64_t likely_cell(posse_executor *pool, struct dice *dice)
{
    uint64_t ring = below(dice, pool->segment.lanes.normal);
    uint64_t head = pi_load_relaxed(&pool->segment.header->ring[ring].head);
    uint64_t entry = one_in(dice, 8) ? 0xffffff : below(dice, 20);
    return (head + below(dice, 8) - 2) << 24 | entry;
}

static uint64_t likely(posse_executor *pool, uint64_t there, struct dice *dice)
{
    unsigned owner = one_in(dice, 3) ? PI_OWNER_PROGRAM : (unsigned)below(dice, 4);
    uint32_t serial = (uint32_t)below(dice, 4) * 0x2545f491u;
    switch (below(dice, 8)) {
    case 0: return pi_tag_held(owner);
    case 1: return pi_tag_attached((uint32_t)below(dice, 16), (uint32_t)below(dice, 4));
    case 2: return pi_tag_sync(1 + (unsigned)below(dice, 2), owner, serial & PI_SERIAL_MASK);
    case 3: return pi_block_ref_make((uint32_t)below(dice, 8), (uint32_t)below(dice, 4));
    case 4: return likely_cell(pool, dice);
    case 5: return pi_done_ref_make((uint32_t)below(dice, 16), (uint32_t)below(dice, 4));
    default: return likely_word(there, dice);
    }
}

static uint64_t value(posse_executor *pool, struct target target, enum kind kind, uint64_t there,
                      struct dice *dice)
{
    uint64_t other;
    switch (kind) {
    case KIND_SMALL: return small(dice);
    case KIND_ZERO: return 0;
    case KIND_ONES: return UINT64_MAX;
    case KIND_FLIP: return there ^ (uint64_t)1 << below(dice, 64);
    case KIND_COPY:
        memcpy(&other, target.at + below(dice, target.size / 8) * 8, sizeof other);
        return other;
    case KIND_STEP: return there + below(dice, 7) - 3;
    case KIND_LIKELY: return likely(pool, there, dice);
    default: return roll(dice);
    }
}

static void write_bytes(struct target target, struct dice *dice)
{
    size_t at = below(dice, target.size), length = 1 + below(dice, 8);
    for (size_t i = at; i < at + length && i < target.size; i++)
        target.at[i] = (char)roll(dice);
}

static void wipe(struct target target, struct dice *dice)
{
    static const int with[] = {0, 0xff, 0x41, 1};
    size_t at = below(dice, target.size / 8) * 8;
    size_t length = one_in(dice, 2) ? target.size - at : 1 + below(dice, target.size - at);
    memset(target.at + at, with[below(dice, COUNT(with))], length);
}

/* One word, or half of it, as a task would store it. */
static void write_word(posse_executor *pool, struct target target, enum kind kind,
                       struct dice *dice)
{
    char *at = target.at + below(dice, target.size / 8) * 8;
    uint64_t there = pi_load_relaxed((_Atomic uint64_t *)(void *)at);
    uint64_t new = value(pool, target, kind, there, dice);
    if (one_in(dice, 2)) {
        pi_store_relaxed((_Atomic uint64_t *)(void *)at, new);
    } else {
        at += one_in(dice, 2) ? 4 : 0;
        pi_store_relaxed((_Atomic uint32_t *)(void *)at, (uint32_t) new);
    }
}

void scribble(posse_executor *pool, const struct run *run, struct dice *dice)
{
    struct target target = aim(pool, run->part, dice);
    enum kind kind = run->kind == KIND_MIXED ? (enum kind)below(dice, KIND_MIXED) : run->kind;
    if (run->part == PART_OWN && kind == KIND_LIKELY)
        kind = KIND_WORDS; /* what is likely it cannot read */
    if (kind == KIND_BYTES)
        write_bytes(target, dice);
    else if (kind == KIND_WIPE)
        wipe(target, dice);
    else
        write_word(pool, target, kind, dice);
}
