/* shutdown.c - the orderly end: what was accepted ends, nothing more is accepted, workers leave. */
#include "support/support.h"

static void assert_shut_down(posse_executor *pool)
{
    posse_future future = {0};
    long value = 1;
    posse_job job = {
        .struct_size = sizeof job, .fn = square_task, .arg = &value, .size = sizeof value};
    assert_status(posse_submit(pool, square_task, &value, sizeof value, &future), POSSE_SHUT_DOWN);
    assert_status(posse_submit(pool, square_task, &value, sizeof value, NULL), POSSE_SHUT_DOWN);
    assert_status(posse_submit_with(pool, &job, &future), POSSE_SHUT_DOWN);
    assert_null(future.executor);
}

POOL_TEST(S01_run_after_shutdown, ALL, 2)
{
    posse_future future = submitted_long(pool, square_task, 4);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_shut_down(pool);
    assert_true(posse_done(future));
    assert_int_equal(take_long(future), 16); /* results stay readable */
}

POOL_TEST(nothing_to_do, ALL, 2)
{
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_shutdown(pool, POSSE_CANCEL_FUTURES, -1));
    assert_eventually(stats_of(pool).workers == 0);
}

POOL_TEST(S04_all_results_are_there, ALL, 5)
{
    posse_future futures[50];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_long(pool, sleep_task, 5);
    assert_ok(posse_shutdown(pool, 0, -1));
    for (size_t i = 0; i < COUNT(futures); i++) {
        assert_true(posse_done(futures[i]));
        assert_int_equal(take_long(futures[i]), 5);
    }
}

/* Holds every worker of a pool at a gate, and lets more tasks wait. */
#define HELD 3
#define WAITING 50
struct busy {
    posse_executor *pool;
    struct gate *gate;
    posse_future held[HELD];
    posse_future waiting[WAITING];
};

static struct busy make_busy(size_t waiting)
{
    struct busy busy = {.pool = make_pool(HELD)};
    busy.gate = make_gate(busy.pool);
    for (size_t i = 0; i < HELD; i++)
        busy.held[i] = submitted_hold(busy.pool, busy.gate);
    await_entered(busy.gate, HELD);
    for (size_t i = 0; i < waiting; i++)
        busy.waiting[i] = submitted_long(busy.pool, square_task, (long)i);
    return busy;
}

static void end_busy(struct busy *busy)
{
    free_gate(busy->pool, busy->gate);
    end_pool(busy->pool);
}

/* All that have not started are cancelled, by the time that shutdown returns; the others end
 * well. */
TEST(S05_cancel_futures, PARALLEL)
{
    struct busy busy = make_busy(WAITING);
    struct caller caller;
    start_call(&caller, call_result, &busy.waiting[WAITING / 2]);
    await_parked(&caller);
    assert_ok(posse_shutdown(busy.pool, POSSE_NO_WAIT | POSSE_CANCEL_FUTURES, 0));
    assert_status(end_call(&caller), POSSE_CANCELLED);
    for (size_t i = 0; i < WAITING; i++) {
        assert_true(posse_cancelled(busy.waiting[i]));
        take_error(busy.waiting[i], POSSE_CANCELLED);
    }
    open_gate(busy.gate);
    assert_ok(posse_shutdown(busy.pool, 0, -1));
    for (size_t i = 0; i < HELD; i++)
        take_long(busy.held[i]);
    end_busy(&busy);
}

/* Workers of blocked tasks leave after shutdown, and their processes or threads are gone. */
static void assert_workers_leave(unsigned flags)
{
    int threads = count_threads();
    int processes = count_processes();
    struct busy busy = make_busy(2);
    assert_int_equal(stats_of(busy.pool).workers, HELD);
    struct caller caller;
    if (flags & POSSE_NO_WAIT) {
        assert_ok(posse_shutdown(busy.pool, flags, 0));
    } else {
        start_call(&caller, call_shutdown, busy.pool);
        await_parked(&caller);
    }
    open_gate(busy.gate);
    for (size_t i = 0; i < HELD; i++)
        take_long(busy.held[i]);
    assert_int_equal(take_long(busy.waiting[0]), 0);
    assert_int_equal(take_long(busy.waiting[1]), 1);
    if (!(flags & POSSE_NO_WAIT)) {
        assert_ok(end_call(&caller));
        assert_int_equal(stats_of(busy.pool).workers, 0);
    }
    assert_eventually(stats_of(busy.pool).workers == 0);
    assert_eventually(count_threads() <= threads + 1);     /* one may watch the others */
    assert_eventually(count_processes() <= processes + 1); /* the supervisor */
    end_busy(&busy);
}

TEST(S08_threads_terminate, THREADS) { assert_workers_leave(0); }

TEST(S11_shutdown_no_wait, THREADS) { assert_workers_leave(POSSE_NO_WAIT); }

TEST(S15_processes_terminate, PROCESSES) { assert_workers_leave(0); }

TEST(S18_shutdown_no_wait, PROCESSES) { assert_workers_leave(POSSE_NO_WAIT); }

