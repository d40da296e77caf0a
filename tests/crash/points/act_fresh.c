/* act_fresh.c - each task has a process of its own: small and large ones, one that crashes and runs
 * again, one that crashes for good, one that fails, one that uses too much processor time, one that
 * gets memory of the program.
 *
 * A death may also hit such a process. Then no worker is lost.
 */
#include "points.h"

#include <posse_seal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char large[100000];

static int second_time_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_attempt(task) < 2)
        abort();
    return 0;
}

static int burning_task(posse_task *task, const void *arg, size_t size)
{
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end;)
        ;
    return GAVE_UP;
}

/* It has a descriptor, and a limit. */
static int held_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_descriptor(task, 0) >= 0 ? 0 : WRONG_ARG;
}

static int adding_task(posse_task *task, const void *arg, size_t size)
{
    _Atomic long *value;
    memcpy(&value, arg, sizeof value);
    return return_long(task, ++*value);
}

/* A task that gets a block of the program: each attempt adds to it. */
static int shares(posse_executor *pool)
{
    posse_memory block = {.writable = true};
    assert_ok(posse_alloc(pool, sizeof(_Atomic long), &block.block));
    posse_job job = {.fn = adding_task,
                     .arg = &block.block,
                     .size = sizeof block.block,
                     .retries = -1,
                     .memory = &block,
                     .n_memory = 1};
    posse_future future = submitted_job(pool, job);
    int lost = lost_or(future, POSSE_OK);
    long value = *(_Atomic long *)block.block;
    assert_true(value == 1 || (lost && value == 0));
    assert_ok(posse_free(pool, block.block));
    return lost;
}

static int play(posse_executor *pool, int deaths)
{
    int lost = shares(pool);
    posse_future small = submitted_long(pool, square_task, 5);
    posse_future big = submitted(pool, echo_task, large, sizeof large);
    posse_future again =
        submitted_job(pool, (posse_job){.fn = second_time_task, .retries = 1, .name = "again"});
    posse_future crashes = submitted_long(pool, signal_task, 11);
    posse_future fails = submitted_long(pool, message_task, 7);
    posse_job burns = {.fn = burning_task, .max_cpu_ms = 5, .max_memory = (size_t)64 << 20};
    posse_future burning = submitted_job(pool, burns);
    posse_future both = submitted_job(pool, (posse_job){.fn = held_task,
                                                        .max_memory = (size_t)64 << 20,
                                                        .descriptors = &(int){STDERR_FILENO},
                                                        .n_descriptors = 1});
    return lost + lost_or(small, POSSE_OK) + lost_or(big, POSSE_OK) + lost_or(again, POSSE_OK) +
           lost_or(crashes, POSSE_WORKER_LOST) + lost_or(fails, POSSE_TASK_FAILED) +
           lost_or(burning, POSSE_OVER_CPU) + lost_or(both, POSSE_OK);
}

static void set(posse_options *options)
{
    options->isolation = POSSE_FRESH;
    options->autopsy = 1;
}

const struct act act_fresh = {
    .name = "fresh", .set = set, .play = play, .leaves = true, .keeps = true};
