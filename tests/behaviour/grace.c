/* grace.c - tasks that are asked to stop before they are killed. */
#include "support/support.h"

#include <string.h>

static posse_future submitted_graced(posse_executor *pool, posse_fn *fn, struct gate *gate,
                                     long grace_ms)
{
    posse_job job = {
        .fn = fn, .arg = &gate, .size = sizeof gate, .grace_ms = grace_ms, .name = "graced"};
    return submitted_job(pool, job);
}

/* ---- before the deadline --------------------------------------------------------------------- */

static int asked_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_cancelled(task) && posse_task_time_left(task) > 0);
}

POOL_TEST(asked_before_the_deadline, ALL, 1)
{
    posse_job job = {.fn = asked_task, .timeout_ms = PATIENCE_MS, .grace_ms = PATIENCE_MS};
    assert_int_equal(take_long(submitted_job(pool, job)), 1);
    job.grace_ms = 0;
    assert_int_equal(take_long(submitted_job(pool, job)), 0);
}

POOL_TEST(ends_in_time, ALL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_job job = {.fn = heed_task,
                     .arg = &gate,
                     .size = sizeof gate,
                     .timeout_ms = PATIENCE_MS,
                     .grace_ms = PATIENCE_MS - 20};
    take_long(submitted_job(pool, job));
    assert_int_equal(stats_of(pool).timed_out, 0);
    free_gate(pool, gate);
}

POOL_TEST(deadline_holds, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_job job = {
        .fn = hold_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 30, .grace_ms = 20};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == (backend() == POSSE_THREAD));
    free_gate(pool, gate);
}

/* ---- after posse_cancel ---------------------------------------------------------------------- */

POOL_TEST(does_not_stop, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    look_never();
    posse_future deaf = submitted_graced(pool, hold_task, gate, 20);
    await_entered(gate, 1);
    assert_status(posse_cancel(deaf), POSSE_TOO_LATE);
    assert_status(posse_result(deaf, -1, NULL, NULL), POSSE_CANCELLED);
    assert_string_equal(take_error(deaf, POSSE_CANCELLED).name, "graced");
    assert_int_equal(stats_of(pool).cancelled, 1);
    take_long(submitted(pool, identity_task, NULL, 0));
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == (backend() == POSSE_THREAD));
    free_gate(pool, gate);
}

POOL_TEST(stops_when_asked, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_graced(pool, heed_task, gate, PATIENCE_MS);
    await_entered(gate, 1);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    take_long(future);
    assert_int_equal(atomic_load(&gate->passed), 1);
    free_gate(pool, gate);
}

/* The same worker's next task, in the same slot, has nothing to do with it. */
POOL_TEST(hits_no_other, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    for (int i = 0; i < 5; i++) {
        posse_future future = submitted_graced(pool, heed_task, gate, 30);
        await_entered(gate, 1 + 2 * i);
        assert_status(posse_cancel(future), POSSE_TOO_LATE);
        posse_status status = error_of(future).status;
        assert_true(status == POSSE_OK || status == POSSE_CANCELLED); /* it was too slow */
        assert_ok(posse_release(future));
        posse_future next = submitted_graced(pool, hold_task, gate, 30);
        await_entered(gate, 2 + 2 * i);
        pause_ms(40);
        await_rounds(pool);
        assert_true(posse_running(next));
        open_gate(gate);
        take_long(next);
        atomic_store(&gate->open, 0);
    }
    free_gate(pool, gate);
}

POOL_TEST(only_asked_without_grace, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    await_rounds(pool);
    assert_true(posse_running(future));
    open_gate(gate);
    take_long(future);
    free_gate(pool, gate);
}

POOL_TEST(killed_at_once, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_graced(pool, hold_task, gate, PATIENCE_MS);
    await_entered(gate, 1);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == (backend() == POSSE_THREAD));
    free_gate(pool, gate);
}

/* Its worker has just claimed it, and may not have put it where the supervisor looks for it. No
 * caller looks later whether a notification was lost. */
POOL_TEST(asked_as_it_begins, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    look_never();
    for (int i = 0; i < 100; i++) {
        posse_future future = submitted_graced(pool, hold_task, gate, 1);
        while (!posse_running(future) && !posse_done(future))
            ;
        (void)posse_cancel(future);
        take_error(future, POSSE_CANCELLED);
    }
    open_gate(gate);
    assert_eventually(stats_of(pool).workers == 1);
    free_gate(pool, gate);
}

/* A task that has not started is cancelled at once. */
POOL_TEST(not_started, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future first = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future waits = submitted_graced(pool, hold_task, gate, PATIENCE_MS);
    assert_ok(posse_cancel(waits));
    take_error(waits, POSSE_CANCELLED);
    open_gate(gate);
    take_long(first);
    free_gate(pool, gate);
}

