/* max_memory.c - options.max_memory: what a pool takes is in proportion to it, and at the limit
 * calls say so, nothing is lost, and later all works again.
 */
#include "kit/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define MOST (16 * MB)
#define BLOCK (10 * MB)
#define SLACK (64 * MB)
#define STACK_AND_HEAP (72 * MB) /* of a thread, by the C library */

static posse_options limited_options(void)
{
    posse_options options = OPTIONS(2, .max_memory = MOST);
    return options;
}

/* ---- in proportion ---- */

static void assert_in_proportion(posse_executor *pool, size_t before)
{
    posse_stats stats = stats_of(pool);
    size_t now = address_space((long)getpid());
    size_t threads = (size_t)(count_threads() - 1) * STACK_AND_HEAP;
    print_message("%zu kB of address space; used %lu kB, committed %lu kB, reserved %lu kB\n",
                  now > before ? (now - before) / 1024 : 0, (unsigned long)stats.memory_used / 1024,
                  (unsigned long)stats.memory_committed / 1024,
                  (unsigned long)stats.memory_reserved / 1024);
    assert_true(stats.memory_used <= stats.memory_committed);
    assert_true(stats.memory_committed <= stats.memory_reserved);
    assert_true(stats.memory_reserved < 2 * MOST + MB);
    assert_true(stats.memory_committed <= MOST);
    assert_true(now <= before + SLACK + threads + 2 * stats.memory_used);
}

TEST(address_space_of_a_small_pool, UNSANITIZED(ALL))
{
    void *memory = NULL;
    size_t before = address_space((long)getpid());
    posse_executor *pool = make_pool_with(limited_options());
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
    assert_in_proportion(pool, before);
    if (backend() == POSSE_PROCESS) {
        long worker = take_long(submitted(pool, process_task, NULL, 0));
        assert_true(address_space(worker) <= before + SLACK);
    }
    uint64_t used = stats_of(pool).memory_used;
    assert_ok(posse_alloc(pool, BLOCK, &memory));
    memset(memory, 1, BLOCK);
    assert_true(stats_of(pool).memory_used >= used + BLOCK);
    assert_in_proportion(pool, before);
    assert_ok(posse_free(pool, memory));
    assert_eventually(stats_of(pool).memory_used < used + MB);
    end_pool(pool);
}

/* ---- RLIMIT_AS, once the pool is there ---- */

/* A compiler may leave out a malloc whose memory nobody looks at. */
static int has_room_for(size_t size)
{
    char *volatile memory = malloc(size);
    bool given = memory != NULL;
    free(memory);
    return given;
}

static int limited_later(void *context)
{
    struct rlimit limit = {512 * MB, 512 * MB};
    posse_executor *pool = NULL;
    posse_options options = limited_options();
    REQUIRE(posse_create(&options, &pool) == POSSE_OK && pool_works(pool) == 0);
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
    REQUIRE(has_room_for(100 * MB) && !has_room_for(600 * MB));
    REQUIRE(pool_works(pool) == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(address_space_is_limited_later, UNSANITIZED(ALL)) { assert_child(limited_later, NULL); }

/* ---- at the limit ---- */

TEST(posse_alloc_up_to_the_limit, ALL)
{
    void *memory = NULL, *more = NULL;
    posse_executor *pool = make_pool_with(limited_options());
    for (int i = 0; i < 5; i++) {
        assert_status(posse_alloc(pool, MOST + 1, &memory), POSSE_TOO_LARGE);
        assert_ok(posse_alloc(pool, BLOCK, &memory));
        assert_status(posse_alloc(pool, BLOCK, &more), POSSE_NO_MEMORY);
        assert_null(more);
        assert_ok(posse_free(pool, memory));
    }
    end_pool(pool);
}

static int reserve_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_reserve(task, (size_t) * (const long *)arg) != NULL ? 0 : GAVE_UP;
}

TEST(results_up_to_the_limit, ALL)
{
    posse_executor *pool = make_pool_with(limited_options());
    for (int i = 0; i < 5; i++) {
        posse_future first = submitted_long(pool, reserve_task, BLOCK);
        assert_ok(posse_result(first, -1, NULL, NULL));
        posse_future second = submitted_long(pool, reserve_task, BLOCK);
        assert_int_equal(take_error(second, POSSE_TASK_FAILED).code, GAVE_UP);
        assert_ok(posse_release(first));
    }
    end_pool(pool);
}

/* Tasks of all sizes, one after another, each up to the limit. */
static int backlog_to_the_limit(void *context)
{
    static const size_t sizes[] = {100, 1000, 30000, 1000000, sizeof(long)};
    struct load load;
    REQUIRE(hold_workers(&load, limited_options()) == 0);
    for (size_t i = 0; i < 2 * COUNT(sizes); i++) {
        posse_stats stats = {.struct_size = sizeof stats};
        long before = load.accepted;
        size_t size = sizes[i % COUNT(sizes)];
        REQUIRE(i == 0 || hold_again(&load) == 0);
        submit_many(&load, size, 1000000);
        dprintf(STDOUT_FILENO, "%ld tasks of %zu bytes, then %s\n", load.accepted - before, size,
                posse_status_name(load.status));
        REQUIRE(load.status == POSSE_NO_MEMORY);
        REQUIRE(load.accepted - before >= (long)(MOST / 4 / (size + 300)));
        REQUIRE(posse_get_stats(load.pool, &stats) == POSSE_OK);
        REQUIRE(stats.memory_committed <= MOST);
        REQUIRE(let_go(&load) == 0 && pool_works(load.pool) == 0);
    }
    return end_load(&load);
}

TEST(backlog_up_to_the_limit, PARALLEL) { assert_child(backlog_to_the_limit, NULL); }

/* So little that there can be no pool is a status. */
TEST(limits_that_are_too_small, ALL)
{
    for (size_t most = 1; most < MOST; most = most * 3 + 1) {
        posse_executor *pool = NULL;
        posse_options options = limited_options();
        options.max_memory = most;
        posse_status status = posse_create(&options, &pool);
        if (status == POSSE_OK) {
            assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
            end_pool(pool);
        } else {
            assert_true(status == POSSE_NO_MEMORY || status == POSSE_INVALID);
            assert_null(pool);
        }
    }
}
