/* span.c - small blocks: each arrow of their table, who may take where, closing, and what a death
 * leaves. */
#include "arena_box.h"

#define OWNER 12u
#define OTHER 13u
#define PAIR ((size_t)32 << 10) /* a span of two */

static bool release(struct box *box, pi_block_ref ref, unsigned owner)
{
    return pi_arena_free(&box->arena, ref, pi_tag_held(owner), owner);
}

static void assert_one_unit(struct box *box)
{
    assert_int_equal(pi_spans_close(&box->arena, OTHER, 0, UINT32_MAX), 1);
    assert_int_equal(unit_tag(box, 0), pi_tag_free(0));
}

/* NONE -> HELD, FREE -> HELD -> FREE -> NONE */
TEST(life_of_a_small_block, ALL)
{
    struct box *box = make_box(2, 1);
    pi_block_ref first = take_block(box, PAIR, OWNER), second = take_block(box, PAIR, OWNER);
    uint64_t span = unit_tag(box, 0);
    assert_int_equal(span, pi_tag_span(PI_CLASSES - 1, OWNER, 1));
    assert_int_equal(first, pi_block_ref_make(0, 0));
    assert_int_equal(second, pi_block_ref_make(0, 1));
    assert_int_equal(take_block(box, PAIR, OWNER), 0);
    assert_false(release(box, first, OTHER));
    assert_true(release(box, first, OWNER));
    assert_int_equal(pi_load_seq(&box->arena.tags[0]), pi_tag_free(1));
    assert_false(release(box, first, OWNER));
    assert_int_equal(pi_spans_close(&box->arena, OTHER, 0, UINT32_MAX), 0);
    assert_int_equal(take_block(box, PAIR, OWNER), first);
    assert_true(release(box, first, OWNER));
    assert_true(release(box, second, OWNER));
    assert_int_equal(unit_tag(box, 0), span);
    assert_one_unit(box);
    assert_int_equal(unit_value(box, 0), PI_USED);
    assert_int_equal(pi_load_seq(&box->arena.tags[0]), 0);
    assert_int_equal(take_block(box, PAIR, OWNER), first); /* in its next life */
    assert_int_equal(unit_tag(box, 0), pi_tag_span(PI_CLASSES - 1, OWNER, 2));
    free_box(box);
}

TEST(each_class_fills_its_span, ALL)
{
    for (unsigned class = 0; class < PI_CLASSES; class ++) {
        struct box *box = make_box(1, 1);
        pi_block_ref refs[PI_TAGS];
        uint32_t n = 0;
        for (pi_block_ref ref; (ref = take_block(box, pi_size_class_bytes(class), OWNER)) != 0;
             n++) {
            struct pi_block block;
            assert_in_range(n, 0, PI_TAGS - 1);
            assert_true(pi_arena_find(&box->arena, ref, &block));
            memset(block.bytes, (int)n, block.size);
            refs[n] = ref;
        }
        assert_int_equal(n * pi_size_class_bytes(class), PI_UNIT);
        assert_int_equal(unit_value(box, 0), 0);
        for (uint32_t i = n; i-- > 0;) {
            struct pi_block block;
            assert_true(pi_arena_find(&box->arena, refs[i], &block));
            assert_int_equal((unsigned char)block.bytes[block.size - 1], (unsigned char)i);
            assert_true(release(box, refs[i], OWNER));
        }
        assert_int_equal(unit_value(box, 0), 1);
        assert_one_unit(box);
        free_box(box);
    }
}

TEST(each_owner_has_its_own, ALL)
{
    struct box *box = make_box(4, 2);
    pi_block_ref first = take_block(box, PAIR, OWNER), second = take_block(box, PAIR, OTHER);
    assert_int_equal(first, pi_block_ref_make(0, 0));
    assert_int_equal(second, pi_block_ref_make(1, 0));
    assert_int_not_equal(take_block(box, PAIR, OWNER), 0);
    assert_int_equal(take_block(box, PAIR, OWNER), 0);
    /* There is no unit left: what OTHER has is everybody's now. */
    pi_block_ref third = pi_span_take_any(&box->arena, PI_CLASSES - 1, OWNER);
    assert_int_equal(third, pi_block_ref_make(1, 1));
    assert_int_equal(pi_tag_owner(unit_tag(box, 1)), PI_OWNER_SHARED);
    assert_int_equal(pi_span_take_any(&box->arena, PI_CLASSES - 1, OWNER), 0);
    assert_true(release(box, second, OTHER));
    assert_int_equal(pi_span_take(&box->arena, PI_CLASSES - 1, OTHER), second);
    free_box(box);
}

TEST(a_larger_class_serves_if_there_is_no_other, ALL)
{
    struct box *box = make_box(1, 1);
    assert_int_equal(take_block(box, PAIR, OWNER), pi_block_ref_make(0, 0));
    assert_int_equal(take_block(box, 100, OWNER), 0);
    assert_int_equal(pi_span_take_any(&box->arena, 0, OWNER), pi_block_ref_make(0, 1));
    free_box(box);
}

/* A freer may die between its tag and the word that tells of it: a look at all of the span is
 * left out, but for the one of somebody who finds no unit either (lib/pool/block.c closes). */
TEST(an_empty_span_is_closed_whatever_its_value, ALL)
{
    struct box *box = make_box(1, 1);
    pi_block_ref first = take_block(box, PAIR, OWNER), second = take_block(box, PAIR, OWNER);
    assert_int_equal(take_block(box, PAIR, OWNER), 0);
    atomic_store(tag_of(box, first), pi_tag_free(1));
    atomic_store(tag_of(box, second), pi_tag_free(1));
    assert_int_equal(take_block(box, PAIR, OWNER), 0);
    assert_one_unit(box);
    free_box(box);
}

