/* posse_bench.c - measures posse on the work that the peers are measured on.
 *
 * One line of JSON a figure: {"who","scenario","value","unit"}. Lower is better, but for sum and
 * growth-bytes. The scenarios are listed once, below, with what they do. Each has a time limit: a
 * pool that hangs must not hang whoever measures it. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    ON_PROCESS = 1u << POSSE_PROCESS,
    ON_THREAD = 1u << POSSE_THREAD,
    ON_INLINE = 1u << POSSE_INLINE
};
enum { ON_WORKERS = ON_PROCESS | ON_THREAD, ON_ALL = ON_WORKERS | ON_INLINE };
enum { BACKENDS = 3 };

static const char *const backend_names[BACKENDS] = {
    [POSSE_PROCESS] = "process", [POSSE_THREAD] = "thread", [POSSE_INLINE] = "inline"};
static const char *const backend_whos[BACKENDS] = {[POSSE_PROCESS] = "posse process",
                                                   [POSSE_THREAD] = "posse thread",
                                                   [POSSE_INLINE] = "posse inline"};

struct scenario {
    const char *name;
    bench_scenario *run;
    unsigned backends; /* where it makes sense */
    const char *what;
};

static const struct scenario scenarios[] = {
    {"submit", bench_submit, ON_ALL, "1,000,000 tasks submitted, then all results read; ns/task"},
    {"submit-many", bench_submit_many, ON_ALL, "the same, 1,000 tasks a call; ns/task"},
    {"roundtrip-hot", bench_roundtrip_hot, ON_ALL,
     "submit one, read its result, again at once; us"},
    {"roundtrip-parked", bench_roundtrip_parked, ON_WORKERS, "the same, 2 ms apart; median; us"},
    {"metg50", bench_metg50, ON_WORKERS, "smallest task with half of the ideal speed; ns"},
    {"as-completed", bench_as_completed, ON_ALL,
     "1,000, 100,000 and 1,000,000 futures taken as they end; ns/future"},
    {"map", bench_map, ON_ALL, "10,000,000 squares, by chunk and by item; ns/item"},
    {"payload", bench_payload, ON_ALL, "64 MiB of argument by pointer; ms"},
    {"payload-reserve", bench_payload_reserve, ON_ALL, "64 MiB of result in place; ms"},
    {"payload-copy", bench_payload_copy, ON_ALL, "64 MiB of argument by copy; ms"},
    {"memcpy", bench_memcpy, ON_ALL, "64 MiB copied, the yardstick of payload-copy; ms"},
    {"lifecycle", bench_lifecycle, ON_ALL, "create, one task, destroy; ms"},
    {"recover", bench_recover, ON_PROCESS, "kill -9 of the only worker to the next result; us"},
    {"recover-busy", bench_recover_busy, ON_PROCESS, "the same with a second, idle worker; us"},
    {"idle", bench_idle, ON_WORKERS, "processor time in 2 s of idling; us; and context switches"},
    {"memory", bench_memory_per_task, ON_WORKERS,
     "shared and private memory of a queued task; bytes/task"},
    {"blocks", bench_blocks, ON_ALL,
     "64 MiB in blocks of 128 B to 64 MiB: first touch, again, free; also malloc; ns/block"},
    {"destroy-past", bench_destroy_past, ON_ALL,
     "end of an idle pool, fresh, and after 1,000,000 tasks at once; us"},
    {"stats-past", bench_stats_past, ON_ALL, "posse_get_stats of such a pool; us"},
    {"recover-past", bench_recover_past, ON_PROCESS,
     "a task that kills the only worker, to the next result, in such a pool; us"},
    {"create-large", bench_create_large, ON_ALL,
     "create in a program of 4 GB, or 1 GB, and a bare fork there; ms"},
    {"fresh", bench_fresh, ON_PROCESS,
     "a process for each task, one worker: many tasks, one at a time, crashes; fork and wait; us"},
    {"scaling", bench_scaling, ON_WORKERS,
     "batches of tasks of 0 to 100 us with any number of workers; ns/task"},
    {"growth-tasks", bench_growth_tasks, ON_ALL,
     "100 to 10,000,000 tasks at once: ns/task; bytes/task; MB used, and kept afterwards"},
    {"growth-workers", bench_growth_workers, ON_WORKERS,
     "1 to 1,000 workers: create, us/worker; ns/task; bytes/worker"},
    {"growth-bytes", bench_growth_bytes, ON_ALL,
     "arguments of 8 B to 64 MiB, and memcpy; GB/s: higher is better"},
    {"sum", bench_sum, ON_WORKERS, "speed-up of 20 sums of 5,000,000 squares; x"},
};
enum { SCENARIOS = sizeof scenarios / sizeof *scenarios };

struct request {
    unsigned backends;
    bool smoke, stamps, trace;
    int workers, submitters; /* of scaling */
    bool wanted[SCENARIOS];
};

/* ---- time limit ---- */

static const struct bench *volatile current;

