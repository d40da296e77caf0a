/* slot_entries.c - the entries of slots in the ring are hints: stale ones and too many do no harm,
 * and no task is without one. */
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

/* Brings slot 0 to `state` while its entry stays in the ring. */
static struct table *table_with_a_stale_entry(enum pi_state state)
{
    struct table *table = make_table(64, 64);
    assert_int_equal(submit(table), 0);
    assert_int_equal(submit(table), 1);
    uint64_t word = word_of(table, 0);
    if (state == PI_CANCELLED) {
        assert_true(pi_slot_transition(slot_at(table, 0), &word, PI_CANCELLED, 0, 0));
        return table;
    }
    assert_true(pi_slot_claim(slot_at(table, 0), WORKER, &word));
    if (state == PI_FREE)
        assert_true(end_task(table, 0, word));
    return table;
}

TEST(take_passes_stale_entries, ALL)
{
    const enum pi_state states[] = {PI_CANCELLED, PI_RUNNING, PI_FREE};
    for (size_t i = 0; i < COUNT(states); i++) {
        struct table *table = table_with_a_stale_entry(states[i]);
        uint64_t word, before = word_of(table, 0);
        assert_true(is_queued(table, 0));
        assert_int_equal(take(table, WORKER + 1, &word), 1);
        assert_int_equal(word_of(table, 0), before & ~(uint64_t)PI_IN_RING);
        assert_int_equal(take(table, WORKER + 1, &word), PI_NO_INDEX);
        free_table(table);
    }
}

/* A slot is used again while an entry of its earlier life is in the ring: that one serves. */
TEST(ready_with_an_entry_needs_no_push, ALL)
{
    struct table *table = table_with_a_stale_entry(PI_FREE);
    uint64_t word;
    assert_int_equal(pi_slots_acquire(&table->slots, SUBMITTER, 0, &word), 0);
    assert_int_equal(pi_generation(word), 1);
    assert_false(
        pi_slot_publish(slot_at(table, 0), word, PI_CANCEL_REQUESTED | pi_in_ring(PI_LANE_NORMAL)));
    assert_int_equal(word_of(table, 0) & 0x3ff,
                     PI_PENDING | PI_CANCEL_REQUESTED | pi_in_ring(PI_LANE_NORMAL));
    assert_int_equal(pi_ring_length(&table->queue.ring), 2);
    assert_int_equal(take(table, WORKER, &word), 0);
    assert_int_equal(take(table, WORKER, &word), 1);
    free_table(table);
}

/* The entry is passed between the submitter's look at the word and its CAS. */
TEST(ready_when_the_entry_was_just_passed, ALL)
{
    struct table *table = table_with_a_stale_entry(PI_FREE);
    uint64_t fill, word;
    assert_int_equal(pi_slots_acquire(&table->slots, SUBMITTER, 0, &fill), 0);
    assert_int_equal(take(table, WORKER, &word), 1);
    assert_true(pi_slot_publish(slot_at(table, 0), fill, pi_in_ring(PI_LANE_NORMAL)));
    assert_true(is_queued(table, 0));
    assert_int_equal(push(&table->queue, 0), PI_PUSHED);
    assert_int_equal(take(table, WORKER, &word), 0);
    free_table(table);
}

/* No entry of an earlier life serves a task that is withheld, until it is offered. */
TEST(withheld_with_a_stale_entry, ALL)
{
    struct table *table = table_with_a_stale_entry(PI_FREE);
    uint64_t fill, word;
    bool must_push;
    assert_int_equal(pi_slots_acquire(&table->slots, SUBMITTER, 0, &fill), 0);
    pi_slot_withhold(slot_at(table, 0), fill, PI_DETACHED);
    assert_true(is_queued(table, 0));
    assert_state(table, 0, PI_PENDING, PI_OWNER_WITHHELD);
    assert_int_equal(take(table, WORKER, &word), 1); /* past it */
    assert_false(is_queued(table, 0));
    assert_int_equal(take(table, WORKER, &word), PI_NO_INDEX);
    assert_false(pi_slot_offer(slot_at(table, 0), pi_generation(fill) + 1, &must_push));
    assert_true(pi_slot_offer(slot_at(table, 0), pi_generation(fill), &must_push));
    assert_true(must_push);
    assert_state(table, 0, PI_PENDING, PI_OWNER_NONE);
    assert_int_equal(push(&table->queue, 0), PI_PUSHED);
    assert_int_equal(take(table, WORKER, &word), 0);
    assert_true(word & PI_DETACHED);
    free_table(table);
}

