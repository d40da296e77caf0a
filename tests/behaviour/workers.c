/* workers.c - who runs what: saturation, reuse of idle workers, isolation, counts. */
#include "support/support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int compare_longs(const void *a, const void *b)
{
    long x = *(const long *)a;
    long y = *(const long *)b;
    return (x > y) - (x < y);
}

static size_t count_distinct(long *values, size_t n)
{
    qsort(values, n, sizeof *values, compare_longs);
    size_t distinct = n > 0;
    for (size_t i = 1; i < n; i++)
        distinct += values[i] != values[i - 1];
    return distinct;
}

/* 15 blocked tasks for each worker: exactly `workers` of them run, in as many workers. */
static void assert_saturates(size_t workers)
{
    enum { MOST = 60 };
    long ran_in[MOST];
    posse_future futures[MOST];
    size_t tasks = 15 * workers;
    posse_executor *pool = make_pool((long)workers);
    struct gate *gate = make_gate(pool);
    for (size_t i = 0; i < tasks; i++)
        futures[i] = submitted_hold(pool, gate);
    await_entered(gate, (int)workers);
    await_rounds(pool); /* one worker too many would show */
    posse_stats stats = stats_of(pool);
    assert_int_equal(atomic_load(&gate->entered), workers);
    assert_int_equal(stats.workers, workers);
    assert_int_equal(stats.workers_idle, 0);
    assert_int_equal(stats.running, workers);
    assert_int_equal(stats.queued, tasks - workers);
    assert_int_equal(stats.futures, tasks);
    open_gate(gate);
    for (size_t i = 0; i < tasks; i++)
        ran_in[i] = take_long(futures[i]);
    assert_int_equal(count_distinct(ran_in, tasks), workers);
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(P09_saturation, PROCESSES) { assert_saturates(2); }

TEST(T03_saturation, THREADS) { assert_saturates(4); }

TEST(IP16_saturation, PROCESSES) { assert_saturates(4); }

/* Tasks one after the other never need more than the workers that are there, however often. */
static void assert_reuses(long workers, size_t tasks)
{
    long ran_in[100];
    posse_executor *pool = make_pool(workers);
    for (size_t i = 0; i < tasks; i++)
        ran_in[i] = take_long(submitted(pool, identity_task, NULL, 0));
    assert_in_range(count_distinct(ran_in, tasks), 1, (size_t)workers);
    assert_eventually(stats_of(pool).workers == (uint64_t)workers);
    end_pool(pool);
}

TEST(P10_idle_process_reuse_one, PROCESSES) { assert_reuses(1, 100); }

TEST(P11_idle_process_reuse_multiple, PROCESSES) { assert_reuses(3, 100); }

TEST(T04_idle_thread_reuse, THREADS) { assert_reuses(1, 100); }

TEST(IP19_idle_worker_reuse, PARALLEL) { assert_reuses(3, 3); }

POOL_TEST(IP17_blocking, PARALLEL, 10)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[10];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_hold(pool, gate);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_status(posse_result(futures[i], 0, NULL, NULL), POSSE_TIMEOUT);
    open_gate(gate);
    for (size_t i = 0; i < COUNT(futures); i++)
        take_long(futures[i]);
    free_gate(pool, gate);
}

TEST(IP18_blocking_with_limited_workers, PARALLEL) { assert_saturates(4); }

static long global = 7;

static int set_global_task(posse_task *task, const void *arg, size_t size)
{
    global = *(const long *)arg;
    return return_long(task, global);
}

static int get_global_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, global);
}

/* A task finds the program's memory as it was at create; what it changes stays in its worker, or
 * is shared by all threads of the program. */
TEST(IP04_global, ALL)
{
    global = 8;
    posse_executor *pool = make_pool(1);
    bool shared = backend() != POSSE_PROCESS;
    global = 9;
    assert_int_equal(take_long(submitted(pool, get_global_task, NULL, 0)), shared ? 9 : 8);
    assert_int_equal(take_long(submitted_long(pool, set_global_task, 10)), 10);
    assert_int_equal(global, shared ? 10 : 9);
    assert_int_equal(take_long(submitted(pool, get_global_task, NULL, 0)), 10);
    end_pool(pool);
}

/* Where a task runs: in another process, in another thread, or in the caller. */
POOL_TEST(place, ALL, 1)
{
    long where = take_long(submitted(pool, identity_task, NULL, 0));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%ld", where);
    assert_int_equal(access(path, F_OK) == 0, backend() != POSSE_PROCESS);
    assert_int_equal(where == identity(), backend() == POSSE_INLINE);
}

struct worker {
    long worker;
    long identity;
};

static int place_task(posse_task *task, const void *arg, size_t size)
{
    if (!pass_gate(*(struct gate *const *)arg))
        return GAVE_UP;
    struct worker worker = {posse_task_worker(task), identity()};
    return posse_task_return(task, &worker, sizeof worker) == POSSE_OK ? 0 : GAVE_UP;
}

/* Every worker has an index of its own. */
TEST(worker_index, PARALLEL)
{
    enum { WORKERS = 4 };
    posse_future futures[WORKERS];
    bool seen[WORKERS] = {false};
    posse_executor *pool = make_pool(WORKERS);
    struct gate *gate = make_gate(pool);
    for (int i = 0; i < WORKERS; i++)
        futures[i] = SUBMIT_VALUE(pool, place_task, gate);
    await_entered(gate, WORKERS);
    open_gate(gate);
    for (int i = 0; i < WORKERS; i++) {
        struct worker worker;
        assert_ok(posse_result_into(futures[i], -1, &worker, sizeof worker, NULL));
        assert_in_range(worker.worker, 0, WORKERS - 1);
        assert_false(seen[worker.worker]);
        seen[worker.worker] = true;
        assert_ok(posse_release(futures[i]));
    }
    free_gate(pool, gate);
    end_pool(pool);
}

POOL_TEST(inline_worker_index, INLINE, 3)
{
    assert_int_equal(take_long(submitted(pool, worker_task, NULL, 0)), 0);
}

/* All counts after a known mixture of tasks. */
POOL_TEST(counts, ALL, 2)
{
    posse_future futures[10];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_long(pool, i < 7 ? square_task : code_task, 3);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_ok(posse_exception(futures[i], -1, NULL));
    posse_stats stats;
    assert_eventually((stats = stats_of(pool)).done == 7 && stats.failed == 3);
    assert_int_equal(stats.cancelled + stats.timed_out + stats.lost + stats.workers_lost, 0);
    assert_int_equal(stats.queued + stats.running, 0);
    assert_int_equal(stats.futures, 10);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_ok(posse_release(futures[i]));
    assert_int_equal(stats_of(pool).futures, 0);
}

POOL_TEST(all_idle, PARALLEL, 3)
{
    assert_eventually(stats_of(pool).workers_idle == 3);
    assert_int_equal(stats_of(pool).workers, 3);
}
