/* scaling.c - how a pool scales with its workers: the measurement beside scale/simulate.c.
 *
 * Batches of tasks that compute for 0, 1, 2, 10 and 100 us. The threads of the program each submit
 * their share, then read their results. The batches are as large as the simulation's, so both see
 * the same sleepers and the same queue. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_SUBMITTERS = 64, MAX_BATCHES = 200 };

/* One thread of the program and its share. */
struct submitter {
    const struct bench *bench;
    posse_executor *pool;
    posse_future *futures;
    int tasks;
    uint64_t grain;
};

static void *run_share(void *context)
{
    struct submitter *s = context;
    uint64_t wrong = 0;
    for (int i = 0; i < s->tasks; i++) {
        const uint64_t arg[2] = {(uint64_t)i, s->grain};
        bench_must(s->bench, posse_submit(s->pool, bench_echo, arg, sizeof arg, &s->futures[i]),
                   "posse_submit");
    }
    for (int i = 0; i < s->tasks; i++)
        wrong += bench_take(s->bench, s->futures[i]) != (uint64_t)i;
    bench_check(s->bench, wrong == 0, "a task gave another task's result");
    return NULL;
}

/* Seconds of one batch. The first share is this thread's. */
static double run_batch(const struct bench *bench, struct submitter *submitters)
{
    pthread_t threads[MAX_SUBMITTERS];
    double start = bench_seconds();
    for (int i = 1; i < bench->submitters; i++)
        bench_check(bench, pthread_create(&threads[i], NULL, run_share, &submitters[i]) == 0,
                    "a thread cannot start");
    (void)run_share(&submitters[0]);
    for (int i = 1; i < bench->submitters; i++)
        (void)pthread_join(threads[i], NULL);
    return bench_seconds() - start;
}

/* Nanoseconds of one step of bench_work: the least of some, as others only make it longer. */
static double step_ns(void)
{
    const uint64_t steps = 100000;
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        double start = bench_seconds();
        (void)bench_work(0, steps);
        double ns = (bench_seconds() - start) * 1e9 / (double)steps;
        best = ns < best ? ns : best;
    }
    return best;
}

/* Batches for a second, and the median of them: ns a task. */
static double median_ns(const struct bench *bench, struct submitter *submitters)
{
    double times[MAX_BATCHES], begin = bench_seconds();
    const double tasks = (double)submitters[0].tasks * bench->submitters;
    int n = 0, most = bench_count(bench, MAX_BATCHES, 2);
    (void)run_batch(bench, submitters);
    while (n < most && (n < 2 || bench_seconds() - begin < 1))
        times[n++] = run_batch(bench, submitters) * 1e9 / tasks;
    return bench_median(times, n);
}

void bench_scaling(const struct bench *bench)
{
    static const int lengths[] = {0, 1, 2, 10, 100};
    const int tasks = bench_count(bench, 4096 + 256 * bench->workers, 64) / bench->submitters;
    struct submitter submitters[MAX_SUBMITTERS];
    char name[64];
    const double step = step_ns();
    posse_executor *pool = bench_create(bench, bench->workers);
    bench_check(bench, bench->submitters <= MAX_SUBMITTERS, "too many submitters");
    for (int i = 0; i < bench->submitters; i++)
        submitters[i] = (struct submitter){
            bench, pool, bench_memory(bench, (size_t)tasks * sizeof(posse_future)), tasks, 0};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        for (int i = 0; i < bench->submitters; i++)
            submitters[i].grain = (uint64_t)(lengths[l] * 1e3 / step);
        (void)snprintf(name, sizeof name, "scaling-%dus", lengths[l]);
        bench_report(bench, name, median_ns(bench, submitters), "ns/task");
    }
    for (int i = 0; i < bench->submitters; i++)
        free(submitters[i].futures);
    bench_destroy(bench, pool);
}
