/* break.c - executors that break, and what they say. */
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static posse_options breaking(long workers)
{
    posse_options options = OPTIONS(workers, .on_worker_lost = POSSE_BREAK);
    return options;
}

static posse_error why(posse_executor *pool)
{
    posse_error error = {.struct_size = sizeof error};
    memset(&error, 0xff, sizeof error);
    error.struct_size = sizeof error;
    assert_ok(posse_why_broken(pool, &error));
    return error;
}

static void assert_not_broken(posse_executor *pool)
{
    posse_error error = why(pool);
    assert_status(error.status, POSSE_OK);
    assert_string_equal(error.message, "");
}

/* One worker is killed: its own task is lost, all that wait or run never end. */
TEST(P03_killed_child, PROCESSES)
{
    char text[300];
    posse_executor *pool = make_pool_with(breaking(2));
    struct gate *gate = make_gate(pool);
    posse_future running = submitted_hold(pool, gate);
    posse_future doomed = submitted_hold(pool, gate);
    posse_future pending = submitted_long(pool, square_task, 2);
    await_entered(gate, 2);
    assert_not_broken(pool);
    pid_t pid = (pid_t)atomic_load(&gate->who[1]);
    assert_int_equal(kill(pid, SIGTERM), 0);
    posse_error error = {.struct_size = sizeof error};
    assert_eventually(why(pool).status == POSSE_BROKEN);
    assert_status(posse_exception(pending, -1, &error), POSSE_BROKEN);
    snprintf(text, sizeof text, "worker %ld was killed by signal 15 (Terminated)", (long)pid);
    assert_string_equal(error.message, text);
    assert_int_equal(error.status, POSSE_BROKEN);
    assert_int_equal(error.signal, SIGTERM);
    assert_int_equal(error.pid, pid);
    error = why(pool);
    assert_string_equal(error.message, text);
    /* The futures of the two tasks: one says how its worker ended, the other never will. */
    posse_status first = posse_result(running, -1, NULL, NULL);
    posse_status second = posse_result(doomed, -1, NULL, NULL);
    assert_true((first == POSSE_BROKEN) != (second == POSSE_BROKEN));
    assert_true((first == POSSE_WORKER_LOST) != (second == POSSE_WORKER_LOST));
    long value = 2;
    assert_status(posse_submit(pool, square_task, &value, sizeof value, NULL), POSSE_BROKEN);
    assert_status(posse_shutdown(pool, 0, -1), POSSE_BROKEN);
    assert_ok(posse_kill_workers(pool));
    assert_ok(posse_destroy(pool));
}

TEST(worker_exits, PROCESSES)
{
    posse_executor *pool = make_pool_with(breaking(2));
    posse_future future = submitted_long(pool, exit_task, 99);
    take_error(future, POSSE_WORKER_LOST);
    assert_eventually(why(pool).status == POSSE_BROKEN);
    assert_int_equal(why(pool).exit_code, 99);
    assert_non_null(strstr(why(pool).message, "terminated abruptly with exit code 99"));
    assert_ok(posse_destroy(pool));
}

static int end_thread_task(posse_task *task, const void *arg, size_t size) { pthread_exit(NULL); }

TEST(thread_ends, THREADS)
{
    posse_executor *pool = make_pool_with(breaking(2));
    take_error(submitted(pool, end_thread_task, NULL, 0), POSSE_WORKER_LOST);
    assert_eventually(why(pool).status == POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}

/* What posse ends itself does not break it. */
TEST(ended_by_posse, PARALLEL)
{
    posse_executor *pool = make_pool_with(breaking(2));
    struct gate *late = make_gate(pool), *gate = make_gate(pool);
    posse_job job = {.fn = hold_task, .arg = &late, .size = sizeof late, .timeout_ms = 20};
    take_error(submitted_job(pool, job), POSSE_DEADLINE); /* it may not have entered */
    posse_future killed = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(killed));
    take_error(killed, POSSE_CANCELLED);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_not_broken(pool);
    open_gate(late);
    open_gate(gate);
    if (backend() == POSSE_THREAD)
        assert_eventually(atomic_load(&late->passed) + atomic_load(&gate->passed) == 2);
    free_gate(pool, late);
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(shut_down_by_force, PROCESSES)
{
    posse_executor *pool = make_pool_with(breaking(2));
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill_workers(pool));
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_not_broken(pool);
    take_error(future, POSSE_WORKER_LOST);
    assert_ok(posse_destroy(pool));
}

POOL_TEST(carries_on, PROCESSES, 1)
{
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_not_broken(pool);
}

TEST(supervisor_dies, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_eventually(why(pool).status == POSSE_BROKEN);
    assert_string_equal(why(pool).message, "the supervisor died");
    assert_status(posse_resize(pool, 3), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}

TEST(not_broken, ALL)
{
    posse_executor *pool = make_pool_with(breaking(1));
    assert_not_broken(pool);
    assert_status(posse_why_broken(pool, NULL), POSSE_INVALID);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_not_broken(pool);
    end_pool(pool);
}
