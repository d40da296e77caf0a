#include "core/map.h"

#define FULL UINT64_MAX

static uint32_t words_for(uint32_t bits) { return (bits + 63) / 64; }

size_t pi_map_size(uint32_t max)
{
    uint32_t w0 = words_for(max), w1 = words_for(w0), w2 = words_for(w1);
    return ((size_t)w0 + w1 + w2) * sizeof(uint64_t);
}

void pi_map_init(struct pi_map *map, void *memory, uint32_t max)
{
    map->words[0] = words_for(max);
    map->words[1] = words_for(map->words[0]);
    map->words[2] = words_for(map->words[1]);
    map->level[2] = memory; /* the small levels first: they share a page */
    map->level[1] = map->level[2] + map->words[2];
    map->level[0] = map->level[1] + map->words[1];
}

size_t pi_map_part(const struct pi_map *map, int level, uint32_t count, size_t *length)
{
    uint32_t words = count;
    for (int i = 0; i <= level; i++)
        words = words_for(words);
    *length = words * sizeof(uint64_t);
    return (size_t)(map->level[level] - map->level[2]) * sizeof(uint64_t);
}

/* Clears bit i of a level, and the marks above that said its word was full. */
static void clear(struct pi_map *map, int level, uint32_t i)
{
    for (; level < 3; level++, i /= 64) {
        uint64_t bit = (uint64_t)1 << (i % 64);
        if (pi_and_seq(&map->level[level][i / 64], ~bit) != FULL)
            return;
    }
}

/* Marks word i of a level as full one level up, and takes that back if somebody gave meanwhile. The
 * giver clears its bit (seq), then the mark; we set the mark (seq), then read the word: one of the
 * two sees the other. */
static void mark_full(struct pi_map *map, int level, uint32_t i)
{
    if (level == 2)
        return;
    uint64_t bit = (uint64_t)1 << (i % 64);
    if ((pi_or_seq(&map->level[level + 1][i / 64], bit) | bit) == FULL)
        mark_full(map, level + 1, i / 64);
    if (pi_load_seq(&map->level[level][i]) != FULL)
        clear(map, level + 1, i);
}

/* Takes a bit of word i of level 0. Relaxed look: the or decides. */
static uint32_t take_in(struct pi_map *map, uint32_t i)
{
    uint64_t word = pi_load_relaxed(&map->level[0][i]);
    while (word != FULL) {
        uint64_t bit = ~word & (word + 1); /* the lowest clear one */
        word = pi_or_seq(&map->level[0][i], bit);
        if (!(word & bit)) {
            if ((word | bit) == FULL)
                mark_full(map, 0, i);
            return i * 64 + (uint32_t)__builtin_ctzll(bit);
        }
    }
    mark_full(map, 0, i);
    return PI_NONE;
}

/* The lowest of the first `words` words of level 0 that is not marked full, or PI_NONE. Reads
 * nothing beyond what these use: there may be no memory. Relaxed: marks are hints of hints. */
static uint32_t find_word(struct pi_map *map, uint32_t words)
{
    uint32_t words1 = words_for(words), words2 = words_for(words1);
    for (uint32_t i = 0; i < words2; i++) {
        uint64_t free2 = ~pi_load_relaxed(&map->level[2][i]);
        if (!free2)
            continue;
        uint32_t j = i * 64 + (uint32_t)__builtin_ctzll(free2);
        if (j >= words1)
            return PI_NONE;
        uint64_t free1 = ~pi_load_relaxed(&map->level[1][j]);
        if (free1)
            return j * 64 + (uint32_t)__builtin_ctzll(free1);
        mark_full(map, 1, j); /* a stale mark: mend it and look here again */
        i--;
    }
    return PI_NONE;
}

/* As take_in, but takes nothing beyond count, where the last word may not be whole. */
static uint32_t take_below(struct pi_map *map, uint32_t i, uint32_t count)
{
    uint32_t index = take_in(map, i);
    if (index == PI_NONE || index < count)
        return index;
    pi_map_give(map, index);
    return PI_NONE;
}

uint32_t pi_map_take(struct pi_map *map, uint32_t count, uint32_t hint)
{
    uint32_t words = words_for(count), index = PI_NONE;
    if (hint / 64 < words)
        index = take_below(map, hint / 64, count);
    for (int tries = 0; index == PI_NONE && tries < 1000; tries++) {
        uint32_t word = find_word(map, words);
        if (word >= words)
            return PI_NONE;
        index = take_below(map, word, count);
        if (index == PI_NONE && word == words - 1)
            return PI_NONE; /* the last one has none but those beyond count */
    }
    return index;
}

void pi_map_give(struct pi_map *map, uint32_t index) { clear(map, 0, index); }

void pi_map_repair(struct pi_map *map, uint32_t count)
{
    uint32_t n = count;
    if (count % 64 != 0)
        pi_and_seq(&map->level[0][count / 64], ((uint64_t)1 << (count % 64)) - 1);
    for (int level = 0; level < 2; level++) {
        n = words_for(n);
        for (uint32_t i = 0; i < n; i++)
            if (pi_load_seq(&map->level[level][i]) != FULL)
                pi_and_seq(&map->level[level + 1][i / 64], ~((uint64_t)1 << (i % 64)));
    }
}
