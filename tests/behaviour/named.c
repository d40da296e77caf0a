/* named.c - the name of a job stands in all that is said of its task. */
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void assert_described(posse_future future, const char *words)
{
    char text[400];
    assert_int_equal(posse_describe(future, text, sizeof text), strlen(words));
    assert_string_equal(text, words);
}

/* Asserts what is said of the end of a task, and releases it. */
static void assert_said(posse_future future, const char *message, const char *description)
{
    posse_error error = error_of(future);
    assert_string_equal(error.name, "thumbnail");
    assert_string_equal(error.message, message);
    assert_described(future, description);
    assert_ok(posse_release(future));
}

static posse_future submitted_named(posse_executor *pool, posse_fn *fn, const long *value)
{
    return submitted_job(
        pool, (posse_job){.fn = fn, .arg = value, .size = sizeof *value, .name = "thumbnail"});
}

POOL_TEST(ends, ALL, 1)
{
    long value = 7;
    assert_said(submitted_named(pool, square_task, &value), "",
                "thumbnail: finished: returned 8 bytes");
    assert_said(submitted_named(pool, message_task, &value), "thumbnail: failed with 7",
                "thumbnail: finished: failed with code 7: failed with 7");
    assert_said(submitted_named(pool, code_task, &value), "thumbnail: the task returned 7",
                "thumbnail: finished: failed with code 7: the task returned 7");
}

POOL_TEST(lost, PROCESSES, 1)
{
    char message[200], description[200];
    long signal = SIGKILL;
    posse_future future = submitted_named(pool, signal_task, &signal);
    snprintf(message, sizeof message, "thumbnail: worker %ld was killed by signal 9 (Killed)",
             error_of(future).pid);
    snprintf(description, sizeof description,
             "thumbnail: finished: worker %ld was killed by signal 9 (Killed)",
             error_of(future).pid);
    assert_said(future, message, description);
}

/* The worker holds a task at the gate, so that another is pending. */
POOL_TEST(not_ended, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    long limit = 0;
    posse_job job = {.fn = hold_task, .arg = &gate, .size = sizeof gate, .name = "thumbnail"};
    posse_future running = submitted_job(pool, job);
    await_entered(gate, 1);
    posse_future pending = submitted_named(pool, square_task, &limit);
    posse_future cancelled = submitted_named(pool, square_task, &limit);
    posse_error error = {.struct_size = sizeof error};
    assert_described(running, "thumbnail: running");
    assert_described(pending, "thumbnail: pending");
    assert_status(posse_exception(pending, 0, &error), POSSE_TIMEOUT);
    assert_status(error.status, POSSE_TIMEOUT);
    assert_string_equal(error.name, "thumbnail");
    assert_memory_equal(error.message, "thumbnail: the wait ended", 25);
    assert_ok(posse_cancel(cancelled));
    assert_said(cancelled, "thumbnail: the task was cancelled", "thumbnail: cancelled");
    open_gate(gate);
    assert_ok(posse_result(running, -1, NULL, NULL));
    assert_ok(posse_release(running));
    assert_int_equal(take_long(pending), 0);
    free_gate(pool, gate);
}

POOL_TEST(deadline, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future late = submitted_job(pool, (posse_job){.fn = hold_task,
                                                        .arg = &gate,
                                                        .size = sizeof gate,
                                                        .timeout_ms = 20,
                                                        .name = "thumbnail"});
    assert_said(late, "thumbnail: the task ran longer than 20 ms",
                "thumbnail: finished: the task ran longer than 20 ms");
    open_gate(gate);
    if (backend() == POSSE_THREAD)
        assert_eventually(atomic_load(&gate->passed) == 1);
    free_gate(pool, gate);
}

static int wordy_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 1, "%.*s", (int)size, (const char *)arg);
}

/* The longest name does not cut the longest message. */
TEST(longest, ALL)
{
    char words[255], message[320];
    memset(words, 'm', sizeof words);
    posse_executor *pool = make_pool(1);
    posse_future future =
        submitted_job(pool, (posse_job){.fn = wordy_task,
                                        .arg = words,
                                        .size = sizeof words,
                                        .name = "0123456789012345678901234567890"});
    snprintf(message, sizeof message, "0123456789012345678901234567890: %.255s", words);
    assert_string_equal(take_error(future, POSSE_TASK_FAILED).message, message);
    end_pool(pool);
}
