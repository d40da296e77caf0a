/* subject.c - a program that posse-top is shown, with executors in several states.
 *
 * usage: subject states | threads | idle | destroyed | wild SEED
 *
 * Prints "ready", then for each line that it reads the counts of its executors, as JSON by their
 * names. Ends at the end of its input.
 *   states   idle, busy (a named task, one with a time limit, one of a map, and a queue), lossy
 *            (has lost workers and tasks), large (holds blocks), stamped, ended (shut down),
 *            broken, one with threads, which is busy, and one inline
 *   threads  one with threads alone
 *   idle     one at rest
 *   destroyed  one, which is destroyed before the first counts, and another before the second
 *   wild     its tasks write random bytes over its shared memory, again and again
 */
#include "pool/pool.h"
#include "posse.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define CHECK(call)                                                                                \
    do {                                                                                           \
        if ((call) != POSSE_OK) {                                                                  \
            fprintf(stderr, "subject: %s: %s\n", #call, posse_last_error());                       \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define MAX_POOLS 16

static struct {
    const char *name;
    posse_executor *pool;
} pools[MAX_POOLS];
static unsigned n_pools;

/* ---- tasks ---- */

static int wait_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg;
    (void)size;
    while (!posse_task_cancelled(task))
        usleep(10000);
    return 0;
}

static int function_to_find(posse_task *task, const void *arg, size_t size)
{
    return wait_task(task, arg, size);
}

static int map_function(posse_task *task, const void *const *items, void *result)
{
    (void)items;
    (void)result;
    return wait_task(task, NULL, 0);
}

static int fail_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg;
    (void)size;
    return posse_task_fail(task, 7, "on purpose");
}

static int done_task(posse_task *task, const void *arg, size_t size)
{
    return (int)posse_task_return(task, arg, size);
}

static int die_task(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)arg;
    (void)size;
    return raise(SIGKILL);
}

static int refuse_to_start(posse_task *task, const void *arg, size_t size)
{
    (void)arg;
    (void)size;
    return posse_task_fail(task, 1, "no \"start\"\n\033[31m\\ here");
}

/* Writes over the header, the tables' first pages and what follows them. The state of the dice is
 * the seed's. */
static int wild_task(posse_task *task, const void *arg, size_t size)
{
    struct pi_segment *s = &posse_task_executor(task)->segment;
    char *const from[] = {(char *)s->header,       (char *)s->workers,     (char *)s->slots.at,
                          (char *)s->slots.groups, (char *)s->arena.units, (char *)s->arena.bytes,
                          (char *)s->header,       (char *)s->arena.tags};
    const size_t bytes[] = {sizeof *s->header, 1024, 4096, 64, 256, 4096, 128, 4096};
    uint64_t dice;
    (void)size;
    memcpy(&dice, arg, sizeof dice);
    for (int i = 0; i < 200000; i++) {
        dice = dice * 6364136223846793005u + 1442695040888963407u;
        size_t part = dice >> 61, at = (dice >> 20) % bytes[part];
        if (at < bytes[part] - 8)
            memcpy(from[part] + at, &dice, 1 + (dice >> 13) % 8);
        if (i % 64 == 0)
            usleep(50);
    }
    return 0;
}

/* ---- executors ---- */

static posse_executor *make(const char *name, posse_options options)
{
    posse_executor *pool;
    options.struct_size = sizeof options;
    options.worker_name_prefix = name;
    CHECK(posse_create(&options, &pool));
    pools[n_pools].name = name;
    pools[n_pools++].pool = pool;
    return pool;
}

static void submit(posse_executor *pool, posse_job job)
{
    posse_future future; /* kept, as is its result */
    job.struct_size = sizeof job;
    CHECK(posse_submit_with(pool, &job, &future));
}

static posse_stats stats_of(posse_executor *pool)
{
    posse_stats stats = {.struct_size = sizeof stats};
    CHECK(posse_get_stats(pool, &stats));
    return stats;
}

static void await_running(posse_executor *pool, uint64_t tasks)
{
    while (stats_of(pool).running < tasks)
        usleep(1000);
}

/* All tasks have ended, and the workers are there again. */
static void await_rest(posse_executor *pool, uint64_t workers)
{
    for (posse_stats s = stats_of(pool); s.queued || s.running || s.workers_idle < workers;
         s = stats_of(pool))
        usleep(1000);
}

static void await_break(posse_executor *pool)
{
    posse_error error = {.struct_size = sizeof error};
    while (posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_OK)
        usleep(1000);
}

static void make_busy(void)
{
    static posse_map_iter *map; /* goes on */
    posse_executor *pool = make("busy", (posse_options){.max_workers = 3});
    static const long item = 1;
    static const posse_input input = {.data = &item, .size = sizeof item};
    posse_map_job job = {
        .struct_size = sizeof job, .fn = map_function, .inputs = &input, .n_inputs = 1, .count = 1};
    CHECK(posse_map_open(pool, &job, &map));
    submit(pool, (posse_job){.fn = function_to_find, .name = "gr\u00fcn \"a\\b\"\033[2J\t"});
    submit(pool, (posse_job){.fn = wait_task, .timeout_ms = 3600000});
    await_running(pool, 3);
    for (int i = 0; i < 500; i++)
        submit(pool, (posse_job){.fn = done_task, .arg = "x", .size = 1});
}

