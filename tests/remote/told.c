/* told.c - what tasks in agents tell while they run: messages and progress reach the program, in
 * order, whole, and no more than both sides have room for. */
#include "remote/kit/remote.h"

#include <posse_progress.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 1024 /* message_memory in these tests */

static void assert_over(posse_future future)
{
    assert_status(posse_next_message(future, -1, NULL, 0, NULL), POSSE_END);
}

/* Sends 0 to n - 1, then ends as `how` says. */
struct telling {
    long n;
    enum { RETURNS, DIES, WAITS } how;
};

static int telling_task(posse_task *task, const void *arg, size_t size)
{
    struct telling telling;
    memcpy(&telling, arg, sizeof telling);
    for (long i = 0; i < telling.n; i++)
        if (posse_task_emit(task, &i, sizeof i) != POSSE_OK)
            return WRONG_ARG;
    if (telling.how == DIES)
        return raise(SIGSEGV);
    for (int i = 0; telling.how == WAITS && i < PATIENCE_MS; i++)
        pause_ms(1);
    return 0;
}

static posse_future tell(posse_executor *pool, struct telling telling)
{
    return SUBMIT_VALUE(pool, telling_task, telling);
}

TEST(messages_come_in_order, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_future future = tell(pool, (struct telling){500, RETURNS});
    for (long i = 0; i < 500; i++)
        assert_int_equal(next_long(future), i);
    assert_over(future);
    take_error(future, POSSE_OK);
    end_remote(pool);
}

TEST(they_come_while_the_task_runs, PROCESSES)
{
    posse_executor *pool = REMOTE("a:2");
    posse_future future = tell(pool, (struct telling){3, WAITS});
    for (long i = 0; i < 3; i++)
        assert_int_equal(next_long(future), i);
    assert_true(posse_running(future));
    assert_ok(posse_kill(future));
    assert_over(future);
    take_error(future, POSSE_CANCELLED);
    end_remote(pool);
}

/* Nobody reads before the end, and the end comes. */
TEST(unread_they_hold_up_no_end, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .message_memory = ROOM);
    posse_future future = tell(pool, (struct telling){ROOM / 16, RETURNS});
    assert_ok(posse_result(future, -1, NULL, NULL));
    for (long i = 0; i < ROOM / 16; i++)
        assert_int_equal(next_long(future), i);
    assert_over(future);
    take_error(future, POSSE_OK);
    take_error(tell(pool, (struct telling){ROOM / 16, RETURNS}), POSSE_OK); /* goes with it */
    end_remote(pool);
}

TEST(a_dead_task_has_told_what_it_told, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    for (int round = 0; round < 20; round++) {
        posse_future future = tell(pool, (struct telling){100, DIES});
        for (long i = 0; i < 100; i++)
            assert_int_equal(next_long(future), i);
        assert_over(future);
        assert_int_equal(take_error(future, POSSE_WORKER_LOST).signal, SIGSEGV);
    }
    end_remote(pool);
}

/* Sends until there is no room. Returns how many. */
static int filling_task(posse_task *task, const void *arg, size_t size)
{
    long n = 0;
    posse_status status;
    while ((status = posse_task_emit(task, &n, sizeof n)) == POSSE_OK && n < 1000000)
        n++;
    for (int i = 0; i < 200 && n < 1000000; i++) { /* what the agent has taken makes room */
        pause_ms(1);
        while ((status = posse_task_emit(task, &n, sizeof n)) == POSSE_OK && n < 1000000)
            n++;
    }
    return status == POSSE_FULL ? return_long(task, n) : WRONG_ARG;
}

TEST(a_fast_task_is_told_that_it_is_full, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .message_memory = ROOM);
    posse_future future = submitted(pool, filling_task, NULL, 0);
    long n = 0;
    assert_ok(posse_result_into(future, -1, &n, sizeof n, NULL));
    assert_true(n >= ROOM / 16 && n <= 2 * ROOM / 16);
    for (long i = 0; i < n; i++)
        assert_int_equal(next_long(future), i);
    assert_over(future);
    take_error(future, POSSE_OK);
    end_remote(pool);
}

/* Sends n messages of many sizes; waits for room. */
static int streaming_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char bytes[ROOM];
    long n;
    memcpy(&n, arg, sizeof n);
    for (long i = 0; i < n; i++) {
        memset(bytes, (int)(i % 251), sizeof bytes);
        if (posse_task_emit_wait(task, bytes, (size_t)(i * 37 % (ROOM - 7)), -1) != POSSE_OK)
            return WRONG_ARG;
    }
    return 0;
}

