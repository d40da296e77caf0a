/* segment.c - the layout: what is where in the segment, whatever its size. Nothing is touched. */
#include "support/support.h"

#include "core/segment.h"

#include <stdlib.h>

#define BASE ((char *)((size_t)1 << 20)) /* no memory is there */
#define PAGE ((size_t)4096)

/* What executors may have, from the least to more than any machine has. */
static const size_t sizes[] = {PI_MIN_MEMORY,   (size_t)3 << 20,  (size_t)100 << 20,
                               (size_t)1 << 30, (size_t)12 << 30, PI_MAX_MEMORY};

static const unsigned normal_rings[] = {1, 2, PI_NORMAL_RINGS};

static const struct pi_segment_options small = {.memory = PI_MIN_MEMORY, .normal_rings = 1},
                                       medium = {.memory = (size_t)1 << 30,
                                                 .normal_rings = 4,
                                                 .stamps = true};

/* A layout of each size with each number of rings, without stamps and with them; false: that was
 * the last one. */
static bool next_layout(size_t *i, struct pi_segment_options *options, struct pi_segment *segment)
{
    size_t half = COUNT(sizes) * COUNT(normal_rings), at = *i % half;
    if (*i == 2 * half)
        return false;
    *options = (struct pi_segment_options){.memory = sizes[at % COUNT(sizes)],
                                           .normal_rings = normal_rings[at / COUNT(sizes)]};
    if (*i >= half) {
        options->stamps = true;
        options->trace_rings = 9;
        options->trace_capacity = 64;
    }
    pi_segment_layout(segment, BASE, options);
    ++*i;
    return true;
}

struct region {
    const char *what;
    size_t begin, size;
};

struct regions {
    struct region at[13 + PI_QUEUE_RINGS];
    size_t count;
};

static void add(struct regions *regions, const char *what, const void *begin, size_t size)
{
    assert_true(regions->count < COUNT(regions->at));
    regions->at[regions->count++] =
        (struct region){.what = what, .begin = (size_t)((const char *)begin - BASE), .size = size};
}

static void list_regions(struct regions *regions, const struct pi_segment *s)
{
    const struct pi_slots *slots = &s->slots;
    regions->count = 0;
    add(regions, "header", s->header, sizeof *s->header);
    add(regions, "map of the parkers", (const void *)s->parkers.map.level[2],
        pi_bitmap_size(PI_MAX_PARKERS));
    add(regions, "workers", s->workers, PI_MAX_WORKERS * sizeof *s->workers);
    if (s->times)
        add(regions, "times of the workers", s->times, PI_MAX_WORKERS * sizeof *s->times);
    add(regions, "parkers", s->parkers.at, PI_MAX_PARKERS * sizeof *s->parkers.at);
    add(regions, "map of the slots", (const void *)slots->map.level[2], pi_bitmap_size(slots->max));
    add(regions, "groups of the slots", (const void *)slots->groups,
        slots->max / PI_GROUP_SLOTS * sizeof *slots->groups);
    add(regions, "slots", slots->at, slots->max * sizeof *slots->at);
    if (s->stamps)
        add(regions, "stamps", s->stamps, slots->max * sizeof *s->stamps);
    add(regions, "rings of a trace", s->trace.base,
        s->trace.rings * pi_trace_ring_size(s->trace.capacity));
    for (unsigned i = 0; i < pi_lanes_rings(&s->lanes); i++)
        add(regions, "ring", (const void *)s->lanes.ring[i].cells,
            pi_ring_start(s->lanes.ring[i].rings) * sizeof *s->lanes.ring[i].cells);
    const struct pi_arena *arena = &s->arena;
    add(regions, "units", arena->units, arena->max * sizeof *arena->units);
    add(regions, "tags", (const void *)arena->tags, arena->max * PI_TAGS * sizeof *arena->tags);
    add(regions, "bytes", arena->bytes, arena->max * PI_UNIT);
}

static int by_begin(const void *left, const void *right)
{
    const struct region *a = left, *b = right;
    if (a->begin != b->begin)
        return a->begin < b->begin ? -1 : 1;
    return (a->size > b->size) - (a->size < b->size); /* empty ones first */
}

