/* out_of_memory.c - whom the kernel kills when memory runs out: a worker, and not the program. */
#include "support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HIGHEST 1000

/* What the kernel adds to the size of a process, in thousandths of all memory. */
static long score_of(long pid)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/%ld/oom_score_adj", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return strtol(text, NULL, 10);
}

static long asked(posse_executor *pool, posse_fn *task)
{
    return take_long(submitted(pool, task, NULL, 0));
}

static void assert_worker_goes_first(posse_executor *pool, long program)
{
    assert_true(score_of(asked(pool, process_task)) > program);
    assert_int_equal(score_of(asked(pool, parent_task)), program);
    assert_int_equal(score_of(getpid()), program);
}

TEST(workers_go_before_the_program, PROCESSES)
{
    long program = score_of(getpid());
    if (program == HIGHEST)
        skip();
    posse_executor *pool = make_pool(1);
    assert_worker_goes_first(pool, program);
    long worker = asked(pool, process_task);
    assert_int_equal(kill((pid_t)worker, SIGKILL), 0);
    assert_eventually(stats_of(pool).workers_lost == 1 && stats_of(pool).workers == 1);
    assert_worker_goes_first(pool, program);
    end_pool(pool);
}

TEST(workers_are_the_program, THREADS | INLINE)
{
    long program = score_of(getpid());
    posse_executor *pool = make_pool(1);
    assert_int_equal(asked(pool, process_task), getpid());
    assert_int_equal(score_of(getpid()), program);
    end_pool(pool);
}
