/* sum_of_squares.c - computes some large sums, first one after another and then in a pool.
 *
 * For each n of a range it adds up i * i for all i below n. Both ways call the same function, so
 * the two times tell what the pool gains; the pool's includes making and ending it. A single time
 * of a few milliseconds tells little. So the two ways take turns for a while, and it compares the
 * medians.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <posse_trace.h>
#ifdef DEMO_REMOTE
#include <posse_remote.h>
#endif

#include "common.h"

#define MAX_COUNT 1000000
#define MAX_SECONDS 3600
#define MAX_ROUNDS 99
#define MAX_FROM 4000000000 /* i * i fits into 64 bits for every i below MAX_FROM + MAX_COUNT */

__extension__ typedef unsigned __int128 wide;

struct settings {
    struct demo demo;
    long count, from, seconds;
    bool progress;
    const char *trace; /* a file, or NULL */
    bool remote;
    const char *nodes; /* of --backend remote; NULL: this machine */
};

/* The seconds that each round took, and how much faster the pool was. */
struct times {
    int rounds;
    double serial[MAX_ROUNDS], pool[MAX_ROUNDS], speed_up[MAX_ROUNDS];
};

/* ---- the work ------------------------------------------------------------------------------- */

/* The loop really runs: compilers know a closed form for a sum of squares and put it in place of a
 * plain loop, but there is none for the carries on the way, so the halves are added by hand. */
static wide sum_of_squares(uint64_t n)
{
    uint64_t high = 0, low = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t square = i * i;
        low += square;
        high += low < square;
    }
    return (wide)high << 64 | low;
}

static int sum_task(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const uint64_t *n = arg;
    wide sum = sum_of_squares(*n);
    return posse_task_return(task, &sum, sizeof sum) == POSSE_OK ? 0 : 1;
}

/* ---- the two ways to do it ------------------------------------------------------------------ */

/* On a terminal one line that is written over, elsewhere a line for every tenth part. */
static void show_progress(const struct settings *set, const char *what, long done)
{
    bool last = done == set->count, terminal = isatty(STDERR_FILENO);
    bool tenth = done * 10 / set->count > (done - 1) * 10 / set->count;
    if (set->progress && (terminal || tenth))
        fprintf(stderr, "%s: %ld of %ld%c", what, done, set->count,
                terminal && !last ? '\r' : '\n');
}

static void run_serially(const struct settings *set, wide *sums)
{
    for (long k = 0; k < set->count; k++) {
        sums[k] = sum_of_squares((uint64_t)(set->from + k));
        show_progress(set, "serial", k + 1);
    }
}

static posse_trace_format format_of(const char *path)
{
    const char *suffix = strrchr(path, '.');
    return suffix && strcmp(suffix, ".svg") == 0 ? POSSE_TRACE_SVG : POSSE_TRACE_JSON;
}

/* Agents on the nodes, each started by ssh, or on this machine. */
static posse_status create(const struct settings *set, const posse_options *options,
                           posse_executor **pool)
{
#ifdef DEMO_REMOTE
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = set->nodes ? POSSE_LAUNCH_SSH : POSSE_LAUNCH_LOCAL,
                                   .nodes = set->nodes,
                                   .places = set->demo.workers};
    if (set->remote)
        return posse_remote_create(options, &remote, pool);
#else
    (void)set;
#endif
    return posse_create(options, pool);
}

/* The futures need not be released one by one: posse_destroy takes them all. */
static posse_status run_in_pool(const struct settings *set, posse_future *futures, wide *sums)
{
    posse_options options = {.struct_size = sizeof options,
                             .backend = set->demo.backend,
                             .max_workers = set->remote ? 0 : set->demo.workers,
                             .stamps = set->trace != NULL};
    posse_executor *pool = NULL;
    posse_status status = create(set, &options, &pool);
    if (set->trace && status == POSSE_OK)
        status = posse_trace_start(pool, set->trace, format_of(set->trace));
    for (long k = 0; k < set->count && status == POSSE_OK; k++) {
        uint64_t n = (uint64_t)(set->from + k);
        status = posse_submit(pool, sum_task, &n, sizeof n, &futures[k]);
    }
    for (long k = 0; k < set->count && status == POSSE_OK; k++) {
        status = posse_result_into(futures[k], -1, &sums[k], sizeof sums[k], NULL);
        show_progress(set, set->demo.backend_name, k + 1);
    }
    if (set->trace && status == POSSE_OK && (status = posse_trace_stop(pool)) == POSSE_SYSTEM)
        err(1, "%s", set->trace);
    posse_status end = posse_destroy(pool);
    return status != POSSE_OK ? status : end;
}

/* ---- the report ----------------------------------------------------------------------------- */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void print_sum(long n, wide sum)
{
    char digits[40], *first = digits + sizeof digits - 1;
    *first = '\0';
    do
        *--first = (char)('0' + (int)(sum % 10));
    while (sum /= 10);
    printf("%ld %s\n", n, first);
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare_numbers);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

