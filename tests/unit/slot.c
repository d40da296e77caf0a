/* slot.c - which caller gets a slot, and which worker runs what is in it. */
#include "table.h"

static void assert_state(struct table *table, uint32_t index, enum pi_state state, unsigned owner)
{
    assert_int_equal(pi_state(word_of(table, index)), state);
    assert_int_equal(pi_owner(word_of(table, index)), owner);
}

static bool is_queued(struct table *table, uint32_t index)
{
    return word_of(table, index) & PI_IN_RING;
}

TEST(acquire_names_the_submitter, ALL)
{
    struct table *table = make_table(256, 256);
    uint64_t word = 0;
    uint32_t index = pi_slots_acquire(&table->slots, SUBMITTER, 130, &word);
    assert_int_equal(index / 64, 130 / 64);
    assert_state(table, index, PI_FILLING, SUBMITTER);
    assert_int_equal(word, word_of(table, index));
    assert_int_equal(pi_generation(word), 0);
    assert_true(pi_bitmap_is_allocated(&table->slots.map, index));
    free_table(table);
}

TEST(acquire_until_the_table_must_grow, ALL)
{
    struct table *table = make_table(128, 64);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(submit(table), i);
    assert_int_equal(submit(table), PI_NO_INDEX);
    open_slots(table, 128);
    for (uint32_t i = 64; i < 128; i++)
        assert_int_equal(submit(table), i);
    assert_int_equal(submit(table), PI_NO_INDEX);
    free_table(table);
}

TEST(count_that_is_too_large, ALL)
{
    struct table *table = make_table(64, 64);
    assert_int_equal(pi_slots_count(&table->slots), 64);
    atomic_store(&table->count, pi_monotonic_word(UINT32_MAX));
    assert_int_equal(pi_slots_count(&table->slots), 64);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(submit(table), i);
    assert_int_equal(submit(table), PI_NO_INDEX);
    free_table(table);
}

/* The map says free, the word says taken: the word decides, and the bit is right from then on. */
TEST(acquire_passes_a_slot_that_only_looks_free, ALL)
{
    struct table *table = make_table(64, 2);
    assert_int_equal(submit(table), 0);
    pi_bitmap_free(&table->slots.map, 0);
    assert_int_equal(submit(table), 1);
    assert_true(pi_bitmap_is_allocated(&table->slots.map, 0));
    pi_bitmap_free(&table->slots.map, 0);
    pi_bitmap_free(&table->slots.map, 1);
    assert_int_equal(submit(table), PI_NO_INDEX);
    assert_state(table, 0, PI_PENDING, PI_OWNER_NONE);
    free_table(table);
}

/* The taker died between the bit and the word: nobody finds the slot until the recovery. */
TEST(acquire_passes_a_slot_that_looks_taken, ALL)
{
    struct table *table = make_table(64, 2);
    assert_int_equal(pi_bitmap_alloc(&table->slots.map, 2, 0), 0);
    assert_int_equal(submit(table), 1);
    assert_int_equal(submit(table), PI_NO_INDEX);
    pi_bitmap_free(&table->slots.map, 0);
    assert_int_equal(submit(table), 0);
    free_table(table);
}

TEST(fill_takes_what_is_free, ALL)
{
    struct pi_filling filling[64];
    struct table *table = make_table(128, 128);
    struct pi_bitmap_bits bits = {1, 0xf0};
    assert_int_equal(pi_slots_fill(&table->slots, &bits, filling), 4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(filling[i].index, 68 + i);
        assert_state(table, 68 + i, PI_FILLING, PI_OWNER_PROGRAM);
        assert_int_equal(filling[i].word, word_of(table, 68 + i));
    }
    bits.bits = 0x1f8;
    assert_int_equal(pi_slots_fill(&table->slots, &bits, filling), 2);
    assert_int_equal(filling[0].index, 67);
    assert_int_equal(filling[1].index, 72);
    bits.bits = 0;
    assert_int_equal(pi_slots_fill(&table->slots, &bits, filling), 0);
    free_table(table);
}

/* Whoever opens the group gives its bits back. */
TEST(fill_leaves_a_closed_group, ALL)
{
    struct pi_filling filling[64];
    struct table *table = make_table(128, 128);
    const struct pi_bitmap_bits bits = {0, 1};
    atomic_store(&table->slots.groups[0], pi_group_make(PI_GROUP_CLOSED, PI_OWNER_NONE, 0));
    assert_int_equal(pi_slots_fill(&table->slots, &bits, filling), 0);
    assert_state(table, 0, PI_FREE, 0);
    free_table(table);
}

TEST(ready_asks_for_a_push, ALL)
{
    struct table *table = make_table(64, 64);
    uint64_t word;
    uint32_t index = pi_slots_acquire(&table->slots, SUBMITTER, 0, &word);
    assert_true(
        pi_slot_publish(slot_at(table, index), word, PI_DETACHED | pi_in_ring(PI_LANE_NORMAL)));
    assert_int_equal(
        word_of(table, index),
        pi_with_state(pi_with_owner(PI_DETACHED | pi_in_ring(PI_LANE_NORMAL), PI_OWNER_NONE),
                      PI_PENDING));
    free_table(table);
}

TEST(take_claims_in_order, ALL)
{
    struct table *table = make_table(64, 64);
    uint64_t word = 0;
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(submit(table), i);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(take(table, WORKER + i, &word), i);
        assert_int_equal(word, word_of(table, i));
        assert_state(table, i, PI_RUNNING, WORKER + i);
        assert_false(is_queued(table, i));
    }
    assert_int_equal(take(table, WORKER, &word), PI_NO_INDEX);
    assert_int_equal(pi_ring_length(&table->queue.ring), 0);
    free_table(table);
}

TEST(claim_out_of_turn, ALL)
{
    struct table *table = make_table(64, 64);
    assert_int_equal(submit(table), 0);
    assert_int_equal(submit(table), 1);
    uint64_t word = word_of(table, 1), ready = word;
    assert_true(pi_slot_claim(slot_at(table, 1), WORKER, &word));
    assert_int_equal(word, word_of(table, 1));
    assert_state(table, 1, PI_RUNNING, WORKER);
    assert_true(is_queued(table, 1)); /* its entry is still there */
    assert_false(pi_slot_claim(slot_at(table, 1), WORKER + 1, &ready));
    assert_int_equal(ready, word);
    assert_false(pi_slot_claim(slot_at(table, 1), WORKER + 1, &ready));
    assert_state(table, 1, PI_RUNNING, WORKER);
    free_table(table);
}

TEST(claim_of_an_earlier_life, ALL)
{
    struct table *table = make_table(64, 1);
    uint64_t run = 0;
    assert_int_equal(submit(table), 0);
    uint64_t old = word_of(table, 0);
    assert_int_equal(take(table, WORKER, &run), 0);
    assert_true(end_task(table, 0, run));
    assert_int_equal(submit(table), 0);
    assert_false(pi_slot_claim(slot_at(table, 0), WORKER, &old));
    assert_state(table, 0, PI_PENDING, PI_OWNER_NONE);
    free_table(table);
}
