/* ring_growth.c - the queue grows over several rings, and goes back to the first: marks lead from
 * one to the next. */
#include "queue.h"

#define FIRST (PI_RING_CELLS - 1)      /* entries that ring 0 takes before its mark */
#define SECOND (2 * PI_RING_CELLS - 1) /* and ring 1 */

TEST(order_over_rings, ALL)
{
    struct queue queue = make_queue(4, 4);
    assert_pushed(&queue, 0, 7000);
    assert_popped(&queue, 0, 7000);
    assert_empty(&queue);
    assert_int_equal(atomic_load(&queue.shared->cut[1]), FIRST + 1);
    assert_int_equal(atomic_load(&queue.shared->cut[2]), FIRST + 1 + SECOND + 1);
    free_queue(&queue);
}

TEST(order_while_consumers_are_at_work, ALL)
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

TEST(no_cell_until_the_next_ring_has_memory, ALL)
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

TEST(last_ring_full, ALL)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, FIRST + SECOND);
    assert_int_equal(push(&queue, 9), PI_PUSH_NO_CELL);
    assert_popped(&queue, 0, 1); /* in ring 0, which is not used now */
    assert_int_equal(push(&queue, 9), PI_PUSH_NO_CELL);
    assert_popped(&queue, 1, FIRST + 1);
    assert_pushed(&queue, FIRST + SECOND, FIRST + SECOND + 1);
    assert_popped(&queue, FIRST + 1, FIRST + SECOND + 1);
    assert_empty(&queue);
    free_queue(&queue);
}

/* Once it has grown it stays in the larger ring, whose laps begin at its first position. */
TEST(laps_in_a_larger_ring, ALL)
{
    struct queue queue = make_queue(3, 2);
    assert_pushed(&queue, 0, 1000);
    for (uint32_t slot = 0; slot < 10000; slot++) {
        assert_popped(&queue, slot, slot + 1);
        assert_pushed(&queue, slot + 1000, slot + 1001);
        assert_int_equal(pi_ring_length(&queue.ring), slot < FIRST ? 1001 : 1000);
    }
    for (uint64_t i = 0; i < FIRST; i++)
        assert_int_equal(atomic_load(&queue.cells[i]), cell_for(i, (uint32_t)i));
    free_queue(&queue);
}

/* Each process has its own view; what it remembers is only ever too low. */
TEST(another_process_finds_the_ring, ALL)
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

TEST(a_producer_finds_the_mark, ALL)
{
    struct queue queue = queue_with_a_mark();
    assert_pushed(&queue, FIRST, 900);
    assert_popped(&queue, 0, 900);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(a_consumer_finds_the_mark, ALL)
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

TEST(the_sweep_finds_the_mark, ALL)
{
    struct queue queue = queue_with_a_mark();
    bool mark = false;
    assert_int_equal(pi_ring_at(&queue.ring, FIRST, &mark), PI_NO_INDEX);
    assert_true(mark);
    assert_int_equal(pi_ring_at(&queue.ring, FIRST + 1, &mark), PI_NO_INDEX);
    assert_false(mark);
    assert_pushed(&queue, FIRST, FIRST + 1);
    assert_int_equal(pi_ring_at(&queue.ring, FIRST + 1, &mark), FIRST);
    assert_int_equal(pi_ring_length(&queue.ring), FIRST + 2);
    free_queue(&queue);
}

/* The mark's producer died before the tail, and the consumers have gone on since. */
TEST(tail_behind_the_mark, ALL)
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

/* Pushes entries `from` to `to`, then pops them. */
#define assert_through(queue, from, to) require_through(queue, from, to, __FILE__, __LINE__)
static void require_through(struct queue *queue, uint32_t from, uint32_t to, const char *file,
                            int line)
{
    require_pushed_growing(queue, from, to, file, line);
    require_popped(queue, from, to, file, line);
    _assert_int_equal(pop(queue), PI_NO_INDEX, file, line);
}

static uint32_t rings_with_memory(struct queue *queue)
{
    return pi_ring_backed(&queue->ring).rings;
}

TEST(goes_back_to_the_first_ring, ALL)
{
    struct queue queue = make_queue(4, 1);
    assert_false(pi_ring_shrink(&queue.ring)); /* it is there */
    assert_through(&queue, 0, 3000);
    uint64_t end = atomic_load(&queue.shared->head);
    assert_true(pi_ring_shrink(&queue.ring));
    assert_int_equal(atomic_load(&queue.shared->cut[0]), end + 1);
    assert_int_equal(atomic_load(&queue.shared->head), end + 1);
    assert_int_equal(atomic_load(&queue.shared->tail), end + 1);
    assert_int_equal(pi_ring_length(&queue.ring), 0);
    assert_false(pi_ring_shrink(&queue.ring));
    assert_through(&queue, 0, FIRST);
    assert_int_equal(atomic_load(&queue.cells[(end + 1) % PI_RING_CELLS]), cell_for(end + 1, 0));
    free_queue(&queue);
}

TEST(not_while_an_entry_waits, ALL)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, 1000);
    assert_popped(&queue, 0, 999);
    assert_false(pi_ring_shrink(&queue.ring));
    assert_popped(&queue, 999, 1000);
    assert_true(pi_ring_shrink(&queue.ring));
    free_queue(&queue);
}

