/* payload.c - what it costs to hand 64 MiB to a task, or back: by pointer, in place, and by copy.
 *
 * The bytes themselves are left alone but for the first and the last, which both sides mark and
 * compare, so that a figure tells what the library does with the payload and not how fast a task
 * can read. */
#define _POSIX_C_SOURCE 200809L

#include "bench.h"

#include <stdlib.h>
#include <string.h>

enum { MIB = 1 << 20, REPEATS = 10 };

static size_t payload_size(const struct bench *bench)
{
    return (size_t)bench_count(bench, 64, 1) * MIB;
}

static void mark(unsigned char *bytes, size_t size, uint64_t round)
{
    bytes[0] = (unsigned char)(round + 1);
    bytes[size - 1] = (unsigned char)(round + 101);
}

/* Tells size and both marks in one number. */
static uint64_t digest(const unsigned char *bytes, size_t size)
{
    return ((uint64_t)size << 16) | (uint64_t)bytes[0] << 8 | bytes[size - 1];
}

static uint64_t expected_digest(size_t size, uint64_t round)
{
    return ((uint64_t)size << 16) | ((round + 1) & 255) << 8 | ((round + 101) & 255);
}

static int return_digest(posse_task *task, const unsigned char *bytes, size_t size)
{
    uint64_t value = digest(bytes, size);
    return posse_task_return(task, &value, sizeof value) == POSSE_OK ? 0 : 1;
}

/* Seconds of one round; the first few are slower, since pages are backed then. */
typedef double payload_round(const struct bench *bench, posse_executor *pool, unsigned char *bytes,
                             uint64_t round);

static double best_of(const struct bench *bench, posse_executor *pool, unsigned char *bytes,
                      payload_round *once)
{
    double best = once(bench, pool, bytes, 0); /* warms up */
    for (uint64_t round = 1; round <= REPEATS; round++) {
        double elapsed = once(bench, pool, bytes, round);
        if (round == 1 || elapsed < best)
            best = elapsed;
    }
    return best;
}

/* ---- by pointer ---- */

struct span {
    const unsigned char *bytes;
    size_t size;
};

static int span_task(posse_task *task, const void *arg, size_t size)
{
    struct span span;
    if (size != sizeof span)
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(&span, arg, sizeof span);
    return return_digest(task, span.bytes, span.size);
}

static double pointer_round(const struct bench *bench, posse_executor *pool, unsigned char *bytes,
                            uint64_t round)
{
    struct span span = {.bytes = bytes, .size = payload_size(bench)};
    mark(bytes, span.size, round);
    double start = bench_seconds();
    uint64_t value = bench_call(bench, pool, span_task, &span, sizeof span);
    double elapsed = bench_seconds() - start;
    bench_check(bench, value == expected_digest(span.size, round), "the task saw other bytes");
    return elapsed;
}

void bench_payload(const struct bench *bench)
{
    size_t size = payload_size(bench);
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    void *bytes = NULL;
    bench_must(bench, posse_alloc(pool, size, &bytes), "posse_alloc");
    memset(bytes, 1, size);
    bench_report(bench, bench->scenario, best_of(bench, pool, bytes, pointer_round) * 1e3, "ms");
    bench_must(bench, posse_free(pool, bytes), "posse_free");
    bench_destroy(bench, pool);
}

/* ---- back, written in place ---- */

struct order {
    size_t size;
    uint64_t round;
};

static int reserve_task(posse_task *task, const void *arg, size_t size)
{
    struct order order;
    if (size != sizeof order)
        return posse_task_fail(task, 1, "an argument of %zu bytes", size);
    memcpy(&order, arg, sizeof order);
    unsigned char *bytes = posse_task_reserve(task, order.size);
    if (bytes == NULL)
        return posse_task_fail(task, 2, "no room for %zu bytes", order.size);
    mark(bytes, order.size, order.round);
    return 0;
}

static double reserve_round(const struct bench *bench, posse_executor *pool, unsigned char *bytes,
                            uint64_t round)
{
    struct order order = {.size = payload_size(bench), .round = round};
    posse_future future;
    const void *data = NULL;
    size_t size = 0;
    double start = bench_seconds();
    bench_must(bench, posse_submit(pool, reserve_task, &order, sizeof order, &future),
               "posse_submit");
    bench_must(bench, posse_result(future, -1, &data, &size), "posse_result");
    bench_check(bench, data != NULL && size == order.size, "a result of the wrong size");
    uint64_t value = digest(data, size);
    bench_must(bench, posse_release(future), "posse_release"); /* part of the price: it frees */
    double elapsed = bench_seconds() - start;
    bench_check(bench, value == expected_digest(size, round), "the result has other bytes");
    return elapsed;
}

void bench_payload_reserve(const struct bench *bench)
{
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    bench_report(bench, bench->scenario, best_of(bench, pool, NULL, reserve_round) * 1e3, "ms");
    bench_destroy(bench, pool);
}

/* ---- by copy ---- */

static int copy_task(posse_task *task, const void *arg, size_t size)
{
    return size == 0 ? posse_task_fail(task, 1, "no argument") : return_digest(task, arg, size);
}

static double copy_round(const struct bench *bench, posse_executor *pool, unsigned char *bytes,
                         uint64_t round)
{
    size_t size = payload_size(bench);
    mark(bytes, size, round);
    double start = bench_seconds();
    uint64_t value = bench_call(bench, pool, copy_task, bytes, size);
    double elapsed = bench_seconds() - start;
    bench_check(bench, value == expected_digest(size, round), "the task saw other bytes");
    return elapsed;
}

void bench_payload_copy(const struct bench *bench)
{
    unsigned char *bytes = bench_memory(bench, payload_size(bench));
    posse_executor *pool = bench_create(bench, BENCH_WORKERS);
    bench_report(bench, bench->scenario, best_of(bench, pool, bytes, copy_round) * 1e3, "ms");
    bench_destroy(bench, pool);
    free(bytes);
}

/* The yardstick of payload-copy: what one copy costs here and now. */
void bench_memcpy(const struct bench *bench)
{
    size_t size = payload_size(bench);
    unsigned char *from = bench_memory(bench, size), *to = bench_memory(bench, size);
    double best = 0;
    for (uint64_t round = 0; round < REPEATS; round++) {
        mark(from, size, round);
        double start = bench_seconds();
        memcpy(to, from, size);
        double elapsed = bench_seconds() - start;
        bench_check(bench, digest(to, size) == expected_digest(size, round), "a wrong copy");
        if (round == 0 || elapsed < best)
            best = elapsed;
    }
    bench_report(bench, bench->scenario, best * 1e3, "ms");
    free(from);
    free(to);
}
