/* arena.c - units and large blocks: each arrow of their table, what a death leaves, and references
 * that may name anything. */
#include "arena_box.h"

#define OWNER 12u
#define OTHER 13u

TEST(classes_are_powers_of_two, ALL)
{
    assert_int_equal(pi_size_class_for(0), 0);
    assert_int_equal(pi_size_class_for(1), 0);
    for (unsigned class = 0; class < PI_CLASSES; class ++) {
        size_t size = pi_size_class_bytes(class);
        assert_int_equal(pi_size_class_for(size - 1), class);
        assert_int_equal(pi_size_class_for(size), class);
        assert_int_equal(pi_size_class_for(size + 1), class + 1);
        assert_int_equal(pi_span_blocks(pi_tag_span(class, 0, 0)) * size, PI_UNIT);
    }
    assert_int_equal(pi_size_class_for(SIZE_MAX), PI_CLASSES);
}

TEST(tags_round_trip, ALL)
{
    const uint32_t numbers[] = {0, 1, UINT32_MAX};
    assert_int_equal(pi_tag_kind(0), PI_TAG_NONE);
    assert_int_equal(pi_tag_kind(pi_tag_held(PI_OWNER_PROGRAM)), PI_TAG_HELD);
    assert_int_equal(pi_tag_owner(pi_tag_held(PI_OWNER_PROGRAM)), PI_OWNER_PROGRAM);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        uint64_t tag = pi_tag_attached(PI_MAX_SLOTS - 1, numbers[i]);
        assert_int_equal(pi_tag_kind(tag), PI_TAG_ATTACHED);
        assert_int_equal(tag & UINT32_MAX, numbers[i]);
        assert_int_equal(tag >> 32 & (((uint64_t)1 << 28) - 1), PI_MAX_SLOTS - 1);
        tag = pi_tag_with_closer(pi_tag_span(8, OWNER, numbers[i]) | PI_SPAN_HAS_SYNC,
                                 PI_OWNER_PROGRAM + 1);
        assert_int_equal(pi_tag_kind(tag), PI_TAG_SPAN);
        assert_int_equal(pi_tag_class(tag), 8);
        assert_int_equal(pi_tag_owner(tag), OWNER);
        assert_int_equal(pi_tag_closer(tag), PI_OWNER_PROGRAM + 1);
        assert_int_equal(pi_tag_life(tag), numbers[i]);
        tag = pi_tag_with_owner(tag, PI_OWNER_SHARED);
        assert_int_equal(pi_tag_owner(tag), PI_OWNER_SHARED);
        assert_int_equal(pi_tag_with_owner(pi_tag_with_closer(tag, 0), OWNER),
                         pi_tag_span(8, OWNER, numbers[i]) | PI_SPAN_HAS_SYNC);
    }
    uint64_t tag = pi_tag_sync(PI_SYNC_QUEUE, PI_OWNER_PROGRAM, PI_SERIAL_MASK);
    assert_int_equal(pi_tag_type(tag), PI_SYNC_QUEUE);
    assert_int_equal(pi_tag_owner(tag), PI_OWNER_PROGRAM);
    assert_int_equal(pi_tag_serial(tag), PI_SERIAL_MASK);
}

