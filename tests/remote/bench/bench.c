/* bench.c - what a task in an agent of this machine costs: posse_remote_bench [word...].
 *
 *   unix, tcp    how agents connect: the first, or TCP of loopback
 *   RELAY        a path of posse-relay, with a slash in it: by MPI
 *   one, two     two places in one agent (without a word), or in two
 *   tasks        tasks/s: empty tasks, all submitted at once, with 2 places
 *   map          map items/s: a map of empty items
 *   trip         round trip: one empty task after another: submit, result, release
 *   bytes        MB/s: a task with 16 MB of argument, and one with 16 MB of result
 *   naps         tasks/s: tasks of 1 ms, with 64 places in one agent
 *   idle         says so, and does nothing for 3 seconds
 *   places       how long 128 places take until each has run a task
 *   1000         the same of 1,000
 *
 * Without a word of the last eight: all of them but the last, and not idle.
 */
#include <posse_remote.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(posse_status status, const char *what)
{
    if (status == POSSE_OK)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, posse_status_name(status), posse_last_error());
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int empty_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)arg, (void)size;
    return 0;
}

static int empty_item(posse_task *task, const void *const *items, void *result)
{
    (void)task;
    memcpy(result, items[0], sizeof(long));
    return 0;
}

static int giving_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    return posse_task_reserve(task, (size_t)16 << 20) == NULL;
}

static const char *relay;

static posse_executor *make(const char *nodes, const char *listen)
{
    posse_executor *pool;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = relay ? POSSE_LAUNCH_MPI_RELAY : POSSE_LAUNCH_LOCAL,
                                   .nodes = relay ? "localhost:2" : nodes,
                                   .listen = listen,
                                   .relay = relay};
    must(posse_remote_create(NULL, &remote, &pool), "posse_remote_create");
    return pool;
}

static void run(posse_executor *pool, posse_fn *fn, const void *arg, size_t size)
{
    posse_future future;
    must(posse_submit(pool, fn, arg, size, &future), "posse_submit");
    must(posse_result(future, -1, NULL, NULL), "posse_result");
    must(posse_release(future), "posse_release");
}

enum { TASKS = 50000 };

/* All submitted at once. Returns seconds. */
static double run_all(posse_executor *pool, posse_fn *fn)
{
    static posse_future futures[TASKS];
    double begin = now();
    for (int i = 0; i < TASKS; i++)
        must(posse_submit(pool, fn, NULL, 0, &futures[i]), "posse_submit");
    for (int i = 0; i < TASKS; i++) {
        must(posse_result(futures[i], -1, NULL, NULL), "posse_result");
        must(posse_release(futures[i]), "posse_release");
    }
    return now() - begin;
}

static void measure_tasks(posse_executor *pool)
{
    printf("tasks/s      %.0f\n", TASKS / run_all(pool, empty_task));
}

static void measure_map(posse_executor *pool)
{
    enum { ITEMS = 2000000 };
    static long items[ITEMS], results[ITEMS];
    posse_input input = {.data = items, .size = sizeof *items};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = empty_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = ITEMS,
                         .results = results,
                         .result_size = sizeof *results};
    double begin = now();
    must(posse_map(pool, &job, NULL), "posse_map");
    printf("map items/s  %.0f\n", ITEMS / (now() - begin));
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void measure_round_trip(posse_executor *pool)
{
    enum { TRIPS = 5000 };
    static double times[TRIPS];
    for (int i = 0; i < TRIPS; i++) {
        double begin = now();
        run(pool, empty_task, NULL, 0);
        times[i] = now() - begin;
    }
    qsort(times, TRIPS, sizeof *times, by_size);
    printf("round trip   %.1f us (median), %.1f us (99 %%)\n", times[TRIPS / 2] * 1e6,
           times[TRIPS * 99 / 100] * 1e6);
}

static void measure_bytes(posse_executor *pool)
{
    enum { RUNS = 20 };
    size_t size = (size_t)16 << 20;
    void *bytes = calloc(1, size);
    if (!bytes)
        exit(1);
    run(pool, empty_task, bytes, size);
    double begin = now();
    for (int i = 0; i < RUNS; i++)
        run(pool, empty_task, bytes, size);
    double middle = now();
    for (int i = 0; i < RUNS; i++)
        run(pool, giving_task, NULL, 0);
    double end = now();
    printf("MB/s         %.0f of arguments, %.0f of results\n", RUNS * 16 / (middle - begin),
           RUNS * 16 / (end - middle));
    free(bytes);
}

static int slow_task(posse_task *task, const void *arg, size_t size)
{
    struct timespec rest = {.tv_nsec = 100000000};
    (void)task, (void)arg, (void)size;
    (void)nanosleep(&rest, NULL);
    return 0;
}

static int napping_task(posse_task *task, const void *arg, size_t size)
{
    struct timespec rest = {.tv_nsec = 1000000};
    (void)task, (void)arg, (void)size;
    (void)nanosleep(&rest, NULL);
    return 0;
}

static void measure_places(const char *listen, const char *nodes, int places)
{
    static posse_future futures[POSSE_MAX_WORKERS];
    double begin = now();
    posse_executor *pool = make(nodes, listen);
    for (int i = 0; i < places; i++)
        must(posse_submit(pool, slow_task, NULL, 0, &futures[i]), "posse_submit");
    for (int i = 0; i < places; i++)
        must(posse_result(futures[i], -1, NULL, NULL), "posse_result");
    double there = now();
    for (int i = 0; i < places; i++)
        must(posse_release(futures[i]), "posse_release");
    must(posse_destroy(pool), "posse_destroy");
    printf("%d places   %.2f s\n", places, there - begin);
}

static void measure_naps(const char *listen)
{
    posse_executor *pool = make("a:64", listen);
    printf("naps/s       %.0f\n", TASKS / run_all(pool, napping_task));
    must(posse_destroy(pool), "posse_destroy");
}

static bool has(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

static void idle(void)
{
    struct timespec rest = {.tv_sec = 3};
    puts("idle");
    (void)fflush(stdout);
    (void)nanosleep(&rest, NULL);
}

int main(int argc, char **argv)
{
    posse_remote_main(argc, argv);
    static const char *const measures[] = {"tasks", "map",  "trip",   "bytes",
                                           "idle",  "naps", "places", "1000"};
    const char *listen = has(argc, argv, "tcp") ? "127.0.0.1:0" : NULL;
    bool all = true;
    for (int i = 1; i < argc; i++)
        relay = strchr(argv[i], '/') ? argv[i] : relay;
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
        all &= !has(argc, argv, measures[i]);
    posse_executor *pool = make(has(argc, argv, "two") ? "a:1,b:1" : "a:2", listen);
    for (int i = 0; i < 10; i++)
        run(pool, empty_task, NULL, 0);
    if (all || has(argc, argv, "tasks"))
        measure_tasks(pool);
    if (all || has(argc, argv, "map"))
        measure_map(pool);
    if (all || has(argc, argv, "trip"))
        measure_round_trip(pool);
    if (all || has(argc, argv, "bytes"))
        measure_bytes(pool);
    if (has(argc, argv, "idle"))
        idle();
    must(posse_destroy(pool), "posse_destroy");
    if (!relay && (all || has(argc, argv, "naps")))
        measure_naps(listen);
    if (!relay && (all || has(argc, argv, "places")))
        measure_places(listen, "a:64,b:64", 128);
    if (has(argc, argv, "1000"))
        measure_places(listen, "a:250,b:250,c:250,d:250", 1000);
    return 0;
}
