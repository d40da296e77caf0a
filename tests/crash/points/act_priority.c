/* act_priority.c - tasks of all priorities, which tasks submit, cancel and wait for. The first of
 * them in a pool makes the rings of the other priorities. */
#include "points.h"

#define OUTER 4
#define INNER 9

/* Each inner task may be lost or cancelled; then the outer one only goes on. */
static int outer_task(posse_task *task, const void *arg, size_t size)
{
    posse_future futures[INNER];
    for (long i = 0; i < INNER; i++) {
        posse_job job = {.struct_size = sizeof job,
                         .fn = square_task,
                         .arg = &i,
                         .size = sizeof i,
                         .priority = POSSE_PRIORITY_LOW + i % 3};
        if (posse_submit_with(posse_task_executor(task), &job, &futures[i]) != POSSE_OK)
            return INNER_FAILED;
        if (i % 4 == 1) {
            (void)posse_cancel(futures[i]);
            (void)posse_release(futures[i]); /* its entry serves the next one, or does not */
        }
    }
    for (long i = INNER - 1; i >= 0; i--) {
        if (i % 4 == 1)
            continue;
        long value = 0;
        posse_status status = posse_result_into(futures[i], -1, &value, sizeof value, NULL);
        bool right = status == POSSE_OK ? value == i * i : status == POSSE_WORKER_LOST;
        if (!right || posse_release(futures[i]) != POSSE_OK)
            return INNER_FAILED;
    }
    return 0;
}

static int play(posse_executor *pool, int deaths)
{
    posse_future futures[OUTER];
    int lost = 0;
    for (long i = 0; i < OUTER; i++)
        futures[i] = submitted_job(
            pool, (posse_job){.fn = outer_task, .priority = POSSE_PRIORITY_HIGH - i % 3});
    for (int i = 0; i < OUTER; i++)
        lost += take_either(futures[i]).status == POSSE_WORKER_LOST;
    return lost;
}

const struct act act_priorities = {.name = "priorities", .play = play};