static void hear_stream(posse_future future, long n)
{
    for (long i = 0; i < n; i++) {
        unsigned char bytes[ROOM] = {0};
        size_t size;
        assert_ok(posse_next_message(future, -1, bytes, sizeof bytes, &size));
        assert_int_equal(size, i * 37 % (ROOM - 7));
        assert_true(size == 0 || (bytes[0] == i % 251 && bytes[size - 1] == i % 251));
    }
    assert_over(future);
    take_error(future, POSSE_OK);
}

TEST(round_and_round, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:2", .message_memory = ROOM);
    long n = in_long_run(3000, 100000);
    posse_future other = submitted_long(pool, streaming_task, n);
    hear_stream(submitted_long(pool, streaming_task, n), n);
    hear_stream(other, n);
    end_remote(pool);
}

/* Sends its attempt as often as there is room for, and dies in all but the last. */
static int again_task(posse_task *task, const void *arg, size_t size)
{
    long attempt = posse_task_attempt(task), n;
    memcpy(&n, arg, sizeof n);
    for (long i = 0; i < n; i++)
        if (posse_task_emit(task, &attempt, sizeof attempt) != POSSE_OK)
            return WRONG_ARG;
    return attempt == 1 ? raise(SIGKILL) : 0;
}

TEST(of_both_runs, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .retries = 1, .message_memory = ROOM);
    posse_future future = submitted_long(pool, again_task, 30);
    for (long i = 0; i < 60; i++)
        next_long(future);
    assert_over(future);
    take_error(future, POSSE_OK);
    end_remote(pool);
}

/* ---- progress ---- */

/* Tells its progress, then waits until it is asked to stop. */
static int slow_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_progress(task, 3, 10);
    for (int i = 0; i < PATIENCE_MS && !posse_task_cancelled(task); i++)
        pause_ms(1);
    posse_task_progress(task, 10, 10);
    return 0;
}

static bool is_at(posse_future future, uint64_t done, uint64_t total)
{
    uint64_t at, of;
    assert_ok(posse_progress(future, &at, &of));
    return at == done && of == total;
}

TEST(progress_comes_while_the_task_runs, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_future future = submitted(pool, slow_task, NULL, 0);
    assert_eventually(is_at(future, 3, 10));
    assert_true(posse_running(future));
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_true(is_at(future, 10, 10));
    assert_ok(posse_release(future));
    end_remote(pool);
}

static int counting_task(posse_task *task, const void *arg, size_t size)
{
    uint64_t n = 1000000;
    for (uint64_t i = 1; i <= n; i++)
        posse_task_progress(task, i, n);
    return 0;
}

/* The last of a million, which came in a few messages. */
TEST(the_last_progress_counts, PROCESSES)
{
    posse_executor *pool = REMOTE("a:1");
    posse_future future = submitted(pool, counting_task, NULL, 0);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_true(is_at(future, 1000000, 1000000));
    assert_ok(posse_release(future));
    future = submitted_long(pool, square_task, 2);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_true(is_at(future, 0, 0));
    assert_ok(posse_release(future));
    end_remote(pool);
}

/* ---- nobody reads ---- */

/* It sends until nobody reads. */
static int endless_task(posse_task *task, const void *arg, size_t size)
{
    posse_status status = POSSE_OK;
    (void)arg, (void)size;
    for (long i = 0; status == POSSE_OK; i++)
        status = posse_task_emit_wait(task, &i, sizeof i, -1);
    return status == POSSE_FULL ? 0 : WRONG_ARG;
}

TEST(messages_of_a_released_task_hold_it_up_no_longer, PROCESSES)
{
    posse_executor *pool = REMOTE_WITH("a:1", .message_memory = ROOM);
    assert_ok(posse_submit(pool, endless_task, NULL, 0, NULL));
    assert_ok(posse_wait_idle(pool, PATIENCE_MS));
    posse_future future = submitted(pool, endless_task, NULL, 0);
    for (long i = 0; i < 10; i++)
        assert_int_equal(next_long(future), i);
    assert_ok(posse_release(future));
    assert_ok(posse_wait_idle(pool, PATIENCE_MS));
    assert_int_equal(stats_of(pool).failed, 0);
    end_remote(pool);
}

/* 0 of 0 may be the last progress, too. */
static int resetting_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    posse_task_progress(task, 5, 10);
    while (!posse_task_cancelled(task))
        pause_ms(1);
    posse_task_progress(task, 0, 0);
    return 0;
}

TEST(the_last_progress_may_be_0, PROCESSES)
{
    uint64_t done = 0, total = 0;
    posse_executor *pool = REMOTE("a:1");
    posse_future future = submitted(pool, resetting_task, NULL, 0);
    assert_eventually(posse_progress(future, &done, &total) == POSSE_OK && done == 5);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_ok(posse_progress(future, &done, &total));
    assert_int_equal(done + total, 0);
    take_error(future, POSSE_OK);
    end_remote(pool);
}
