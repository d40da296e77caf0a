/* load.c - many tasks, many callers, and no work at all. */
#include "support/support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

POOL_TEST(many_tasks, ALL, 2)
{
    enum { TASKS = 100000 };
    posse_future *futures = calloc(TASKS, sizeof *futures);
    assert_non_null(futures);
    for (long i = 0; i < TASKS; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < TASKS; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_int_equal(stats_of(pool).done, TASKS);
    free(futures);
}

/* One after the other, so that caller and worker go to sleep and wake each other all the time. */
POOL_TEST(ping_pong, ALL, 2)
{
    for (long i = 0; i < 20000; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
}

/* Submits in small batches and checks every result; some are large. */
static posse_status work(void *context)
{
    posse_executor *pool = context;
    enum { BATCH = 10 };
    static const char bytes[3000] = "bytes";
    for (int round = 0; round < 300; round++) {
        posse_future futures[BATCH];
        for (int i = 0; i < BATCH; i++) {
            size_t size = i % 3 == 0 ? sizeof bytes : (size_t)(10 + i);
            posse_status status = posse_submit(pool, echo_task, bytes, size, &futures[i]);
            if (status != POSSE_OK)
                return status;
        }
        for (int i = 0; i < BATCH; i++) {
            const void *data;
            posse_status status = posse_result(futures[i], -1, &data, NULL);
            if (status != POSSE_OK || strcmp(data, "bytes") != 0)
                return status == POSSE_OK ? POSSE_SYSTEM : status;
            posse_release(futures[i]);
        }
    }
    return POSSE_OK;
}

POOL_TEST(many_callers, CALLERS, 3)
{
    struct caller callers[8];
    for (size_t i = 0; i < COUNT(callers); i++)
        start_call(&callers[i], work, pool);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    assert_int_equal(stats_of(pool).done, COUNT(callers) * 3000);
}

/* All wait for the same future: each is woken. */
static void assert_all_woken(size_t count)
{
    struct caller callers[32];
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    for (size_t i = 0; i < count; i++) {
        start_call(&callers[i], call_result, &future);
        await_parked(&callers[i]);
    }
    open_gate(gate);
    for (size_t i = 0; i < count; i++)
        assert_ok(end_call(&callers[i]));
    take_long(future);
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(two_wait_for_the_same, PARALLEL)
{
    for (int i = 0; i < 20; i++)
        assert_all_woken(2);
}

TEST(many_wait_for_the_same, PARALLEL) { assert_all_woken(32); }

/* Waits that run out at the moment when the task ends: the result is there by the next call. */
POOL_TEST(timeouts_beside_the_end, ALL, 1)
{
    for (int i = 0; i < 300; i++) {
        posse_future future = submitted_long(pool, sleep_task, 1);
        posse_status status = posse_result(future, 1, NULL, NULL);
        assert_true(status == POSSE_OK || status == POSSE_TIMEOUT);
        assert_int_equal(take_long(future), 1);
    }
}

/* Released in another order than submitted, over and over. */
POOL_TEST(handles_come_and_go, ALL, 2)
{
    enum { OPEN = 500 };
    static posse_future futures[OPEN];
    for (long i = 0; i < OPEN; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = OPEN; i < 20000; i++) {
        long at = i * 7919 % OPEN;
        assert_ok(posse_release(futures[at]));
        futures[at] = submitted_long(pool, square_task, i);
    }
    for (long i = 0; i < OPEN; i++) {
        long value = take_long(futures[i]);
        assert_in_range(value, 0, 20000l * 20000);
    }
}

#ifndef SANITIZED /* a sanitizer's own thread does not sleep */
static long switches_in(const char *path)
{
    char line[128];
    long switches = 0;
    FILE *status = fopen(path, "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &switches) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return switches;
}

/* How often threads of the process have gone to sleep; not the thread that looks, if it is of
 * this one. */
static long switches_of(long pid)
{
    char path[300];
    long sum = 0;
    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR *tasks = opendir(path);
    for (struct dirent *entry; tasks != NULL && (entry = readdir(tasks)) != NULL;) {
        if (atol(entry->d_name) > 0 && atol(entry->d_name) != identity()) {
            snprintf(path, sizeof path, "/proc/%ld/task/%s/status", pid, entry->d_name);
            sum += switches_in(path);
        }
    }
    if (tasks != NULL)
        closedir(tasks);
    return sum;
}

static bool stays_asleep(long worker, long supervisor)
{
    long before = switches_of(worker) + switches_of(supervisor);
    pause_ms(1500);
    return switches_of(worker) + switches_of(supervisor) == before;
}

/* An idle pool does not wake up by itself: neither a worker nor the supervisor goes to sleep
 * once more. */
POOL_TEST(idle_pool_sleeps, PARALLEL, 1)
{
    long process = take_long(submitted(pool, process_task, NULL, 0));
    long parent = take_long(submitted(pool, parent_task, NULL, 0));
    long supervisor = backend() == POSSE_PROCESS ? parent : process; /* threads are all in one */
    assert_eventually(switches_of(process) > 0);                     /* or nothing is measured */
    assert_eventually(stays_asleep(process, supervisor));
}
#endif
