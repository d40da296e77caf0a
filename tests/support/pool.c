/* pool.c - makes pools, submits and takes results, and asserts that it works. */
#include "support.h"

#include <errno.h>
#include <posse_progress.h>
#include <string.h>

void require_status(posse_status actual, posse_status expected, const char *call, const char *file,
                    int line)
{
    if (actual != expected) {
        int error = errno;
        print_error("%s gave %s, not %s (errno %d)\n", call, posse_status_name(actual),
                    posse_status_name(expected), error);
        _fail(file, line);
    }
}

posse_options default_options(void)
{
    return (posse_options){.struct_size = sizeof(posse_options), .backend = backend()};
}

posse_options with_initializer(posse_fn *fn, const void *arg, size_t size)
{
    posse_options options =
        OPTIONS(3, .initializer = fn, .initializer_arg = arg, .initializer_size = size);
    return options;
}

posse_executor *open_pool(long workers)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(workers);
    return posse_create(&options, &pool) == POSSE_OK ? pool : NULL;
}

posse_executor *make_pool(long workers)
{
    posse_options options = OPTIONS(workers);
    return make_pool_with(options);
}

posse_executor *make_pool_with(posse_options options)
{
    posse_executor *pool = NULL;
    assert_ok(posse_create(&options, &pool));
    assert_non_null(pool);
    return pool;
}

posse_stats stats_of(posse_executor *pool)
{
    posse_stats stats = {.struct_size = sizeof stats};
    assert_ok(posse_get_stats(pool, &stats));
    return stats;
}

static bool is_at_rest(posse_executor *pool)
{
    posse_stats now = stats_of(pool);
    return now.running + now.queued + now.futures + now.memory_blocks == 0;
}

void end_pool(posse_executor *pool)
{
    assert_eventually(is_at_rest(pool));
    assert_at_rest(pool);
    assert_ok(posse_destroy(pool));
}

posse_future submitted(posse_executor *pool, posse_fn *fn, const void *arg, size_t size)
{
    posse_future future = {0};
    assert_ok(posse_submit(pool, fn, arg, size, &future));
    return future;
}

posse_future submitted_long(posse_executor *pool, posse_fn *fn, long value)
{
    return SUBMIT_VALUE(pool, fn, value);
}

posse_future submitted_job(posse_executor *pool, posse_job job)
{
    posse_future future = {0};
    job.struct_size = sizeof job;
    assert_ok(posse_submit_with(pool, &job, &future));
    return future;
}

long take_long(posse_future future)
{
    long value = 0;
    size_t size = 0;
    assert_ok(posse_result_into(future, -1, &value, sizeof value, &size));
    assert_int_equal(size, sizeof value);
    assert_ok(posse_release(future));
    return value;
}

long next_long(posse_future future)
{
    long value = 0;
    size_t size = 0;
    assert_ok(posse_next_message(future, -1, &value, sizeof value, &size));
    assert_int_equal(size, sizeof value);
    return value;
}

posse_error error_of(posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    memset(&error, 0xff, sizeof error); /* whatever is not filled in shows */
    error.struct_size = sizeof error;
    assert_ok(posse_exception(future, -1, &error));
    return error;
}

posse_error take_error(posse_future future, posse_status how)
{
    posse_error error = error_of(future);
    if (error.status != how)
        print_error("the task: %s\n", error.message);
    assert_status(error.status, how);
    assert_status(posse_result(future, 0, NULL, NULL), how);
    assert_ok(posse_release(future));
    return error;
}

posse_error lost_by(posse_fn *fn, const void *arg, size_t size)
{
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    posse_future beside = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_error error = take_error(submitted(pool, fn, arg, size), POSSE_WORKER_LOST);
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81); /* by another worker */
    open_gate(gate);
    take_long(beside);
    assert_int_equal(stats_of(pool).lost, 1);
    assert_int_equal(stats_of(pool).workers_lost, 1);
    free_gate(pool, gate);
    end_pool(pool);
    assert_int_equal(error.attempt, 1);
    assert_true(backend() == POSSE_PROCESS ? error.pid > 0 : error.pid == 0);
    assert_true(error.message[0] != '\0');
    return error;
}
