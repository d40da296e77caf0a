/* map.h - which of many things are taken: a tree of bits that finds a free one in three steps.
 *
 * The map is a hint and nothing else. A set bit says "probably taken"; the thing's own word is the
 * truth, and whoever takes a thing must still win that word. So a wrong bit costs time or room,
 * never safety:
 *   a wrong bit                                    what becomes of it
 *   set, but the thing is free (the taker died     the recovery sweep clears it
 *   before it won the word)
 *   set, and there is no such thing yet (the       the recovery sweep clears it: else nobody would
 *   taker died before it gave it back)             find the thing when the table has grown
 *   clear, but the thing is taken (two sweeps, a   the next taker fails at the word and goes on;
 *   late give, a sweep as the table grows or       it leaves the bit set, as it should be
 *   between the taker's bit and its word)
 *
 *   level 0: one bit for each thing
 *   level 1: one for each full word of level 0
 *   level 2: one for each full word of level 1
 *
 * Zero means free, so memory that was never touched is a map of free things, and a table grows by
 * raising its count. Any thread of any process may call any of these at any time.
 */
#ifndef PI_MAP_H
#define PI_MAP_H

#include "core/atomic.h"

#define PI_NONE UINT32_MAX

struct pi_map {
    _Atomic uint64_t *level[3];
    uint32_t words[3]; /* of each level */
};

/* Bytes that a map of max things takes. */
size_t pi_map_size(uint32_t max);
/* A view of the map of max things at memory. */
void pi_map_init(struct pi_map *map, void *memory, uint32_t max);
/* The bytes of level `level` that a map of count things uses:
 * where they begin in the map, and how many. */
size_t pi_map_part(const struct pi_map *map, int level, uint32_t count, size_t *length);

/* Takes a free thing below count, near hint if there is one, else the lowest.
 * PI_NONE: all are taken. */
uint32_t pi_map_take(struct pi_map *map, uint32_t count, uint32_t hint);
void pi_map_give(struct pi_map *map, uint32_t index);
/* What the map says of a thing. */
static inline bool pi_map_taken(const struct pi_map *map, uint32_t index)
{
    return pi_load_seq(&map->level[0][index / 64]) >> (index % 64) & 1;
}
/* For the recovery sweep: makes the upper levels say what level 0 says, for the first count things,
 * and clears what the last word of these says beyond them. */
void pi_map_repair(struct pi_map *map, uint32_t count);

#endif
