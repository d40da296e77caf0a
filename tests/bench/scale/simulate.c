/* simulate.c - predicts how posse scales to many processors. See tests/bench/README.md.
 *
 * Runs the accesses of protocol.c on the lines of line.c, for each number of workers and each
 * length of a task, and prints one row for each. The rows have the form of scaling.sh, which runs
 * posse itself. */
#include "protocol.h"
#include "svg.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LIST = 32, MAX_PROTOCOLS = 8 };

struct list {
    double at[MAX_LIST];
    unsigned n;
};

struct named {
    const char *name;
    struct protocol protocol;
};

struct request {
    struct costs costs;
    struct list workers, lengths; /* lengths in microseconds */
    struct named protocols[MAX_PROTOCOLS];
    unsigned n_protocols, submitters, tasks;
    bool one_cache, detail;
    const char *svg;
};

/* ---- what may be set --------------------------------------------------------------------------*/

struct cost_name {
    const char *name;
    size_t offset;
    const char *what;
};
#define COST(field, what)                                                                          \
    {                                                                                              \
#field, offsetof(struct costs, field), what                                                \
    }
static const struct cost_name cost_names[] = {
    COST(hit, "a line that the processor has"),
    COST(locked, "more, for an atomic read-modify-write"),
    COST(transfer, "a line that another processor wrote last"),
    COST(far, "the same, from another cluster"),
    COST(shared, "a line that others read, from the common cache"),
    COST(occupied, "by each of these: how long the next one waits"),
    COST(invalidate, "for each further holder that gives up a line"),
    COST(overlap, "of a wait, hidden behind other instructions"),
    COST(post, "to wake a sleeper: the call"),
    COST(wake, "... until it runs"),
};
enum { COSTS = sizeof cost_names / sizeof *cost_names };

struct feature {
    const char *name;
    size_t offset;
    const char *what;
};
#define FEATURE(field, what)                                                                       \
    {                                                                                              \
#field, offsetof(struct protocol, field), what                                             \
    }
static const struct feature features[] = {
    FEATURE(take, "entries that a worker takes with one move of the head, at most"),
    FEATURE(rings, "queues; 0: one for each four workers"),
    FEATURE(many, "tasks of one posse_submit_many"),
    FEATURE(spin, "workers that may spin at the same time"),
    FEATURE(wakes, "sleepers that may be on their way at the same time"),
    FEATURE(direct, "1: a task goes into the own line of a worker that spins"),
    FEATURE(home, "1: each submitter enters into one queue; 0: into all by turns"),
    FEATURE(pause, "ns before a worker tries again that was not the first; doubles"),
    FEATURE(stash, "1: each thread of the program keeps free slots; 2: from eight workers on"),
};
enum { FEATURES = sizeof features / sizeof *features };

static void help(void)
{
    printf("Usage: posse_simulate [OPTION...] [PROTOCOL...]\n\n"
           "Predicts tasks a second and ns a task. PROTOCOL is `today`, `batches`\n"
           "(by posse_submit_many), `one-ring`, or changes of today's: take:8,spin:2 for\n"
           "example. Without any: today.\n\n"
           "  --workers LIST     numbers of workers, as 1,2,4\n"
           "  --lengths LIST     lengths of a task in us\n"
           "  --submitters N     threads of the program that submit and read results\n"
           "  --tasks N          tasks of a batch; 0: 4096, and 256 for each worker\n"
           "  --cluster N        processors with a cache in common; 0: all\n"
           "  --one-cache        all processors share one cache: nothing moves\n"
           "  --detail           also line transfers, and ns of worker and program a task\n"
           "  --accesses         print the accesses, and nothing else\n"
           "  --svg FILE         draw the share of the ideal speed over the workers\n"
           "  --help             this text\n\nCosts, in ns (--NAME N):\n");
    for (int i = 0; i < COSTS; i++)
        printf("  --%-16s %s\n", cost_names[i].name, cost_names[i].what);
    printf("\nWhat a PROTOCOL may change (NAME:N):\n");
    for (int i = 0; i < FEATURES; i++)
        printf("  %-18s %s\n", features[i].name, features[i].what);
}

