/* listen.c - a completion queue that hears what tasks tell before their end. */
#include "support/support.h"

#include <poll.h>
#include <posse_progress.h>
#include <stdio.h>
#include <string.h>

static posse_completion_queue *make_queue(void)
{
    posse_completion_queue *queue = NULL;
    assert_ok(posse_completion_queue_create(&queue));
    return queue;
}

static bool readable(const posse_completion_queue *queue, int timeout_ms)
{
    struct pollfd fd = {.fd = posse_completion_queue_fd(queue), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1;
}

static void assert_hears(posse_completion_queue *queue, posse_future future, void *context)
{
    posse_completion taken = {{0}, NULL};
    assert_true(readable(queue, PATIENCE_MS));
    assert_int_equal(posse_completion_queue_take(queue, &taken, 1), 1);
    assert_memory_equal(&taken.future, &future, sizeof future);
    assert_ptr_equal(taken.context, context);
}

static void assert_end(posse_future future)
{
    assert_status(posse_next_message(future, -1, NULL, 0, NULL), POSSE_END);
    take_error(future, POSSE_OK);
}

enum { STEPS = 4 };

/* At each gate but the last it sends a message, or tells its progress, or one of 0 and 0. */
struct told {
    struct gate *gates[STEPS];
    char what[STEPS];
};

static struct told make_told(posse_executor *pool, const char *what)
{
    struct told told = {.what = ""};
    snprintf(told.what, sizeof told.what, "%s", what);
    for (int i = 0; i < STEPS; i++)
        told.gates[i] = make_gate(pool);
    return told;
}

static void free_told(posse_executor *pool, const struct told *told)
{
    for (int i = 0; i < STEPS; i++)
        free_gate(pool, told->gates[i]);
}

static int telling_task(posse_task *task, const void *arg, size_t size)
{
    struct told told;
    memcpy(&told, arg, sizeof told);
    for (uint64_t i = 0; i < STEPS; i++) {
        if (!pass_gate(told.gates[i]))
            return GAVE_UP;
        if (told.what[i] == 'p')
            posse_task_progress(task, i, 10);
        else if (told.what[i] == '0')
            posse_task_progress(task, 0, 0);
        else if (told.what[i] == 'm' && posse_task_emit(task, &i, sizeof i) != POSSE_OK)
            return WRONG_ARG;
    }
    return 0;
}

static void take_number(posse_future future, uint64_t number)
{
    uint64_t value = 0;
    assert_ok(posse_next_message(future, 0, &value, sizeof value, NULL));
    assert_int_equal(value, number);
    assert_status(posse_next_message(future, 0, &value, sizeof value, NULL), POSSE_TIMEOUT);
}

/* Each wake is of the event alone: no process looks again by itself. */
TEST(each_message, PARALLEL)
{
    look_never();
    posse_executor *pool = POOL(1);
    posse_completion_queue *queue = make_queue();
    struct told told = make_told(pool, "mmm");
    posse_future future = SUBMIT_VALUE(pool, telling_task, told);
    for (int i = 0; i < 3; i++) {
        assert_ok(posse_completion_queue_listen(queue, future, &i));
        await_entered(told.gates[i], 1);
        assert_false(readable(queue, 0));
        open_gate(told.gates[i]);
        assert_hears(queue, future, &i);
        take_number(future, (uint64_t)i);
    }
    assert_ok(posse_completion_queue_listen(queue, future, queue));
    assert_false(readable(queue, 0));
    open_gate(told.gates[3]);
    assert_hears(queue, future, queue);
    assert_end(future);
    posse_completion_queue_destroy(queue);
    free_told(pool, &told);
    end_pool(pool);
}

TEST(the_first_progress, PARALLEL)
{
    look_never();
    posse_executor *pool = POOL(1);
    posse_completion_queue *queue = make_queue();
    struct told told = make_told(pool, ".pm");
    uint64_t done = 0;
    open_gate(told.gates[0]);
    posse_future future = SUBMIT_VALUE(pool, telling_task, told);
    await_entered(told.gates[1], 1);
    assert_ok(posse_completion_queue_listen(queue, future, NULL));
    assert_ok(posse_completion_queue_add(queue, future, queue)); /* hears of the end alone */
    assert_false(readable(queue, 0));
    open_gate(told.gates[1]);
    assert_hears(queue, future, NULL);
    assert_ok(posse_progress(future, &done, NULL));
    assert_int_equal(done, 1);
    assert_ok(posse_completion_queue_listen(queue, future, NULL));
    await_entered(told.gates[2], 1);
    assert_false(readable(queue, 0));
    open_gate(told.gates[2]);
    assert_hears(queue, future, NULL);
    take_number(future, 2);
    open_gate(told.gates[3]);
    assert_hears(queue, future, queue);
    assert_end(future);
    posse_completion_queue_destroy(queue);
    free_told(pool, &told);
    end_pool(pool);
}

/* A task that has its feed already has told no progress. */
static void assert_first_is_heard(char before)
{
    char what[] = {before, '.', 'p', 0};
    posse_executor *pool = POOL(1);
    posse_completion_queue *queue = make_queue();
    struct told told = make_told(pool, what);
    uint64_t done = 0;
    open_gate(told.gates[0]);
    open_gate(told.gates[1]);
    posse_future future = SUBMIT_VALUE(pool, telling_task, told);
    await_entered(told.gates[2], 1);
    if (before == 'm')
        assert_ok(posse_next_message(future, PATIENCE_MS, &done, sizeof done, NULL));
    assert_ok(posse_completion_queue_listen(queue, future, queue));
    assert_false(readable(queue, 0));
    open_gate(told.gates[2]);
    assert_hears(queue, future, queue);
    assert_ok(posse_progress(future, &done, NULL));
    assert_int_equal(done, 2);
    open_gate(told.gates[3]);
    assert_end(future);
    posse_completion_queue_destroy(queue);
    free_told(pool, &told);
    end_pool(pool);
}

TEST(the_first_progress_after_others, PARALLEL)
{
    look_never();
    assert_first_is_heard('0');
    assert_first_is_heard('m');
}

/* What was told before is heard at once, also inline. */
POOL_TEST(what_was_told_before, ALL, 1)
{
    posse_completion_queue *queue = make_queue();
    struct told told = make_told(pool, "mm");
    for (int i = 0; i < STEPS; i++)
        open_gate(told.gates[i]);
    posse_future future = SUBMIT_VALUE(pool, telling_task, told);
    assert_ok(posse_exception(future, -1, NULL));
    assert_ok(posse_completion_queue_listen(queue, future, NULL));
    assert_hears(queue, future, NULL);
    assert_status(posse_completion_queue_listen(NULL, future, NULL), POSSE_INVALID);
    take_error(future, POSSE_OK);
    posse_completion_queue_destroy(queue);
    free_told(pool, &told);
}

static int streaming_task(posse_task *task, const void *arg, size_t size)
{
    long n;
    memcpy(&n, arg, sizeof n);
    for (long i = 0; i < n; i++)
        if (posse_task_emit_wait(task, &i, sizeof i, -1) != POSSE_OK)
            return WRONG_ARG;
    return 0;
}

/* Takes what is there. Returns whether the task has ended and all was taken. */
static bool hear_out(posse_completion_queue *queue, posse_future future, long *next)
{
    long value;
    posse_status status;
    while ((status = posse_next_message(future, 0, &value, sizeof value, NULL)) == POSSE_OK)
        assert_int_equal(value, (*next)++);
    if (status != POSSE_END)
        assert_ok(posse_completion_queue_listen(queue, future, next));
    return status == POSSE_END;
}

TEST(several_that_stream, PARALLEL)
{
    enum { TASKS = 4 };
    look_never();
    posse_executor *pool = POOL(2, .message_memory = 256);
    posse_completion_queue *queue = make_queue();
    long n = in_long_run(5000, 200000), next[TASKS] = {0};
    for (int i = 0; i < TASKS; i++)
        assert_ok(posse_completion_queue_listen(queue, submitted_long(pool, streaming_task, n),
                                                &next[i]));
    for (int left = TASKS; left > 0;) {
        posse_completion taken[2];
        assert_true(readable(queue, PATIENCE_MS));
        size_t got = posse_completion_queue_take(queue, taken, 2);
        for (size_t i = 0; i < got; i++) {
            if (!hear_out(queue, taken[i].future, taken[i].context))
                continue;
            take_error(taken[i].future, POSSE_OK);
            left--;
        }
    }
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(next[i], n);
    posse_completion_queue_destroy(queue);
    end_pool(pool);
}
