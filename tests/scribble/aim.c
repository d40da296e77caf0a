/* aim.c - the parts of the segment. Most of each is never used by a small pool, so what is aimed at
 * is the first few of everything; what lies behind them has no memory, and would get it. */
#include "pool/self.h"
#include "pool/task_memory.h"
#include "scribble.h"

#include <stdio.h>

#define MORE_WORKERS 2
#define CELLS 64
#define PARKERS 8
#define SLOTS 16
#define UNITS 6
#define TAGS 16
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

/* A unit below the arena's end. */
static uint32_t a_unit(struct pi_arena *arena, struct dice *dice)
{
    uint32_t end = pi_arena_end(arena);
    return (uint32_t)below(dice, end == 0 ? 1 : end < UNITS ? end : UNITS);
}

static struct target in_map(struct pi_segment *s, struct dice *dice)
{
    struct pi_bitmap *maps[] = {&s->slots.map, &s->parkers.map};
    struct pi_bitmap *map = maps[below(dice, COUNT(maps))];
    uint64_t level = below(dice, 3);
    return (struct target){(char *)map->level[level], (level == 0 ? 4 : 1) * sizeof(uint64_t)};
}

/* The tags of a unit's first blocks have memory if it is a span. */
static struct target in_tags(struct pi_arena *arena, struct dice *dice)
{
    uint32_t unit = a_unit(arena, dice);
    uint64_t tag = pi_load_relaxed(&arena->units[unit].tag);
    if (pi_span_blocks(tag) == 0 || one_in(dice, 2))
        return (struct target){(char *)&arena->units[unit], sizeof arena->units[unit]};
    uint64_t index = below(dice, pi_span_blocks(tag) < TAGS ? pi_span_blocks(tag) : TAGS);
    return (struct target){(char *)&arena->tags[unit * PI_TAGS + index], sizeof *arena->tags};
}

static struct target in_block(struct pi_arena *arena, struct dice *dice)
{
    uint32_t unit = a_unit(arena, dice);
    uint64_t tag = pi_load_relaxed(&arena->units[unit].tag);
    size_t size = pi_span_blocks(tag) == 0 ? PI_UNIT : pi_size_class_bytes(pi_tag_class(tag));
    size_t first = size < BLOCK_BYTES ? below(dice, 8) * size : 0;
    return (struct target){pi_unit_bytes(arena, unit) + first,
                           size < BLOCK_BYTES ? size : BLOCK_BYTES};
}

/* Where what is not a waiter's bit is: few words of a queue are, and they matter most. */
static struct target in_object(struct pi_segment *s, struct dice *dice)
{
    pi_block_ref ref = 0;
    uint64_t tag;
    struct pi_block block;
    while ((ref = pi_arena_next(&s->arena, ref, PI_SPAN_HAS_SYNC, &tag)) != 0) {
        if (pi_tag_kind(tag) != PI_TAG_SYNC || one_in(dice, 2) ||
            !pi_arena_find(&s->arena, ref, &block))
            continue;
        size_t tail = offsetof(struct pi_queue, capacity);
        if (one_in(dice, 2) || block.size < tail + 128)
            return (struct target){block.bytes, 48};
        return (struct target){block.bytes + tail, 128};
    }
    return in_block(&s->arena, dice);
}

static struct target in_workers(posse_executor *pool)
{
    struct pi_worker *workers = pool->segment.workers;
    return between(workers, workers + pool->workers + MORE_WORKERS);
}

static struct target in_stamps(posse_executor *pool, struct dice *dice)
{
    struct pi_segment *s = &pool->segment;
    if (!s->stamps)
        return in_workers(pool);
    if (one_in(dice, 2))
        return (struct target){(char *)&s->stamps[below(dice, SLOTS)], sizeof *s->stamps};
    return between(s->times, s->times + pool->workers);
}

static struct target in_cells(struct pi_lanes *lanes, struct dice *dice)
{
    return (struct target){(char *)lanes->ring[below(dice, lanes->normal)].cells,
                           CELLS * sizeof(uint64_t)};
}

static struct target in_slot(struct pi_segment *s, struct dice *dice, bool word)
{
    struct pi_slot *slot = &s->slots.at[below(dice, SLOTS)];
    return (struct target){(char *)slot, word ? sizeof slot->word : sizeof *slot};
}

static struct target in_header(struct pi_segment *s, enum part part, struct dice *dice)
{
    struct pi_header *h = s->header;
    switch (part) {
    case PART_PHASE: return between(&h->phase, &h->idle);
    case PART_IDLE: return (struct target){(char *)&h->idle, 2 * sizeof h->idle.word[0]};
    case PART_RING:
        return (struct target){(char *)&h->ring[below(dice, pi_lanes_rings(&s->lanes))],
                               sizeof *h->ring};
    case PART_STATS: return between(&h->room_waiter, &h->broken);
    default: return between(&h->broken, h + 1);
    }
}

/* Memory of this process alone: its heap, its stacks, what modules have. */
static struct target in_private(struct dice *dice)
{
    struct target target = {(char *)pi_own_memory, PI_TASK_HEAD};
    unsigned long from, to, seen = 0;
    char line[512], rights[5];
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL)
        if (sscanf(line, "%lx-%lx %4s", &from, &to, rights) == 3 && rights[1] == 'w' &&
            rights[3] == 'p' && one_in(dice, ++seen))
            target = (struct target){(char *)from, to - from};
    if (maps != NULL)
        fclose(maps);
    return target;
}

/* Where shared memory of the executor would be, the process has none. */
static struct target in_own(posse_executor *pool, struct dice *dice)
{
    struct pi_task_memory *m = pi_own_memory;
    switch (below(dice, 8)) {
    case 0: return (struct target){(char *)pool->segment.base + below(dice, 1 << 20) * 8, 64};
    case 1:
    case 2: return in_private(dice);
    case 3: return (struct target){(char *)m, PI_TASK_HEAD + m->arg_room + m->result_room};
    case 4: return (struct target){(char *)m, sizeof *m};
    default: return between(&m->error, &m->record); /* what it says of its end */
    }
}

struct target aim(posse_executor *pool, enum part part, struct dice *dice)
{
    struct pi_segment *s = &pool->segment;
    switch (part) {
    case PART_CELLS: return in_cells(&s->lanes, dice);
    case PART_WORKERS: return in_workers(pool);
    case PART_PARKERS:
        return (struct target){(char *)&s->parkers.at[below(dice, PARKERS)], sizeof *s->parkers.at};
    case PART_WORDS: return in_slot(s, dice, true);
    case PART_SLOTS: return in_slot(s, dice, false);
    case PART_MAPS: return in_map(s, dice);
    case PART_TAGS: return in_tags(&s->arena, dice);
    case PART_BLOCKS: return in_block(&s->arena, dice);
    case PART_STAMPS: return in_stamps(pool, dice);
    case PART_OBJECTS: return in_object(s, dice);
    case PART_OWN: return in_own(pool, dice);
    case PART_ANY: return aim(pool, (enum part)below(dice, PART_ANY), dice);
    default: return in_header(s, part, dice);
    }
}
