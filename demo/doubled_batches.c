/* doubled_batches.c - doubles numbers in batches: a task for each batch, not for each number.
 *
 * What a task costs is then shared by a whole batch. The size of the argument tells a task how many
 * numbers it has; posse_map does the same by itself, with its chunksize.
 */
#include "common.h"

#include <stdio.h>

#define COUNT 18
#define BATCH 5
#define BATCHES ((COUNT + BATCH - 1) / BATCH) /* the last one may be shorter */

static int double_batch(posse_task *task, const void *arg, size_t size)
{
    const long *numbers = arg;
    long *doubled = posse_task_reserve(task, size);
    if (!doubled)
        return posse_task_fail(task, 1, "no memory for %zu bytes", size);
    for (size_t k = 0; k < size / sizeof *numbers; k++)
        doubled[k] = 2 * numbers[k];
    return 0;
}

static void submit_all(posse_executor *pool, const long *numbers, posse_future *futures)
{
    for (size_t k = 0; k < BATCHES; k++) {
        size_t first = k * BATCH, left = COUNT - first;
        size_t size = (left < BATCH ? left : BATCH) * sizeof *numbers;
        demo_check(posse_submit(pool, double_batch, &numbers[first], size, &futures[k]),
                   "cannot submit");
    }
}

static void print_batch(size_t batch, posse_future future)
{
    const void *data;
    size_t size;
    demo_check(posse_result(future, -1, &data, &size), "no result");
    const long *doubled = data;
    printf("batch %zu:", batch);
    for (size_t k = 0; k < size / sizeof *doubled; k++)
        printf(" %ld", doubled[k]);
    putchar('\n');
    demo_check(posse_release(future), "cannot release");
}

static const char help[] = "usage: doubled_batches [option...]\n"
                           "Doubles the numbers from 1 to 18, in batches of 5.\n"
                           "\n"
                           "  --backend NAME  process, thread or inline (process)\n"
                           "  --workers N     how many work at the same time (4)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    struct demo demo = demo_parse(argc, argv, help, DEMO_TAKES_INLINE | DEMO_TAKES_WORKERS);
    posse_executor *pool = demo_create(&demo);
    long numbers[COUNT];
    for (long k = 0; k < COUNT; k++)
        numbers[k] = k + 1;
    posse_future futures[BATCHES];
    submit_all(pool, numbers, futures);
    for (size_t k = 0; k < BATCHES; k++)
        print_batch(k + 1, futures[k]);
    return demo_end(pool);
}
