/* deadline.c - tasks that may run for a limited time. */
#include "support/support.h"

static posse_future submitted_limited(posse_executor *pool, posse_fn *fn, struct gate *gate,
                                      long ms)
{
    posse_job job = {.fn = fn, .arg = &gate, .size = sizeof gate, .timeout_ms = ms, .name = "slow"};
    return submitted_job(pool, job);
}

POOL_TEST(ends_on_time, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future slow = submitted_limited(pool, hold_task, gate, 30);
    posse_future next = submitted(pool, identity_task, NULL, 0);
    assert_status(posse_result(slow, -1, NULL, NULL), POSSE_DEADLINE);
    take_long(next); /* the one worker is replaced */
    posse_error error = take_error(slow, POSSE_DEADLINE);
    assert_string_equal(error.name, "slow");
    assert_int_equal(error.attempt, 1);
    assert_true(error.message[0] != '\0');
    assert_int_equal(atomic_load(&gate->passed), 0);
    assert_int_equal(stats_of(pool).timed_out, 1);
    open_gate(gate);
    if (backend() == POSSE_THREAD) /* it goes on, of no account, and leaves */
        assert_eventually(atomic_load(&gate->passed) == 1);
    assert_eventually(stats_of(pool).workers == 1);
    free_gate(pool, gate);
}

/* Many at once, in another order than they were submitted in; those with time to spare end well. */
TEST(many_deadlines, PARALLEL)
{
    enum { SLOW = 8 };
    posse_executor *pool = make_pool(SLOW);
    struct gate *gate = make_gate(pool);
    posse_future slow[SLOW];
    for (long i = 0; i < SLOW; i++)
        slow[i] = submitted_limited(pool, hold_task, gate, 20 + (i * 5 % SLOW) * 10);
    for (long i = 0; i < SLOW; i++)
        take_error(slow[i], POSSE_DEADLINE);
    for (int i = 0; i < 50; i++) {
        long value = i;
        posse_job job = {
            .fn = square_task, .arg = &value, .size = sizeof value, .timeout_ms = 30000};
        assert_int_equal(take_long(submitted_job(pool, job)), i * i);
    }
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == (backend() == POSSE_THREAD ? SLOW : 0));
    free_gate(pool, gate);
    end_pool(pool);
}

POOL_TEST(heeded_by_a_thread, THREADS, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future slow = submitted_limited(pool, heed_task, gate, 20);
    take_error(slow, POSSE_DEADLINE);
    assert_eventually(atomic_load(&gate->passed) == 1);
    free_gate(pool, gate);
}

POOL_TEST(noticed_when_it_returns, INLINE, 1)
{
    long ms = 30;
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .timeout_ms = 5};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    job.timeout_ms = 30000;
    assert_int_equal(take_long(submitted_job(pool, job)), 30);
    assert_int_equal(stats_of(pool).timed_out, 1);
}

static int end_of_time_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, now_ms() + posse_task_time_left(task));
}

/* The time is the task's own: what it waits for a worker does not count. */
POOL_TEST(counts_from_the_start, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future holder = submitted_hold(pool, gate);
    posse_job job = {.fn = end_of_time_task, .timeout_ms = PATIENCE_MS};
    posse_future future = submitted_job(pool, job);
    pause_ms(50);
    long begin = now_ms() - 5; /* milliseconds are rounded */
    open_gate(gate);
    take_long(holder);
    assert_true(take_long(future) >= begin + PATIENCE_MS);
    free_gate(pool, gate);
}

static int time_left_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_time_left(task));
}

POOL_TEST(time_left, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, time_left_task, NULL, 0)), -1);
    posse_job job = {.fn = time_left_task, .timeout_ms = 30000};
    assert_in_range(take_long(submitted_job(pool, job)), 1, 30000);
    job.timeout_ms = UINT32_MAX;
    assert_true(take_long(submitted_job(pool, job)) > 1000000);
}

/* Runs until its time is up, as the task itself sees it. Returns 0 if all it sees agrees. */
static int overdue_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate = *(struct gate *const *)arg;
    for (long end = now_ms() + PATIENCE_MS; posse_task_time_left(task) > 0; pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    if (posse_task_time_left(task) == 0 && posse_task_cancelled(task))
        atomic_store(&gate->open, 1);
    return 0;
}

/* Where a task outlives its deadline, it sees that it has. */
POOL_TEST(no_time_left, THREADS | INLINE, 1)
{
    struct gate *gate = make_gate(pool);
    take_error(submitted_limited(pool, overdue_task, gate, 20), POSSE_DEADLINE);
    assert_eventually(atomic_load(&gate->open));
    assert_eventually(stats_of(pool).running == 0);
    free_gate(pool, gate);
}

/* A deadline is no loss: it is not tried again. */
POOL_TEST(is_not_retried, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_job job = {
        .fn = hold_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 20, .retries = 3};
    assert_int_equal(take_error(submitted_job(pool, job), POSSE_DEADLINE).attempt, 1);
    assert_in_range(atomic_load(&gate->entered), 0, 1); /* 0: it was late before it came there */
    if (backend() == POSSE_THREAD) {
        open_gate(gate);
        assert_eventually(atomic_load(&gate->passed) == 1);
    }
    free_gate(pool, gate);
}

/* A task with a deadline that nobody observes leaves nothing behind. */
POOL_TEST(unobserved, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    for (int i = 0; i < 5; i++)
        assert_ok(posse_release(submitted_limited(pool, hold_task, gate, 10)));
    assert_eventually(stats_of(pool).timed_out == 5);
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == (backend() == POSSE_THREAD ? 5 : 0));
    free_gate(pool, gate);
}

/* Waits for an inner task that is held at a gate and has a deadline; gives back how the inner
 * one ended. */
static int waits_for_slow_task(posse_task *task, const void *arg, size_t size)
{
    posse_job job = {
        .struct_size = sizeof job, .fn = hold_task, .arg = arg, .size = size, .timeout_ms = 50};
    posse_future inner;
    if (posse_submit_with(posse_task_executor(task), &job, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    posse_release(inner);
    return return_long(task, status);
}

/* With one worker the inner task runs on the outer one's stack. A process dies with both; a
 * thread goes on as soon as the inner task returns. */
POOL_TEST(inner_deadline, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future outer = SUBMIT_VALUE(pool, waits_for_slow_task, gate);
    if (backend() == POSSE_PROCESS) {
        take_error(outer, POSSE_WORKER_LOST);
    } else {
        assert_eventually(stats_of(pool).timed_out == 1);
        open_gate(gate);
        assert_int_equal(take_long(outer), POSSE_DEADLINE);
    }
    assert_eventually(stats_of(pool).timed_out == 1); /* the outer one's end may be seen first */
    take_long(submitted(pool, identity_task, NULL, 0));
    free_gate(pool, gate);
}
