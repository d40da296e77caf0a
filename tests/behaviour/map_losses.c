/* map_losses.c - maps some of whose items are not lucky: over their time, with a worker that dies,
 * in a pool that breaks, without memory. */
#include "support/maps.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

enum { N = STAGE_ITEMS };

/* Of all items, those from first to end - 1 end so, the others well. */
static void assert_lost(struct stage *stage, posse_status how, size_t first, size_t end)
{
    posse_error error = {.struct_size = sizeof error};
    posse_status statuses[N];
    posse_map_iter *map = open_map(stage->pool, stage->job);
    for (size_t i = 0; i < N; i++) {
        posse_item item = next_item(map);
        bool lost = item.index >= first && item.index < end;
        assert_status(item.status, lost ? how : POSSE_OK);
        assert_true(lost ? item.result == NULL : *(const long *)item.result == (long)item.index);
        assert_ok(posse_map_exception(map, &error));
        assert_status(error.status, item.status);
        assert_int_equal(error.signal, item.status == POSSE_WORKER_LOST ? SIGKILL : 0);
        assert_true((error.message[0] != '\0') == lost);
    }
    assert_map_ends(map);
    assert_status(posse_map(stage->pool, &stage->job, statuses), how);
    for (size_t i = 0; i < N; i++)
        assert_status(statuses[i], i >= first && i < end ? how : POSSE_OK);
}

static void assert_item_over_its_time(long chunksize, size_t first, size_t end)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct stage stage;
        make_stage(&stage, 2);
        stage.orders[4].deed = HEED;      /* until its time is over */
        stage.job.item_timeout_ms = 1500 / chunksize; /* the other chunks need microseconds */
        stage.job.chunksize = chunksize;
        stage.job.unordered = unordered;
        assert_lost(&stage, POSSE_DEADLINE, first, end);
        assert_eventually(stats_of(stage.pool).running == 0);
        end_stage(&stage);
    }
}

TEST(map_timeout, ALL) { assert_item_over_its_time(1, 4, 5); }

/* A chunk has the time of all its items, and all are lost. */
TEST(map_timeout_chunks, ALL) { assert_item_over_its_time(3, 3, 6); }

/* A thread that is over its time goes on: not in memory of the program. */
TEST(overdue_thread_leaves_the_program_alone, THREADS)
{
    struct stage stage;
    long results[N];
    make_stage(&stage, 1);
    stage.orders[1].deed = HOLD;
    stage.job.item_timeout_ms = 50;
    stage.job.results = results;
    assert_status(posse_map(stage.pool, &stage.job, NULL), POSSE_DEADLINE);
    memset(results, 0x5a, sizeof results);
    memset(stage.orders, 0x5a, sizeof stage.orders);
    open_gate(stage.gate);
    assert_eventually(atomic_load(&stage.gate->passed) == 1);
    end_stage(&stage); /* the thread has ended */
    for (size_t i = 0; i < N; i++)
        assert_int_equal(results[i], 0x5a5a5a5a5a5a5a5a);
}

TEST(worker_is_killed, PROCESSES)
{
    for (long chunksize = 1; chunksize < 4; chunksize += 2) {
        struct stage stage;
        size_t first = chunksize == 1 ? 4 : 3;
        make_stage(&stage, 2);
        stage.orders[4].deed = DIE;
        stage.job.chunksize = chunksize;
        assert_lost(&stage, POSSE_WORKER_LOST, first, first + (size_t)chunksize);
        stage.job.unordered = true;
        assert_lost(&stage, POSSE_WORKER_LOST, first, first + (size_t)chunksize);
        end_stage(&stage);
    }
}

/* Pebble's map_error: a failure is of one item, in whatever chunk it is. */
TEST(map_error, ALL)
{
    for (long chunksize = 1; chunksize <= N; chunksize++) {
        struct stage stage;
        make_stage(&stage, 2);
        stage.orders[4].deed = chunksize % 2 ? FAIL : MESSAGE;
        stage.job.chunksize = chunksize;
        assert_lost(&stage, POSSE_TASK_FAILED, 4, 5);
        end_stage(&stage);
    }
}

/* Ten items of a megabyte each, and such results. */
TEST(D15_crash_big_data, PROCESSES)
{
    enum { TEN = 10, BIG = 1 << 20 };
    struct stage stage;
    char *bytes = calloc(TEN, BIG);
    assert_non_null(bytes);
    make_stage(&stage, 2);
    for (size_t i = 0; i < TEN; i++) {
        stage.orders[i].deed = i == 6 ? DIE : GIVE;
        memcpy(bytes + i * BIG, &stage.orders[i], sizeof stage.orders[i]);
    }
    stage.input = (posse_input){.data = bytes, .size = BIG};
    stage.job.count = TEN;
    stage.job.result_size = BIG;
    posse_map_iter *map = open_map(stage.pool, stage.job);
    for (size_t i = 0; i < TEN; i++) {
        posse_item item = next_item(map);
        assert_status(item.status, i == 6 ? POSSE_WORKER_LOST : POSSE_OK);
        assert_true(i == 6 || *(const long *)item.result == (long)i);
    }
    assert_map_ends(map);
    free(bytes);
    end_stage(&stage);
}

