/* order: all seq but where it says so, as the head of bitmap.h says. */
#include "core/bitmap.h"

#include "base/assert.h"

static uint32_t words_for(uint32_t bits) { return (bits + 63) / 64; }

size_t pi_bitmap_size(uint32_t max)
{
    uint32_t w0 = words_for(max), w1 = words_for(w0), w2 = words_for(w1);
    return ((size_t)w0 + w1 + w2) * sizeof(uint64_t);
}

void pi_bitmap_init(struct pi_bitmap *map, void *memory, uint32_t max)
{
    map->words[0] = words_for(max);
    map->words[1] = words_for(map->words[0]);
    map->words[2] = words_for(map->words[1]);
    map->level[2] = memory; /* the small levels first: they share a page */
    map->level[1] = map->level[2] + map->words[2];
    map->level[0] = map->level[1] + map->words[1];
}

size_t pi_bitmap_part(const struct pi_bitmap *map, int level, uint32_t count, size_t *length)
{
    uint32_t words = count;
    for (int i = 0; i <= level; i++)
        words = words_for(words);
    *length = words * sizeof(uint64_t);
    return (size_t)(map->level[level] - map->level[2]) * sizeof(uint64_t);
}

static uint64_t bit_of(uint32_t i) { return (uint64_t)1 << (i % 64); }

/* Sets bits of word i of a level, and those above if it had none. */
static void set_bits(struct pi_bitmap *map, int level, uint32_t i, uint64_t bits)
{
    PI_ASSERT(i < map->words[level]);
    for (; level < 3 && pi_or_seq(&map->level[level][i], bits) == 0; level++, i /= 64)
        bits = bit_of(i);
}

/* Word i of a level has no bit: says so one level up, and takes that back if somebody has set one
 * meanwhile. */
static void note_empty(struct pi_bitmap *map, int level, uint32_t i)
{
    if (level == 2)
        return;
    uint64_t bit = bit_of(i);
    if ((pi_and_seq(&map->level[level + 1][i / 64], ~bit) & ~bit) == 0)
        note_empty(map, level + 1, i / 64);
    if (pi_load_seq(&map->level[level][i]) != 0)
        set_bits(map, level + 1, i / 64, bit);
}

/* Takes a bit of word i of level 0. order: a relaxed look, as the and decides. */
static uint32_t take_in(struct pi_bitmap *map, uint32_t i, _Atomic uint32_t *note)
{
    uint64_t word = pi_load_relaxed(&map->level[0][i]);
    while (word != 0) {
        uint64_t bit = word & (~word + 1); /* the lowest one */
        if (note)                          /* relaxed: the and is a release */
            pi_store_relaxed(note, PI_BITMAP_NOTED | (i * 64 + (uint32_t)__builtin_ctzll(bit) + 1));
        word = pi_and_seq(&map->level[0][i], ~bit);
        if (word & bit) {
            if (word == bit)
                note_empty(map, 0, i);
            return i * 64 + (uint32_t)__builtin_ctzll(bit);
        }
    }
    note_empty(map, 0, i);
    return PI_NO_INDEX;
}

/* The lowest of the first `words` words of level 0 that seems to have a bit, or PI_NO_INDEX. Reads
 * nothing beyond these: there may be no memory. order: relaxed, these are hints of hints. */
static uint32_t find_word(struct pi_bitmap *map, uint32_t words)
{
    uint32_t words1 = words_for(words), words2 = words_for(words1);
    for (uint32_t i = 0; i < words2; i++) {
        uint64_t free2 = pi_load_relaxed(&map->level[2][i]);
        if (!free2)
            continue;
        uint32_t j = i * 64 + (uint32_t)__builtin_ctzll(free2);
        if (j >= words1)
            return PI_NO_INDEX;
        uint64_t free1 = pi_load_relaxed(&map->level[1][j]);
        if (free1)
            return j * 64 + (uint32_t)__builtin_ctzll(free1);
        note_empty(map, 1, j); /* stale: repair it and look here again */
        i--;
    }
    return PI_NO_INDEX;
}

