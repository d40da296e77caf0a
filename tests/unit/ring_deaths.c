/* ring_deaths.c - the queue after the deaths of those who used it: nobody waits for them, and no
 * entry is lost or out of order. */
#include "queue.h"

TEST(producer_died_before_the_tail, ALL)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, 3);
    push_and_die(&queue, 3, 3);
    assert_pushed(&queue, 4, 6);
    assert_int_equal(pi_ring_length(&queue.ring), 6);
    assert_popped(&queue, 0, 6);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(the_only_entry_is_of_a_dead_producer, ALL)
{
    struct queue queue = make_queue(1, 1);
    push_and_die(&queue, 0, 8);
    assert_int_equal(pi_ring_length(&queue.ring), 1);
    assert_popped(&queue, 8, 9);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(many_producers_died, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t i = 0; i < 40; i++)
        push_and_die(&queue, i, i);
    assert_pushed(&queue, 40, 41);
    assert_true(atomic_load(&queue.shared->tail) > 32); /* the living help it on */
    assert_pushed(&queue, 41, 300);
    assert_popped(&queue, 0, 300);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(producers_die_on_every_lap, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t i = 0; i < 2000; i += 2) {
        assert_pushed(&queue, i, i + 1);
        push_and_die(&queue, i + 1, i + 1);
        assert_popped(&queue, i, i + 2);
        assert_empty(&queue);
    }
    free_queue(&queue);
}

TEST(tail_far_behind, ALL)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, 200);
    atomic_store(&queue.shared->tail, 0);
    assert_int_equal(pi_ring_length(&queue.ring), 200);
    assert_pushed(&queue, 200, 300);
    assert_popped(&queue, 0, 300);
    assert_empty(&queue);
    free_queue(&queue);
}

TEST(tail_behind_the_head, ALL)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, 200);
    assert_popped(&queue, 0, 200);
    atomic_store(&queue.shared->tail, 150);
    assert_int_equal(pi_ring_length(&queue.ring), 0);
    assert_pushed(&queue, 200, 300);
    assert_int_equal(pi_ring_length(&queue.ring), 100);
    assert_popped(&queue, 200, 300);
    assert_empty(&queue);
    free_queue(&queue);
}

/* A tail that lags must not make the limit, or a full ring, look further away than it is. */
TEST(limit_with_a_tail_behind, ALL)
{
    struct queue queue = make_queue(1, 1);
    assert_pushed(&queue, 0, 10);
    atomic_store(&queue.shared->tail, 4);
    assert_int_equal(pi_ring_push(&queue.ring, 10, 10), PI_PUSH_LIMIT);
    assert_int_equal(pi_ring_push(&queue.ring, 10, 11), PI_PUSHED);
    assert_pushed(&queue, 11, PI_RING_CELLS - 1);
    atomic_store(&queue.shared->tail, PI_RING_CELLS - 7);
    assert_int_equal(push(&queue, 999), PI_PUSH_NO_CELL);
    free_queue(&queue);
}

/* It has looked, and perhaps claimed the task, and is gone: the next one sees the same entry. */
TEST(consumer_died_before_the_head, ALL)
{
    struct queue queue = make_queue(1, 1);
    uint64_t position;
    assert_pushed(&queue, 0, 3);
    assert_int_equal(pi_ring_peek(&queue.ring, &position), 0);
    assert_popped(&queue, 0, 3);
    assert_empty(&queue);
    free_queue(&queue);
}

/* A producer that slept for a lap: what it expects in the cell is long gone. */
TEST(an_old_producer_changes_nothing, ALL)
{
    struct queue queue = make_queue(1, 1);
    for (uint32_t i = 0; i < 600; i++) {
        assert_pushed(&queue, i, i + 1);
        assert_popped(&queue, i, i + 1);
    }
    uint64_t never_used = 0;
    assert_false(pi_cas_seq(&queue.cells[0], &never_used, cell_for(0, 77)));
    assert_empty(&queue);
    free_queue(&queue);
}

/* ---- the mark that leads back to ring 0 ---- */

#define LONG 700u /* entries: more than ring 0 has cells */

/* As the supervisor leaves a queue when it dies right after it has put the mark. */
static struct queue queue_with_a_mark_down(uint64_t *mark)
{
    struct queue queue = make_queue(2, 2);
    assert_pushed(&queue, 0, LONG);
    assert_popped(&queue, 0, LONG);
    *mark = atomic_load(&queue.shared->head);
    atomic_store(&queue.cells[pi_ring_start(1) + *mark % pi_ring_cells(1)],
                 cell_for(*mark, DOWN_ENTRY));
    return queue;
}

