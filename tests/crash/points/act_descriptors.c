/* act_descriptors.c - tasks get descriptors, also from tasks, and some run again. At the end nobody
 * has a copy. */
#include "points.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define TASKS 6

static int write_task(posse_task *task, const void *arg, size_t size)
{
    return write(posse_task_descriptor(task, 0), arg, size) == (ssize_t)size ? 0 : WRONG_ARG;
}

/* Passes its own descriptor on. */
static int passing_task(posse_task *task, const void *arg, size_t size)
{
    int fd = posse_task_descriptor(task, 0);
    posse_future inner;
    posse_job job = {.struct_size = sizeof job,
                     .fn = write_task,
                     .arg = arg,
                     .size = size,
                     .descriptors = &fd,
                     .n_descriptors = 1};
    if (posse_submit_with(posse_task_executor(task), &job, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    bool good = status == POSSE_OK || status == POSSE_WORKER_LOST;
    return posse_release(inner) == POSSE_OK && good ? 0 : INNER_FAILED;
}

static bool has_ended(int reader)
{
    struct pollfd fd = {.fd = reader, .events = POLLIN};
    char bytes[64];
    return poll(&fd, 1, 0) == 1 && read(reader, bytes, sizeof bytes) == 0;
}

static int play(posse_executor *pool, int deaths)
{
    posse_future futures[TASKS];
    char byte = 1;
    int ends[2], lost = 0;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < TASKS; i++)
        futures[i] = submitted_job(pool, (posse_job){.fn = i % 2 ? write_task : passing_task,
                                                     .arg = &byte,
                                                     .size = 1,
                                                     .retries = i % 3,
                                                     .descriptors = &ends[1],
                                                     .n_descriptors = 1});
    (void)posse_cancel(futures[TASKS - 1]);
    for (int i = 0; i < TASKS; i++) {
        posse_status status = posse_result(futures[i], -1, NULL, NULL);
        bool good = status == POSSE_OK || status == POSSE_WORKER_LOST ||
                    (status == POSSE_CANCELLED && i == TASKS - 1);
        assert_true(good);
        lost += status == POSSE_WORKER_LOST;
        assert_ok(posse_release(futures[i]));
    }
    assert_int_equal(close(ends[1]), 0);
    assert_eventually(has_ended(ends[0]));
    assert_int_equal(close(ends[0]), 0);
    return lost;
}

const struct act act_descriptors = {.name = "descriptors", .play = play};
