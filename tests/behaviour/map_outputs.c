/* map_outputs.c - what the calls of a map leave in the memory that they are given to fill: it is
 * defined after each return, whatever was there before. */
#include "support/maps.h"

#include <signal.h>
#include <string.h>

enum { N = STAGE_ITEMS };

#define POISON 0x5a

static void assert_all(const posse_status *statuses, posse_status expected)
{
    for (size_t i = 0; i < N; i++)
        assert_status(statuses[i], expected);
}

/* posse_map returns this, and no item has begun. */
static void assert_none_began(posse_executor *pool, const posse_map_job *job, posse_status expected)
{
    posse_status statuses[N];
    memset(statuses, POISON, sizeof statuses);
    assert_int_equal(posse_map(pool, job, statuses), expected);
    assert_all(statuses, POSSE_CANCELLED);
    memset(statuses, POSSE_OK, sizeof statuses);
    assert_int_equal(posse_map(pool, job, statuses), expected);
    assert_all(statuses, POSSE_CANCELLED);
}

static void assert_not_opened(posse_executor *pool, const posse_map_job *job, posse_status expected)
{
    posse_map_iter *map = (posse_map_iter *)pool;
    assert_int_equal(posse_map_open(pool, job, &map), expected);
    assert_null(map);
}

static void assert_no_item(posse_map_iter *map, posse_status expected)
{
    posse_item item;
    posse_error error;
    memset(&item, POISON, sizeof item);
    item.struct_size = sizeof item;
    assert_int_equal(posse_map_next(map, &item), expected);
    assert_int_equal(item.status, expected);
    assert_int_equal(item.index, 0);
    assert_null(item.result);
    memset(&error, POISON, sizeof error);
    error.struct_size = sizeof error;
    assert_status(posse_map_exception(map, &error), POSSE_INVALID);
    assert_status(error.status, POSSE_INVALID);
    assert_true(error.code == 0 && error.signal == 0 && error.pid == 0 && error.attempt == 0);
    assert_true(error.name[0] == '\0' && error.message[0] == '\0');
}

/* ---- refused --------------------------------------------------------------------------------- */

TEST(refused, ALL)
{
    struct stage stage;
    struct numbers numbers = {.n_inputs = 1};
    make_stage(&stage, 1);
    posse_map_job job = stage.job;
    assert_none_began(NULL, &job, POSSE_INVALID);
    job.chunksize = -1;
    assert_none_began(stage.pool, &job, POSSE_INVALID);
    assert_not_opened(stage.pool, &job, POSSE_INVALID);
    assert_not_opened(stage.pool, NULL, POSSE_INVALID);
    job = stage.job;
    job.result_size = SIZE_MAX;
    assert_none_began(stage.pool, &job, POSSE_TOO_LARGE);
    assert_not_opened(stage.pool, &job, POSSE_TOO_LARGE);
    job = source_job(&numbers, &stage.input);
    job.count = N;
    assert_none_began(stage.pool, &job, POSSE_INVALID);
    assert_no_item(NULL, POSSE_INVALID);
    end_stage(&stage);
}

/* No array can hold a status for each item. */
POOL_TEST(too_many_statuses, ALL, 1)
{
    posse_map_job job = map_job(square_item, NULL, 0, SIZE_MAX / 2);
    posse_status status = POSSE_FULL;
    job.result_size = 0;
    assert_status(posse_map(pool, &job, &status), POSSE_TOO_LARGE);
    assert_status(status, POSSE_FULL);
}

static int fail_the_odd(posse_task *task, const void *const *items, void *result)
{
    return *(const long *)items[0] % 2 ? 3 : 0;
}

/* Items without results have none, also beside one that fails. */
POOL_TEST(no_results, ALL, 1)
{
    long numbers[4] = {2, 4, 5, 6};
    const posse_input input = {.data = numbers, .size = sizeof numbers[0]};
    posse_map_job job = map_job(fail_the_odd, &input, 1, COUNT(numbers));
    job.result_size = 0;
    job.chunksize = 4;
    posse_map_iter *map = open_map(pool, job);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        posse_item item = next_item(map);
        assert_int_equal(item.index, i);
        assert_status(item.status, i == 2 ? POSSE_TASK_FAILED : POSSE_OK);
        assert_null(item.result);
    }
    assert_map_ends(map);
}

