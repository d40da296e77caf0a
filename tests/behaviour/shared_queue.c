/* shared_queue.c - queues that tasks and the program share, as one caller sees them. */
#include "support/objects.h"

#include <string.h>

TEST(first_in_first_out, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 5, sizeof(long));
    long next = 0;
    for (long i = 0; i < 1000; i++) {
        assert_ok(put_long(queue, i, 0));
        for (long value; posse_queue_length(queue) > (size_t)(i % 5); next++) {
            assert_ok(get_long(queue, &value, 0));
            assert_int_equal(value, next);
        }
    }
    end_queue(queue);
}

TEST(sizes, ALL)
{
    enum { LARGEST = 300 };
    unsigned char given[LARGEST + 1];
    unsigned char taken[LARGEST + 1];
    posse_queue queue = make_queue(make_pool(1), 3, LARGEST);
    for (size_t size = 0; size <= LARGEST; size++) {
        size_t got = 12345;
        memset(given, (int)(size % 251 + 1), sizeof given);
        memset(taken, 0, sizeof taken);
        assert_ok(posse_queue_put(queue, size ? given : NULL, size, 0));
        assert_ok(posse_queue_get(queue, size ? taken : NULL, size, &got, 0));
        assert_int_equal(got, size);
        assert_memory_equal(given, taken, size);
        assert_int_equal(taken[size], 0);
    }
    end_queue(queue);
}

TEST(too_large, ALL)
{
    char bytes[16] = "item";
    size_t size = 0;
    posse_queue queue = make_queue(make_pool(1), 2, 8);
    assert_status(posse_queue_put(queue, bytes, 9, 0), POSSE_TOO_LARGE);
    assert_status(posse_queue_put(queue, bytes, SIZE_MAX, 0), POSSE_TOO_LARGE);
    assert_int_equal(posse_queue_length(queue), 0);
    assert_ok(posse_queue_put(queue, bytes, 8, 0));
    assert_status(posse_queue_get(queue, bytes, 7, &size, 0), POSSE_TOO_LARGE);
    assert_int_equal(size, 8);
    assert_status(posse_queue_get(queue, NULL, 0, NULL, -1), POSSE_TOO_LARGE);
    assert_int_equal(posse_queue_length(queue), 1); /* it stays */
    assert_ok(posse_queue_get(queue, bytes, 8, &size, 0));
    assert_string_equal(bytes, "item");
    end_queue(queue);
}

TEST(bad_arguments, ALL)
{
    posse_executor *pool = make_pool(1);
    posse_queue queue = {0};
    char byte = 0;
    assert_status(posse_queue_create(NULL, 1, 1, &queue), POSSE_INVALID);
    assert_status(posse_queue_create(pool, 0, 1, &queue), POSSE_INVALID);
    assert_status(posse_queue_create(pool, 1, 0, &queue), POSSE_INVALID);
    assert_status(posse_queue_create(pool, 1, 1, NULL), POSSE_INVALID);
    assert_status(posse_queue_create(pool, SIZE_MAX, 1, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_create(pool, 1, SIZE_MAX, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_create(pool, SIZE_MAX / 16, 8, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_create(pool, (size_t)1 << 40, 8, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_put(queue, &byte, 1, 0), POSSE_INVALID);
    assert_status(posse_queue_close(queue), POSSE_INVALID);
    assert_int_equal(posse_queue_length(queue), 0);
    assert_int_equal(stats_of(pool).memory_blocks, 0);
    queue = make_queue(pool, 1, 1);
    assert_status(posse_queue_put(queue, NULL, 1, 0), POSSE_INVALID);
    assert_status(posse_queue_put(queue, &byte, 1, -2), POSSE_INVALID);
    assert_status(posse_queue_get(queue, NULL, 1, NULL, 0), POSSE_INVALID);
    assert_status(posse_queue_get(queue, &byte, 1, NULL, -2), POSSE_INVALID);
    assert_status(posse_lock_acquire((posse_lock){pool, queue.id}, 0), POSSE_INVALID);
    end_queue(queue);
}

TEST(empty_and_full_with_timeout, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    long value = 0;
    long start = now_ms();
    assert_status(get_long(queue, &value, 0), POSSE_TIMEOUT);
    assert_status(get_long(queue, &value, 30), POSSE_TIMEOUT);
    assert_ok(put_long(queue, 1, 0));
    assert_status(put_long(queue, 2, 0), POSSE_TIMEOUT);
    assert_status(put_long(queue, 2, 30), POSSE_TIMEOUT);
    assert_in_range(now_ms() - start, 59, PATIENCE_MS);
    assert_ok(get_long(queue, &value, 0));
    assert_int_equal(value, 1);
    end_queue(queue);
}

TEST(closed, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    long value = 0;
    assert_ok(put_long(queue, 1, 0));
    assert_ok(put_long(queue, 2, 0));
    assert_ok(posse_queue_close(queue));
    assert_ok(posse_queue_close(queue));
    assert_status(put_long(queue, 3, -1), POSSE_CLOSED);
    assert_ok(get_long(queue, &value, -1));
    assert_ok(get_long(queue, &value, -1));
    assert_int_equal(value, 2);
    assert_status(get_long(queue, &value, -1), POSSE_CLOSED);
    end_queue(queue);
}

TEST(stale_after_destroy, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    long value = 0;
    assert_ok(put_long(queue, 1, 0));
    assert_ok(posse_queue_destroy(queue));
    posse_queue next = make_queue(queue.executor, 3, sizeof(long)); /* in the same place */
    assert_status(put_long(queue, 1, -1), POSSE_INVALID);
    assert_status(get_long(queue, &value, -1), POSSE_INVALID);
    assert_status(posse_queue_close(queue), POSSE_INVALID);
    assert_status(posse_queue_destroy(queue), POSSE_INVALID);
    assert_int_equal(posse_queue_length(queue), 0);
    end_queue(next);
}

TEST(usable_after_shutdown, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    long value = 0;
    assert_ok(put_long(queue, 1, 0));
    assert_ok(posse_shutdown(queue.executor, 0, -1));
    assert_ok(get_long(queue, &value, -1));
    assert_ok(put_long(queue, 2, -1));
    end_queue(queue);
}

TEST(large, ALL)
{
    enum { ITEM = 100000 };
    static unsigned char bytes[ITEM];
    posse_queue queue = make_queue(make_pool(1), 50, ITEM);
    for (int i = 0; i < 50; i++) {
        memset(bytes, i, ITEM);
        assert_ok(posse_queue_put(queue, bytes, ITEM, 0));
    }
    for (int i = 0; i < 50; i++) {
        assert_ok(posse_queue_get(queue, bytes, ITEM, NULL, 0));
        assert_int_equal(bytes[0], i);
        assert_int_equal(bytes[ITEM - 1], i);
    }
    end_queue(queue);
}

static int use_in_child(void *context)
{
    posse_queue queue = *(posse_queue *)context;
    long value = 0;
    REQUIRE(put_long(queue, 1, 0) == POSSE_WRONG_PROCESS);
    REQUIRE(get_long(queue, &value, 0) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_queue_close(queue) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_queue_length(queue) == 0);
    REQUIRE(posse_queue_destroy(queue) == POSSE_WRONG_PROCESS);
    return 0;
}

TEST(not_in_a_forked_child, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    assert_child(use_in_child, &queue);
    end_queue(queue);
}
