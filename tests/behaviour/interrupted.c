/* interrupted.c - signals that interrupt every call which waits for futures: none ends early, none
 * reports it, and limits of time are kept. See also interrupted_tools.c. */
#include "support/storm.h"

#include <poll.h>

static posse_future slow(posse_executor *pool)
{
    return submitted_long(pool, sleep_task, SHORT_MS);
}

/* ---- one future ---- */

POOL_TEST(results, PARALLEL, 1)
{
    posse_future futures[3] = {slow(pool), slow(pool), slow(pool)};
    const void *data = NULL;
    long value = 0;
    posse_error error = {.struct_size = sizeof error};
    assert_in_storm(posse_result(futures[0], -1, &data, NULL), POSSE_OK);
    assert_int_equal(*(const long *)data, SHORT_MS);
    assert_in_storm(posse_result_into(futures[1], PATIENCE_MS, &value, sizeof value, NULL),
                    POSSE_OK);
    assert_int_equal(value, SHORT_MS);
    assert_in_storm(posse_exception(futures[2], -1, &error), POSSE_OK);
    assert_status(error.status, POSSE_OK);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_ok(posse_release(futures[i]));
}

POOL_TEST(limits_of_one, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    char byte;
    assert_times_out(posse_result(future, SHORT_MS, NULL, NULL));
    assert_times_out(posse_result_into(future, SHORT_MS, &byte, 1, NULL));
    assert_times_out(posse_exception(future, SHORT_MS, NULL));
    open_gate(gate);
    take_long(future);
    free_gate(pool, gate);
}

static int hear(posse_future future, void *context)
{
    pause_ms(SHORT_MS);
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

/* Of an ended future, which calls it here; and of one for whose callback shutdown waits. */
TEST(callbacks, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    posse_future futures[2] = {slow(pool), slow(pool)};
    _Atomic int calls = 0;
    assert_ok(posse_result(futures[0], -1, NULL, NULL));
    assert_in_storm(posse_add_done_callback(futures[0], hear, &calls), POSSE_OK);
    assert_int_equal(atomic_load(&calls), 1);
    assert_ok(posse_add_done_callback(futures[1], hear, &calls));
    assert_in_storm(posse_shutdown(pool, 0, -1), POSSE_OK);
    assert_int_equal(atomic_load(&calls), 2);
    assert_ok(posse_destroy(pool));
}

/* ---- many futures ---- */

TEST(waits, PARALLEL)
{
    posse_executor *pools[2] = {make_pool(1), make_pool(1)};
    struct gate *gate = make_gate(pools[0]);
    posse_future futures[3] = {slow(pools[0]), slow(pools[1]), submitted_hold(pools[0], gate)};
    size_t n_done = 0;
    assert_in_storm(posse_wait(futures, 1, POSSE_FIRST_COMPLETED, -1, NULL, NULL), POSSE_OK);
    assert_times_out(posse_wait(futures, 3, POSSE_ALL_COMPLETED, SHORT_MS, NULL, &n_done));
    assert_in_range(n_done, 1, 2);
    assert_ok(posse_wait(futures, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL));
    assert_times_out(posse_wait(&futures[2], 1, POSSE_FIRST_EXCEPTION, SHORT_MS, NULL, NULL));
    open_gate(gate);
    for (size_t i = 0; i < COUNT(futures); i++)
        take_long(futures[i]);
    free_gate(pools[0], gate);
    end_pool(pools[0]);
    end_pool(pools[1]);
}

POOL_TEST(iterations, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[3] = {slow(pool), slow(pool), submitted_hold(pool, gate)};
    posse_future given;
    posse_completion_iter *completed;
    assert_ok(posse_as_completed(futures, 2, -1, &completed));
    for (size_t i = 0, index; i < 2; i++) {
        assert_in_storm(posse_completion_iter_next(completed, &given, &index), POSSE_OK);
        assert_int_equal(index, i);
    }
    posse_completion_iter_close(completed);
    assert_ok(posse_as_completed(&futures[2], 1, SHORT_MS, &completed));
    assert_status(IN_STORM(posse_completion_iter_next(completed, &given, NULL)), POSSE_TIMEOUT);
    posse_completion_iter_close(completed);
    open_gate(gate);
    for (size_t i = 0; i < COUNT(futures); i++)
        take_long(futures[i]);
    free_gate(pool, gate);
}

/* poll is the program's, and is interrupted; what it was told of is there all the same. */
POOL_TEST(descriptor, PARALLEL, 1)
{
    posse_completion_queue *completions;
    posse_future future = slow(pool);
    assert_ok(posse_completion_queue_create(&completions));
    struct pollfd fd = {.fd = posse_completion_queue_fd(completions), .events = POLLIN};
    assert_status(IN_STORM(posse_completion_queue_add(completions, future, &fd)), POSSE_OK);
    assert_true(begin_storm());
    posse_completion taken = {.context = NULL};
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end && taken.context == NULL;)
        if (poll(&fd, 1, SHORT_MS) == 1)
            (void)posse_completion_queue_take(completions, &taken, 1);
    (void)end_storm(POSSE_OK);
    assert_ptr_equal(taken.context, &fd);
    posse_completion_queue_destroy(completions);
    take_long(future);
}

/* ---- begin and end ---- */

TEST(full_queue, PARALLEL)
{
    posse_options options = default_options();
    options.max_workers = options.queue_limit = 1;
    posse_executor *pool = make_pool_with(options);
    posse_future futures[3] = {slow(pool)};
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .queue_timeout_ms = SHORT_MS};
    assert_eventually(posse_running(futures[0]) || posse_done(futures[0]));
    futures[1] = slow(pool);
    assert_in_storm(posse_submit(pool, identity_task, NULL, 0, &futures[2]), POSSE_OK);
    for (size_t i = 0; i < COUNT(futures); i++)
        take_long(futures[i]);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_submit(pool, identity_task, NULL, 0, NULL));
    assert_times_out(posse_submit_with(pool, &job, NULL));
    open_gate(gate);
    take_long(held);
    free_gate(pool, gate);
    end_pool(pool);
}

static posse_status create_and_use(void)
{
    posse_executor *pool = open_pool(2);
    posse_future future;
    long value = 9;
    long squared = 0;
    if (pool == NULL)
        return POSSE_SYSTEM;
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &future);
    if (status == POSSE_OK)
        status = posse_result_into(future, -1, &squared, sizeof squared, NULL);
    (void)posse_destroy(pool);
    return status == POSSE_OK && squared != 81 ? POSSE_TASK_FAILED : status;
}

TEST(begin_and_end, ALL)
{
    for (int i = 0; i < 10; i++)
        assert_status(IN_STORM(create_and_use()), POSSE_OK);
}

POOL_TEST(shutdowns, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_times_out(posse_shutdown(pool, 0, SHORT_MS));
    open_gate(gate);
    assert_status(IN_STORM(posse_shutdown(pool, 0, -1)), POSSE_OK);
    take_long(future);
    free_gate(pool, gate);
}

/* With threads it waits for the task. */
TEST(destroy_while_a_task_runs, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    posse_future future = slow(pool);
    assert_eventually(posse_running(future) || posse_done(future));
    assert_status(IN_STORM(posse_destroy(pool)), POSSE_OK);
}