TEST(shut_down, ALL)
{
    struct stage stage;
    make_stage(&stage, 1);
    posse_map_iter *map = open_map(stage.pool, stage.job);
    assert_ok(posse_shutdown(stage.pool, 0, -1));
    assert_none_began(stage.pool, &stage.job, POSSE_SHUT_DOWN);
    assert_not_opened(stage.pool, &stage.job, POSSE_SHUT_DOWN);
    close_map(map);
    end_stage(&stage);
}

static int use_in_child(void *context)
{
    struct stage *stage = context;
    posse_status statuses[N];
    posse_map_iter *map = (posse_map_iter *)stage->pool;
    memset(statuses, POISON, sizeof statuses);
    REQUIRE(posse_map(stage->pool, &stage->job, statuses) == POSSE_WRONG_PROCESS);
    for (int i = 0; i < N; i++)
        REQUIRE(statuses[i] == POSSE_CANCELLED);
    REQUIRE(posse_map_open(stage->pool, &stage->job, &map) == POSSE_WRONG_PROCESS);
    REQUIRE(map == NULL);
    return 0;
}

TEST(in_a_forked_child, FORKED)
{
    struct stage stage;
    make_stage(&stage, 1);
    assert_child(use_in_child, &stage);
    end_stage(&stage);
}

TEST(broken, PROCESSES)
{
    struct stage stage;
    make_stage(&stage, 1);
    kill((pid_t)take_long(submitted(stage.pool, parent_task, NULL, 0)), SIGKILL);
    assert_eventually(posse_why_broken(stage.pool, &(posse_error){.struct_size = sizeof(
                                                                      posse_error)}) == POSSE_OK &&
                      posse_map(stage.pool, &stage.job, NULL) == POSSE_BROKEN);
    assert_none_began(stage.pool, &stage.job, POSSE_BROKEN);
    assert_not_opened(stage.pool, &stage.job, POSSE_BROKEN);
    assert_ok(posse_destroy(stage.pool));
}

/* ---- out of time ----------------------------------------------------------------------------- */

/* Others hold the worker and fill the queue, so that no chunk is accepted. */
TEST(queue_stays_full, PARALLEL)
{
    posse_options options = default_options();
    options.max_workers = options.queue_limit = 1;
    posse_executor *pool = make_pool_with(options);
    struct gate *gate = make_gate(pool);
    posse_future held[2] = {submitted_hold(pool, gate)};
    await_entered(gate, 1);
    held[1] = submitted_hold(pool, gate);
    long values[N] = {0};
    posse_input input = {.data = values, .size = sizeof *values};
    posse_map_job job = map_job(square_item, &input, 1, N);
    job.timeout_ms = 30;
    assert_none_began(pool, &job, POSSE_TIMEOUT);
    assert_not_opened(pool, &job, POSSE_TIMEOUT);
    open_gate(gate);
    take_long(held[0]);
    take_long(held[1]);
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- after the last item --------------------------------------------------------------------- */

TEST(after_the_end, ALL)
{
    struct stage stage;
    make_stage(&stage, 1);
    stage.job.count = 2;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    assert_int_equal(next_value(map), 0);
    assert_int_equal(next_value(map), 1);
    assert_no_item(map, POSSE_END);
    assert_no_item(map, POSSE_END);
    close_map(map);
    end_stage(&stage);
}

/* An item that failed has no result to be taken for one. */
TEST(of_an_item_that_failed, ALL)
{
    struct stage stage;
    posse_item item;
    make_stage(&stage, 1);
    stage.orders[0] = (struct order){.deed = FAIL, .value = 7};
    stage.job.count = 1;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    memset(&item, POISON, sizeof item);
    item.struct_size = sizeof item;
    assert_ok(posse_map_next(map, &item));
    assert_true(item.index == 0 && item.status == POSSE_TASK_FAILED && item.result == NULL);
    assert_map_ends(map);
    end_stage(&stage);
}
