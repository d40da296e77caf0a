/* map_place.c - where a map finds its items and puts their results. */
#include "support/maps.h"

#include <string.h>

#define LONGS(array) ((posse_input){.data = (array), .size = sizeof(long)})

static const long one_to_ten[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

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
        posse_map_iter *map = open_map(pool, job);
        for (size_t i = 0; i < n; i++) {
            assert_ptr_equal(next_item(map).result, &rows[i].out);
            assert_int_equal(rows[i].out, i * i);
        }
        assert_map_ends(map);
        assert_rows(rows, n);
    }
}

POOL_TEST(strides, ALL, 2)
{
    struct row rows[50];
    assert_strides(pool, rows, COUNT(rows));
}

POOL_TEST(strides_in_shared_memory, ALL, 2)
{
    void *rows;
    assert_ok(posse_alloc(pool, 50 * sizeof(struct row), &rows));
    assert_strides(pool, rows, 50);
    assert_ok(posse_free(pool, rows));
}

/* Gives the address of its item: shared memory is used in place, other memory by threads only. */
static int where_item(posse_task *task, const void *const *items, void *result)
{
    *(uintptr_t *)result = (uintptr_t)items[0];
    return 0;
}

POOL_TEST(in_place, ALL, 1)
{
    void *shared;
    long local[4] = {0};
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
}

/* Inputs of 1 to 7 bytes and a double, which must lie where a double may. */
static int eight_item(posse_task *task, const void *const *items, void *result)
{
    long sum = 0;
    for (size_t k = 0; k < 7; k++)
        for (size_t i = 0; i <= k; i++)
            sum += ((const char *)items[k])[i];
    if ((uintptr_t)items[7] % _Alignof(double) != 0 || (uintptr_t)result % _Alignof(long) != 0)
        return WRONG_ARG;
    *(long *)result = sum + (long)*(const double *)items[7];
    return 0;
}

TEST(eight_inputs, ALL)
{
    enum { N = 9 };
    char bytes[7][7 * N];
    double doubles[N];
    long results[N];
    posse_input inputs[POSSE_MAX_INPUTS + 1] = {{0}};
    for (long i = 0; i < N; i++) {
        doubles[i] = 1000. * (double)i;
        for (size_t k = 0; k < 7; k++)
            memset(bytes[k] + (size_t)i * (k + 1), (int)i, k + 1);
    }
    for (size_t k = 0; k < 7; k++)
        inputs[k] = (posse_input){bytes[k], k + 1, 0};
    inputs[7] = (posse_input){doubles, sizeof(double), 0};
    inputs[8] = inputs[7];
    posse_executor *pool = make_pool(2);
    posse_map_job job = map_job(eight_item, inputs, 8, N);
    job.results = results;
    for (job.chunksize = 0; job.chunksize < 5; job.chunksize++) {
        assert_ok(posse_map(pool, &job, NULL));
        for (long i = 0; i < N; i++)
            assert_int_equal(results[i], 28 * i + 1000 * i);
    }
    job.n_inputs = 9;
    assert_status(posse_map(pool, &job, NULL), POSSE_TOO_LARGE);
    end_pool(pool);
}

/* The job is copied with its list of inputs: they may be gone when the next item is asked for. */
POOL_TEST(list_of_inputs_is_copied, ALL, 1)
{
    posse_input input = LONGS(one_to_ten);
    posse_map_job job = map_job(square_item, &input, 1, 10);
    job.chunksize = job.buffersize = 1;
    posse_map_iter *map = open_map(pool, job);
    memset(&input, 0, sizeof input);
    memset(&job, 0, sizeof job);
    assert_squares(map, 1, 11);
    assert_map_ends(map);
}

/* What an item shows stays until the next one is asked for, whatever else the pool does. */
POOL_TEST(result_is_valid_until_the_next, ALL, 2)
{
    posse_input input = LONGS(one_to_ten);
    posse_map_job job = map_job(square_item, &input, 1, 10);
    job.chunksize = 1;
    posse_map_iter *map = open_map(pool, job);
    for (long i = 1; i <= 10; i++) {
        posse_item item = next_item(map);
        for (long k = 0; k < 20; k++)
            take_long(submitted_long(pool, square_task, k));
        assert_int_equal(*(const long *)item.result, i * i);
    }
    assert_map_ends(map);
}

/* Room for results is used again: many more bytes go through than the few at a time. */
POOL_TEST(E20_free_reference, ALL, 1)
{
    enum { BIG = 1 << 20 };
    posse_input input = LONGS(one_to_ten);
    posse_map_job job = map_job(square_item, &input, 1, 10);
    job.result_size = BIG;
    job.buffersize = job.chunksize = 1;
    for (int i = 0; i < 20; i++) {
        posse_map_iter *map = open_map(pool, job);
        for (long k = 1; k <= 10; k++) {
            assert_int_equal(next_value(map), k * k);
            assert_in_range(stats_of(pool).memory_blocks, 1, 2);
        }
        assert_map_ends(map);
        assert_int_equal(stats_of(pool).futures, 0);
    }
}
