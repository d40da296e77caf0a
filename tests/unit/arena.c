/* arena.c - classes of blocks, their tags, and references that may name anything. */
#include "support/support.h"

#include "core/segment.h"

#include <stdlib.h>

#define OWNER 12u

/* A class of 128-byte blocks. */
struct box {
    struct pi_class class;
    _Atomic uint64_t count;
};

static struct box *make_box(uint32_t max, uint32_t count)
{
    struct box *box = calloc(1, sizeof *box);
    assert_non_null(box);
    void *memory = calloc(1, pi_map_size(max));
    assert_non_null(memory);
    pi_map_init(&box->class.map, memory, max);
    box->class.blocks = calloc(max, sizeof *box->class.blocks);
    assert_non_null(box->class.blocks);
    box->class.size = 128;
    box->class.max = max;
    pi_count_init(&box->class.count, &box->count, max);
    atomic_init(&box->count, pi_count_word(count));
    return box;
}

static void free_box(struct box *box)
{
    free(box->class.map.level[2]);
    free(box->class.blocks);
    free(box);
}

static void release(struct box *box, uint32_t index)
{
    atomic_store(&box->class.blocks[index].tag, PI_TAG_FREE);
    pi_map_give(&box->class.map, index);
}

TEST(classes_are_powers_of_two)
{
    assert_int_equal(pi_class_for(0), 0);
    assert_int_equal(pi_class_for(1), 0);
    for (unsigned class = 0; class < PI_CLASSES; class ++) {
        size_t size = (size_t)1 << (PI_CLASS_FIRST + class);
        assert_int_equal(pi_class_for(size - 1), class);
        assert_int_equal(pi_class_for(size), class);
        assert_int_equal(pi_class_for(size + 1), class + 1);
    }
    assert_int_equal(pi_class_for(SIZE_MAX), PI_CLASSES);
}

TEST(tags_round_trip)
{
    assert_int_equal(pi_tag_kind(0), PI_TAG_FREE);
    assert_int_equal(pi_tag_kind(pi_tag_held(PI_PROGRAM)), PI_TAG_HELD);
    assert_true(pi_tag_held(0) != pi_tag_held(1));
    const uint32_t generations[] = {0, 1, UINT32_MAX};
    for (size_t i = 0; i < COUNT(generations); i++) {
        uint64_t tag = pi_tag_attached(PI_MAX_SLOTS - 1, generations[i]);
        assert_int_equal(pi_tag_kind(tag), PI_TAG_ATTACHED);
        assert_int_equal(pi_tag_slot(tag), PI_MAX_SLOTS - 1);
        assert_int_equal(pi_tag_generation(tag), generations[i]);
    }
}

TEST(take_holds_the_block)
{
    struct box *box = make_box(128, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(pi_class_take(&box->class, OWNER), i);
        assert_int_equal(atomic_load(&box->class.blocks[i].tag), pi_tag_held(OWNER));
    }
    assert_int_equal(pi_class_take(&box->class, OWNER), PI_NONE);
    release(box, 40);
    assert_int_equal(pi_class_take(&box->class, OWNER + 1), 40);
    assert_int_equal(atomic_load(&box->class.blocks[40].tag), pi_tag_held(OWNER + 1));
    atomic_store(&box->count, pi_count_word(101));
    assert_int_equal(pi_class_take(&box->class, OWNER), 100);
    free_box(box);
}

/* The map says free, the tag says held or attached: the tag decides. */
TEST(take_passes_blocks_that_only_look_free)
{
    struct box *box = make_box(64, 3);
    atomic_store(&box->class.blocks[0].tag, pi_tag_held(OWNER));
    atomic_store(&box->class.blocks[1].tag, pi_tag_attached(0, 0));
    assert_int_equal(pi_class_take(&box->class, 1), 2);
    assert_int_equal(pi_class_take(&box->class, 1), PI_NONE);
    assert_int_equal(atomic_load(&box->class.blocks[0].tag), pi_tag_held(OWNER));
    assert_int_equal(atomic_load(&box->class.blocks[1].tag), pi_tag_attached(0, 0));
    release(box, 1);
    assert_int_equal(pi_class_take(&box->class, 1), 1);
    free_box(box);
}

TEST(take_of_an_empty_class)
{
    struct box *box = make_box(64, 0);
    assert_int_equal(pi_class_take(&box->class, OWNER), PI_NONE);
    free_box(box);
}

