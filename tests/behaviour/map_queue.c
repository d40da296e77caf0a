/* map_queue.c - maps in a queue with a limit. */
#include "support/maps.h"

static posse_executor *limited_pool(long workers, long limit)
{
    return POOL(workers, .queue_limit = limit);
}

TEST(queue_limit, ALL)
{
    for (long i = 0; i < 8; i++) {
        posse_executor *pool = limited_pool(2, i % 2 ? 1 : 3);
        struct numbers numbers = {.end = 300, .last = POSSE_END, .n_inputs = 1};
        posse_input input = {.size = sizeof(long)};
        posse_map_job job = source_job(&numbers, &input);
        long sum = 0;
        job.unordered = i / 2 % 2;
        job.buffersize = i / 4 ? 0 : 300;
        assert_status(sum_map(pool, &job, &sum), POSSE_END);
        assert_int_equal(sum, 8955050);
        end_pool(pool);
    }
}

/* Others hold the workers and fill the queue: it waits, but not longer than it may. */
TEST(queue_is_full_of_others, PARALLEL)
{
    for (long limit = 1; limit < 4; limit += 2) {
        posse_executor *pool = limited_pool(1, limit);
        struct gate *gate = make_gate(pool);
        posse_future held[4] = {submitted_hold(pool, gate)};
        await_entered(gate, 1);
        for (long i = 1; i <= limit; i++)
            held[i] = submitted_hold(pool, gate);
        long value = 5;
        posse_input input = {.data = &value, .size = sizeof value};
        posse_map_job job = map_job(square_item, &input, 1, 1);
        posse_status status = POSSE_FULL;
        job.timeout_ms = 30;
        assert_status(posse_map(pool, &job, &status), POSSE_TIMEOUT);
        open_gate(gate);
        for (long i = 0; i <= limit; i++)
            take_long(held[i]);
        job.timeout_ms = 0;
        assert_ok(posse_map(pool, &job, &status));
        free_gate(pool, gate);
        end_pool(pool);
    }
}

TEST(E17_shutdown_race_issue12456, ALL)
{
    for (int i = 0; i < 40; i++) {
        posse_executor *pool = limited_pool(3, i % 2);
        long values[4] = {0, 1, 2, 3};
        posse_input input = {.data = values, .size = sizeof(long)};
        posse_map_job job = map_job(square_item, &input, 1, 4);
        job.unordered = i / 2 % 2;
        posse_map_iter *map = open_map(pool, job);
        assert_ok(posse_shutdown(pool, 0, -1));
        close_map(map);
        end_pool(pool);
    }
}