/* NONE -> CLAIMED, BARE -> backed -> HELD and INSIDE -> CLAIMED -> FREE -> CLAIMED */
TEST(life_of_a_large_block, ALL)
{
    struct box *box = make_box(8, 8);
    struct pi_arena *arena = &box->arena;
    assert_int_equal(pi_units_claim(arena, 3, OWNER, PI_SEARCH_PART), 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(unit_tag(box, i), pi_tag_claimed(OWNER, PI_BARE));
    assert_int_equal(pi_units_bare(arena, 0, 3), 3);
    pi_units_mark(arena, 0, 3, pi_tag_claimed(OWNER, 0));
    assert_int_equal(pi_units_bare(arena, 0, 3), 0);
    pi_units_join(arena, 0, 3, OWNER);
    assert_int_equal(unit_tag(box, 0), pi_tag_held(OWNER));
    assert_int_equal(unit_tag(box, 1), pi_tag_inside(0));
    assert_int_equal(unit_tag(box, 2), pi_tag_inside(0));
    struct pi_block block;
    assert_true(pi_arena_find(arena, pi_block_ref_make(0, 0), &block));
    assert_int_equal(block.size, 3 * PI_UNIT);
    assert_ptr_equal(block.bytes, arena->bytes);
    assert_false(pi_arena_free(arena, pi_block_ref_make(0, 0), pi_tag_held(OTHER), OTHER));
    assert_true(pi_arena_free(arena, pi_block_ref_make(0, 0), pi_tag_held(OWNER), OTHER));
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(unit_tag(box, i), pi_tag_free(0));
        assert_int_equal(unit_value(box, i), PI_USED);
    }
    assert_false(pi_arena_free(arena, pi_block_ref_make(0, 0), pi_tag_held(OWNER), OWNER));
    assert_int_equal(pi_units_claim(arena, 1, OTHER, PI_SEARCH_PART), 0);
    assert_int_equal(unit_tag(box, 0), pi_tag_claimed(OTHER, 0));
    free_box(box);
}

TEST(what_cannot_be_backed_is_put_back, ALL)
{
    struct box *box = make_box(4, 4);
    assert_int_equal(claim_units(box, 1, OWNER), 0);
    pi_units_put_back(&box->arena, 0, 1);
    assert_int_equal(unit_tag(box, 0), pi_tag_free(0));
    assert_int_equal(pi_units_claim(&box->arena, 3, OWNER, PI_SEARCH_PART), 0);
    assert_int_equal(pi_units_bare(&box->arena, 1, 2), 2);
    pi_units_put_back(&box->arena, 0, 3);
    assert_int_equal(unit_tag(box, 0), pi_tag_free(0)); /* it had memory */
    assert_int_equal(unit_tag(box, 1), 0);
    assert_int_equal(unit_value(box, 1), PI_USED); /* it may have some now */
    assert_int_equal(unit_value(box, 3), PI_CLEAN);
    free_box(box);
}

TEST(runs_are_found_between_others, ALL)
{
    struct box *box = make_box(16, 16);
    pi_block_ref at[8];
    for (int i = 0; i < 8; i++) {
        at[i] = take_block(box, 2 * PI_UNIT, OWNER);
        assert_int_equal(at[i], pi_block_ref_make((uint32_t)(2 * i), 0));
    }
    assert_int_equal(take_block(box, 1 + PI_UNIT, OWNER), 0);
    assert_true(pi_arena_free(&box->arena, at[2], pi_tag_held(OWNER), OWNER));
    assert_true(pi_arena_free(&box->arena, at[5], pi_tag_held(OWNER), OWNER));
    assert_int_equal(take_block(box, 3 * PI_UNIT, OWNER), 0);
    assert_int_equal(pi_units_tail(&box->arena, 9), 0);
    assert_true(pi_arena_free(&box->arena, at[7], pi_tag_held(OWNER), OWNER));
    assert_int_equal(pi_units_tail(&box->arena, 9), 2);
    assert_true(pi_arena_free(&box->arena, at[6], pi_tag_held(OWNER), OWNER));
    assert_int_equal(pi_units_tail(&box->arena, 9), 6);
    assert_int_equal(pi_units_tail(&box->arena, 5), 5);
    assert_int_equal(take_block(box, 6 * PI_UNIT, OWNER), at[5]);
    assert_int_equal(take_block(box, 2 * PI_UNIT, OWNER), at[2]);
    free_box(box);
}

/* Wherever the last one was found. */
TEST(a_run_over_the_hint, ALL)
{
    struct box *box = make_box(8, 8);
    for (uint32_t hint = 0; hint < 10; hint++) {
        atomic_store(&box->arena.place, hint);
        pi_block_ref ref = take_block(box, 7 * PI_UNIT, OWNER);
        assert_int_not_equal(ref, 0);
        assert_true(pi_arena_free(&box->arena, ref, pi_tag_held(OWNER), OWNER));
    }
    free_box(box);
}

