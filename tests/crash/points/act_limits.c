/* act_limits.c - tasks with limits: one that waits for another, one that crashes as it is refused
 * memory, one that uses too much processor time. */
#include "points.h"

#include <stdlib.h>
#include <sys/mman.h>

#define LIMIT ((size_t)64 << 20)

static int nesting_task(posse_task *task, const void *arg, size_t size)
{
    long n = 3;
    posse_future inner;
    posse_executor *pool = posse_task_executor(task);
    if (posse_submit(pool, square_task, &n, sizeof n, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    return posse_release(inner) == POSSE_OK && status == POSSE_OK ? 0 : INNER_FAILED;
}

static int greedy_task(posse_task *task, const void *arg, size_t size)
{
    void *memory =
        mmap(NULL, 8 * LIMIT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return WRONG_ARG;
}

static int burning_task(posse_task *task, const void *arg, size_t size)
{
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end;)
        ;
    return GAVE_UP;
}

/* The same of a task that waits for another one, which may be lost. */
static int inner_or(posse_future future, posse_status how)
{
    posse_error error = error_of(future);
    if (error.status != POSSE_TASK_FAILED || error.code != INNER_FAILED)
        return lost_or(future, how);
    assert_ok(posse_release(future));
    return 1;
}

static int play(posse_executor *pool, int deaths)
{
    posse_future nesting =
        submitted_job(pool, (posse_job){.fn = nesting_task, .max_memory = LIMIT});
    posse_future greedy =
        submitted_job(pool, (posse_job){.fn = greedy_task, .max_memory = LIMIT, .name = "greedy"});
    posse_future burning = submitted_job(pool, (posse_job){.fn = burning_task, .max_cpu_ms = 5});
    return inner_or(nesting, POSSE_OK) + lost_or(greedy, POSSE_OVER_MEMORY) +
           lost_or(burning, POSSE_OVER_CPU);
}

const struct act act_limits = {
    .name = "limits", .play = play, .costs = 2, .leaves = true, .kills = 2};
