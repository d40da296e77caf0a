/* footprint.c - what a pool takes from the machine: processor time while idle, shared memory while
 * loaded.
 *
 * Both are read from /proc, from outside the library, so that what it does unseen is counted too.
 * Where there is no such /proc the scenarios say so and give no figure. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* RUSAGE_THREAD */
#endif

#include "bench.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#ifdef __linux__

/* ---- tasks that hold the workers, and tell who they are ---- */

/* In memory from posse_alloc. */
struct roll {
    _Atomic int arrived;
    _Atomic bool open; /* the gate: tasks leave when it is */
    _Atomic long pid[BENCH_WORKERS];
    _Atomic long parent;
};

/* Takes a worker for itself until the gate opens: no worker can run two of these. */
static int roll_task(posse_task *task, const void *arg, size_t size)
{
    const long step_us = 200, limit_us = 60000000;
    struct roll *roll = NULL;
    if (size != sizeof roll)
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(&roll, arg, sizeof roll);
    int place = atomic_fetch_add(&roll->arrived, 1);
    if (place < 0 || place >= BENCH_WORKERS)
        return posse_task_fail(task, 2, "%d tasks came, not %d", place + 1, BENCH_WORKERS);
    atomic_store(&roll->pid[place], (long)getpid());
    atomic_store(&roll->parent, (long)getppid());
    for (long waited = 0; waited < limit_us && !atomic_load(&roll->open); waited += step_us)
        bench_sleep_us(step_us);
    uint64_t result = (uint64_t)place;
    if (!atomic_load(&roll->open))
        return posse_task_fail(task, 3, "the gate stayed shut");
    return posse_task_return(task, &result, sizeof result) == POSSE_OK ? 0 : 1;
}

/* Makes the roll, and returns when every worker is in it. */
static struct roll *roll_begin(const struct bench *bench, posse_executor *pool,
                               posse_future futures[BENCH_WORKERS])
{
    const long step_us = 200, limit_us = 10000000;
    void *memory = NULL;
    bench_must(bench, posse_alloc(pool, sizeof(struct roll), &memory), "posse_alloc");
    memset(memory, 0, sizeof(struct roll));
    struct roll *roll = memory;
    for (int i = 0; i < BENCH_WORKERS; i++)
        bench_must(bench, posse_submit(pool, roll_task, &roll, sizeof roll, &futures[i]),
                   "posse_submit");
    for (long waited = 0; waited < limit_us; waited += step_us) {
        if (atomic_load(&roll->arrived) == BENCH_WORKERS && atomic_load(&roll->parent) != 0 &&
            atomic_load(&roll->pid[0]) != 0 && atomic_load(&roll->pid[1]) != 0)
            return roll;
        bench_sleep_us(step_us);
    }
    bench_check(bench, false, "two tasks do not run on two workers at once");
    return NULL;
}

static void roll_end(const struct bench *bench, struct roll *roll,
                     const posse_future futures[BENCH_WORKERS])
{
    uint64_t sum = 0;
    atomic_store(&roll->open, true);
    for (int i = 0; i < BENCH_WORKERS; i++)
        sum += bench_take(bench, futures[i]);
    bench_check(bench, sum == 1, "the same worker twice"); /* places 0 and 1 */
}

/* ---- idle ---- */

struct usage {
    double us;       /* of processor time */
    double switches; /* times it left a processor: an idle thread that leaves one has been awake */
};

static bool read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t length = fread(text, 1, size - 1, file);
    text[length] = '\0';
    (void)fclose(file);
    return length > 0;
}

/* schedstat counts nanoseconds. stat counts ticks of 10 ms, but every system has it. */
static double thread_us(const char *dir)
{
    char path[160], text[1024];
    unsigned long long ns = 0, user = 0, system = 0;
    (void)snprintf(path, sizeof path, "%s/schedstat", dir);
    if (read_file(path, text, sizeof text) && sscanf(text, "%llu", &ns) == 1 && ns > 0)
        return (double)ns / 1e3;
    (void)snprintf(path, sizeof path, "%s/stat", dir);
    if (!read_file(path, text, sizeof text))
        return 0;
    const char *rest = strrchr(text, ')'); /* the name before it may hold anything */
    if (rest == NULL || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                               &user, &system) != 2)
        return 0;
    return (double)(user + system) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static double thread_switches(const char *dir)
{
    static const char *const names[] = {"\nvoluntary_ctxt_switches:",
                                        "\nnonvoluntary_ctxt_switches:"};
    char path[160], text[8192];
    double sum = 0;
    (void)snprintf(path, sizeof path, "%s/status", dir);
    if (!read_file(path, text, sizeof text))
        return 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *line = strstr(text, names[i]);
        sum += line != NULL ? strtod(line + strlen(names[i]), NULL) : 0;
    }
    return sum;
}

/* All threads of a process but the one that measures, which is this program's first. */
static struct usage process_usage(const struct bench *bench, long pid)
{
    char path[64], thread[128];
    struct usage usage = {0, 0};
    (void)snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR *dir = opendir(path);
    bench_check(bench, dir != NULL, "a process of the pool is gone, or there is no /proc");
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        long id = strtol(entry->d_name, NULL, 10);
        if (id <= 0 || id == (long)getpid())
            continue;
        (void)snprintf(thread, sizeof thread, "%s/%ld", path, id);
        usage.us += thread_us(thread);
        usage.switches += thread_switches(thread);
    }
    (void)closedir(dir);
    return usage;
}

/* The thread that measures: its one sleep costs up to 100 us here, more than anything else in the
 * scenario, so its time is left out. That nothing else has woken it still shows. */
static double own_switches(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_THREAD, &usage);
    return (double)(usage.ru_nvcsw + usage.ru_nivcsw);
}

