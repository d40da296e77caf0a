/* descriptors.c - a job's descriptors reach the worker of its task, and nobody keeps a copy; which
 * ones are refused. */
#include "support/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- what they are ---- */

/* Gives the sum of the longs that it reads, one from each. */
static int sum_task(posse_task *task, const void *arg, size_t size)
{
    long sum = 0, value;
    int fd;
    for (size_t i = 0; (fd = posse_task_descriptor(task, i)) >= 0; i++) {
        if (read(fd, &value, sizeof value) != sizeof value)
            return NO_DESCRIPTOR;
        sum += value;
    }
    return return_long(task, sum);
}

static int number_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_task_descriptor(task, 0));
}

POOL_TEST(a_pipe, ALL, 1)
{
    struct ends ends = make_pipe();
    end_well(submitted_write(pool, ends.writer));
    assert_comes(ends.reader);
    assert_none_is_left(ends);
}

POOL_TEST(a_file_at_its_offset, ALL, 1)
{
    long values[] = {1, 2, 3};
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = fileno(file);
    assert_int_equal(write(fd, values, sizeof values), sizeof values);
    assert_int_equal(lseek(fd, sizeof(long), SEEK_SET), sizeof(long));
    posse_job job = job_with(sum_task, NULL, &fd, 1);
    assert_int_equal(take_long(submitted_job(pool, job)), 2);
    assert_int_equal(take_long(submitted_job(pool, job)), 3);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), sizeof values);
    assert_int_equal(fclose(file), 0);
}

POOL_TEST(a_socket, ALL, 1)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    posse_future future = submitted_write(pool, pair[1]);
    end_well(future);
    assert_comes(pair[0]);
    assert_none_is_left((struct ends){pair[0], pair[1]});
}

POOL_TEST(sixteen_at_once, ALL, 2)
{
    struct ends ends[POSSE_MAX_DESCRIPTORS];
    int readers[POSSE_MAX_DESCRIPTORS];
    for (long i = 0; i < POSSE_MAX_DESCRIPTORS; i++) {
        ends[i] = make_pipe();
        readers[i] = ends[i].reader;
        assert_int_equal(write(ends[i].writer, &i, sizeof i), sizeof i);
    }
    posse_job job = job_with(sum_task, NULL, readers, POSSE_MAX_DESCRIPTORS);
    assert_int_equal(take_long(submitted_job(pool, job)), 120);
    for (int i = 0; i < POSSE_MAX_DESCRIPTORS; i++)
        assert_none_is_left(ends[i]);
}

POOL_TEST(closed_right_after_submit, ALL, 1)
{
    enum { TASKS = 20 };
    posse_future futures[TASKS];
    int readers[TASKS];
    for (int i = 0; i < TASKS; i++) {
        struct ends ends = make_pipe();
        futures[i] = submitted_write(pool, ends.writer);
        assert_int_equal(close(ends.writer), 0);
        readers[i] = ends.reader;
    }
    for (int i = 0; i < TASKS; i++) {
        end_well(futures[i]);
        assert_comes(readers[i]);
        assert_eventually(has_ended(readers[i]));
        assert_int_equal(close(readers[i]), 0);
    }
}

POOL_TEST(many_at_once, ALL, 2)
{
    enum { JOBS = 150 };
    posse_job jobs[JOBS];
    posse_future futures[JOBS];
    struct ends ends = make_pipe();
    for (int i = 0; i < JOBS; i++)
        jobs[i] = job_with(write_task, &written, &ends.writer, 1);
    assert_ok(posse_submit_many(pool, jobs, JOBS, futures, NULL));
    for (int i = 0; i < JOBS; i++) {
        end_well(futures[i]);
        assert_comes(ends.reader);
    }
    assert_none_is_left(ends);
}

