/* no_replacement.c - fork or pthread_create fails when a worker is to be replaced.
 *
 * The linker leads both here. How many calls fail lies in memory that the supervisor shares.
 */
#include "support/support.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Atomic long *failing; /* calls that fail; NULL: none */

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
    if (backend() == POSSE_THREAD && fails()) {
        return EAGAIN;
    }
    return __real_pthread_create(thread, attributes, start, context);
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
    posse_options options = default_options();
    options.max_workers = workers;
    options.max_tasks_per_worker = 1;
    return options;
}

/* No worker is left that takes a task, and none can be started. */
TEST(P18_P20_failed_worker_replacement_breaks_pool)
{
    char text[300];
    posse_error error;
    long value = 3;
    posse_executor *pool = make_failing(recycling(1));
    atomic_store(failing, LONG_MAX);
    posse_future first = submitted_long(pool, square_task, 3);
    assert_int_equal(take_long(first), 9);
    posse_future second = {0};
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &second);
    assert_ok(status);
    assert_status(posse_exception(second, -1, &error), POSSE_BROKEN);
    snprintf(text, sizeof text, "workers could not be started: %s", strerror(EAGAIN));
    assert_string_equal(error.message, text);
    assert_status(posse_submit(pool, square_task, &value, sizeof value, NULL), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    forget_failing();
}

/* A few failures are got over, and the old worker has waited. */
TEST(replacement_fails_at_first)
{
    posse_executor *pool = make_failing(recycling(1));
    atomic_store(failing, 4);
    for (long i = 0; i < 5; i++) {
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    }
    assert_eventually(stats_of(pool).workers == 1);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
    forget_failing();
}

/* Others work on while one cannot be replaced. */
TEST(others_work_on)
{
    posse_options options = default_options();
    options.max_workers = 2;
    posse_executor *pool = make_failing(options);
    atomic_store(failing, LONG_MAX);
    assert_ok(posse_resize(pool, 3));
    assert_eventually(atomic_load(failing) < LONG_MAX - 8);
    for (long i = 0; i < 5; i++) {
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    }
    atomic_store(failing, 0);
    assert_eventually(stats_of(pool).workers == 3);
    end_pool(pool);
    forget_failing();
}

TEST(on_demand_fails)
{
    posse_error error;
    posse_options options = default_options();
    options.on_demand = true;
    posse_executor *pool = make_failing(options);
    atomic_store(failing, LONG_MAX);
    posse_future future = submitted_long(pool, square_task, 3);
    assert_status(posse_exception(future, -1, &error), POSSE_BROKEN);
    assert_non_null(strstr(error.message, "could not be started"));
    assert_ok(posse_destroy(pool));
    forget_failing();
}

static const struct check checks[] = {
    CHECK(P18_P20_failed_worker_replacement_breaks_pool, PARALLEL),
    CHECK(replacement_fails_at_first, PARALLEL),
    CHECK(others_work_on, PARALLEL),
    CHECK(on_demand_fails, PARALLEL),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