static void assert_apart(struct regions *regions, size_t size)
{
    qsort(regions->at, regions->count, sizeof regions->at[0], by_begin);
    for (size_t i = 0; i < regions->count; i++) {
        const struct region *region = &regions->at[i];
        size_t end = i + 1 < regions->count ? regions->at[i + 1].begin : size;
        if (region->begin % 8 != 0 || region->begin > size || region->size > end - region->begin) {
            fail_msg("%s: %zu bytes at %zu, with an end at %zu", region->what, region->size,
                     region->begin, end);
        }
    }
}

TEST(tables_are_apart, ALL)
{
    struct pi_segment_options options;
    struct pi_segment segment;
    for (size_t i = 0; next_layout(&i, &options, &segment);) {
        struct regions regions;
        list_regions(&regions, &segment);
        assert_ptr_equal(segment.base, BASE);
        assert_apart(&regions, segment.size);
    }
}

/* Whoever opens the front of one area opens nothing of another. */
TEST(areas_follow_one_another, ALL)
{
    struct pi_segment_options options;
    struct pi_segment segment;
    for (size_t i = 0; next_layout(&i, &options, &segment);) {
        char *end = BASE;
        for (int area = 0; area < PI_AREAS; area++) {
            assert_ptr_equal(segment.areas[area].base, end);
            assert_int_equal((size_t)end % PAGE, 0);
            end += segment.areas[area].size;
        }
        assert_int_equal(end - BASE, segment.size);
    }
}

TEST(address_space_is_in_proportion, ALL)
{
    struct pi_segment_options options;
    struct pi_segment segment;
    for (size_t i = 0; next_layout(&i, &options, &segment);) {
        assert_int_equal(pi_segment_size(&options), segment.size);
        assert_true(segment.size > options.memory);
        assert_true(segment.size < 2 * options.memory + ((size_t)4 << 20));
    }
}

/* A program and its workers compute it each for itself. */
TEST(the_same_wherever_it_lies, ALL)
{
    struct pi_segment here, there;
    pi_segment_layout(&here, BASE, &medium);
    pi_segment_layout(&there, BASE + ((size_t)1 << 30), &medium);
    assert_int_equal(here.size, there.size);
    for (int area = 0; area < PI_AREAS; area++)
        assert_int_equal(there.areas[area].base - there.base, here.areas[area].base - here.base);
}

TEST(tables_fit_what_names_them, ALL)
{
    struct pi_segment_options options;
    struct pi_segment s;
    for (size_t i = 0; next_layout(&i, &options, &s);) {
        assert_in_range(s.slots.max, 256, PI_MAX_SLOTS);
        for (unsigned k = 0; k < pi_lanes_rings(&s.lanes); k++) {
            const struct pi_ring *ring = &s.lanes.ring[k];
            uint64_t slots = s.slots.max / (k < s.lanes.normal ? s.lanes.normal : 1);
            assert_in_range(ring->rings, 1, PI_RINGS);
            assert_true(pi_ring_cells(ring->rings - 1) >= 2 * slots);
        }
        assert_in_range(s.arena.max, 16, UINT32_MAX / PI_TAGS); /* hints are 32 bits */
        assert_int_equal(s.arena.end.max, s.arena.max);
    }
}

/* What is written by many has cache lines of its own. */
TEST(alignment, ALL)
{
    struct pi_segment s;
    pi_segment_layout(&s, BASE, &small);
    assert_int_equal((size_t)s.slots.at % 64, 0);
    assert_int_equal((size_t)&s.slots.at[1] % 64, 0);
    assert_int_equal((size_t)&s.workers[1] % 128, 0);
    assert_int_equal((size_t)&s.parkers.at[1] % 64, 0);
    assert_int_equal((size_t)&s.header->ring[0].tail - (size_t)&s.header->ring[0].head, 128);
    assert_true(offsetof(struct pi_header, idle) >= 128);
}

TEST(counts_lie_in_the_header, ALL)
{
    struct pi_segment s;
    pi_segment_layout(&s, BASE, &small);
    assert_ptr_equal(s.slots.count.word, &s.header->slots_count);
    assert_ptr_equal(s.parkers.count.word, &s.header->parkers_count);
    for (unsigned lane = 0; lane < PI_LANES; lane++) {
        assert_ptr_equal(s.lanes.ring[lane].shared, &s.header->ring[lane]);
        assert_int_equal(s.lanes.ring[lane].lane, lane);
    }
    assert_ptr_equal(s.lanes.more.word, &s.header->more_lanes);
    assert_ptr_equal(s.arena.end.word, &s.header->arena_end);
}
