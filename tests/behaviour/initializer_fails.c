/* initializer_fails.c - workers that do not get through what they run first: the executor is
 * broken, and says why. */
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

/* In memory that the runner and the workers share. */
static _Atomic long *number_of(const void *arg)
{
    _Atomic long *number;
    memcpy(&number, arg, sizeof number);
    return number;
}

static int message_initializer(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 13, "no such page: %s", "index");
}

static int long_initializer(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 5, "%s", (const char *)arg);
}

/* A future of it, if it still took one, says why it does not end. */
static void assert_broken(posse_options options, int code, const char *message)
{
    posse_executor *pool = make_pool_with(options);
    posse_error error = {.struct_size = sizeof error};
    posse_future future = {0};
    long value = 3;
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &future);
    assert_true(status == POSSE_OK || status == POSSE_BROKEN);
    if (status == POSSE_OK) {
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_BROKEN);
        memset(&error, 0xff, sizeof error);
        error.struct_size = sizeof error;
        assert_status(posse_exception(future, -1, &error), POSSE_BROKEN);
        assert_string_equal(error.message, message);
    }
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    assert_string_equal(error.message, message);
    assert_int_equal(error.code, code);
    assert_int_equal(error.signal + error.exit_code + error.pid, 0);
    assert_status(posse_submit(pool, square_task, &value, sizeof value, &future), POSSE_BROKEN);
    assert_status(posse_shutdown(pool, 0, -1), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}

TEST(I02_failing_initializer, ALL)
{
    assert_broken(with_initializer(message_initializer, NULL, 0), 13, "no such page: index");
}

TEST(initializer_returns_a_code, ALL)
{
    long code = 21;
    assert_broken(with_initializer(code_task, &code, sizeof code), 21,
                  "the initializer returned 21");
}

/* Longer than fits into a slot. The runner sees that nothing is left. */
TEST(I03_failing_initializer_leaves_nothing, ALL)
{
    char text[200];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 5; i++)
        assert_broken(with_initializer(long_initializer, text, sizeof text), 5, text);
}

/* Takes what it can get, and fails. */
static int greedy_initializer(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_lock lock;
    posse_queue queue;
    posse_future future;
    void *memory;
    bool good = posse_alloc(pool, 100000, &memory) == POSSE_OK &&
                posse_lock_create(pool, &lock) == POSSE_OK &&
                posse_lock_acquire(lock, -1) == POSSE_OK &&
                posse_queue_create(pool, 4, 100, &queue) == POSSE_OK &&
                posse_submit(pool, echo_task, arg, size, &future) == POSSE_OK &&
                posse_task_return(task, arg, size) == POSSE_OK;
    return posse_task_fail(task, 6, good ? "all taken" : "not all taken");
}

/* Also what it took is gone, however its workers were started. */
TEST(I04_failing_initializer_with_resources, ALL)
{
    static const char text[3000] = "text";
    posse_options options = with_initializer(greedy_initializer, text, sizeof text);
    for (int i = 0; i < 6; i++) {
        options.on_demand = i % 2 == 1;
        posse_executor *pool = make_pool_with(options);
        posse_error error = {.struct_size = sizeof error};
        posse_status status = posse_submit(pool, echo_task, text, sizeof text, NULL);
        assert_true(status == POSSE_OK || status == POSSE_BROKEN);
        assert_eventually(posse_why_broken(pool, &error) == POSSE_OK &&
                          error.status == POSSE_BROKEN);
        assert_string_equal(error.message, "all taken");
        assert_ok(posse_destroy(pool));
        assert_int_equal(count_new_names(), 0);
    }
}

/* Fails once it is told to. */
static int late_failing_initializer(posse_task *task, const void *arg, size_t size)
{
    while (atomic_load(number_of(arg)) == 0)
        pause_ms(1);
    return posse_task_fail(task, 8, "no such table: %s", "pages");
}

/* Those who wait already for a task that no worker will take are told, with its words. */
TEST(IP08_failing_initializer_tells_who_waits, PARALLEL)
{
    _Atomic long *number = make_shared(sizeof *number);
    posse_executor *pool =
        make_pool_with(with_initializer(late_failing_initializer, &number, sizeof number));
    posse_future futures[4];
    struct caller callers[COUNT(futures)];
    for (size_t i = 0; i < COUNT(futures); i++) {
        futures[i] = submitted_long(pool, square_task, 1);
        start_call(&callers[i], call_exception, &futures[i]);
        await_parked(&callers[i]);
    }
    atomic_store(number, 1);
    for (size_t i = 0; i < COUNT(futures); i++) {
        posse_error error = {.struct_size = sizeof error};
        assert_status(end_call(&callers[i]), POSSE_BROKEN);
        assert_status(posse_exception(futures[i], 0, &error), POSSE_BROKEN);
        assert_string_equal(error.message, "no such table: pages");
        assert_int_equal(error.code, 8);
    }
    assert_ok(posse_destroy(pool));
    free_shared((void *)number, sizeof *number);
}

static int exiting_initializer(posse_task *task, const void *arg, size_t size)
{
    if (backend() == POSSE_THREAD)
        pthread_exit(NULL);
    return exit_task(task, arg, size);
}

static posse_error broken_by(posse_fn *initializer, long arg)
{
    posse_executor *pool = make_pool_with(with_initializer(initializer, &arg, sizeof arg));
    posse_error error = {.struct_size = sizeof error};
    char text[256];
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    snprintf(text, sizeof text, "worker %ld ", error.pid);
    assert_memory_equal(error.message, text, strlen(text));
    assert_status(posse_resize(pool, 2), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    return error;
}

TEST(initializer_dies, PROCESSES)
{
    posse_error error = broken_by(signal_task, SIGABRT);
    assert_int_equal(error.signal, SIGABRT);
    assert_non_null(strstr(error.message, "was killed by signal 6"));
}

TEST(initializer_exits, PARALLEL)
{
    posse_error error = broken_by(exiting_initializer, 7);
    assert_int_equal(error.exit_code, backend() == POSSE_THREAD ? 0 : 7);
    assert_non_null(strstr(error.message, "terminated abruptly with exit code"));
}

static int fails_at_first(posse_task *task, const void *arg, size_t size)
{
    return atomic_fetch_sub(number_of(arg), 1) > 0 ? 1 : 0;
}

/* Two that fail are replaced. */
TEST(initializer_fails_at_first, PARALLEL)
{
    _Atomic long *number = make_shared(sizeof *number);
    atomic_store(number, 2);
    posse_executor *pool = make_pool_with(with_initializer(fails_at_first, &number, sizeof number));
    posse_error error = {.struct_size = sizeof error, .status = POSSE_BROKEN};
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_eventually(stats_of(pool).workers_idle == 3);
    assert_int_equal(stats_of(pool).workers_started, 5);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_ok(posse_why_broken(pool, &error));
    assert_status(error.status, POSSE_OK);
    end_pool(pool);
    free_shared((void *)number, sizeof *number);
}
