/* tasks.c - tasks and maps in agents of this machine: results, failures, deaths, limits. */
#include "remote/kit/remote.h"

#include <posse_trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TEST(sums, PROCESSES)
{
    posse_executor *pool = REMOTE("a:2,b:1");
    assert_square_tasks(pool, 100);
    end_remote(pool);
}

TEST(tasks_run_in_agents, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    long pid = take_long(submitted(pool, process_task, NULL, 0));
    long parent = take_long(submitted(pool, parent_task, NULL, 0));
    assert_true(pid != getpid() && parent != getpid());
    posse_error error = take_error(submitted_long(pool, signal_task, SIGSEGV), POSSE_WORKER_LOST);
    assert_int_equal(error.pid, pid);
    end_remote(pool);
}

static void assert_echo(posse_executor *pool, size_t size)
{
    unsigned char *bytes = malloc(size + 1);
    const void *result;
    size_t length;
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + size);
    posse_future future = submitted(pool, echo_task, bytes, size);
    assert_ok(posse_result(future, -1, &result, &length));
    assert_int_equal(length, size);
    if (size)
        assert_memory_equal(result, bytes, size);
    assert_ok(posse_release(future));
    free(bytes);
}

TEST(sizes, PROCESSES)
{
    const size_t sizes[] = {0,    1,     8,     9,     32,    33,      64,      65,
                            4096, 16383, 16384, 65535, 65536, 1 << 20, 5000000, 0};
    posse_executor *pool = REMOTE("a:1");
    posse_executor *tcp = make_remote_tcp("a:1");
    for (size_t i = 0; i < COUNT(sizes); i++) {
        assert_echo(pool, sizes[i]);
        assert_echo(tcp, sizes[i]);
    }
    end_remote(pool);
    end_remote(tcp);
}

static int silent_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 0, NULL);
}

TEST(failures, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_error error = take_error(submitted_long(pool, code_task, 7), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 7);
    assert_string_equal(error.message, "the task returned 7");
    error = take_error(submitted_long(pool, message_task, 9), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "failed with 9");
    error = take_error(submitted(pool, silent_task, NULL, 0), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 0);
    end_remote(pool);
}

TEST(deaths, PROCESSES)
{
    posse_executor *pool = REMOTE("here:1");
    uint64_t started = stats_of(pool).workers_started;
    posse_error error = take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGKILL);
    assert_non_null(strstr(error.message, "on here"));
    error = take_error(submitted_long(pool, exit_task, 3), POSSE_WORKER_LOST);
    assert_int_equal(error.exit_code, 3);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_int_equal(stats_of(pool).workers_started, started);
    end_remote(pool);
}

static int half_fn(posse_task *task, const void *const *items, void *result)
{
    long item = *(const long *)items[0];
    *(long *)result = item / 2;
    return item % 2 ? posse_task_fail(task, 3, "%ld is odd", item) : 0;
}

TEST(maps, PROCESSES)
{
    enum { ITEMS = 10000 };
    static long items[ITEMS], results[ITEMS];
    static posse_status statuses[ITEMS];
    posse_executor *pool = REMOTE("a:2");
    for (long i = 0; i < ITEMS; i++)
        items[i] = i;
    posse_input input = {.data = items, .size = sizeof *items};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = half_fn,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = ITEMS,
                         .results = results,
                         .result_size = sizeof *results};
    assert_status(posse_map(pool, &job, statuses), POSSE_TASK_FAILED);
    for (long i = 0; i < ITEMS; i++) {
        assert_status(statuses[i], i % 2 ? POSSE_TASK_FAILED : POSSE_OK);
        if (i % 2 == 0)
            assert_int_equal(results[i], i / 2);
    }
    end_remote(pool);
}

TEST(deadlines_and_kills, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    long ms = PATIENCE_MS;
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .timeout_ms = 20};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    posse_future future = submitted_long(pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_remote(pool);
}

static int heeding_task(posse_task *task, const void *arg, size_t size)
{
    for (int i = 0; i < PATIENCE_MS && !posse_task_cancelled(task); i++)
        pause_ms(1);
    return return_long(task, posse_task_cancelled(task));
}

TEST(a_running_task_is_asked_to_stop, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_future future = submitted(pool, heeding_task, NULL, 0);
    assert_eventually(posse_running(future));
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    assert_int_equal(take_long(future), 1);
    end_remote(pool);
}

static int time_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_time_left(task));
}

