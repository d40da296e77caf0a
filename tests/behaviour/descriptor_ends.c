/* descriptor_ends.c - nobody keeps a copy of a job's descriptors, however its task ends, or its
 * executor. */
#include "pool/finish.h"
#include "support/descriptors.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* ---- of the task ---- */

static int crash_first_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_attempt(task) == 1)
        raise(SIGKILL);
    return write_task(task, arg, size);
}

static int crash_task(posse_task *task, const void *arg, size_t size) { return raise(SIGKILL); }

POOL_TEST(cancelled_tasks_keep_none, PARALLEL, 1)
{
    enum { TASKS = 20 };
    posse_future futures[TASKS];
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe();
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    for (int i = 0; i < TASKS; i++)
        futures[i] = submitted_write(pool, ends.writer);
    for (int i = 0; i < TASKS; i++) {
        assert_ok(posse_cancel(futures[i]));
        assert_ok(posse_release(futures[i]));
    }
    assert_none_is_left(ends);
    open_gate(gate);
    end_well(held);
    free_gate(pool, gate);
}

/* Two find the same task ended and released, and one comes late: the slot is another task's. */
POOL_TEST(a_task_in_the_same_slot_keeps_its_own, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe();
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future first = submitted_write(pool, ends.writer);
    assert_ok(posse_cancel(first));
    uint64_t word = pi_load_seq(&pool->segment.slots.at[first.slot].word);
    assert_ok(posse_release(first));
    posse_future next = submitted_write(pool, ends.writer);
    assert_int_equal(next.slot, first.slot);
    assert_false(pi_discard(pool, first.slot, word));
    open_gate(gate);
    end_well(held);
    end_well(next);
    assert_comes(ends.reader);
    assert_none_is_left(ends);
    free_gate(pool, gate);
}

POOL_TEST(a_lost_task_keeps_none, PROCESSES, 1)
{
    struct ends ends = make_pipe();
    posse_future future = submitted_job(pool, job_with(crash_task, &written, &ends.writer, 1));
    (void)take_error(future, POSSE_WORKER_LOST);
    assert_none_is_left(ends);
}

POOL_TEST(a_late_task_keeps_none, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe();
    for (long retries = 0; retries < 2; retries++) {
        posse_job job = job_with(heed_task, NULL, &ends.writer, 1);
        job.arg = &gate;
        job.size = sizeof gate;
        job.timeout_ms = 20;
        job.retries = retries;
        (void)take_error(submitted_job(pool, job), POSSE_DEADLINE);
    }
    assert_none_is_left(ends);
    free_gate(pool, gate);
}

POOL_TEST(a_killed_task_keeps_none, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe();
    posse_job job = job_with(heed_task, NULL, &ends.writer, 1);
    job.arg = &gate;
    job.size = sizeof gate;
    posse_future future = submitted_job(pool, job);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    (void)take_error(future, POSSE_CANCELLED);
    assert_none_is_left(ends);
    free_gate(pool, gate);
}

POOL_TEST(a_retry_gets_them_again, PROCESSES, 1)
{
    struct ends ends = make_pipe();
    posse_job job = job_with(crash_first_task, &written, &ends.writer, 1);
    job.retries = 3;
    posse_future future = submitted_job(pool, job);
    end_well(future);
    assert_comes(ends.reader);
    assert_none_is_left(ends); /* though retries are left */
}

POOL_TEST(unobserved_tasks_keep_none, ALL, 1)
{
    struct ends ends = make_pipe();
    posse_job job = job_with(write_task, &written, &ends.writer, 1);
    job.retries = 2;
    for (int i = 0; i < 10; i++)
        assert_ok(posse_submit_with(pool, &job, NULL));
    for (int i = 0; i < 10; i++)
        assert_comes(ends.reader);
    assert_none_is_left(ends);
}

static int leave_task(posse_task *task, const void *arg, size_t size) { pthread_exit(NULL); }

POOL_TEST(a_thread_that_leaves_keeps_none, THREADS, 1)
{
    struct ends ends = make_pipe();
    posse_future future = submitted_job(pool, job_with(leave_task, &written, &ends.writer, 1));
    (void)take_error(future, POSSE_WORKER_LOST);
    assert_none_is_left(ends);
}

/* ---- of the executor ---- */

TEST(destroy_keeps_none, PARALLEL)
{
    posse_executor *pool = POOL(1);
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe();
    posse_job job = job_with(heed_task, NULL, &ends.writer, 1);
    job.arg = &gate;
    job.size = sizeof gate;
    job.timeout_ms = 500;
    (void)submitted_job(pool, job);
    await_entered(gate, 1);
    for (int i = 0; i < 5; i++)
        (void)submitted_write(pool, ends.writer);
    assert_ok(posse_destroy(pool));
    assert_none_is_left(ends);
}

TEST(a_dead_supervisor_keeps_none, PROCESSES)
{
    posse_executor *pool = POOL(1);
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe();
    posse_future future;
    long supervisor = take_long(submitted(pool, parent_task, NULL, 0));
    (void)submitted_hold(pool, gate);
    for (int i = 0; i < 5; i++)
        (void)submitted_write(pool, ends.writer);
    assert_int_equal(kill((pid_t)supervisor, SIGKILL), 0);
    assert_eventually(!process_lives((pid_t)supervisor));
    assert_status(submit(pool, job_with(write_task, &written, &ends.writer, 1), &future),
                  POSSE_BROKEN);
    assert_none_is_left(ends);
    assert_ok(posse_destroy(pool));
}

static posse_status call_submit(void *context)
{
    posse_executor *pool = context;
    int fd = STDERR_FILENO;
    posse_job job = job_with(write_task, &written, &fd, 1);
    return posse_submit_with(pool, &job, NULL);
}

/* A submit that waits for a supervisor which will never answer comes back. */
TEST(a_submit_ends_with_its_supervisor, PROCESSES)
{
    posse_executor *pool = POOL(1);
    struct caller caller;
    long supervisor = take_long(submitted(pool, parent_task, NULL, 0));
    assert_int_equal(kill((pid_t)supervisor, SIGSTOP), 0);
    assert_eventually(process_state((pid_t)supervisor) == 'T');
    start_call(&caller, call_submit, pool);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)supervisor, SIGKILL), 0);
    assert_status(end_call(&caller), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}

static int ignore_task(posse_task *task, const void *arg, size_t size)
{
    return signal(SIGTERM, SIG_IGN) == SIG_ERR;
}

/* posse_kill asks a task to stop that has not got its descriptors yet. It gets them. */
POOL_TEST(a_task_asked_to_stop_gets_them, PROCESSES, 1, .initializer = ignore_task)
{
    struct ends ends = make_pipe();
    long supervisor = take_long(submitted(pool, parent_task, NULL, 0));
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    posse_job job = job_with(write_task, &written, &ends.writer, 1);
    job.grace_ms = PATIENCE_MS;
    job.flags = POSSE_TERMINATE;
    posse_future future = submitted_job(pool, job);
    assert_int_equal(kill((pid_t)supervisor, SIGSTOP), 0);
    assert_eventually(process_state((pid_t)supervisor) == 'T');
    open_gate(gate);
    assert_eventually(posse_running(future));
    assert_ok(posse_kill(future));
    assert_int_equal(kill((pid_t)supervisor, SIGCONT), 0);
    end_well(future);
    assert_comes(ends.reader);
    assert_none_is_left(ends);
    (void)take_long(held);
    free_gate(pool, gate);
}
