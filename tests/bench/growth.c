/* growth.c - how cost grows: with the tasks that wait, with the workers, with the bytes of an
 * argument. Each figure has the size at the end of its name; scale/curves.c draws them.
 *
 * The memory of the machine bounds the sizes: what needs more than half of what is free is left
 * out, and the program says so. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static void report(const struct bench *bench, const char *what, double size, double value,
                   const char *unit)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s-%.0f", what, size);
    bench_report(bench, name, value, unit);
}

static bool has_memory(const struct bench *bench, double bytes)
{
    double pages = -1;
#ifdef _SC_AVPHYS_PAGES
    pages = (double)sysconf(_SC_AVPHYS_PAGES);
#endif
    bool has = pages < 0 || pages * (double)sysconf(_SC_PAGESIZE) > 2 * bytes;
    if (!has)
        fprintf(stderr, "posse_bench: %s: not enough memory for %.0f MB, left out\n",
                bench->scenario, bytes / 1e6);
    return has;
}

/* ---- tasks that wait ---- */

/* Bytes that are left of the tasks once the pool has come to rest: no change for a second. */
static double kept_bytes(const struct bench *bench, double before)
{
    const int quiet = bench_count(bench, 10, 1), most = bench_count(bench, 100, 2);
    double kept = bench_used_bytes(bench) - before;
    for (int i = 0, same = 0; i < most && same < quiet; i++) {
        bench_sleep_us(100000);
        double now = bench_used_bytes(bench) - before;
        same = now < kept || now > kept ? 0 : same + 1;
        kept = now;
    }
    return kept;
}

struct batch {
    posse_executor *pool;
    posse_future *futures;
    int n;
    double before; /* bytes */
};

/* ns a task. In between, with all of them outstanding, notes the bytes used. */
static double run_batch(const struct bench *bench, const struct batch *batch, double *used)
{
    double start = bench_seconds();
    for (int i = 0; i < batch->n; i++) {
        uint64_t value = (uint64_t)i;
        bench_must(bench,
                   posse_submit(batch->pool, bench_echo, &value, sizeof value, &batch->futures[i]),
                   "posse_submit");
    }
    double submitted = bench_seconds() - start;
    *used = bench_used_bytes(bench) - batch->before;
    start = bench_seconds();
    for (int i = 0; i < batch->n; i++)
        bench_check(bench, bench_take(bench, batch->futures[i]) == (uint64_t)i, "a wrong result");
    return (submitted + bench_seconds() - start) * 1e9 / batch->n;
}

/* Each size has a pool of its own: the first batch pays for the pages, the others find them. */
static void grow_tasks(const struct bench *bench, int n)
{
    const int batches = n < 30000 ? 100000 / n : 3;
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    struct batch batch = {pool, bench_memory(bench, (size_t)n * sizeof(posse_future)), n, 0};
    uint64_t value = 0;
    (void)bench_call(bench, pool, bench_echo, &value, sizeof value);
    batch.before = bench_used_bytes(bench);
    double used, ignored, first = run_batch(bench, &batch, &used), again = first;
    for (int i = 0; i < batches; i++) {
        double ns = run_batch(bench, &batch, &ignored);
        again = ns < again ? ns : again;
    }
    report(bench, "growth-tasks-first", n, first, "ns/task");
    report(bench, "growth-tasks-again", n, again, "ns/task");
    report(bench, "growth-tasks-bytes", n, used / n, "bytes/task");
    report(bench, "growth-tasks-used", n, used / 1e6, "MB");
    report(bench, "growth-tasks-kept", n, kept_bytes(bench, batch.before) / 1e6, "MB");
    bench_destroy(bench, pool);
    free(batch.futures);
}

void bench_growth_tasks(const struct bench *bench)
{
    const double bytes = 320; /* a task with its future, and some room */
    const int most = bench_count(bench, 10000000, 1000);
    for (int n = 100; n <= most; n *= 10)
        if (has_memory(bench, n * bytes))
            grow_tasks(bench, n);
}

/* ---- workers ---- */

static int parent_task(posse_task *task, const void *arg, size_t size)
{
    uint64_t parent = (uint64_t)getppid();
    return posse_task_return(task, &parent, sizeof parent) == POSSE_OK ? 0 : 1;
}

/* A number after a word in a file of /proc; 0: there is none. */
static double number_in(const char *directory, const char *file, const char *word)
{
    char path[300], line[256];
    double value = 0;
    (void)snprintf(path, sizeof path, "/proc/%s/%s", directory, file);
    FILE *opened = fopen(path, "re");
    while (opened && value == 0 && fgets(line, sizeof line, opened))
        if (strncmp(line, word, strlen(word)) == 0)
            value = strtod(line + strlen(word), NULL);
    if (opened)
        (void)fclose(opened);
    return value;
}

/* What the children of a process have of memory: each shared page counts for its share. */
static double children_bytes(long parent)
{
    double sum = 0;
    DIR *proc = opendir("/proc");
    for (struct dirent *entry = proc ? readdir(proc) : NULL; entry; entry = readdir(proc))
        if ((long)number_in(entry->d_name, "status", "PPid:") == parent)
            sum += number_in(entry->d_name, "smaps_rollup", "Pss:") * 1024;
    if (proc)
        (void)closedir(proc);
    return sum;
}

static double workers_bytes(const struct bench *bench, posse_executor *pool, double before)
{
    if (bench->backend == POSSE_THREAD)
        return bench_used_bytes(bench) - before;
    return children_bytes((long)bench_call(bench, pool, parent_task, NULL, 0));
}

