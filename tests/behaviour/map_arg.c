/* map_arg.c - the argument that all items of a map share. */
#include "support/maps.h"

#include <stdlib.h>
#include <string.h>

enum { N = STAGE_ITEMS };

static int scale_block(posse_task *task, const posse_block *block)
{
    for (size_t i = 0; i < block->count; i++) {
        const void *items[1] = {block->inputs[0] + i * block->strides[0]};
        if (scale_item(task, items, block->results + i * block->result_stride) != 0)
            return WRONG_ARG;
    }
    return 0;
}

static void assert_scaled(posse_executor *pool, posse_map_job job, long factor)
{
    posse_map_iter *map = open_map(pool, job);
    for (long i = 0; i < N; i++)
        assert_int_equal(next_value(map), i * factor);
    assert_map_ends(map);
}

static void assert_all_ways(posse_executor *pool, const struct factor *factor)
{
    long values[N];
    for (long i = 0; i < N; i++)
        values[i] = i;
    for (long chunksize = 0; chunksize <= N; chunksize += 4) {
        posse_input input = {.data = values, .size = sizeof(long)};
        posse_map_job job = map_job(scale_item, &input, 1, N);
        job.chunksize = chunksize;
        set_arg(&job, factor);
        assert_scaled(pool, job, factor->factor);
        job.fn = NULL;
        job.block_fn = scale_block;
        assert_scaled(pool, job, factor->factor);
        struct numbers numbers = {.end = N, .last = POSSE_END, .n_inputs = 1};
        job.source = give_numbers;
        job.source_context = &numbers;
        assert_scaled(pool, job, factor->factor);
    }
}

POOL_TEST(of_all_sizes, ALL, 2)
{
    static const size_t sizes[] = {0, 1, 8, 40, 1000, 70000, 1 << 20};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct factor *factor = new_factor((long)i + 3, sizeof *factor + sizes[i]);
        assert_all_ways(pool, factor);
        free(factor);
    }
}

POOL_TEST(in_shared_memory, ALL, 2)
{
    void *memory;
    assert_ok(posse_alloc(pool, 70000, &memory));
    assert_all_ways(pool, make_factor(memory, 9, 70000));
    assert_ok(posse_free(pool, memory));
}

/* ---- where it is ----------------------------------------------------------------------------- */

static int where_arg(posse_task *task, const void *const *items, void *result)
{
    size_t size = 77;
    *(uintptr_t *)result = (uintptr_t)posse_map_arg(task, &size) + size;
    return 0;
}

static uintptr_t where(posse_executor *pool, const void *arg, size_t size, long item_timeout)
{
    uintptr_t found = 1;
    posse_map_job job = map_job(where_arg, NULL, 0, 1);
    job.arg = arg;
    job.arg_size = size;
    job.item_timeout_ms = item_timeout;
    job.results = &found;
    assert_ok(posse_map(pool, &job, NULL));
    return found - size;
}

/* Threads that may overstay get a copy. */
POOL_TEST(used_in_place, ALL, 1)
{
    long local[4] = {0};
    void *shared;
    assert_ok(posse_alloc(pool, sizeof local, &shared));
    bool in_place = backend() != POSSE_PROCESS;
    bool overstays = backend() == POSSE_THREAD;
    assert_int_equal(where(pool, shared, sizeof local, 0) == (uintptr_t)shared, true);
    assert_int_equal(where(pool, local, sizeof local, 0) == (uintptr_t)local, in_place);
    assert_int_equal(where(pool, local, sizeof local, 60000) == (uintptr_t)local,
                     in_place && !overstays);
    assert_int_equal(where(pool, NULL, 0, 0), 0);
    assert_int_equal(where(pool, local, 0, 0), 0);
    assert_ok(posse_free(pool, shared));
}

static int arg_task(posse_task *task, const void *arg, size_t size)
{
    size_t found = 77;
    return return_long(task, posse_map_arg(task, &found) == NULL && found == 0);
}

/* Submits a task, whose argument is not the map's, and waits for it on the same stack. */
static int nesting_item(posse_task *task, const void *const *items, void *result)
{
    posse_future inner;
    if (posse_submit(posse_task_executor(task), arg_task, NULL, 0, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result_into(inner, -1, result, sizeof(long), NULL);
    posse_release(inner);
    long none = *(long *)result;
    return status == POSSE_OK && none ? scale_item(task, items, result) : INNER_FAILED;
}

POOL_TEST(of_this_map_alone, ALL, 1)
{
    struct factor *factor = new_factor(5, sizeof *factor + 100);
    long values[N] = {1};
    size_t size = 77;
    posse_input input = {.data = values, .size = sizeof(long)};
    posse_map_job job = map_job(nesting_item, &input, 1, N);
    set_arg(&job, factor);
    long results[N];
    job.results = results;
    assert_ok(posse_map(pool, &job, NULL));
    assert_int_equal(results[0], 5);
    assert_int_equal(take_long(submitted(pool, arg_task, NULL, 0)), 1);
    assert_null(posse_map_arg(NULL, &size));
    assert_int_equal(size, 0);
    free(factor);
}

/* A map in a map: each has its own. */
static int mapping_item(posse_task *task, const void *const *items, void *result)
{
    struct factor inner = {.factor = 100, .size = sizeof inner};
    posse_input input = {.data = items[0], .size = sizeof(long)};
    posse_map_job job = map_job(scale_item, &input, 1, 1);
    long scaled = 0;
    job.results = &scaled;
    job.arg = &inner;
    job.arg_size = sizeof inner;
    posse_status status = posse_map(posse_task_executor(task), &job, NULL);
    int code = scale_item(task, items, result);
    *(long *)result += scaled;
    return status == POSSE_OK ? code : INNER_FAILED;
}

POOL_TEST(map_in_a_map, ALL, 1)
{
    struct factor *factor = new_factor(7, sizeof *factor);
    long value = 3;
    posse_input input = {.data = &value, .size = sizeof value};
    posse_map_job job = map_job(mapping_item, &input, 1, 1);
    set_arg(&job, factor);
    posse_map_iter *map = open_map(pool, job);
    assert_int_equal(next_value(map), 321);
    assert_map_ends(map);
    free(factor);
}

POOL_TEST(refused, ALL, 1)
{
    posse_map_job job = map_job(where_arg, NULL, 0, 1);
    job.arg_size = 1;
    assert_status(posse_map(pool, &job, NULL), POSSE_INVALID);
    job.arg = &job;
    job.arg_size = SIZE_MAX;
    assert_status(posse_map(pool, &job, NULL), POSSE_TOO_LARGE);
}