TEST(a_task_knows_its_time, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_job job = {.fn = time_task, .timeout_ms = 100000};
    long left = take_long(submitted_job(pool, job));
    assert_true(left > 0 && left <= 100000);
    assert_int_equal(take_long(submitted(pool, time_task, NULL, 0)), -1);
    end_remote(pool);
}

TEST(retries, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .retries = 2);
    posse_future future = submitted_long(pool, signal_task, SIGKILL);
    assert_status(error_of(future).status, POSSE_WORKER_LOST);
    assert_int_equal(error_of(future).attempt, 3);
    assert_ok(posse_release(future));
    end_remote(pool);
}

static int hungry_task(posse_task *task, const void *arg, size_t size)
{
    volatile char *memory = malloc((size_t)64 << 20);
    if (!memory)
        return posse_task_fail(task, 1, "it does not fit");
    for (size_t i = 0; i < (size_t)64 << 20; i += 4096)
        memory[i] = 1;
    return 0;
}

static int third_time_task(posse_task *task, const void *arg, size_t size)
{
    long attempt = posse_task_attempt(task);
    return attempt < 3 ? raise(SIGKILL) : return_long(task, attempt);
}

TEST(a_task_knows_its_attempt, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .retries = 5);
    assert_int_equal(take_long(submitted(pool, third_time_task, NULL, 0)), 3);
    end_remote(pool);
}

TEST(limits_hold_on_the_node, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_job job = {.fn = hungry_task, .max_memory = (size_t)8 << 20};
    take_error(submitted_job(pool, job), POSSE_OVER_MEMORY);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_remote(pool);
}

static int busy_task(posse_task *task, const void *arg, size_t size)
{
    static volatile char *memory; /* it is measured as the task ends */
    memory = malloc((size_t)4 << 20);
    for (size_t i = 0; memory && i < (size_t)4 << 20; i += 4096)
        memory[i] = 1;
    for (volatile long i = 0; i < 20000000; i++)
        ;
    return 0;
}

TEST(what_a_task_used_is_known, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .stamps = 1);
    posse_job job = {
        .fn = busy_task, .name = "busy", .max_memory = (size_t)64 << 20, .max_cpu_ms = 100000};
    posse_future future = submitted_job(pool, job);
    posse_error error = error_of(future);
    assert_true(error.peak_memory >= (size_t)4 << 20 && error.peak_memory <= (size_t)64 << 20);
    assert_true(error.cpu_ns > 0);
    assert_int_equal(error.attempt, 1);
    assert_string_equal(error.name, "busy");
    posse_info info = {.struct_size = sizeof info};
    assert_ok(posse_get_info(future, &info));
    assert_int_equal(info.worker, 0);
    assert_true(info.pid > 0 && info.started_ns >= info.submitted_ns);
    assert_true(info.ended_ns > info.started_ns);
    assert_int_equal(info.cpu_ns, error.cpu_ns);
    assert_int_equal(info.peak_memory, error.peak_memory);
    assert_ok(posse_release(future));
    end_remote(pool);
}

static int spinning_task(posse_task *task, const void *arg, size_t size)
{
    for (volatile long i = 0;; i++)
        ;
    return 0;
}

TEST(so_is_what_was_over_a_limit_or_was_lost, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("here:1", .retries = 1);
    posse_job job = {.fn = hungry_task, .max_memory = (size_t)8 << 20};
    posse_error error = take_error(submitted_job(pool, job), POSSE_OVER_MEMORY);
    assert_string_equal(error.message,
                        "the task needed over 8388608 bytes of memory: it does not fit");
    assert_int_equal(error.attempt, 1);
    job = (posse_job){.fn = spinning_task, .max_cpu_ms = 50};
    error = take_error(submitted_job(pool, job), POSSE_OVER_CPU);
    assert_true(error.cpu_ns >= 50000000u);
    posse_future future = submitted_long(pool, signal_task, SIGSEGV);
    error = error_of(future);
    posse_info info = {.struct_size = sizeof info};
    assert_ok(posse_get_info(future, &info));
    assert_int_equal(error.attempt, 2);
    assert_int_equal(error.exit_code, -1);
    assert_int_equal(info.pid, error.pid); /* of the process that died, on its node */
    assert_int_equal(info.status, POSSE_WORKER_LOST);
    assert_ok(posse_release(future));
    end_remote(pool);
}

TEST(tasks_submit_tasks_on_their_node, PROCESSES)
{
    posse_executor *pool = REMOTE("a:2");
    assert_int_equal(take_long(submitted_long(pool, fib_task, 10)), 55);
    end_remote(pool);
}
