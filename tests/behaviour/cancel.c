/* cancel.c - cancelling, killing and releasing tasks before they end. */
#include "support/support.h"

/* A pool of one worker that is held at a gate, so that later tasks wait. */
struct held {
    posse_executor *pool;
    struct gate *gate;
    posse_future holder;
    _Atomic long *counter;
};

static struct held make_held(void)
{
    struct held held = {.pool = make_pool(1)};
    held.gate = make_gate(held.pool);
    held.counter = make_counter(held.pool);
    held.holder = submitted_hold(held.pool, held.gate);
    await_entered(held.gate, 1);
    return held;
}

static posse_future submitted_count(const struct held *held)
{
    return SUBMIT_VALUE(held->pool, count_task, held->counter);
}

static void end_held(struct held *held)
{
    assert_ok(posse_free(held->pool, (void *)held->counter));
    free_gate(held->pool, held->gate);
    end_pool(held->pool);
}

static void assert_cancelled_for_good(posse_future future)
{
    assert_true(posse_done(future));
    posse_error error = take_error(future, POSSE_CANCELLED);
    assert_int_equal(error.attempt, 0);
    assert_true(error.message[0] != '\0');
}

/* Ends two of three waiting tasks; they never run, the third does. */
static void end_waiting_ones(posse_status (*call)(posse_future))
{
    struct held held = make_held();
    posse_future futures[3];
    for (int i = 0; i < 3; i++)
        futures[i] = submitted_count(&held);
    assert_ok(call(futures[0]));
    assert_ok(call(futures[2]));
    open_gate(held.gate);
    take_error(futures[1], POSSE_OK);
    assert_cancelled_for_good(futures[0]);
    assert_cancelled_for_good(futures[2]);
    take_long(held.holder);
    assert_int_equal(atomic_load(held.counter), 1);
    assert_int_equal(stats_of(held.pool).cancelled, 2);
    end_held(&held);
}

TEST(cancel_waiting, PARALLEL) { end_waiting_ones(posse_cancel); }

TEST(kill_waiting, PARALLEL) { end_waiting_ones(posse_kill); }

/* A running task is only asked; it may heed that, and its result stands. */
POOL_TEST(cancel_running, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, heed_task, gate);
    await_entered(gate, 1);
    assert_int_equal(atomic_load(&gate->passed), 0);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    take_long(future);
    assert_int_equal(atomic_load(&gate->passed), 1);
    free_gate(pool, gate);
}

static int not_cancelled_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_cancelled(task) ? WRONG_ARG : 0;
}

/* That an earlier task was asked to stop does not show in a later one. */
POOL_TEST(cancel_does_not_linger, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    for (int i = 1; i <= 5; i++) {
        posse_future future = SUBMIT_VALUE(pool, heed_task, gate);
        await_entered(gate, i);
        posse_cancel(future);
        take_long(future);
        take_error(submitted(pool, not_cancelled_task, NULL, 0), POSSE_OK);
    }
    free_gate(pool, gate);
}

TEST(kill_running, PARALLEL)
{
    struct held held = make_held();
    posse_future next = submitted_count(&held);
    struct caller caller;
    start_call(&caller, call_result, &held.holder);
    await_parked(&caller);
    assert_ok(posse_kill(held.holder));
    assert_status(end_call(&caller), POSSE_CANCELLED);
    take_error(next, POSSE_OK); /* by the worker that takes its place */
    posse_error error = take_error(held.holder, POSSE_CANCELLED);
    assert_int_equal(error.attempt, 1);
    assert_int_equal(atomic_load(&held.gate->passed), 0);
    open_gate(held.gate);
    if (backend() == POSSE_THREAD)
        assert_eventually(atomic_load(&held.gate->passed) == 1);
    end_held(&held);
}

/* The thread of a killed task may heed the kill, and what it returns is of no account. */
POOL_TEST(kill_is_seen_by_a_thread, THREADS, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, heed_task, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_eventually(atomic_load(&gate->passed) == 1);
    assert_eventually(stats_of(pool).running == 0);
    free_gate(pool, gate);
}

