/* ring_growth.c - the queue grows over several rings: the mark leads from one to the next. */
#include "queue.h"

#define FIRST (PI_RING_CELLS - 1)      /* entries that ring 0 takes before its mark */
#define SECOND (2 * PI_RING_CELLS - 1) /* and ring 1 */

TEST(order_over_rings)
{
    struct queue queue = make_queue(4, 4);
    assert_pushed(&queue, 0, 7000);
    assert_popped(&queue, 0, 7000);
    assert_empty(&queue);
    assert_int_equal(atomic_load(&queue.shared->cut[1]), FIRST + 1);
    assert_int_equal(atomic_load(&queue.shared->cut[2]), FIRST + 1 + SECOND + 1);
    free_queue(&queue);
}

TEST(order_while_consumers_are_at_work)
{
    struct queue queue = make_queue(4, 4);
    for (uint32_t i = 0; i < 3000; i++) {
        assert_pushed(&queue, 2 * i, 2 * i + 2);
        assert_popped(&queue, i, i + 1);
    }
    assert_popped(&queue, 3000, 6000);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(no_cell_until_the_next_ring_has_memory)
{
    struct queue queue = make_queue(3, 0);
    set_backed(&queue, 1);
    assert_pushed(&queue, 0, FIRST);
    assert_int_equal(push(&queue, FIRST), PI_PUSH_NO_CELL);
    set_backed(&queue, 2);
    assert_pushed(&queue, FIRST, FIRST + SECOND);
    assert_int_equal(push(&queue, FIRST + SECOND), PI_PUSH_NO_CELL);
    set_backed(&queue, 3);
    assert_pushed(&queue, FIRST + SECOND, 3000);
    assert_popped(&queue, 0, 3000);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(last_ring_full)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, FIRST + SECOND);
    assert_int_equal(push(&queue, 9), PI_PUSH_NO_CELL);
    assert_popped(&queue, 0, 1); /* in ring 0, which nobody uses again */
    assert_int_equal(push(&queue, 9), PI_PUSH_NO_CELL);
    assert_popped(&queue, 1, FIRST + 1);
    assert_pushed(&queue, FIRST + SECOND, FIRST + SECOND + 1);
    assert_popped(&queue, FIRST + 1, FIRST + SECOND + 1);
    assert_empty(&queue);
    free_queue(&queue);
}

/* Once it has grown it stays in the larger ring, whose laps begin at its first position. */
TEST(laps_in_a_larger_ring)
{
    struct queue queue = make_queue(3, 2);
    assert_pushed(&queue, 0, 1000);
    for (uint32_t slot = 0; slot < 10000; slot++) {
        assert_popped(&queue, slot, slot + 1);
        assert_pushed(&queue, slot + 1000, slot + 1001);
        assert_int_equal(pi_ring_length(&queue.ring), slot < FIRST ? 1001 : 1000);
    }
    for (uint64_t i = 0; i < FIRST; i++) {
        assert_int_equal(atomic_load(&queue.cells[i]), cell_for(i, (uint32_t)i));
    }
    free_queue(&queue);
}

/* Each process has its own view; what it remembers is only ever too low. */
TEST(another_process_finds_the_ring)
{
    struct queue queue = make_queue(4, 4);
    struct queue other = queue;
    pi_ring_init(&other.ring, queue.shared, queue.cells, 4);
    assert_pushed(&queue, 0, 2000);
    assert_popped(&other, 0, 300);
    assert_pushed(&other, 2000, 4000);
    assert_popped(&queue, 300, 600);
    assert_popped(&other, 600, 3999);
    assert_popped(&queue, 3999, 4000);
    assert_empty(&other);
    free_queue(&queue);
}

/* As a producer leaves it that dies right after it has put the mark. */
static struct queue queue_with_a_mark(void)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, FIRST);
    push_and_die(&queue, FIRST, MARK_ENTRY);
    assert_int_equal(atomic_load(&queue.shared->cut[1]), 0);
    return queue;
}

TEST(a_producer_finds_the_mark)
{
    struct queue queue = queue_with_a_mark();
    assert_pushed(&queue, FIRST, 900);
    assert_popped(&queue, 0, 900);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(a_consumer_finds_the_mark)
{
    struct queue queue = queue_with_a_mark();
    assert_popped(&queue, 0, FIRST);
    assert_empty(&queue);
    assert_int_equal(atomic_load(&queue.shared->cut[1]), FIRST + 1);
    assert_pushed(&queue, FIRST, 900);
    assert_popped(&queue, FIRST, 900);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(the_sweep_finds_the_mark)
{
    struct queue queue = queue_with_a_mark();
    bool mark = false;
    assert_int_equal(pi_ring_at(&queue.ring, FIRST, &mark), PI_NONE);
    assert_true(mark);
    assert_int_equal(pi_ring_at(&queue.ring, FIRST + 1, &mark), PI_NONE);
    assert_false(mark);
    assert_pushed(&queue, FIRST, FIRST + 1);
    assert_int_equal(pi_ring_at(&queue.ring, FIRST + 1, &mark), FIRST);
    assert_int_equal(pi_ring_length(&queue.ring), FIRST + 2);
    free_queue(&queue);
}

/* The mark's producer died before the tail, and the consumers have gone on since. */
TEST(tail_behind_the_mark)
{
    struct queue queue = make_queue(3, 3);
    assert_pushed(&queue, 0, FIRST + 20);
    atomic_store(&queue.shared->tail, FIRST - 3);
    assert_popped(&queue, 0, FIRST + 10);
    assert_pushed(&queue, FIRST + 20, 2000);
    assert_popped(&queue, FIRST + 10, 2000);
    assert_empty(&queue);
    free_queue(&queue);
}

int main(int argc, char **argv)
{
    const struct check checks[] = {
        CHECK(order_over_rings, ALL),
        CHECK(order_while_consumers_are_at_work, ALL),
        CHECK(no_cell_until_the_next_ring_has_memory, ALL),
        CHECK(last_ring_full, ALL),
        CHECK(laps_in_a_larger_ring, ALL),
        CHECK(another_process_finds_the_ring, ALL),
        CHECK(a_producer_finds_the_mark, ALL),
        CHECK(a_consumer_finds_the_mark, ALL),
        CHECK(the_sweep_finds_the_mark, ALL),
        CHECK(tail_behind_the_mark, ALL),
    };
    return RUN_CHECKS(argc, argv, checks);
}
