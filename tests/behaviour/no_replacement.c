/* no_replacement.c - fork or pthread_create fails when the supervisor replaces a worker.
 *
 * The linker leads both here. How many calls fail lies in memory that the supervisor shares. It
 * leads strerror here, too, which takes locks: another thread of the program may have held one at
 * the fork, and then the supervisor would wait for it for ever.
 */
#include "support/support.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic long *failing; /* calls that fail; NULL: none */

static bool no_threads; /* pthread_create fails on every backend */

static bool fails(void) { return failing != NULL && atomic_fetch_sub(failing, 1) > 0; }

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t __wrap_fork(void)
{
    if (backend() == POSSE_PROCESS && fails()) {
        errno = EAGAIN;
        return -1;
    }
    return __real_fork();
}

typedef void *body(void *);
int __real_pthread_create(pthread_t *, const pthread_attr_t *, body *, void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, body *, void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, body *start,
                          void *context)
{
    if ((no_threads || backend() == POSSE_THREAD) && fails())
        return EAGAIN;
    return __real_pthread_create(thread, attributes, start, context);
}

char *__wrap_strerror(int error);
char *__wrap_strerror(int error)
{
    static char text[] = "by strerror";
    return text;
}

static posse_executor *make_failing(posse_options options)
{
    failing = make_shared(sizeof *failing);
    return make_pool_with(options);
}

static void forget_failing(void)
{
    _Atomic long *memory = failing;
    failing = NULL;
    free_shared((void *)memory, sizeof *memory);
}

static posse_options recycling(long workers)
{
    posse_options options = OPTIONS(workers, .max_tasks_per_worker = 1);
    return options;
}

/* No worker is left that takes a task, and none can be started. */
TEST(P18_failed_worker_replacement_breaks_pool, PARALLEL)
{
    char text[300];
    posse_error error = {.struct_size = sizeof error};
    long value = 3;
    posse_executor *pool = make_failing(recycling(1));
    atomic_store(failing, LONG_MAX);
    posse_future first = submitted_long(pool, square_task, 3);
    assert_int_equal(take_long(first), 9);
    posse_future second = {0};
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &second);
    assert_ok(status);
    assert_status(posse_exception(second, -1, &error), POSSE_BROKEN);
    snprintf(text, sizeof text,
             "workers could not be started: error %d (Resource temporarily unavailable)", EAGAIN);
    assert_string_equal(error.message, text);
    assert_status(posse_submit(pool, square_task, &value, sizeof value, NULL), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    forget_failing();
}

/* A few failures are got over, and the old worker has waited. */
TEST(replacement_fails_at_first, PARALLEL)
{
    posse_executor *pool = make_failing(recycling(1));
    atomic_store(failing, 4);
    for (long i = 0; i < 5; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    assert_eventually(stats_of(pool).workers == 1);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
    forget_failing();
}

/* Others work on while one cannot be replaced. */
TEST(others_work_on, PARALLEL)
{
    posse_options options = OPTIONS(2);
    posse_executor *pool = make_failing(options);
    atomic_store(failing, LONG_MAX);
    assert_ok(posse_resize(pool, 3));
    assert_eventually(atomic_load(failing) < LONG_MAX - 8);
    for (long i = 0; i < 5; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    atomic_store(failing, 0);
    assert_eventually(stats_of(pool).workers == 3);
    end_pool(pool);
    forget_failing();
}

TEST(on_demand_fails, PARALLEL)
{
    posse_error error = {.struct_size = sizeof error};
    posse_options options = OPTIONS(0, .on_demand = true);
    posse_executor *pool = make_failing(options);
    atomic_store(failing, LONG_MAX);
    posse_future future = submitted_long(pool, square_task, 3);
    assert_status(posse_exception(future, -1, &error), POSSE_BROKEN);
    assert_non_null(strstr(error.message, "could not be started"));
    assert_ok(posse_destroy(pool));
    forget_failing();
}

static int square_item(posse_task *task, const void *const *items, void *result)
{
    long value = *(const long *)items[0];
    *(long *)result = value * value;
    return 0;
}

/* The items wait for workers that cannot be started: the call is told, and does not hang. */
TEST(P20_map_without_workers, PARALLEL)
{
    enum { ITEMS = 10 };
    long values[ITEMS] = {0};
    long squares[ITEMS];
    posse_input input = {.data = values, .size = sizeof values[0]};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = square_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = ITEMS,
                         .chunksize = 1,
                         .result_size = sizeof squares[0],
                         .results = squares};
    posse_options options = OPTIONS(0, .on_demand = true);
    posse_executor *pool = make_failing(options);
    atomic_store(failing, LONG_MAX);
    assert_status(posse_map(pool, &job, NULL), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    forget_failing();
}

/* None can be started from the beginning: there is no executor, or it is broken, and says why. */
TEST(P20_create_without_workers, PARALLEL)
{
    posse_options options = default_options();
    posse_executor *pool = NULL;
    posse_error error = {.struct_size = sizeof error};
    failing = make_shared(sizeof *failing);
    atomic_store(failing, LONG_MAX);
    posse_status status = posse_create(&options, &pool);
    if (status == POSSE_OK) {
        assert_eventually(posse_why_broken(pool, &error) == POSSE_OK &&
                          error.status == POSSE_BROKEN);
        assert_non_null(strstr(error.message, "could not be started"));
    } else {
        assert_status(status, POSSE_NO_MEMORY);
        assert_null(pool);
    }
    assert_ok(posse_destroy(pool));
    forget_failing();
}

static int count_call(posse_future future, void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

/* There is no thread for callbacks: nothing was added, and the executor goes on. */
TEST(P20_no_thread_for_callbacks, PARALLEL)
{
    _Atomic int calls = 0;
    posse_executor *pool = make_failing(default_options());
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    no_threads = true;
    atomic_store(failing, 2);
    for (int i = 0; i < 2; i++)
        assert_status(posse_add_done_callback(future, count_call, &calls), POSSE_NO_MEMORY);
    assert_ok(posse_add_done_callback(future, count_call, &calls)); /* now there is one */
    no_threads = false;
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&calls), 1);
    take_long(future);
    free_gate(pool, gate);
    end_pool(pool);
    forget_failing();
}
