/* freed.c - memory that was freed is there for anything: blocks of another size, large ones, slots.
 *
 * In a /dev/shm of its own, which a burst fills to the last byte.
 */
#include "kit/kit.h"

#include <stdio.h>
#include <unistd.h>

#define SHM "size=64m"
#define LIMIT (1024 * MB) /* of all that the child may do to the machine */
#define LARGE (40 * MB)

enum { BURST = 30000, SMALL = 100, MOST = 1000000, SMALL_TASKS = 50000 };

/* Fills what there is with tasks of one size, and frees it. */
static int burst(struct load *load, size_t size)
{
    long before = load->accepted;
    submit_many(load, size, MOST);
    dprintf(STDOUT_FILENO, "%ld tasks of %zu bytes, then %s\n", load->accepted - before, size,
            posse_status_name(load->status));
    REQUIRE(load->status == POSSE_NO_MEMORY);
    return let_go(load);
}

/* What the slots of many tasks had is there for blocks once the pool has been idle for a moment. */
static int has_room_for_large(struct load *load, long patience_ms)
{
    void *memory = NULL;
    for (long end = now_ms() + patience_ms; posse_alloc(load->pool, LARGE, &memory) != POSSE_OK;
         pause_ms(10))
        REQUIRE(now_ms() < end);
    return posse_free(load->pool, memory) == POSSE_OK ? 0 : 1;
}

static int for_anything(void *context)
{
    struct load load;
    REQUIRE(hold_workers(&load, default_options()) == 0);
    REQUIRE(burst(&load, BURST) == 0);
    REQUIRE(hold_again(&load) == 0);
    submit_many(&load, SMALL, SMALL_TASKS);
    REQUIRE(load.status == POSSE_OK);
    REQUIRE(let_go(&load) == 0 && has_room_for_large(&load, 0) == 0);
    return end_load(&load);
}

TEST(burst_then_small_then_large, PROCESSES)
{
    assert_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = for_anything});
}

/* The other way round: as many small ones as there can be leave room for large ones. */
static int small_first(void *context)
{
    struct load load;
    REQUIRE(hold_workers(&load, default_options()) == 0);
    REQUIRE(burst(&load, SMALL) == 0 && has_room_for_large(&load, PATIENCE_MS) == 0);
    REQUIRE(hold_again(&load) == 0 && burst(&load, BURST) == 0);
    return end_load(&load);
}

/* No moment passes between the two. */
static int large_then_many(void *context)
{
    struct load load;
    REQUIRE(hold_workers(&load, default_options()) == 0);
    REQUIRE(burst(&load, 2 * MB) == 0);
    REQUIRE(hold_again(&load) == 0);
    submit_many(&load, SMALL, 3 * SMALL_TASKS);
    REQUIRE(load.status == POSSE_OK);
    REQUIRE(let_go(&load) == 0);
    return end_load(&load);
}

TEST(large_then_many_at_once, PROCESSES)
{
    assert_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = large_then_many});
}

TEST(small_then_large_then_burst, PROCESSES)
{
    assert_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = small_first});
}

/* What fits at least, with all that a task costs beside its argument: each time, whatever was there
 * before. */
static int over_and_over(void *context)
{
    static const size_t sizes[] = {30000, 1000, 5000, 200000, 2000000, 100};
    struct load load;
    REQUIRE(hold_workers(&load, default_options()) == 0);
    for (size_t i = 0; i < 3 * COUNT(sizes); i++) {
        long before = load.accepted;
        size_t size = sizes[i % COUNT(sizes)];
        REQUIRE(i == 0 || hold_again(&load) == 0);
        REQUIRE(burst(&load, size) == 0);
        REQUIRE(load.accepted - before >= (long)(24 * MB / (size + 300)));
        REQUIRE(size != SMALL || has_room_for_large(&load, PATIENCE_MS) == 0);
    }
    return end_load(&load);
}

TEST(bursts_of_any_size_over_and_over, PROCESSES)
{
    assert_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = over_and_over});
}
