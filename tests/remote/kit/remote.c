#include "remote/kit/remote.h"

#include <stdlib.h>

static posse_executor *make(const char *nodes, const char *listen, posse_options options)
{
    posse_executor *pool = NULL;
    posse_remote_options remote = {.struct_size = sizeof remote, .nodes = nodes, .listen = listen};
    assert_ok(posse_remote_create(&options, &remote, &pool));
    return pool;
}

posse_executor *make_remote(const char *nodes, posse_options options)
{
    return make(nodes, NULL, options);
}

posse_executor *make_remote_tcp(const char *nodes)
{
    posse_options options = {.struct_size = sizeof options};
    return make(nodes, "127.0.0.1:0", options);
}

void end_remote(posse_executor *pool) { end_pool(pool); }

void assert_square_tasks(posse_executor *pool, long n)
{
    posse_future *futures = calloc((size_t)n, sizeof *futures);
    assert_non_null(futures);
    for (long i = 0; i < n; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < n; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    free(futures);
}

long count_lost_squares(const posse_future *futures, long n)
{
    long lost = 0;
    for (long i = 0; i < n; i++) {
        long value = 0;
        posse_status status = posse_result_into(futures[i], -1, &value, sizeof value, NULL);
        assert_true(status == POSSE_OK || status == POSSE_WORKER_LOST);
        assert_true(status != POSSE_OK || value == i * i);
        lost += status != POSSE_OK;
        assert_ok(posse_release(futures[i]));
    }
    return lost;
}