static _Noreturn void misused(const char *what, const char *argument)
{
    fprintf(stderr, "posse_simulate: %s '%s'; see --help\n", what, argument);
    exit(2);
}

static double number(const char *text, const char **end)
{
    char *after;
    errno = 0;
    double value = strtod(text, &after);
    if (after == text || errno || !(value >= 0 && value <= 1e9))
        misused("no number", text);
    *end = after;
    return value;
}

static double whole_number(const char *text)
{
    const char *end;
    double value = number(text, &end);
    if (*end)
        misused("no number", text);
    return value;
}

static struct list parse_list(const char *text)
{
    struct list list = {.n = 0};
    for (const char *at = text; list.n < MAX_LIST; at++) {
        list.at[list.n++] = number(at, &at);
        if (*at == '\0')
            return list;
        if (*at != ',')
            break;
    }
    misused("no list", text);
}

static void change(struct protocol *protocol, const char *name, size_t length, unsigned value)
{
    for (int i = 0; i < FEATURES; i++)
        if (strlen(features[i].name) == length && strncmp(features[i].name, name, length) == 0) {
            memcpy((char *)protocol + features[i].offset, &value, sizeof value);
            return;
        }
    misused("unknown change", name);
}

static struct protocol parse_protocol(const char *text)
{
    struct protocol protocol = protocol_today;
    if (strcmp(text, "today") == 0)
        return protocol;
    if (strcmp(text, "batches") == 0)
        return protocol_batches;
    if (strcmp(text, "one-ring") == 0)
        return protocol_one_ring;
    for (const char *at = text, *colon; *at; at += *at == ',') {
        if (!(colon = strchr(at, ':')))
            misused("unknown protocol", text);
        const char *name = at;
        unsigned value = (unsigned)number(colon + 1, &at);
        change(&protocol, name, (size_t)(colon - name), value);
        if (*at && *at != ',')
            misused("unknown protocol", text);
    }
    if (!protocol.take || protocol.take > 64 || protocol.rings > 128 || !protocol.many ||
        protocol.stash > STASH_OF_POSSE)
        misused("impossible protocol", text);
    return protocol;
}

static bool set_cost(struct costs *costs, const char *option, const char *value)
{
    for (int i = 0; i < COSTS; i++)
        if (strcmp(option + 2, cost_names[i].name) == 0) {
            double cost = whole_number(value);
            memcpy((char *)costs + cost_names[i].offset, &cost, sizeof cost);
            return true;
        }
    return false;
}

/* An option with a value. */
static void set(struct request *r, const char *option, const char *value)
{
    if (!value)
        misused("a value is missing after", option);
    if (strcmp(option, "--workers") == 0)
        r->workers = parse_list(value);
    else if (strcmp(option, "--lengths") == 0)
        r->lengths = parse_list(value);
    else if (strcmp(option, "--submitters") == 0)
        r->submitters = (unsigned)whole_number(value);
    else if (strcmp(option, "--tasks") == 0)
        r->tasks = (unsigned)whole_number(value);
    else if (strcmp(option, "--cluster") == 0)
        r->costs.cluster = (unsigned)whole_number(value);
    else if (strcmp(option, "--svg") == 0)
        r->svg = value;
    else if (!set_cost(&r->costs, option, value))
        misused("unknown option", option);
}

