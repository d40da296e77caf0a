/* bench.h - what the files of the benchmark share.
 *
 * A scenario is a function that makes a pool of its own, does a fixed piece of work through the
 * public calls of posse.h and reports one figure or two. The work, the counts and the form of the
 * output are those of the peers that compare.sh runs beside it, so a figure here may be put next to
 * a figure there.
 *
 * A status that is not POSSE_OK and a result that is not the expected one end the program with exit
 * status 1: a fast wrong answer is no figure. Tasks themselves never exit, they fail; the program
 * then finds out by the status.
 */
#ifndef POSSE_BENCH_H
#define POSSE_BENCH_H

#include <posse.h>

#include <stdbool.h>
#include <stdint.h>

enum { BENCH_WORKERS = 2 }; /* as the peers */

/* One run of one scenario. */
struct bench {
    posse_backend backend;
    bool smoke;           /* tiny counts: only whether it works is of interest */
    bool stamps, trace;   /* of the pools; a trace that is never written */
    const char *who;      /* "posse process", ... */
    const char *scenario; /* its name in the output */
    /* Of `scaling`, where a run may say how many. */
    int workers;
    int submitters;
};

/* ---- support.c ---- */

double bench_seconds(void);
void bench_sleep_us(long us);

/* Prints the figure as one line of JSON. */
void bench_report(const struct bench *bench, const char *scenario, double value, const char *unit);

/* Ends the program unless the call went well, or the condition holds. */
void bench_must(const struct bench *bench, posse_status status, const char *call);
void bench_check(const struct bench *bench, bool holds, const char *what);

/* From malloc, never NULL. The pages are touched: their first use is not part of a figure. */
void *bench_memory(const struct bench *bench, size_t size);

posse_executor *bench_create(const struct bench *bench, long workers);
void bench_destroy(const struct bench *bench, posse_executor *pool);

/* Sorts values; n is at least 1. */
double bench_median(double *values, int n);

/* The count of a full run, or the small one of a smoke run. */
int bench_count(const struct bench *bench, int full, int smoke);

/* Submits fn(arg) and gives its result of 8 bytes: the round trip. */
uint64_t bench_call(const struct bench *bench, posse_executor *pool, posse_fn *fn, const void *arg,
                    size_t size);

/* Shared and private memory that this program has, in bytes; 0 where there is no /proc of Linux.
 * footprint.c */
double bench_used_bytes(const struct bench *bench);

/* Waits for the result of 8 bytes and releases the future. */
uint64_t bench_take(const struct bench *bench, posse_future future);

/* The task of most scenarios. arg: one uint64_t, or two: the second is how many steps of work to do
 * that no compiler can fold. The result is the first. */
posse_fn bench_echo;

/* The work of bench_echo. */
uint64_t bench_work(uint64_t arg, uint64_t grain);

/* ---- scenarios: speed.c, many.c, payload.c, upkeep.c, footprint.c, memory.c, past.c,
 * scaling.c, growth.c, fresh.c ---- */

typedef void bench_scenario(const struct bench *bench);

bench_scenario bench_submit;
bench_scenario bench_submit_many;
bench_scenario bench_roundtrip_hot;
bench_scenario bench_roundtrip_parked;
bench_scenario bench_metg50;
bench_scenario bench_sum;

bench_scenario bench_as_completed;
bench_scenario bench_map;

bench_scenario bench_payload;
bench_scenario bench_payload_reserve;
bench_scenario bench_payload_copy;
bench_scenario bench_memcpy;

bench_scenario bench_lifecycle;
bench_scenario bench_recover;
bench_scenario bench_recover_busy;

bench_scenario bench_idle;
bench_scenario bench_memory_per_task;

bench_scenario bench_blocks;

bench_scenario bench_destroy_past;
bench_scenario bench_stats_past;
bench_scenario bench_recover_past;
bench_scenario bench_create_large;

bench_scenario bench_fresh;

bench_scenario bench_scaling;

bench_scenario bench_growth_tasks;
bench_scenario bench_growth_workers;
bench_scenario bench_growth_bytes;

#endif
