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
    for (size_t i = 0; i < COUNT(tens); i++) {
        tens[i] = 10 * one_to_ten[i];
    }
    posse_input inputs[2] = {LONGS(one_to_ten), LONGS(tens)};
    posse_map_job job = map_job(add_item, inputs, 2, COUNT(tens));
    job.chunksize = chunksize;
    posse_mapping *map = open_map(pool, job);
    for (long i = 1; i <= 10; i++) {
        assert_int_equal(next_value(map), 11 * i);
    }
    assert_map_ends(map);
}

TEST(E03_map)
{
    posse_executor *pool = make_pool(2);
    assert_sums(pool, 0);
    assert_sums(pool, 3);
    end_pool(pool);
}

static void assert_failure_between(posse_executor *pool, long chunksize)
{
    struct order orders[7] = {
        [0] = {.value = 0}, [1] = {.value = 1}, [2] = {.deed = FAIL, .value = 42},
        [3] = {.value = 3}, [4] = {.value = 4}, [5] = {.deed = MESSAGE, .value = 0},
        [6] = {.value = 6}};
    posse_error error;
    posse_input input = ORDERS(orders);
    posse_map_job job = map_job(obey, &input, 1, COUNT(orders));
    job.chunksize = chunksize;
    posse_mapping *map = open_map(pool, job);
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

TEST(E04_map_exception)
{
    posse_executor *pool = make_pool(2);
    assert_failure_between(pool, 0);
    assert_failure_between(pool, 1);
    assert_failure_between(pool, 3);
    assert_failure_between(pool, 7);
    end_pool(pool);
}

/* An error of the task's own is not the end of the map's time, whatever its number. */
TEST(E05_map_timeout_from_callable)
{
    posse_executor *pool = make_pool(2);
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
    end_pool(pool);
}

TEST(P05_map_chunksize)
{
    static const long sizes[] = {6, 50, 40, LONG_MAX};
    posse_executor *pool = make_pool(2);
    long numbers[40];
    long results[40];
    for (long i = 0; i < 40; i++) {
        numbers[i] = i;
    }
    posse_input input = LONGS(numbers);
    posse_map_job job = map_job(square_item, &input, 1, 40);
    job.results = results;
    for (size_t k = 0; k < COUNT(sizes); k++) {
        memset(results, 0xff, sizeof results);
        job.chunksize = sizes[k];
        assert_ok(posse_map(pool, &job, NULL));
        for (long i = 0; i < 40; i++) {
            assert_int_equal(results[i], i * i);
        }
    }
    job.chunksize = -1;
    assert_status(posse_map(pool, &job, NULL), POSSE_INVALID);
    end_pool(pool);
}

TEST(E15_map_buffersize_without_iterable)
{
    static const long sizes[] = {0, 1, LONG_MAX};
    posse_executor *pool = make_pool(1);
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
    end_pool(pool);
}

/* ---- every item once ------------------------------------------------------------------------- */

#ifdef SANITIZED
#define MOST 10000
#else
#define MOST 100000
#endif

static char seen[MOST];

static void assert_each_once(posse_executor *pool, struct gate *gate, posse_map_job job)
{
    memset(seen, 0, sizeof seen);
    atomic_store(&gate->passed, 0);
    posse_mapping *map = open_map(pool, job);
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
        if (!slow || (job.chunksize == 1 && job.buffersize == 2)) {
            assert_each_once(pool, gate, job);
        }
    }
}

TEST(each_item_once)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 100, 1000, MOST};
    time_limit(300);
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    struct order *orders = calloc(MOST, sizeof *orders);
    assert_non_null(orders);
    for (long i = 0; i < MOST; i++) {
        orders[i] = (struct order){.gate = gate, .deed = COUNT_IT, .value = i};
    }
    for (size_t i = 0; i < COUNT(counts); i++) {
        posse_input input = ORDERS(orders);
        assert_all_sizes(pool, gate, map_job(obey, &input, 1, counts[i]));
    }
    free(orders);
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- where items are ------------------------------------------------------------------------- */

