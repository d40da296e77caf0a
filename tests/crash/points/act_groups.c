/* act_groups.c - tasks of a group, of which one or two run at a time. Some futures are released
 * before the end, some tasks have none, some are cancelled. */
#include "points.h"

#include <posse_group.h>

#define TASKS 9

static posse_group *group_of(posse_executor *pool, long max_running)
{
    posse_group *group;
    posse_group_options options = {.struct_size = sizeof options, .max_running = max_running};
    assert_ok(posse_group_create(pool, &options, &group));
    return group;
}

static int play_group(posse_executor *pool, long max_running)
{
    posse_group *group = group_of(pool, max_running);
    posse_future futures[TASKS];
    int lost = 0;
    for (long i = 0; i < TASKS; i++) {
        posse_job job = {.struct_size = sizeof job,
                         .fn = i % 4 == 0 ? fib_task : square_task,
                         .arg = &(long){3},
                         .size = sizeof(long),
                         .group = group};
        assert_ok(posse_submit_with(pool, &job, i % 3 == 2 ? NULL : &futures[i]));
        if (i % 3 == 1)
            assert_ok(posse_release(futures[i]));
    }
    (void)posse_cancel(futures[6]);
    posse_status status = posse_group_wait(group, -1);
    assert_true(status == POSSE_OK || status == POSSE_CANCELLED || status == POSSE_WORKER_LOST ||
                status == POSSE_TASK_FAILED);
    assert_int_equal(posse_group_left(group), 0);
    assert_ok(posse_group_destroy(group));
    for (int i = 0; i < TASKS; i += 3) {
        posse_error error = error_of(futures[i]);
        bool inner = error.status == POSSE_TASK_FAILED && error.code == INNER_FAILED;
        assert_true(inner || error.status == POSSE_OK || error.status == POSSE_WORKER_LOST ||
                    (i == 6 && error.status == POSSE_CANCELLED));
        lost += inner || error.status == POSSE_WORKER_LOST;
        assert_ok(posse_release(futures[i]));
    }
    return lost;
}

static int play(posse_executor *pool, int deaths)
{
    int lost = play_group(pool, 1);
    return lost + play_group(pool, 2);
}

const struct act act_groups = {.name = "groups", .play = play, .costs = 2};