TEST(a_unit_with_memory_comes_first, ALL)
{
    struct box *box = make_box(8, 8);
    assert_int_equal(pi_units_claim_at(&box->arena, 5, 1, OWNER), 1);
    pi_units_mark(&box->arena, 5, 1, pi_tag_claimed(OWNER, 0));
    pi_units_put_back(&box->arena, 5, 1);
    assert_int_equal(pi_units_claim(&box->arena, 1, OWNER, PI_SEARCH_PART), 5);
    assert_int_equal(pi_units_claim_at(&box->arena, 3, 4, OTHER), 2); /* 3 and 4 */
    assert_int_equal(unit_tag(box, 3), 0);
    assert_int_equal(unit_tag(box, 5), pi_tag_claimed(OWNER, 0));
    free_box(box);
}

/* ---- giving back ---- */

static uint32_t discard(struct box *box, bool trim)
{
    uint32_t all = 0;
    for (uint32_t unit = 0, n; unit < pi_arena_end(&box->arena); unit += n ? n : 1) {
        n = trim ? pi_units_claim_idle(&box->arena, unit, OTHER, PI_UNITS_SEEN)
                 : pi_units_claim_idle(&box->arena, unit, OTHER, PI_UNITS_FREE);
        pi_units_discarded(&box->arena, unit, n, trim ? PI_CLEAN : PI_USED);
        all += n;
    }
    return all;
}

TEST(the_trim_discards_in_the_second_round, ALL)
{
    struct box *box = make_box(8, 8);
    pi_block_ref ref = take_block(box, 3 * PI_UNIT, OWNER);
    assert_true(pi_arena_free(&box->arena, ref, pi_tag_held(OWNER), OWNER));
    assert_int_equal(discard(box, true), 0);
    assert_int_equal(pi_units_see(&box->arena, OTHER, 0, UINT32_MAX), 3);
    assert_int_equal(unit_tag(box, 0), pi_tag_free(0));
    assert_int_equal(take_block(box, PI_UNIT, OWNER), ref); /* used again: not this one */
    assert_true(pi_arena_free(&box->arena, ref, pi_tag_held(OWNER), OWNER));
    assert_int_equal(discard(box, true), 2);
    assert_int_equal(unit_tag(box, 1), 0);
    assert_int_equal(pi_units_see(&box->arena, OTHER, 0, UINT32_MAX), 1);
    assert_int_equal(discard(box, true), 1);
    assert_int_equal(pi_units_see(&box->arena, OTHER, 0, UINT32_MAX), 0);
    free_box(box);
}

TEST(who_needs_memory_discards_at_once, ALL)
{
    struct box *box = make_box(8, 8);
    pi_block_ref ref = take_block(box, 3 * PI_UNIT, OWNER);
    pi_block_ref queue = take_block(box, 2 * PI_UNIT, OWNER);
    uint64_t tag = pi_tag_sync(PI_SYNC_QUEUE, OWNER, 1);
    atomic_store(tag_of(box, queue), tag);
    assert_true(pi_arena_free(&box->arena, ref, pi_tag_held(OWNER), OWNER));
    assert_true(pi_arena_free(&box->arena, queue, tag, OWNER));
    assert_int_equal(unit_value(box, 3), PI_KEPT);
    assert_int_equal(discard(box, false), 4); /* not the queue's head */
    assert_int_equal(unit_tag(box, 2), 0);
    assert_int_equal(unit_tag(box, 3), pi_tag_free(0));
    assert_int_equal(unit_tag(box, 4), 0);
    /* Tags may have memory: the trim sees to them. */
    assert_int_equal(pi_units_see(&box->arena, OTHER, 0, UINT32_MAX), 5);
    assert_int_equal(discard(box, true), 5);
    free_box(box);
}

/* ---- deaths ---- */

/* A claim as far as `joined` units of 4. */
static void claim_partly(struct box *box, uint32_t joined)
{
    assert_int_equal(claim_units(box, 4, OWNER), 0);
    for (uint32_t i = 1; i <= joined; i++)
        atomic_store(&box->arena.units[i].tag, pi_tag_inside(0));
}

