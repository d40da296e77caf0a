/* act_broadcast.c - a function runs in every worker, also in those that start later. */
#include "points.h"

#include <string.h>

#define ROUNDS 3
#define TASKS 3

static _Thread_local long version; /* in each worker */

/* No worker runs one twice. */
static int set_version(posse_task *task, const void *arg, size_t size)
{
    long next;
    (void)task;
    memcpy(&next, arg, size);
    if (version >= next)
        return WRONG_ARG;
    version = next;
    return 0;
}

static int has_version(posse_task *task, const void *arg, size_t size)
{
    long least;
    (void)task;
    memcpy(&least, arg, size);
    return version >= least ? 0 : WRONG_ARG;
}

/* In how many workers it was lost. */
static int broadcast(posse_executor *pool, const long *next)
{
    posse_status statuses[8];
    posse_broadcast_job job = {.struct_size = sizeof job,
                               .fn = next ? set_version : NULL,
                               .arg = next,
                               .size = next ? sizeof *next : 0,
                               .also_later = 1,
                               .statuses = statuses,
                               .capacity = COUNT(statuses)};
    size_t n;
    int lost = 0;
    posse_status status = posse_broadcast(pool, &job, &n);
    assert_true(status == POSSE_OK || status == POSSE_WORKER_LOST);
    assert_in_range(n, 0, COUNT(statuses));
    for (size_t i = 0; i < n; i++) {
        assert_true(statuses[i] == POSSE_OK || statuses[i] == POSSE_WORKER_LOST);
        lost += statuses[i] == POSSE_WORKER_LOST;
    }
    assert_int_equal(lost > 0, status == POSSE_WORKER_LOST);
    return lost;
}

static int play(posse_executor *pool, int deaths)
{
    static long last;
    int lost = 0;
    for (int round = 0; round < ROUNDS; round++) {
        posse_future futures[2 * TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = submitted_long(pool, has_version, 0);
        ++last;
        lost += broadcast(pool, &last);
        for (int i = TASKS; i < 2 * TASKS; i++)
            futures[i] = submitted_long(pool, has_version, last);
        for (int i = 0; i < 2 * TASKS; i++)
            lost += take_either(futures[i]).status == POSSE_WORKER_LOST;
    }
    (void)broadcast(pool, NULL);
    return lost;
}

const struct act act_broadcast = {.name = "broadcast", .play = play};
