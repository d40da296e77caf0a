/* recycle.c - workers that leave after some tasks, or when they have grown, and are replaced. */
#include "support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static posse_options recycling(long workers, long max_tasks)
{
    posse_options options = OPTIONS(workers, .max_tasks_per_worker = max_tasks);
    return options;
}

/* A worker runs three tasks, then another thread or process takes its place. */
TEST(P12_max_tasks_per_worker, PARALLEL)
{
    posse_executor *pool = make_pool_with(recycling(1, 3));
    long ran_in[12];
    for (size_t i = 0; i < COUNT(ran_in); i++) {
        ran_in[i] = take_long(submitted(pool, identity_task, NULL, 0));
        assert_true(i % 3 == 0 || ran_in[i] == ran_in[i - 1]);
        assert_true(i == 0 || i % 3 != 0 || ran_in[i] != ran_in[i - 1]);
    }
    assert_eventually(stats_of(pool).workers_started == 5 && stats_of(pool).workers == 1);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

static void assert_all_end(long workers, long max_tasks, long tasks)
{
    posse_future futures[200];
    posse_executor *pool = make_pool_with(recycling(workers, max_tasks));
    for (long i = 0; i < tasks; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < tasks; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_eventually(stats_of(pool).workers_idle == (uint64_t)workers);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(P14_pending_tasks, PARALLEL)
{
    assert_all_end(1, 2, 6);
    assert_all_end(2, 2, 8);
    assert_all_end(3, 1, 100);
}

/* Submits, shuts down without waiting, and then waits for the results. */
static void assert_drains(long workers, long max_tasks, long tasks, unsigned flags)
{
    posse_future futures[50];
    posse_executor *pool = make_pool_with(recycling(workers, max_tasks));
    for (long i = 0; i < tasks; i++)
        futures[i] = submitted_long(pool, square_task, i);
    assert_ok(posse_shutdown(pool, flags, -1));
    for (long i = 0; i < tasks; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_ok(posse_shutdown(pool, 0, -1));
    end_pool(pool);
}

TEST(P15_P16_shutdown_no_wait, PARALLEL)
{
    for (int i = 0; i < 5; i++) {
        assert_drains(1, 1, 6, POSSE_NO_WAIT);
        assert_drains(2, 3, 40, POSSE_NO_WAIT);
    }
}

TEST(P19_max_tasks_early_shutdown, PARALLEL)
{
    for (int i = 0; i < 5; i++)
        assert_drains(3, 1, 6, 0);
}

/* The other half of P15 and P16: what is left ends with the executor, at once. */
TEST(P15_P16_destroy_while_recycling, PARALLEL)
{
    for (int round = 0; round < 10; round++) {
        posse_executor *pool = make_pool_with(recycling(2, 1));
        for (long i = 0; i < 30; i++)
            (void)submitted_long(pool, square_task, i);
        assert_ok(posse_destroy(pool));
    }
}

static void assert_failing_one(long workers)
{
    posse_executor *pool = make_pool_with(recycling(workers, 1));
    posse_future bad = submitted_long(pool, code_task, 4);
    posse_future good = submitted_long(pool, square_task, 1);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, -1));
    assert_int_equal(take_long(good), 1);
    take_error(bad, POSSE_TASK_FAILED);
    assert_ok(posse_shutdown(pool, 0, -1));
    end_pool(pool);
}

TEST(S19_shutdown_gh_132969_case_1, PARALLEL) { assert_failing_one(2); }

TEST(S20_shutdown_gh_132969_case_2, PARALLEL) { assert_failing_one(4); }

/* By force nobody is replaced, and what has not begun is cancelled. */
TEST(P17_force_shutdown_while_recycling, PROCESSES)
{
    for (int round = 0; round < 10; round++) {
        posse_future futures[20];
        posse_executor *pool = make_pool_with(recycling(2, 1));
        for (long i = 0; i < (long)COUNT(futures); i++)
            futures[i] = submitted_long(pool, sleep_task, 1);
        assert_ok(posse_result(futures[round], -1, NULL, NULL));
        assert_ok(posse_kill_workers(pool));
        assert_ok(posse_shutdown(pool, 0, -1));
        uint64_t started = stats_of(pool).workers_started;
        for (size_t i = 0; i < COUNT(futures); i++) {
            posse_error error = error_of(futures[i]);
            assert_true(error.status == POSSE_OK || error.status == POSSE_CANCELLED ||
                        error.status == POSSE_WORKER_LOST);
            assert_ok(posse_release(futures[i]));
        }
        assert_int_equal(stats_of(pool).workers, 0);
        assert_int_equal(stats_of(pool).workers_started, started);
        end_pool(pool);
    }
}

/* Tasks that are run while waiting for them count too, and are run whatever the number. */
TEST(nested_tasks, PARALLEL)
{
    posse_executor *pool = make_pool_with(recycling(2, 2));
    for (int i = 0; i < 10; i++)
        assert_int_equal(take_long(submitted_long(pool, fib_task, 8)), 21);
    assert_true(stats_of(pool).workers_started > 5);
    end_pool(pool);
}

static int nested_handle_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    if (posse_submit(posse_task_executor(task), square_task, arg, size, &inner) != POSSE_OK)
        return INNER_FAILED;
    return posse_task_return(task, &inner, sizeof inner) == POSSE_OK ? 0 : GAVE_UP;
}

static int memory_task(posse_task *task, const void *arg, size_t size)
{
    void *memory = NULL;
    if (posse_alloc(posse_task_executor(task), size, &memory) != POSSE_OK)
        return GAVE_UP;
    memcpy(memory, arg, size);
    return posse_task_return(task, &memory, sizeof(void *)) == POSSE_OK ? 0 : GAVE_UP;
}

/* What a worker gave to the program stays when it leaves, and when the next one in its place
 * dies. */
TEST(what_was_given_stays, PARALLEL)
{
    posse_executor *pool = make_pool_with(recycling(1, 1));
    long value = 7;
    posse_future inner;
    void *memory = NULL;
    posse_future outer = SUBMIT_VALUE(pool, nested_handle_task, value);
    posse_future gives = SUBMIT_VALUE(pool, memory_task, value);
    assert_ok(posse_result_into(outer, -1, &inner, sizeof inner, NULL));
    assert_ok(posse_result_into(gives, -1, &memory, sizeof(void *), NULL));
    for (int i = 0; i < 4 && backend() == POSSE_PROCESS; i++) {
        take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        (void)take_long(submitted(pool, identity_task, NULL, 0));
    }
    assert_int_equal(take_long(inner), 49);
    assert_memory_equal(memory, &value, sizeof value);
    assert_ok(posse_free(pool, memory));
    assert_ok(posse_release(outer));
    assert_ok(posse_release(gives));
    end_pool(pool);
}

/* A lock that a worker has left with is free then, and the queue that it made stays. */
static int forgets_task(posse_task *task, const void *arg, size_t size)
{
    posse_lock lock;
    memcpy(&lock, arg, sizeof lock);
    posse_queue queue;
    posse_status status = posse_lock_acquire(lock, -1);
    if (status != POSSE_OK && status != POSSE_OWNER_DIED)
        return GAVE_UP;
    if (posse_queue_create(posse_task_executor(task), 1, sizeof(long), &queue) != POSSE_OK)
        return GAVE_UP;
    return posse_task_return(task, &queue, sizeof queue) == POSSE_OK ? 0 : GAVE_UP;
}

TEST(what_was_forgotten_is_free, PARALLEL)
{
    posse_executor *pool = make_pool_with(recycling(1, 1));
    posse_lock lock;
    assert_ok(posse_lock_create(pool, &lock));
    for (int i = 0; i < 3; i++) {
        posse_queue queue;
        posse_future future = SUBMIT_VALUE(pool, forgets_task, lock);
        assert_ok(posse_result_into(future, -1, &queue, sizeof queue, NULL));
        assert_ok(posse_release(future));
        (void)take_long(submitted(pool, identity_task, NULL, 0));
        if (backend() == POSSE_PROCESS)
            take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        assert_status(posse_lock_acquire(lock, PATIENCE_MS), POSSE_OWNER_DIED);
        assert_ok(posse_lock_release(lock));
        assert_ok(posse_queue_put(queue, &i, sizeof i, 0));
        assert_ok(posse_queue_destroy(queue));
    }
    assert_ok(posse_lock_destroy(lock));
    end_pool(pool);
}

/* ---- memory ---- */

#ifndef SANITIZED

static int grow_task(posse_task *task, const void *arg, size_t size)
{
    long bytes;
    memcpy(&bytes, arg, size);
    char *memory = malloc((size_t)bytes);
    if (memory == NULL)
        return GAVE_UP;
    memset(memory, 1, (size_t)bytes); /* and it is never freed */
    return return_long(task, memory[bytes / 2] == 1 ? identity() : 0);
}

POOL_TEST(loky_memory_leak_protection, PROCESSES, 1, .max_rss_per_worker = 16 << 20)
{
    long small = take_long(submitted_long(pool, grow_task, 100000));
    assert_int_equal(take_long(submitted_long(pool, grow_task, 100000)), small);
    assert_int_equal(take_long(submitted_long(pool, grow_task, 40 << 20)), small);
    assert_int_not_equal(take_long(submitted_long(pool, grow_task, 100000)), small);
    assert_int_equal(stats_of(pool).workers_lost, 0);
}

#endif

TEST(memory_is_not_supported, THREADS | INLINE)
{
    posse_options options = default_options();
    posse_executor *pool = NULL;
    options.max_rss_per_worker = 1;
    assert_status(posse_create(&options, &pool), POSSE_NOT_SUPPORTED);
}

/* ---- deaths ---- */

/* Workers are killed while they retire and are replaced: nothing else happens. */
TEST(killed_while_recycling, PROCESSES)
{
    posse_future futures[60];
    posse_executor *pool = make_pool_with(recycling(2, 2));
    for (long i = 0; i < (long)COUNT(futures); i++)
        futures[i] = submitted(pool, identity_task, NULL, 0);
    int lost = 0;
    for (size_t i = 0; i < COUNT(futures); i++) {
        posse_error error = error_of(futures[i]);
        long pid = 0;
        if (error.status == POSSE_OK) {
            assert_ok(posse_result_into(futures[i], 0, &pid, sizeof pid, NULL));
            kill((pid_t)pid, SIGKILL); /* it may be gone long since */
        } else {
            assert_status(error.status, POSSE_WORKER_LOST);
            lost++;
        }
        assert_ok(posse_release(futures[i]));
    }
    assert_eventually(stats_of(pool).workers == 2);
    assert_true(stats_of(pool).workers_lost >= (uint64_t)lost);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    end_pool(pool);
}
