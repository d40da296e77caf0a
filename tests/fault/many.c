/* many.c - waiting for many tasks at once while calls fail: posse_wait, as_completed, maps,
 * callbacks and the completion descriptor. What cannot be begun says so, and what was begun comes
 * to its end. */
#include "fault/kit/fault.h"
#include "support/maps.h"

#include <poll.h>
#include <signal.h>

#define TASKS 6

static posse_future futures[TASKS];

/* Submits without failures. */
static int submit_all(posse_executor *pool)
{
    for (long i = 0; i < TASKS; i++)
        REQUIRE(posse_submit(pool, square_task, &i, sizeof i, &futures[i]) == POSSE_OK);
    return 0;
}

static int release_all(void)
{
    for (int i = 0; i < TASKS; i++)
        REQUIRE(posse_release(futures[i]) == POSSE_OK);
    return 0;
}

#define BEGUN (CREATED | AS(POSSE_BROKEN))

static int wait_for_all(void)
{
    size_t n = 0;
    posse_completion_iter *completed;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && submit_all(pool) == 0);
    fault_begin();
    posse_status status = posse_wait(futures, TASKS, POSSE_ALL_COMPLETED, -1, NULL, &n);
    ALLOW(status, BEGUN);
    REQUIRE(status != POSSE_OK || n == TASKS);
    status = posse_as_completed(futures, TASKS, -1, &completed);
    ALLOW(status, BEGUN);
    if (status == POSSE_OK) {
        posse_future future;
        for (n = 0; (status = posse_completion_iter_next(completed, &future, NULL)) == POSSE_OK;
             n++) {
        }
        ALLOW(status, AS(POSSE_END) | AS(POSSE_BROKEN));
        REQUIRE(status == POSSE_BROKEN || n == TASKS);
        posse_completion_iter_close(completed);
    }
    REQUIRE(release_all() == 0);
    return leave_pool(pool);
}

static int map_items(void)
{
    enum { ITEMS = 40 };
    long values[ITEMS], squares[ITEMS] = {0};
    posse_input input = {.data = values, .size = sizeof values[0]};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = square_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = ITEMS,
                         .chunksize = 4,
                         .unordered = true,
                         .result_size = sizeof squares[0],
                         .results = squares};
    for (long i = 0; i < ITEMS; i++)
        values[i] = i;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_map(pool, &job, NULL);
    ALLOW(status, BEGUN | AS(POSSE_WORKER_LOST)); /* a worker that cannot open memory goes */
    for (long i = 0; i < ITEMS && status == POSSE_OK; i++)
        REQUIRE(squares[i] == i * i);
    return leave_pool(pool);
}

/* Of the numbers to 9 one ends its worker, as a crash does. */
static int lethal_item(posse_task *task, const void *const *items, void *result)
{
    if (*(const long *)items[0] == 6 && backend() == POSSE_PROCESS)
        raise(SIGKILL);
    if (*(const long *)items[0] == 6 && backend() == POSSE_THREAD)
        pthread_exit(NULL);
    return square_item(task, items, result);
}

static int split_items(void)
{
    struct numbers numbers = {.end = 10, .last = POSSE_END, .n_inputs = 1};
    posse_input input = {.size = sizeof(long)};
    posse_map_iter *map;
    posse_item item = {.struct_size = sizeof item};
    posse_executor *pool = open_pool(2);
    posse_map_job job = source_job(&numbers, &input);
    job.fn = lethal_item;
    job.chunksize = 4;
    job.on_lost = POSSE_SPLIT;
    REQUIRE(pool != NULL);
    fault_begin();
    posse_status status = posse_map_open(pool, &job, &map);
    ALLOW(status, BEGUN);
    while (status == POSSE_OK && (status = posse_map_next(map, &item)) == POSSE_OK) {
        ALLOW(item.status, BEGUN | AS(POSSE_WORKER_LOST) | AS(POSSE_TASK_FAILED));
        REQUIRE(item.status != POSSE_OK || *(const size_t *)item.result == item.index * item.index);
    }
    ALLOW(status, BEGUN | AS(POSSE_END));
    posse_map_close(map);
    return leave_pool(pool);
}

static int count_call(posse_future future, void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
    return 0;
}

static int callbacks(void)
{
    _Atomic int calls = 0;
    int added = 0;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && submit_all(pool) == 0);
    fault_begin();
    for (int i = 0; i < TASKS; i++) {
        posse_status status = posse_add_done_callback(futures[i], count_call, &calls);
        ALLOW(status, CREATED);
        added += status == POSSE_OK;
    }
    REQUIRE(fault_is_spent() || fault_lasts() || added >= TASKS - 1);
    if (fault_is_spent())
        REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_OK);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    REQUIRE(atomic_load(&calls) == added);
    return 0;
}

/* Takes as many as were added, which all come. */
static int take_all(posse_completion_queue *completions, int added)
{
    struct pollfd fd = {.fd = posse_completion_queue_fd(completions), .events = POLLIN};
    while (added > 0) {
        posse_completion taken[TASKS];
        REQUIRE(poll(&fd, 1, PATIENCE_MS) == 1);
        size_t n = posse_completion_queue_take(completions, taken, TASKS);
        REQUIRE(n > 0);
        added -= (int)n;
    }
    REQUIRE(added == 0);
    return 0;
}

static int completion_descriptor(void)
{
    posse_completion_queue *completions = NULL;
    int added = 0;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && submit_all(pool) == 0);
    fault_begin();
    posse_status status = posse_completion_queue_create(&completions);
    ALLOW(status, CREATED);
    for (int i = 0; i < TASKS && status == POSSE_OK; i++) {
        posse_status put = posse_completion_queue_add(completions, futures[i], NULL);
        ALLOW(put, CREATED);
        added += put == POSSE_OK;
    }
    REQUIRE(take_all(completions, added) == 0);
    posse_completion_queue_destroy(completions);
    REQUIRE(release_all() == 0);
    return leave_pool(pool);
}

/* Futures of several executors: each starts a thread. */
static int two_pools(void)
{
    posse_future two[2];
    long value = 3;
    posse_executor *pool = open_pool(1), *other = open_pool(1);
    REQUIRE(pool != NULL && other != NULL);
    REQUIRE(posse_submit(pool, square_task, &value, sizeof value, &two[0]) == POSSE_OK);
    REQUIRE(posse_submit(other, square_task, &value, sizeof value, &two[1]) == POSSE_OK);
    fault_begin();
    ALLOW(posse_wait(two, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL), BEGUN);
    REQUIRE(leave_pool(pool) == 0);
    return leave_pool(other);
}

TEST(waits, FORKED) { sweep_all("wait and as_completed", wait_for_all); }
TEST(maps, FORKED) { sweep_all("map", map_items); }
TEST(maps_that_split, FORKED) { sweep_all("map with POSSE_SPLIT", split_items); }
TEST(done_callbacks, FORKED) { sweep_all("callbacks", callbacks); }
TEST(descriptors, FORKED) { sweep_all("completion descriptor", completion_descriptor); }
TEST(several_pools, FORKED) { sweep_all("several executors", two_pools); }