enum { IDLE_PROCESSES = BENCH_WORKERS + 2 };

/* Workers, their parent, this program: each once. Returns how many. */
static int idle_processes(const struct bench *bench, struct roll *roll, long pids[IDLE_PROCESSES])
{
    int n = 0;
    pids[n++] = (long)getpid();
    if (bench->backend == POSSE_THREAD)
        return n;
    for (int i = 0; i < BENCH_WORKERS; i++)
        pids[n++] = atomic_load(&roll->pid[i]);
    pids[n++] = atomic_load(&roll->parent);
    for (int i = 1; i < n; i++)
        bench_check(bench, pids[i] != pids[0], "the workers are not processes of their own");
    return n;
}

static struct usage sum_usage(const struct bench *bench, const long *pids, int n)
{
    struct usage sum = {0, 0};
    for (int i = 0; i < n; i++) {
        struct usage one = process_usage(bench, pids[i]);
        sum.us += one.us;
        sum.switches += one.switches;
    }
    return sum;
}

void bench_idle(const struct bench *bench)
{
    const long settle_us = bench_count(bench, 500000, 50000);
    const long idle_us = bench_count(bench, 2000000, 200000);
    posse_future futures[BENCH_WORKERS];
    long pids[IDLE_PROCESSES];
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    struct roll *roll = roll_begin(bench, pool, futures);
    int n = idle_processes(bench, roll, pids);
    roll_end(bench, roll, futures);
    bench_sleep_us(settle_us); /* what they do at the end of their work is not idling */
    struct usage before = sum_usage(bench, pids, n);
    double own_before = own_switches();
    bench_sleep_us(idle_us);
    double own = own_switches() - own_before - 1; /* the sleep is one */
    struct usage after = sum_usage(bench, pids, n);
    bench_report(bench, "idle", after.us - before.us, "us");
    bench_report(bench, "idle-switches", after.switches - before.switches + own, "count");
    bench_must(bench, posse_free(pool, roll), "posse_free");
    bench_destroy(bench, pool);
}

/* ---- memory ---- */

/* Blocks of the file that is mapped at from..to; false if the kernel does not let us ask. */
static bool mapping_bytes(unsigned long from, unsigned long to, double *bytes)
{
    char path[96];
    struct stat status;
    (void)snprintf(path, sizeof path, "/proc/self/map_files/%lx-%lx", from, to);
    if (stat(path, &status) != 0)
        return false;
    *bytes = (double)status.st_blocks * 512;
    return true;
}

/* A size in kB from /proc/self/status, in bytes. */
static double status_bytes(const struct bench *bench, const char *name)
{
    char text[8192];
    bench_check(bench, read_file("/proc/self/status", text, sizeof text), "no /proc/self/status");
    const char *line = strstr(text, name);
    bench_check(bench, line != NULL, "a size is missing in /proc/self/status");
    return strtod(line + strlen(name), NULL) * 1024;
}

/* Bytes that all shared segments of this program hold, touched or not. */
static double shared_bytes(const struct bench *bench)
{
    enum { MAX_FILES = 64 };
    unsigned long seen[MAX_FILES];
    int files = 0;
    char line[4608];
    double sum = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    bench_check(bench, maps != NULL, "no /proc/self/maps");
    while (fgets(line, sizeof line, maps) != NULL && files < MAX_FILES) {
        unsigned long from, to, inode;
        char shared;
        if (sscanf(line, "%lx-%lx %*3c%c %*x %*s %lu", &from, &to, &shared, &inode) != 4)
            continue;
        bool known = shared != 's';
        for (int i = 0; i < files; i++) /* one file may be mapped in pieces */
            known = known || seen[i] == inode;
        if (known)
            continue;
        double bytes = 0;
        if (!mapping_bytes(from, to, &bytes)) {
            (void)fclose(maps);
            return status_bytes(bench, "\nRssShmem:"); /* only what is mapped by now */
        }
        seen[files++] = inode;
        sum += bytes;
    }
    (void)fclose(maps);
    return sum;
}

/* Threads need not share memory to share it: what they use is private to the program. */
double bench_used_bytes(const struct bench *bench)
{
    return shared_bytes(bench) + status_bytes(bench, "\nRssAnon:");
}

void bench_memory_per_task(const struct bench *bench)
{
    const int n = bench_count(bench, 200000, 2000);
    posse_future blockers[BENCH_WORKERS];
    posse_future *futures = bench_memory(bench, (size_t)n * sizeof *futures);
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    struct roll *roll = roll_begin(bench, pool, blockers);
    double before = bench_used_bytes(bench);
    for (int i = 0; i < n; i++) {
        uint64_t value = (uint64_t)i;
        bench_must(bench, posse_submit(pool, bench_echo, &value, sizeof value, &futures[i]),
                   "posse_submit");
    }
    double growth = bench_used_bytes(bench) - before;
    roll_end(bench, roll, blockers);
    for (int i = 0; i < n; i++)
        bench_check(bench, bench_take(bench, futures[i]) == (uint64_t)i, "a wrong result");
    bench_report(bench, bench->scenario, growth / n, "bytes/task");
    bench_must(bench, posse_free(pool, roll), "posse_free");
    bench_destroy(bench, pool);
    free(futures);
}

#else

static void skip(const struct bench *bench)
{
    fprintf(stderr, "posse_bench: %s, %s: needs the /proc of Linux, left out\n", bench->who,
            bench->scenario);
}

double bench_used_bytes(const struct bench *bench) { return 0; }

void bench_idle(const struct bench *bench) { skip(bench); }

void bench_memory_per_task(const struct bench *bench) { skip(bench); }

#endif
