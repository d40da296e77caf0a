/* ring_damage.c - a task gone wild has written into the queue: every call still comes back, with
 * something that it may say, and touches nothing outside. What is left of the order does not count.
 */
#include "queue.h"

#define RINGS 4u
#define HISTORY 3000u /* entries that came and went */
#define WAITING 300u
#define PATIENCE_S 30u /* for a few calls; each may look at 2^24 cells before it gives up */

/* The thread sanitizer makes each call that gives up take seconds, and has nothing to see here. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FEW_PATTERNS
#endif
#elif defined(__SANITIZE_THREAD__)
#define FEW_PATTERNS
#endif

static const uint64_t patterns[] = {
    UINT64_MAX,
    HISTORY + WAITING + 20,
#ifndef FEW_PATTERNS
    0,
    HISTORY,
    (uint64_t)1 << 63,
    0x4141414141414141,
#endif
};

static struct queue make_used_queue(void)
{
    struct queue queue = make_queue(RINGS, RINGS - 1);
    for (uint32_t slot = 0; slot < HISTORY; slot += 10) {
        assert_pushed(&queue, slot, slot + 10);
        assert_popped(&queue, slot, slot + 10);
    }
    assert_pushed(&queue, HISTORY, HISTORY + WAITING);
    return queue;
}

static bool is_entry(uint32_t slot) { return slot == PI_NO_INDEX || slot <= PI_MAX_SLOTS + 16; }

/* In a child. */
static int every_call_returns(void *context)
{
    struct queue *queue = context;
    uint64_t position = 0;
    bool mark;
    time_limit(PATIENCE_S);
    REQUIRE(push(queue, 1) <= PI_PUSH_BROKEN);
    REQUIRE(is_entry(pi_ring_peek(&queue->ring, &position)));
    pi_ring_advance(&queue->ring, position);
    REQUIRE(is_entry(pi_ring_peek(&queue->ring, &position)));
    for (size_t i = 0; i < COUNT(patterns); i++) {
        uint32_t slot = pi_ring_at(&queue->ring, patterns[i], &mark);
        REQUIRE(is_entry(slot));
        REQUIRE(!mark || slot == PI_NO_INDEX);
    }
    (void)pi_ring_length(&queue->ring);
    (void)pi_ring_shrink(&queue->ring);
    (void)give_back(queue);
    REQUIRE(push(queue, 1) <= PI_PUSH_BROKEN);
    return 0;
}

static void assert_survived(struct queue *queue)
{
    time_limit(2 * PATIENCE_S);
    assert_child(every_call_returns, queue);
    free_queue(queue);
}

TEST(head, ALL)
{
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct queue queue = make_used_queue();
        atomic_store(&queue.shared->head, patterns[i]);
        assert_survived(&queue);
    }
}

/* New tasks are not put where nobody looks. */
TEST(a_head_too_far_is_followed, ALL)
{
    struct queue queue = make_used_queue();
    atomic_store(&queue.shared->head, HISTORY + WAITING + 100);
    assert_int_equal(push(&queue, 77), PI_PUSHED);
    assert_int_equal(pop(&queue), 77);
    assert_pushed(&queue, 0, 300);
    assert_popped(&queue, 0, 300);
    free_queue(&queue);
}

TEST(tail, ALL)
{
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct queue queue = make_used_queue();
        atomic_store(&queue.shared->tail, patterns[i]);
        assert_survived(&queue);
    }
}

TEST(cuts, ALL)
{
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct queue queue = make_used_queue();
        atomic_store(&queue.shared->cut[RINGS - 1 - i % 3], patterns[i]);
        assert_survived(&queue);
    }
}

TEST(first_cut, ALL)
{
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct queue queue = make_used_queue();
        atomic_store(&queue.shared->cut[0], patterns[i]);
        assert_survived(&queue);
    }
}