POOL_TEST(other_tasks_have_none, ALL, 1)
{
    struct ends ends = make_pipe();
    assert_int_equal(take_long(submitted(pool, number_task, NULL, 0)), -1);
    end_well(submitted_write(pool, ends.writer));
    assert_int_equal(take_long(submitted(pool, number_task, NULL, 0)), -1);
    assert_int_equal(posse_task_descriptor(NULL, 0), -1);
    assert_int_equal(posse_task_take_descriptor(NULL, 0), -1);
    assert_none_is_left(ends);
}

/* ---- taken ---- */

static int taking_task(posse_task *task, const void *arg, size_t size)
{
    int fd = posse_task_take_descriptor(task, 0);
    bool gone = posse_task_descriptor(task, 0) == -1 && posse_task_take_descriptor(task, 0) == -1;
    return gone ? return_long(task, fd) : NO_DESCRIPTOR;
}

static int closing_task(posse_task *task, const void *arg, size_t size)
{
    long fd;
    memcpy(&fd, arg, sizeof fd);
    return write((int)fd, &written, sizeof written) == sizeof written ? close((int)fd)
                                                                      : NO_DESCRIPTOR;
}

POOL_TEST(what_is_taken_stays_open, ALL, 1)
{
    struct ends ends = make_pipe();
    long fd = take_long(submitted_job(pool, job_with(taking_task, NULL, &ends.writer, 1)));
    end_well(submitted_long(pool, closing_task, fd));
    assert_comes(ends.reader);
    assert_none_is_left(ends);
}

/* ---- refused ---- */

POOL_TEST(too_many_are_refused, ALL, 1)
{
    int fds[POSSE_MAX_DESCRIPTORS + 1] = {0};
    posse_future future;
    assert_status(submit(pool, job_with(write_task, &written, fds, COUNT(fds)), &future),
                  POSSE_TOO_LARGE);
    assert_status(submit(pool, job_with(write_task, &written, NULL, 1), &future), POSSE_INVALID);
}

POOL_TEST(a_bad_one_is_refused, ALL, 1)
{
    struct ends ends = make_pipe();
    posse_future futures[3];
    const int bad[] = {ends.writer, -1};
    errno = 0;
    assert_status(submit(pool, job_with(write_task, &written, bad, 2), futures), POSSE_SYSTEM);
    assert_int_equal(errno, EBADF);
    assert_int_not_equal(posse_last_error()[0], '\0');
    posse_job jobs[] = {job_with(write_task, &written, &ends.writer, 1),
                        job_with(write_task, &written, bad, 2),
                        job_with(write_task, &written, &ends.writer, 1)};
    size_t accepted;
    errno = 0;
    assert_status(posse_submit_many(pool, jobs, 3, futures, &accepted), POSSE_SYSTEM);
    assert_int_equal(errno, EBADF);
    assert_int_equal(accepted, 1);
    end_well(futures[0]);
    assert_none_is_left(ends);
}

POOL_TEST(a_full_queue_keeps_none, PARALLEL, 1, .queue_limit = 1)
{
    struct gate *gate = make_gate(pool);
    struct ends ends = make_pipe(), refused = make_pipe();
    posse_future future, held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future waiting = submitted_write(pool, ends.writer);
    posse_job job = job_with(write_task, &written, &refused.writer, 1);
    job.flags = POSSE_NO_WAIT;
    assert_status(submit(pool, job, &future), POSSE_FULL);
    assert_none_is_left(refused);
    open_gate(gate);
    end_well(held);
    end_well(waiting);
    assert_comes(ends.reader);
    assert_none_is_left(ends);
    free_gate(pool, gate);
}

TEST(a_closed_pool_keeps_none, ALL)
{
    posse_executor *pool = POOL(1);
    struct ends ends = make_pipe();
    posse_future future;
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_status(submit(pool, job_with(write_task, &written, &ends.writer, 1), &future),
                  POSSE_SHUT_DOWN);
    assert_none_is_left(ends);
    assert_ok(posse_destroy(pool));
}
