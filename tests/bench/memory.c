/* memory.c - what a byte of shared memory costs: the first touch, to have it again, to give it
 * back; beside malloc, which has who "malloc".
 *
 * A round takes blocks of one size up to 64 MiB in all, writes to each page of each, and frees
 * them. The first round of a new pool touches memory that nobody had, the median of the others is
 * what it costs to have it again. All figures are of one block. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 5, PAGE = 4096, MAX_BLOCKS = 100000 };

/* Where a round takes its memory from; pool NULL: malloc. */
struct source {
    const struct bench *bench;
    posse_executor *pool;
};

static void *take(const struct source *source, size_t size)
{
    void *memory = NULL;
    if (source->pool == NULL)
        memory = malloc(size);
    else
        bench_must(source->bench, posse_alloc(source->pool, size, &memory), "posse_alloc");
    bench_check(source->bench, memory != NULL, "out of memory");
    return memory;
}

static void give(const struct source *source, void *memory)
{
    if (source->pool == NULL)
        free(memory);
    else
        bench_must(source->bench, posse_free(source->pool, memory), "posse_free");
}

struct blocks {
    void **at;
    int count;
    size_t size;
};

struct cost {
    double taken, freed; /* ns a block */
};

static struct cost run_round(const struct source *source, struct blocks blocks)
{
    double start = bench_seconds();
    for (int i = 0; i < blocks.count; i++) {
        volatile char *bytes = blocks.at[i] = take(source, blocks.size);
        for (size_t k = 0; k < blocks.size; k += PAGE)
            bytes[k] = 1;
    }
    double taken = bench_seconds();
    for (int i = 0; i < blocks.count; i++)
        give(source, blocks.at[i]);
    double freed = bench_seconds();
    return (struct cost){(taken - start) * 1e9 / blocks.count,
                         (freed - taken) * 1e9 / blocks.count};
}

static void report(const struct source *source, const char *what, size_t size, double ns)
{
    char name[64];
    struct bench bench = *source->bench;
    if (source->pool == NULL)
        bench.who = "malloc";
    (void)snprintf(name, sizeof name, "%s-%s-%zu", bench.scenario, what, size);
    bench_report(&bench, name, ns, "ns/block");
}

static void run_rounds(const struct source *source, struct blocks blocks)
{
    double again[ROUNDS], freed[ROUNDS];
    struct cost first = run_round(source, blocks);
    for (int i = 0; i < ROUNDS; i++) {
        struct cost cost = run_round(source, blocks);
        again[i] = cost.taken;
        freed[i] = cost.freed;
    }
    report(source, "first", blocks.size, first.taken);
    report(source, "again", blocks.size, bench_median(again, ROUNDS));
    report(source, "free", blocks.size, bench_median(freed, ROUNDS));
}

static const size_t sizes[] = {128, 1024, 8192, 65536, 1 << 20, 8 << 20, 64 << 20};

void bench_blocks(const struct bench *bench)
{
    const size_t all = (size_t)bench_count(bench, 64 << 20, 1 << 20);
    void **at = bench_memory(bench, MAX_BLOCKS * sizeof *at);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes && sizes[i] <= all; i++) {
        int count = (int)(all / sizes[i]);
        struct blocks blocks = {at, count < MAX_BLOCKS ? count : MAX_BLOCKS, sizes[i]};
        struct source source = {bench, bench_create(bench, 1)};
        run_rounds(&source, blocks);
        bench_destroy(bench, source.pool);
        source.pool = NULL;
        run_rounds(&source, blocks);
    }
    free(at);
}
