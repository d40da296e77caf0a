/* closed_stdio.c - programs that begin with stdin, stdout or stderr closed, in every combination:
 * all works, and no descriptor of ours takes such a number, where the program would write to it. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMBINATIONS = 8 };

/* A bit for each of 0, 1, 2 that is open. */
static long open_now(void)
{
    long bits = 0;
    for (int fd = 0; fd < 3; fd++)
        bits |= fcntl(fd, F_GETFD) >= 0 ? 1L << fd : 0;
    return bits;
}

/* Prints, which may fail, and tells which are open in its process. */
static int look_task(posse_task *task, const void *arg, size_t size)
{
    (void)printf("nobody reads this\n");
    return return_long(task, open_now());
}

static int note(posse_future future, void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
    return 0;
}

/* All that takes a descriptor: a pool, another one whose workers are measured, a thread, a flag. */
static int use_all(long open)
{
    posse_options options = default_options();
    posse_executor *pools[2] = {open_pool(2), NULL};
    posse_future futures[2];
    posse_completion_queue *completions;
    _Atomic int calls = 0;
    long seen = -1;
    options.max_workers = 1;
    options.max_rss_per_worker = backend() == POSSE_PROCESS ? (size_t)1 << 40 : 0;
    REQUIRE(pools[0] != NULL && posse_create(&options, &pools[1]) == POSSE_OK);
    REQUIRE(posse_completion_queue_create(&completions) == POSSE_OK);
    REQUIRE(posse_completion_queue_fd(completions) > 2 && open_now() == open);
    for (int i = 0; i < 2; i++) {
        REQUIRE(posse_submit(pools[i], look_task, NULL, 0, &futures[i]) == POSSE_OK);
        REQUIRE(posse_completion_queue_add(completions, futures[i], NULL) == POSSE_OK);
        REQUIRE(posse_add_done_callback(futures[i], note, &calls) == POSSE_OK);
    }
    REQUIRE(posse_wait(futures, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL) == POSSE_OK);
    for (int i = 0; i < 2; i++) {
        struct pollfd fd = {.fd = posse_completion_queue_fd(completions), .events = POLLIN};
        posse_completion taken;
        REQUIRE(poll(&fd, 1, PATIENCE_MS) == 1);
        REQUIRE(posse_completion_queue_take(completions, &taken, 1) == 1);
        REQUIRE(posse_result_into(futures[i], -1, &seen, sizeof seen, NULL) == POSSE_OK);
        REQUIRE(seen == open && open_now() == open);
        REQUIRE(posse_shutdown(pools[i], 0, -1) == POSSE_OK);
        REQUIRE(posse_destroy(pools[i]) == POSSE_OK);
    }
    posse_completion_queue_destroy(completions);
    REQUIRE(atomic_load(&calls) == 2 && open_now() == open);
    return 0;
}

static int closes_some(void *context)
{
    long open = *(long *)context;
    int before = count_descriptors();
    REQUIRE(freopen("/dev/null", "we", stdout) != NULL);
    for (int fd = 0; fd < 3; fd++) {
        before -= (open & 1L << fd) == 0;
        (void)((open & 1L << fd) != 0 || close(fd));
    }
    REQUIRE(use_all(open) == 0);
    REQUIRE(count_descriptors() == before);
    return 0;
}

TEST(every_combination, FORKED)
{
    fflush(NULL);
    for (long open = 0; open < COMBINATIONS; open++) {
        int status = wait_status(start_child(closes_some, &open));
        if (status != 0)
            fail_msg("with %lx open: status %x", (unsigned long)open, (unsigned)status);
    }
}

/* The program opens files while the pool lives, which take the free numbers: they are its own. */
static int opens_later(void *context)
{
    struct stat before[3];
    struct stat now;
    long result = 0;
    long value = 6;
    posse_future future;
    (void)(close(0) + close(1) + close(2));
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    for (int fd = 0; fd < 3; fd++) {
        FILE *file = tmpfile();
        REQUIRE(file != NULL && fileno(file) == fd && fstat(fd, &before[fd]) == 0);
    }
    REQUIRE(posse_submit(pool, square_task, &value, sizeof value, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &result, sizeof result, NULL) == POSSE_OK);
    REQUIRE(result == 36 && posse_destroy(pool) == POSSE_OK);
    for (int fd = 0; fd < 3; fd++)
        REQUIRE(fstat(fd, &now) == 0 && now.st_ino == before[fd].st_ino && now.st_size == 0);
    return 0;
}

TEST(files_that_are_opened_later, FORKED)
{
    fflush(NULL);
    assert_child(opens_later, NULL);
}
