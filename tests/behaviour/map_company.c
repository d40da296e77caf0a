/* map_company.c - maps that are not alone: in tasks, beside others, in a pool that is destroyed, in
 * a forked child. */
#include "support/maps.h"

#include <string.h>

enum { N = STAGE_ITEMS };

/* ---- chunks as they end ---------------------------------------------------------------------- */

/* The first chunk is held: all others come before it, whichever is seen to have ended first. */
TEST(unordered_as_they_end, PARALLEL)
{
    for (long chunksize = 1; chunksize < 4; chunksize++) {
        struct stage stage;
        int seen[N] = {0};
        make_stage(&stage, 2);
        stage.orders[0].deed = HOLD;
        stage.job.chunksize = chunksize;
        stage.job.unordered = true;
        posse_map_iter *map = open_map(stage.pool, stage.job);
        for (long i = 0; i < N; i++) {
            long value = next_value(map);
            assert_true((value < chunksize) == (i >= N - chunksize));
            assert_int_equal(seen[value]++, 0);
            if (i == N - chunksize - 1)
                open_gate(stage.gate);
        }
        assert_map_ends(map);
        end_stage(&stage);
    }
}

TEST(ordered_waits_for_the_first, PARALLEL)
{
    struct stage stage;
    make_stage(&stage, 2);
    stage.orders[0].deed = HOLD;
    stage.job.buffersize = N;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    assert_eventually(stats_of(stage.pool).done == N - 1);
    open_gate(stage.gate);
    for (long i = 0; i < N; i++)
        assert_int_equal(next_value(map), i);
    assert_map_ends(map);
    end_stage(&stage);
}

/* ---- in a task ------------------------------------------------------------------------------- */

struct inner {
    long items, chunksize, buffersize, unordered, depth;
};

/* The number of leaves below: a map of maps. */
static int tree_item(posse_task *task, const void *const *items, void *result)
{
    struct inner inner[4];
    long sum = 0;
    memcpy(&inner[0], items[0], sizeof inner[0]);
    inner[0].depth--;
    posse_input input = {.data = inner, .size = sizeof inner[0]};
    posse_map_job job = map_job(tree_item, &input, 1, (size_t)inner[0].items);
    for (long i = 1; i < inner[0].items; i++)
        inner[i] = inner[0];
    job.chunksize = inner[0].chunksize;
    job.buffersize = inner[0].buffersize;
    job.unordered = inner[0].unordered;
    posse_status status = POSSE_END;
    if (inner[0].depth >= 0)
        status = sum_map(posse_task_executor(task), &job, &sum);
    else
        sum = 1;
    *(long *)result = sum;
    return status == POSSE_END ? 0 : INNER_FAILED;
}

static void assert_tree(long workers, struct inner inner, long leaves)
{
    posse_executor *pool = make_pool(workers);
    posse_input input = {.data = &inner, .size = sizeof inner};
    posse_map_job job = map_job(tree_item, &input, 1, 1);
    long result = 0;
    job.results = &result;
    assert_ok(posse_map(pool, &job, NULL));
    assert_int_equal(result, leaves);
    end_pool(pool);
}

TEST(map_in_a_task, ALL)
{
    for (long i = 0; i < 24; i++) {
        struct inner inner = {.items = 4,
                              .chunksize = i / 4 % 3,
                              .buffersize = i / 12 * 3,
                              .unordered = i % 2,
                              .depth = 3};
        assert_tree(i / 2 % 2 + 1, inner, 64);
    }
}

/* ---- side by side ---------------------------------------------------------------------------- */

struct side {
    posse_executor *pool;
    long first;
    bool unordered, closes_early;
};

static posse_status call_maps(void *context)
{
    struct side *side = context;
    for (int round = 0; round < 30; round++) {
        long sum = 0;
        struct numbers numbers = {side->first, side->first + 20, POSSE_END, 1, 0};
        posse_input input = {.size = sizeof(long)};
        posse_map_job job = source_job(&numbers, &input);
        posse_map_iter *map;
        job.unordered = side->unordered;
        posse_status status = posse_map_open(side->pool, &job, &map);
        posse_item item = {.struct_size = sizeof item};
        long left = side->closes_early ? round % 20 : 21;
        while (status == POSSE_OK && item.status == POSSE_OK && left-- > 0) {
            status = posse_map_next(map, &item);
            sum += status == POSSE_OK ? *(const long *)item.result : 0;
        }
        (void)posse_map_close(map);
        if (status != (side->closes_early ? POSSE_OK : POSSE_END))
            return status == POSSE_OK ? POSSE_INVALID : status;
        long n = side->first;
        if (!side->closes_early && sum != 20 * n * n + 380 * n + 2470)
            return POSSE_INVALID;
    }
    return POSSE_OK;
}