TEST(objects_are_found_and_keep_their_memory, ALL)
{
    struct box *box = make_box(2, 2);
    uint64_t tag;
    pi_block_ref plain = take_block(box, 100, OWNER), ref = take_block(box, 1000, OWNER);
    uint64_t object = pi_tag_sync(PI_SYNC_LOCK, OWNER, 77);
    pi_span_mark(&box->arena, 1);
    pi_span_mark(&box->arena, 1);
    atomic_store(tag_of(box, ref), object);
    assert_int_equal(pi_arena_next(&box->arena, 0, PI_SPAN_HAS_SYNC, &tag), ref);
    assert_int_equal(tag, object);
    assert_int_equal(pi_arena_next(&box->arena, 0, 0, &tag), plain);
    assert_true(pi_arena_free(&box->arena, ref, object, OTHER));
    assert_true(release(box, plain, OWNER));
    assert_int_equal(pi_spans_close(&box->arena, OTHER, 0, UINT32_MAX), 2);
    assert_int_equal(unit_value(box, 0), PI_USED);
    assert_int_equal(unit_value(box, 1), PI_KEPT);
    free_box(box);
}

/* ---- deaths ---- */

TEST(death_of_a_holder, ALL)
{
    struct box *box = make_box(4, 4);
    pi_block_ref mine = take_block(box, PAIR, OWNER), others = take_block(box, PAIR, OTHER);
    atomic_store(tag_of(box, take_block(box, PAIR, OWNER)), pi_tag_attached(1, 1));
    for (uint32_t unit = 0; unit < 4; unit++)
        pi_span_recover(&box->arena, unit, OWNER, PI_OWNER_NONE);
    assert_int_equal(pi_load_seq(tag_of(box, mine)), pi_tag_free(1));
    assert_int_equal(pi_load_seq(tag_of(box, others)), pi_tag_held(OTHER));
    assert_int_equal(pi_load_seq(tag_of(box, mine + 1)), pi_tag_attached(1, 1));
    assert_int_equal(pi_tag_owner(unit_tag(box, 0)), PI_OWNER_PROGRAM);
    assert_int_equal(pi_tag_owner(unit_tag(box, 1)), OTHER);
    assert_int_equal(pi_span_take(&box->arena, PI_CLASSES - 1, PI_OWNER_PROGRAM), mine);
    free_box(box);
}

TEST(death_of_who_took_anywhere, ALL)
{
    struct box *box = make_box(1, 1);
    pi_block_ref first = take_block(box, PAIR, OTHER);
    pi_block_ref second = pi_span_take_any(&box->arena, 3, OWNER);
    assert_int_equal(second, first + 1);
    pi_span_recover(&box->arena, 0, OWNER, PI_OWNER_NONE);
    assert_int_equal(pi_load_seq(tag_of(box, second)), pi_tag_free(1));
    assert_int_equal(unit_value(box, 0), 1);
    assert_int_equal(pi_tag_owner(unit_tag(box, 0)), PI_OWNER_SHARED);
    free_box(box);
}

TEST(a_worker_that_left, ALL)
{
    struct box *box = make_box(1, 1);
    pi_block_ref ref = take_block(box, PAIR, OWNER);
    pi_span_recover(&box->arena, 0, OWNER, PI_OWNER_PROGRAM);
    assert_int_equal(pi_load_seq(tag_of(box, ref)), pi_tag_held(PI_OWNER_PROGRAM));
    assert_int_equal(pi_tag_owner(unit_tag(box, 0)), PI_OWNER_PROGRAM);
    free_box(box);
}

/* After any of its steps. */
TEST(death_of_a_closer, ALL)
{
    for (uint32_t steps = 0; steps <= PI_TAGS >> 5; steps++) {
        struct box *box = make_box(1, 1);
        pi_block_ref ref = take_block(box, 4096, OTHER);
        assert_true(release(box, ref, OTHER));
        atomic_store(&box->arena.units[0].tag, pi_tag_with_closer(unit_tag(box, 0), OWNER + 1));
        for (uint32_t i = 0; i < steps; i++)
            atomic_store(&box->arena.tags[i], 0);
        assert_int_equal(pi_span_take(&box->arena, 5, OTHER), 0);
        assert_int_equal(pi_spans_close(&box->arena, OTHER, 0, UINT32_MAX), 0);
        pi_span_recover(&box->arena, 0, OWNER, PI_OWNER_NONE);
        assert_int_equal(unit_tag(box, 0), pi_tag_span(5, OTHER, 1));
        assert_int_not_equal(pi_span_take(&box->arena, 5, OTHER), 0);
        assert_int_equal(pi_spans_close(&box->arena, OTHER, 0, UINT32_MAX), 0);
        free_box(box);
    }
}

/* A tag that is none, as somebody has scribbled there: it is not taken, nor is its span closed. */
TEST(scribbled_tags, ALL)
{
    struct box *box = make_box(1, 1);
    assert_true(release(box, take_block(box, PAIR, OWNER), OWNER));
    const uint64_t wrong[] = {0, pi_tag_free(0), pi_tag_free(2), UINT64_MAX, pi_tag_inside(0)};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        atomic_store(&box->arena.tags[0], wrong[i]);
        assert_int_equal(pi_spans_close(&box->arena, OTHER, 0, UINT32_MAX), 0);
        assert_int_equal(pi_span_take(&box->arena, PI_CLASSES - 1, OWNER), pi_block_ref_make(0, 1));
        assert_int_equal(pi_span_take(&box->arena, PI_CLASSES - 1, OWNER), 0);
        assert_true(release(box, pi_block_ref_make(0, 1), OWNER));
    }
    free_box(box);
}