static void make_lossy(void)
{
    posse_executor *pool = make("lossy", (posse_options){.max_workers = 2});
    for (int i = 0; i < 3; i++)
        submit(pool, (posse_job){.fn = die_task});
    for (int i = 0; i < 20; i++)
        submit(pool, (posse_job){.fn = i % 4 ? done_task : fail_task, .arg = "x", .size = 1});
    await_rest(pool, 2);
}

static void make_large(void)
{
    static char argument[200000];
    posse_executor *pool = make("large", (posse_options){.max_workers = 1});
    for (size_t size = 100; size < sizeof argument; size *= 2)
        submit(pool, (posse_job){.fn = done_task, .arg = argument, .size = size});
    await_rest(pool, 1);
}

static int rename_task(posse_task *task, const void *arg, size_t size)
{
    prctl(PR_SET_NAME, "fresh task");
    return wait_task(task, arg, size);
}

static int states(void)
{
    static char large[100000]; /* the process that a fresh worker keeps has no room for it */
    posse_executor *pool = make("idle", (posse_options){.max_workers = 2});
    submit(pool, (posse_job){.fn = done_task, .arg = "x", .size = 1});
    await_rest(pool, 2);
    make_busy();
    make_lossy();
    make_large();
    pool = make("stamped", (posse_options){.max_workers = 1, .stamps = 1});
    submit(pool, (posse_job){.fn = wait_task});
    await_running(pool, 1);
    pool = make("fresh", (posse_options){.max_workers = 1, .isolation = POSSE_FRESH});
    submit(pool, (posse_job){.fn = rename_task, .arg = large, .size = sizeof large});
    await_running(pool, 1);
    pool = make("ended", (posse_options){.max_workers = 1});
    CHECK(posse_shutdown(pool, 0, -1));
    pool = make("broken", (posse_options){.max_workers = 1, .initializer = refuse_to_start});
    await_break(pool);
    pool = make("threads", (posse_options){.max_workers = 1, .backend = POSSE_THREAD});
    submit(pool, (posse_job){.fn = wait_task});
    await_running(pool, 1);
    pool = make("inline", (posse_options){.backend = POSSE_INLINE});
    submit(pool, (posse_job){.fn = done_task, .arg = "x", .size = 1});
    return 0;
}

static int go_wild(const char *seed)
{
    uint64_t dice = strtoull(seed, NULL, 10) * 0x9e3779b97f4a7c15u + 1;
    posse_executor *pool = make("wild", (posse_options){.max_workers = 2});
    for (int i = 0; i < 8; i++, dice += 77)
        submit(pool, (posse_job){.fn = wild_task, .arg = &dice, .size = sizeof dice});
    return 0;
}

/* ---- the program ---- */

static void print_counts(void)
{
    printf("{");
    for (unsigned i = 0; i < n_pools; i++) {
        posse_stats s = stats_of(pools[i].pool);
        printf("%s\"%s\":{", i ? "," : "", pools[i].name);
#define PRINT(name) printf("\"" #name "\":%" PRIu64 ",", s.name)
        PRINT(workers);
        PRINT(workers_idle);
        PRINT(workers_started);
        PRINT(workers_lost);
        PRINT(queued);
        PRINT(running);
        PRINT(done);
        PRINT(failed);
        PRINT(cancelled);
        PRINT(timed_out);
        PRINT(lost);
        PRINT(futures);
        PRINT(memory_blocks);
        PRINT(memory_reserved);
        PRINT(memory_committed);
#undef PRINT
        printf("\"memory_used\":%" PRIu64 "}", s.memory_used);
    }
    printf("}\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    char line[16];
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "states") == 0)
        states();
    else if (strcmp(what, "threads") == 0)
        (void)make("threads", (posse_options){.max_workers = 1, .backend = POSSE_THREAD});
    else if (strcmp(what, "idle") == 0)
        (void)make("idle", (posse_options){.max_workers = 2});
    else if (strcmp(what, "destroyed") == 0)
        (void)make("first", (posse_options){.max_workers = 1});
    else if (strcmp(what, "wild") == 0 && argc == 3)
        go_wild(argv[2]);
    else
        return 2;
    printf("ready\n");
    fflush(stdout);
    for (unsigned lines = 1; fgets(line, sizeof line, stdin); lines++) {
        if (strcmp(what, "destroyed") == 0 && lines == 1)
            CHECK(posse_destroy(pools[--n_pools].pool));
        if (strcmp(what, "destroyed") == 0 && lines == 2)
            (void)make("second", (posse_options){.max_workers = 1});
        print_counts();
    }
    _exit(0);
}
