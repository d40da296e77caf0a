/* nested.c - tasks that submit tasks, to their own executor and to others. */
#include "support/support.h"

#include <string.h>

static long arg_long(const void *arg) { return *(const long *)arg; }

/* Submits fn(value) to the task's own executor. */
static posse_status submit_own(posse_task *task, posse_fn *fn, long value, posse_future *future)
{
    return posse_submit(posse_task_executor(task), fn, &value, sizeof value, future);
}

static int executor_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_executor(task) == *(posse_executor *const *)arg ? 0 : WRONG_ARG;
}

POOL_TEST(executor, ALL, 1) { take_error(SUBMIT_VALUE(pool, executor_task, pool), POSSE_OK); }

static void assert_fib(long workers, long n, long expected)
{
    posse_executor *pool = make_pool(workers);
    assert_int_equal(take_long(submitted_long(pool, fib_task, n)), expected);
    end_pool(pool);
}

TEST(recursion_with_one_worker, ALL) { assert_fib(1, 12, 144); }

TEST(recursion_with_two_workers, PARALLEL) { assert_fib(2, 15, 610); }

TEST(recursion_with_many_workers, PARALLEL) { assert_fib(8, 12, 144); }

POOL_TEST(several_recursions_at_once, PARALLEL, 3)
{
    posse_future futures[12];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_long(pool, fib_task, 8);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_int_equal(take_long(futures[i]), 21);
}

/* n levels, each waits for the next. */
static int chain_task(posse_task *task, const void *arg, size_t size)
{
    long n = arg_long(arg);
    long below = 0;
    posse_future next;
    if (n == 0)
        return return_long(task, 0);
    if (submit_own(task, chain_task, n - 1, &next) != POSSE_OK ||
        posse_result_into(next, -1, &below, sizeof below, NULL) != POSSE_OK)
        return INNER_FAILED;
    posse_release(next);
    return return_long(task, below + 1);
}

POOL_TEST(deep_chain, ALL, 1)
{
    assert_int_equal(take_long(submitted_long(pool, chain_task, 200)), 200);
}

/* How an inner task ends is seen by the outer one: it gives back the code that it read. */
static int reads_error_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    posse_error error = {.struct_size = sizeof error};
    if (submit_own(task, message_task, arg_long(arg), &inner) != POSSE_OK ||
        posse_exception(inner, -1, &error) != POSSE_OK || error.status != POSSE_TASK_FAILED ||
        posse_result(inner, 0, NULL, NULL) != POSSE_TASK_FAILED ||
        strcmp(error.message, "failed with 55") != 0)
        return INNER_FAILED;
    posse_release(inner);
    return return_long(task, error.code);
}

POOL_TEST(inner_error, ALL, 1)
{
    assert_int_equal(take_long(submitted_long(pool, reads_error_task, 55)), 55);
}

/* Inner tasks with large arguments and results; all but one are released. */
static int large_inner_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner[3];
    for (int i = 0; i < 3; i++)
        if (posse_submit(posse_task_executor(task), echo_task, arg, size, &inner[i]) != POSSE_OK)
            return INNER_FAILED;
    for (int i = 0; i < 3; i++) {
        const void *data;
        size_t length;
        if (posse_result(inner[i], -1, &data, &length) != POSSE_OK || length != size ||
            memcmp(data, arg, size) != 0)
            return INNER_FAILED;
        posse_release(inner[i]);
    }
    return return_long(task, (long)size);
}

TEST(large_inner_results, ALL)
{
    static char bytes[200000];
    memset(bytes, 'b', sizeof bytes);
    posse_executor *pool = make_pool(2);
    assert_int_equal(take_long(submitted(pool, large_inner_task, bytes, sizeof bytes)), 200000);
    end_pool(pool);
}

/* Submits tasks that nobody observes, and leaves. */
static int scatter_task(posse_task *task, const void *arg, size_t size)
{
    for (int i = 0; i < 10; i++)
        if (posse_submit(posse_task_executor(task), count_task, arg, size, NULL) != POSSE_OK)
            return INNER_FAILED;
    return 0;
}

POOL_TEST(unobserved_inner_tasks, ALL, 2)
{
    _Atomic long *counter = make_counter(pool);
    for (int i = 0; i < 10; i++)
        take_error(SUBMIT_VALUE(pool, scatter_task, counter), POSSE_OK);
    assert_eventually(atomic_load(counter) == 100);
    assert_ok(posse_free(pool, (void *)counter));
}

/* Cancels its inner task before anybody can start it, which nobody else does with one worker. */
static int cancel_inner_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    if (submit_own(task, code_task, arg_long(arg), &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status cancel = posse_cancel(inner);
    posse_status result = posse_result(inner, -1, NULL, NULL);
    bool marked = posse_cancelled(inner) && posse_done(inner) && !posse_running(inner);
    posse_release(inner);
    return cancel == POSSE_OK && result == POSSE_CANCELLED && marked ? 0 : WRONG_ARG;
}

POOL_TEST(cancel_inner, PARALLEL, 1)
{
    take_error(submitted_long(pool, cancel_inner_task, 1), POSSE_OK);
}

/* Learns its own handle through shared memory, and waits for it. */
struct letter {
    _Atomic int sent;
    posse_future self;
};

static int waits_for_itself_task(posse_task *task, const void *arg, size_t size)
{
    struct letter *letter = *(struct letter *const *)arg;
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&letter->sent); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    posse_status status = posse_result(letter->self, -1, NULL, NULL);
    return status == posse_exception(letter->self, -1, NULL) ? return_long(task, status)
                                                             : WRONG_ARG;
}

POOL_TEST(waits_for_itself, PARALLEL, 1)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct letter), &memory));
    struct letter *letter = memset(memory, 0, sizeof *letter);
    posse_future future = SUBMIT_VALUE(pool, waits_for_itself_task, letter);
    letter->self = future;
    atomic_store(&letter->sent, 1);
    assert_int_equal(take_long(future), POSSE_DEADLOCK);
    assert_ok(posse_free(pool, letter));
}

/* A pool that a task makes for itself is as good as any. */
static int own_pool_task(posse_task *task, const void *arg, size_t size)
{
    posse_options options = default_options();
    posse_executor *pool = NULL;
    posse_future future;
    long value = 0;
    options.max_workers = 2;
    posse_status status = posse_create(&options, &pool);
    if (status != POSSE_OK)
        return posse_task_fail(task, GAVE_UP, "create: %s", posse_status_name(status));
    status = posse_submit(pool, square_task, arg, size, &future);
    if (status == POSSE_OK)
        status = posse_result_into(future, -1, &value, sizeof value, NULL);
    if (posse_destroy(pool) != POSSE_OK || status != POSSE_OK)
        return posse_task_fail(task, GAVE_UP, "use: %s", posse_status_name(status));
    return return_long(task, value);
}

POOL_TEST(pool_of_a_task, ALL, 2)
{
    posse_future futures[4];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_long(pool, own_pool_task, (long)i);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_int_equal(take_long(futures[i]), (long)(i * i));
}

/* The program's other pools belong to its process: threads may use them, worker processes may
 * not. */
static int other_pool_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task,
                       posse_submit(*(posse_executor *const *)arg, identity_task, NULL, 0, NULL));
}

TEST(other_pool, ALL)
{
    posse_executor *other = make_pool(1);
    posse_executor *pool = make_pool(1);
    posse_status expected = backend() == POSSE_PROCESS ? POSSE_WRONG_PROCESS : POSSE_OK;
    assert_int_equal(take_long(SUBMIT_VALUE(pool, other_pool_task, other)), expected);
    end_pool(pool);
    end_pool(other);
}
