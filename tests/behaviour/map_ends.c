/* map_ends.c - maps that end before all items were given: their time is up, or they are closed. */
#include "support/maps.h"

#include <string.h>

enum { N = STAGE_ITEMS };

/* ---- time ------------------------------------------------------------------------------------ */

/* Results, then the time is up, then there is nothing more; what has not begun never does. One item
 * waits, so that the time is sure to be up. */
static void assert_time_is_up(long chunksize, bool unordered)
{
    struct stage stage;
    posse_item item = {.struct_size = sizeof item};
    posse_status status;
    int given = 0;
    make_stage(&stage, 1);
    for (size_t i = 4; i < N; i++)
        stage.orders[i].deed = i == 4 ? HEED : COUNT_IT;
    stage.job.timeout_ms = 300;
    stage.job.chunksize = chunksize;
    stage.job.unordered = unordered;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    while ((status = posse_map_next(map, &item)) == POSSE_OK)
        assert_int_equal(*(const long *)item.result, given++);
    assert_status(status, POSSE_TIMEOUT);
    assert_in_range(given, 0, 4);
    assert_map_ends(map);
    assert_eventually(stats_of(stage.pool).running == 0);
    assert_in_range(atomic_load(&stage.gate->passed), 0, 1);
    end_stage(&stage);
}

TEST(E06_map_timeout, PARALLEL)
{
    for (long chunksize = 1; chunksize < 4; chunksize++) {
        assert_time_is_up(chunksize, false);
        assert_time_is_up(chunksize, true);
    }
}

/* All workers are held by others, so nothing of it ever begins. */
TEST(T07_executor_map_current_future_cancel, PARALLEL)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct stage stage;
        posse_status statuses[N];
        posse_item item = {.struct_size = sizeof item};
        make_stage(&stage, 2);
        posse_future held[2] = {submitted_hold(stage.pool, stage.gate),
                                submitted_hold(stage.pool, stage.gate)};
        await_entered(stage.gate, 2);
        for (size_t i = 0; i < N; i++)
            stage.orders[i].deed = COUNT_IT;
        stage.job.timeout_ms = 1;
        stage.job.unordered = unordered;
        stage.job.buffersize = 5;
        posse_map_iter *map = open_map(stage.pool, stage.job);
        assert_status(posse_map_next(map, &item), POSSE_TIMEOUT);
        assert_map_ends(map);
        assert_status(posse_map(stage.pool, &stage.job, statuses), POSSE_TIMEOUT);
        for (size_t i = 0; i < N; i++)
            assert_status(statuses[i], POSSE_CANCELLED);
        open_gate(stage.gate);
        take_long(held[0]);
        take_long(held[1]);
        assert_int_equal(atomic_load(&stage.gate->passed), 2);
        end_stage(&stage);
    }
}

/* What has ended when the time is up keeps its status and its result. */
TEST(statuses_when_time_is_up, PARALLEL)
{
    struct stage stage;
    posse_status statuses[N];
    long results[N] = {0};
    make_stage(&stage, 2);
    stage.orders[0].deed = HEED;
    stage.orders[2].deed = FAIL;
    stage.job.timeout_ms = 1500; /* the others need microseconds */
    stage.job.buffersize = 6;
    stage.job.results = results;
    assert_status(posse_map(stage.pool, &stage.job, statuses), POSSE_TIMEOUT);
    for (size_t i = 0; i < N; i++) {
        posse_status expected = i < 6 ? POSSE_OK : POSSE_CANCELLED;
        expected = i == 2 ? POSSE_TASK_FAILED : expected;
        if (i ==
            0) { /* it returns when it is asked to, perhaps just before its status is looked at */
            assert_true(statuses[i] == POSSE_TIMEOUT || statuses[i] == POSSE_OK);
            continue;
        }
        assert_status(statuses[i], expected);
        if (expected == POSSE_OK)
            assert_int_equal(results[i], i);
    }
    assert_eventually(stats_of(stage.pool).running == 0);
    end_stage(&stage);
}

