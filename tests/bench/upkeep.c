/* upkeep.c - what a pool costs beside its tasks: to make and end it, and to replace a killed
 * worker. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static double lifecycle_round(const struct bench *bench, uint64_t value)
{
    double start = bench_seconds();
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    uint64_t result = bench_call(bench, pool, bench_echo, &value, sizeof value);
    bench_destroy(bench, pool);
    double elapsed = bench_seconds() - start;
    bench_check(bench, result == value, "a wrong result");
    return elapsed;
}

void bench_lifecycle(const struct bench *bench)
{
    const int rounds = bench_count(bench, 5, 2); /* as few as the peers */
    double best = 0;
    for (int i = 0; i < rounds; i++) {
        double elapsed = lifecycle_round(bench, (uint64_t)i + 7);
        if (i == 0 || elapsed < best)
            best = elapsed;
    }
    bench_report(bench, bench->scenario, best * 1e3, "ms");
}

/* ---- recover: a worker is killed in the middle of its task ---- */

/* In memory from posse_alloc: the task tells whom to kill. */
struct victim {
    _Atomic long pid;
};

static int victim_task(posse_task *task, const void *arg, size_t size)
{
    struct victim *victim = NULL;
    if (size != sizeof victim)
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(&victim, arg, sizeof victim);
    atomic_store(&victim->pid, (long)getpid());
    (void)pause();
    return posse_task_fail(task, 2, "pause() returned");
}

static long victim_pid(const struct bench *bench, struct victim *victim)
{
    const long step_us = 50, limit_us = 10000000;
    for (long waited = 0; waited < limit_us && atomic_load(&victim->pid) == 0; waited += step_us)
        bench_sleep_us(step_us);
    long pid = atomic_load(&victim->pid);
    bench_check(bench, pid > 0, "no worker took the task");
    bench_check(bench, pid != (long)getpid(), "the task runs in the program itself");
    bench_sleep_us(1000); /* it has told its pid: now let it fall asleep */
    return pid;
}

/* The future of the killed task, and no other, must say so. */
static void check_lost(const struct bench *bench, posse_future future, long pid)
{
    posse_error error = {.struct_size = sizeof error};
    bench_must(bench, posse_exception(future, 10000, &error), "posse_exception");
    bench_check(bench, error.status == POSSE_WORKER_LOST, "the killed task is not lost");
    bench_check(bench, error.signal == SIGKILL && error.pid == pid, "a wrong cause of death");
    bench_must(bench, posse_release(future), "posse_release");
}

static double recover_round(const struct bench *bench, posse_executor *pool, struct victim *victim,
                            uint64_t value)
{
    posse_future lost;
    atomic_store(&victim->pid, 0);
    bench_must(bench, posse_submit(pool, victim_task, &victim, sizeof victim, &lost),
               "posse_submit");
    long pid = victim_pid(bench, victim);
    double start = bench_seconds();
    bench_check(bench, kill((pid_t)pid, SIGKILL) == 0, "kill failed");
    uint64_t result = bench_call(bench, pool, bench_echo, &value, sizeof value);
    double elapsed = bench_seconds() - start;
    bench_check(bench, result == value, "a wrong result");
    check_lost(bench, lost, pid);
    return elapsed;
}

static void recover(const struct bench *bench, long workers)
{
    const int rounds = bench_count(bench, 50, 3);
    double *times = bench_memory(bench, (size_t)rounds * sizeof *times);
    posse_executor *pool = bench_create(bench, workers);
    void *memory = NULL;
    bench_must(bench, posse_alloc(pool, sizeof(struct victim), &memory), "posse_alloc");
    struct victim *victim = memory;
    atomic_init(&victim->pid, 0);
    for (int i = 0; i < rounds; i++)
        times[i] = recover_round(bench, pool, victim, (uint64_t)i);
    bench_report(bench, bench->scenario, bench_median(times, rounds) * 1e6, "us");
    bench_must(bench, posse_free(pool, memory), "posse_free");
    bench_destroy(bench, pool);
    free(times);
}

/* Nobody else can run the next task: it waits until the dead worker is reaped and replaced. */
void bench_recover(const struct bench *bench) { recover(bench, 1); }

/* A second worker is alive: a death must not hold up what it can run. */
void bench_recover_busy(const struct bench *bench) { recover(bench, 2); }
