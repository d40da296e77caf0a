/* scribble.c - tasks go wild and write over every part of the shared memory, while the program
 * makes all the calls that there are. It must neither crash nor hang, every call must come back in
 * its time with a status that there is, and in the end nothing may be left: no process, thread or
 * descriptor. The supervisor may not crash either. What the calls say does not count.
 *
 * Each run is a child of its own, with a time limit. One that fails is named, as
 * POSSE_SCRIBBLE=<part>:<kind>:<seed>[:<steps>], which in the environment of this test plays
 * nothing but that run; fewer steps may tell which call it was. POSSE_SCRIBBLE_FROM and
 * POSSE_SCRIBBLE_RUNS say which seeds come first, and how many of them for each part.
 */
#include "scribble.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BESIDE 2 /* runs at a time */
#define MAX_START_FAILURES 5
#define FEW 12
#define MANY 10000

static const char *const parts[] = {
#define PART_TEXT(name, text) text,
    PARTS(PART_TEXT)
#undef PART_TEXT
};
static const char *const kinds[] = {
#define KIND_TEXT(name, text) text,
    KINDS(KIND_TEXT)
#undef KIND_TEXT
};

/* A run that is under way. */
struct flight {
    pid_t child; /* 0: none */
    struct order order;
};

/* The runs of one test. */
struct series {
    struct flight flights[BESIDE];
    struct notes *notes; /* of each; shared */
    long runs, failures;
    long calls, broken, late_ms, ok; /* in all of them */
};

static void tell(const struct flight *flight, int how)
{
    const struct run *run = &flight->order.run;
    const char *call = atomic_load(&flight->order.notes->call);
    char end[64];
    if (WIFSIGNALED(how)) {
        snprintf(end, sizeof end, "died of signal %d%s", WTERMSIG(how),
                 WTERMSIG(how) == SIGALRM ? " (hung)" : "");
    } else {
        snprintf(end, sizeof end, "ended with %d", WEXITSTATUS(how));
    }
    again_with("POSSE_SCRIBBLE=%s:%s:%llu", parts[run->part], kinds[run->kind],
               (unsigned long long)run->seed);
    print_error("POSSE_SCRIBBLE=%s:%s:%llu %s; supervisor %ld, %ld ms late; in %s\n",
                parts[run->part], kinds[run->kind], (unsigned long long)run->seed, end,
                atomic_load(&flight->order.notes->supervisor),
                atomic_load(&flight->order.notes->late_ms), call ? call : "no call");
}

static void settle(struct series *series, struct flight *flight, int how)
{
    struct notes *notes = flight->order.notes;
    bool good = WIFEXITED(how) && WEXITSTATUS(how) == 0;
    flight->child = 0;
    series->runs++;
    series->calls += atomic_load(&notes->calls);
    series->ok += atomic_load(&notes->statuses[POSSE_OK]);
    series->broken += atomic_load(&notes->broken);
    if (atomic_load(&notes->late_ms) > series->late_ms)
        series->late_ms = atomic_load(&notes->late_ms);
    if (!good) {
        series->failures++;
        tell(flight, how);
    }
}

/* Waits until a run has ended; its place. */
static struct flight *land(struct series *series)
{
    int how;
    pid_t child = waitpid(-1, &how, 0);
    assert_true(child > 0);
    for (size_t i = 0; i < BESIDE; i++) {
        if (series->flights[i].child == child) {
            settle(series, &series->flights[i], how);
            return &series->flights[i];
        }
    }
    fail_msg("a child that is none of ours has ended");
    return NULL;
}

static int watched(void *order)
{
    time_limit(2 * WATCH_S);
    return run_program(order);
}

static void take_off(struct series *series, struct run run)
{
    size_t i = 0;
    while (i < BESIDE && series->flights[i].child != 0)
        i++;
    struct flight *flight = i < BESIDE ? &series->flights[i] : land(series);
    struct notes *notes = &series->notes[flight - series->flights];
    memset((void *)notes, 0, sizeof *notes);
    flight->order = (struct order){run, notes};
    time_limit(3 * WATCH_S);
    flight->child = start_child(watched, &flight->order);
}

static void land_all(struct series *series)
{
    for (size_t i = 0; i < BESIDE; i++)
        while (series->flights[i].child != 0)
            (void)land(series);
}

/* "part:kind:seed:steps" of the environment; false: there is none. */
static bool chosen(struct run *run)
{
    const char *text = getenv("POSSE_SCRIBBLE");
    char part[16] = "", kind[16] = "";
    unsigned long long seed = 0;
    run->steps = LONG_MAX;
    if (!text || sscanf(text, "%15[^:]:%15[^:]:%llu:%ld", part, kind, &seed, &run->steps) < 3)
        return false;
    run->seed = seed;
    run->part = PART_PHASE;
    while (run->part < N_PARTS && strcmp(parts[run->part], part) != 0)
        run->part++;
    run->kind = KIND_BYTES;
    while (run->kind < N_KINDS && strcmp(kinds[run->kind], kind) != 0)
        run->kind++;
    assert_true(run->part < N_PARTS && run->kind < N_KINDS);
    return true;
}

/* A number of the environment. */
static long said(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? strtol(text, NULL, 10) : otherwise;
}

/* A short run takes some of those of a long one, by lot. */
static uint64_t first_seed(void)
{
    static long lot;
    lot = lot ? lot : in_long_run(1 + now_ms() % (MANY - FEW), 1);
    return (uint64_t)said("POSSE_SCRIBBLE_FROM", lot);
}

static void play(struct series *series, enum part part)
{
    struct run run = {.seals = can_seal()};
    if (part == PART_OWN && !run.seals)
        skip();
    if (chosen(&run)) {
        if (run.part == part)
            take_off(series, run);
        return;
    }
    long runs = said("POSSE_SCRIBBLE_RUNS", in_long_run(FEW, MANY));
    uint64_t seed = first_seed();
    for (long i = 0; i < runs && series->failures < MAX_START_FAILURES; i++, seed++)
        take_off(series,
                 (struct run){part, (enum kind)(seed % N_KINDS), seed, LONG_MAX, run.seals});
}

static void scribble_on(enum part part)
{
    struct series series = {.notes = make_shared(BESIDE * sizeof *series.notes)};
    long began = now_ms();
    play(&series, part);
    land_all(&series);
    free_shared(series.notes, BESIDE * sizeof *series.notes);
    print_message("%s: %ld runs from seed %llu in %ld s: %ld calls (%ld OK), %ld pools broken, "
                  "latest call %ld ms over its time, %ld runs failed\n",
                  parts[part], series.runs, (unsigned long long)first_seed(),
                  (now_ms() - began) / 1000, series.calls, series.ok, series.broken, series.late_ms,
                  series.failures);
    assert_int_equal(series.failures, 0);
}

#define PART_TEST(name, text)                                                                      \
    TEST_AS(name, text, PROCESSES) { scribble_on(PART_##name); }
PARTS(PART_TEST)
