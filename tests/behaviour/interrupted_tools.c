/* interrupted_tools.c - signals that interrupt maps, locks, queues, and the taking of memory: none
 * ends early, none reports it, and limits of time are kept. See also interrupted.c. */
#include "support/maps.h"
#include "support/objects.h"
#include "support/storm.h"

#include <string.h>

/* ---- maps ---- */

static int sleep_item(posse_task *task, const void *const *items, void *result)
{
    pause_ms(3);
    memcpy(result, items[0], sizeof(long));
    return 0;
}

enum { ITEMS_OF_MAP = 12 };

/* With arrays of the program, and, with `in_place`, with some that the workers use. */
static void map_them(posse_executor *pool, bool in_place)
{
    long plain[2][ITEMS_OF_MAP];
    void *memory = plain;
    if (in_place)
        assert_ok(posse_alloc(pool, sizeof plain, &memory));
    long *values = memory;
    long *results = values + ITEMS_OF_MAP;
    posse_input input = {.data = values, .size = sizeof *values};
    posse_map_job job = map_job(sleep_item, &input, 1, ITEMS_OF_MAP);
    for (long i = 0; i < ITEMS_OF_MAP; i++) {
        values[i] = i;
        results[i] = -1;
    }
    job.chunksize = 1;
    job.results = results;
    for (int i = 0; i < 2; i++) {
        job.unordered = i == 1;
        assert_in_storm(posse_map(pool, &job, NULL), POSSE_OK);
        assert_memory_equal(results, values, ITEMS_OF_MAP * sizeof *values);
    }
    if (in_place)
        assert_ok(posse_free(pool, memory));
}

POOL_TEST(maps, ALL, 2)
{
    map_them(pool, false);
    map_them(pool, true);
}

/* Item by item; the close waits for those that use the array. */
POOL_TEST(maps_item_by_item, PARALLEL, 1)
{
    void *memory;
    posse_item item = {.struct_size = sizeof item};
    posse_map_iter *map;
    assert_ok(posse_alloc(pool, ITEMS_OF_MAP * sizeof(long), &memory));
    memset(memory, 0, ITEMS_OF_MAP * sizeof(long));
    posse_input input = {.data = memory, .size = sizeof(long)};
    posse_map_job job = map_job(sleep_item, &input, 1, ITEMS_OF_MAP);
    job.chunksize = 1;
    assert_status(IN_STORM(posse_map_open(pool, &job, &map)), POSSE_OK);
    for (int i = 0; i < 3; i++) {
        assert_in_storm(posse_map_next(map, &item), POSSE_OK);
        assert_status(item.status, POSSE_OK);
    }
    assert_status(IN_STORM(posse_map_close(map)), POSSE_OK);
    assert_ok(posse_free(pool, memory));
}

TEST(limits_of_maps, PARALLEL)
{
    struct stage stage;
    make_stage(&stage, 1);
    stage.orders[0].deed = HEED;
    stage.job.timeout_ms = SHORT_MS;
    assert_times_out(posse_map(stage.pool, &stage.job, NULL));
    end_stage(&stage);
}

/* ---- locks and queues ---- */

static int hold_lock_task(posse_task *task, const void *arg, size_t size)
{
    struct board *board = board_of(arg);
    if (posse_lock_acquire(board->lock, PATIENCE_MS) != POSSE_OK)
        return GAVE_UP;
    atomic_store(&board->taken, 1);
    while (!atomic_load(&board->go_on))
        pause_ms(1);
    pause_ms(SHORT_MS);
    return posse_lock_release(board->lock) == POSSE_OK ? 0 : GAVE_UP;
}

TEST(locks, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    struct board *board = make_board(pool);
    posse_future holder = SUBMIT_VALUE(pool, hold_lock_task, board);
    assert_eventually(atomic_load(&board->taken));
    assert_times_out(posse_lock_acquire(board->lock, SHORT_MS));
    atomic_store(&board->go_on, 1);
    assert_in_storm(posse_lock_acquire(board->lock, -1), POSSE_OK);
    assert_ok(posse_lock_release(board->lock));
    take_error(holder, POSSE_OK);
    end_board(board);
}

