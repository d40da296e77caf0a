/* channel.c - our sockets: out of the program's way, and their end is seen. */
#include "threads.h"

#include "os/channel.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct pair {
    int end[2];
};

static struct pair make_pair(void)
{
    struct pair pair;
    assert_int_equal(pi_os_channel_pair(pair.end), 0);
    return pair;
}

static void close_pair(struct pair *pair)
{
    close(pair->end[0]);
    close(pair->end[1]);
}

TEST(flags, ALL)
{
    struct pair pair = make_pair();
    for (int i = 0; i < 2; i++) {
        assert_true(pair.end[i] > STDERR_FILENO);
        assert_true(fcntl(pair.end[i], F_GETFD) & FD_CLOEXEC);
        assert_true(fcntl(pair.end[i], F_GETFL) & O_NONBLOCK);
    }
    close_pair(&pair);
}

static int without_stdio(void *context)
{
    int sockets[2];
    int before = count_descriptors() - 3;
    for (int fd = 0; fd < 3; fd++)
        close(fd);
    if (pi_os_channel_pair(sockets) != 0 || sockets[0] < 3 || sockets[1] < 3)
        return 1;
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) != -1)
            return 2; /* something of ours was left there */
    return count_descriptors() == before + 2 ? 0 : 3;
}

TEST(above_stdio_even_if_that_is_closed, ALL) { assert_child(without_stdio, NULL); }

/* Whatever the limit of descriptors: both sockets or none. */
static int few_descriptors(void *context)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    int before = count_descriptors(), failures = 0, last = dup(STDERR_FILENO);
    close(last);
    for (int more = 0; more < 6; more++) {
        int sockets[2];
        REQUIRE(setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)(last + more), limit.rlim_max}) ==
                0);
        int error = pi_os_channel_pair(sockets);
        if (error == 0) {
            close(sockets[0]);
            close(sockets[1]);
        }
        failures += error != 0;
        REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        REQUIRE(error == 0 || error == EMFILE);
        REQUIRE(count_descriptors() == before);
    }
    REQUIRE(failures >= 2 && failures < 6);
    return 0;
}

TEST(nothing_leaks_when_there_are_too_few, ALL)
{
#ifdef POSSE_TEST_VALGRIND
    skip(); /* it keeps the limit itself, and says so with another error */
#endif
    assert_child(few_descriptors, NULL);
}

static bool has_bytes(int socket)
{
    char byte;
    ssize_t n = read(socket, &byte, 1);
    return n == 1;
}

TEST(notify_and_drain, ALL)
{
    struct pair pair = make_pair();
    assert_true(pi_os_channel_drain(pair.end[1])); /* nothing there: does not block */
    pi_os_channel_notify(pair.end[0]);
    assert_true(has_bytes(pair.end[1]));
    assert_false(has_bytes(pair.end[1]));
    for (int i = 0; i < 200; i++)
        pi_os_channel_notify(pair.end[0]);
    assert_true(pi_os_channel_drain(pair.end[1]));
    assert_false(has_bytes(pair.end[1]));
    pi_os_channel_notify(pair.end[1]); /* the other way */
    assert_true(has_bytes(pair.end[0]));
    close_pair(&pair);
}

/* The other side does not read: notify loses its byte and does not block. */
TEST(notify_into_a_full_socket, ALL)
{
    struct pair pair = make_pair();
    for (int i = 0; i < 100000; i++)
        pi_os_channel_notify(pair.end[0]);
    assert_true(pi_os_channel_drain(pair.end[1]));
    pi_os_channel_notify(pair.end[0]);
    assert_true(has_bytes(pair.end[1]));
    close_pair(&pair);
}

/* No SIGPIPE, which would end the runner. */
TEST(notify_into_a_closed_socket, ALL)
{
    struct pair pair = make_pair();
    close(pair.end[1]);
    pi_os_channel_notify(pair.end[0]);
    assert_false(pi_os_channel_drain(pair.end[0]));
    close(pair.end[0]);
    pi_os_channel_notify(-1);
    assert_false(pi_os_channel_drain(-1));
}

TEST(last_words_are_drained_before_the_end, ALL)
{
    struct pair pair = make_pair();
    pi_os_channel_notify(pair.end[1]);
    close(pair.end[1]);
    assert_true(pi_os_channel_closed(pair.end[0], 0));
    assert_true(has_bytes(pair.end[0]));
    assert_false(pi_os_channel_drain(pair.end[0]));
    close(pair.end[0]);
}

TEST(open_while_the_other_side_is, ALL)
{
    struct pair pair = make_pair();
    assert_false(pi_os_channel_closed(pair.end[0], 0));
    pi_os_channel_notify(pair.end[1]);
    long before = now_ms();
    assert_false(pi_os_channel_closed(pair.end[0], 30)); /* a byte is no end */
    assert_true(now_ms() - before >= 29);
    assert_true(has_bytes(pair.end[0])); /* and is not read */
    close_pair(&pair);
}

static void close_soon(void *context, unsigned number)
{
    struct pair *pair = context;
    if (number == 0) {
        pause_ms(20);
        shutdown(pair->end[1], SHUT_RDWR);
    } else if (!pi_os_channel_closed(pair->end[0], -1)) {
        pair->end[0] = -1;
    }
}

TEST(waits_for_the_end, ALL)
{
    struct pair pair = make_pair(), before = pair;
    run_threads(2, close_soon, &pair);
    assert_int_equal(pair.end[0], before.end[0]);
    assert_true(pi_os_channel_closed(before.end[0], 0));
    close_pair(&before);
}

