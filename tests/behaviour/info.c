/* info.c - when a task was submitted, began and ended, and where: posse_get_info. */
#include "support/support.h"

#include <posse_trace.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static posse_info info_of(posse_future future)
{
    posse_info info;
    memset(&info, 0xee, sizeof info);
    info.struct_size = sizeof info;
    assert_ok(posse_get_info(future, &info));
    return info;
}

/* Asserts that a task ran and ended between the two moments. */
static void assert_ran(const posse_info *info, posse_status how, uint64_t from, uint64_t to)
{
    assert_int_equal(info->state, POSSE_STATE_ENDED);
    assert_status(info->status, how);
    assert_true(from <= info->submitted_ns);
    assert_true(info->submitted_ns <= info->started_ns);
    assert_true(info->started_ns <= info->ended_ns);
    assert_true(info->ended_ns <= to);
    assert_true(info->worker >= 0);
    assert_int_equal(info->attempt, 1);
}

/* Waits for the end, and asserts that the task ran and ended so, from then on. */
static posse_info ended(posse_future future, posse_status how, uint64_t from)
{
    assert_status(error_of(future).status, how);
    posse_info info = info_of(future);
    assert_ran(&info, how, from, clock_ns());
    assert_ok(posse_release(future));
    return info;
}

POOL_TEST(result, ALL, 1, .stamps = 1)
{
    uint64_t begun = clock_ns();
    posse_future future = submitted(pool, process_task, NULL, 0);
    long pid = 0;
    assert_ok(posse_result_into(future, -1, &pid, sizeof pid, NULL));
    posse_info info = ended(future, POSSE_OK, begun);
    assert_int_equal(info.pid, pid);
    assert_int_equal(info.worker, 0);
    assert_string_equal(info.name, "");
    assert_int_equal(info.cpu_ns, 0);
}

/* The submit stamp lies where the result's size will be. */
POOL_TEST(sizes, ALL, 1, .stamps = 1)
{
    static const size_t sizes[] = {0, 8, 9, 32, 33, 64, 65, 5000};
    static char bytes[5000];
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint64_t begun = clock_ns();
        size_t size;
        posse_future future = submitted(pool, echo_task, sizes[i] ? bytes : NULL, sizes[i]);
        assert_ok(posse_result(future, -1, NULL, &size));
        assert_int_equal(size, sizes[i]);
        (void)ended(future, POSSE_OK, begun);
    }
}

POOL_TEST(failure, ALL, 1, .stamps = 1)
{
    uint64_t begun = clock_ns();
    posse_job job = {.fn = message_task, .name = "thumbnail"};
    long code = 7;
    job.arg = &code;
    job.size = sizeof code;
    assert_string_equal(ended(submitted_job(pool, job), POSSE_TASK_FAILED, begun).name,
                        "thumbnail");
}

POOL_TEST(on_its_way, PARALLEL, 1, .stamps = 1)
{
    uint64_t begun = clock_ns();
    struct gate *gate = make_gate(pool);
    posse_future running = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future pending = submitted_long(pool, square_task, 3);
    posse_info seen = info_of(running);
    assert_int_equal(seen.state, POSSE_STATE_RUNNING);
    assert_status(seen.status, POSSE_TIMEOUT);
    assert_true(begun <= seen.submitted_ns && seen.submitted_ns <= seen.started_ns);
    assert_true(seen.started_ns <= clock_ns());
    assert_int_equal(seen.ended_ns, 0);
    assert_int_equal(seen.attempt, 1);
    assert_int_equal(seen.worker, 0);
    assert_true(seen.pid > 0);
    seen = info_of(pending);
    assert_int_equal(seen.state, POSSE_STATE_PENDING);
    assert_status(seen.status, POSSE_TIMEOUT);
    assert_true(begun <= seen.submitted_ns && seen.submitted_ns <= clock_ns());
    assert_int_equal(seen.started_ns, 0);
    assert_int_equal(seen.ended_ns, 0);
    assert_int_equal(seen.attempt, 0);
    assert_int_equal(seen.worker, -1);
    assert_int_equal(seen.pid, 0);
    open_gate(gate);
    uint64_t end = ended(running, POSSE_OK, begun).ended_ns;
    assert_true(ended(pending, POSSE_OK, begun).started_ns >= end);
    free_gate(pool, gate);
}

/* Arguments of all sizes: its blocks are freed although the slot holds a stamp. */
POOL_TEST(cancelled, PARALLEL, 1, .stamps = 1)
{
    static char bytes[5000];
    struct gate *gate = make_gate(pool);
    posse_future running = submitted_hold(pool, gate);
    await_entered(gate, 1);
    for (size_t size = 1; size <= sizeof bytes; size *= 2) {
        uint64_t begun = clock_ns();
        posse_future future = submitted(pool, echo_task, bytes, size);
        assert_ok(posse_cancel(future));
        posse_info info = info_of(future);
        assert_int_equal(info.state, POSSE_STATE_ENDED);
        assert_status(info.status, POSSE_CANCELLED);
        assert_true(begun <= info.submitted_ns && info.submitted_ns <= info.ended_ns);
        assert_true(info.ended_ns <= clock_ns());
        assert_int_equal(info.started_ns, 0);
        assert_int_equal(info.worker, -1);
        assert_int_equal(info.attempt, 0);
        assert_ok(posse_release(future));
    }
    open_gate(gate);
    assert_ok(posse_result(running, -1, NULL, NULL));
    assert_ok(posse_release(running));
    free_gate(pool, gate);
}