TEST(memory_goes_back_when_all_have_left, ALL)
{
    struct queue queue = make_queue(4, 1);
    assert_through(&queue, 0, 1000);
    assert_int_equal(rings_with_memory(&queue), 2);
    assert_false(give_back(&queue)); /* the queue is in ring 1 */
    assert_true(pi_ring_shrink(&queue.ring));
    assert_true(give_back(&queue));
    assert_int_equal(rings_with_memory(&queue), 1);
    assert_false(give_back(&queue));
    assert_through(&queue, 0, 5000);
    assert_int_equal(rings_with_memory(&queue), 4);
    free_queue(&queue);
}

TEST(not_while_the_tail_or_the_end_is_in_another_ring, ALL)
{
    struct queue queue = make_queue(3, 3);
    assert_through(&queue, 0, 1000);
    uint64_t end = atomic_load(&queue.shared->head);
    assert_true(pi_ring_shrink(&queue.ring));
    atomic_store(&queue.shared->tail, end - 3); /* as after a death */
    assert_false(give_back(&queue));
    assert_true(give_back(&queue)); /* it was helped */
    assert_pushed(&queue, 0, FIRST);
    push_and_die(&queue, end + 1 + FIRST, MARK_ENTRY);
    assert_int_equal(rings_with_memory(&queue), 1);
    assert_int_equal(push_growing(&queue, FIRST), PI_PUSHED);
    assert_false(give_back(&queue));
    assert_popped(&queue, 0, FIRST + 1);
    free_queue(&queue);
}

TEST(shrinks_and_grows_many_times, ALL)
{
    struct queue queue = make_queue(5, 1);
    for (uint32_t round = 0; round < 60; round++) {
        assert_through(&queue, round, round + 1 + round * 997 % 9000);
        if (round % 3 != 0)
            (void)pi_ring_shrink(&queue.ring);
        if (round % 2 == 0)
            (void)give_back(&queue);
    }
    free_queue(&queue);
}

/* The cells of a ring that was left and not given back hold what they held. */
TEST(old_cells_are_no_entries, ALL)
{
    struct queue queue = make_queue(3, 3);
    for (uint32_t round = 0; round < 20; round++) {
        assert_through(&queue, 0, 3000);
        assert_true(pi_ring_shrink(&queue.ring));
        assert_through(&queue, 0, 400);
    }
    free_queue(&queue);
}

