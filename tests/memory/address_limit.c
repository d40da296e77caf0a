/* address_limit.c - RLIMIT_AS, set before posse_create and by the initializer: what is left of the
 * address space is the tasks'.
 */
#include "kit/kit.h"

#include <stdlib.h>
#include <sys/resource.h>

enum { LIMIT_MB = 512, FITS_MB = 100, TOO_MUCH_MB = 600 };

static int limit_address_space(void)
{
    struct rlimit limit = {LIMIT_MB * MB, LIMIT_MB * MB};
    return setrlimit(RLIMIT_AS, &limit);
}

static int limiting(posse_task *task, const void *arg, size_t size)
{
    return limit_address_space() == 0 ? 0 : posse_task_fail(task, 1, "setrlimit");
}

/* Whether malloc gives that many MB: arg is their number. */
static int malloc_task(posse_task *task, const void *arg, size_t size)
{
    volatile char *memory = malloc((size_t) * (const long *)arg * MB);
    if (memory != NULL)
        memory[0] = 1;
    free((void *)memory);
    return return_long(task, memory != NULL);
}

static int malloc_is_limited(posse_executor *pool)
{
    long given = -1;
    for (int i = 0; i < 4; i++) {
        REQUIRE(run_task(pool, malloc_task, FITS_MB, &given) == POSSE_OK);
        REQUIRE(given == 1);
        REQUIRE(run_task(pool, malloc_task, TOO_MUCH_MB, &given) == POSSE_OK);
        REQUIRE(given == 0);
    }
    return pool_works(pool);
}

static int limited_before(void *context)
{
    REQUIRE(limit_address_space() == 0);
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && malloc_is_limited(pool) == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(limit_before_create, UNSANITIZED(ALL)) { assert_child(limited_before, NULL); }

static int limited_by_initializer(void *context)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(2, .initializer = limiting);
    REQUIRE(posse_create(&options, &pool) == POSSE_OK);
    REQUIRE(malloc_is_limited(pool) == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(limit_in_the_initializer, UNSANITIZED(PROCESSES))
{
    assert_child(limited_by_initializer, NULL);
}

/* A worker that cannot open what the program has added goes before it takes a task. */
static int grown_beyond_limit(void *context)
{
    posse_executor *pool = NULL;
    posse_options options = default_options();
    void *block;
    options.max_workers = 2;
    options.initializer = limiting;
    options.max_memory = (size_t)4 * LIMIT_MB * MB;
    REQUIRE(posse_create(&options, &pool) == POSSE_OK);
    REQUIRE(malloc_is_limited(pool) == 0);
    for (int i = 0; i < 3; i++) {
        long given = -1;
        REQUIRE(posse_alloc(pool, (size_t)LIMIT_MB * MB, &block) == POSSE_OK);
        REQUIRE(run_task(pool, malloc_task, 1, &given) == POSSE_OK);
    }
    REQUIRE(pool_works(pool) == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(growth_beyond_the_limit, UNSANITIZED(PROCESSES)) { assert_child(grown_beyond_limit, NULL); }
