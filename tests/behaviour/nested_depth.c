/* nested_depth.c - tasks wait for tasks that wait for tasks, on one stack, until it is full. The
 * wait says so, and no worker is lost. */
#include "support/support.h"

#include <string.h>

enum way { RESULT, WAIT, AS_COMPLETED, MAP, MAP_UNORDERED, WAYS };

struct step {
    enum way way;
    long depth;
};

#define BALLAST 8192 /* bytes of stack that a level uses: 8 MiB hold some hundreds then */
#define STEPS_MOST 100000

static int deeper_task(posse_task *task, const void *arg, size_t size);

static posse_status wait_by(enum way way, posse_future future)
{
    posse_completion_iter *completed;
    posse_future first;
    if (way == RESULT)
        return posse_result(future, -1, NULL, NULL);
    if (way == WAIT)
        return posse_wait(&future, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL);
    posse_status status = posse_as_completed(&future, 1, -1, &completed);
    if (status == POSSE_OK) {
        status = posse_completion_iter_next(completed, &first, NULL);
        posse_completion_iter_close(completed);
    }
    return status;
}

/* The depth that was reached: what the inner task says, or ours if it cannot be run. */
static int deepen_by_wait(posse_task *task, struct step step)
{
    struct step next = {step.way, step.depth + 1};
    posse_future inner;
    long depth = step.depth;
    if (posse_submit(posse_task_executor(task), deeper_task, &next, sizeof next, &inner) !=
        POSSE_OK)
        return INNER_FAILED;
    posse_status status;
    while ((status = wait_by(step.way, inner)) == POSSE_NO_MEMORY)
        if (posse_cancel(inner) == POSSE_OK) {
            return posse_release(inner) == POSSE_OK ? return_long(task, depth) : INNER_FAILED;
        } /* else another worker has just begun it */
    if (status == POSSE_OK)
        status = posse_result_into(inner, 0, &depth, sizeof depth, NULL);
    bool good = status == POSSE_OK && posse_release(inner) == POSSE_OK;
    return good ? return_long(task, depth) : INNER_FAILED;
}

static int deepen_item(posse_task *task, const void *const *items, void *result);

static int deepen_by_map(posse_task *task, struct step step, long *depth)
{
    struct step next = {step.way, step.depth + 1};
    posse_input input = {.data = &next, .size = sizeof next};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = deepen_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = 1,
                         .result_size = sizeof *depth,
                         .unordered = step.way == MAP_UNORDERED};
    posse_map_iter *mapping = NULL;
    posse_item item = {.struct_size = sizeof item};
    if (posse_map_open(posse_task_executor(task), &job, &mapping) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_map_next(mapping, &item);
    *depth = step.depth;
    if (status == POSSE_OK && item.status == POSSE_OK)
        memcpy(depth, item.result, sizeof *depth);
    bool good = status == POSSE_NO_MEMORY || (status == POSSE_OK && item.status == POSSE_OK);
    return posse_map_close(mapping) == POSSE_OK && good ? 0 : INNER_FAILED;
}

static int deepen_item(posse_task *task, const void *const *items, void *result)
{
    volatile char ballast[BALLAST];
    struct step step;
    long depth = 0;
    memcpy(&step, items[0], sizeof step);
    ballast[step.depth % BALLAST] = 1;
    int code = deepen_by_map(task, step, &depth);
    memcpy(result, &depth, sizeof depth);
    return code || ballast[step.depth % BALLAST] != 1;
}

static int deeper_task(posse_task *task, const void *arg, size_t size)
{
    volatile char ballast[BALLAST];
    struct step step;
    long depth = 0;
    memcpy(&step, arg, size);
    ballast[step.depth % BALLAST] = 1;
    if (step.way < MAP)
        return deepen_by_wait(task, step) || ballast[step.depth % BALLAST] != 1;
    int code = deepen_by_map(task, step, &depth);
    return code || ballast[step.depth % BALLAST] != 1 ? code : return_long(task, depth);
}

static void assert_bottom(long workers)
{
    posse_executor *pool = make_pool(workers);
    for (enum way way = 0; way < WAYS; way++) {
        struct step step = {.way = way};
        long depth = take_long(SUBMIT_VALUE(pool, deeper_task, step));
        print_message("%d: %ld tasks deep\n", (int)way, depth);
        assert_in_range(depth, 10, STEPS_MOST);
    }
    assert_int_equal(take_long(submitted_long(pool, fib_task, 9)), 34);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(one_worker_comes_to_the_bottom, PARALLEL) { assert_bottom(1); }

/* Each may have come to its own: nobody waits for the other. */
TEST(two_workers_come_to_the_bottom, PARALLEL) { assert_bottom(2); }
