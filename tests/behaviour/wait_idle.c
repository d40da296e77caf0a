/* wait_idle.c - posse_wait_idle: until no task is queued or running, and the pool goes on. */
#include "support/support.h"

#include <signal.h>

static posse_status call_wait_idle(void *pool) { return posse_wait_idle(pool, -1); }

POOL_TEST(nothing_to_wait_for, ALL, 2)
{
    assert_ok(posse_wait_idle(pool, 0));
    assert_ok(posse_wait_idle(pool, -1));
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_ok(posse_wait_idle(pool, 0));
}

POOL_TEST(bad_arguments, ALL, 1)
{
    assert_status(posse_wait_idle(NULL, 0), POSSE_INVALID);
    assert_status(posse_wait_idle(pool, -2), POSSE_INVALID);
}

/* Observed or not, few or many, more than once; and the pool goes on. */
POOL_TEST(all_have_ended, ALL, 3)
{
    enum { ROUNDS = 20, TASKS = 100 };
    _Atomic long *counter = make_counter(pool);
    for (long round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < TASKS; i++)
            assert_ok(posse_submit(pool, count_task, &counter, sizeof counter, NULL));
        assert_ok(posse_wait_idle(pool, -1));
        assert_int_equal(atomic_load(counter), round * TASKS);
    }
    assert_ok(posse_free(pool, (void *)counter));
}

/* It sleeps, and the last end wakes it: no look of its own does. */
TEST(woken_by_the_last_end, PARALLEL)
{
    look_never();
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    posse_future held[4];
    for (int i = 0; i < 4; i++)
        held[i] = submitted_hold(pool, gate);
    await_entered(gate, 2);
    assert_status(posse_wait_idle(pool, 0), POSSE_TIMEOUT);
    assert_status(posse_wait_idle(pool, 5), POSSE_TIMEOUT);
    struct caller callers[2];
    for (int i = 0; i < 2; i++) {
        start_call(&callers[i], call_wait_idle, pool);
        await_parked(&callers[i]);
    }
    open_gate(gate);
    for (int i = 0; i < 2; i++)
        assert_ok(end_call(&callers[i]));
    for (int i = 0; i < 4; i++) {
        assert_true(posse_done(held[i]));
        (void)take_long(held[i]);
    }
    free_gate(pool, gate);
    end_pool(pool);
}

/* A task that submits the next one, into any slot. */
struct relay {
    long left;
    _Atomic long *ended;
};

static int relay_task(posse_task *task, const void *arg, size_t size)
{
    struct relay relay = *(const struct relay *)arg;
    if (relay.left-- > 0 &&
        posse_submit(posse_task_executor(task), relay_task, &relay, size, NULL) != POSSE_OK)
        return GAVE_UP;
    atomic_fetch_add(relay.ended, 1);
    return 0;
}

POOL_TEST(what_tasks_submit_counts, ALL, 3)
{
    enum { CHAINS = 8, LENGTH = 200 };
    struct relay relay = {LENGTH - 1, make_counter(pool)};
    for (int i = 0; i < CHAINS; i++)
        assert_ok(posse_submit(pool, relay_task, &relay, sizeof relay, NULL));
    assert_ok(posse_wait_idle(pool, -1));
    assert_int_equal(atomic_load(relay.ended), CHAINS * LENGTH);
    assert_ok(posse_free(pool, (void *)relay.ended));
}

static int wait_idle_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    return posse_wait_idle(posse_task_executor(task), 0) == POSSE_DEADLOCK ? 0 : GAVE_UP;
}

POOL_TEST(deadlock_in_a_task, ALL, 2)
{
    take_error(submitted(pool, wait_idle_task, NULL, 0), POSSE_OK);
}

struct calls {
    posse_executor *pool;
    _Atomic int began, ended, open;
    posse_status inside;
};

static int slow_callback(posse_future future, void *context)
{
    struct calls *calls = context;
    (void)future;
    atomic_fetch_add(&calls->began, 1);
    calls->inside = posse_wait_idle(calls->pool, -1); /* waits for no callback */
    while (!atomic_load(&calls->open))
        pause_ms(1);
    atomic_fetch_add(&calls->ended, 1);
    return 0;
}

POOL_TEST(callbacks_have_returned, PARALLEL, 2)
{
    struct calls calls = {.pool = pool};
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    assert_ok(posse_add_done_callback(future, slow_callback, &calls));
    open_gate(gate);
    assert_eventually(atomic_load(&calls.began) == 1);
    assert_status(posse_wait_idle(pool, 5), POSSE_TIMEOUT);
    struct caller caller;
    start_call(&caller, call_wait_idle, pool);
    await_parked(&caller);
    atomic_store(&calls.open, 1);
    assert_ok(end_call(&caller));
    assert_int_equal(atomic_load(&calls.ended), 1);
    assert_ok(calls.inside);
    (void)take_long(future);
    free_gate(pool, gate);
}

POOL_TEST(cancelled_lost_and_killed_tasks_have_ended, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future held[2] = {submitted_hold(pool, gate), submitted_hold(pool, gate)};
    await_entered(gate, 2);
    posse_future waiting = submitted_hold(pool, gate);
    struct caller caller;
    start_call(&caller, call_wait_idle, pool);
    await_parked(&caller);
    assert_ok(posse_cancel(waiting));
    assert_ok(posse_kill(held[0]));
    assert_ok(posse_kill(held[1]));
    assert_ok(end_call(&caller));
    open_gate(gate); /* threads go on */
    take_error(waiting, POSSE_CANCELLED);
    take_error(held[0], POSSE_CANCELLED);
    take_error(held[1], POSSE_CANCELLED);
    assert_eventually(stats_of(pool).workers == 2);
    free_gate(pool, gate);
}

POOL_TEST(a_task_that_runs_again, PROCESSES, 2, .retries = 3)
{
    posse_future future = submitted_long(pool, signal_task, SIGKILL);
    assert_ok(posse_wait_idle(pool, -1));
    assert_true(posse_done(future));
    take_error(future, POSSE_WORKER_LOST);
}

POOL_TEST(after_shutdown, ALL, 2)
{
    assert_ok(posse_submit(pool, square_task, &(long){2}, sizeof(long), NULL));
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    assert_ok(posse_wait_idle(pool, -1));
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_wait_idle(pool, -1));
}

TEST(broken, PROCESSES)
{
    posse_executor *pool = POOL(1, .on_worker_lost = POSSE_BREAK);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future waiting = submitted_hold(pool, gate);
    struct caller caller;
    start_call(&caller, call_wait_idle, pool);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)atomic_load(&gate->who[0]), SIGKILL), 0);
    assert_status(end_call(&caller), POSSE_BROKEN);
    assert_status(posse_wait_idle(pool, -1), POSSE_BROKEN);
    (void)posse_release(held);
    (void)posse_release(waiting);
    assert_ok(posse_destroy(pool));
}

TEST(destroyed_meanwhile, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    (void)submitted_hold(pool, gate);
    await_entered(gate, 1);
    struct caller waits, destroys;
    start_call(&waits, call_wait_idle, pool);
    await_parked(&waits);
    start_call(&destroys, call_destroy, pool);
    assert_status(end_call(&waits), POSSE_SHUT_DOWN);
    if (backend() == POSSE_THREAD)
        open_gate(gate);
    assert_ok(end_call(&destroys));
}

static int wait_in_child(void *pool)
{
    REQUIRE(posse_wait_idle(pool, 0) == POSSE_WRONG_PROCESS);
    return 0;
}

POOL_TEST(wrong_process, FORKED, 1) { assert_child(wait_in_child, pool); }
