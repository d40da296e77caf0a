/* closed_descriptors.c - programs that close all descriptors they do not know, as daemon and
 * closefrom do, and then open their own: those get the numbers of posse's. Nothing is written to
 * them, nothing is read from them, and they stay open.
 *
 * Each scene is played in a forked child, whose descriptors are closed.
 */
#include "support/support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST 3
#define BEHIND 60 /* posse's numbers are below */

struct scene {
    bool replaced; /* the program opens its own */
    bool copied;   /* a child of it has copies of posse's */
};

static void close_all(void)
{
    for (int fd = FIRST; fd < BEHIND; fd++)
        (void)close(fd);
}

/* Sockets and eventfds by turns, under each number. */
static int open_own(void)
{
    int pair[2] = {-1, -1};
    do {
        REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
        REQUIRE(eventfd(0, EFD_NONBLOCK) >= 0);
    } while (pair[1] < BEHIND);
    return 0;
}

static int own_are_untouched(void)
{
    uint64_t count;
    char byte;
    for (int fd = FIRST; fd < BEHIND; fd++) {
        ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
        bool counter = n < 0 && errno == ENOTSOCK;
        n = counter ? read(fd, &count, sizeof count) : n;
        REQUIRE(n < 0 && errno == EAGAIN);
    }
    return 0;
}

static int own_are_closed(void)
{
    for (int fd = FIRST; fd < BEHIND; fd++)
        REQUIRE(close(fd) < 0 && errno == EBADF);
    return 0;
}

static pid_t fork_helper(void)
{
    pid_t helper = fork();
    if (helper == 0)
        for (;;)
            pause();
    return helper;
}

static int close_behind(const struct scene *scene)
{
    close_all();
    return scene->replaced ? open_own() : 0;
}

static int are_own_still(const struct scene *scene)
{
    return scene->replaced ? own_are_untouched() : own_are_closed();
}

static int breaks_and_says_why(posse_executor *pool)
{
    posse_error why = {.struct_size = sizeof why};
    long ms = 100000;
    posse_future future;
    posse_status status = posse_submit(pool, sleep_task, &ms, sizeof ms, &future);
    REQUIRE(status == POSSE_OK || status == POSSE_BROKEN);
    REQUIRE(status == POSSE_BROKEN || posse_result(future, -1, NULL, NULL) == POSSE_BROKEN);
    REQUIRE(posse_why_broken(pool, &why) == POSSE_OK && why.status == POSSE_BROKEN);
    REQUIRE(strstr(why.message, "socket") != NULL);
    REQUIRE(posse_submit(pool, square_task, &ms, sizeof ms, NULL) == POSSE_BROKEN);
    REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_BROKEN);
    return 0;
}

/* All calls that would write to a descriptor, or read from it. */
static int pool_behind(void *context)
{
    const struct scene *scene = context;
    void *memory;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    pid_t helper = scene->copied ? fork_helper() : 0;
    REQUIRE(helper >= 0 && close_behind(scene) == 0);
    posse_status status = posse_alloc(pool, 1 << 20, &memory);
    REQUIRE(status == POSSE_OK && are_own_still(scene) == 0);
    REQUIRE(backend() == POSSE_PROCESS ? breaks_and_says_why(pool) == 0 : pool_works(pool) == 0);
    REQUIRE(posse_destroy(pool) == POSSE_OK && are_own_still(scene) == 0);
    REQUIRE(helper == 0 || (kill(helper, SIGKILL) == 0 && waitpid(helper, NULL, 0) == helper));
    return 0;
}

TEST(an_executor, FORKED)
{
    for (int i = 0; i < 4; i++)
        assert_child(pool_behind, &(struct scene){.replaced = i % 2, .copied = i / 2});
}

/* Takes what must come without being told by the descriptor. */
static int take(posse_completion_queue *completions, size_t count)
{
    posse_completion taken[4];
    size_t n = 0;
    for (long end = now_ms() + PATIENCE_MS; n < count; pause_ms(1)) {
        n += posse_completion_queue_take(completions, taken, COUNT(taken) - n);
        REQUIRE(now_ms() < end);
    }
    return 0;
}

static int completions_behind(void *context)
{
    const struct scene *scene = context;
    posse_completion_queue *completions;
    posse_future futures[2];
    long value = 5;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && posse_completion_queue_create(&completions) == POSSE_OK);
    int fd = posse_completion_queue_fd(completions);
    REQUIRE(fd >= FIRST && fd < BEHIND);
    for (int i = 0; i < 2; i++) {
        REQUIRE(posse_submit(pool, square_task, &value, sizeof value, &futures[i]) == POSSE_OK);
        REQUIRE(posse_result(futures[i], -1, NULL, NULL) == POSSE_OK);
    }
    REQUIRE(posse_completion_queue_add(completions, futures[0], NULL) == POSSE_OK);
    REQUIRE(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS) == 1);
    REQUIRE(close_behind(scene) == 0);
    REQUIRE(posse_completion_queue_fd(completions) == -1);
    REQUIRE(take(completions, 1) == 0 && are_own_still(scene) == 0);
    REQUIRE(posse_completion_queue_fd(completions) == -1);
    REQUIRE(posse_completion_queue_add(completions, futures[1], NULL) == POSSE_SYSTEM);
    REQUIRE(errno == EBADF);
    posse_completion_queue_destroy(completions);
    REQUIRE(posse_destroy(pool) == POSSE_OK && are_own_still(scene) == 0);
    return 0;
}

/* Nothing has ended, so nobody has looked yet. */
static int unused_completions_behind(void *context)
{
    const struct scene *scene = context;
    posse_completion_queue *completions;
    REQUIRE(posse_completion_queue_create(&completions) == POSSE_OK);
    REQUIRE(posse_completion_queue_fd(completions) >= FIRST);
    REQUIRE(close_behind(scene) == 0);
    REQUIRE(posse_completion_queue_fd(completions) == -1);
    posse_completion_queue_destroy(completions);
    REQUIRE(are_own_still(scene) == 0);
    return 0;
}

TEST(a_completion_descriptor, FORKED)
{
    assert_child(completions_behind, &(struct scene){.replaced = true});
    assert_child(completions_behind, &(struct scene){.replaced = false});
    assert_child(unused_completions_behind, &(struct scene){.replaced = true});
    assert_child(unused_completions_behind, &(struct scene){.replaced = false});
}
