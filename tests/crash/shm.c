/* shm.c - too little shared memory: an error at create, at submit or for one result, never a
 * signal.
 *
 * Each test runs in a child that has a /dev/shm of its own, in a mount namespace. Where that is
 * not permitted the test is skipped, and says so.
 */
#include "support/shm.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define SMALL "size=1m"

/* ---- what is tried in it ---- */

/* Sums up its argument of longs. */
static int sum_task(posse_task *task, const void *arg, size_t size)
{
    const long *values = arg;
    long sum = 0;
    for (size_t i = 0; i < size / sizeof *values; i++)
        sum += values[i];
    return return_long(task, sum);
}

#define MOST 200000 /* more than can have room in a small /dev/shm */
static posse_future futures[MOST];

/* Submits arguments of `longs` longs until there is no more memory. Returns how many were
 * accepted, or -1. */
static long fill(posse_executor *pool, size_t longs)
{
    long values[1000] = {0};
    long accepted = 0;
    posse_status status = POSSE_OK;
    while (status == POSSE_OK && accepted < MOST) {
        values[0] = accepted;
        values[longs - 1] = accepted;
        status = posse_submit(pool, sum_task, values, longs * sizeof *values, &futures[accepted]);
        accepted += status == POSSE_OK;
    }
    return status == POSSE_NO_MEMORY ? accepted : -1;
}

static int results_are_right(long accepted, size_t longs)
{
    for (long i = 0; i < accepted; i++) {
        long value = -1;
        REQUIRE(posse_result_into(futures[i], -1, &value, sizeof value, NULL) == POSSE_OK);
        REQUIRE(value == (longs == 1 ? i : 2 * i));
        REQUIRE(posse_release(futures[i]) == POSSE_OK);
    }
    return 0;
}

/* Holds both workers, so that nothing is freed while the memory fills. */
struct holders {
    struct gate *gate;
    posse_future futures[2];
};

static int hold(posse_executor *pool, struct holders *holders)
{
    void *memory;
    REQUIRE(posse_alloc(pool, sizeof(struct gate), &memory) == POSSE_OK);
    holders->gate = memset(memory, 0, sizeof(struct gate));
    for (int i = 0; i < 2; i++) {
        REQUIRE(posse_submit(pool, hold_task, &holders->gate, sizeof holders->gate,
                             &holders->futures[i]) == POSSE_OK);
    }
    for (long end = now_ms() + PATIENCE_MS; atomic_load(&holders->gate->entered) < 2; pause_ms(1))
        REQUIRE(now_ms() < end);
    return 0;
}

static int let_go(posse_executor *pool, struct holders *holders)
{
    open_gate(holders->gate);
    for (int i = 0; i < 2; i++) {
        REQUIRE(posse_result(holders->futures[i], -1, NULL, NULL) == POSSE_OK);
        REQUIRE(posse_release(holders->futures[i]) == POSSE_OK);
    }
    return posse_free(pool, holders->gate) == POSSE_OK ? 0 : 1;
}

static int fill_and_empty(size_t longs)
{
    posse_executor *pool;
    REQUIRE(create_in(&pool) == POSSE_OK);
    for (int round = 0; round < 3; round++) {
        struct holders holders;
        REQUIRE(hold(pool, &holders) == 0);
        long accepted = fill(pool, longs);
        dprintf(STDOUT_FILENO, "%ld tasks of %zu bytes\n", accepted, longs * sizeof(long));
        REQUIRE(accepted > 10);
        REQUIRE(let_go(pool, &holders) == 0);
        REQUIRE(results_are_right(accepted, longs) == 0);
        REQUIRE(pool_works(pool) == 0);
    }
    return ends(pool);
}

static int many_small(void) { return fill_and_empty(1); }

static int many_large(void) { return fill_and_empty(500); }

/* Tries results that have no room, and one that has. */
static int big_result_task(posse_task *task, const void *arg, size_t size)
{
    enum { BIG = 8 << 20 };
    char *bytes = calloc(1, BIG);
    posse_status status = posse_task_return(task, bytes, BIG);
    free(bytes);
    if (status != POSSE_NO_MEMORY || posse_task_reserve(task, BIG) != NULL)
        return WRONG_ARG;
    return return_long(task, 5);
}

static int too_big(void)
{
    static char bytes[8 << 20];
    posse_executor *pool;
    posse_future future;
    void *memory;
    long value = 0;
    REQUIRE(create_in(&pool) == POSSE_OK);
    REQUIRE(posse_submit(pool, sum_task, bytes, sizeof bytes, &future) == POSSE_NO_MEMORY);
    REQUIRE(posse_alloc(pool, sizeof bytes, &memory) == POSSE_NO_MEMORY);
    REQUIRE(posse_submit(pool, big_result_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &value, sizeof value, NULL) == POSSE_OK && value == 5);
    REQUIRE(posse_release(future) == POSSE_OK);
    REQUIRE(pool_works(pool) == 0);
    return ends(pool);
}