/* Ring 1, where the mark is, is used again. */
static void assert_goes_on(struct queue *queue)
{
    assert_pushed_growing(queue, 0, LONG);
    assert_popped(queue, 0, LONG);
    assert_empty(queue);
    assert_true(pi_ring_shrink(&queue->ring));
    assert_true(give_back(queue));
    free_queue(queue);
}

TEST(died_after_the_mark_down, ALL)
{
    uint64_t mark;
    struct queue queue = queue_with_a_mark_down(&mark);
    assert_goes_on(&queue);
}

TEST(died_after_its_cut, ALL)
{
    uint64_t mark;
    struct queue queue = queue_with_a_mark_down(&mark);
    atomic_store(&queue.shared->cut[0], mark + 1);
    assert_goes_on(&queue);
}

TEST(died_after_its_head, ALL)
{
    uint64_t mark;
    struct queue queue = queue_with_a_mark_down(&mark);
    atomic_store(&queue.shared->cut[0], mark + 1);
    atomic_store(&queue.shared->head, mark + 1);
    assert_goes_on(&queue);
}

TEST(a_consumer_finds_the_mark_down, ALL)
{
    uint64_t mark;
    struct queue queue = queue_with_a_mark_down(&mark);
    assert_empty(&queue);
    assert_int_equal(atomic_load(&queue.shared->head), mark + 1);
    assert_int_equal(atomic_load(&queue.shared->cut[0]), mark + 1);
    assert_goes_on(&queue);
}

TEST(memory_goes_back_after_the_death, ALL)
{
    uint64_t mark;
    struct queue queue = queue_with_a_mark_down(&mark);
    for (int round = 0; round < 2; round++) /* the head, the tail */
        assert_false(give_back(&queue));
    assert_true(give_back(&queue));
    assert_goes_on(&queue);
}

/* ---- late ones, in a ring that was left and given back ---- */

static struct queue queue_that_gave(uint64_t *end)
{
    struct queue queue = make_queue(3, 2);
    assert_pushed(&queue, 0, LONG);
    *end = atomic_load(&queue.shared->tail);
    assert_popped(&queue, 0, LONG);
    assert_true(pi_ring_shrink(&queue.ring));
    assert_true(give_back(&queue));
    return queue;
}

/* All entries are as if nothing else was there, in ring 0, ring 1 and ring 2. */
static void assert_not_seen(struct queue *queue)
{
    assert_pushed_growing(queue, 0, 2000);
    assert_popped(queue, 0, 2000);
    assert_empty(queue);
    assert_true(pi_ring_shrink(&queue->ring));
    assert_true(give_back(queue));
    assert_pushed(queue, 0, 100);
    assert_popped(queue, 0, 100);
    free_queue(queue);
}

TEST(a_late_entry_counts_for_nothing, ALL)
{
    uint64_t end;
    struct queue queue = queue_that_gave(&end);
    for (uint64_t at = end - 100; at <= end; at++)
        atomic_store(&queue.cells[pi_ring_start(1) + at % pi_ring_cells(1)], cell_for(at, 77));
    assert_empty(&queue);
    assert_not_seen(&queue);
}

/* The last place is that of the mark DOWN, and the next position is the first of ring 0. */
TEST(a_walk_over_late_cells_counts_for_nothing, ALL)
{
    const uint32_t entries[] = {77, DOWN_ENTRY, MARK_ENTRY};
    for (size_t i = 0; i < COUNT(entries); i++) {
        for (uint64_t back = 1; back < 4; back++) {
            uint64_t end;
            bool mark;
            struct queue queue = queue_that_gave(&end);
            uint64_t head = atomic_load(&queue.shared->head), at = head - back;
            atomic_store(&queue.cells[pi_ring_start(1) + at % pi_ring_cells(1)],
                         cell_for(at, entries[i]));
            atomic_store(&queue.shared->tail, at);
            atomic_store(&queue.ring.hint, 1); /* as a producer that has slept has it */
            assert_int_equal(push_growing(&queue, 0), PI_PUSHED);
            (void)pi_ring_at(&queue.ring, at, &mark);
            assert_int_equal(atomic_load(&queue.shared->cut[0]), head);
            assert_pushed(&queue, 1, 10);
            assert_popped(&queue, 0, 10);
            assert_not_seen(&queue);
        }
    }
}
