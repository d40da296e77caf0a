/* ways_of_use.c - six ways to run tasks and to come by their results.
 *
 * The task squares a number, the sooner the larger it is: with a worker for each the results come
 * in the opposite order.
 */
#include "common.h"

#include <err.h>
#include <semaphore.h>
#include <stdio.h>

#define COUNT 4

static const long numbers[COUNT] = {1, 2, 3, 4};

static int square(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    long n = *(const long *)arg, result = n * n;
    for (long slept = 0; slept < 20 * (COUNT - n); slept += 5) {
        if (posse_task_cancelled(task))
            return posse_task_fail(task, 1, "not wanted any more");
        demo_sleep(5);
    }
    return posse_task_return(task, &result, sizeof result) == POSSE_OK ? 0 : 1;
}

/* For map, which gives each item its place in the array of results. */
static int square_item(posse_task *task, const void *const *items, void *result)
{
    (void)task;
    long n = *(const long *)items[0];
    *(long *)result = n * n;
    return 0;
}

static void submit_all(posse_executor *pool, posse_future *futures)
{
    for (int k = 0; k < COUNT; k++)
        demo_check(posse_submit(pool, square, &numbers[k], sizeof numbers[k], &futures[k]),
                   "cannot submit");
}

/* Waits for the end of the task, prints its result and gives the future back. */
static void use(posse_future future)
{
    long result;
    posse_status status = posse_result_into(future, -1, &result, sizeof result, NULL);
    if (status == POSSE_OK)
        printf(" %ld", result);
    else if (status == POSSE_CANCELLED)
        printf(" cancelled");
    else if (status == POSSE_TASK_FAILED)
        printf(" stopped");
    else
        demo_check(status, "no result");
    demo_check(posse_release(future), "cannot release");
}

/* ---- the six ways --------------------------------------------------------------------------- */

static void map_and_wait(posse_executor *pool)
{
    long results[COUNT];
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = square_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = COUNT,
                         .result_size = sizeof *results,
                         .results = results};
    demo_check(posse_map(pool, &job, NULL), "cannot map");
    for (int k = 0; k < COUNT; k++)
        printf(" %ld", results[k]);
}

static void use_as_completed(posse_executor *pool)
{
    posse_future futures[COUNT], next;
    submit_all(pool, futures);
    posse_completion_iter *completed;
    demo_check(posse_as_completed(futures, COUNT, -1, &completed), "cannot wait");
    posse_status status;
    while ((status = posse_completion_iter_next(completed, &next, NULL)) == POSSE_OK)
        use(next);
    if (status != POSSE_END)
        demo_check(status, "cannot wait");
    posse_completion_iter_close(completed);
}

static void use_in_order(posse_executor *pool)
{
    posse_future futures[COUNT];
    submit_all(pool, futures);
    for (int k = 0; k < COUNT; k++)
        use(futures[k]);
}

/* Callbacks run on a thread of the pool's, one after another. */
static int use_and_tell(posse_future future, void *context)
{
    use(future);
    return sem_post(context);
}

static void use_callbacks(posse_executor *pool)
{
    sem_t used;
    posse_future futures[COUNT];
    if (sem_init(&used, 0, 0) != 0)
        err(1, "semaphore");
    submit_all(pool, futures);
    for (int k = 0; k < COUNT; k++)
        demo_check(posse_add_done_callback(futures[k], use_and_tell, &used), "no callback");
    for (int k = 0; k < COUNT; k++)
        while (sem_wait(&used) != 0)
            continue;
    sem_destroy(&used);
}

static void wait_for_all(posse_executor *pool)
{
    posse_future futures[COUNT];
    submit_all(pool, futures);
    demo_check(posse_wait(futures, COUNT, POSSE_ALL_COMPLETED, -1, NULL, NULL), "cannot wait");
    for (int k = 0; k < COUNT; k++)
        use(futures[k]);
}

/* A task that is running cannot be cancelled, but it looks whether it was to be. */
static void wait_for_first(posse_executor *pool)
{
    posse_future futures[COUNT];
    bool done[COUNT];
    submit_all(pool, futures);
    demo_check(posse_wait(futures, COUNT, POSSE_FIRST_COMPLETED, -1, done, NULL), "cannot wait");
    for (int k = 0; k < COUNT; k++)
        if (!done[k])
            (void)posse_cancel(futures[k]);
    for (int k = 0; k < COUNT; k++)
        use(futures[k]);
}

static const char help[] = "usage: ways_of_use [option...]\n"
                           "Squares 1, 2, 3 and 4 in six ways.\n"
                           "\n"
                           "  --backend NAME  process, thread or inline (process)\n"
                           "  --workers N     how many work at the same time (4)\n"
                           "  --help          show this\n";

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(posse_executor *pool);
    } ways[] = {
        {"map and wait", map_and_wait}, {"use as completed", use_as_completed},
        {"use in order", use_in_order}, {"use in a callback", use_callbacks},
        {"wait for all", wait_for_all}, {"wait for first", wait_for_first},
    };
    struct demo demo = demo_parse(argc, argv, help, DEMO_TAKES_INLINE | DEMO_TAKES_WORKERS);
    posse_executor *pool = demo_create(&demo);
    for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
        printf("%-18s", ways[k].name);
        ways[k].run(pool);
        putchar('\n');
    }
    return demo_end(pool);
}