static int large_result_task(posse_task *task, const void *arg, size_t size)
{
    static const char bytes[4000] = "x";
    return posse_task_return(task, bytes, sizeof bytes) == POSSE_OK ? 0 : GAVE_UP;
}

/* Results that nobody has released fill the memory too: those that have no room fail, and only
 * those. */
static int many_large_results(void)
{
    enum { TASKS = 400 };
    posse_executor *pool;
    int failed = 0;
    struct holders holders;
    REQUIRE(create_in(&pool) == POSSE_OK && hold(pool, &holders) == 0);
    for (int i = 0; i < TASKS; i++) /* all, before their results take the room */
        REQUIRE(posse_submit(pool, large_result_task, NULL, 0, &futures[i]) == POSSE_OK);
    REQUIRE(let_go(pool, &holders) == 0);
    for (int i = 0; i < TASKS; i++)
        REQUIRE(posse_exception(futures[i], -1, NULL) == POSSE_OK);
    for (int i = 0; i < TASKS; i++) {
        posse_error error = {.struct_size = sizeof error};
        REQUIRE(posse_exception(futures[i], -1, &error) == POSSE_OK);
        REQUIRE(error.status == POSSE_OK ||
                (error.status == POSSE_TASK_FAILED && error.code == GAVE_UP));
        failed += error.status != POSSE_OK;
        REQUIRE(posse_release(futures[i]) == POSSE_OK);
    }
    dprintf(STDOUT_FILENO, "%d of %d results had no room\n", failed, TASKS);
    REQUIRE(failed > 0 && failed < TASKS);
    REQUIRE(pool_works(pool) == 0);
    return ends(pool);
}

/* Takes all the memory in blocks of one size, and frees them. How much it was. */
static size_t take_all(posse_executor *pool, size_t size)
{
    static void *blocks[MOST];
    size_t n = 0;
    bool good = true;
    while (n < MOST && posse_alloc(pool, size, &blocks[n]) == POSSE_OK)
        memset(blocks[n++], 1, size);
    for (size_t i = 0; i < n; i++)
        good = good && posse_free(pool, blocks[i]) == POSSE_OK;
    dprintf(STDOUT_FILENO, "%zu blocks of %zu bytes\n", n, size);
    return good ? n * size : 0;
}

/* What was freed can be used for anything. */
static int one_size_after_another(void)
{
    static const size_t sizes[] = {30000, 100, 2 << 20, 1000, 40 << 20, 500, 300000, 20000};
    posse_executor *pool;
    REQUIRE(create_in(&pool) == POSSE_OK);
    for (size_t i = 0; i < COUNT(sizes); i++) {
        REQUIRE(take_all(pool, sizes[i]) >= (sizes[i] < 1000 ? 20000000 : 36000000));
        REQUIRE(pool_works(pool) == 0);
    }
    return ends(pool);
}

/* A pool, or a status that says why not. */
static int works_or_says_why(void)
{
    posse_executor *pool = NULL;
    posse_status status = create_in(&pool);
    dprintf(STDOUT_FILENO, "create: %s\n", posse_status_name(status));
    if (status != POSSE_OK) {
        REQUIRE(pool == NULL);
        REQUIRE(status == POSSE_NO_MEMORY || status == POSSE_SYSTEM ||
                status == POSSE_NOT_SUPPORTED);
        return 0;
    }
    REQUIRE(pool_works(pool) == 0);
    return ends(pool);
}

TEST(many_small_tasks, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SMALL, 0, many_small});
}

TEST(many_large_tasks, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SMALL, 0, many_large});
}

TEST(results_without_room, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SMALL, 0, many_large_results});
}

TEST(larger_than_all, PROCESSES) { assert_with_shm((struct shm){"/dev/shm", SMALL, 0, too_big}); }

TEST(hardly_any, PROCESSES)
{
    static const char *const sizes[] = {"size=4k", "size=64k", "size=256k", "size=512k",
                                        "size=700k"};
    for (size_t i = 0; i < COUNT(sizes); i++)
        assert_with_shm((struct shm){"/dev/shm", sizes[i], 0, works_or_says_why});
}

TEST(default_of_containers, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", "size=64m", 0, many_large});
}

TEST(any_size_after_any_other, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", "size=64m", 0, one_size_after_another});
}

TEST(read_only, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", SMALL, MS_RDONLY, works_or_says_why});
}

TEST(missing, PROCESSES) { assert_with_shm((struct shm){"/dev", SMALL, 0, works_or_says_why}); }
