/* producers_consumers.c - two producers and two consumers, and between them a queue of two items.
 *
 * The queue holds the producers back when it is full, and the consumers when it is empty. Closing
 * it ends the consumers, once they have taken what is left.
 */
#include "common.h"

#include <err.h>
#include <stdio.h>

#define PAIRS 2
#define EACH 12 /* items of a producer */
#define ITEMS (PAIRS * EACH)
#define CAPACITY 2
#define PATIENCE 10000 /* milliseconds after which a producer gives up if nobody consumes */

struct work {
    posse_queue queue;
    int first; /* item of a producer */
};

static int produce(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const struct work *work = arg;
    for (int item = work->first; item < work->first + EACH; item++) {
        posse_status status = posse_queue_put(work->queue, &item, sizeof item, PATIENCE);
        if (status != POSSE_OK)
            return posse_task_fail(task, 1, "put: %s", posse_status_message(status));
    }
    return 0;
}

/* The result is the items that it took, in their order. */
static int consume(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    const struct work *work = arg;
    int items[ITEMS];
    size_t count = 0;
    posse_status status = POSSE_OK;
    while (count < sizeof items / sizeof *items && status == POSSE_OK) {
        status = posse_queue_get(work->queue, &items[count], sizeof items[count], NULL, -1);
        count += status == POSSE_OK;
    }
    if (status != POSSE_OK && status != POSSE_CLOSED)
        return posse_task_fail(task, 2, "get: %s", posse_status_message(status));
    return posse_task_return(task, items, count * sizeof *items) == POSSE_OK ? 0 : 3;
}

static void check_end(posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    demo_check(posse_exception(future, -1, &error), "cannot wait");
    if (error.status != POSSE_OK)
        errx(1, "%s", error.message);
}

/* Prints what a consumer took, and counts how often each item was. */
static void print_items(int consumer, posse_future future, int *seen)
{
    const void *data;
    size_t size;
    check_end(future);
    demo_check(posse_result(future, 0, &data, &size), "no result");
    const int *items = data;
    printf("consumer %d took", consumer);
    for (size_t k = 0; k < size / sizeof *items; k++) {
        printf(" %d", items[k]);
        seen[items[k]]++;
    }
    puts(size == 0 ? " nothing" : "");
}

static void check_items(const int *seen)
{
    for (int item = 1; item <= ITEMS; item++)
        if (seen[item] != 1)
            errx(1, "item %d was taken %d times", item, seen[item]);
    printf("each of %d items was taken once\n", ITEMS);
}

static const char help[] = "usage: producers_consumers [option...]\n"
                           "Two tasks produce 12 items each, two consume them.\n"
                           "\n"
                           "  --backend NAME  process or thread (process)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    struct demo demo = demo_parse(argc, argv, help, 0);
    demo.workers = 2L * PAIRS; /* all run at the same time, or they would wait for each other */
    posse_executor *pool = demo_create(&demo);
    struct work work = {.first = 1};
    posse_future producers[PAIRS], consumers[PAIRS];
    demo_check(posse_queue_create(pool, CAPACITY, sizeof(int), &work.queue), "cannot make a queue");
    for (int k = 0; k < PAIRS; k++, work.first += EACH) {
        demo_check(posse_submit(pool, produce, &work, sizeof work, &producers[k]), "no producer");
        demo_check(posse_submit(pool, consume, &work, sizeof work, &consumers[k]), "no consumer");
    }
    for (int k = 0; k < PAIRS; k++)
        check_end(producers[k]);
    demo_check(posse_queue_close(work.queue), "cannot close the queue");
    int seen[ITEMS + 1] = {0};
    for (int k = 0; k < PAIRS; k++)
        print_items(k + 1, consumers[k], seen);
    check_items(seen);
    demo_check(posse_queue_destroy(work.queue), "cannot end the queue");
    return demo_end(pool);
}
