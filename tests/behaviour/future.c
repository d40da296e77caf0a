/* future.c - the truth about a future in each state: pending, running, cancelled, failed,
 * succeeded. */
#include "support/support.h"

#include <string.h>

enum state { PENDING, RUNNING, CANCELLED, FAILED, SUCCEEDED, STATES };

struct states {
    posse_executor *pool;
    struct gate *gate;
    posse_future in[STATES];
};

/* One worker: it ends two tasks and stands at the gate with a third, so the others cannot start. */
static struct states make_states(void)
{
    struct states states = {.pool = make_pool(1)};
    states.gate = make_gate(states.pool);
    states.in[SUCCEEDED] = submitted_long(states.pool, sleep_task, 0);
    states.in[FAILED] = submitted_long(states.pool, message_task, 5);
    if (backend() != POSSE_INLINE) {
        states.in[RUNNING] = submitted_hold(states.pool, states.gate);
        await_entered(states.gate, 1);
        states.in[PENDING] = submitted_long(states.pool, square_task, 42);
        states.in[CANCELLED] = submitted_long(states.pool, square_task, 43);
        assert_ok(posse_cancel(states.in[CANCELLED]));
    }
    return states;
}

static void end_states(struct states *states)
{
    open_gate(states->gate);
    for (int i = 0; i < STATES; i++)
        if (states->in[i].executor != NULL)
            assert_ok(posse_release(states->in[i]));
    assert_eventually(stats_of(states->pool).futures == 0);
    free_gate(states->pool, states->gate);
    end_pool(states->pool);
}

/* Asserts what a call says of each state; the inline backend only knows ended tasks. */
static void assert_truth(bool (*call)(posse_future), const bool expected[STATES])
{
    struct states states = make_states();
    for (int i = backend() == POSSE_INLINE ? FAILED : PENDING; i < STATES; i++)
        assert_int_equal(call(states.in[i]), expected[i]);
    end_states(&states);
}

TEST(F11_cancel, ALL)
{
    struct states states = make_states();
    if (backend() != POSSE_INLINE) {
        assert_ok(posse_cancel(states.in[PENDING]));
        assert_true(posse_cancelled(states.in[PENDING]));
        assert_status(posse_cancel(states.in[PENDING]), POSSE_TOO_LATE);
        assert_status(posse_cancel(states.in[RUNNING]), POSSE_TOO_LATE);
        assert_true(posse_running(states.in[RUNNING]));
        assert_status(posse_cancel(states.in[CANCELLED]), POSSE_TOO_LATE);
        assert_true(posse_cancelled(states.in[CANCELLED]));
    }
    assert_status(posse_cancel(states.in[FAILED]), POSSE_TOO_LATE);
    assert_status(posse_cancel(states.in[SUCCEEDED]), POSSE_TOO_LATE);
    assert_status(posse_result(states.in[FAILED], 0, NULL, NULL), POSSE_TASK_FAILED);
    assert_status(posse_result(states.in[SUCCEEDED], 0, NULL, NULL), POSSE_OK);
    end_states(&states);
}

TEST(F12_cancelled, ALL)
{
    assert_truth(posse_cancelled, (const bool[STATES]){[CANCELLED] = true});
}

TEST(F13_done, ALL)
{
    assert_truth(posse_done,
                 (const bool[STATES]){[CANCELLED] = true, [FAILED] = true, [SUCCEEDED] = true});
}

TEST(F14_running, ALL) { assert_truth(posse_running, (const bool[STATES]){[RUNNING] = true}); }

TEST(F09_description, ALL)
{
    static const char *const words[STATES] = {"pending", "running", "cancelled",
                                              "finished: failed with code 5: failed with 5",
                                              "finished: returned 8 bytes"};
    struct states states = make_states();
    char text[100], cut[6];
    for (int i = backend() == POSSE_INLINE ? FAILED : PENDING; i < STATES; i++) {
        assert_int_equal(posse_describe(states.in[i], text, sizeof text), strlen(words[i]));
        assert_string_equal(text, words[i]);
        assert_int_equal(posse_describe(states.in[i], cut, sizeof cut), strlen(words[i]));
        assert_memory_equal(cut, words[i], sizeof cut - 1);
        assert_int_equal(cut[sizeof cut - 1], '\0');
        assert_int_equal(posse_describe(states.in[i], NULL, 0), strlen(words[i]));
        assert_int_equal(posse_describe(states.in[i], NULL, sizeof text), strlen(words[i]));
    }
    end_states(&states);
    (void)posse_describe((posse_future){NULL, 0, 0}, text, sizeof text);
    assert_string_equal(text, "stale");
}

