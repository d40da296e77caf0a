/* memory.c - memory that tasks and the program share, and running out of it. */
#include "support/support.h"

#include <limits.h>
#include <string.h>

static void *allocated(posse_executor *pool, size_t size)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, size, &memory));
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 64, 0);
    return memory;
}

struct span {
    unsigned char *bytes;
    size_t size;
};

/* Checks that every byte is 1, and makes it 2. */
static int bump_task(posse_task *task, const void *arg, size_t size)
{
    struct span span = *(const struct span *)arg;
    for (size_t i = 0; i < span.size; i++) {
        if (span.bytes[i] != 1)
            return WRONG_ARG;
        span.bytes[i] = 2;
    }
    return 0;
}

/* The same address in all processes, and what one writes the other reads. */
POOL_TEST(shared_both_ways, ALL, 2)
{
    static const size_t sizes[] = {1, 63, 64, 65, 100, 4096, 100000, 10000000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct span span = {allocated(pool, sizes[i]), sizes[i]};
        memset(span.bytes, 1, span.size);
        take_error(SUBMIT_VALUE(pool, bump_task, span), POSSE_OK);
        assert_int_equal(span.bytes[0], 2);
        assert_int_equal(span.bytes[span.size - 1], 2);
        assert_ok(posse_free(pool, span.bytes));
    }
}

POOL_TEST(blocks_do_not_overlap, ALL, 1)
{
    enum { BLOCKS = 300 };
    struct span blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t size = i * i % 7001 + 1;
        blocks[i] = (struct span){allocated(pool, size), size};
        memset(blocks[i].bytes, (int)(i % 251), size);
    }
    assert_int_equal(stats_of(pool).memory_blocks, BLOCKS);
    for (size_t i = 0; i < BLOCKS; i++) {
        for (size_t k = 0; k < blocks[i].size; k++)
            assert_int_equal(blocks[i].bytes[k], i % 251);
        assert_ok(posse_free(pool, blocks[i].bytes));
    }
}

static int alloc_task(posse_task *task, const void *arg, size_t size)
{
    long bytes = *(const long *)arg;
    struct span span = {NULL, (size_t)bytes};
    void *memory;
    if (posse_alloc(posse_task_executor(task), span.size, &memory) != POSSE_OK)
        return GAVE_UP;
    span.bytes = memset(memory, 1, span.size);
    return posse_task_return(task, &span, sizeof span) == POSSE_OK ? 0 : GAVE_UP;
}

/* A task allocates, another one works on it, the program frees. */
POOL_TEST(allocated_by_a_task, ALL, 2)
{
    for (long bytes = 1; bytes < 3000000; bytes *= 7) {
        struct span span;
        posse_future future = submitted_long(pool, alloc_task, bytes);
        assert_ok(posse_result_into(future, -1, &span, sizeof span, NULL));
        assert_ok(posse_release(future));
        assert_int_equal(span.size, bytes);
        take_error(SUBMIT_VALUE(pool, bump_task, span), POSSE_OK);
        assert_int_equal(span.bytes[bytes - 1], 2);
        assert_ok(posse_free(pool, span.bytes));
    }
}

static int free_task(posse_task *task, const void *arg, size_t size)
{
    return (int)posse_free(posse_task_executor(task), *(void *const *)arg);
}

POOL_TEST(freed_by_a_task, ALL, 1)
{
    void *memory = allocated(pool, 500);
    take_error(SUBMIT_VALUE(pool, free_task, memory), POSSE_OK);
    assert_status(posse_free(pool, memory), POSSE_INVALID);
    posse_future again = SUBMIT_VALUE(pool, free_task, memory);
    assert_int_equal(take_error(again, POSSE_TASK_FAILED).code, POSSE_INVALID);
}

POOL_TEST(allocation_after_shutdown_is_freed, ALL, 1)
{
    void *memory = allocated(pool, 500);
    assert_ok(posse_shutdown(pool, 0, -1));
    memset(memory, 1, 500);
    assert_ok(posse_free(pool, memory));
}