/* Of no word is it believed that more rings have memory than there are. */
TEST(count_of_rings, ALL)
{
    const uint64_t words[] = {UINT32_MAX,
                              UINT64_MAX,
                              RINGS,
                              pi_monotonic_word(RINGS + 1),
                              pi_monotonic_word(31),
                              pi_monotonic_word(UINT32_MAX),
                              pi_monotonic_word(RINGS | 32),
                              pi_monotonic_word(0)};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct queue queue = make_used_queue();
        atomic_store(&queue.shared->backed, words[i]);
        while (push(&queue, 1) == PI_PUSHED) {
        }
        assert_int_equal(atomic_load(&queue.shared->cut[RINGS]), 0);
        assert_survived(&queue);
    }
}

TEST(a_count_that_was_scribbled_is_told, ALL)
{
    struct queue queue = make_queue(2, 1);
    atomic_store(&queue.shared->backed, 2);
    assert_pushed(&queue, 0, PI_RING_CELLS - 1);
    assert_int_equal(push(&queue, 9), PI_PUSH_BROKEN);
    free_queue(&queue);
}

TEST(all_but_the_cells, ALL)
{
    const int bytes[] = {0, 0x41, 0xff};
    for (size_t i = 0; i < COUNT(bytes); i++) {
        struct queue queue = make_used_queue();
        memset((void *)queue.shared, bytes[i], sizeof *queue.shared);
        assert_survived(&queue);
    }
}

TEST(all_cells, ALL)
{
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct queue queue = make_used_queue();
        for (size_t cell = 0; cell < queue.count; cell++)
            atomic_store(&queue.cells[cell], patterns[i]);
        assert_survived(&queue);
    }
}

static _Atomic uint64_t *cell_of(struct queue *queue, uint64_t position)
{
    for (size_t i = 0; i < queue->count; i++)
        if (atomic_load(&queue->cells[i]) >> 24 == position && atomic_load(&queue->cells[i]) != 0)
            return &queue->cells[i];
    fail_msg("there is no entry at that position");
    return NULL;
}

TEST(the_first_cell, ALL)
{
    for (size_t i = 0; i < COUNT(patterns); i++) {
        struct queue queue = make_used_queue();
        atomic_store(cell_of(&queue, atomic_load(&queue.shared->head)), patterns[i]);
        assert_survived(&queue);
    }
}

/* Marks one after another: they lead beyond the last ring, or ring 0 leads to itself. */
TEST(marks_everywhere, ALL)
{
    for (uint32_t mark = DOWN_ENTRY; mark <= MARK_ENTRY; mark++) {
        struct queue queue = make_used_queue();
        uint64_t head = atomic_load(&queue.shared->head);
        for (size_t cell = 0; cell < queue.count; cell++)
            atomic_store(&queue.cells[cell], cell_for(head, mark));
        for (uint64_t i = 0; i < WAITING; i++)
            push_and_die(&queue, head + i, mark);
        assert_survived(&queue);
    }
}

/* Each cell of a ring is a mark of its own position. */
TEST(marks_in_a_row, ALL)
{
    for (uint32_t mark = DOWN_ENTRY; mark <= MARK_ENTRY; mark++) {
        struct queue queue = make_queue(RINGS, RINGS);
        for (uint64_t i = 0; i < PI_RING_CELLS; i++)
            push_and_die(&queue, i, mark);
        assert_survived(&queue);
    }
}

/* The head points behind the last entry, at a cell of a later lap, and the tail at the first of
 * many entries: a call that goes back and forth between them must count its steps together. */
TEST(head_tail_and_a_cell, ALL)
{
    struct queue queue = make_queue(RINGS, RINGS);
    assert_pushed(&queue, 0, 7000);
    uint64_t tail = atomic_load(&queue.shared->cut[3]);
    uint64_t head = 7000 + 100;
    size_t begin = pi_ring_start(3), cells = pi_ring_cells(3);
    atomic_store(&queue.cells[begin + head % cells], cell_for(head + 5 * cells, 1));
    atomic_store(&queue.shared->tail, tail);
    atomic_store(&queue.shared->head, head);
    assert_survived(&queue);
}
