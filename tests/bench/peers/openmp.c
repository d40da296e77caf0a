/* openmp.c - what OpenMP takes for a map whose function is called for each item: the yardstick of
 * map-shared-items. The work, the counts and the form of the output are those of posse_bench. */
#include "../square.h"

#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS = 2, REPEATS = 10 };

static double map(const uint64_t *in, uint64_t *out, size_t n)
{
    double start = omp_get_wtime();
#pragma omp parallel for num_threads(WORKERS) schedule(guided)
    for (size_t i = 0; i < n; i++) {
        const void *items[] = {&in[i]};
        (void)bench_square(NULL, items, &out[i]);
    }
    return omp_get_wtime() - start;
}

int main(int argc, char **argv)
{
    const size_t n = argc == 2 && strcmp(argv[1], "--smoke") == 0 ? 1000 : 10000000;
    uint64_t *in = malloc(n * sizeof *in), *out = malloc(n * sizeof *out);
    double best = 0;
    if (!in || !out)
        return 1;
    for (size_t i = 0; i < n; i++)
        in[i] = out[i] = i;
    for (int i = 0; i < REPEATS; i++) {
        double elapsed = map(in, out, n);
        best = i == 0 || elapsed < best ? elapsed : best;
    }
    for (size_t i = 0; i < n; i++)
        if (out[i] != (uint64_t)i * i)
            return 1;
    printf("{\"who\":\"OpenMP for, called\",\"scenario\":\"map\",\"value\":%.6g,"
           "\"unit\":\"ns/item\"}\n",
           best / (double)n * 1e9);
    free(in);
    free(out);
    return 0;
}
