/* sized.c - programs that were built with another version of posse.h: their structs are smaller,
 * or larger. Each fills a block of the heap, so a sanitizer sees every access behind it. */
#include "support/maps.h"
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

static const size_t wrong_sizes[] = {0, 1, sizeof(size_t), 4097, SIZE_MAX};

/* A copy that is `size` bytes long, and says so; what it has beyond `known` is `rest`. */
static void *sized(const void *from, size_t known, size_t size, int rest)
{
    char *copy = malloc(size);
    assert_non_null(copy);
    memset(copy, rest, size);
    memcpy(copy, from, known < size ? known : size);
    memcpy(copy, &size, sizeof size);
    return copy;
}

/* ---- what a call is given ---- */

static posse_status create_with(const void *options)
{
    posse_executor *pool = NULL;
    posse_status status = posse_create(options, &pool);
    if (status == POSSE_OK)
        assert_int_equal(take_long(submitted_long(pool, square_task, 6)), 36);
    assert_ok(posse_destroy(pool));
    return status;
}

static posse_executor *the_pool;

static posse_status submit_with(const void *job)
{
    posse_future future = {0};
    posse_status status = posse_submit_with(the_pool, job, &future);
    if (status == POSSE_OK)
        assert_int_equal(take_long(future), 36);
    return status;
}

static void assert_read(const void *given, size_t known, size_t least,
                        posse_status (*call)(const void *))
{
    for (size_t size = least; size <= known + 24; size += 8) {
        void *copy = sized(given, known, size, 0);
        assert_ok(call(copy));
        free(copy);
    }
    void *later = sized(given, known, known + 8, 1);
    assert_status(call(later), POSSE_INVALID);
    for (size_t i = 0; i < COUNT(wrong_sizes); i++) {
        memcpy(later, &wrong_sizes[i], sizeof(size_t));
        assert_status(call(later), POSSE_INVALID);
    }
    free(later);
}

TEST(options, ALL)
{
    posse_options options = default_options();
    assert_read(&options, sizeof options, offsetof(posse_options, max_workers), create_with);
}

TEST(job, ALL)
{
    long value = 6;
    posse_job job = {.fn = square_task, .arg = &value, .size = sizeof value};
    the_pool = make_pool(1);
    assert_read(&job, sizeof job, offsetof(posse_job, name), submit_with);
    end_pool(the_pool);
}

static posse_status map_with(const void *job) { return posse_map(the_pool, job, NULL); }

TEST(map_job_of_another_version, ALL)
{
    long numbers[3] = {1, 2, 3};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, 3);
    the_pool = make_pool(1);
    assert_read(&job, sizeof job, offsetof(posse_map_job, results), map_with);
    end_pool(the_pool);
}

/* ---- what a call fills ---- */

static posse_future the_future;
static posse_map_iter *the_map;

/* Processor time grows from call to call. */
static posse_status get_stats(void *stats)
{
    posse_stats *all = stats;
    posse_status status = posse_get_stats(the_pool, all);
    if (all && status == POSSE_OK && all->struct_size >= sizeof *all)
        all->cpu_ns = 0;
    else if (all && status == POSSE_OK && all->struct_size > offsetof(posse_stats, cpu_ns))
        memset(&all->cpu_ns, 0, all->struct_size - offsetof(posse_stats, cpu_ns));
    return status;
}
static posse_status exception(void *error) { return posse_exception(the_future, -1, error); }
static posse_status why_broken(void *error) { return posse_why_broken(the_pool, error); }
static posse_status map_next(void *item) { return posse_map_next(the_map, item); }
static posse_status map_exception(void *error) { return posse_map_exception(the_map, error); }

/* The first bytes are as in a struct of this version, the rest is zero. */
static void assert_filled(posse_status (*call)(void *), size_t known)
{
    static const char zeros[64];
    char *whole = sized(zeros, 0, known, 0x55);
    assert_ok(call(whole));
    for (size_t size = 16; size <= known + 40; size += 8) {
        char *other = sized(zeros, 0, size, 0x55);
        size_t both = size < known ? size : known;
        assert_ok(call(other));
        assert_int_equal(*(size_t *)(void *)other, size);
        assert_memory_equal(other + sizeof size, whole + sizeof size, both - sizeof size);
        assert_memory_equal(other + both, zeros, size - both);
        free(other);
    }
    for (size_t i = 0; i < COUNT(wrong_sizes); i++) {
        memset(whole, 0x55, known);
        memcpy(whole, &wrong_sizes[i], sizeof(size_t));
        assert_status(call(whole), POSSE_INVALID);
        assert_int_equal(whole[sizeof(size_t)], 0x55);
        assert_int_equal(whole[known - 1], 0x55);
    }
    free(whole);
}

TEST(stats, ALL)
{
    the_pool = make_pool(1);
    assert_int_equal(take_long(submitted_long(the_pool, square_task, 6)), 36);
    assert_eventually(stats_of(the_pool).workers_idle == stats_of(the_pool).workers);
    assert_filled(get_stats, sizeof(posse_stats));
    assert_status(posse_get_stats(the_pool, NULL), POSSE_INVALID);
    end_pool(the_pool);
}

TEST(error, ALL)
{
    the_pool = make_pool(1);
    the_future = submitted_long(the_pool, message_task, 6);
    assert_filled(exception, sizeof(posse_error));
    assert_filled(why_broken, sizeof(posse_error));
    assert_status(posse_why_broken(the_pool, NULL), POSSE_INVALID);
    assert_ok(posse_release(the_future));
    end_pool(the_pool);
}

static int failing_item(posse_task *task, const void *const *items, void *result)
{
    return posse_task_fail(task, 7, "no such page");
}

TEST(item, ALL)
{
    enum { N = 1000 };
    static char bytes[N];
    posse_input input = {.data = bytes, .size = 1};
    posse_map_job job = map_job(failing_item, &input, 1, N);
    the_pool = make_pool(1);
    job.chunksize = N;
    the_map = open_map(the_pool, job);
    for (size_t i = 0; i < 2; i++) {
        for (size_t size = 16; size <= sizeof(posse_item) + 16; size += 8) {
            posse_item *item = sized(&i, 0, size, 0x55);
            assert_ok(map_next(item));
            assert_int_equal(item->struct_size, size);
            assert_true(size < offsetof(posse_item, result) || item->status == POSSE_TASK_FAILED);
            assert_true(size < sizeof *item || item->result == NULL);
            free(item);
        }
    }
    assert_filled(map_exception, sizeof(posse_error));
    close_map(the_map);
    end_pool(the_pool);
}
