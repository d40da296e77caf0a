/* create.c - making executors: defaults, limits, many of them; names of statuses. */
#include "support/support.h"

#include <limits.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

static void assert_works(posse_executor *pool)
{
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
}

TEST(no_options, PROCESSES)
{
    posse_executor *pool = NULL;
    assert_ok(posse_create(NULL, &pool));
    assert_int_not_equal(take_long(submitted(pool, identity_task, NULL, 0)), identity());
    end_pool(pool);
}

TEST(only_the_backend, ALL)
{
    posse_executor *pool = make_pool_with(default_options());
    assert_works(pool);
    end_pool(pool);
}

POOL_TEST(many_workers, PARALLEL, 40)
{
    assert_eventually(stats_of(pool).workers == 40);
    assert_works(pool);
}

TEST(most_workers, PARALLEL)
{
#ifdef POSSE_TEST_VALGRIND
    skip(); /* a thousand threads take it minutes */
#endif
    posse_executor *pool = make_pool(POSSE_MAX_WORKERS);
    assert_eventually(stats_of(pool).workers == POSSE_MAX_WORKERS);
    assert_works(pool);
    end_pool(pool);
}

/* The default is counted from the processors that this process may use: here one. */
TEST(T02_default_workers, PARALLEL)
{
    cpu_set_t all;
    cpu_set_t one;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    for (size_t cpu = 0; CPU_COUNT(&one) == 0; cpu++)
        if (CPU_ISSET(cpu, &all))
            CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    posse_executor *pool = make_pool(0);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    unsigned expected = backend() == POSSE_THREAD ? 5 : 1;
    assert_eventually(stats_of(pool).workers == expected);
    end_pool(pool);
}

/* Asserts that the options are refused, and that there is no executor. */
static void assert_refused(posse_options options, posse_status expected)
{
    posse_executor *pool = (posse_executor *)&options;
    assert_status(posse_create(&options, &pool), expected);
    assert_null(pool);
}

TEST(E19_max_workers_negative, ALL)
{
    static const long negative[] = {-1, -2, LONG_MIN};
    for (size_t i = 0; i < COUNT(negative); i++) {
        posse_options options = OPTIONS(negative[i]);
        assert_refused(options, POSSE_INVALID);
    }
}

TEST(P01_max_workers_too_large, ALL)
{
    static const long too_many[] = {POSSE_MAX_WORKERS + 1, 65536, 2147483648, 4294967297, LONG_MAX};
    for (size_t i = 0; i < COUNT(too_many); i++) {
        posse_options options = OPTIONS(too_many[i]);
        assert_refused(options, POSSE_TOO_LARGE);
    }
}

TEST(other_counts, ALL)
{
    posse_options options = OPTIONS(0, .retries = -1);
    assert_refused(options, POSSE_INVALID);
    options.retries = 256;
    assert_refused(options, POSSE_TOO_LARGE);
    options.retries = LONG_MAX;
    assert_refused(options, POSSE_TOO_LARGE);
    options.retries = 255;
    options.queue_limit = (1L << 24) + 1;
    assert_refused(options, POSSE_TOO_LARGE);
    options.queue_limit = -1;
    assert_refused(options, POSSE_INVALID);
    options.queue_limit = LONG_MIN;
    assert_refused(options, POSSE_INVALID);
}

TEST(unknown_backend, ALL)
{
    posse_options options = default_options();
    options.backend = (posse_backend)3;
    assert_refused(options, POSSE_INVALID);
    options.backend = (posse_backend)-1;
    assert_refused(options, POSSE_INVALID);
}

TEST(wrong_size_of_options, ALL)
{
    static const size_t sizes[] = {0, 1, SIZE_MAX};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        posse_options options = default_options();
        options.struct_size = sizes[i];
        assert_refused(options, POSSE_INVALID);
    }
}

/* A later version's options with something set that this version does not know. */
TEST(unknown_options, ALL)
{
    struct {
        posse_options known;
        long unknown;
    } later = {default_options(), 1};
    later.known.struct_size = sizeof later;
    posse_executor *pool = NULL;
    assert_status(posse_create(&later.known, &pool), POSSE_INVALID);
    assert_null(pool);
}

TEST(no_place_for_the_executor, ALL)
{
    posse_options options = default_options();
    assert_status(posse_create(&options, NULL), POSSE_INVALID);
}

TEST(destroy_null, ALL) { assert_ok(posse_destroy(NULL)); }

TEST(several_at_once, ALL)
{
    posse_executor *pools[5];
    posse_future futures[COUNT(pools)];
    for (size_t i = 0; i < COUNT(pools); i++) {
        pools[i] = make_pool(1);
        futures[i] = submitted_long(pools[i], square_task, (long)i);
    }
    for (size_t i = COUNT(pools); i-- > 0;) {
        assert_int_equal(take_long(futures[i]), (long)(i * i));
        end_pool(pools[i]);
    }
}

TEST(again_and_again, ALL)
{
    for (int i = 0; i < 100; i++) {
        posse_executor *pool = make_pool(2);
        if (i % 2 == 0)
            assert_works(pool);
        assert_ok(posse_destroy(pool));
    }
}

/* Nothing of the options is needed after create. */
TEST(options_are_copied, ALL)
{
    posse_options options = OPTIONS(2);
    posse_executor *pool = make_pool_with(options);
    memset(&options, 0xff, sizeof options);
    assert_works(pool);
    end_pool(pool);
}

TEST(names_of_statuses, ALL)
{
#define CHECK_STATUS(name, value, message)                                                         \
    assert_int_equal(name, value);                                                                 \
    assert_string_equal(posse_status_name(name), #name);                                           \
    assert_string_equal(posse_status_message(name), message);
    POSSE_STATUS_LIST(CHECK_STATUS)
    assert_string_equal(posse_status_name((posse_status)1000), "POSSE_UNKNOWN");
    assert_string_equal(posse_status_name((posse_status)-1), "POSSE_UNKNOWN");
    assert_non_null(posse_status_message((posse_status)12345));
    assert_string_equal(posse_version(), POSSE_VERSION);
}
