/* queue.c - the queue's limit: it holds the program back, and only as long as it must. */
#include "support/support.h"

/* One worker at a gate, and as many tasks behind it as may wait. */
#define LIMIT 3
struct full {
    posse_executor *pool;
    struct gate *gate;
    posse_future holder;
    posse_future waiting[LIMIT];
};

static posse_executor *make_limited_pool(void) { return POOL(1, .queue_limit = LIMIT); }

static struct full make_full(void)
{
    struct full full = {.pool = make_limited_pool()};
    full.gate = make_gate(full.pool);
    full.holder = submitted_hold(full.pool, full.gate);
    await_entered(full.gate, 1);
    for (int i = 0; i < LIMIT; i++) {
        full.waiting[i] =
            submitted_job(full.pool, (posse_job){.fn = identity_task, .flags = POSSE_NO_WAIT});
    }
    return full;
}

static void end_full(struct full *full)
{
    open_gate(full->gate);
    take_long(full->holder);
    for (int i = 0; i < LIMIT; i++)
        if (posse_release(full->waiting[i]) != POSSE_OK)
            fail_msg("future %d is gone", i);
    free_gate(full->pool, full->gate);
    end_pool(full->pool);
}

static posse_status submit_no_wait(posse_executor *pool, posse_future *future)
{
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .flags = POSSE_NO_WAIT};
    return posse_submit_with(pool, &job, future);
}

TEST(full_without_waiting, PARALLEL)
{
    struct full full = make_full();
    posse_future future = {0};
    for (int i = 0; i < 10; i++) {
        assert_status(submit_no_wait(full.pool, &future), POSSE_FULL);
        assert_status(submit_no_wait(full.pool, NULL), POSSE_FULL);
    }
    assert_null(future.executor);
    assert_int_equal(stats_of(full.pool).queued, LIMIT);
    end_full(&full);
}

TEST(full_with_timeout, PARALLEL)
{
    struct full full = make_full();
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .queue_timeout_ms = 30};
    long start = now_ms();
    assert_status(posse_submit_with(full.pool, &job, NULL), POSSE_TIMEOUT);
    assert_in_range(now_ms() - start, 29, PATIENCE_MS); /* not too early */
    assert_int_equal(stats_of(full.pool).queued, LIMIT);
    end_full(&full);
}

/* Submits a task and gives its result's status. */
static posse_status submit_and_wait(void *pool)
{
    posse_future future;
    posse_status status = posse_submit(pool, identity_task, NULL, 0, &future);
    if (status == POSSE_OK) {
        status = posse_result(future, -1, NULL, NULL);
        posse_release(future);
    }
    return status;
}

TEST(blocks_until_there_is_room, PARALLEL)
{
    struct full full = make_full();
    struct caller callers[5];
    for (size_t i = 0; i < COUNT(callers); i++) {
        start_call(&callers[i], submit_and_wait, full.pool);
        await_parked(&callers[i]);
    }
    assert_int_equal(stats_of(full.pool).queued, LIMIT);
    open_gate(full.gate);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    end_full(&full);
}

TEST(cancel_makes_room, PARALLEL)
{
    struct full full = make_full();
    struct caller caller;
    start_call(&caller, submit_and_wait, full.pool);
    await_parked(&caller);
    assert_ok(posse_cancel(full.waiting[1]));
    assert_eventually(stats_of(full.pool).queued == LIMIT &&
                      submit_no_wait(full.pool, NULL) == POSSE_FULL);
    open_gate(full.gate);
    assert_ok(end_call(&caller));
    end_full(&full);
}

static posse_status submit_only(void *pool)
{
    return posse_submit(pool, identity_task, NULL, 0, NULL);
}

TEST(shutdown_wakes_a_submitter, PARALLEL)
{
    struct full full = make_full();
    struct caller caller;
    start_call(&caller, submit_only, full.pool);
    await_parked(&caller);
    assert_ok(posse_shutdown(full.pool, POSSE_NO_WAIT, 0));
    assert_status(end_call(&caller), POSSE_SHUT_DOWN);
    end_full(&full);
}

TEST(destroy_wakes_a_submitter, PARALLEL)
{
    struct full full = make_full();
    struct caller caller;
    struct caller destroyer;
    start_call(&caller, submit_only, full.pool);
    await_parked(&caller);
    start_call(&destroyer, call_destroy, full.pool);
    assert_status(end_call(&caller), POSSE_SHUT_DOWN);
    if (backend() == POSSE_THREAD) /* destroy waits for the task at the gate */
        open_gate(full.gate);
    assert_ok(end_call(&destroyer));
}

/* Tasks are not held back: with one worker nobody else could make room. */
TEST(tasks_are_never_held_back, ALL)
{
    posse_executor *pool = make_limited_pool();
    assert_int_equal(take_long(submitted_long(pool, fib_task, 10)), 55);
    end_pool(pool);
}

TEST(many_through_a_narrow_queue, ALL)
{
    posse_executor *pool = make_limited_pool();
    _Atomic long *counter = make_counter(pool);
    for (int i = 0; i < 20000; i++)
        assert_ok(posse_submit(pool, count_task, &counter, sizeof counter, NULL));
    assert_eventually(atomic_load(counter) == 20000);
    assert_ok(posse_free(pool, (void *)counter));
    end_pool(pool);
}

static posse_status submit_many(void *pool)
{
    for (int i = 0; i < 2000; i++) {
        posse_status status = submit_and_wait(pool);
        if (status != POSSE_OK)
            return status;
    }
    return POSSE_OK;
}

TEST(many_submitters_in_a_narrow_queue, CALLERS)
{
    posse_executor *pool = make_limited_pool();
    struct caller callers[6];
    for (size_t i = 0; i < COUNT(callers); i++)
        start_call(&callers[i], submit_many, pool);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    end_pool(pool);
}

/* Without a limit nobody is held back, and NO_WAIT means nothing. */
/* An entry of a cancelled task stays in the ring until a worker passes it, and serves the next task
 * of its slot. That one needs room as any other. */
TEST(no_room_by_an_old_entry, PARALLEL)
{
    struct full full = make_full();
    posse_future future = {0};
    posse_future old = full.waiting[0];
    assert_ok(posse_cancel(old));
    assert_ok(submit_no_wait(full.pool, &full.waiting[0]));
    assert_int_not_equal(full.waiting[0].slot, old.slot);
    assert_ok(posse_release(old)); /* its slot is free, and still in the ring */
    for (int i = 0; i < 10; i++) {
        assert_status(submit_no_wait(full.pool, &future), POSSE_FULL);
        assert_int_equal(stats_of(full.pool).queued, LIMIT);
    }
    end_full(&full);
}

POOL_TEST(no_limit, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future holder = submitted_hold(pool, gate);
    for (int i = 0; i < 20000; i++)
        assert_ok(submit_no_wait(pool, NULL));
    open_gate(gate);
    take_long(holder);
    assert_eventually(stats_of(pool).done == 20001);
    free_gate(pool, gate);
}
