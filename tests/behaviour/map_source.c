/* map_source.c - maps whose items come from a source, and how far ahead it is read. */
#include "support/maps.h"

#include <limits.h>
#include <string.h>

static const posse_input two_longs[2] = {{.size = sizeof(long)}, {.size = sizeof(long)}};

#define ENDLESS -1

static struct numbers numbers_to(long end)
{
    return (struct numbers){.end = end, .last = POSSE_END, .n_inputs = 1};
}

POOL_TEST(E09_map_buffersize_value_validation, ALL, 1)
{
    struct numbers numbers = numbers_to(3);
    posse_map_iter *map = NULL;
    posse_map_job job = source_job(&numbers, two_longs);
    job.buffersize = -1;
    assert_status(posse_map_open(pool, &job, &map), POSSE_INVALID);
    job.buffersize = LONG_MIN;
    assert_status(posse_map_open(pool, &job, &map), POSSE_INVALID);
    job.buffersize = 0;
    job.chunksize = -1;
    assert_status(posse_map_open(pool, &job, &map), POSSE_INVALID);
    assert_null(map);
    assert_int_equal(numbers.calls, 0);
}

static void assert_buffersizes(size_t n_inputs)
{
    enum { N = 20 };
    static const long sizes[] = {1, 2, N, 2 * N, LONG_MAX};
    posse_executor *pool = make_pool(2);
    for (size_t i = 0; i < COUNT(sizes) * 2; i++) {
        struct numbers numbers = numbers_to(N);
        numbers.n_inputs = n_inputs;
        posse_map_job job = source_job(&numbers, two_longs);
        job.buffersize = sizes[i / 2];
        job.chunksize = i % 2 ? 3 : 0;
        posse_map_iter *map = open_map(pool, job);
        for (long k = 0; k < N; k++)
            assert_int_equal(next_value(map), n_inputs == 1 ? k * k : 11 * k);
        assert_map_ends(map);
        assert_int_equal(numbers.calls, N + 1);
    }
    end_pool(pool);
}

TEST(E10_map_buffersize, ALL) { assert_buffersizes(1); }

TEST(E11_map_buffersize_on_multiple_iterables, ALL) { assert_buffersizes(2); }

static void assert_endless(size_t n_inputs)
{
    posse_executor *pool = make_pool(2);
    for (long buffersize = 0; buffersize < 4; buffersize++) {
        struct numbers numbers = numbers_to(ENDLESS);
        numbers.n_inputs = n_inputs;
        posse_map_job job = source_job(&numbers, two_longs);
        job.buffersize = buffersize;
        posse_map_iter *map = open_map(pool, job);
        for (long k = 0; k < 3; k++)
            assert_int_equal(next_value(map), n_inputs == 1 ? k * k : 11 * k);
        close_map(map);
    }
    end_pool(pool);
}

TEST(E12_map_buffersize_on_infinite_iterable, ALL) { assert_endless(1); }

TEST(E13_map_buffersize_on_multiple_infinite_iterables, ALL) { assert_endless(2); }

POOL_TEST(E14_map_buffersize_on_empty_iterable, ALL, 1)
{
    static const long sizes[] = {0, 1, 2, LONG_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct numbers numbers = numbers_to(0);
        posse_map_job job = source_job(&numbers, two_longs);
        job.buffersize = sizes[i];
        assert_map_ends(open_map(pool, job));
        assert_int_equal(numbers.calls, 1);
    }
}

/* Nothing is read while no result is, and one more for each that was given. */
TEST(E16_map_buffersize_when_buffer_is_full, ALL)
{
    for (long buffersize = 1; buffersize <= 12; buffersize++) {
        posse_executor *pool = make_pool(2);
        struct numbers numbers = numbers_to(ENDLESS);
        posse_map_job job = source_job(&numbers, two_longs);
        job.buffersize = buffersize;
        job.chunksize = buffersize % 4 + 1;
        posse_map_iter *map = open_map(pool, job);
        assert_in_range(numbers.calls, 1, buffersize);
        for (long i = 0; i < 30; i++) {
            assert_squares(map, i, i + 1);
            assert_in_range(numbers.calls, 0, i + buffersize);
        }
        long calls = numbers.calls;
        assert_ok(posse_shutdown(pool, 0, -1));
        assert_int_equal(numbers.calls, calls);
        close_map(map);
        assert_int_equal(numbers.calls, calls);
        end_pool(pool);
    }
}

