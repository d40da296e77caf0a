/* trim.c - what is freed while a trim goes on is given back, in whichever round it was. The time
 * between two rounds is left out. */
#include "support/support.h"

#include "base/tuning.h"
#include "os/clock.h"
#include "pool/trim.h"

#define BLOCKS (2 * PI_MAX_TRIM_ROUNDS)
#define BLOCK (8 * PI_UNIT)

/* What a caller does that has freed much. */
static void ask(posse_executor *pool) { atomic_store(&pool->segment.header->trim, 1); }

static void make_round(posse_executor *pool, struct pi_trim *trim)
{
    if (trim->at == PI_NEVER)
        pi_trim_when_due(pool, trim);
    for (trim->at = 0; trim->at == 0;) /* a part each time */
        pi_trim_when_due(pool, trim);
}

static uint32_t units_in_use(posse_executor *pool)
{
    struct pi_arena *arena = &pool->segment.arena;
    return pi_units_with_memory(arena, 0, pi_arena_end(arena));
}

/* A block is freed before each of the first rounds. */
static void free_some(posse_executor *pool, int blocks)
{
    struct pi_trim trim = {.at = PI_NEVER};
    void *block[BLOCKS];
    uint32_t before = units_in_use(pool);
    for (int i = 0; i < blocks; i++)
        assert_ok(posse_alloc(pool, BLOCK, &block[i]));
    for (int i = 0; i < blocks; i++) {
        assert_ok(posse_free(pool, block[i]));
        ask(pool);
        make_round(pool, &trim);
    }
    while (trim.at != PI_NEVER)
        make_round(pool, &trim);
    assert_int_equal(units_in_use(pool), before);
}

/* A block is freed before a part of the first round. Returns whether that was over before. */
static bool free_within(posse_executor *pool, int part)
{
    struct pi_trim trim = {.at = PI_NEVER};
    void *block;
    uint32_t before = units_in_use(pool);
    assert_ok(posse_alloc(pool, BLOCK, &block));
    ask(pool);
    pi_trim_when_due(pool, &trim);
    trim.at = 0;
    for (int i = 0; i < part && trim.at == 0; i++)
        pi_trim_when_due(pool, &trim);
    bool is_over = trim.at != 0;
    assert_ok(posse_free(pool, block));
    ask(pool);
    do
        make_round(pool, &trim);
    while (trim.at != PI_NEVER);
    assert_int_equal(units_in_use(pool), before);
    return is_over;
}

/* Inline, where no supervisor does the same. A block is so small that its caller seldom trims. */
static posse_executor *make_trimmed(void **large)
{
    posse_options options = {.struct_size = sizeof options, .backend = POSSE_INLINE};
    posse_executor *pool;
    assert_ok(posse_create(&options, &pool));
    assert_ok(posse_alloc(pool, 4 * BLOCKS * BLOCK, large));
    return pool;
}

static void end_trimmed(posse_executor *pool, void *large)
{
    assert_ok(posse_free(pool, large));
    assert_ok(posse_destroy(pool));
}

TEST(nothing_is_kept_however_many_rounds_it_takes, PROCESSES)
{
    void *large;
    posse_executor *pool = make_trimmed(&large);
    for (int blocks = 1; blocks <= BLOCKS; blocks++)
        free_some(pool, blocks);
    end_trimmed(pool, large);
}

TEST(nothing_is_kept_that_a_round_has_passed, PROCESSES)
{
    void *large;
    posse_executor *pool = make_trimmed(&large);
    int part = 0;
    while (!free_within(pool, part))
        part++;
    assert_true(part > 2);
    end_trimmed(pool, large);
}