/* After the end nothing changes any more. */
POOL_TEST(too_late, ALL, 1)
{
    posse_future good = submitted_long(pool, square_task, 8);
    posse_future bad = submitted_long(pool, code_task, 8);
    assert_ok(posse_exception(good, -1, NULL));
    assert_ok(posse_exception(bad, -1, NULL));
    assert_status(posse_cancel(good), POSSE_TOO_LATE);
    assert_status(posse_kill(good), POSSE_TOO_LATE);
    assert_status(posse_cancel(bad), POSSE_TOO_LATE);
    assert_status(posse_kill(bad), POSSE_TOO_LATE);
    assert_int_equal(take_long(good), 64);
    assert_int_equal(take_error(bad, POSSE_TASK_FAILED).code, 8);
    assert_int_equal(stats_of(pool).cancelled, 0);
}

TEST(S07_cancel_at_once, ALL)
{
    enum { ROUNDS = 10000 };
    posse_executor *pool = make_pool(2);
    _Atomic long *counter = make_counter(pool);
    long started = 0;
    for (int i = 0; i < ROUNDS; i++) {
        posse_future future = SUBMIT_VALUE(pool, count_task, counter);
        posse_status status = posse_cancel(future);
        started += status == POSSE_TOO_LATE;
        assert_true(status == POSSE_OK || status == POSSE_TOO_LATE);
        take_error(future, status == POSSE_OK ? POSSE_CANCELLED : POSSE_OK);
    }
    assert_ok(posse_shutdown(pool, 0, 5000));
    assert_int_equal(atomic_load(counter), started);
    posse_stats stats = stats_of(pool);
    assert_int_equal(stats.done, started);
    assert_int_equal(stats.cancelled, ROUNDS - started);
    assert_ok(posse_destroy(pool));
}

TEST(S07_cancel_then_shutdown, ALL)
{
    for (int i = 0; i < 50; i++) {
        posse_executor *pool = make_pool(2);
        posse_future future = submitted_long(pool, sleep_task, 1);
        posse_cancel(future);
        assert_ok(posse_shutdown(pool, 0, 5000));
        assert_true(posse_done(future));
        assert_ok(posse_destroy(pool));
    }
}

/* Cancels tasks that are about to start, from another thread than the one that waits. */
static posse_status call_cancel(void *future) { return posse_cancel(*(posse_future *)future); }

POOL_TEST(cancel_race, PARALLEL, 2)
{
    for (int i = 0; i < 300; i++) {
        posse_future future = submitted_long(pool, square_task, 7);
        struct caller caller;
        start_call(&caller, call_cancel, &future);
        posse_status result = posse_result(future, -1, NULL, NULL);
        posse_status cancel = end_call(&caller);
        assert_status(result, cancel == POSSE_OK ? POSSE_CANCELLED : POSSE_OK);
        assert_ok(posse_release(future));
    }
}

TEST(release_before_the_end, PARALLEL)
{
    struct held held = make_held();
    posse_future waiting = submitted_count(&held);
    assert_ok(posse_release(waiting));
    assert_ok(posse_release(held.holder));
    assert_false(posse_running(held.holder));
    open_gate(held.gate);
    assert_eventually(atomic_load(held.counter) == 1);
    assert_int_equal(atomic_load(&held.gate->passed), 1);
    end_held(&held);
}

/* Who waits for a future that another thread gives back is told so. */
TEST(release_while_waiting, PARALLEL)
{
    struct held held = make_held();
    struct caller caller;
    start_call(&caller, call_result, &held.holder);
    await_parked(&caller);
    assert_ok(posse_release(held.holder));
    open_gate(held.gate);
    assert_status(end_call(&caller), POSSE_INVALID);
    assert_eventually(atomic_load(&held.gate->passed) == 1);
    end_held(&held);
}

POOL_TEST(release_at_once, ALL, 2)
{
    _Atomic long *counter = make_counter(pool);
    for (int i = 0; i < 10000; i++)
        assert_ok(posse_release(SUBMIT_VALUE(pool, count_task, counter)));
    assert_eventually(atomic_load(counter) == 10000);
    assert_ok(posse_free(pool, (void *)counter));
}

/* Nothing can be stopped that has ended within submit. */
POOL_TEST(inline_is_too_late, INLINE, 1)
{
    posse_future future = submitted(pool, not_cancelled_task, NULL, 0);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    assert_status(posse_kill(future), POSSE_TOO_LATE);
    take_error(future, POSSE_OK);
}