TEST(timeout, PARALLEL)
{
    struct busy busy = make_busy(3);
    assert_status(posse_shutdown(busy.pool, 0, 0), POSSE_TIMEOUT);
    assert_status(posse_shutdown(busy.pool, 0, 20), POSSE_TIMEOUT);
    assert_shut_down(busy.pool);
    assert_false(posse_done(busy.held[0]));
    assert_status(posse_shutdown(busy.pool, POSSE_CANCEL_FUTURES, 20), POSSE_TIMEOUT);
    assert_true(posse_cancelled(busy.waiting[2]));
    open_gate(busy.gate);
    assert_ok(posse_shutdown(busy.pool, 0, -1));
    for (size_t i = 0; i < HELD; i++) {
        take_long(busy.held[i]);
        take_error(busy.waiting[i], POSSE_CANCELLED);
    }
    end_busy(&busy);
}

TEST(from_several_threads, PARALLEL)
{
    struct busy busy = make_busy(0);
    struct caller callers[4];
    for (size_t i = 0; i < COUNT(callers); i++) {
        start_call(&callers[i], call_shutdown, busy.pool);
        await_parked(&callers[i]);
    }
    open_gate(busy.gate);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    for (size_t i = 0; i < HELD; i++)
        take_long(busy.held[i]);
    end_busy(&busy);
}

/* Passes the gate, which is opened after shutdown, and then works with tasks of its own. */
static int late_fib_task(posse_task *task, const void *arg, size_t size)
{
    long n = 8;
    return pass_gate(*(struct gate *const *)arg) ? fib_task(task, &n, sizeof n) : GAVE_UP;
}

POOL_TEST(tasks_go_on_submitting, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, late_fib_task, gate);
    await_entered(gate, 1);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(take_long(future), 21);
    free_gate(pool, gate);
}

/* Shuts its own executor down with the flags of the argument; the status is its result. */
static int shutdown_task(posse_task *task, const void *arg, size_t size)
{
    unsigned flags = (unsigned)*(const long *)arg;
    return return_long(task, posse_shutdown(posse_task_executor(task), flags, -1));
}

POOL_TEST(by_a_task, ALL, 2)
{
    assert_int_equal(take_long(submitted_long(pool, shutdown_task, 0)), POSSE_DEADLOCK);
    assert_int_equal(take_long(submitted_long(pool, square_task, 2)), 4); /* nothing has changed */
    posse_future last = submitted_long(pool, shutdown_task, POSSE_NO_WAIT);
    assert_int_equal(take_long(last), POSSE_OK);
    assert_shut_down(pool);
    assert_ok(posse_shutdown(pool, 0, -1));
}

TEST(kill_after_shutdown, PARALLEL)
{
    struct busy busy = make_busy(1);
    assert_ok(posse_shutdown(busy.pool, POSSE_NO_WAIT, 0));
    assert_ok(posse_cancel(busy.waiting[0]));
    for (size_t i = 0; i < HELD; i++) {
        assert_ok(posse_kill(busy.held[i]));
        take_error(busy.held[i], POSSE_CANCELLED);
    }
    open_gate(busy.gate); /* threads are not dead, only disowned */
    assert_ok(posse_shutdown(busy.pool, 0, -1));
    take_error(busy.waiting[0], POSSE_CANCELLED);
    end_busy(&busy);
}

POOL_TEST(P23_unknown_flags, ALL, 1)
{
    assert_status(posse_shutdown(pool, 4, 0), POSSE_INVALID);
    assert_status(posse_shutdown(pool, 1u << 31 | POSSE_NO_WAIT, 0), POSSE_INVALID);
    assert_status(posse_shutdown(NULL, 0, 0), POSSE_INVALID);
    assert_int_equal(take_long(submitted_long(pool, square_task, 2)), 4); /* it was not shut down */
}

/* One task is at the gate and two wait behind it. A call without a limit opens the gate before, so
 * there those that wait may have run. */
static void assert_combination(unsigned flags, long timeout_ms)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate), future;
    posse_future queued[2] = {submitted_long(pool, square_task, 2),
                              submitted_long(pool, square_task, 3)};
    bool waits = !(flags & POSSE_NO_WAIT), opened = waits && timeout_ms < 0;
    await_entered(gate, 1);
    if (opened)
        open_gate(gate);
    assert_status(posse_shutdown(pool, flags, timeout_ms),
                  waits && !opened ? POSSE_TIMEOUT : POSSE_OK);
    assert_status(posse_submit(pool, square_task, NULL, 0, &future), POSSE_SHUT_DOWN);
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1)); /* again */
    assert_ok(posse_result(held, 0, NULL, NULL));
    for (int i = 0; i < 2; i++) {
        posse_status status = posse_result(queued[i], 0, NULL, NULL);
        bool cancels = flags & POSSE_CANCEL_FUTURES;
        assert_true(status == (cancels ? POSSE_CANCELLED : POSSE_OK) ||
                    (opened && status == POSSE_OK));
        assert_ok(posse_release(queued[i]));
    }
    assert_ok(posse_release(held));
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(every_combination, PARALLEL)
{
    static const long timeouts[] = {0, 20, -1};
    for (unsigned flags = 0; flags <= (POSSE_NO_WAIT | POSSE_CANCEL_FUTURES); flags++)
        for (size_t i = 0; i < COUNT(timeouts); i++)
            assert_combination(flags, timeouts[i]);
}
