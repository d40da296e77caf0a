/* map.c - a function on every item of arrays: results, failures, sizes, bad arguments. */
#include "support/maps.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define LONGS(array) ((posse_input){.data = (array), .size = sizeof(long)})
#define ORDERS(array) ((posse_input){.data = (array), .size = sizeof(struct order)})

static const long one_to_ten[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

static void assert_sums(posse_executor *pool, long chunksize)
{
    long tens[10];
    for (size_t i = 0; i < COUNT(tens); i++)
        tens[i] = 10 * one_to_ten[i];
    posse_input inputs[2] = {LONGS(one_to_ten), LONGS(tens)};
    posse_map_job job = map_job(add_item, inputs, 2, COUNT(tens));
    job.chunksize = chunksize;
    posse_map_iter *map = open_map(pool, job);
    for (long i = 1; i <= 10; i++)
        assert_int_equal(next_value(map), 11 * i);
    assert_map_ends(map);
}

POOL_TEST(E03_map, ALL, 2)
{
    assert_sums(pool, 0);
    assert_sums(pool, 3);
}

static void assert_failure_between(posse_executor *pool, long chunksize)
{
    struct order orders[7] = {
        [0] = {.value = 0}, [1] = {.value = 1}, [2] = {.deed = FAIL, .value = 42},
        [3] = {.value = 3}, [4] = {.value = 4}, [5] = {.deed = MESSAGE, .value = 0},
        [6] = {.value = 6}};
    posse_error error = {.struct_size = sizeof error};
    posse_input input = ORDERS(orders);
    posse_map_job job = map_job(obey, &input, 1, COUNT(orders));
    job.chunksize = chunksize;
    posse_map_iter *map = open_map(pool, job);
    for (long i = 0; i < 7; i++) {
        if (orders[i].deed == GIVE) {
            assert_int_equal(next_value(map), i);
            assert_ok(posse_map_exception(map, &error));
            assert_ok(error.status);
            continue;
        }
        posse_item item = next_item(map);
        assert_int_equal(item.index, i);
        assert_status(item.status, POSSE_TASK_FAILED);
        assert_null(item.result);
        assert_ok(posse_map_exception(map, &error));
        assert_status(error.status, POSSE_TASK_FAILED);
        assert_int_equal(error.code, orders[i].value);
        assert_string_equal(error.message, i == 2 ? "the task returned 42" : "failed with 0");
    }
    assert_map_ends(map);
}

POOL_TEST(E04_map_exception, ALL, 2)
{
    assert_failure_between(pool, 0);
    assert_failure_between(pool, 1);
    assert_failure_between(pool, 3);
    assert_failure_between(pool, 7);
}

/* An error of the task's own is not the end of the map's time, whatever its number. */
POOL_TEST(E05_map_timeout_from_callable, ALL, 2)
{
    for (long timeout = 0; timeout <= 30000; timeout += 30000) {
        struct order orders[3] = {
            {.value = 1}, {.deed = FAIL, .value = POSSE_TIMEOUT}, {.value = 3}};
        posse_status statuses[3];
        posse_input input = ORDERS(orders);
        posse_map_job job = map_job(obey, &input, 1, 3);
        job.timeout_ms = timeout;
        assert_status(posse_map(pool, &job, statuses), POSSE_TASK_FAILED);
        assert_status(statuses[1], POSSE_TASK_FAILED);
        assert_status(statuses[2], POSSE_OK);
    }
}

POOL_TEST(P05_map_chunksize, ALL, 2)
{
    static const long sizes[] = {6, 50, 40, LONG_MAX};
    long numbers[40];
    long results[40];
    for (long i = 0; i < 40; i++)
        numbers[i] = i;
    posse_input input = LONGS(numbers);
    posse_map_job job = map_job(square_item, &input, 1, 40);
    job.results = results;
    for (size_t k = 0; k < COUNT(sizes); k++) {
        memset(results, 0xff, sizeof results);
        job.chunksize = sizes[k];
        assert_ok(posse_map(pool, &job, NULL));
        for (long i = 0; i < 40; i++)
            assert_int_equal(results[i], i * i);
    }
    job.chunksize = -1;
    assert_status(posse_map(pool, &job, NULL), POSSE_INVALID);
}

POOL_TEST(E15_map_buffersize_without_iterable, ALL, 1)
{
    static const long sizes[] = {0, 1, LONG_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        posse_input input = {.size = sizeof(long)};
        posse_map_job job = map_job(square_item, &input, 1, 0);
        job.buffersize = sizes[i];
        assert_map_ends(open_map(pool, job));
        assert_ok(posse_map(pool, &job, NULL));
        job.chunksize = LONG_MAX;
        assert_map_ends(open_map(pool, job));
        job.n_inputs = 0;
        assert_map_ends(open_map(pool, job));
    }
}

/* ---- every item once ------------------------------------------------------------------------- */

#ifdef SANITIZED
#define MOST 10000
#else
#define MOST 20000
#endif

static char seen[MOST];

static void assert_each_once(posse_executor *pool, struct gate *gate, posse_map_job job)
{
    memset(seen, 0, sizeof seen);
    atomic_store(&gate->passed, 0);
    posse_map_iter *map = open_map(pool, job);
    for (size_t i = 0; i < job.count; i++) {
        posse_item item = next_item(map);
        assert_ok(item.status);
        assert_true(item.index < job.count && (job.unordered || item.index == i));
        assert_int_equal(*(const long *)item.result, item.index);
        assert_int_equal(seen[item.index]++, 0);
    }
    assert_map_ends(map);
    assert_int_equal(atomic_load(&gate->passed), job.count);
}

/* All chunk sizes and buffer sizes for n items; a round trip for each of many items is slow. */
static void assert_all_sizes(posse_executor *pool, struct gate *gate, posse_map_job job)
{
    long n = (long)job.count;
    long chunks[] = {0, 1, 3, n, 2 * n};
    long buffers[] = {0, 1, 2, n, 2 * n};
    for (size_t i = 0; i < COUNT(chunks) * COUNT(buffers) * 2; i++) {
        job.chunksize = chunks[i / 2 % COUNT(chunks)];
        job.buffersize = buffers[i / 2 / COUNT(chunks)];
        job.unordered = i % 2;
        bool slow = n > 1000 && (job.buffersize == 1 || job.buffersize == 2);
        if (!slow || (job.chunksize == 1 && job.buffersize == 2))
            assert_each_once(pool, gate, job);
    }
}

TEST(each_item_once, ALL)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 100, 1000, MOST};
    time_limit(300);
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    struct order *orders = calloc(MOST, sizeof *orders);
    assert_non_null(orders);
    for (long i = 0; i < MOST; i++)
        orders[i] = (struct order){.gate = gate, .deed = COUNT_IT, .value = i};
    for (size_t i = 0; i < COUNT(counts); i++) {
        posse_input input = ORDERS(orders);
        assert_all_sizes(pool, gate, map_job(obey, &input, 1, counts[i]));
    }
    free(orders);
    free_gate(pool, gate);
    end_pool(pool);
}