POOL_TEST(lost, PROCESSES, 1, .stamps = 1)
{
    uint64_t begun = clock_ns();
    long signal = SIGSEGV;
    posse_future future = SUBMIT_VALUE(pool, signal_task, signal);
    long pid = error_of(future).pid;
    assert_int_equal(ended(future, POSSE_WORKER_LOST, begun).pid, pid);
}

/* Ended while it runs: at its deadline, or by posse_kill. */
POOL_TEST(killed, PARALLEL, 1, .stamps = 1)
{
    struct gate *gate = make_gate(pool);
    uint64_t begun = clock_ns();
    posse_future late = submitted_job(
        pool, (posse_job){.fn = hold_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 20});
    posse_info info = ended(late, POSSE_DEADLINE, begun);
    assert_true(info.ended_ns - info.started_ns >= 20000000);
    posse_future killed = submitted_hold(pool, gate);
    assert_eventually(info_of(killed).attempt == 1); /* claimed, it need not have begun */
    assert_ok(posse_kill(killed));
    (void)ended(killed, POSSE_CANCELLED, begun);
    open_gate(gate);
    if (backend() == POSSE_THREAD)
        assert_eventually(atomic_load(&gate->passed) == 2);
    free_gate(pool, gate);
}

static int dying_once_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_attempt(task) == 1)
        raise(SIGKILL);
    return return_long(task, (long)getpid());
}

/* The stamps are those of the last run; that of the submit stays. */
POOL_TEST(tried_again, PROCESSES, 1, .stamps = 1, .retries = 1)
{
    uint64_t begun = clock_ns();
    posse_future future = submitted(pool, dying_once_task, NULL, 0);
    long pid = 0;
    assert_ok(posse_result_into(future, -1, &pid, sizeof pid, NULL));
    posse_info info = info_of(future);
    assert_int_equal(info.attempt, 2);
    info.attempt = 1;
    assert_ran(&info, POSSE_OK, begun, clock_ns());
    assert_int_equal(info.pid, pid);
    assert_ok(posse_release(future));
}

POOL_TEST(limited, PROCESSES, 1, .stamps = 1)
{
    long ms = 1;
    posse_future future = submitted_job(pool, (posse_job){.fn = sleep_task,
                                                          .arg = &ms,
                                                          .size = sizeof ms,
                                                          .max_memory = (size_t)64 << 20,
                                                          .max_cpu_ms = 60000});
    posse_error error = error_of(future);
    posse_info info = info_of(future);
    assert_int_equal(info.cpu_ns, error.cpu_ns);
    assert_int_equal(info.peak_memory, error.peak_memory);
    assert_ok(posse_release(future));
}

/* What runs on the stack of a task that waits begins when the other has begun. */
POOL_TEST(nested, ALL, 1, .stamps = 1)
{
    assert_int_equal(take_long(submitted_long(pool, fib_task, 5)), 5);
}

POOL_TEST(batch, ALL, 2, .stamps = 1)
{
    uint64_t begun = clock_ns();
    posse_future futures[200];
    posse_job jobs[COUNT(futures)];
    long value = 3;
    for (size_t i = 0; i < COUNT(jobs); i++)
        jobs[i] = (posse_job){
            .struct_size = sizeof jobs[i], .fn = square_task, .arg = &value, .size = sizeof value};
    assert_ok(posse_submit_many(pool, jobs, COUNT(jobs), futures, NULL));
    for (size_t i = 0; i < COUNT(jobs); i++)
        (void)ended(futures[i], POSSE_OK, begun);
}

POOL_TEST(without_stamps, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(future, -1, NULL, NULL));
    posse_info info = info_of(future);
    assert_int_equal(info.state, POSSE_STATE_ENDED);
    assert_status(info.status, POSSE_OK);
    assert_int_equal(info.worker, 0);
    assert_int_equal(info.attempt, 1);
    assert_int_equal(info.submitted_ns | info.started_ns | info.ended_ns, 0);
    assert_int_equal(info.pid, 0);
    assert_ok(posse_release(future));
}

POOL_TEST(bad_input, ALL, 1, .stamps = 1)
{
    posse_future future = submitted_long(pool, square_task, 3);
    posse_info info = {.struct_size = 3};
    assert_status(posse_get_info(future, NULL), POSSE_INVALID);
    assert_status(posse_get_info(future, &info), POSSE_INVALID);
    assert_int_equal(take_long(future), 9);
    memset(&info, 0xee, sizeof info);
    info.struct_size = sizeof info;
    assert_status(posse_get_info(future, &info), POSSE_INVALID);
    assert_int_equal(info.submitted_ns, 0);
    assert_int_equal(info.worker, 0);
    posse_options options = OPTIONS(1, .stamps = 2);
    posse_executor *none;
    assert_status(posse_create(&options, &none), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "options.stamps is neither 0 nor 1");
}

/* A handle of an earlier life finds nothing of it. */
POOL_TEST(many_lives, ALL, 2, .stamps = 1)
{
    for (long i = 0; i < 500; i++) {
        uint64_t begun = clock_ns();
        (void)ended(submitted_long(pool, square_task, i), POSSE_OK, begun);
    }
}
