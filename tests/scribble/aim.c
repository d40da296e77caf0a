/* aim.c - the parts of the segment. Most of each is never used by a small pool, so what is aimed at
 * is the first few of everything; what lies behind them has no memory, and would get it. */
#include "scribble.h"

#define SEATS 4
#define CELLS 64
#define PARKERS 8
#define SLOTS 16
#define BLOCKS 6
#define BLOCK_BYTES 1024

uint64_t roll(struct dice *dice) /* splitmix64 */
{
    uint64_t x = dice->state += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

uint64_t below(struct dice *dice, uint64_t n) { return roll(dice) % n; }

bool one_in(struct dice *dice, uint64_t n) { return below(dice, n) == 0; }

static struct target between(void *from, void *to)
{
    return (struct target){from, (size_t)((char *)to - (char *)from)};
}

/* A class that has blocks, as far as its count says so. */
static struct pi_class *a_class(struct pi_segment *s, struct dice *dice)
{
    for (int tries = 0; tries < 100; tries++) {
        struct pi_class *class = &s->arena.classes[below(dice, 14)];
        if (pi_class_count(class) > 0) {
            return class;
        }
    }
    return &s->arena.classes[0];
}

static uint32_t a_block(struct pi_class *class, struct dice *dice)
{
    uint32_t count = pi_class_count(class);
    return (uint32_t)below(dice, count == 0 ? 1 : count < BLOCKS ? count : BLOCKS);
}

static struct target in_map(struct pi_segment *s, struct dice *dice)
{
    struct pi_map *maps[] = {&s->slots.map, &s->parkers.map, &a_class(s, dice)->map};
    struct pi_map *map = maps[below(dice, COUNT(maps))];
    uint64_t level = below(dice, 3);
    return (struct target){(char *)map->level[level], (level == 0 ? 4 : 1) * sizeof(uint64_t)};
}

static struct target in_block(struct pi_segment *s, struct pi_class *class, uint32_t index)
{
    size_t size = class->size < BLOCK_BYTES ? class->size : BLOCK_BYTES;
    return (struct target){s->base + pi_block_offset(class, index), size};
}

/* Where what is not a waiter's bit is: few words of a queue are, and they matter most. */
static struct target in_object(struct pi_segment *s, struct dice *dice)
{
    for (int tries = 0; tries < 200; tries++) {
        struct pi_class *class = a_class(s, dice);
        uint32_t index = a_block(class, dice);
        uint64_t tag = pi_load_relaxed(&class->blocks[index].tag);
        if (pi_tag_kind(tag) != PI_TAG_OBJECT || class->size < sizeof(struct pi_lock)) {
            continue;
        }
        char *at = s->base + pi_block_offset(class, index);
        size_t tail = offsetof(struct pi_queue, capacity);
        if (one_in(dice, 2) || class->size < tail + 128) {
            return (struct target){at, 48};
        }
        return (struct target){at + tail, 128};
    }
    return in_block(s, &s->arena.classes[0], 0);
}

static struct target in_slot(struct pi_segment *s, struct dice *dice, bool word)
{
    struct pi_slot *slot = &s->slots.at[below(dice, SLOTS)];
    return (struct target){(char *)slot, word ? sizeof slot->word : sizeof *slot};
}

static struct target in_header(struct pi_header *h, enum part part)
{
    switch (part) {
    case PART_PHASE: return between(&h->phase, &h->idle);
    case PART_IDLE: return (struct target){(char *)&h->idle, 2 * sizeof h->idle.word[0]};
    case PART_RING: return between(&h->ring, &h->room);
    case PART_STATS: return between(&h->room, &h->broken);
    default: return between(&h->broken, h + 1);
    }
}

struct target aim(posse_executor *pool, enum part part, struct dice *dice)
{
    struct pi_segment *s = &pool->segment;
    struct pi_class *class;
    switch (part) {
    case PART_CELLS: return (struct target){(char *)s->ring.cells, CELLS * sizeof(uint64_t)};
    case PART_SEATS: return (struct target){(char *)s->seats, SEATS * sizeof *s->seats};
    case PART_PARKERS:
        return (struct target){(char *)&s->parkers.at[below(dice, PARKERS)], sizeof *s->parkers.at};
    case PART_WORDS: return in_slot(s, dice, true);
    case PART_SLOTS: return in_slot(s, dice, false);
    case PART_MAPS: return in_map(s, dice);
    case PART_TAGS:
        class = a_class(s, dice);
        return (struct target){(char *)&class->blocks[a_block(class, dice)], sizeof *class->blocks};
    case PART_BLOCKS: class = a_class(s, dice); return in_block(s, class, a_block(class, dice));
    case PART_OBJECTS: return in_object(s, dice);
    case PART_ANY: return aim(pool, (enum part)below(dice, PART_ANY), dice);
    default: return in_header(s->header, part);
    }
}
