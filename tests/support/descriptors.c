#include "descriptors.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

struct ends make_pipe(void)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    return (struct ends){ends[0], ends[1]};
}

bool has_ended(int reader)
{
    struct pollfd fd = {.fd = reader, .events = POLLIN};
    char byte;
    return poll(&fd, 1, 0) == 1 && read(reader, &byte, 1) == 0;
}

/* Closes the program's own copies; nobody has another one. */
void assert_none_is_left(struct ends ends)
{
    assert_int_equal(close(ends.writer), 0);
    assert_eventually(has_ended(ends.reader));
    assert_int_equal(close(ends.reader), 0);
}

/* Writes the argument, a long, into descriptor 0. */
int write_task(posse_task *task, const void *arg, size_t size)
{
    int fd = posse_task_descriptor(task, 0);
    bool sealed = fd > 2 && (fcntl(fd, F_GETFD) & FD_CLOEXEC);
    return sealed && write(fd, arg, size) == (ssize_t)size ? 0 : NO_DESCRIPTOR;
}

posse_job job_with(posse_fn *fn, const long *arg, const int *descriptors, size_t n)
{
    return (posse_job){.struct_size = sizeof(posse_job),
                       .fn = fn,
                       .arg = arg,
                       .size = arg ? sizeof *arg : 0,
                       .descriptors = descriptors,
                       .n_descriptors = n};
}

posse_status submit(posse_executor *pool, posse_job job, posse_future *future)
{
    return posse_submit_with(pool, &job, future);
}

long written = 77;

posse_future submitted_write(posse_executor *pool, int fd)
{
    return submitted_job(pool, job_with(write_task, &written, &fd, 1));
}

void assert_comes(int reader)
{
    long came = 0;
    assert_int_equal(read(reader, &came, sizeof came), sizeof came);
    assert_int_equal(came, written);
}

void end_well(posse_future future)
{
    (void)take_error(future, POSSE_OK); /* which shows the message of one that has failed */
}
