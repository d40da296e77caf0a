/* ring_runs.c - entries that one producer appends one after the other, and what others do
 * meanwhile. */
#include "queue.h"

#define FIRST (PI_RING_CELLS - 1) /* entries that ring 0 takes before its mark */

static enum pi_push append(struct queue *queue, struct pi_ring_run *run, uint32_t slot)
{
    return pi_ring_append(&queue->ring, run, slot, 0);
}

/* Asserts that the slots from `from` to before `to` go in. */
static void assert_appended(struct queue *queue, struct pi_ring_run *run, uint32_t from,
                            uint32_t to)
{
    for (uint32_t slot = from; slot < to; slot++)
        assert_int_equal(append(queue, run, slot), PI_PUSHED);
}

static uint64_t tail_of(struct queue *queue) { return atomic_load(&queue->shared->tail); }

TEST(in_order, ALL)
{
    struct queue queue = make_queue(1, 1);
    struct pi_ring_run run = {0};
    assert_appended(&queue, &run, 0, 100);
    assert_int_equal(tail_of(&queue), 0); /* until the end */
    assert_int_equal(pi_ring_length(&queue.ring), 100);
    pi_ring_end_run(&queue.ring, &run);
    assert_int_equal(tail_of(&queue), 100);
    pi_ring_end_run(&queue.ring, &run); /* nothing is left to do */
    assert_int_equal(tail_of(&queue), 100);
    assert_appended(&queue, &run, 100, 200);
    pi_ring_end_run(&queue.ring, &run);
    assert_int_equal(tail_of(&queue), 200);
    assert_popped(&queue, 0, 200);
    assert_empty(&queue);
    free_queue(&queue);
}

/* A short run leaves the tail to others, as a single push does. */
TEST(a_short_run_moves_no_tail, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t slot = 0; slot < 3000; slot++) {
        struct pi_ring_run run = {0};
        assert_appended(&queue, &run, slot, slot + 1);
        pi_ring_end_run(&queue.ring, &run);
        assert_in_range(slot + 1 - tail_of(&queue), 0, 7);
        assert_popped(&queue, slot, slot + 1);
    }
    free_queue(&queue);
}

TEST(laps_in_one_run, ALL)
{
    struct queue queue = make_queue(1, 1);
    struct pi_ring_run run = {0};
    for (uint32_t slot = 0; slot < 5 * PI_RING_CELLS; slot++) {
        assert_appended(&queue, &run, slot, slot + 1);
        assert_popped(&queue, slot, slot + 1);
    }
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(others_push_in_between, ALL)
{
    struct queue queue = make_queue(1, 1);
    struct pi_ring_run run = {0};
    for (uint32_t slot = 0; slot < 4000; slot += 4) {
        assert_appended(&queue, &run, slot, slot + 2);
        assert_pushed(&queue, slot + 2, slot + 4);
        assert_popped(&queue, slot, slot + 4);
    }
    assert_empty(&queue);
    free_queue(&queue);
}

/* While the producer stands still, others fill the ring so often that its next cell holds a
 * younger entry: it must not be overwritten. */
static void assert_passed_by(uint32_t entries)
{
    struct queue queue = make_queue(1, 1);
    struct pi_ring_run run = {0};
    assert_appended(&queue, &run, 0, 1);
    for (uint32_t slot = 1; slot < entries; slot++) {
        assert_pushed(&queue, slot, slot + 1);
        if (slot >= PI_RING_CELLS / 2)
            assert_popped(&queue, slot - PI_RING_CELLS / 2, slot - PI_RING_CELLS / 2 + 1);
    }
    assert_appended(&queue, &run, entries, entries + 3);
    pi_ring_end_run(&queue.ring, &run);
    assert_popped(&queue, entries - PI_RING_CELLS / 2, entries + 3);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(passed_by_a_lap, ALL)
{
    assert_passed_by(PI_RING_CELLS - 1);
    assert_passed_by(PI_RING_CELLS);
    assert_passed_by(PI_RING_CELLS + 1);
    assert_passed_by(3 * PI_RING_CELLS);
}

/* The mark is put by the run itself, or by others. */
TEST(over_the_rings, ALL)
{
    struct queue queue = make_queue(4, 4);
    struct pi_ring_run run = {0};
    assert_appended(&queue, &run, 0, 3000);
    assert_popped(&queue, 0, 100);
    assert_pushed(&queue, 3000, 4000);
    assert_appended(&queue, &run, 4000, 5000);
    pi_ring_end_run(&queue.ring, &run);
    assert_popped(&queue, 100, 5000);
    assert_empty(&queue);
    free_queue(&queue);
}

/* The caller makes memory, and the run goes on. */
TEST(no_cell_in_a_run, ALL)
{
    struct queue queue = make_queue(2, 1);
    struct pi_ring_run run = {0};
    assert_appended(&queue, &run, 0, FIRST);
    assert_int_equal(append(&queue, &run, FIRST), PI_PUSH_NO_CELL);
    assert_int_equal(append(&queue, &run, FIRST), PI_PUSH_NO_CELL);
    assert_popped(&queue, 0, 2); /* there is room now, though the run has an old head */
    assert_appended(&queue, &run, FIRST, FIRST + 2);
    assert_int_equal(append(&queue, &run, FIRST + 2), PI_PUSH_NO_CELL);
    set_backed(&queue, 2);
    assert_appended(&queue, &run, FIRST + 2, 900);
    pi_ring_end_run(&queue.ring, &run);
    assert_popped(&queue, 2, 900);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(limit_in_a_run, ALL)
{
    struct queue queue = make_queue(1, 1);
    struct pi_ring_run run = {0};
    for (uint32_t slot = 0; slot < 3; slot++)
        assert_int_equal(pi_ring_append(&queue.ring, &run, slot, 3), PI_PUSHED);
    assert_int_equal(pi_ring_append(&queue.ring, &run, 3, 3), PI_PUSH_LIMIT);
    assert_popped(&queue, 0, 1);
    assert_int_equal(pi_ring_append(&queue.ring, &run, 3, 3), PI_PUSHED);
    assert_int_equal(pi_ring_append(&queue.ring, &run, 4, 3), PI_PUSH_LIMIT);
    assert_popped(&queue, 1, 4);
    assert_empty(&queue);
    free_queue(&queue);
}

/* The producer dies before the end of its run: the next one walks over what it has left. */
TEST(dies_in_a_run, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t slot = 0; slot < 4000; slot += 80) {
        struct pi_ring_run run = {0};
        assert_appended(&queue, &run, slot, slot + 64);
        assert_popped(&queue, slot, slot + 10);
        assert_pushed(&queue, slot + 64, slot + 80);
        assert_popped(&queue, slot + 10, slot + 80);
        assert_empty(&queue);
    }
    free_queue(&queue);
}

/* In the midst of a run all is consumed, and the queue goes back to the first ring. */
static void assert_goes_back(bool memory)
{
    struct queue queue = make_queue(3, 3);
    struct pi_ring_run run = {0};
    assert_appended(&queue, &run, 0, 1000);
    assert_popped(&queue, 0, 1000);
    assert_empty(&queue);
    assert_true(pi_ring_shrink(&queue.ring));
    assert_true(!memory || give_back(&queue));
    assert_appended(&queue, &run, 1000, 1100);
    pi_ring_end_run(&queue.ring, &run);
    assert_popped(&queue, 1000, 1100);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(shrinks_in_a_run, ALL) { assert_goes_back(false); }

TEST(memory_goes_in_a_run, ALL) { assert_goes_back(true); }
