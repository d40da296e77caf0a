/* ring_last.c - a process enters its entries one behind the other, without a search for the end
 * (put_behind_last in core/ring.c), and what other processes do meanwhile. */
#include "queue.h"

#define FIRST (PI_RING_CELLS - 1) /* entries that ring 0 takes before its mark */

/* As this process does that remembers its last entry; push() of queue.h forgets it. */
static enum pi_push enter(struct queue *queue, uint32_t slot)
{
    return pi_ring_push(&queue->ring, slot, 0);
}

static void assert_entered(struct queue *queue, uint32_t from, uint32_t to)
{
    for (uint32_t slot = from; slot < to; slot++)
        assert_int_equal(enter(queue, slot), PI_PUSHED);
}

/* Another process, which has the same memory. */
static struct queue other_process(const struct queue *queue)
{
    struct queue other = *queue;
    pi_ring_init(&other.ring, queue->shared, queue->cells, queue->ring.rings);
    return other;
}

TEST(in_order, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t slot = 0; slot < 5 * PI_RING_CELLS; slot++) {
        assert_entered(&queue, slot, slot + 1);
        assert_in_range(slot + 1 - atomic_load(&queue.shared->tail), 0, 7);
        assert_int_equal(pi_ring_length(&queue.ring), 1);
        assert_popped(&queue, slot, slot + 1);
    }
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(others_push_in_between, ALL)
{
    struct queue queue = make_queue(1, 1), other = other_process(&queue);
    for (uint32_t slot = 0; slot < 4000; slot += 4) {
        assert_entered(&queue, slot, slot + 2);
        assert_entered(&other, slot + 2, slot + 4);
        assert_popped(&queue, slot, slot + 4);
    }
    assert_empty(&queue);
    free_queue(&queue);
}

/* While the process stands still, another fills the ring so often that its next cell holds a
 * younger entry: it must not be overwritten. */
static void assert_passed_by(uint32_t entries)
{
    struct queue queue = make_queue(1, 1), other = other_process(&queue);
    assert_entered(&queue, 0, 1);
    for (uint32_t slot = 1; slot < entries; slot++) {
        assert_entered(&other, slot, slot + 1);
        if (slot >= PI_RING_CELLS / 2)
            assert_popped(&queue, slot - PI_RING_CELLS / 2, slot - PI_RING_CELLS / 2 + 1);
    }
    assert_entered(&queue, entries, entries + 3);
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

/* The same after more than half of all positions that a cell can tell apart. */
TEST(passed_by_half_of_all_positions, ALL)
{
    struct queue queue = make_queue(1, 1);
    uint64_t far = ((uint64_t)1 << 39) + PI_RING_CELLS + 2;
    assert_entered(&queue, 0, 2);
    atomic_store(&queue.shared->head, far);
    atomic_store(&queue.shared->tail, far);
    push_and_die(&queue, far, 7);
    assert_entered(&queue, 8, 9);
    assert_popped(&queue, 7, 9);
    assert_empty(&queue);
    free_queue(&queue);
}

/* The mark is put by the process itself, or by another. */
TEST(over_the_rings, ALL)
{
    struct queue queue = make_queue(4, 4), other = other_process(&queue);
    assert_entered(&queue, 0, 3000);
    assert_popped(&queue, 0, 100);
    assert_entered(&other, 3000, 4000);
    assert_entered(&queue, 4000, 5000);
    assert_popped(&queue, 100, 5000);
    assert_empty(&queue);
    free_queue(&queue);
}

/* There is room, though the process has an earlier head. */
TEST(no_cell, ALL)
{
    struct queue queue = make_queue(2, 1);
    assert_entered(&queue, 0, FIRST);
    assert_int_equal(enter(&queue, FIRST), PI_PUSH_NO_CELL);
    assert_int_equal(enter(&queue, FIRST), PI_PUSH_NO_CELL);
    assert_popped(&queue, 0, 2);
    assert_entered(&queue, FIRST, FIRST + 2);
    assert_int_equal(enter(&queue, FIRST + 2), PI_PUSH_NO_CELL);
    set_backed(&queue, 2);
    assert_entered(&queue, FIRST + 2, 900);
    assert_popped(&queue, 2, 900);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(limit, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t slot = 0; slot < 3; slot++)
        assert_int_equal(pi_ring_push(&queue.ring, slot, 3), PI_PUSHED);
    assert_int_equal(pi_ring_push(&queue.ring, 3, 3), PI_PUSH_LIMIT);
    assert_popped(&queue, 0, 1);
    assert_int_equal(pi_ring_push(&queue.ring, 3, 3), PI_PUSHED);
    assert_int_equal(pi_ring_push(&queue.ring, 4, 3), PI_PUSH_LIMIT);
    assert_popped(&queue, 1, 4);
    assert_empty(&queue);
    free_queue(&queue);
}

/* One producer dies after each of its entries, before it moves the tail. */
TEST(another_dies_before_the_tail, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t slot = 0; slot < 4000; slot += 16) {
        assert_entered(&queue, slot, slot + 8);
        for (uint32_t i = 8; i < 16; i++)
            push_and_die(&queue, slot + i, slot + i);
        assert_popped(&queue, slot, slot + 16);
        assert_empty(&queue);
    }
    free_queue(&queue);
}

/* After its last entry all is consumed, and the queue goes back to the first ring. */
static void assert_goes_back(bool memory)
{
    struct queue queue = make_queue(3, 3);
    assert_entered(&queue, 0, 1000);
    assert_popped(&queue, 0, 1000);
    assert_empty(&queue);
    assert_true(pi_ring_shrink(&queue.ring));
    assert_true(!memory || give_back(&queue));
    assert_entered(&queue, 1000, 1100);
    for (uint64_t i = pi_ring_start(1); memory && i < queue.count; i++)
        assert_int_equal(atomic_load(&queue.cells[i]), 0); /* nothing was put there */
    assert_popped(&queue, 1000, 1100);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(shrinks, ALL) { assert_goes_back(false); }

TEST(memory_goes, ALL) { assert_goes_back(true); }

/* A forked child has its parent's memory of the last entry, which gets older. */
TEST(inherited, ALL)
{
    struct queue queue = make_queue(3, 3);
    assert_entered(&queue, 0, 700);
    struct queue child = queue;
    assert_popped(&queue, 0, 700);
    assert_true(pi_ring_shrink(&queue.ring) && give_back(&queue));
    assert_entered(&queue, 700, 750);
    assert_entered(&child, 750, 800);
    assert_entered(&queue, 800, 810);
    assert_popped(&queue, 700, 810);
    assert_empty(&queue);
    free_queue(&queue);
}