/* As take_in, but takes nothing beyond count, where the last word may not be whole. */
static uint32_t take_below(struct pi_bitmap *map, uint32_t i, uint32_t count,
                           _Atomic uint32_t *note)
{
    uint32_t index = take_in(map, i, note);
    if (index == PI_NO_INDEX || index < count)
        return index;
    pi_bitmap_free(map, index);
    return PI_NO_INDEX;
}

uint32_t pi_bitmap_alloc_noted(struct pi_bitmap *map, uint32_t count, uint32_t hint,
                               _Atomic uint32_t *note)
{
    uint32_t words = words_for(count), index = PI_NO_INDEX;
    if (hint / 64 < words)
        index = take_below(map, hint / 64, count, note);
    for (int tries = 0; index == PI_NO_INDEX && tries < 1000; tries++) {
        uint32_t word = find_word(map, words);
        if (word >= words)
            return PI_NO_INDEX;
        index = take_below(map, word, count, note);
        if (index == PI_NO_INDEX && word == words - 1)
            return PI_NO_INDEX; /* the last one has none but those beyond count */
    }
    return index;
}

/* The lowest n bits of a word. */
static uint64_t lowest(uint64_t word, unsigned n)
{
    uint64_t rest = word;
    for (; n > 0 && rest != 0; n--)
        rest &= rest - 1;
    return word & ~rest;
}

/* Takes up to `most` bits of word i of level 0 that are below count. order: as take_in */
static uint64_t take_bits(struct pi_bitmap *map, uint32_t i, uint32_t count, unsigned most)
{
    uint64_t below = i < count / 64 ? UINT64_MAX : bit_of(count) - 1;
    uint64_t word = pi_load_relaxed(&map->level[0][i]), taken = 0; /* relaxed: as take_in */
    while (taken == 0 && (word & below) != 0) {
        uint64_t wanted = lowest(word & below, most);
        word = pi_and_seq(&map->level[0][i], ~wanted);
        taken = word & wanted;
        word &= ~wanted;
    }
    if (word == 0)
        note_empty(map, 0, i);
    return taken;
}

struct pi_bitmap_bits pi_bitmap_alloc_bits(struct pi_bitmap *map, uint32_t count, uint32_t hint,
                                           unsigned most)
{
    uint32_t words = words_for(count);
    struct pi_bitmap_bits found = {hint / 64, 0};
    if (found.word < words)
        found.bits = take_bits(map, found.word, count, most);
    for (int tries = 0; found.bits == 0 && tries < 1000; tries++) {
        found.word = find_word(map, words);
        if (found.word >= words)
            break;
        found.bits = take_bits(map, found.word, count, most);
        if (found.bits == 0 && found.word == words - 1)
            break; /* as pi_bitmap_alloc_noted */
    }
    return found;
}

void pi_bitmap_free(struct pi_bitmap *map, uint32_t index)
{
    set_bits(map, 0, index / 64, bit_of(index));
}

bool pi_bitmap_alloc_word(struct pi_bitmap *map, uint32_t i)
{
    uint64_t all = UINT64_MAX;
    if (!pi_cas_seq(&map->level[0][i], &all, 0))
        return false;
    note_empty(map, 0, i);
    return true;
}

void pi_bitmap_free_word(struct pi_bitmap *map, uint32_t i, uint64_t bits)
{
    set_bits(map, 0, i, bits);
}

/* What is right is only read. */
static void repair(struct pi_bitmap *map, uint32_t i)
{
    for (int level = 0; level < 2; level++, i /= 64) {
        _Atomic uint64_t *above = &map->level[level + 1][i / 64];
        if (pi_load_seq(&map->level[level][i]) != 0 && !(pi_load_seq(above) & bit_of(i)))
            pi_or_seq(above, bit_of(i));
    }
}

void pi_bitmap_repair(struct pi_bitmap *map, uint32_t count)
{
    for (uint32_t i = 0; i < words_for(count); i++)
        repair(map, i);
}
