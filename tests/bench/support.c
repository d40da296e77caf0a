/* support.c - clock, output, checks and the common task of the benchmark. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <errno.h>
#include <posse_trace.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double bench_seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

void bench_sleep_us(long us)
{
    struct timespec left = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

void bench_report(const struct bench *bench, const char *scenario, double value, const char *unit)
{
    printf("{\"who\":\"%s\",\"scenario\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"}\n", bench->who,
           scenario, value, unit);
    fflush(stdout);
}

void bench_must(const struct bench *bench, posse_status status, const char *call)
{
    if (status == POSSE_OK)
        return;
    int error = errno;
    fprintf(stderr, "posse_bench: %s, %s: %s gave %s (%s)%s%s\n", bench->who, bench->scenario, call,
            posse_status_name(status), posse_status_message(status),
            status == POSSE_SYSTEM ? ": " : "", status == POSSE_SYSTEM ? strerror(error) : "");
    exit(1);
}

void bench_check(const struct bench *bench, bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "posse_bench: %s, %s: %s\n", bench->who, bench->scenario, what);
    exit(1);
}

void *bench_memory(const struct bench *bench, size_t size)
{
    void *memory = malloc(size);
    bench_check(bench, memory != NULL, "out of memory");
    memset(memory, 1, size);
    return memory;
}

posse_executor *bench_create(const struct bench *bench, long workers)
{
    posse_options options = {
        .struct_size = sizeof options,
        .backend = bench->backend,
        .max_workers = workers,
        .stamps = bench->stamps || bench->trace,
    };
    posse_executor *pool = NULL;
    bench_must(bench, posse_create(&options, &pool), "posse_create");
    if (bench->trace)
        bench_must(bench, posse_trace_start(pool, "/dev/null", POSSE_TRACE_JSON),
                   "posse_trace_start");
    return pool;
}

void bench_destroy(const struct bench *bench, posse_executor *pool)
{
    bench_must(bench, posse_destroy(pool), "posse_destroy");
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int n)
{
    qsort(values, (size_t)n, sizeof *values, ascending);
    return values[n / 2];
}

int bench_count(const struct bench *bench, int full, int smoke)
{
    return bench->smoke ? smoke : full;
}

uint64_t bench_take(const struct bench *bench, posse_future future)
{
    const void *data = NULL;
    size_t size = 0;
    uint64_t value = 0;
    bench_must(bench, posse_result(future, -1, &data, &size), "posse_result");
    bench_check(bench, data != NULL && size == sizeof value, "a result of the wrong size");
    memcpy(&value, data, sizeof value);
    bench_must(bench, posse_release(future), "posse_release");
    return value;
}

uint64_t bench_call(const struct bench *bench, posse_executor *pool, posse_fn *fn, const void *arg,
                    size_t size)
{
    posse_future future;
    bench_must(bench, posse_submit(pool, fn, arg, size, &future), "posse_submit");
    return bench_take(bench, future);
}

/* Never inlined: what is calibrated must be the same instructions as what the tasks run. */
__attribute__((noinline)) uint64_t bench_work(uint64_t arg, uint64_t grain)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < grain; i++) {
        sum += i * i;
        __asm__ volatile("" : "+r"(sum)); /* the sum must be made, step by step */
    }
    return arg + (sum & 0);
}

int bench_echo(posse_task *task, const void *arg, size_t size)
{
    uint64_t in[2] = {0, 0};
    if (arg == NULL || (size != sizeof in[0] && size != sizeof in))
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(in, arg, size);
    uint64_t out = bench_work(in[0], in[1]);
    return posse_task_return(task, &out, sizeof out) == POSSE_OK ? 0 : 1;
}