TEST(wrong_sizes, ALL)
{
    posse_executor *pool = make_pool(1);
    void *memory = &pool;
    assert_status(posse_alloc(pool, 0, &memory), POSSE_INVALID);
    assert_status(posse_alloc(pool, SIZE_MAX, &memory), POSSE_TOO_LARGE);
    assert_status(posse_alloc(pool, SIZE_MAX - 63, &memory), POSSE_TOO_LARGE);
    assert_status(posse_alloc(pool, LONG_MAX, &memory), POSSE_TOO_LARGE);
    assert_status(posse_alloc(pool, 1, NULL), POSSE_INVALID);
    assert_status(posse_alloc(NULL, 1, &memory), POSSE_INVALID);
    assert_null(memory);
    end_pool(pool);
}

/* Whatever posse_alloc did not give is refused, and nothing is freed by it. */
TEST(free_of_other_memory, ALL)
{
    char local[64];
    posse_executor *pool = make_pool(1);
    posse_executor *other = make_pool(1);
    char *block = allocated(pool, 1000);
    char *foreign = allocated(other, 1000);
    assert_ok(posse_free(pool, NULL));
    assert_status(posse_free(pool, local), POSSE_INVALID);
    assert_status(posse_free(pool, pool), POSSE_INVALID);
    assert_status(posse_free(pool, (void *)1), POSSE_INVALID);
    assert_status(posse_free(pool, (void *)UINTPTR_MAX), POSSE_INVALID);
    assert_status(posse_free(pool, block + 1), POSSE_INVALID);
    assert_status(posse_free(pool, block + 64), POSSE_INVALID);
    assert_status(posse_free(pool, block - 64), POSSE_INVALID);
    assert_status(posse_free(pool, foreign), POSSE_INVALID);
    assert_status(posse_free(NULL, block), POSSE_INVALID);
    assert_int_equal(stats_of(pool).memory_blocks, 1);
    assert_ok(posse_free(pool, block));
    assert_status(posse_free(pool, block), POSSE_INVALID);
    assert_ok(posse_free(other, foreign));
    end_pool(other);
    end_pool(pool);
}

/* A result belongs to its future, small or large. */
POOL_TEST(free_of_a_result, ALL, 1)
{
    static const char bytes[9000] = "result";
    static const size_t sizes[] = {10, sizeof bytes};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        posse_future future = submitted(pool, echo_task, bytes, sizes[i]);
        const void *data = NULL;
        assert_ok(posse_result(future, -1, &data, NULL));
        assert_status(posse_free(pool, (void *)(uintptr_t)data), POSSE_INVALID);
        assert_string_equal(data, "result");
        assert_ok(posse_release(future));
    }
}

/* More than there can be: the task is told, goes on, and its earlier result stands. */
static int too_large_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_return(task, "before", 7) != POSSE_OK)
        return GAVE_UP;
    posse_status status = posse_task_return(task, arg, SIZE_MAX / 2);
    if (status != POSSE_TOO_LARGE && status != POSSE_NO_MEMORY)
        return WRONG_ARG;
    if (posse_task_reserve(task, SIZE_MAX) != NULL ||
        posse_task_reserve(task, SIZE_MAX / 2) != NULL)
        return WRONG_ARG;
    return posse_task_return(task, NULL, 8) == POSSE_INVALID ? 0 : WRONG_ARG;
}

POOL_TEST(result_larger_than_memory, ALL, 1)
{
    posse_future future = submitted(pool, too_large_task, "x", 1);
    const void *data = NULL;
    assert_ok(posse_result(future, -1, &data, NULL));
    assert_string_equal(data, "before");
    assert_ok(posse_release(future));
}

POOL_TEST(argument_larger_than_memory, ALL, 1)
{
    posse_future future = {0};
    char byte = 0;
    assert_status(posse_submit(pool, echo_task, &byte, SIZE_MAX, &future), POSSE_TOO_LARGE);
    assert_status(posse_submit(pool, echo_task, &byte, SIZE_MAX / 2, &future), POSSE_TOO_LARGE);
    assert_null(future.executor);
}

/* What was freed is used again: the same work over and over needs no more memory. */
POOL_TEST(memory_is_reused, ALL, 1)
{
    static char bytes[400000];
    for (int i = 0; i < 2000; i++) {
        posse_future future = submitted(pool, echo_task, bytes, sizeof bytes - (size_t)i * 100);
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_ok(posse_release(future));
    }
}
