/* bitmap.h - which of many things are free: a tree of bits that finds a free one in three steps.
 *
 * The map is a hint and nothing else. A clear bit says "probably taken"; the thing's own word is
 * the truth, and whoever takes a thing must still win that word. So a wrong bit costs time or room,
 * never safety:
 *   a wrong bit                                    what becomes of it
 *   clear, but the thing is free (the taker died   the recovery sets it
 *   before it won the word, or the giver before
 *   it set the bit)
 *   set, but the thing is taken (two sweeps, a     the next taker fails at the word and goes on;
 *   late give, a sweep between the taker's bit     it leaves the bit clear, which is right
 *   and its word)
 *   set, and there is no such thing any more       the same
 *
 *   level 0: one bit for each thing
 *   level 1: one for each word of level 0 that has a bit
 *   level 2: one for each word of level 1 that has a bit
 *
 * Zero means that nothing is free, so memory that was never touched is a map of things that are not
 * there; whoever makes a thing gives it. Any thread of any process may call any of these at any
 * time.
 */
#ifndef PI_BITMAP_H
#define PI_BITMAP_H

#include "base/atomic.h"

#define PI_NO_INDEX UINT32_MAX

struct pi_bitmap {
    _Atomic uint64_t *level[3];
    uint32_t words[3]; /* of each level */
};

/* Bytes that a map of max things takes. */
size_t pi_bitmap_size(uint32_t max);
/* A view of the map of max things at memory. */
void pi_bitmap_init(struct pi_bitmap *map, void *memory, uint32_t max);
/* The bytes of level `level` that a map of count things uses:
 * where they begin in the map, and how many. */
size_t pi_bitmap_part(const struct pi_bitmap *map, int level, uint32_t count, size_t *length);

/* The bytes of a map that its first count things use, all levels together: level 0 is the last. */
static inline size_t pi_bitmap_front(const struct pi_bitmap *map, uint32_t count)
{
    size_t length, offset = pi_bitmap_part(map, 0, count, &length);
    return count ? offset + length : 0;
}

/* Takes a free thing below count, near hint if there is one, else the lowest.
 * PI_NO_INDEX: all are taken. `note`, if not NULL, is PI_BITMAP_NOTED and 1 + the thing before its bit is
 * cleared, so that a taker that dies has said which one. */
#define PI_BITMAP_NOTED 0x80000000u
uint32_t pi_bitmap_alloc_noted(struct pi_bitmap *map, uint32_t count, uint32_t hint,
                               _Atomic uint32_t *note);
static inline uint32_t pi_bitmap_alloc(struct pi_bitmap *map, uint32_t count, uint32_t hint)
{
    return pi_bitmap_alloc_noted(map, count, hint, NULL);
}
void pi_bitmap_free(struct pi_bitmap *map, uint32_t index);

/* The same for the 64 things of word i of level 0 at once: takes all if all are free; gives those
 * whose bits are set in `bits`. */
bool pi_bitmap_alloc_word(struct pi_bitmap *map, uint32_t i);
void pi_bitmap_free_word(struct pi_bitmap *map, uint32_t i, uint64_t bits);
/* No thing of word i is said to be taken. */
static inline bool pi_bitmap_all_free(const struct pi_bitmap *map, uint32_t i)
{
    return pi_load_seq(&map->level[0][i]) == UINT64_MAX;
}
/* What the map says of a thing. */
static inline bool pi_bitmap_is_allocated(const struct pi_bitmap *map, uint32_t index)
{
    return !(pi_load_seq(&map->level[0][index / 64]) >> (index % 64) & 1);
}
/* For the recovery: makes the upper levels say what level 0 says, for the first count things. */
void pi_bitmap_repair(struct pi_bitmap *map, uint32_t count);

#endif
