/* speed.c - what a task costs: many at once (submit, metg50, sum), one at a time (roundtrip).
 *
 * Submitting and reading are done by one thread, as a program would; every result is read in place,
 * compared and released. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdlib.h>
#include <string.h>

/* A pool and room for the futures of its largest batch. */
struct batches {
    const struct bench *bench;
    posse_executor *pool;
    posse_future *futures;
};

static struct batches batches_begin(const struct bench *bench, uint64_t largest)
{
    return (struct batches){
        .bench = bench,
        .pool = bench_create(bench, BENCH_WORKERS),
        .futures = bench_memory(bench, (size_t)largest * sizeof(posse_future)),
    };
}

static void batches_end(struct batches *batches)
{
    bench_destroy(batches->bench, batches->pool);
    free(batches->futures);
}

/* Submits n tasks of grain steps. Without a grain the argument has 8 bytes. */
typedef void submit_all(struct batches *batches, uint64_t n, uint64_t grain);

static void one_by_one(struct batches *batches, uint64_t n, uint64_t grain)
{
    const struct bench *bench = batches->bench;
    size_t size = grain > 0 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t arg[2] = {i, grain};
        bench_must(bench, posse_submit(batches->pool, bench_echo, arg, size, &batches->futures[i]),
                   "posse_submit");
    }
}

enum { JOBS = 1000 }; /* in one call */

static void by_thousands(struct batches *batches, uint64_t n, uint64_t grain)
{
    const struct bench *bench = batches->bench;
    uint64_t args[JOBS][2];
    posse_job jobs[JOBS];
    for (uint64_t first = 0; first < n; first += JOBS) {
        size_t here = n - first < JOBS ? (size_t)(n - first) : JOBS, accepted;
        for (size_t i = 0; i < here; i++) {
            args[i][0] = first + i;
            args[i][1] = grain;
            jobs[i] = (posse_job){.struct_size = sizeof *jobs,
                                  .fn = bench_echo,
                                  .arg = args[i],
                                  .size = sizeof(uint64_t) * (grain > 0 ? 2 : 1)};
        }
        bench_must(
            bench,
            posse_submit_many(batches->pool, jobs, here, &batches->futures[first], &accepted),
            "posse_submit_many");
    }
}

/* Seconds until all are submitted, and then all are read. */
static double batch(struct batches *batches, submit_all *submit, uint64_t n, uint64_t grain)
{
    const struct bench *bench = batches->bench;
    double start = bench_seconds();
    submit(batches, n, grain);
    uint64_t wrong = 0;
    for (uint64_t i = 0; i < n; i++)
        wrong += bench_take(bench, batches->futures[i]) != i;
    double elapsed = bench_seconds() - start;
    bench_check(bench, wrong == 0, "a task gave another task's result");
    return elapsed;
}

static void submit_million(const struct bench *bench, submit_all *submit)
{
    const uint64_t n = (uint64_t)bench_count(bench, 1000000, 2000);
    const int repeats = bench_count(bench, 5, 1);
    struct batches batches = batches_begin(bench, n);
    double best = batch(&batches, submit, n, 0); /* warms up: the pages of a million slots */
    for (int i = 0; i < repeats; i++) {
        double elapsed = batch(&batches, submit, n, 0);
        if (i == 0 || elapsed < best)
            best = elapsed;
    }
    bench_report(bench, bench->scenario, best / (double)n * 1e9, "ns/task");
    batches_end(&batches);
}

void bench_submit(const struct bench *bench) { submit_million(bench, one_by_one); }

void bench_submit_many(const struct bench *bench) { submit_million(bench, by_thousands); }

static double roundtrip(const struct bench *bench, posse_executor *pool, uint64_t value)
{
    double start = bench_seconds();
    uint64_t result = bench_call(bench, pool, bench_echo, &value, sizeof value);
    double elapsed = bench_seconds() - start;
    bench_check(bench, result == value, "a wrong result");
    return elapsed;
}

