/* ring.c - one ring of the queue: order, limits, laps. */
#include "queue.h"

TEST(begins_empty, ALL)
{
    struct queue queue = make_queue(1, 1);
    bool mark = true;
    assert_empty(&queue);
    assert_int_equal(pi_ring_length(&queue.ring), 0);
    assert_int_equal(pi_ring_at(&queue.ring, 0, &mark), PI_NO_INDEX);
    assert_false(mark);
    free_queue(&queue);
}

TEST(first_in_first_out, ALL)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, 100);
    assert_int_equal(pi_ring_length(&queue.ring), 100);
    assert_popped(&queue, 0, 100);
    assert_empty(&queue);
    assert_int_equal(pi_ring_length(&queue.ring), 0);
    free_queue(&queue);
}

TEST(slots_of_all_sizes, ALL)
{
    const uint32_t slots[] = {0, PI_MAX_SLOTS - 1, 1, 0x800000, 0};
    struct queue queue = make_queue(1, 1);
    for (size_t i = 0; i < COUNT(slots); i++)
        assert_int_equal(push(&queue, slots[i]), PI_PUSHED);
    for (size_t i = 0; i < COUNT(slots); i++)
        assert_int_equal(pop(&queue), slots[i]);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(peek_takes_nothing, ALL)
{
    struct queue queue = make_queue(1, 1);
    uint64_t position = 99;
    assert_pushed(&queue, 5, 7);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pi_ring_peek(&queue.ring, &position), 5);
        assert_int_equal(position, 0);
    }
    assert_popped(&queue, 5, 7);
    free_queue(&queue);
}

/* Two consumers look at the same entry, and both move the head past it. */
TEST(an_entry_is_passed_once, ALL)
{
    struct queue queue = make_queue(1, 1);
    uint64_t position;
    assert_pushed(&queue, 0, 3);
    assert_int_equal(pi_ring_peek(&queue.ring, &position), 0);
    pi_ring_advance(&queue.ring, position);
    pi_ring_advance(&queue.ring, position);
    assert_popped(&queue, 1, 3);
    pi_ring_advance(&queue.ring, position);
    assert_int_equal(pi_ring_length(&queue.ring), 0);
    assert_pushed(&queue, 3, 4);
    assert_popped(&queue, 3, 4);
    free_queue(&queue);
}

TEST(limit_of_entries, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t slot = 0; slot < 3; slot++)
        assert_int_equal(pi_ring_push(&queue.ring, slot, 3), PI_PUSHED);
    assert_int_equal(pi_ring_push(&queue.ring, 3, 3), PI_PUSH_LIMIT);
    assert_int_equal(pi_ring_length(&queue.ring), 3);
    assert_popped(&queue, 0, 1);
    assert_int_equal(pi_ring_push(&queue.ring, 3, 3), PI_PUSHED);
    assert_int_equal(pi_ring_push(&queue.ring, 4, 3), PI_PUSH_LIMIT);
    assert_int_equal(pi_ring_push(&queue.ring, 4, 0), PI_PUSHED);
    assert_popped(&queue, 1, 5);
    assert_empty(&queue);
    free_queue(&queue);
}

/* Several laps, with `depth` entries in the ring all the time. */
static void assert_laps(uint32_t depth)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, depth);
    for (uint32_t slot = 0; slot < 5 * PI_RING_CELLS + 3; slot++) {
        assert_int_equal(pi_ring_length(&queue.ring), depth);
        assert_int_equal(pop(&queue), slot);
        assert_int_equal(push(&queue, slot + depth), PI_PUSHED);
    }
    free_queue(&queue);
}

TEST(order_over_laps, ALL)
{
    assert_laps(1);
    assert_laps(100);
    assert_laps(PI_RING_CELLS - 1);
}

/* One cell is kept for the mark, which leads to the next ring. */
TEST(full_without_a_next_ring, ALL)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, PI_RING_CELLS - 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(push(&queue, 9), PI_PUSH_NO_CELL);
    assert_int_equal(pi_ring_length(&queue.ring), PI_RING_CELLS - 1);
    assert_popped(&queue, 0, 1);
    assert_pushed(&queue, PI_RING_CELLS - 1, PI_RING_CELLS);
    assert_int_equal(push(&queue, 9), PI_PUSH_NO_CELL);
    assert_popped(&queue, 1, PI_RING_CELLS);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(entries_by_position, ALL)
{
    struct queue queue = make_queue(1, 1);
    bool mark = true;
    assert_pushed(&queue, 0, 89);
    assert_popped(&queue, 0, 89);
    assert_pushed(&queue, 89, 600);
    assert_int_equal(pi_ring_at(&queue.ring, 599, &mark), 599);
    assert_false(mark);
    assert_int_equal(pi_ring_at(&queue.ring, 88, &mark), 88);
    assert_int_equal(pi_ring_at(&queue.ring, 600, &mark), PI_NO_INDEX); /* not yet */
    assert_int_equal(pi_ring_at(&queue.ring, 87, &mark), PI_NO_INDEX);  /* overwritten */
    assert_false(mark);
    free_queue(&queue);
}

/* Positions count up for ever; a cell keeps 40 bits of them. */
TEST(positions_beyond_40_bits, ALL)
{
    struct queue queue = make_queue(1, 1);
    uint64_t start = ((uint64_t)1 << 40) - 300;
    atomic_store(&queue.shared->head, start);
    atomic_store(&queue.shared->tail, start);
    for (uint64_t i = 0; i < PI_RING_CELLS; i++) {
        uint64_t last_lap = start - PI_RING_CELLS + i;
        atomic_store(&queue.cells[last_lap % PI_RING_CELLS], cell_for(last_lap, 7));
    }
    assert_empty(&queue);
    for (uint32_t slot = 0; slot < 2000; slot++) {
        assert_pushed(&queue, slot, slot + 1);
        assert_popped(&queue, slot, slot + 1);
    }
    free_queue(&queue);
}