/* ---- a broken pool --------------------------------------------------------------------------- */

struct whole {
    struct stage *stage;
    posse_status statuses[N];
};

static posse_status call_map(void *context)
{
    struct whole *whole = context;
    return posse_map(whole->stage->pool, &whole->stage->job, whole->statuses);
}

/* Two items are held, in memory in place, when the supervisor is killed. */
static void assert_broken(bool unordered, bool at_once)
{
    struct stage stage;
    void *orders;
    struct caller caller;
    struct whole whole = {.stage = &stage};
    posse_item item = {.struct_size = sizeof item};
    posse_map_iter *map = NULL;
    make_stage(&stage, 2);
    assert_ok(posse_alloc(stage.pool, sizeof stage.orders, &orders));
    pid_t supervisor = (pid_t)take_long(submitted(stage.pool, parent_task, NULL, 0));
    stage.orders[0].deed = stage.orders[1].deed = HOLD;
    memcpy(orders, stage.orders, sizeof stage.orders);
    stage.input.data = orders;
    stage.job.unordered = unordered;
    if (at_once)
        start_call(&caller, call_map, &whole);
    else
        map = open_map(stage.pool, stage.job);
    await_entered(stage.gate, 2);
    kill(supervisor, SIGKILL);
    assert_status(at_once ? end_call(&caller) : posse_map_next(map, &item), POSSE_BROKEN);
    assert_status(at_once ? whole.statuses[0] : POSSE_BROKEN, POSSE_BROKEN);
    if (!at_once)
        assert_map_ends(map);
    assert_status(posse_map_open(stage.pool, &stage.job, &map), POSSE_BROKEN);
    assert_ok(posse_destroy(stage.pool));
}

TEST(map_broken_pool, PROCESSES)
{
    assert_broken(false, false);
    assert_broken(true, false);
    assert_broken(false, true);
}

/* ---- without memory -------------------------------------------------------------------------- */

static int large_item(posse_task *task, const void *const *items, void *result)
{
    memcpy(result, items[0], sizeof(long));
    return 0;
}

/* Maps 40 items of `size` bytes in a pool that has 4 MB. */
static int map_of(posse_executor *pool, const char *bytes, size_t size, posse_status *status)
{
    enum { COUNT_OF = 40 };
    posse_status statuses[COUNT_OF];
    posse_input input = {.data = bytes, .size = size};
    posse_map_job job = map_job(large_item, &input, 1, COUNT_OF);
    job.result_size = size;
    job.chunksize = 1;
    job.buffersize = COUNT_OF;
    for (int i = 0; i < 4; i++) {
        job.unordered = i % 2;
        memset(statuses, 0x5a, sizeof statuses);
        *status = posse_map(pool, &job, statuses);
        for (int k = 0; k < COUNT_OF; k++) {
            bool known = *status == POSSE_OK || *status == POSSE_NO_MEMORY;
            REQUIRE(!known || statuses[k] == (*status == POSSE_OK ? POSSE_OK : POSSE_CANCELLED));
        }
    }
    /* A worker frees the argument just after the end can be seen. */
    posse_stats stats = {.struct_size = sizeof stats};
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end; pause_ms(1)) {
        REQUIRE(posse_get_stats(pool, &stats) == POSSE_OK);
        if (stats.futures + stats.memory_blocks == 0)
            break;
    }
    REQUIRE(stats.futures + stats.memory_blocks == 0);
    REQUIRE(stats.workers_lost == 0); /* memory that the system refuses is no SIGBUS */
    return 0;
}

#define NOT_PERMITTED 77

/* Not all fit at once, so that fewer are on their way; one that never fits is told. It has a
 * /dev/shm of its own. */
static int little_memory(void *context)
{
    posse_status status;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", "/dev/shm", "tmpfs", 0, "size=4m") != 0)
        return NOT_PERMITTED;
    char *bytes = calloc(40, 8 << 20);
    posse_executor *pool = open_pool(2);
    REQUIRE(bytes != NULL && pool != NULL);
    REQUIRE(map_of(pool, bytes, 1000, &status) == 0 && status == POSSE_OK);
    REQUIRE(map_of(pool, bytes, 100000, &status) == 0);
    REQUIRE(status == POSSE_OK || status == POSSE_TASK_FAILED);
    REQUIRE(map_of(pool, bytes, 8 << 20, &status) == 0 && status == POSSE_NO_MEMORY);
    REQUIRE(map_of(pool, bytes, 1000, &status) == 0 && status == POSSE_OK);
    free(bytes);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(without_memory, PROCESSES)
{
    int status = wait_status(start_child(little_memory, NULL));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
        print_message("mounting over /dev/shm is not permitted here\n");
        skip();
    }
    assert_int_equal(status, 0);
}