/* An endless map ends in time, also where each item is there at once. */
POOL_TEST(endless_source_ends_in_time, ALL, 1)
{
    posse_input input = {.size = sizeof(long)};
    struct numbers numbers = {.end = -1, .n_inputs = 1};
    posse_map_job job = source_job(&numbers, &input);
    job.timeout_ms = 20;
    posse_map_iter *map = open_map(pool, job);
    posse_status status = POSSE_OK;
    posse_item item = {.struct_size = sizeof item};
    for (long end = now_ms() + PATIENCE_MS; status == POSSE_OK && now_ms() < end;)
        status = posse_map_next(map, &item);
    assert_status(status, POSSE_TIMEOUT);
    assert_map_ends(map);
}

/* ---- close ----------------------------------------------------------------------------------- */

static void assert_closed_early(long chunksize, bool unordered)
{
    struct stage stage;
    make_stage(&stage, 2);
    for (size_t i = 0; i < N; i++)
        stage.orders[i].deed = i < 3 ? GIVE : COUNT_IT;
    stage.job.chunksize = chunksize;
    stage.job.unordered = unordered;
    stage.job.buffersize = 3;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    next_value(map);
    close_map(map);
    assert_ok(posse_map_close(NULL));
    assert_eventually(stats_of(stage.pool).futures == 0);
    assert_in_range(atomic_load(&stage.gate->passed), 0, 6);
    end_stage(&stage);
}

TEST(E07_map_close, ALL)
{
    for (long chunksize = 1; chunksize < 4; chunksize++) {
        assert_closed_early(chunksize, false);
        assert_closed_early(chunksize, true);
    }
}

static posse_status call_close(void *map) { return posse_map_close(map); }

/* One item is held; those behind it in its chunk never begin. */
static void assert_close(struct stage *stage, bool waits)
{
    struct caller closer;
    stage->orders[0].deed = HOLD;
    stage->orders[1].deed = COUNT_IT;
    memcpy((void *)(uintptr_t)stage->input.data, stage->orders, sizeof stage->orders);
    stage->job.chunksize = N;
    posse_map_iter *map = open_map(stage->pool, stage->job);
    await_entered(stage->gate, 1);
    start_call(&closer, call_close, map);
    if (waits) {
        await_parked(&closer);
        open_gate(stage->gate);
    }
    assert_ok(end_call(&closer));
    assert_int_equal(atomic_load(&stage->gate->passed), waits);
    open_gate(stage->gate);
    assert_eventually(stats_of(stage->pool).running == 0);
    assert_int_equal(atomic_load(&stage->gate->passed), 1);
}

/* Where items use memory of the program in place, close waits for those that run. */
TEST(close_waits_for_memory_in_place, PARALLEL)
{
    struct stage stage;
    void *orders;
    make_stage(&stage, 1);
    assert_ok(posse_alloc(stage.pool, sizeof stage.orders, &orders));
    stage.input.data = orders;
    assert_close(&stage, true);
    assert_ok(posse_free(stage.pool, orders));
    end_stage(&stage);
}

/* What threads may overstay is copied. */
TEST(close_does_not_wait_for_copies, PARALLEL)
{
    struct stage stage;
    make_stage(&stage, 1);
    stage.job.item_timeout_ms = backend() == POSSE_THREAD ? 60000 : 0;
    assert_close(&stage, false);
    end_stage(&stage);
}

/* Pebble's map_cancel: what was on its way is cancelled, and what runs is asked to stop. */
TEST(map_cancel, PARALLEL)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct stage stage;
        make_stage(&stage, 2);
        for (size_t i = 0; i < N; i++)
            stage.orders[i].deed = i < 2 ? HEED : COUNT_IT;
        stage.job.buffersize = N;
        stage.job.unordered = unordered;
        posse_map_iter *map = open_map(stage.pool, stage.job);
        await_entered(stage.gate, 2);
        close_map(map);
        assert_eventually(stats_of(stage.pool).running == 0);
        assert_int_equal(atomic_load(&stage.gate->passed), 2);
        assert_int_equal(stats_of(stage.pool).cancelled, N - 2);
        end_stage(&stage);
    }
}
