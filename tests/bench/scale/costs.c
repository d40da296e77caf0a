/* costs.c - measures on this machine what simulate.c takes as given: `posse_costs` prints options.
 *
 * Two threads on two processors. Each figure is the least of many short bursts, because other
 * programs only make a burst longer. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* pthread_setaffinity_np */
#endif

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BURSTS = 2000 };
#define LINES 64
#define APART (128 / sizeof(uint64_t))

static _Alignas(128) _Atomic uint64_t turn;
static _Alignas(128) _Atomic uint64_t lines[LINES * APART];

static double now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void run_on(size_t processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    if (pthread_setaffinity_np(pthread_self(), sizeof set, &set) != 0) {
        fprintf(stderr, "posse_costs: needs processors 0 and 1\n");
        exit(1);
    }
}

static _Atomic uint64_t *line_at(int i) { return &lines[(size_t)i * 29 % LINES * APART]; }

/* Writes all lines in its turn, which is each odd one, until the last. */
static void *write_lines(void *unused)
{
    run_on(1);
    for (uint64_t burst = 0; burst < BURSTS; burst++) {
        while (atomic_load(&turn) != 2 * burst + 1)
            sched_yield();
        for (int i = 0; i < LINES; i++)
            atomic_store_explicit(line_at(i), burst, memory_order_release);
        atomic_store(&turn, 2 * burst + 2);
    }
    return unused;
}

/* Each address depends on the value that was read before: these accesses do not overlap. */
static double read_lines(void)
{
    uint64_t value = 0;
    double start = now_ns();
    for (int i = 0; i < LINES; i++)
        value = atomic_load(line_at(i) + (value & 1 ? value >> 63 : 0));
    double elapsed = now_ns() - start;
    return value == UINT64_MAX ? 0 : elapsed / LINES;
}

static double change_lines(void)
{
    double start = now_ns();
    for (int i = 0; i < LINES; i++)
        (void)atomic_fetch_add(line_at(i), 1);
    return (now_ns() - start) / LINES;
}

static double least(double a, double b) { return a < b ? a : b; }

/* Every second burst reads the lines first, every other one changes them at once. */
int main(void)
{
    double read = 1e9, change = 1e9, hit = 1e9, locked = 1e9;
    pthread_t writer;
    run_on(0);
    if (pthread_create(&writer, NULL, write_lines, NULL) != 0)
        return 1;
    for (uint64_t burst = 0; burst < BURSTS; burst++) {
        atomic_store(&turn, 2 * burst + 1);
        while (atomic_load(&turn) != 2 * burst + 2)
            sched_yield();
        if (burst % 2)
            read = least(read, read_lines());
        else
            change = least(change, change_lines());
        hit = least(hit, read_lines());
        locked = least(locked, change_lines());
    }
    (void)pthread_join(writer, NULL);
    printf("--transfer %.0f --hit %.0f --locked %.0f\n", read, hit, locked);
    printf("An independent change of a line of the other processor: %.0f ns, as these overlap.\n",
           change);
    return 0;
}