/* What was submitted before is given after a shutdown too. The source is not asked any more. */
TEST(after_shutdown, ALL)
{
    static const long values[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    for (int kind = 0; kind < 4; kind++) {
        posse_executor *pool = make_pool(2);
        struct numbers numbers = numbers_to(ENDLESS);
        posse_item item = {.struct_size = sizeof item};
        posse_input input = {.data = values, .size = sizeof(long)};
        posse_map_job job =
            kind / 2 ? source_job(&numbers, &input) : map_job(square_item, &input, 1, 10);
        job.buffersize = 5;
        job.unordered = kind % 2;
        job.chunksize = 1;
        posse_map_iter *map = open_map(pool, job);
        assert_ok(posse_shutdown(pool, 0, -1));
        for (int i = 0; i < (kind / 2 ? 1 : 5); i++)
            next_value(map);
        assert_status(posse_map_next(map, &item), POSSE_SHUT_DOWN);
        assert_int_equal(numbers.calls, kind / 2);
        close_map(map);
        map = NULL;
        assert_status(posse_map_open(pool, &job, &map), POSSE_SHUT_DOWN);
        assert_null(map);
        end_pool(pool);
    }
}

static void assert_submitted(posse_map_job job, long expected)
{
    posse_executor *pool = make_pool(2);
    posse_map_iter *map = open_map(pool, job);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(stats_of(pool).done, expected);
    close_map(map);
    end_pool(pool);
}

/* Nobody reads, and yet all that was submitted runs: of arrays the first N, with a large buffer
 * all; of a source, which may be slow, the first chunk. */
TEST(T01_map_submits_without_iteration, ALL)
{
    static const long sizes[] = {1, 4, 10, 1000, LONG_MAX};
    static const long values[10] = {0};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct numbers numbers = numbers_to(10);
        posse_input input = {.data = values, .size = sizeof(long)};
        posse_map_job job = map_job(square_item, &input, 1, 10);
        job.chunksize = 1;
        job.buffersize = sizes[i];
        assert_submitted(job, sizes[i] < 10 ? sizes[i] : 10);
        job = source_job(&numbers, &input);
        job.buffersize = sizes[i];
        job.chunksize = 2;
        assert_submitted(job, 1);
        assert_int_equal(numbers.calls, sizes[i] == 1 ? 1 : 2);
    }
}

/* Any other status of the source ends the map, after the items before. */
POOL_TEST(source_fails_in_the_middle, ALL, 2)
{
    static const posse_status ends[] = {POSSE_TASK_FAILED, POSSE_FULL, POSSE_NO_MEMORY,
                                        POSSE_TIMEOUT, (posse_status)1000};
    for (size_t i = 0; i < COUNT(ends) * 8; i++) {
        struct numbers numbers = numbers_to((long)(i % 4) * 3);
        posse_item item = {.struct_size = sizeof item};
        numbers.last = ends[i / 8];
        posse_map_job job = source_job(&numbers, two_longs);
        job.chunksize = (long)i % 3;
        job.unordered = i / 4 % 2;
        posse_map_iter *map = open_map(pool, job);
        for (long k = 0; k < numbers.end; k++)
            next_value(map);
        assert_int_equal(posse_map_next(map, &item), numbers.last);
        assert_int_equal(numbers.calls, numbers.end + 1);
        close_map(map);
    }
}

/* ---- small and large elements ---------------------------------------------------------------- */

struct bytes {
    size_t size;
    unsigned char next, end;
};

static posse_status give_bytes(void *context, void *const *elements)
{
    struct bytes *bytes = context;
    if (bytes->next == bytes->end)
        return POSSE_END;
    memset(elements[0], bytes->next++, bytes->size);
    return POSSE_OK;
}

static int first_byte(posse_task *task, const void *const *items, void *result)
{
    memcpy(result, items[0], 1);
    return *(const unsigned char *)items[0] == 13 ? 13 : 0;
}

static int check_megabyte(posse_task *task, const void *const *items, void *result)
{
    const unsigned char *bytes = items[0];
    for (size_t i = 1; i < 1 << 20; i++)
        if (bytes[i] != bytes[0])
            return WRONG_ARG;
    memset(result, bytes[0], 1 << 20);
    return 0;
}

static void assert_bytes(posse_executor *pool, posse_map_fn *fn, size_t size, long chunksize)
{
    struct bytes bytes = {.size = size, .end = 23};
    posse_input input = {.size = size};
    posse_map_job job = map_job(fn, &input, 1, 0);
    job.source = give_bytes;
    job.source_context = &bytes;
    job.result_size = size;
    job.chunksize = chunksize;
    posse_map_iter *map = open_map(pool, job);
    for (int i = 0; i < 23; i++) {
        posse_item item = next_item(map);
        assert_status(item.status, size == 1 && i == 13 ? POSSE_TASK_FAILED : POSSE_OK);
        if (item.status == POSSE_OK) {
            const unsigned char *result = item.result;
            assert_true(result[0] == i && result[size - 1] == i);
        } else {
            posse_error error = {.struct_size = sizeof error};
            assert_ok(posse_map_exception(map, &error));
            assert_int_equal(error.code, 13);
        }
    }
    assert_map_ends(map);
}

POOL_TEST(elements_of_a_byte, ALL, 2)
{
    for (long chunksize = 1; chunksize < 40; chunksize++)
        assert_bytes(pool, first_byte, 1, chunksize);
}

POOL_TEST(elements_of_a_megabyte, ALL, 2)
{
    assert_bytes(pool, check_megabyte, 1 << 20, 1);
    assert_bytes(pool, check_megabyte, 1 << 20, 4);
}

/* ---- nothing of it --------------------------------------------------------------------------- */

static int just_count(posse_task *task, const void *const *items, void *result)
{
    return result == NULL ? 0 : WRONG_ARG;
}

/* A source without elements, and items without results, some of which fail. */
POOL_TEST(no_bytes_at_all, ALL, 2)
{
    for (long chunksize = 1; chunksize < 5; chunksize++) {
        struct numbers numbers = {.end = 7, .last = POSSE_END};
        posse_map_job job = source_job(&numbers, NULL);
        job.fn = just_count;
        job.result_size = 0;
        job.chunksize = chunksize;
        posse_map_iter *map = open_map(pool, job);
        for (size_t i = 0; i < 7; i++) {
            posse_item item = next_item(map);
            assert_ok(item.status);
            assert_null(item.result);
            assert_int_equal(item.index, i);
        }
        assert_map_ends(map);
    }
}
