/* fresh.c - what a process of its own costs a task (POSSE_FRESH), beside a bare fork and wait. By
 * turns, and medians, so that other work on the machine hits all alike. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 50 };

static int crash(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    abort();
}

static double fork_and_wait(const struct bench *bench)
{
    double start = bench_seconds();
    for (int i = 0; i < BATCH; i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(0);
        bench_check(bench, child > 0 && waitpid(child, NULL, 0) == child, "fork and wait");
    }
    return (bench_seconds() - start) / BATCH;
}

/* Many at once: the price of each. */
static double batch(const struct bench *bench, posse_executor *pool, posse_fn *fn,
                    posse_status ends)
{
    posse_future futures[BATCH];
    uint64_t arg = 1;
    double start = bench_seconds();
    for (int i = 0; i < BATCH; i++)
        bench_must(bench, posse_submit(pool, fn, &arg, sizeof arg, &futures[i]), "posse_submit");
    for (int i = 0; i < BATCH; i++) {
        bench_check(bench, posse_result(futures[i], -1, NULL, NULL) == ends, "its end");
        bench_must(bench, posse_release(futures[i]), "posse_release");
    }
    return (bench_seconds() - start) / BATCH;
}

/* One, whose process waits for it. */
static double one(const struct bench *bench, posse_executor *pool)
{
    uint64_t arg = 1;
    bench_sleep_us(2000);
    double start = bench_seconds();
    (void)bench_call(bench, pool, bench_echo, &arg, sizeof arg);
    return bench_seconds() - start;
}

void bench_fresh(const struct bench *bench)
{
    enum { FORK, TASKS, CRASHES, ONE, PARKED, KINDS };
    static const char *const names[KINDS] = {"fork+wait", "fresh", "fresh-crash", "fresh-one",
                                             "fresh-parked"};
    const int rounds = bench_count(bench, 60, 2);
    posse_options options = {
        .struct_size = sizeof options, .max_workers = 1, .isolation = POSSE_FRESH};
    posse_executor *pool, *shared = bench_create(bench, 1);
    double *times[KINDS];
    posse_status status = posse_create(&options, &pool);
    if (status == POSSE_NOT_SUPPORTED) {
        bench_destroy(bench, shared);
        return;
    }
    bench_must(bench, status, "posse_create");
    for (int kind = 0; kind < KINDS; kind++)
        times[kind] = bench_memory(bench, (size_t)rounds * sizeof(double));
    for (int i = 0; i < rounds; i++) {
        times[FORK][i] = fork_and_wait(bench);
        times[TASKS][i] = batch(bench, pool, bench_echo, POSSE_OK);
        times[CRASHES][i] = batch(bench, pool, crash, POSSE_WORKER_LOST);
        times[ONE][i] = one(bench, pool);
        times[PARKED][i] = one(bench, shared);
    }
    for (int kind = 0; kind < KINDS; kind++) {
        bench_report(bench, names[kind], bench_median(times[kind], rounds) * 1e6, "us");
        free(times[kind]);
    }
    bench_destroy(bench, pool);
    bench_destroy(bench, shared);
}