static const posse_status ends[STATES] = {POSSE_TIMEOUT, POSSE_TIMEOUT, POSSE_CANCELLED,
                                          POSSE_TASK_FAILED, POSSE_OK};

TEST(F15_result_with_timeout, ALL)
{
    static const long timeouts[] = {0, 20};
    struct states states = make_states();
    for (size_t t = 0; t < COUNT(timeouts); t++) {
        for (int i = backend() == POSSE_INLINE ? FAILED : PENDING; i < STATES; i++) {
            long value = -1;
            assert_status(posse_result(states.in[i], timeouts[t], NULL, NULL), ends[i]);
            assert_status(posse_result_into(states.in[i], timeouts[t], &value, sizeof value, NULL),
                          ends[i]);
            assert_int_equal(value, i == SUCCEEDED ? 0 : -1);
        }
    }
    end_states(&states);
}

TEST(F18_exception_with_timeout, ALL)
{
    struct states states = make_states();
    for (int i = backend() == POSSE_INLINE ? FAILED : PENDING; i < STATES; i++) {
        bool ended = ends[i] != POSSE_TIMEOUT;
        posse_error error = {.struct_size = sizeof error, .status = POSSE_SYSTEM};
        assert_status(posse_exception(states.in[i], 0, &error), ended ? POSSE_OK : POSSE_TIMEOUT);
        assert_status(posse_exception(states.in[i], 10, NULL), ended ? POSSE_OK : POSSE_TIMEOUT);
        if (ended) {
            assert_status(error.status, ends[i]);
            assert_int_equal(error.attempt, i == CANCELLED ? 0 : 1);
            assert_int_equal(error.message[0] == '\0', i == SUCCEEDED);
        }
    }
    end_states(&states);
}

/* A caller that waits is woken by the end of the task. */
static void assert_wakes(posse_status (*call)(void *))
{
    struct states states = make_states();
    struct caller caller;
    start_call(&caller, call, &states.in[PENDING]);
    await_parked(&caller);
    open_gate(states.gate);
    assert_ok(end_call(&caller));
    assert_true(posse_done(states.in[PENDING]));
    end_states(&states);
}

TEST(F16_result_with_success, PARALLEL) { assert_wakes(call_result); }

TEST(F19_exception_with_success, PARALLEL) { assert_wakes(call_exception); }

TEST(F17_result_with_cancel, PARALLEL)
{
    struct states states = make_states();
    struct caller caller;
    start_call(&caller, call_result, &states.in[PENDING]);
    await_parked(&caller);
    assert_ok(posse_cancel(states.in[PENDING]));
    assert_status(end_call(&caller), POSSE_CANCELLED);
    end_states(&states);
}

POOL_TEST(result_with_a_very_long_timeout, ALL, 1)
{
    posse_future future = submitted_long(pool, sleep_task, 20);
    assert_ok(posse_result(future, INTPTR_MAX, NULL, NULL));
    assert_ok(posse_exception(future, INTPTR_MAX, NULL));
    assert_ok(posse_release(future));
}

/* Handles are values: copies name the same task, and each task has a handle of its own. */
POOL_TEST(handles_are_values, ALL, 1)
{
    posse_future futures[100];
    for (size_t i = 0; i < COUNT(futures); i++) {
        futures[i] = submitted_long(pool, square_task, (long)i);
        assert_ptr_equal(futures[i].executor, pool);
        for (size_t j = 0; j < i; j++) {
            assert_false(futures[i].slot == futures[j].slot &&
                         futures[i].generation == futures[j].generation);
        }
    }
    for (size_t i = 0; i < COUNT(futures); i++) {
        posse_future copy = futures[i];
        assert_int_equal(take_long(copy), (long)(i * i));
        assert_status(posse_release(futures[i]), POSSE_INVALID);
    }
}
