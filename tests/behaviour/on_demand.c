/* on_demand.c - workers are started when a task finds none free, and leave when they are idle. */
#include "support/support.h"

#include <limits.h>
#include <time.h>

static posse_options on_demand(long workers)
{
    posse_options options = OPTIONS(workers, .on_demand = true);
    return options;
}

/* However fast or slow the tasks come, one worker does them all. */
static void assert_reuses_one(void)
{
    for (int round = 0; round < 4; round++) {
        posse_executor *pool = make_pool_with(on_demand(4));
        assert_int_equal(stats_of(pool).workers_started, 0);
        for (int i = 0; i < 60; i++) {
            (void)take_long(submitted(pool, identity_task, NULL, 0));
            if (round % 2 && i % 10 == 0)
                pause_ms(1);
        }
        assert_int_equal(stats_of(pool).workers_started, 1);
        end_pool(pool);
    }
}

TEST(P10_idle_process_reuse_one, PROCESSES) { assert_reuses_one(); }

TEST(T04_idle_thread_reuse, THREADS) { assert_reuses_one(); }

/* Tasks that wait for each other: each has a worker in the end. */
TEST(P09_T03_saturation_on_demand, PARALLEL)
{
    for (int round = 0; round < 20; round++) {
        posse_future futures[4];
        posse_executor *pool = make_pool_with(on_demand(4));
        struct gate *gate = make_gate(pool);
        for (int i = 0; i < 4; i++)
            futures[i] = submitted_hold(pool, gate);
        await_entered(gate, 4);
        assert_int_equal(stats_of(pool).workers_started, 4);
        open_gate(gate);
        for (int i = 0; i < 4; i++)
            (void)take_long(futures[i]);
        free_gate(pool, gate);
        end_pool(pool);
    }
}

static int holding_parent_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    if (posse_submit(pool, hold_task, arg, size, NULL) != POSSE_OK)
        return INNER_FAILED;
    return hold_task(task, arg, size);
}

/* Tasks of tasks find workers too. */
TEST(nested_on_demand, PARALLEL)
{
    posse_executor *pool = make_pool_with(on_demand(4));
    struct gate *gate = make_gate(pool);
    posse_future futures[2];
    for (int i = 0; i < 2; i++)
        futures[i] = SUBMIT_VALUE(pool, holding_parent_task, gate);
    await_entered(gate, 4);
    open_gate(gate);
    for (int i = 0; i < 2; i++)
        (void)take_long(futures[i]);
    assert_eventually(atomic_load(&gate->passed) == 4);
    assert_int_equal(take_long(submitted_long(pool, fib_task, 9)), 34);
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(P26_force_shutdown_not_started_yet, PARALLEL)
{
    posse_executor *pool = make_pool_with(on_demand(4));
    assert_ok(backend() == POSSE_PROCESS ? posse_kill_workers(pool) : posse_shutdown(pool, 0, -1));
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(stats_of(pool).workers_started, 0);
    end_pool(pool);
}

TEST(shutdown_with_tasks, PARALLEL)
{
    for (int round = 0; round < 20; round++) {
        posse_future futures[10];
        posse_executor *pool = make_pool_with(on_demand(3));
        for (long i = 0; i < 10; i++)
            futures[i] = submitted_long(pool, square_task, i);
        assert_ok(posse_shutdown(pool, 0, -1));
        for (long i = 0; i < 10; i++)
            assert_int_equal(take_long(futures[i]), i * i);
        end_pool(pool);
    }
}

TEST(min_workers, PARALLEL)
{
    posse_options options = on_demand(4);
    options.min_workers = 2;
    posse_executor *pool = make_pool_with(options);
    assert_eventually(stats_of(pool).workers_idle == 2);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_int_equal(stats_of(pool).workers_started, 2);
    assert_status(posse_resize(pool, 1), POSSE_INVALID);
    end_pool(pool);
    options.min_workers = 5;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    options.min_workers = -1;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
}

/* ---- idle ---- */

static posse_options idle_after(long ms, bool demand)
{
    posse_options options = on_demand(4);
    options.on_demand = demand;
    options.idle_timeout_ms = ms;
    return options;
}

static void assert_comes_back(posse_options options, uint64_t rest)
{
    posse_executor *pool = make_pool_with(options);
    for (int round = 0; round < 3; round++) {
        posse_future futures[4];
        struct gate *gate = make_gate(pool);
        for (int i = 0; i < 4; i++)
            futures[i] = submitted_hold(pool, gate);
        await_entered(gate, 4);
        open_gate(gate);
        for (int i = 0; i < 4; i++)
            (void)take_long(futures[i]);
        free_gate(pool, gate);
        assert_eventually(stats_of(pool).workers == rest);
        await_rounds(pool);
        assert_int_equal(stats_of(pool).workers, rest);
    }
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(idle_workers_leave, PARALLEL)
{
    assert_comes_back(idle_after(20, true), 0);
    assert_comes_back(idle_after(20, false), 0);
    posse_options options = idle_after(20, true);
    options.min_workers = 2;
    assert_comes_back(options, 2);
    options.on_demand = false;
    assert_comes_back(options, 2);
}

/* A millisecond, and tasks that come about as slowly: each meets a worker that is just leaving. */
TEST(loky_worker_timeout, PARALLEL)
{
    look_never();
    posse_options options = idle_after(1, true);
    options.max_workers = 2;
    posse_executor *pool = make_pool_with(options);
    for (long i = 0; i < 300; i++) {
        posse_future future = submitted_long(pool, square_task, i);
        assert_int_equal(take_long(future), i * i);
        struct timespec rest = {0, 900000 + i % 20 * 20000};
        nanosleep(&rest, NULL);
    }
    assert_true(stats_of(pool).workers_started > 5);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_ok(posse_shutdown(pool, 0, -1));
    end_pool(pool);
}

TEST(loky_timeout_shutdown_no_deadlock, PARALLEL)
{
    for (int i = 0; i < 30; i++) {
        posse_options options = idle_after(1, i % 2);
        posse_executor *pool = make_pool_with(options);
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), (long)i * i);
        struct timespec rest = {0, i * 100000};
        nanosleep(&rest, NULL);
        assert_ok(posse_shutdown(pool, 0, -1));
        end_pool(pool);
    }
}

/* With the longest time and the largest counts nothing happens but what should. */
TEST(limits_of_options, ALL)
{
    posse_options options = idle_after(UINT32_MAX, false);
    options.max_tasks_per_worker = LONG_MAX;
    posse_executor *pool = make_pool_with(options);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    end_pool(pool);
    options.idle_timeout_ms = (long)UINT32_MAX + 1;
    assert_status(posse_create(&options, &pool), POSSE_TOO_LARGE);
    options.idle_timeout_ms = -1;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    options.idle_timeout_ms = 0;
    options.max_tasks_per_worker = -1;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
}