struct row {
    char before;
    long in;
    short between;
    long out;
    char after;
};

static void fill_rows(struct row *rows, size_t n)
{
    memset(rows, 0x55, n * sizeof *rows);
    for (size_t i = 0; i < n; i++) {
        rows[i].in = (long)i;
        rows[i].out = -1;
    }
}

static void assert_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].in, i);
        assert_int_equal(rows[i].out, i * i);
        assert_true(rows[i].before == 0x55 && rows[i].between == 0x5555 && rows[i].after == 0x55);
    }
}

static posse_map_job row_job(struct row *rows, posse_input *input, size_t n)
{
    *input = (posse_input){&rows->in, sizeof rows->in, sizeof *rows};
    posse_map_job job = map_job(square_item, input, 1, n);
    job.results = &rows->out;
    job.result_stride = sizeof *rows;
    return job;
}

static void assert_strides(posse_executor *pool, struct row *rows, size_t n)
{
    posse_input input;
    for (long chunksize = 0; chunksize < 4; chunksize++) {
        fill_rows(rows, n);
        posse_map_job job = row_job(rows, &input, n);
        job.chunksize = chunksize;
        assert_ok(posse_map(pool, &job, NULL));
        assert_rows(rows, n);
        fill_rows(rows, n);
        posse_mapping *map = open_map(pool, job);
        for (size_t i = 0; i < n; i++) {
            assert_ptr_equal(next_item(map).result, &rows[i].out);
            assert_int_equal(rows[i].out, i * i);
        }
        assert_map_ends(map);
        assert_rows(rows, n);
    }
}

TEST(strides)
{
    struct row rows[50];
    posse_executor *pool = make_pool(2);
    assert_strides(pool, rows, COUNT(rows));
    end_pool(pool);
}

TEST(strides_in_shared_memory)
{
    void *rows;
    posse_executor *pool = make_pool(2);
    assert_ok(posse_alloc(pool, 50 * sizeof(struct row), &rows));
    assert_strides(pool, rows, 50);
    assert_ok(posse_free(pool, rows));
    end_pool(pool);
}

/* Gives the address of its item: shared memory is used in place, other memory by threads only. */
static int where_item(posse_task *task, const void *const *items, void *result)
{
    (void)task;
    *(uintptr_t *)result = (uintptr_t)items[0];
    return 0;
}

TEST(in_place)
{
    void *shared;
    long local[4] = {0};
    posse_executor *pool = make_pool(1);
    assert_ok(posse_alloc(pool, sizeof local, &shared));
    memset(shared, 0, sizeof local);
    const long *arrays[2] = {shared, local};
    for (size_t i = 0; i < 2; i++) {
        uintptr_t found[4];
        posse_input input = LONGS(arrays[i]);
        posse_map_job job = map_job(where_item, &input, 1, 4);
        job.results = found;
        assert_ok(posse_map(pool, &job, NULL));
        for (size_t k = 0; k < 4; k++) {
            bool in_place = i == 0 || backend() != POSSE_PROCESS;
            assert_true((found[k] == (uintptr_t)&arrays[i][k]) == in_place);
        }
    }
    assert_ok(posse_free(pool, shared));
    end_pool(pool);
}

/* Inputs of 1 to 7 bytes and a double, which must lie where a double may. */
static int eight_item(posse_task *task, const void *const *items, void *result)
{
    long sum = 0;
    (void)task;
    for (size_t k = 0; k < 7; k++) {
        for (size_t i = 0; i <= k; i++) {
            sum += ((const char *)items[k])[i];
        }
    }
    if ((uintptr_t)items[7] % _Alignof(double) != 0 || (uintptr_t)result % _Alignof(long) != 0) {
        return WRONG_ARG;
    }
    *(long *)result = sum + (long)*(const double *)items[7];
    return 0;
}

