/* past.c - what a pool costs that has had a million tasks at once, or whose program is large:
 * nothing should be left of the one, and the other is the price of fork. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- a pool with a past ---- */

/* Held until the flag, in memory from posse_alloc, is set. */
static int held_task(posse_task *task, const void *arg, size_t size)
{
    const long step_us = 500, limit_us = 600000000;
    _Atomic bool *open = NULL;
    uint64_t result = 0;
    if (size != sizeof open)
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(&open, arg, sizeof open);
    for (long waited = 0; waited < limit_us && !atomic_load(open); waited += step_us)
        bench_sleep_us(step_us);
    return posse_task_return(task, &result, sizeof result) == POSSE_OK ? 0 : 1;
}

/* `n` tasks wait, then run, and are forgotten; the only worker is idle again. */
static void have_past(const struct bench *bench, posse_executor *pool)
{
    const int n = bench_count(bench, 1000000, 2000);
    void *memory = NULL;
    posse_future held;
    posse_future *futures = bench_memory(bench, (size_t)n * sizeof *futures);
    bench_must(bench, posse_alloc(pool, sizeof(_Atomic bool), &memory), "posse_alloc");
    _Atomic bool *open = memory;
    atomic_init(open, bench->backend == POSSE_INLINE);
    bench_must(bench, posse_submit(pool, held_task, &open, sizeof open, &held), "posse_submit");
    for (int i = 0; i < n; i++) {
        uint64_t value = (uint64_t)i;
        bench_must(bench, posse_submit(pool, bench_echo, &value, sizeof value, &futures[i]),
                   "posse_submit");
    }
    atomic_store(open, true);
    (void)bench_take(bench, held);
    for (int i = 0; i < n; i++)
        bench_check(bench, bench_take(bench, futures[i]) == (uint64_t)i, "a wrong result");
    bench_must(bench, posse_free(pool, memory), "posse_free");
    free(futures);
    bench_sleep_us(bench_count(bench, 500000, 20000)); /* the pool has come to rest */
}

static double destroy_us(const struct bench *bench, posse_executor *pool)
{
    double start = bench_seconds();
    bench_destroy(bench, pool);
    return (bench_seconds() - start) * 1e6;
}

void bench_destroy_past(const struct bench *bench)
{
    posse_executor *fresh = bench_create(bench, 1);
    uint64_t value = 3;
    (void)bench_call(bench, fresh, bench_echo, &value, sizeof value);
    bench_report(bench, "destroy-fresh", destroy_us(bench, fresh), "us");
    posse_executor *pool = bench_create(bench, 1);
    have_past(bench, pool);
    bench_report(bench, bench->scenario, destroy_us(bench, pool), "us");
}

static double stats_us(const struct bench *bench, posse_executor *pool)
{
    double times[9];
    posse_stats stats = {.struct_size = sizeof stats};
    for (int i = 0; i < 9; i++) {
        double start = bench_seconds();
        bench_must(bench, posse_get_stats(pool, &stats), "posse_get_stats");
        times[i] = (bench_seconds() - start) * 1e6;
        bench_check(bench, stats.futures == 0, "futures are left");
    }
    return bench_median(times, 9);
}

void bench_stats_past(const struct bench *bench)
{
    posse_executor *pool = bench_create(bench, 1);
    bench_report(bench, "stats-fresh", stats_us(bench, pool), "us");
    have_past(bench, pool);
    bench_report(bench, bench->scenario, stats_us(bench, pool), "us");
    bench_destroy(bench, pool);
}

static int dying_task(posse_task *task, const void *arg, size_t size) { return raise(SIGKILL); }

/* From the submit of a task that kills its worker to the next result, as the median of a few. */
static double recovery_us(const struct bench *bench, posse_executor *pool)
{
    enum { DEATHS = 9 };
    double times[DEATHS];
    for (int i = 0; i < DEATHS; i++) {
        uint64_t value = (uint64_t)i;
        posse_future lost;
        double start = bench_seconds();
        bench_must(bench, posse_submit(pool, dying_task, NULL, 0, &lost), "posse_submit");
        bench_check(bench, bench_call(bench, pool, bench_echo, &value, sizeof value) == value,
                    "a wrong result");
        times[i] = (bench_seconds() - start) * 1e6;
        bench_check(bench, posse_result(lost, 10000, NULL, NULL) == POSSE_WORKER_LOST,
                    "the task is not lost");
        bench_must(bench, posse_release(lost), "posse_release");
    }
    return bench_median(times, DEATHS);
}

void bench_recover_past(const struct bench *bench)
{
    posse_executor *pool = bench_create(bench, 1);
    bench_report(bench, "recover-fresh", recovery_us(bench, pool), "us");
    have_past(bench, pool);
    bench_report(bench, bench->scenario, recovery_us(bench, pool), "us");
    bench_destroy(bench, pool);
}

/* ---- a large program ---- */

/* 4 GB, or 1 GB where memory is short. */
static size_t large_size(const struct bench *bench)
{
    const double least = 8e9; /* free for 4 GB, which nothing shares but what is forked */
    double pages = -1;
#ifdef _SC_AVPHYS_PAGES
    pages = (double)sysconf(_SC_AVPHYS_PAGES);
#endif
    bool short_of = pages * (double)sysconf(_SC_PAGESIZE) < least;
    return (size_t)bench_count(bench, short_of ? 1024 : 4096, 8) << 20;
}

static double fork_ms(const struct bench *bench)
{
    int status = 0;
    double start = bench_seconds();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    bench_check(bench, child > 0 && waitpid(child, &status, 0) == child, "fork failed");
    return (bench_seconds() - start) * 1e3;
}

static double create_ms(const struct bench *bench)
{
    double start = bench_seconds();
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    double elapsed = bench_seconds() - start;
    bench_destroy(bench, pool);
    return elapsed * 1e3;
}

void bench_create_large(const struct bench *bench)
{
    enum { TIMES = 5 };
    double created[TIMES], forked[TIMES];
    size_t size = large_size(bench);
    char name[64];
    char *memory = bench_memory(bench, size);
    for (int i = 0; i < TIMES; i++) {
        created[i] = create_ms(bench);
        forked[i] = fork_ms(bench);
    }
    (void)snprintf(name, sizeof name, "%s-%zuM", bench->scenario, size >> 20);
    bench_report(bench, name, bench_median(created, TIMES), "ms");
    (void)snprintf(name, sizeof name, "fork-large-%zuM", size >> 20);
    bench_report(bench, name, bench_median(forked, TIMES), "ms");
    bench_check(bench, memory[size - 1] == 1, "the memory is not as it was");
    free(memory);
}
