/* woken.c - whoever waits, or looks again and again, learns in time what has happened. */
#include "support/support.h"

#include <signal.h>

/* ---- the supervisor is killed ---- */

/* Calls that wait shortly, or not at all, never wait long enough to look after the supervisor on
 * that account; they must do it nevertheless. */
static void assert_poll_sees_death(long timeout_ms)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_status(posse_result(future, timeout_ms, NULL, NULL), POSSE_TIMEOUT);
    kill(supervisor, SIGKILL);
    assert_eventually(posse_result(future, timeout_ms, NULL, NULL) != POSSE_TIMEOUT);
    assert_status(posse_result(future, timeout_ms, NULL, NULL), POSSE_BROKEN);
    assert_status(posse_exception(future, timeout_ms, NULL), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}

TEST(death_seen_by_short_waits, PROCESSES) { assert_poll_sees_death(5); }

TEST(death_seen_without_waiting, PROCESSES) { assert_poll_sees_death(0); }

/* ---- callers that are blocked ---- */

/* One worker at a gate and one task behind it, which is all that may wait. */
struct full {
    posse_executor *pool;
    struct gate *gate;
};

static struct full make_full(void)
{
    struct full full = {.pool = POOL(1, .queue_limit = 1)};
    full.gate = make_gate(full.pool);
    assert_ok(posse_release(submitted_hold(full.pool, full.gate)));
    await_entered(full.gate, 1);
    assert_ok(posse_submit(full.pool, identity_task, NULL, 0, NULL));
    return full;
}

static void end_full(struct full *full)
{
    open_gate(full->gate);
    assert_eventually(stats_of(full->pool).futures == 0);
    free_gate(full->pool, full->gate);
    end_pool(full->pool);
}

static posse_status submit_only(void *pool)
{
    return posse_submit(pool, identity_task, NULL, 0, NULL);
}

static void start_parked(struct caller *callers, size_t n, posse_status (*call)(void *), void *pool)
{
    for (size_t i = 0; i < n; i++) {
        start_call(&callers[i], call, pool);
        await_parked(&callers[i]);
    }
}

static void end_calls(struct caller *callers, size_t n, posse_status expected)
{
    for (size_t i = 0; i < n; i++)
        assert_status(end_call(&callers[i]), expected);
}

TEST(shutdown_wakes_all_submitters, PARALLEL)
{
    look_never();
    struct full full = make_full();
    struct caller callers[4];
    start_parked(callers, COUNT(callers), submit_only, full.pool);
    assert_ok(posse_shutdown(full.pool, POSSE_NO_WAIT, 0));
    end_calls(callers, COUNT(callers), POSSE_SHUT_DOWN);
    end_full(&full);
}

/* Two gates, one after the other. */
struct stages {
    struct gate *submitted; /* its task has a task in the queue */
    struct gate *helped;    /* that task has been started */
};

static int helps_task(posse_task *task, const void *arg, size_t size)
{
    const struct stages *stages = arg;
    posse_future inner;
    if (posse_submit(posse_task_executor(task), hold_task, &stages->helped, sizeof stages->helped,
                     &inner) != POSSE_OK ||
        !pass_gate(stages->submitted))
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    posse_release(inner);
    return status == POSSE_OK ? 0 : INNER_FAILED;
}

/* A task that runs another one while it waits for it makes room in the queue as well. */
TEST(room_made_by_a_task_that_waits, PARALLEL)
{
    look_never();
    posse_executor *pool = POOL(1, .queue_limit = 1);
    struct stages stages = {make_gate(pool), make_gate(pool)};
    posse_future outer = SUBMIT_VALUE(pool, helps_task, stages);
    struct caller caller;
    await_entered(stages.submitted, 1);
    start_parked(&caller, 1, submit_only, pool);
    open_gate(stages.submitted);
    assert_ok(end_call(&caller));
    open_gate(stages.helped);
    take_error(outer, POSSE_OK);
    assert_eventually(stats_of(pool).done == 3);
    free_gate(pool, stages.submitted);
    free_gate(pool, stages.helped);
    end_pool(pool);
}

/* Destroy frees the executor once the last of them has left it, and not before. */
static void assert_destroy_wakes(posse_status (*call)(void *))
{
    struct caller callers[3];
    struct caller destroyer;
    struct full full = make_full();
    start_parked(callers, COUNT(callers), call, full.pool);
    start_call(&destroyer, call_destroy, full.pool);
    end_calls(callers, COUNT(callers), POSSE_SHUT_DOWN);
    if (backend() == POSSE_THREAD) /* destroy waits for the task at the gate */
        open_gate(full.gate);
    assert_ok(end_call(&destroyer));
}

TEST(destroy_beside_blocked_submitters, PARALLEL)
{
    for (int i = 0; i < 40; i++)
        assert_destroy_wakes(submit_only);
}

TEST(destroy_beside_blocked_shutdowns, PARALLEL)
{
    for (int i = 0; i < 40; i++)
        assert_destroy_wakes(call_shutdown);
}

/* Shutdown turns the submitter away while the other one goes on waiting, and destroy may come
 * before the submitter has left. */
TEST(destroy_beside_both, PARALLEL)
{
    for (int i = 0; i < 40; i++) {
        struct full full = make_full();
        struct caller submitter;
        struct caller shutter;
        struct caller destroyer;
        start_parked(&submitter, 1, submit_only, full.pool);
        start_parked(&shutter, 1, call_shutdown, full.pool);
        start_call(&destroyer, call_destroy, full.pool);
        assert_status(end_call(&submitter), POSSE_SHUT_DOWN);
        assert_status(end_call(&shutter), POSSE_SHUT_DOWN);
        if (backend() == POSSE_THREAD)
            open_gate(full.gate);
        assert_ok(end_call(&destroyer));
    }
}

/* ---- inline ---- */

struct stay {
    posse_executor *pool;
    struct gate *gate;
};

static posse_status submit_hold(void *context)
{
    struct stay *stay = context;
    return posse_submit(stay->pool, hold_task, &stay->gate, sizeof stay->gate, NULL);
}

/* Without workers, a task of another thread is still a task that must end first. */
POOL_TEST(shutdown_waits_for_another_thread, INLINE, 1)
{
    struct stay stay = {pool, make_gate(pool)};
    struct caller runner;
    struct caller shutter;
    start_call(&runner, submit_hold, &stay);
    await_entered(stay.gate, 1);
    assert_status(posse_shutdown(pool, 0, 0), POSSE_TIMEOUT);
    assert_status(posse_shutdown(pool, 0, 20), POSSE_TIMEOUT);
    start_call(&shutter, call_shutdown, pool);
    await_parked(&shutter);
    open_gate(stay.gate);
    assert_ok(end_call(&shutter));
    assert_int_equal(atomic_load(&stay.gate->passed), 1);
    assert_ok(end_call(&runner));
    free_gate(pool, stay.gate);
}