/* As recover_blocks of lib/supervisor/recover.c does for OWNER. */
static void recover(struct box *box, unsigned next)
{
    for (uint32_t unit = 0; unit < pi_arena_end(&box->arena); unit++)
        if (pi_unit_recover(&box->arena, unit, OWNER, next))
            pi_units_discarded(&box->arena, unit, pi_units_of(&box->arena, unit), PI_USED);
}

TEST(death_of_a_claimer, ALL)
{
    for (uint32_t joined = 0; joined < 4; joined++) {
        struct box *box = make_box(5, 5);
        claim_partly(box, joined);
        assert_false(pi_arena_find(&box->arena, pi_block_ref_make(0, 0), &(struct pi_block){0}));
        recover(box, PI_OWNER_NONE);
        for (uint32_t i = 0; i < 4; i++) {
            assert_int_equal(unit_tag(box, i), 0);
            assert_int_equal(unit_value(box, i), PI_USED);
        }
        free_box(box);
    }
}

TEST(what_a_worker_held, ALL)
{
    const unsigned next[] = {PI_OWNER_NONE, PI_OWNER_PROGRAM};
    for (size_t i = 0; i < COUNT(next); i++) {
        struct box *box = make_box(5, 5);
        pi_block_ref its = take_block(box, 2 * PI_UNIT, OWNER);
        pi_block_ref other = take_block(box, PI_UNIT, OTHER);
        pi_block_ref small = take_block(box, 100, OWNER);
        recover(box, next[i]);
        bool freed = next[i] == PI_OWNER_NONE;
        assert_int_equal(unit_tag(box, (uint32_t)(its - 1) / PI_TAGS),
                         freed ? pi_tag_free(0) : pi_tag_held(next[i]));
        assert_int_equal(atomic_load(tag_of(box, other)), pi_tag_held(OTHER));
        uint64_t tag = atomic_load(tag_of(box, small));
        assert_true(freed ? pi_tag_kind(tag) == PI_TAG_FREE : tag == pi_tag_held(next[i]));
        free_box(box);
    }
}

TEST(death_of_who_frees, ALL)
{
    for (uint32_t freed = 0; freed < 4; freed++) {
        struct box *box = make_box(5, 5);
        pi_block_ref ref = take_block(box, 4 * PI_UNIT, OTHER);
        assert_int_equal(take_block(box, PI_UNIT, OTHER), pi_block_ref_make(4, 0));
        atomic_store(tag_of(box, ref), pi_tag_claimed(OWNER, 0));
        for (uint32_t i = 4 - freed; i < 4; i++)
            atomic_store(&box->arena.units[i].tag, pi_tag_free(0));
        recover(box, PI_OWNER_NONE);
        assert_int_equal(unit_tag(box, 4), pi_tag_held(OTHER));
        assert_true(pi_arena_free(&box->arena, pi_block_ref_make(4, 0), pi_tag_held(OTHER), OTHER));
        assert_int_equal(take_block(box, 5 * PI_UNIT, OTHER), ref);
        free_box(box);
    }
}

/* ---- references ---- */

TEST(references_round_trip, ALL)
{
    struct box *box = make_box(16, 16);
    for (size_t size = 1; size <= 4 * PI_UNIT; size *= 2) {
        pi_block_ref ref = take_block(box, size, OWNER);
        struct pi_block block;
        assert_int_not_equal(ref, 0);
        assert_true(pi_arena_find(&box->arena, ref, &block));
        assert_in_range(block.size, size, size < 128 ? 128 : size);
        assert_int_equal(pi_load_seq(block.tag), pi_tag_held(OWNER));
        assert_int_equal(pi_arena_ref(&box->arena, block.bytes), ref);
        assert_int_equal(pi_arena_ref(&box->arena, block.bytes + 1), 0);
        assert_int_equal(pi_arena_ref(&box->arena, block.bytes + block.size - 1), 0);
        assert_true(
            (uintptr_t)(block.bytes - box->arena.bytes) % (size < PI_UNIT ? size : PI_UNIT) == 0);
    }
    free_box(box);
}

