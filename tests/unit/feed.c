/* feed.c - what a task tells: pairs of numbers, and the ring of its messages, also when a task has
 * overwritten them. */
#include "core/arena.h"
#include "core/feed.h"
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#define WORDS 16

struct box {
    struct pi_feed feed;
    _Atomic uint64_t words[WORDS];
};

static struct pi_messages ring_of(struct box *box, uint32_t stamp)
{
    memset(box, 0, sizeof *box);
    pi_feed_init(&box->feed, stamp);
    return (struct pi_messages){&box->feed, box->words, WORDS};
}

static void assert_pair(struct box *box, uint64_t done, uint64_t total)
{
    uint64_t numbers[2];
    assert_true(pi_feed_get(&box->feed, &numbers[0], &numbers[1]));
    assert_int_equal(numbers[0], done);
    assert_int_equal(numbers[1], total);
}

TEST(pairs, ALL)
{
    struct box box;
    (void)ring_of(&box, 7);
    assert_pair(&box, 0, 0);
    for (uint64_t i = 0; i < 20; i++) {
        pi_feed_set(&box.feed, i, i / 3);
        assert_pair(&box, i, i / 3);
    }
    assert_int_equal(box.feed.turn, 6);
}

static bool put(const struct pi_messages *ring, size_t size)
{
    char bytes[8 * WORDS];
    memset(bytes, (int)size, sizeof bytes);
    return pi_messages_put(ring, bytes, size);
}

static void assert_next(const struct pi_messages *ring, size_t size)
{
    struct pi_message message;
    char bytes[8 * WORDS] = {0}, expected[8 * WORDS] = {0};
    assert_int_equal(pi_messages_peek(ring, &message), PI_PEEK_FOUND);
    assert_int_equal(message.size, size);
    pi_messages_copy(ring, &message, bytes);
    memset(expected, (int)size, size);
    assert_memory_equal(bytes, expected, sizeof bytes);
    assert_true(pi_messages_take(ring, &message));
    assert_false(pi_messages_take(ring, &message));
}

static void assert_empty(const struct pi_messages *ring)
{
    struct pi_message message;
    assert_int_equal(pi_messages_peek(ring, &message), PI_PEEK_EMPTY);
}

/* Also where the positions begin anew. */
TEST(messages, ALL)
{
    static const uint64_t starts[] = {0, ((uint64_t)1 << PI_STAMP_SHIFT) - 20};
    for (size_t i = 0; i < COUNT(starts); i++) {
        struct box box;
        struct pi_messages ring = ring_of(&box, PI_SERIAL_MASK);
        atomic_store(&box.feed.tail, starts[i]);
        atomic_store(&box.feed.head, atomic_load(&box.feed.head) | starts[i]);
        assert_empty(&ring);
        for (size_t size = 0; size <= 8 * (WORDS - 1); size++) {
            assert_true(put(&ring, size));
            assert_next(&ring, size);
            assert_empty(&ring);
        }
        assert_false(put(&ring, 8 * (WORDS - 1) + 1));
        for (size_t k = 1; k <= WORDS / 2; k++)
            assert_true(put(&ring, k));
        assert_false(put(&ring, 0));
        for (size_t k = 1; k <= WORDS / 2; k++)
            assert_next(&ring, k);
        assert_empty(&ring);
        assert_true(pi_stamped(box.feed.head, PI_SERIAL_MASK));
    }
}

/* A reader comes late: the block is of another life by now. */
TEST(another_life, ALL)
{
    struct box box;
    struct pi_message message;
    struct pi_messages ring = ring_of(&box, 7);
    assert_true(put(&ring, 5));
    assert_int_equal(pi_messages_peek(&ring, &message), PI_PEEK_FOUND);
    ring = ring_of(&box, 8);
    assert_true(put(&ring, 5));
    assert_false(pi_messages_take(&ring, &message));
    assert_next(&ring, 5);
}

/* Whatever stands there, no look reads or writes beyond the ring, and each comes to an end. */
TEST(overwritten, ALL)
{
    struct box *box = malloc(sizeof *box); /* a sanitizer sees what is beyond it */
    char *bytes = malloc(8 * WORDS);
    assert_non_null(box);
    assert_non_null(bytes);
    uint64_t done, total;
    srand48((long)test_seed(1000000));
    for (long i = 0; i < in_long_run(20000, 2000000); i++) {
        struct pi_messages ring = ring_of(box, 7);
        struct pi_message message;
        uint64_t *words = (uint64_t *)(void *)box;
        for (size_t k = 0; k < sizeof *box / sizeof *words; k++)
            if (lrand48() % 3)
                words[k] = lrand48() % 2 ? (uint64_t)(mrand48() * mrand48())
                                         : (uint64_t)(lrand48() % (9 * WORDS));
        if (pi_messages_peek(&ring, &message) == PI_PEEK_FOUND) {
            assert_true(message.size <= 8 * (WORDS - 1));
            pi_messages_copy(&ring, &message, bytes);
            assert_true(pi_messages_take(&ring, &message));
        }
        (void)put(&ring, (size_t)(lrand48() % (8 * WORDS)));
        (void)pi_feed_get(&box->feed, &done, &total);
    }
    free(bytes);
    free(box);
}