TEST(another_process_finds_the_first_ring_again, ALL)
{
    struct queue queue = make_queue(4, 4);
    struct queue other = queue;
    pi_ring_init(&other.ring, queue.shared, queue.cells, 4);
    for (uint32_t round = 0; round < 20; round++) {
        assert_pushed(&queue, 0, 2000);
        assert_popped(&other, 0, 2000);
        assert_true(pi_ring_shrink(&queue.ring));
        assert_pushed(&other, 0, 600 * (round % 3));
        assert_popped(&queue, 0, 600 * (round % 3));
    }
    free_queue(&queue);
}

/* Who has backed a ring that was given back since has backed nothing. */
TEST(memory_of_before_does_not_count, ALL)
{
    struct queue queue = make_queue(3, 1);
    struct pi_ring_backing old = pi_ring_backed(&queue.ring), now;
    assert_through(&queue, 0, 600);
    assert_true(pi_ring_shrink(&queue.ring));
    assert_int_equal(pi_ring_leave(&queue.ring), 2);
    now = pi_ring_backed(&queue.ring);
    assert_true(now.giving);
    assert_false(pi_ring_raise(&queue.ring, &now));
    assert_false(pi_ring_raise(&queue.ring, &old));
    assert_int_equal(pi_ring_leave(&queue.ring), 0);
    pi_ring_left(&queue.ring);
    assert_false(pi_ring_raise(&queue.ring, &old));
    assert_false(pi_ring_raise(&queue.ring, &now));
    now = pi_ring_backed(&queue.ring);
    assert_int_equal(now.rings, 1);
    assert_true(pi_ring_raise(&queue.ring, &now));
    assert_int_equal(rings_with_memory(&queue), 2);
    free_queue(&queue);
}

/* A queue that is full but for one cell of ring 0, as the memory of ring 1 is given back. */
static struct queue queue_that_gives(void)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, FIRST);
    assert_int_equal(pi_ring_leave(&queue.ring), 2);
    return queue;
}

TEST(no_ring_gets_memory_meanwhile, ALL)
{
    struct queue queue = queue_that_gives();
    assert_int_equal(push(&queue, FIRST), PI_PUSH_NO_CELL);
    assert_popped(&queue, 0, 1);
    assert_pushed(&queue, FIRST, FIRST + 1); /* ring 0 goes on */
    assert_int_equal(push(&queue, FIRST + 1), PI_PUSH_NO_CELL);
    pi_ring_left(&queue.ring);
    assert_int_equal(push(&queue, FIRST + 1), PI_PUSH_NO_CELL);
    assert_int_equal(push_growing(&queue, FIRST + 1), PI_PUSHED);
    assert_popped(&queue, 1, FIRST + 2);
    assert_empty(&queue);
    free_queue(&queue);
}

/* Its producer saw that ring 1 had memory, and was slow. */
TEST(a_late_mark_is_not_followed_before_there_is_memory, ALL)
{
    struct queue queue = queue_that_gives();
    push_and_die(&queue, FIRST, MARK_ENTRY);
    for (int left = 0; left < 2; left++) {
        bool mark;
        assert_int_equal(push(&queue, FIRST), PI_PUSH_NO_CELL);
        assert_int_equal(pi_ring_at(&queue.ring, FIRST, &mark), PI_NO_INDEX);
        assert_int_equal(atomic_load(&queue.shared->cut[1]), 0);
        pi_ring_left(&queue.ring);
    }
    assert_popped(&queue, 0, FIRST);
    assert_empty(&queue);
    assert_int_equal(atomic_load(&queue.shared->head), FIRST);
    assert_int_equal(push_growing(&queue, FIRST), PI_PUSHED);
    assert_popped(&queue, FIRST, FIRST + 1);
    assert_empty(&queue);
    free_queue(&queue);
}

/* What is behind a mark that was followed is seen, whatever is said of the memory. */
TEST(a_mark_that_was_followed_is_followed, ALL)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, FIRST + 10);
    atomic_store(&queue.shared->backed, pi_monotonic_word(2 | 32)); /* GIVING */
    assert_popped(&queue, 0, FIRST + 10);
    assert_empty(&queue);
    free_queue(&queue);
}