/* ---- on one stack ---------------------------------------------------------------------------- */

static int waits_for_graced_task(posse_task *task, const void *arg, size_t size)
{
    posse_job job = {
        .struct_size = sizeof job, .fn = hold_task, .arg = arg, .size = size, .grace_ms = 30};
    posse_future inner;
    if (posse_submit_with(posse_task_executor(task), &job, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    posse_release(inner);
    return return_long(task, status);
}

/* The outer one was asked, so the worker is killed for it, and the inner one is lost with it. */
POOL_TEST(waits_for_another, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future outer = submitted_graced(pool, waits_for_graced_task, gate, 20);
    await_entered(gate, 1);
    assert_status(posse_cancel(outer), POSSE_TOO_LATE);
    take_error(outer, POSSE_CANCELLED);
    open_gate(gate);
    assert_eventually(stats_of(pool).futures == 0);
    take_long(submitted(pool, identity_task, NULL, 0));
    free_gate(pool, gate);
}

static int nesting_task(posse_task *task, const void *arg, size_t size)
{
    return wait_in_nest(task, nest_of(arg), (posse_job){.fn = hold_task, .grace_ms = 30});
}

/* Both are asked: the inner one is killed when its own time is over, though the outer one was asked
 * first, and has longer. */
POOL_TEST(the_shorter_of_two, PARALLEL, 1)
{
    struct nest *nest = make_nest(pool);
    posse_job job = {
        .fn = nesting_task, .arg = &nest, .size = sizeof nest, .grace_ms = 10 * PATIENCE_MS};
    posse_future outer = submitted_job(pool, job);
    await_entered(nest->gate, 1);
    assert_status(posse_cancel(outer), POSSE_TOO_LATE);
    await_rounds(pool);
    assert_status(posse_cancel(nest->inner), POSSE_TOO_LATE);
    if (backend() == POSSE_PROCESS) {
        take_error(outer, POSSE_WORKER_LOST); /* with the inner one's worker */
    } else {
        take_error(nest->inner, POSSE_CANCELLED);
        open_gate(nest->gate);
        take_long(outer);
    }
    open_gate(nest->gate);
    assert_eventually(stats_of(pool).running == 0);
    free_nest(pool, nest);
}

static int asks_itself_task(posse_task *task, const void *arg, size_t size)
{
    struct nest *nest = nest_of(arg);
    while (!nest->inner.executor)
        pause_ms(1);
    (void)posse_cancel(nest->inner);
    pause_ms(50); /* most often the supervisor sees it */
    return 0;
}

/* Waits for one after another that is asked to stop, and stops. */
static int delaying_task(posse_task *task, const void *arg, size_t size)
{
    struct nest *nest = nest_of(arg);
    posse_job job = {.struct_size = sizeof job,
                     .fn = asks_itself_task,
                     .arg = arg,
                     .size = size,
                     .grace_ms = 1000};
    enter_gate(nest->gate);
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end;) {
        if (posse_submit_with(posse_task_executor(task), &job, &nest->inner) != POSSE_OK)
            return INNER_FAILED;
        (void)posse_result(nest->inner, -1, NULL, NULL);
        (void)posse_release(nest->inner);
    }
    return GAVE_UP;
}

/* It may be lost with an inner one that was too slow. */
POOL_TEST(inner_ones_give_it_no_time, PROCESSES, 1)
{
    struct nest *nest = make_nest(pool);
    posse_job job = {.fn = delaying_task, .arg = &nest, .size = sizeof nest, .grace_ms = 2000};
    posse_future outer = submitted_job(pool, job);
    await_entered(nest->gate, 1);
    assert_status(posse_cancel(outer), POSSE_TOO_LATE);
    posse_error error = error_of(outer);
    assert_true(error.status == POSSE_CANCELLED || error.status == POSSE_WORKER_LOST);
    assert_ok(posse_release(outer));
    free_nest(pool, nest);
}

/* ---- refused --------------------------------------------------------------------------------- */

POOL_TEST(wrong_grace, ALL, 1)
{
    posse_future future;
    posse_job job = {
        .struct_size = sizeof job, .fn = identity_task, .timeout_ms = 10, .grace_ms = 11};
    assert_status(posse_submit_with(pool, &job, &future), POSSE_INVALID);
    assert_non_null(strstr(posse_last_error(), "grace_ms"));
    job.grace_ms = -1;
    assert_status(posse_submit_with(pool, &job, &future), POSSE_INVALID);
    job.timeout_ms = 0;
    job.grace_ms = (long)UINT32_MAX + 1;
    assert_status(posse_submit_with(pool, &job, &future), POSSE_TOO_LARGE);
}
