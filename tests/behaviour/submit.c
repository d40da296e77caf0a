/* submit.c - what goes in: functions, arguments, jobs, tasks that nobody observes. */
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

POOL_TEST(E01_submit, ALL, 2)
{
    assert_int_equal(take_long(submitted_long(pool, square_task, 16)), 256);
}

static unsigned char byte_at(size_t i, size_t size)
{
    return (unsigned char)(i * 31 + i / 251 + size);
}

static unsigned char *make_bytes(size_t size)
{
    unsigned char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = byte_at(i, size);
    return bytes;
}

/* Sizes around those where an argument or a result changes its place: in the slot, or in blocks
 * of some class. */
static const size_t sizes[] = {1,    7,    8,    31,    32,    40,    47,    48,      63,
                               64,   65,   96,   127,   128,   129,   255,   256,     1000,
                               4095, 4096, 4097, 65535, 65536, 65537, 99999, 1 << 20, 3000001};

POOL_TEST(E02_bytes_arrive_unchanged, ALL, 1)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned char *bytes = make_bytes(sizes[i]);
        posse_future future = submitted(pool, echo_task, bytes, sizes[i]);
        const void *data = NULL;
        size_t size = 0;
        assert_ok(posse_result(future, -1, &data, &size));
        assert_int_equal(size, sizes[i]);
        assert_memory_equal(data, bytes, size);
        assert_ok(posse_release(future));
        free(bytes);
    }
}

POOL_TEST(E02_no_function, ALL, 1)
{
    posse_future future = {0};
    long arg = 1;
    assert_status(posse_submit(pool, NULL, &arg, sizeof arg, &future), POSSE_INVALID);
    posse_job job = {.struct_size = sizeof job};
    assert_status(posse_submit_with(pool, &job, &future), POSSE_INVALID);
    assert_null(future.executor);
}

/* 0 if there is no argument, as there should be. */
static int null_task(posse_task *task, const void *arg, size_t size)
{
    return arg == NULL && size == 0 ? 0 : WRONG_ARG;
}

POOL_TEST(no_argument, ALL, 1)
{
    long unused = 0;
    take_error(submitted(pool, null_task, NULL, 0), POSSE_OK);
    take_error(submitted(pool, null_task, &unused, 0), POSSE_OK);
}

static int aligned_task(posse_task *task, const void *arg, size_t size)
{
    return (uintptr_t)arg % _Alignof(max_align_t) == 0 ? 0 : WRONG_ARG;
}

POOL_TEST(argument_is_aligned, ALL, 1)
{
    for (size_t i = 0; i < COUNT(sizes); i++) {
        unsigned char *bytes = make_bytes(sizes[i]);
        take_error(submitted(pool, aligned_task, bytes, sizes[i]), POSSE_OK);
        free(bytes);
    }
}

/* What the caller does to its argument after submit does not reach the task. */
POOL_TEST(argument_is_copied, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    long small = 5;
    unsigned char *large = make_bytes(10000);
    posse_future futures[2] = {SUBMIT_VALUE(pool, square_task, small),
                               submitted(pool, echo_task, large, 10000)};
    small = 6;
    memset(large, 0, 10000);
    open_gate(gate);
    assert_int_equal(take_long(futures[0]), 25);
    const unsigned char *data = NULL;
    assert_ok(posse_result(futures[1], -1, (const void **)&data, NULL));
    assert_int_equal(data[9999], byte_at(9999, 10000));
    assert_ok(posse_release(futures[1]));
    take_long(held);
    free(large);
    free_gate(pool, gate);
}

POOL_TEST(unobserved, ALL, 2)
{
    _Atomic long *counter = make_counter(pool);
    for (int i = 0; i < 1000; i++)
        assert_ok(posse_submit(pool, count_task, &counter, sizeof counter, NULL));
    assert_eventually(atomic_load(counter) == 1000);
    assert_ok(posse_free(pool, (void *)counter));
}

/* Arguments leave the shared memory with their task, also when nobody looks at it. */
POOL_TEST(E18_no_stale_references, ALL, 2)
{
    unsigned char *bytes = make_bytes(100000);
    for (int i = 0; i < 20; i++)
        assert_ok(posse_submit(pool, echo_task, bytes, 100000, NULL));
    posse_stats stats;
    assert_eventually((stats = stats_of(pool)).done == 20 && stats.memory_blocks == 0);
    assert_eventually(stats_of(pool).futures == 0);
    free(bytes);
}

/* The argument is freed after the task, without waiting for the next one or for release. */
POOL_TEST(P08_argument_is_freed, ALL, 1)
{
    unsigned char *bytes = make_bytes(100000);
    posse_future future = submitted(pool, aligned_task, bytes, 100000);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_eventually(stats_of(pool).memory_blocks == 0);
    assert_ok(posse_release(future));
    free(bytes);
}

POOL_TEST(job_defaults, ALL, 1)
{
    long value = 12;
    posse_job job = {.fn = square_task, .arg = &value, .size = sizeof value};
    assert_int_equal(take_long(submitted_job(pool, job)), 144);
    job.struct_size = sizeof job;
    assert_ok(posse_submit_with(pool, &job, NULL));
    assert_eventually(stats_of(pool).done == 2);
}

static void assert_named(posse_executor *pool, const char *name, const char *expected)
{
    posse_error error =
        take_error(submitted_job(pool, (posse_job){.fn = null_task, .name = name}), POSSE_OK);
    assert_string_equal(error.name, expected);
}

POOL_TEST(job_name, ALL, 1)
{
    char buffer[] = "changed later";
    assert_named(pool, NULL, "");
    assert_named(pool, "", "");
    assert_named(pool, "a page", "a page");
    assert_named(pool, "0123456789012345678901234567890", "0123456789012345678901234567890");
    assert_named(pool, "01234567890123456789012345678901", "0123456789012345678901234567890");
    posse_future future = submitted_job(pool, (posse_job){.fn = null_task, .name = buffer});
    buffer[0] = 'C';
    assert_string_equal(take_error(future, POSSE_OK).name, "changed later");
}

/* Limits that are never reached change nothing. */
POOL_TEST(job_with_large_limits, ALL, 1)
{
    long value = 3;
    posse_job job = {.fn = square_task,
                     .arg = &value,
                     .size = sizeof value,
                     .timeout_ms = UINT32_MAX,
                     .queue_timeout_ms = INTPTR_MAX,
                     .retries = 255,
                     .flags = POSSE_NO_WAIT};
    assert_int_equal(take_long(submitted_job(pool, job)), 9);
    job.retries = -1;
    assert_int_equal(take_long(submitted_job(pool, job)), 9);
}

POOL_TEST(first_attempt, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, attempt_task, NULL, 0)), 1);
}