TEST(references_that_name_nothing, ALL)
{
    struct box *box = make_box(8, 6);
    pi_block_ref large = take_block(box, 3 * PI_UNIT, OWNER), small = take_block(box, 16384, OWNER);
    assert_int_equal(small, pi_block_ref_make(3, 0));
    const pi_block_ref bad[] = {0,
                                large + 1, /* not its beginning, */
                                pi_block_ref_make(1, 0),
                                pi_block_ref_make(2, 0),
                                pi_block_ref_make(3, 4), /* a span of four blocks */
                                pi_block_ref_make(4, 0), /* nobody's */
                                pi_block_ref_make(6, 0), /* behind the end */
                                (pi_block_ref)1 << 41,
                                UINT64_MAX};
    struct pi_block block;
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_false(pi_arena_find(&box->arena, bad[i], &block));
        assert_false(pi_arena_free(&box->arena, bad[i], pi_tag_held(OWNER), OWNER));
    }
    assert_int_equal(pi_arena_ref(&box->arena, box->arena.bytes - 1), 0);
    assert_int_equal(pi_arena_ref(&box->arena, NULL), 0);
    assert_int_equal(pi_arena_ref(&box->arena, box->arena.bytes + 6 * PI_UNIT), 0);
    assert_int_equal(pi_arena_ref(&box->arena, (void *)UINTPTR_MAX), 0);
    free_box(box);
}

/* What somebody has scribbled into a tag or a length names no memory that is not there. */
TEST(scribbled_units, ALL)
{
    struct box *box = make_box(8, 6);
    struct pi_block block;
    pi_block_ref ref = take_block(box, 3 * PI_UNIT, OWNER);
    const uint32_t wrong[] = {0, 2 + 3, 7, 6 + 1, UINT32_MAX, PI_SEEN};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        atomic_store(&box->arena.units[0].info, wrong[i]);
        assert_false(pi_arena_find(&box->arena, ref, &block));
    }
    atomic_store(&box->arena.units[0].info, 2); /* it shrinks: so much is there */
    assert_true(pi_arena_find(&box->arena, ref, &block));
    assert_int_equal(block.size, 2 * PI_UNIT);
    assert_true(pi_arena_free(&box->arena, ref, pi_tag_held(OWNER), OWNER)); /* all of it */
    assert_int_equal(unit_tag(box, 2), pi_tag_free(0));
    for (unsigned class = PI_CLASSES; class < 16; class ++) {
        atomic_store(&box->arena.units[0].tag, pi_tag_span(class, OWNER, 0));
        assert_false(pi_arena_find(&box->arena, ref, &block));
        assert_int_equal(pi_spans_close(&box->arena, OWNER, 0, UINT32_MAX), 0);
    }
    for (uint64_t kind = 0; kind < 16; kind++) { /* and every other tag */
        uint64_t tag;
        pi_block_ref next = 0;
        atomic_store(&box->arena.units[0].tag, kind << 60 | 0x7ff);
        while ((next = pi_arena_next(&box->arena, next, 0, &tag)) != 0)
            assert_true(pi_tag_in_use(tag));
        (void)pi_arena_free(&box->arena, ref, kind << 60 | 0x7ff, OWNER);
    }
    free_box(box);
}

TEST(a_walk_finds_all_blocks, ALL)
{
    struct box *box = make_box(16, 16);
    uint64_t tag;
    pi_block_ref expected = 0, ref = 0;
    assert_int_equal(pi_arena_next(&box->arena, 0, 0, &tag), 0);
    for (int i = 0; i < 3; i++) {
        expected += take_block(box, 100, OWNER) + take_block(box, 5000, OWNER) +
                    take_block(box, 2 * PI_UNIT, OWNER);
    }
    while ((ref = pi_arena_next(&box->arena, ref, 0, &tag)) != 0) {
        assert_int_equal(tag, pi_tag_held(OWNER));
        expected -= ref;
    }
    assert_int_equal(expected, 0);
    free_box(box);
}