static void complain(const char *words)
{
    ssize_t written = write(STDERR_FILENO, words, strlen(words));
    (void)written; /* nobody is left to tell */
}

static void out_of_time(int signal)
{
    complain("posse_bench: ");
    complain(current->who);
    complain(", ");
    complain(current->scenario);
    complain(": took too long\n");
    _exit(1);
}

static void run(const struct request *request, const struct scenario *scenario,
                posse_backend backend)
{
    const struct bench bench = {
        .backend = backend,
        .smoke = request->smoke,
        .stamps = request->stamps,
        .trace = request->trace,
        .workers = request->workers,
        .submitters = request->submitters,
        .who = backend_whos[backend],
        .scenario = scenario->name,
    };
    current = &bench;
    (void)alarm(request->smoke ? 60 : 600);
    scenario->run(&bench);
    (void)alarm(0);
}

/* ---- command line ---- */

static void help(void)
{
    printf(
        "Usage: posse_bench [OPTION...] [SCENARIO...]\n"
        "\n"
        "Measures posse with %d workers; one JSON object a line. Without --backend all backends,\n"
        "without SCENARIO all scenarios. \"roundtrip\" stands for all that begin with it and a "
        "dash.\n"
        "\n"
        "  --backend NAME   only this backend\n"
        "  --smoke          tiny counts: does everything work? The figures mean nothing\n"
        "  --stamps         with options.stamps\n"
        "  --trace          while a trace is on, too; not of fresh\n"
        "  --workers N      of scaling; else %d\n"
        "  --submitters N   threads that submit, of scaling; else 1\n"
        "  --help           this text\n"
        "\n"
        "Scenarios:\n",
        BENCH_WORKERS, BENCH_WORKERS);
    for (int i = 0; i < SCENARIOS; i++)
        printf("  %-16s  %s\n", scenarios[i].name, scenarios[i].what);
    printf("\nExit status: 0, 1 if a call failed or a result was wrong, 2 for a wrong command "
           "line.\n");
}

static _Noreturn void misused(const char *what, const char *argument)
{
    fprintf(stderr, "posse_bench: %s '%s'; see --help\n", what, argument);
    exit(2);
}

static unsigned backend_bit(const char *name)
{
    for (int i = 0; i < BACKENDS; i++)
        if (strcmp(name, backend_names[i]) == 0)
            return 1u << i;
    misused("unknown backend", name);
}

static int count(const char *option, const char *text)
{
    char *end = NULL;
    long n = text ? strtol(text, &end, 10) : 0;
    if (!text || *end || n < 1 || n > 1000)
        misused("a number is missing after", option);
    return (int)n;
}

/* A name, or the part of it before a dash. */
static void want(struct request *request, const char *name)
{
    size_t length = strlen(name);
    bool known = false;
    for (int i = 0; i < SCENARIOS; i++) {
        const char *full = scenarios[i].name;
        if (strncmp(full, name, length) != 0 || (full[length] != '\0' && full[length] != '-'))
            continue;
        request->wanted[i] = true;
        known = true;
    }
    if (!known)
        misused("unknown scenario", name);
}

static struct request parse(int argc, char **argv)
{
    struct request request = {.backends = ON_ALL, .workers = BENCH_WORKERS, .submitters = 1};
    bool named = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            help();
            exit(fflush(stdout) == 0 ? 0 : 1);
        } else if (strcmp(argv[i], "--smoke") == 0) {
            request.smoke = true;
        } else if (strcmp(argv[i], "--stamps") == 0) {
            request.stamps = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            request.trace = true;
        } else if (strcmp(argv[i], "--backend") == 0) {
            if (i + 1 == argc)
                misused("a name is missing after", argv[i]);
            request.backends = backend_bit(argv[++i]);
        } else if (strcmp(argv[i], "--workers") == 0) {
            request.workers = count(argv[i], argv[i + 1]);
            i++;
        } else if (strcmp(argv[i], "--submitters") == 0) {
            request.submitters = count(argv[i], argv[i + 1]);
            i++;
        } else if (argv[i][0] == '-') {
            misused("unknown option", argv[i]);
        } else {
            want(&request, argv[i]);
            named = true;
        }
    }
    for (int i = 0; i < SCENARIOS && !named; i++)
        request.wanted[i] = true;
    return request;
}

int main(int argc, char **argv)
{
    struct request request = parse(argc, argv);
    struct sigaction action = {.sa_handler = out_of_time};
    int runs = 0;
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGALRM, &action, NULL);
    for (int b = 0; b < BACKENDS; b++) {
        for (int i = 0; i < SCENARIOS; i++) {
            if (!request.wanted[i] || !(request.backends & scenarios[i].backends & 1u << b))
                continue;
            run(&request, &scenarios[i], (posse_backend)b);
            runs++;
        }
    }
    if (runs == 0) {
        fprintf(stderr, "posse_bench: these scenarios make no sense with this backend\n");
        return 2;
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