/* ns a task, the best of some batches: each is shorter than what a busy machine disturbs. */
static double tasks_ns(const struct bench *bench, posse_executor *pool)
{
    const int n = bench_count(bench, 20000, 100), batches = bench_count(bench, 20, 2);
    posse_future *futures = bench_memory(bench, (size_t)n * sizeof *futures);
    double best = 0;
    for (int batch = 0; batch < batches; batch++) {
        double start = bench_seconds();
        for (int i = 0; i < n; i++) {
            uint64_t value = (uint64_t)i;
            bench_must(bench, posse_submit(pool, bench_echo, &value, sizeof value, &futures[i]),
                       "posse_submit");
        }
        for (int i = 0; i < n; i++)
            bench_check(bench, bench_take(bench, futures[i]) == (uint64_t)i, "a wrong result");
        double elapsed = bench_seconds() - start;
        best = batch == 0 || elapsed < best ? elapsed : best;
    }
    free(futures);
    return best * 1e9 / n;
}

/* Until all workers have started and wait for work. */
static void await_workers(const struct bench *bench, posse_executor *pool, uint64_t count)
{
    const long step_us = 200, limit_us = 60000000;
    posse_stats stats = {.struct_size = sizeof stats};
    for (long waited = 0; waited < limit_us; waited += step_us) {
        bench_must(bench, posse_get_stats(pool, &stats), "posse_get_stats");
        if (stats.workers_idle == count)
            return;
        bench_sleep_us(step_us);
    }
    bench_check(bench, false, "the workers do not start");
}

void bench_growth_workers(const struct bench *bench)
{
    static const int counts[] = {1, 3, 10, 30, 100, 300, 1000};
    const int n = bench_count(bench, sizeof counts / sizeof *counts, 3);
    for (int i = 0; i < n; i++) {
        double before = bench_used_bytes(bench), start = bench_seconds();
        posse_executor *pool = bench_create(bench, counts[i]);
        await_workers(bench, pool, (uint64_t)counts[i]);
        double created = bench_seconds() - start;
        double bytes = workers_bytes(bench, pool, before), ns = tasks_ns(bench, pool);
        report(bench, "growth-workers-create", counts[i], created * 1e6 / counts[i], "us/worker");
        report(bench, "growth-workers-ns", counts[i], ns, "ns/task");
        report(bench, "growth-workers-bytes", counts[i], bytes / counts[i], "bytes/worker");
        bench_destroy(bench, pool);
    }
}

/* ---- bytes of an argument ---- */

static int ends_task(posse_task *task, const void *arg, size_t size)
{
    const unsigned char *bytes = arg;
    uint64_t value = size ? (uint64_t)(bytes[0] + bytes[size - 1]) : 0;
    return posse_task_return(task, &value, sizeof value) == POSSE_OK ? 0 : 1;
}

/* Arguments of one size that are under way at the same time, and the copies that they need. */
struct arguments {
    posse_executor *pool;
    posse_future *futures;
    unsigned char *from, *to;
    size_t size, n;
};

/* Seconds. */
static double send(const struct bench *bench, const struct arguments *all)
{
    double start = bench_seconds();
    for (size_t i = 0; i < all->n; i++)
        bench_must(bench,
                   posse_submit(all->pool, ends_task, all->from, all->size, &all->futures[i]),
                   "posse_submit");
    for (size_t i = 0; i < all->n; i++)
        bench_check(bench, bench_take(bench, all->futures[i]) == 2, "a task saw other bytes");
    return bench_seconds() - start;
}

/* Seconds; step: the bytes from one copy to the next. */
static double copy(const struct arguments *all, size_t step)
{
    double start = bench_seconds();
    for (size_t i = 0; i < all->n; i++) {
        memcpy(all->to + i * step, all->from, all->size);
        __asm__ volatile("" : : "r"(all->to) : "memory"); /* each copy must be made */
    }
    return bench_seconds() - start;
}

static void keep_most(double *most, double value) { *most = value > *most ? value : *most; }

/* The argument of a task that has ended makes room for the next. So copies to one place bound posse
 * above, and copies to a place for each argument do where no task has ended by then. */
static void grow_bytes(const struct bench *bench, const struct arguments *all)
{
    struct bench one = *bench, each = *bench;
    one.who = "memcpy to one place";
    each.who = "memcpy to a place for each";
    const double gigabytes = (double)all->size * (double)all->n / 1e9;
    double sent = 0, copied_to_one = 0, copied_to_each = 0;
    (void)send(bench, all); /* warms up: the pages of the arguments */
    for (int round = 0; round < bench_count(bench, 10, 1); round++) {
        keep_most(&sent, gigabytes / send(bench, all));
        keep_most(&copied_to_one, gigabytes / copy(all, 0));
        keep_most(&copied_to_each, gigabytes / copy(all, all->size));
    }
    report(bench, "growth-bytes", (double)all->size, sent, "GB/s");
    report(&one, "growth-bytes", (double)all->size, copied_to_one, "GB/s");
    report(&each, "growth-bytes", (double)all->size, copied_to_each, "GB/s");
}

void bench_growth_bytes(const struct bench *bench)
{
    enum { MAX_TASKS = 1 << 14 };
    const size_t most = (size_t)bench_count(bench, 64 << 20, 4096);
    struct arguments all = {.futures = bench_memory(bench, MAX_TASKS * sizeof *all.futures),
                            .from = bench_memory(bench, most),
                            .to = bench_memory(bench, most)};
    for (all.size = 8; all.size <= most; all.size *= all.size == 32u << 20 ? 2 : 4) {
        all.n = most / all.size < MAX_TASKS ? most / all.size : MAX_TASKS;
        all.pool = bench_create(bench, BENCH_WORKERS);
        grow_bytes(bench, &all);
        bench_destroy(bench, all.pool);
    }
    free(all.futures);
    free(all.from);
    free(all.to);
}