static int hold_sockets(void *unused)
{
    for (;;)
        pause();
    return 0;
}

/* The other side is a process, which is killed. */
TEST(sees_the_death_of_a_process, ALL)
{
    struct pair pair = make_pair();
    pid_t child = start_child(hold_sockets, NULL);
    close(pair.end[1]);
    assert_false(pi_os_channel_closed(pair.end[0], 10));
    kill(child, SIGKILL);
    assert_true(pi_os_channel_closed(pair.end[0], PATIENCE_MS));
    assert_true(WIFSIGNALED(wait_status(child)));
    close(pair.end[0]);
}

/* ---- messages ---- */

TEST(a_message_brings_a_descriptor, ALL)
{
    struct pair pair = make_pair(), other = make_pair();
    long number = 7, heard = 0;
    int fd = -1;
    assert_int_equal(pi_os_channel_tell(pair.end[0], &number, sizeof number, other.end[0]), 0);
    assert_int_equal(pi_os_channel_hear(pair.end[1], &heard, sizeof heard, &fd), 0);
    assert_int_equal(heard, 7);
    assert_true(fd > STDERR_FILENO && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
    close(other.end[0]);
    assert_false(pi_os_channel_closed(other.end[1], 0)); /* the copy is open */
    close(fd);
    assert_true(pi_os_channel_closed(other.end[1], 0));
    close(other.end[1]);
    close_pair(&pair);
}

TEST(a_message_without_a_descriptor, ALL)
{
    struct pair pair = make_pair();
    long number = 8, heard = 0;
    int fd = 0;
    assert_int_equal(pi_os_channel_tell(pair.end[0], &number, sizeof number, -1), 0);
    assert_int_equal(pi_os_channel_hear(pair.end[1], &heard, sizeof heard, &fd), 0);
    assert_int_equal(heard, 8);
    assert_int_equal(fd, -1);
    close(pair.end[0]);
    assert_int_equal(pi_os_channel_hear(pair.end[1], &heard, sizeof heard, &fd), ECHILD);
    assert_int_equal(pi_os_channel_tell(pair.end[1], &number, sizeof number, -1), EPIPE);
    close(pair.end[1]);
}

/* ---- ends ---- */

TEST(an_end_leaves_the_other_direction, ALL)
{
    struct pair pair = make_pair();
    pi_os_channel_end(pair.end[0]);
    assert_false(pi_os_channel_drain(pair.end[1]));
    assert_true(pi_os_channel_notify(pair.end[1]));
    assert_true(has_bytes(pair.end[0]));
    close_pair(&pair);
}

/* Also for whoever has a copy. */
TEST(a_cut_ends_both_directions, ALL)
{
    struct pair pair = make_pair();
    int copy = dup(pair.end[0]);
    pi_os_channel_cut(pair.end[0]);
    assert_int_equal(fcntl(pair.end[0], F_GETFD), -1);
    assert_true(pi_os_channel_closed(pair.end[1], 0));
    assert_false(pi_os_channel_drain(copy));
    close(copy);
    close(pair.end[1]);
}

/* ---- sleeping ---- */

TEST(sleeps_until_the_moment, ALL)
{
    struct pair pair = make_pair();
    uint64_t until = pi_os_after_ms(20);
    assert_int_equal(pi_os_channel_sleep(pair.end[0], -1, NULL, until), PI_OS_TIME);
    assert_true(pi_os_now() >= until);
    assert_int_equal(pi_os_channel_sleep(pair.end[0], -1, NULL, 0), PI_OS_TIME); /* it is past */
    close_pair(&pair);
}

TEST(notify_ends_a_sleep, ALL)
{
    struct pair pair = make_pair();
    pi_os_channel_notify(pair.end[1]);
    assert_int_equal(pi_os_channel_sleep(pair.end[0], -1, NULL, PI_NEVER), PI_OS_NOTIFIED);
    assert_false(has_bytes(pair.end[0]));
    close_pair(&pair);
}

TEST(the_end_of_the_channel_ends_a_sleep, ALL)
{
    struct pair pair = make_pair();
    close(pair.end[1]);
    assert_int_equal(pi_os_channel_sleep(pair.end[0], -1, NULL, PI_NEVER), PI_OS_GONE);
    close(pair.end[0]);
}

TEST(a_death_ends_a_sleep, ALL)
{
    struct pair pair = make_pair();
    pid_t child = start_child(hold_sockets, NULL);
    int pidfd = pi_os_pidfd(child);
    kill(child, SIGKILL);
    if (pidfd >= 0)
        assert_int_equal(pi_os_channel_sleep(pair.end[0], pidfd, NULL, PI_NEVER), PI_OS_GONE);
    close(pidfd);
    close_pair(&pair);
    (void)wait_status(child);
    if (pidfd < 0)
        skip(); /* an old kernel */
}

/* As the supervisor: the signal that waits is let in by the sleep. */
static int sleep_with_a_signal(void *context)
{
    struct pair *pair = context;
    sigset_t ignored;
    pi_os_signals_of_supervisor(&ignored);
    REQUIRE(pi_os_notify(getpid()));
    REQUIRE(pi_os_channel_sleep(pair->end[0], -1, NULL, PI_NEVER) == PI_OS_TIME);
    return 0;
}

TEST(a_signal_ends_a_sleep, ALL)
{
    struct pair pair = make_pair();
    assert_child(sleep_with_a_signal, &pair);
    close_pair(&pair);
}
