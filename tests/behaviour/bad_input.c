/* bad_input.c - what no program should do: each gives a clear status and changes nothing. */
#include "support/support.h"

#include <limits.h>
#include <string.h>

/* ---- every call that takes a future ---- */

static posse_status into_call(posse_future future)
{
    char buffer[8];
    return posse_result_into(future, -1, buffer, sizeof buffer, NULL);
}

static posse_status result_call(posse_future future)
{
    return posse_result(future, -1, NULL, NULL);
}

static posse_status exception_call(posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    return posse_exception(future, -1, &error);
}

static void assert_invalid(posse_future future)
{
    static posse_status (*const calls[])(posse_future) = {result_call,  into_call,  exception_call,
                                                          posse_cancel, posse_kill, posse_release};
    for (size_t i = 0; i < COUNT(calls); i++)
        assert_status(calls[i](future), POSSE_INVALID);
    assert_false(posse_done(future));
    assert_false(posse_running(future));
    assert_false(posse_cancelled(future));
}

TEST(zero_handle, ALL) { assert_invalid((posse_future){0}); }

POOL_TEST(handle_without_executor, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 2);
    posse_future nobodys = future;
    nobodys.executor = NULL;
    assert_invalid(nobodys);
    assert_int_equal(take_long(future), 4);
}

POOL_TEST(stale_handle, ALL, 1)
{
    posse_future stale = submitted_long(pool, square_task, 2);
    assert_int_equal(take_long(stale), 4);
    assert_invalid(stale);
    for (long i = 0; i < 100; i++) { /* also when its place is taken again */
        posse_future future = submitted_long(pool, square_task, i);
        assert_invalid(stale);
        assert_int_equal(take_long(future), i * i);
    }
}

POOL_TEST(double_release, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 2);
    assert_ok(posse_release(future));
    assert_status(posse_release(future), POSSE_INVALID);
}

/* Handles that were never given out: any place, any generation. */
POOL_TEST(made_up_handle, ALL, 1)
{
    static const uint32_t values[] = {0,         1, 2, 1000, 1u << 20, 1u << 31, UINT32_MAX - 1,
                                      UINT32_MAX};
    posse_future real = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(real, -1, NULL, NULL));
    for (size_t slot = 0; slot < COUNT(values); slot++) {
        for (size_t generation = 0; generation < COUNT(values); generation++) {
            posse_future future = {pool, values[slot], values[generation]};
            if (future.slot != real.slot || future.generation != real.generation)
                assert_invalid(future);
        }
    }
    assert_int_equal(take_long(real), 9);
}

/* A handle of one executor with the pointer of another, which has given out none. */
TEST(foreign_handle, ALL)
{
    posse_executor *pool = make_pool(1);
    posse_executor *other = make_pool(1);
    posse_future future = submitted_long(pool, square_task, 3);
    assert_invalid((posse_future){other, future.slot, future.generation});
    assert_int_equal(take_long(future), 9);
    end_pool(other);
    end_pool(pool);
}

/* ---- submit ---- */

POOL_TEST(submit, ALL, 1)
{
    posse_future future = {0};
    long value = 1;
    assert_status(posse_submit(NULL, square_task, &value, sizeof value, &future), POSSE_INVALID);
    assert_status(posse_submit(pool, NULL, &value, sizeof value, &future), POSSE_INVALID);
    assert_status(posse_submit(pool, square_task, NULL, sizeof value, &future), POSSE_INVALID);
    assert_status(posse_submit_with(pool, NULL, &future), POSSE_INVALID);
    assert_null(future.executor);
    assert_int_equal(stats_of(pool).futures, 0);
}

static posse_job good_job(void)
{
    return (posse_job){.struct_size = sizeof(posse_job), .fn = identity_task};
}

static void assert_job(posse_executor *pool, posse_job job, posse_status expected)
{
    posse_future future = {0};
    assert_status(posse_submit_with(pool, &job, &future), expected);
    assert_null(future.executor);
}