TEST(count_that_is_too_large)
{
    struct box *box = make_box(64, 64);
    assert_int_equal(pi_class_count(&box->class), 64);
    atomic_store(&box->count, pi_count_word(UINT32_MAX));
    assert_int_equal(pi_class_count(&box->class), 64);
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(pi_class_take(&box->class, OWNER), i);
    }
    assert_int_equal(pi_class_take(&box->class, OWNER), PI_NONE);
    free_box(box);
}

/* The arena of a small segment at an address where nothing is: only numbers count here. The counts
 * of the classes are the test's own. */
static struct pi_segment segment;
static _Atomic uint64_t counts[PI_CLASSES];

static struct pi_arena *make_arena(uint32_t count)
{
    pi_segment_layout(&segment, (char *)((size_t)1 << 20), PI_LEAST_MEMORY);
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        struct pi_class *class = &segment.arena.classes[i];
        uint32_t those = count < class->max ? count : class->max;
        atomic_store(&counts[i], pi_count_word(those));
        pi_count_init(&class->count, &counts[i], class->max);
    }
    return &segment.arena;
}

TEST(references_round_trip)
{
    struct pi_arena *arena = make_arena(3);
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        for (uint32_t index = 0; index < pi_class_count(&arena->classes[i]); index++) {
            struct pi_class *class = NULL;
            struct pi_block *block = NULL;
            pi_ref ref = pi_ref_make(i, index);
            assert_int_not_equal(ref, 0);
            assert_true(pi_arena_find(arena, ref, &class, &block));
            assert_ptr_equal(class, &arena->classes[i]);
            assert_ptr_equal(block, &arena->classes[i].blocks[index]);
            assert_int_equal(pi_ref_index(ref), index);
            assert_int_equal(pi_arena_ref(arena, pi_block_offset(class, index)), ref);
        }
    }
}

TEST(references_that_name_nothing)
{
    struct pi_arena *arena = make_arena(3);
    const pi_ref bad[] = {
        0,
        2,                 /* a block, but of no class */
        pi_ref_make(0, 3), /* not there yet */
        pi_ref_make(0, UINT32_MAX),
        pi_ref_make(PI_CLASSES - 1, 0), /* a small segment has no such large blocks */
        pi_ref_make(PI_CLASSES, 0),
        (pi_ref)1 << 63 | (pi_ref)1 << 32, /* class 0, but for a bit that does not belong there */
        UINT64_MAX,
    };
    struct pi_class *class;
    struct pi_block *block;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(pi_arena_find(arena, bad[i], &class, &block));
    }
}

TEST(references_beyond_the_largest_count)
{
    struct pi_arena *arena = make_arena(UINT32_MAX);
    struct pi_class *class;
    struct pi_block *block;
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        uint32_t max = arena->classes[i].max;
        assert_false(pi_arena_find(arena, pi_ref_make(i, max), &class, &block));
        assert_int_equal(pi_arena_find(arena, pi_ref_make(i, max - 1), &class, &block), max > 0);
    }
}

/* What posse_free is given may point anywhere. */
TEST(offsets_that_begin_no_block)
{
    struct pi_arena *arena = make_arena(3);
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        struct pi_class *class = &arena->classes[i];
        size_t begin = class->offset, end = pi_block_offset(class, pi_class_count(class));
        if (begin == end) {
            assert_int_equal(pi_arena_ref(arena, begin), 0);
            continue;
        }
        assert_int_equal(pi_arena_ref(arena, begin + 1), 0);
        assert_int_equal(pi_arena_ref(arena, begin + class->size / 2), 0);
        assert_int_equal(pi_arena_ref(arena, begin + class->size - 1), 0);
        assert_int_equal(pi_arena_ref(arena, begin - 1), 0);
        assert_int_equal(pi_arena_ref(arena, end - 1), 0);
    }
    assert_int_equal(pi_arena_ref(arena, pi_block_offset(&arena->classes[0], 3)), 0);
    assert_int_equal(pi_arena_ref(arena, 0), 0);
    assert_int_equal(pi_arena_ref(arena, segment.size), 0);
    assert_int_equal(pi_arena_ref(arena, SIZE_MAX), 0);
}

int main(int argc, char **argv)
{
    const struct check checks[] = {
        CHECK(classes_are_powers_of_two, ALL),
        CHECK(tags_round_trip, ALL),
        CHECK(take_holds_the_block, ALL),
        CHECK(take_passes_blocks_that_only_look_free, ALL),
        CHECK(take_of_an_empty_class, ALL),
        CHECK(count_that_is_too_large, ALL),
        CHECK(references_round_trip, ALL),
        CHECK(references_that_name_nothing, ALL),
        CHECK(references_beyond_the_largest_count, ALL),
        CHECK(offsets_that_begin_no_block, ALL),
    };
    return RUN_CHECKS(argc, argv, checks);
}
