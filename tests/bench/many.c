/* many.c - many futures in one iteration, and many items in one map. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"
#include "square.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- as_completed ---- */

enum { THOUSAND = 1000 };

/* ns a future to open the iteration and take all of them; submitting is not counted. */
static double iterate(const struct bench *bench, posse_executor *pool, posse_future *futures,
                      size_t n)
{
    posse_completion_iter *completed;
    posse_future future;
    posse_status status;
    size_t index, count = 0;
    for (uint64_t i = 0; i < n; i++)
        bench_must(bench, posse_submit(pool, bench_echo, &i, sizeof i, &futures[i]), "submit");
    double start = bench_seconds();
    bench_must(bench, posse_as_completed(futures, n, -1, &completed), "as_completed");
    while ((status = posse_completion_iter_next(completed, &future, &index)) == POSSE_OK) {
        bench_check(bench, bench_take(bench, future) == index, "another task's result");
        count++;
    }
    posse_completion_iter_close(completed);
    double elapsed = bench_seconds() - start;
    bench_check(bench, status == POSSE_END && count == n, "not all were given");
    return elapsed / (double)n * 1e9;
}

/* The same cost a future for any number of them. */
void bench_as_completed(const struct bench *bench)
{
    static const struct {
        const char *name;
        size_t n;
        int repeats;
    } sizes[] = {{"as-completed-1000", THOUSAND, 200},
                 {"as-completed-100000", 100 * THOUSAND, 9},
                 {"as-completed-1000000", THOUSAND * THOUSAND, 3}};
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        size_t n = bench->smoke ? 10 + k : sizes[k].n;
        int repeats = bench_count(bench, sizes[k].repeats, 1);
        double *each = bench_memory(bench, (size_t)repeats * sizeof *each);
        posse_future *futures = bench_memory(bench, n * sizeof *futures);
        for (int i = 0; i < repeats; i++)
            each[i] = iterate(bench, pool, futures, n);
        bench_report(bench, sizes[k].name, bench_median(each, repeats), "ns/future");
        free(futures);
        free(each);
    }
    bench_destroy(bench, pool);
}

/* ---- map ---- */

static int square_block(posse_task *task, const posse_block *block)
{
    const uint64_t *in = (const void *)block->inputs[0];
    uint64_t *out = (void *)block->results;
    for (size_t i = 0; i < block->count; i++)
        out[i] = in[i] * in[i];
    return 0;
}

struct arrays {
    uint64_t *in, *out;
    size_t n;
};

/* ns an item, the best of some: as the peers. */
static void map(const struct bench *bench, posse_executor *pool, const struct arrays *arrays,
                const char *name, bool by_item)
{
    posse_input input = {.data = arrays->in, .size = sizeof *arrays->in};
    posse_map_job job = {.struct_size = sizeof job,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = arrays->n,
                         .results = arrays->out,
                         .result_size = sizeof *arrays->out};
    if (by_item)
        job.fn = bench_square;
    else
        job.block_fn = square_block;
    double best = 0;
    for (int i = 0; i < bench_count(bench, 10, 2); i++) {
        double start = bench_seconds();
        bench_must(bench, posse_map(pool, &job, NULL), "map");
        double elapsed = bench_seconds() - start;
        best = i == 0 || elapsed < best ? elapsed : best;
    }
    for (size_t i = 0; i < arrays->n; i++)
        bench_check(bench, arrays->out[i] == (uint64_t)i * i, "a wrong square");
    bench_report(bench, name, best / (double)arrays->n * 1e9, "ns/item");
}

static void map_both(const struct bench *bench, posse_executor *pool, const struct arrays *arrays,
                     const char *kind)
{
    char name[32];
    for (size_t i = 0; i < arrays->n; i++)
        arrays->in[i] = i;
    snprintf(name, sizeof name, "map-%s", kind);
    map(bench, pool, arrays, name, false);
    snprintf(name, sizeof name, "map-%s-items", kind);
    map(bench, pool, arrays, name, true);
}

void bench_map(const struct bench *bench)
{
    size_t n = bench->smoke ? 1000 : 10000000, size = n * sizeof(uint64_t);
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    struct arrays plain = {bench_memory(bench, size), bench_memory(bench, size), n};
    struct arrays shared = {.n = n};
    void *memory[2];
    for (int i = 0; i < 2; i++)
        bench_must(bench, posse_alloc(pool, size, &memory[i]), "alloc");
    shared.in = memory[0];
    shared.out = memory[1];
    map_both(bench, pool, &plain, "plain");
    map_both(bench, pool, &shared, "shared");
    for (int i = 0; i < 2; i++)
        bench_must(bench, posse_free(pool, memory[i]), "free");
    free(plain.in);
    free(plain.out);
    bench_destroy(bench, pool);
}
