/* resize.c - more or fewer workers while the pool works. */
#include "support/support.h"

#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

static bool has_workers(posse_executor *pool, uint64_t workers)
{
    posse_stats stats = stats_of(pool);
    return stats.workers == workers && stats.workers_idle == workers;
}

POOL_TEST(loky_resize, PARALLEL, 2)
{
    assert_ok(posse_resize(pool, 5));
    assert_eventually(has_workers(pool, 5));
    assert_ok(posse_resize(pool, 1));
    assert_eventually(has_workers(pool, 1));
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_ok(posse_resize(pool, 3));
    assert_eventually(has_workers(pool, 3));
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_int_equal(stats_of(pool).workers_started, 7);
}

/* Those that are idle go first, and the others when their tasks have ended. */
POOL_TEST(shrinks_when_tasks_have_ended, PARALLEL, 4)
{
    struct gate *gate = make_gate(pool);
    posse_future held[2] = {submitted_hold(pool, gate), submitted_hold(pool, gate)};
    await_entered(gate, 2);
    assert_eventually(stats_of(pool).workers == 4); /* else the supervisor still starts some */
    assert_ok(posse_resize(pool, 1));
    assert_eventually(stats_of(pool).workers == 2);
    await_rounds(pool);
    assert_int_equal(stats_of(pool).workers, 2);
    open_gate(gate);
    (void)take_long(held[0]);
    (void)take_long(held[1]);
    assert_eventually(stats_of(pool).workers == 1);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    free_gate(pool, gate);
}

/* As many tasks at once as there are workers now. */
POOL_TEST(saturation_after_resize, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future held[6];
    for (int i = 0; i < 6; i++)
        held[i] = submitted_hold(pool, gate);
    await_entered(gate, 2);
    assert_ok(posse_resize(pool, 4));
    await_entered(gate, 4);
    await_rounds(pool);
    assert_int_equal(atomic_load(&gate->entered), 4);
    open_gate(gate);
    for (int i = 0; i < 6; i++)
        (void)take_long(held[i]);
    free_gate(pool, gate);
}

static void assert_resizes_under_load(posse_options options)
{
    enum { TASKS = 20, ROUNDS = 60 };
    static const long sizes[] = {5, 1, 3, 8, 2, 1, 4};
    posse_executor *pool = make_pool_with(options);
    for (long round = 0; round < ROUNDS; round++) {
        posse_future futures[TASKS];
        for (long i = 0; i < TASKS; i++) {
            futures[i] = submitted_long(pool, square_task, i);
            if (i % 7 == 3)
                assert_ok(posse_resize(pool, sizes[(round + i) % (long)COUNT(sizes)]));
        }
        for (long i = 0; i < TASKS; i++)
            assert_int_equal(take_long(futures[i]), i * i);
    }
    assert_ok(posse_resize(pool, 2));
    assert_eventually(stats_of(pool).workers <= 2);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(loky_resize_many_times, PARALLEL)
{
    posse_options options = OPTIONS(2);
    assert_resizes_under_load(options);
    options.max_tasks_per_worker = 3;
    assert_resizes_under_load(options);
    options.on_demand = true;
    options.idle_timeout_ms = 1;
    assert_resizes_under_load(options);
}

POOL_TEST(loky_kill_after_resize, PROCESSES, 2)
{
    assert_ok(posse_resize(pool, 4));
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_eventually(has_workers(pool, 4));
    assert_ok(posse_resize(pool, 1));
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_eventually(has_workers(pool, 1));
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

POOL_TEST(loky_resize_after_timeout, PARALLEL, 2, .idle_timeout_ms = 5)
{
    assert_eventually(stats_of(pool).workers == 0);
    assert_ok(posse_resize(pool, 4));
    assert_eventually(stats_of(pool).workers_started == 6); /* at once, and then they leave again */
    assert_eventually(stats_of(pool).workers == 0);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

POOL_TEST(on_demand_grows_on_demand, PARALLEL, 1, .on_demand = true)
{
    struct gate *gate = make_gate(pool);
    posse_future held[3];
    for (int i = 0; i < 3; i++)
        held[i] = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_resize(pool, 10));
    await_entered(gate, 3);
    assert_int_equal(stats_of(pool).workers_started, 3);
    open_gate(gate);
    for (int i = 0; i < 3; i++)
        (void)take_long(held[i]);
    free_gate(pool, gate);
}

static int resize_task(posse_task *task, const void *arg, size_t size)
{
    return (int)posse_resize(posse_task_executor(task), *(const long *)arg);
}

POOL_TEST(by_a_task, PARALLEL, 1)
{
    take_error(submitted_long(pool, resize_task, 3), POSSE_OK);
    assert_eventually(has_workers(pool, 3));
}

POOL_TEST(refusals, ALL, 2)
{
    assert_status(posse_resize(NULL, 1), POSSE_INVALID);
    assert_status(posse_resize(pool, 0), POSSE_INVALID);
    assert_status(posse_resize(pool, LONG_MIN), POSSE_INVALID);
    assert_status(posse_resize(pool, POSSE_MAX_WORKERS + 1), POSSE_TOO_LARGE);
    assert_status(posse_resize(pool, LONG_MAX), POSSE_TOO_LARGE);
    assert_eventually(stats_of(pool).workers == (backend() == POSSE_INLINE ? 0 : 2));
    if (backend() == POSSE_INLINE) {
        assert_status(posse_resize(pool, 2), POSSE_NOT_SUPPORTED);
    } else {
        assert_ok(posse_shutdown(pool, 0, -1));
        assert_status(posse_resize(pool, 2), POSSE_SHUT_DOWN);
    }
}

static int resize_in_child(void *pool)
{
    posse_error error = {.struct_size = sizeof error};
    REQUIRE(posse_resize(pool, 2) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_why_broken(pool, &error) == POSSE_WRONG_PROCESS);
    return 0;
}

POOL_TEST(forked_child, ALL, 1) { assert_child(resize_in_child, pool); }
