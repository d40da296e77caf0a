/* bitmap.h - which of many things are free: a tree of bits that finds a free one in three steps.
 *
 * Runs in: program, worker, supervisor; any thread may call anything at any time. The map is a
 * hint. A clear bit says "probably taken". The thing's own word is the truth, and a taker must
 * still win that word. So a wrong bit costs time or room, never safety:
 *
 *   a wrong bit                                      what becomes of it
 *   clear, but the thing is free: its taker or its   the recovery sets it
 *   giver died between the bit and the word
 *   set, but the thing is taken, or is not there     the next taker fails at the word and goes on;
 *                                                    it leaves the bit clear, which is right. Of
 *                                                    slots it is put right at once: see groups.h
 *
 *   level 0: one bit for each thing
 *   level 1: one for each word of level 0 that has a bit
 *   level 2: one for each word of level 1 that has a bit
 *
 * Zero says that nothing is free, so memory that was never touched is a map of things that are not
 * there. The maker of a thing frees it.
 *
 * order: all changes are seq. A giver sets its bit, then the one above. The taker of the last bit
 * clears the one above, then reads the word. So one of the two sees the other.
 */
#pragma once

#include "base/atomic.h"

#define PI_NO_INDEX UINT32_MAX

struct pi_bitmap {
    _Atomic uint64_t *level[3]; /* order: see above */
    uint32_t words[3];          /* of each level */
};

/* Bytes that a map of max things takes. */
size_t pi_bitmap_size(uint32_t max);
/* Makes a view of the map of max things at memory. */
void pi_bitmap_init(struct pi_bitmap *map, void *memory, uint32_t max);
/* The bytes of a level that a map of count things uses: where they begin, and how many. */
size_t pi_bitmap_part(const struct pi_bitmap *map, int level, uint32_t count, size_t *length);

/* The bytes of a map that its first count things use: level 0 is the last. */
static inline size_t pi_bitmap_front(const struct pi_bitmap *map, uint32_t count)
{
    size_t length, offset = pi_bitmap_part(map, 0, count, &length);
    return count ? offset + length : 0;
}

/* Takes a free thing below count, near hint if there is one, else the lowest. PI_NO_INDEX: all are
 * taken. Unless `note` is NULL, it becomes PI_BITMAP_NOTED and 1 + the thing before the bit is
 * cleared. So a taker that dies has said which one. */
#define PI_BITMAP_NOTED 0x80000000u
uint32_t pi_bitmap_alloc_noted(struct pi_bitmap *map, uint32_t count, uint32_t hint,
                               _Atomic uint32_t *note);
static inline uint32_t pi_bitmap_alloc(struct pi_bitmap *map, uint32_t count, uint32_t hint)
{
    return pi_bitmap_alloc_noted(map, count, hint, NULL);
}
void pi_bitmap_free(struct pi_bitmap *map, uint32_t index);

/* Some things of one word of level 0: bit b is thing 64 * word + b. */
struct pi_bitmap_bits {
    uint32_t word;
    uint64_t bits;
};
/* Takes up to `most`, at least 1, free things below count that share a word, near hint if there are
 * any. No bits: all are taken. */
struct pi_bitmap_bits pi_bitmap_alloc_bits(struct pi_bitmap *map, uint32_t count, uint32_t hint,
                                           unsigned most);

/* Clears bits of word i that were set though their things are taken: see groups.h. */
static inline void pi_bitmap_clear(struct pi_bitmap *map, uint32_t i, uint64_t bits)
{
    if (pi_load_seq(&map->level[0][i]) & bits)
        (void)pi_and_seq(&map->level[0][i], ~bits);
}

/* For the 64 things of word i of level 0 at once: takes all, if all are free; frees those in
 * `bits`.
 */
bool pi_bitmap_alloc_word(struct pi_bitmap *map, uint32_t i);
void pi_bitmap_free_word(struct pi_bitmap *map, uint32_t i, uint64_t bits);
/* Whether all things of word i look free. */
static inline bool pi_bitmap_all_free(const struct pi_bitmap *map, uint32_t i)
{
    return pi_load_seq(&map->level[0][i]) == UINT64_MAX; /* a hint */
}
static inline bool pi_bitmap_is_allocated(const struct pi_bitmap *map, uint32_t index)
{
    return !(pi_load_seq(&map->level[0][index / 64]) >> (index % 64) & 1); /* a hint */
}
/* For the recovery: makes the upper levels agree with level 0, for the first count things. */
void pi_bitmap_repair(struct pi_bitmap *map, uint32_t count);