/* One that still has such an entry when it is offered needs no other. */
TEST(offered_with_an_entry_needs_no_push, ALL)
{
    struct table *table = table_with_a_stale_entry(PI_FREE);
    uint64_t fill, word;
    bool must_push;
    assert_int_equal(pi_slots_acquire(&table->slots, SUBMITTER, 0, &fill), 0);
    pi_slot_withhold(slot_at(table, 0), fill, 0);
    assert_true(pi_slot_offer(slot_at(table, 0), pi_generation(fill), &must_push));
    assert_false(must_push);
    assert_int_equal(take(table, WORKER, &word), 0);
    free_table(table);
}

/* Claimed by its one worker, or by a task that waits for it: then it is offered no more. */
TEST(withheld_and_claimed, ALL)
{
    struct table *table = make_table(64, 64);
    uint64_t fill, word;
    bool must_push;
    assert_int_equal(pi_slots_acquire(&table->slots, SUBMITTER, 0, &fill), 0);
    pi_slot_withhold(slot_at(table, 0), fill, 0);
    word = word_of(table, 0);
    assert_true(pi_is_withheld(word));
    assert_true(pi_slot_claim(slot_at(table, 0), WORKER, &word));
    assert_state(table, 0, PI_RUNNING, WORKER);
    assert_false(pi_slot_offer(slot_at(table, 0), pi_generation(fill), &must_push));
    free_table(table);
}

TEST(entries_that_name_nothing, ALL)
{
    struct table *table = make_table(64, 10);
    uint64_t word;
    assert_int_equal(push(&table->queue, 10), PI_PUSHED);
    assert_int_equal(push(&table->queue, PI_MAX_SLOTS - 1), PI_PUSHED);
    assert_int_equal(push(&table->queue, 5), PI_PUSHED); /* FREE, never IN_RING */
    assert_int_equal(submit(table), 0);
    assert_int_equal(take(table, WORKER, &word), 0);
    assert_int_equal(take(table, WORKER, &word), PI_NO_INDEX);
    assert_int_equal(word_of(table, 5), PI_FREE);
    free_table(table);
}

/* Pushed again by the supervisor, though it was in the ring: it runs once. */
TEST(duplicate_entries, ALL)
{
    struct table *table = make_table(64, 10);
    uint64_t word;
    assert_int_equal(submit(table), 0);
    assert_int_equal(push(&table->queue, 0), PI_PUSHED);
    assert_int_equal(take(table, WORKER, &word), 0);
    assert_int_equal(take(table, WORKER + 1, &word), PI_NO_INDEX);
    assert_state(table, 0, PI_RUNNING, WORKER);
    free_table(table);
}

/* The worker died after its claim and before the head's CAS. */
TEST(head_behind_a_claimed_entry, ALL)
{
    struct table *table = make_table(64, 10);
    uint64_t word;
    assert_int_equal(submit(table), 0);
    assert_int_equal(submit(table), 1);
    assert_int_equal(take(table, WORKER, &word), 0);
    atomic_store(&table->queue.shared->head, 0);
    assert_int_equal(take(table, WORKER + 1, &word), 1);
    assert_state(table, 0, PI_RUNNING, WORKER);
    free_table(table);
}

/* A task that waits for its own tasks runs them out of turn, again and again: the entries must not
 * pile up while no worker looks at the ring. */
TEST(recursion_leaves_no_more_entries_than_slots, ALL)
{
    struct table *table = make_table(64, 8);
    for (uint32_t i = 0; i < 5000; i++) {
        uint32_t depth = 1 + i % 8;
        for (uint32_t j = 0; j < depth; j++)
            assert_int_equal(submit(table), j);
        for (uint32_t j = depth; j-- > 0;) {
            uint64_t word = word_of(table, j);
            assert_true(pi_slot_claim(slot_at(table, j), WORKER, &word));
            assert_true(end_task(table, j, word));
        }
        assert_true(pi_ring_length(&table->queue.ring) <= 8);
    }
    uint64_t word;
    assert_int_equal(submit(table), 0);
    assert_int_equal(take(table, WORKER, &word), 0);
    free_table(table);
}