void bench_roundtrip_hot(const struct bench *bench)
{
    const int rounds = bench_count(bench, 20000, 500);
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    double start = bench_seconds();
    for (int i = 0; i < rounds; i++)
        (void)roundtrip(bench, pool, (uint64_t)i);
    double elapsed = bench_seconds() - start;
    bench_report(bench, bench->scenario, elapsed / rounds * 1e6, "us");
    bench_destroy(bench, pool);
}

void bench_roundtrip_parked(const struct bench *bench)
{
    const int rounds = bench_count(bench, 300, 10);
    double *times = bench_memory(bench, (size_t)rounds * sizeof *times);
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    for (int i = 0; i < rounds; i++) {
        bench_sleep_us(2000); /* long enough for every worker to have gone to sleep */
        times[i] = roundtrip(bench, pool, (uint64_t)i);
    }
    bench_report(bench, bench->scenario, bench_median(times, rounds) * 1e6, "us");
    bench_destroy(bench, pool);
    free(times);
}

static double ns_per_step(void)
{
    const uint64_t probe = 2000000;
    double start = bench_seconds();
    (void)bench_work(0, probe);
    return (bench_seconds() - start) / (double)probe * 1e9;
}

/* How many tasks of ns nanoseconds make a batch that is worth timing: the peers' formula. */
static uint64_t metg50_tasks(const struct bench *bench, double ns)
{
    return bench->smoke ? 100 : (uint64_t)(2e8 / (ns + 200)) + 1000;
}

void bench_metg50(const struct bench *bench)
{
    const double shortest = 20, longest = 1e6;
    struct batches batches = batches_begin(bench, metg50_tasks(bench, shortest));
    double step = ns_per_step(), found = longest;
    for (double ns = shortest; ns < longest; ns *= 1.25) {
        uint64_t grain = (uint64_t)(ns / step) + 1, n = metg50_tasks(bench, ns);
        (void)batch(&batches, one_by_one, n / 10, grain);
        double ideal = (double)n * ns * 1e-9 / (double)BENCH_WORKERS;
        if (ideal / batch(&batches, one_by_one, n, grain) >= 0.5) {
            found = ns;
            break;
        }
    }
    bench_report(bench, bench->scenario, found, "ns");
    batches_end(&batches);
}

/* Never inlined: copies of so short a loop differ by half in speed, by their alignment alone, and
 * serial and parallel must run the same instructions. */
__attribute__((noinline)) static uint64_t sum_of_squares(uint64_t n)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++) {
        sum += i * i;
        __asm__ volatile("" : "+r"(sum)); /* or the loop becomes a formula */
    }
    return sum;
}

static int sum_task(posse_task *task, const void *arg, size_t size)
{
    uint64_t n = 0;
    if (size != sizeof n)
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(&n, arg, sizeof n);
    uint64_t sum = sum_of_squares(n);
    return posse_task_return(task, &sum, sizeof sum) == POSSE_OK ? 0 : 1;
}

enum { SUM_TASKS = 20 };

static double sum_parallel(const struct bench *bench, posse_executor *pool, uint64_t n,
                           uint64_t expected)
{
    posse_future futures[SUM_TASKS];
    double start = bench_seconds();
    for (int i = 0; i < SUM_TASKS; i++)
        bench_must(bench, posse_submit(pool, sum_task, &n, sizeof n, &futures[i]), "posse_submit");
    uint64_t total = 0;
    for (int i = 0; i < SUM_TASKS; i++)
        total += bench_take(bench, futures[i]);
    double elapsed = bench_seconds() - start;
    bench_check(bench, total == expected, "a wrong sum");
    return elapsed;
}

void bench_sum(const struct bench *bench)
{
    enum { ROUNDS = 5 };
    const uint64_t n = (uint64_t)bench_count(bench, 5000000, 5000);
    double ratios[ROUNDS];
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    for (int r = 0; r < ROUNDS;
         r++) { /* serial and parallel by turns: the machine's mood changes */
        double start = bench_seconds();
        uint64_t total = 0;
        for (int i = 0; i < SUM_TASKS; i++)
            total += sum_of_squares(n);
        double serial = bench_seconds() - start;
        ratios[r] = serial / sum_parallel(bench, pool, n, total);
    }
    bench_report(bench, bench->scenario, bench_median(ratios, ROUNDS), "x");
    bench_destroy(bench, pool);
}
