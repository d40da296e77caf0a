/* map_slow.c - maps whose source takes its time: what has ended is given first. */
#include "support/maps.h"

/* Waits until it is allowed; POSSE_DEADLOCK: never. */
static posse_status wait_for_leave(struct feed *feed)
{
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&feed->allowed); pause_ms(1))
        if (now_ms() > end)
            return POSSE_DEADLOCK;
    return POSSE_OK;
}

/* The source blocks before the second chunk until the first has been given. */
TEST(what_has_ended_comes_first, ALL)
{
    struct stage stage;
    make_stage(&stage, 2);
    EACH_KIND(stage.job)
    {
        long n = stage.job.chunksize;
        struct feed feed = {.end = 4 * n, .special = n, .before = wait_for_leave};
        unsigned long done = stats_of(stage.pool).done;
        posse_map_iter *map = open_feed(&stage, &feed, stage.job);
        assert_int_equal(atomic_load(&feed.calls), n);
        assert_eventually(stats_of(stage.pool).done == done + 1);
        for (long i = 0; i < n; i++)
            assert_int_equal(next_value(map), i);
        assert_int_equal(atomic_load(&feed.calls), n);
        atomic_store(&feed.allowed, true);
        for (long i = n, sum = 0; i < 4 * n; i++) {
            sum += next_value(map) - i;
            assert_true(i < 4 * n - 1 || sum == 0);
        }
        assert_map_ends(map);
    }
    end_stage(&stage);
}

/* The first chunk ends while the source gives the first item of the second one. */
static posse_status end_the_first(struct feed *feed)
{
    posse_stats stats = {.struct_size = sizeof stats};
    open_gate(feed->stage->gate);
    for (long end = now_ms() + PATIENCE_MS; stats.done == 0; pause_ms(1))
        if (now_ms() > end || posse_get_stats(feed->stage->pool, &stats) != POSSE_OK)
            return POSSE_DEADLOCK;
    return POSSE_OK;
}

TEST(ended_in_the_middle_of_a_chunk, PARALLEL)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct stage stage;
        make_stage(&stage, 1);
        struct feed feed = {.end = 8, .special = 4, .before = end_the_first};
        stage.orders[3].deed = HOLD;
        stage.job.chunksize = 4;
        stage.job.unordered = unordered;
        posse_map_iter *map = open_feed(&stage, &feed, stage.job);
        for (long i = 0; i < 4; i++)
            assert_int_equal(next_value(map), i);
        /* An unordered map hears of an end from another thread, which may come late. */
        assert_true(unordered ? atomic_load(&feed.calls) >= 5 : atomic_load(&feed.calls) == 5);
        for (long i = 4; i < 8; i++)
            assert_int_equal(next_value(map), i);
        assert_map_ends(map);
        end_stage(&stage);
    }
}

/* ---- as far ahead as it may ------------------------------------------------------------------ */

static posse_status call_next(void *map)
{
    posse_item item = {.struct_size = sizeof item};
    return posse_map_next(map, &item);
}

static void assert_filled(struct stage *stage, long calls)
{
    struct caller caller;
    struct feed feed = {.end = -1, .special = -1};
    posse_map_iter *map = open_feed(stage, &feed, stage->job);
    start_call(&caller, call_next, map);
    await_parked(&caller);
    assert_int_equal(atomic_load(&feed.calls), calls);
    open_gate(stage->gate);
    assert_ok(end_call(&caller));
    for (long i = 0; i < 20; i++)
        next_value(map);
    close_map(map);
}

/* While there is nothing to give, it is asked for all that buffersize allows. */
TEST(filled_while_nothing_ends, PARALLEL)
{
    for (long i = 0; i < 8; i++) {
        struct stage stage;
        make_stage(&stage, 2);
        stage.orders[0].deed = stage.orders[1].deed = HOLD;
        stage.orders[2].deed = HOLD;
        stage.job.unordered = i % 2;
        stage.job.chunksize = i / 2 % 2 + 1;
        stage.job.buffersize = i / 4 ? 9 : 0;
        assert_filled(&stage, i / 4 ? 9 : 4 * stage.job.chunksize);
        end_stage(&stage);
    }
}

/* One runs, one is in the queue, and one waits for room. */
TEST(at_the_limit_of_the_queue, PARALLEL)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        posse_options options = default_options();
        struct stage stage;
        make_stage(&stage, 1);
        free_gate(stage.pool, stage.gate);
        end_pool(stage.pool);
        options.max_workers = options.queue_limit = 1;
        stage.pool = make_pool_with(options);
        stage.gate = make_gate(stage.pool);
        for (int i = 0; i < STAGE_ITEMS; i++)
            stage.orders[i] = (struct order){.gate = stage.gate, .deed = HOLD};
        stage.job.buffersize = 9;
        stage.job.unordered = unordered;
        struct caller caller;
        struct feed feed = {.end = 5, .special = -1};
        posse_map_iter *map = open_feed(&stage, &feed, stage.job);
        await_entered(stage.gate, 1);
        start_call(&caller, call_next, map);
        await_parked(&caller);
        assert_int_equal(atomic_load(&feed.calls), 3);
        open_gate(stage.gate);
        assert_ok(end_call(&caller));
        for (long i = 1; i < 5; i++)
            assert_int_equal(next_value(map), i);
        assert_map_ends(map);
        end_stage(&stage);
    }
}

/* A source that has always been quick is also read while results are ready, so that workers need
 * not wait for a slow caller. */
TEST(quick_for_long, ALL)
{
    struct stage stage;
    make_stage(&stage, 1);
    struct feed feed = {.end = -1, .special = -1};
    posse_map_iter *map = open_feed(&stage, &feed, stage.job);
    bool asked = false;
    for (long i = 0; i < 2000 && !asked; i++) {
        assert_eventually(stats_of(stage.pool).running + stats_of(stage.pool).queued == 0);
        long calls = atomic_load(&feed.calls);
        bool some = calls > i; /* have ended, and are not given */
        assert_int_equal(next_value(map), i);
        asked = some && atomic_load(&feed.calls) > calls;
        assert_true(!asked || i >= 30); /* not before */
    }
    assert_true(asked);
    close_map(map);
    end_stage(&stage);
}

/* ---- time ------------------------------------------------------------------------------------ */

static posse_status overstay(struct feed *feed)
{
    pause_ms(60);
    return POSSE_OK;
}

/* The source's time counts, but is not cut short: the item that comes too late never begins. */
TEST(source_takes_all_the_time, ALL)
{
    for (int kind = 0; kind < 4; kind++) {
        struct stage stage;
        posse_status status;
        posse_item item = {.struct_size = sizeof item};
        make_stage(&stage, 1);
        struct feed feed = {.end = 3, .special = kind / 2 + 1, .before = overstay};
        stage.job.timeout_ms = 30;
        stage.job.chunksize = 2;
        stage.job.unordered = kind % 2;
        posse_map_iter *map = open_feed(&stage, &feed, stage.job);
        while ((status = posse_map_next(map, &item)) == POSSE_OK)
            assert_true(item.index < 2);
        assert_status(status, POSSE_TIMEOUT);
        assert_map_ends(map);
        assert_in_range(feed.next, 1, 3);
        assert_in_range(stats_of(stage.pool).done, 0, 1);
        end_stage(&stage);
    }
}