struct line {
    posse_queue queue;
    long puts; /* or gets */
};

static int slow_end_task(posse_task *task, const void *arg, size_t size)
{
    struct line line;
    long value = 7;
    memcpy(&line, arg, size < sizeof line ? size : sizeof line);
    pause_ms(SHORT_MS);
    posse_status status = line.puts ? put_long(line.queue, value, PATIENCE_MS)
                                    : get_long(line.queue, &value, PATIENCE_MS);
    return (int)status;
}

TEST(queues, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    struct line line = {make_queue(pool, 1, sizeof(long)), 1};
    long value = 0;
    assert_times_out(get_long(line.queue, &value, SHORT_MS));
    posse_future future = SUBMIT_VALUE(pool, slow_end_task, line);
    assert_in_storm(get_long(line.queue, &value, -1), POSSE_OK);
    assert_int_equal(value, 7);
    take_error(future, POSSE_OK);
    assert_ok(put_long(line.queue, 1, 0));
    assert_times_out(put_long(line.queue, 2, SHORT_MS));
    line.puts = 0;
    future = SUBMIT_VALUE(pool, slow_end_task, line);
    assert_in_storm(put_long(line.queue, 2, -1), POSSE_OK);
    take_error(future, POSSE_OK);
    assert_status(IN_STORM(posse_queue_close(line.queue)), POSSE_OK);
    end_queue(line.queue);
}

/* ---- memory ---- */

/* So large that it is not backed between two signals; a small /dev/shm has none, and says so. */
#define MUCH ((size_t)24 << 20)

POOL_TEST(memory, ALL, 1)
{
    void *memory = NULL;
    posse_status status = IN_STORM(posse_alloc(pool, MUCH, &memory));
    assert_true(status == POSSE_OK || status == POSSE_NO_MEMORY);
    if (status == POSSE_OK) {
        posse_future future = {0};
        memset(memory, 0, MUCH);
        assert_ok(posse_free(pool, memory));
        status = IN_STORM(posse_submit(pool, square_task, memory, MUCH, &future));
        assert_true(status == POSSE_OK || status == POSSE_NO_MEMORY);
        if (status == POSSE_OK)
            take_error(future, POSSE_OK);
    }
}

/* ---- in a task ---- */

/* The worker's own timer, in calls that block in the worker. (Threads of ours take no signals.) */
static int task_in_storm(posse_task *task, const void *arg, size_t size)
{
    struct line line;
    long value = 0;
    void *bytes = NULL;
    posse_executor *pool = posse_task_executor(task);
    posse_future future;
    long ms = SHORT_MS;
    memcpy(&line, arg, size < sizeof line ? size : sizeof line);
    if (!begin_storm())
        return GAVE_UP;
    bool timely = get_long(line.queue, &value, SHORT_MS) == POSSE_TIMEOUT;
    bool good = posse_submit(pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK &&
                posse_result(future, -1, NULL, NULL) == POSSE_OK &&
                posse_release(future) == POSSE_OK &&
                posse_alloc(pool, 1 << 20, &bytes) == POSSE_OK &&
                posse_free(pool, bytes) == POSSE_OK && posse_task_reserve(task, 1 << 20) != NULL;
    (void)end_storm(POSSE_OK);
    return timely && good && storm_hits() > 0 ? return_long(task, 1) : WRONG_ARG;
}

TEST(calls_of_a_task, PROCESSES)
{
    posse_executor *pool = make_pool(2);
    struct line line = {make_queue(pool, 1, sizeof(long)), 0};
    for (int i = 0; i < 3; i++)
        assert_int_equal(take_long(SUBMIT_VALUE(pool, task_in_storm, line)), 1);
    end_queue(line.queue);
}