static void assert_side_by_side(bool closes_early)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        posse_executor *pool = make_pool(2);
        struct caller callers[3];
        struct side sides[3];
        for (int i = 0; i < 3; i++) {
            sides[i] = (struct side){pool, 100 * i, unordered, closes_early && i < 2};
            start_call(&callers[i], call_maps, &sides[i]);
        }
        for (int i = 0; i < 3; i++)
            assert_ok(end_call(&callers[i]));
        end_pool(pool);
    }
}

TEST(side_by_side, CALLERS) { assert_side_by_side(false); }

TEST(closed_side_by_side, CALLERS) { assert_side_by_side(true); }

/* ---- destroyed, forked ----------------------------------------------------------------------- */

struct whole {
    posse_executor *pool;
    posse_map_job job;
    struct gate *gate;
    int passed; /* when the call returned */
};

static posse_status call_map(void *context)
{
    struct whole *whole = context;
    posse_status status = posse_map(whole->pool, &whole->job, NULL);
    whole->passed = atomic_load(&whole->gate->passed);
    return status;
}

/* A blocked call returns first; where threads work in its memory, not before they have left. The
 * gate is in memory that outlives the pool. */
TEST(destroyed_meanwhile, PARALLEL)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct gate *gate = make_shared(sizeof *gate);
        struct order orders[N];
        struct caller mapper;
        struct caller destroyer;
        for (long i = 0; i < N; i++)
            orders[i] = (struct order){gate, HOLD, i};
        posse_input input = {.data = orders, .size = sizeof orders[0]};
        struct whole whole = {make_pool(2), map_job(obey, &input, 1, N), gate, -1};
        whole.job.unordered = unordered;
        start_call(&mapper, call_map, &whole);
        await_entered(gate, 2);
        await_parked(&mapper);
        start_call(&destroyer, call_destroy, whole.pool);
        if (backend() == POSSE_THREAD) {
            await_parked(&destroyer);
            await_parked(&mapper); /* still */
            open_gate(gate);
        }
        assert_status(end_call(&mapper), POSSE_SHUT_DOWN);
        assert_ok(end_call(&destroyer));
        assert_true(backend() == POSSE_PROCESS ? whole.passed == 0 : whole.passed >= 2);
        free_shared(gate, sizeof *gate);
    }
}

struct forked {
    posse_executor *pool;
    posse_map_iter *map;
    posse_map_job *job;
};

static int use_in_child(void *context)
{
    struct forked *forked = context;
    posse_map_iter *other = NULL;
    posse_item item = {.struct_size = sizeof item};
    REQUIRE(posse_map(forked->pool, forked->job, NULL) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_map_open(forked->pool, forked->job, &other) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_map_next(forked->map, &item) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_map_close(forked->map) == POSSE_WRONG_PROCESS);
    REQUIRE(other == NULL);
    return 0;
}

TEST(forked_child_harms_nothing, FORKED)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct stage stage;
        make_stage(&stage, 2);
        stage.job.unordered = unordered;
        struct forked forked = {stage.pool, open_map(stage.pool, stage.job), &stage.job};
        long sum = next_value(forked.map);
        assert_child(use_in_child, &forked);
        for (long i = 1; i < N; i++)
            sum += next_value(forked.map);
        assert_int_equal(sum, N * (N - 1) / 2);
        assert_map_ends(forked.map);
        end_stage(&stage);
    }
}

/* How far it looks ahead depends on the workers that there are now. */
TEST(resized_before, PARALLEL)
{
    struct stage stage;
    make_stage(&stage, 1);
    assert_ok(posse_resize(stage.pool, 4));
    assert_eventually(stats_of(stage.pool).workers == 4);
    for (int i = 0; i < N; i++)
        stage.orders[i].deed = HOLD;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    await_entered(stage.gate, 4);
    open_gate(stage.gate);
    for (long i = 0; i < N; i++)
        assert_int_equal(next_value(map), i);
    assert_map_ends(map);
    end_stage(&stage);
}