static void print_times(const struct settings *set, struct times *times)
{
    int n = times->rounds;
    printf("serial: %.3f s\n%s: %.3f s\nspeed-up: %.2f, the median of %d\n",
           median(times->serial, n), set->demo.backend_name, median(times->pool, n),
           median(times->speed_up, n), n);
    if (fflush(stdout) != 0)
        err(1, "cannot write the sums");
}

/* ---- both ways by turns --------------------------------------------------------------------- */

/* Does the work once in each way. Returns the seconds that it took. */
static double run_round(const struct settings *set, posse_future *futures, wide *sums,
                        struct times *times)
{
    wide *serial = sums, *pooled = sums + set->count;
    double start = now();
    run_serially(set, serial);
    double middle = now();
    posse_status status = run_in_pool(set, futures, pooled);
    double end = now();
    if (status != POSSE_OK)
        errx(1, "%s", posse_status_message(status));
    for (long k = 0; k < set->count; k++) {
        if (pooled[k] != serial[k])
            errx(1, "the sums for %ld differ", set->from + k);
    }
    times->serial[times->rounds] = middle - start;
    times->pool[times->rounds] = end - middle;
    times->speed_up[times->rounds++] = (middle - start) / (end - middle);
    return end - start;
}

/* Only the first round shows its progress, and is traced. */
static void compare(struct settings set, posse_future *futures, wide *sums)
{
    static struct times times;
    double left = 2.0 * (double)set.seconds;
    do {
        left -= run_round(&set, futures, sums, &times);
        set.progress = false;
        set.trace = NULL;
    } while (left > 0 && times.rounds < MAX_ROUNDS);
    for (long k = 0; k < set.count; k++)
        print_sum(set.from + k, sums[k]);
    print_times(&set, &times);
}

/* ---- the command line ----------------------------------------------------------------------- */

static const char help[] =
    "usage: sum_of_squares [option...]\n"
    "Adds up the squares of all numbers below n, for some large n: serially, then in a pool.\n"
    "\n"
    "  --backend NAME  process, thread or inline (process); remote, if built with POSSE_REMOTE\n"
    "  --nodes LIST    of --backend remote: hosts for ssh, and how many work there (a:8,b:8)\n"
    "  --workers N     how many work at the same time (the default of the pool)\n"
    "  --count N       how many sums (20)\n"
    "  --from N        the first n (5000000)\n"
    "  --seconds N     how long each way works, again and again; 0: both work once (1)\n"
    "  --progress      tell on stderr how far the first round is\n"
    "  --trace FILE    what the workers of the first round did: a picture (.svg), or the trace\n"
    "                  event format for ui.perfetto.dev\n"
    "  --help          show this\n";

static void set_backend(struct settings *set, const char *name)
{
#ifdef DEMO_REMOTE
    set->remote = strcmp(name, "remote") == 0;
#endif
    if (set->remote)
        set->demo = (struct demo){.backend_name = "remote", .workers = set->demo.workers};
    else
        demo_set_backend(&set->demo, name, DEMO_TAKES_INLINE);
}

/* Ends the program after --help, or after one line on stderr (by getopt_long or from here). */
static struct settings parse(int argc, char **argv)
{
    static const struct option flags[] = {
        {"backend", required_argument, NULL, 'b'}, {"nodes", required_argument, NULL, 'n'},
        {"workers", required_argument, NULL, 'w'}, {"count", required_argument, NULL, 'c'},
        {"from", required_argument, NULL, 'f'},    {"seconds", required_argument, NULL, 's'},
        {"progress", no_argument, NULL, 'p'},      {"trace", required_argument, NULL, 't'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    struct settings set = {.demo = DEMO_PROCESS, .count = 20, .from = 5000000, .seconds = 1};
    for (int flag; (flag = getopt_long(argc, argv, "", flags, NULL)) != -1;) {
        switch (flag) {
        case 'b': set_backend(&set, optarg); break;
        case 'n': set.nodes = optarg; break;
        case 'w': set.demo.workers = demo_number("workers", optarg, 1, POSSE_MAX_WORKERS); break;
        case 'c': set.count = demo_number("count", optarg, 1, MAX_COUNT); break;
        case 'f': set.from = demo_number("from", optarg, 0, MAX_FROM); break;
        case 's': set.seconds = demo_number("seconds", optarg, 0, MAX_SECONDS); break;
        case 'p': set.progress = true; break;
        case 't': set.trace = optarg; break;
        case 'h': exit(fputs(help, stdout) < 0 || fflush(stdout) != 0);
        default: exit(2);
        }
    }
    if (optind < argc)
        errx(2, "'%s' is not an option", argv[optind]);
    if (set.nodes && !set.remote)
        errx(2, "--nodes needs --backend remote");
    return set;
}

int main(int argc, char **argv)
{
#ifdef DEMO_REMOTE
    posse_remote_main(argc, argv); /* does not return in an agent */
#endif
    struct settings set = parse(argc, argv);
    posse_future *futures = calloc((size_t)set.count, sizeof *futures);
    wide *sums = calloc((size_t)set.count, 2 * sizeof *sums);
    if (!futures || !sums)
        err(1, "%ld sums", set.count);
    compare(set, futures, sums);
    free(futures);
    free(sums);
    return 0;
}