TEST(eight_inputs)
{
    enum { N = 9 };
    char bytes[7][7 * N];
    double doubles[N];
    long results[N];
    posse_input inputs[POSSE_MAX_INPUTS + 1] = {{0}};
    for (long i = 0; i < N; i++) {
        doubles[i] = 1000. * (double)i;
        for (size_t k = 0; k < 7; k++) {
            memset(bytes[k] + (size_t)i * (k + 1), (int)i, k + 1);
        }
    }
    for (size_t k = 0; k < 7; k++) {
        inputs[k] = (posse_input){bytes[k], k + 1, 0};
    }
    inputs[7] = (posse_input){doubles, sizeof(double), 0};
    inputs[8] = inputs[7];
    posse_executor *pool = make_pool(2);
    posse_map_job job = map_job(eight_item, inputs, 8, N);
    job.results = results;
    for (job.chunksize = 0; job.chunksize < 5; job.chunksize++) {
        assert_ok(posse_map(pool, &job, NULL));
        for (long i = 0; i < N; i++) {
            assert_int_equal(results[i], 28 * i + 1000 * i);
        }
    }
    job.n_inputs = 9;
    assert_status(posse_map(pool, &job, NULL), POSSE_TOO_LARGE);
    end_pool(pool);
}

/* The job is copied with its list of inputs: they may be gone when the next item is asked for. */
TEST(list_of_inputs_is_copied)
{
    posse_executor *pool = make_pool(1);
    posse_input input = LONGS(one_to_ten);
    posse_map_job job = map_job(square_item, &input, 1, 10);
    job.chunksize = job.buffersize = 1;
    posse_mapping *map = open_map(pool, job);
    memset(&input, 0, sizeof input);
    memset(&job, 0, sizeof job);
    assert_squares(map, 1, 11);
    assert_map_ends(map);
    end_pool(pool);
}

/* What an item shows stays until the next one is asked for, whatever else the pool does. */
TEST(result_is_valid_until_the_next)
{
    posse_executor *pool = make_pool(2);
    posse_input input = LONGS(one_to_ten);
    posse_map_job job = map_job(square_item, &input, 1, 10);
    job.chunksize = 1;
    posse_mapping *map = open_map(pool, job);
    for (long i = 1; i <= 10; i++) {
        posse_item item = next_item(map);
        for (long k = 0; k < 20; k++) {
            take_long(submitted_long(pool, square_task, k));
        }
        assert_int_equal(*(const long *)item.result, i * i);
    }
    assert_map_ends(map);
    end_pool(pool);
}

/* Room for results is used again: many more bytes go through than the few at a time. */
TEST(E20_free_reference)
{
    enum { BIG = 1 << 20 };
    posse_executor *pool = make_pool(1);
    posse_input input = LONGS(one_to_ten);
    posse_map_job job = map_job(square_item, &input, 1, 10);
    job.result_size = BIG;
    job.buffersize = job.chunksize = 1;
    for (int i = 0; i < 20; i++) {
        posse_mapping *map = open_map(pool, job);
        for (long k = 1; k <= 10; k++) {
            assert_int_equal(next_value(map), k * k);
            assert_in_range(stats_of(pool).memory_blocks, 1, 2);
        }
        assert_map_ends(map);
        assert_int_equal(stats_of(pool).futures, 0);
    }
    end_pool(pool);
}

static const struct check checks[] = {
    CHECK(E03_map, ALL),
    CHECK(E04_map_exception, ALL),
    CHECK(E05_map_timeout_from_callable, ALL),
    CHECK(P05_map_chunksize, ALL),
    CHECK(E15_map_buffersize_without_iterable, ALL),
    CHECK(each_item_once, ALL),
    CHECK(strides, ALL),
    CHECK(strides_in_shared_memory, ALL),
    CHECK(in_place, ALL),
    CHECK(eight_inputs, ALL),
    CHECK(list_of_inputs_is_copied, ALL),
    CHECK(result_is_valid_until_the_next, ALL),
    CHECK(E20_free_reference, ALL),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
