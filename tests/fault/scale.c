/* scale.c - workers come and go while calls fail: dead ones are replaced, others are started on
 * demand, by a resize, after a number of tasks, or because one was killed for its task. */
#include "fault/kit/fault.h"

#include <signal.h>

static posse_executor *open_with(posse_options options)
{
    posse_executor *pool = NULL;
    return posse_create(&options, &pool) == POSSE_OK ? pool : NULL;
}

static int replacement(void)
{
    long signal = SIGKILL;
    posse_future future;
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_submit(pool, signal_task, &signal, sizeof signal, &future);
    ALLOW(status, ACCEPTED);
    if (status == POSSE_OK) {
        ALLOW(posse_result(future, -1, NULL, NULL),
              AS(POSSE_WORKER_LOST) | AS(POSSE_NO_MEMORY) | AS(POSSE_BROKEN));
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    REQUIRE(use_pool(pool) == 0);
    return leave_pool(pool);
}

static int on_demand(void)
{
    posse_options options = OPTIONS(2, .on_demand = true, .idle_timeout_ms = 1);
    posse_executor *pool = open_with(options);
    REQUIRE(pool != NULL);
    fault_begin();
    REQUIRE(use_pool(pool) == 0);
    return leave_pool(pool);
}

static int recycling(void)
{
    posse_options options = OPTIONS(1, .max_tasks_per_worker = 1);
    posse_executor *pool = open_with(options);
    REQUIRE(pool != NULL);
    fault_begin();
    REQUIRE(use_pool(pool) == 0);
    return leave_pool(pool);
}

static int resizing(void)
{
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    ALLOW(posse_resize(pool, 3), AS(POSSE_OK) | AS(POSSE_BROKEN));
    REQUIRE(use_pool(pool) == 0);
    ALLOW(posse_resize(pool, 1), AS(POSSE_OK) | AS(POSSE_BROKEN));
    REQUIRE(use_pool(pool) == 0);
    return leave_pool(pool);
}

static int deadline(void)
{
    long ms = 100000;
    posse_future future;
    posse_job job = {.struct_size = sizeof job,
                     .fn = sleep_task,
                     .arg = &ms,
                     .size = sizeof ms,
                     .timeout_ms = 1};
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_submit_with(pool, &job, &future);
    ALLOW(status, ACCEPTED);
    if (status == POSSE_OK) {
        ALLOW(posse_result(future, -1, NULL, NULL),
              AS(POSSE_DEADLINE) | AS(POSSE_NO_MEMORY) | AS(POSSE_BROKEN));
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    return leave_pool(pool);
}

/* A task whose limits cannot be enforced fails. */
static int limits(void)
{
    long n = 3, square = 9;
    posse_job job = {.struct_size = sizeof job,
                     .fn = square_task,
                     .arg = &n,
                     .size = sizeof n,
                     .max_memory = (size_t)16 << 20,
                     .max_cpu_ms = PATIENCE_MS};
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    fault_begin();
    for (int i = 0; i < 2; i++) {
        posse_future future;
        posse_status status = posse_submit_with(pool, &job, &future);
        ALLOW(status, ACCEPTED | AS(POSSE_NOT_SUPPORTED));
        if (status != POSSE_OK)
            continue;
        status = posse_result_into(future, -1, &square, sizeof square, NULL);
        ALLOW(status, ENDED | AS(POSSE_TASK_FAILED) | AS(POSSE_WORKER_LOST));
        REQUIRE(square == 9);
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    return leave_pool(pool);
}

TEST(dead_workers_are_replaced, PROCESSES) { sweep_all("replacement", replacement); }
TEST(workers_on_demand, PARALLEL_FORKED) { sweep_all("on demand", on_demand); }
TEST(workers_are_recycled, PARALLEL_FORKED) { sweep_all("recycling", recycling); }
TEST(resize, PARALLEL_FORKED) { sweep_all("resize", resizing); }
TEST(deadlines, PROCESSES) { sweep_all("deadline", deadline); }
TEST(limits_of_tasks, PROCESSES) { sweep_all("limits", limits); }