POOL_TEST(submit_with, ALL, 1)
{
    static const size_t sizes[] = {0, 1, SIZE_MAX};
    posse_job job = good_job();
    for (size_t i = 0; i < COUNT(sizes); i++) {
        job.struct_size = sizes[i];
        assert_job(pool, job, POSSE_INVALID);
    }
    job = good_job();
    assert_job(NULL, job, POSSE_INVALID);
    job.size = 1;
    assert_job(pool, job, POSSE_INVALID);
    job = good_job();
    job.flags = POSSE_CANCEL_FUTURES;
    assert_job(pool, job, POSSE_INVALID);
    job.flags = 1u << 31 | POSSE_NO_WAIT;
    assert_job(pool, job, POSSE_INVALID);
}

POOL_TEST(submit_with_wrong_limits, ALL, 1)
{
    posse_job job = good_job();
    job.timeout_ms = -1;
    assert_job(pool, job, POSSE_INVALID);
    job.timeout_ms = LONG_MIN;
    assert_job(pool, job, POSSE_INVALID);
    job.timeout_ms = LONG_MAX;
    assert_job(pool, job, POSSE_TOO_LARGE);
    job = good_job();
    job.queue_timeout_ms = -1;
    assert_job(pool, job, POSSE_INVALID);
    job = good_job();
    job.retries = -2;
    assert_job(pool, job, POSSE_INVALID);
    job.retries = 256;
    assert_job(pool, job, POSSE_TOO_LARGE);
}

/* ---- the rest ---- */

TEST(executor_is_null, ALL)
{
    posse_stats stats = {.struct_size = sizeof stats};
    assert_status(posse_shutdown(NULL, 0, -1), POSSE_INVALID);
    assert_status(posse_terminate_workers(NULL), POSSE_INVALID);
    assert_status(posse_kill_workers(NULL), POSSE_INVALID);
    assert_status(posse_get_stats(NULL, &stats), POSSE_INVALID);
}

POOL_TEST(stats, ALL, 1)
{
    static const size_t sizes[] = {0, 8, SIZE_MAX};
    assert_status(posse_get_stats(pool, NULL), POSSE_INVALID);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        posse_stats stats;
        memset(&stats, 0x55, sizeof stats);
        stats.struct_size = sizes[i];
        posse_stats before = stats;
        assert_status(posse_get_stats(pool, &stats), POSSE_INVALID);
        assert_memory_equal(&stats, &before, sizeof stats);
    }
}

POOL_TEST(result_without_buffer, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 2);
    assert_status(posse_result_into(future, -1, NULL, 8, NULL), POSSE_INVALID);
    assert_int_equal(take_long(future), 4);
}

/* Nothing may wait for less than no time, except for ever. */
POOL_TEST(wrong_timeouts, ALL, 1)
{
    static const long wrong[] = {-2, -1000, LONG_MIN};
    posse_future future = submitted_long(pool, square_task, 2);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        long value;
        assert_status(posse_result(future, wrong[i], NULL, NULL), POSSE_INVALID);
        assert_status(posse_result_into(future, wrong[i], &value, sizeof value, NULL),
                      POSSE_INVALID);
        assert_status(posse_exception(future, wrong[i], NULL), POSSE_INVALID);
        assert_status(posse_shutdown(pool, 0, wrong[i]), POSSE_INVALID);
    }
    assert_int_equal(take_long(future), 4);
}

/* A task that calls with wrong arguments; 0 if each is refused. */
static int careless_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_return(task, NULL, 1) != POSSE_INVALID ||
        posse_task_return(task, "", SIZE_MAX) == POSSE_OK ||
        posse_result((posse_future){posse_task_executor(task), 1u << 30, 1}, -1, NULL, NULL) !=
            POSSE_INVALID)
        return WRONG_ARG;
    return return_long(task, (long)size);
}

POOL_TEST(careless_task_is_told, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, careless_task, NULL, 0)), 0);
}
