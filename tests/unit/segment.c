/* segment.c - the layout: what is where in the segment, at every scale. Nothing is touched. */
#include "support/support.h"

#include "core/segment.h"

#include <stdlib.h>

#define BASE ((char *)((size_t)1 << 20)) /* no memory is there */
#define PAGE ((size_t)4096)
#define MOST_REGIONS (7 + 3 * PI_CLASSES)

struct region {
    const char *what;
    size_t begin, size;
};

struct regions {
    struct region at[MOST_REGIONS];
    size_t count;
};

static void add(struct regions *regions, const char *what, const void *begin, size_t size)
{
    assert_true(regions->count < MOST_REGIONS);
    regions->at[regions->count++] =
        (struct region){.what = what, .begin = (size_t)((const char *)begin - BASE), .size = size};
}

static void add_map(struct regions *regions, const char *what, const struct pi_map *map,
                    uint32_t max)
{
    add(regions, what, (const void *)map->level[2], pi_map_size(max));
}

static void list_regions(struct regions *regions, const struct pi_segment *s)
{
    const struct pi_slots *slots = &s->slots;
    regions->count = 0;
    add(regions, "header", s->header, sizeof *s->header);
    add(regions, "seats", s->seats, PI_MAX_SEATS * sizeof *s->seats);
    add_map(regions, "map of the parkers", &s->parkers.map, PI_MAX_PARKERS);
    add(regions, "parkers", s->parkers.at, PI_MAX_PARKERS * sizeof *s->parkers.at);
    add_map(regions, "map of the slots", &slots->map, slots->max);
    add(regions, "slots", slots->at, slots->max * sizeof *slots->at);
    add(regions, "ring", (const void *)s->ring.cells,
        pi_ring_start(s->ring.rings) * sizeof *s->ring.cells);
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        const struct pi_class *class = &s->arena.classes[i];
        add_map(regions, "map of a class", &class->map, class->max);
        add(regions, "tags of a class", class->blocks, class->max * sizeof *class->blocks);
        add(regions, "blocks of a class", s->base + class->offset, class->max * class->size);
    }
}

static int by_begin(const void *left, const void *right)
{
    const struct region *a = left, *b = right;
    if (a->begin != b->begin) {
        return a->begin < b->begin ? -1 : 1;
    }
    return (a->size > b->size) - (a->size < b->size); /* empty ones first */
}

static void assert_apart(struct regions *regions, size_t size)
{
    qsort(regions->at, regions->count, sizeof regions->at[0], by_begin);
    for (size_t i = 0; i < regions->count; i++) {
        const struct region *region = &regions->at[i];
        size_t end = i + 1 < regions->count ? regions->at[i + 1].begin : size;
        if (region->begin % PAGE != 0 || region->begin > size ||
            region->size > end - region->begin) {
            fail_msg("%s: %zu bytes at %zu, with an end at %zu", region->what, region->size,
                     region->begin, end);
        }
    }
}

TEST(regions_are_apart_at_every_scale)
{
    for (unsigned scale = 0; scale < PI_SCALES; scale++) {
        struct pi_segment segment;
        struct regions regions;
        pi_segment_layout(&segment, BASE, scale);
        list_regions(&regions, &segment);
        assert_ptr_equal(segment.base, BASE);
        assert_apart(&regions, segment.size);
    }
}

TEST(each_scale_is_smaller)
{
    for (unsigned scale = 0; scale < PI_SCALES; scale++) {
        struct pi_segment segment;
        pi_segment_layout(&segment, BASE, scale);
        assert_int_equal(pi_segment_size(scale), segment.size);
        assert_true(scale == 0 || segment.size < pi_segment_size(scale - 1));
    }
    assert_true(pi_segment_size(PI_SCALES - 1) < (size_t)128 << 20);
}

/* A program and its workers compute it each for itself. */
TEST(the_same_wherever_it_lies)
{
    struct pi_segment here, there;
    pi_segment_layout(&here, BASE, 5);
    pi_segment_layout(&there, BASE + ((size_t)1 << 30), 5);
    assert_int_equal(here.size, there.size);
    assert_int_equal((char *)there.slots.at - there.base, (char *)here.slots.at - here.base);
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        assert_int_equal(there.arena.classes[i].offset, here.arena.classes[i].offset);
    }
}

TEST(tables_fit_what_names_them)
{
    for (unsigned scale = 0; scale < PI_SCALES; scale++) {
        struct pi_segment s;
        pi_segment_layout(&s, BASE, scale);
        assert_in_range(s.slots.max, 256, PI_MAX_SLOTS);
        assert_in_range(s.ring.rings, 1, PI_RINGS);
        assert_true(pi_ring_cells(s.ring.rings - 1) >= 2 * (uint64_t)s.slots.max);
        for (unsigned i = 0; i < PI_CLASSES; i++) {
            assert_int_equal(pi_class_for(s.arena.classes[i].size), i);
            assert_true(s.arena.classes[i].max > 0 || scale > 0);
        }
    }
}

/* What is written by many has cache lines of its own. */
TEST(alignment)
{
    struct pi_segment s;
    pi_segment_layout(&s, BASE, 0);
    assert_int_equal((size_t)s.slots.at % 64, 0);
    assert_int_equal((size_t)&s.slots.at[1] % 64, 0);
    assert_int_equal((size_t)&s.seats[1] % 128, 0);
    assert_int_equal((size_t)&s.parkers.at[1] % 64, 0);
    assert_int_equal((size_t)&s.header->ring.tail - (size_t)&s.header->ring.head, 128);
    assert_true(offsetof(struct pi_header, idle) >= 128);
}

TEST(counts_lie_in_the_header)
{
    struct pi_segment s;
    pi_segment_layout(&s, BASE, 3);
    assert_ptr_equal(s.slots.count.word, &s.header->slots_count);
    assert_ptr_equal(s.parkers.count.word, &s.header->parkers_count);
    assert_ptr_equal(s.ring.shared, &s.header->ring);
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        assert_ptr_equal(s.arena.classes[i].count.word, &s.header->class_count[i]);
    }
}

int main(int argc, char **argv)
{
    const struct check checks[] = {
        CHECK(regions_are_apart_at_every_scale, ALL),
        CHECK(each_scale_is_smaller, ALL),
        CHECK(the_same_wherever_it_lies, ALL),
        CHECK(tables_fit_what_names_them, ALL),
        CHECK(alignment, ALL),
        CHECK(counts_lie_in_the_header, ALL),
    };
    return RUN_CHECKS(argc, argv, checks);
}