static void parse(struct request *r, char **argv)
{
    for (char **at = argv + 1; *at; at++) {
        if (strcmp(*at, "--help") == 0 || strcmp(*at, "--accesses") == 0) {
            strcmp(*at, "--help") == 0 ? help() : protocol_print();
            exit(fflush(stdout) == 0 ? 0 : 1);
        } else if (strcmp(*at, "--one-cache") == 0) {
            r->one_cache = true;
        } else if (strcmp(*at, "--detail") == 0) {
            r->detail = true;
        } else if (strncmp(*at, "--", 2) == 0) {
            set(r, *at, at[1]);
            at++;
        } else if (r->n_protocols < MAX_PROTOCOLS) {
            r->protocols[r->n_protocols++] = (struct named){*at, parse_protocol(*at)};
        } else {
            misused("too many protocols, from", *at);
        }
    }
    if (!r->n_protocols)
        r->protocols[r->n_protocols++] = (struct named){"today", protocol_today};
    for (unsigned i = 0; i < r->workers.n; i++)
        if (r->workers.at[i] < 1 || r->workers.at[i] + r->submitters > MAX_PROCESSORS)
            misused("impossible number of", "workers");
    if (r->submitters < 1 || (r->tasks && r->tasks < r->submitters) || r->tasks > 1u << 24)
        misused("impossible number of", "submitters or tasks");
}

/* ---- the table --------------------------------------------------------------------------------*/

static struct figures predict(const struct request *r, const struct protocol *protocol,
                              unsigned workers, double us)
{
    struct load load = {.workers = workers,
                        .submitters = r->submitters,
                        .tasks = r->tasks ? r->tasks : 4096 + 256 * workers,
                        .task_ns = us * 1000,
                        .one_cache = r->one_cache};
    return protocol_run(&r->costs, protocol, &load);
}

static void print_row(const struct request *r, const char *name, unsigned workers, double us,
                      const struct figures *f)
{
    printf("%-28s %10u %7u %7g %12.0f %9.1f", name, r->submitters, workers, us, 1e9 / f->ns, f->ns);
    if (us > 0)
        printf(" %6.1f", 100 * us * 1000 / workers / f->ns);
    else
        printf(" %6s", "-");
    if (r->detail)
        printf(" %9.2f %6.0f %7.0f", f->transfers, f->worker_ns, f->program_ns);
    printf("\n");
}

static void print_head(const struct request *r)
{
    printf("%-28s %10s %7s %7s %12s %9s %6s", "protocol", "submitters", "workers", "task_us",
           "tasks/s", "ns/task", "%ideal");
    if (r->detail)
        printf(" %9s %6s %7s", "transfers", "worker", "program");
    printf("\n");
}

/* The share of the ideal of one length; without a length, ns a task. */
static void add_point(struct svg_chart *chart, unsigned series, unsigned workers, double us,
                      double ns)
{
    svg_add(chart, series, workers, us > 0 ? 100 * us * 1000 / workers / ns : ns);
}

int main(int argc, char **argv)
{
    struct request r = {.costs = {.hit = 1,
                                  .locked = 3,
                                  .transfer = 35,
                                  .far = 100,
                                  .shared = 25,
                                  .occupied = 5,
                                  .invalidate = 2,
                                  .overlap = 20,
                                  .cluster = 8,
                                  .post = 1500,
                                  .wake = 5000},
                        .workers = {{1, 2, 4, 8, 16, 32, 64}, 7},
                        .lengths = {{0, 1, 2, 10, 100}, 5},
                        .submitters = 1};
    (void)argc;
    parse(&r, argv);
    struct svg_chart chart = {.title = "Share of the ideal speed, predicted",
                              .x_title = "workers",
                              .y_title = "% of the ideal",
                              .x_log = true};
    print_head(&r);
    for (unsigned p = 0; p < r.n_protocols; p++)
        for (unsigned l = 0; l < r.lengths.n; l++) {
            unsigned series = 0;
            if (r.svg && r.lengths.at[l] > 0)
                series = svg_series(&chart, "%s, %g us", r.protocols[p].name, r.lengths.at[l]);
            for (unsigned w = 0; w < r.workers.n; w++) {
                unsigned workers = (unsigned)r.workers.at[w];
                struct figures f = predict(&r, &r.protocols[p].protocol, workers, r.lengths.at[l]);
                print_row(&r, r.protocols[p].name, workers, r.lengths.at[l], &f);
                if (r.svg && r.lengths.at[l] > 0)
                    add_point(&chart, series, workers, r.lengths.at[l], f.ns);
            }
        }
    bool drawn = !r.svg || svg_write(&chart, r.svg);
    return drawn && fflush(stdout) == 0 ? 0 : 1;
}
