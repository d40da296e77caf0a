/* packet.c - messages with descriptors: all of them come, or the receiver is told; none is left
 * open. */
#include "support/support.h"

#include "os/fd.h"
#include "os/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
    int end[2];
};

static struct pair make_pair(void)
{
    struct pair pair;
    assert_int_equal(pi_os_packet_pair(pair.end), 0);
    for (int i = 0; i < 2; i++)
        assert_true(pair.end[i] > 2 && (fcntl(pair.end[i], F_GETFD) & FD_CLOEXEC));
    return pair;
}

static void end_pair(struct pair pair)
{
    pi_os_close(pair.end[0]);
    pi_os_close(pair.end[1]);
}

static struct pi_os_fds copies(int n)
{
    struct pi_os_fds fds;
    int from[PI_OS_MAX_FDS];
    for (int i = 0; i < n; i++)
        from[i] = STDERR_FILENO;
    assert_int_equal(pi_os_fds_copy(&fds, from, n), 0);
    assert_int_equal(fds.n, n);
    return fds;
}

TEST(as_many_come_as_are_sent, ALL)
{
    struct pair pair = make_pair();
    static const int numbers[] = {0, 1, PI_OS_MAX_FDS};
    for (size_t k = 0; k < COUNT(numbers); k++) {
        int n = numbers[k];
        long sent = n, came = -1;
        struct pi_os_fds fds = copies(n), got;
        assert_int_equal(pi_os_packet_send(pair.end[0], &sent, sizeof sent, &fds), 0);
        pi_os_fds_close(&fds);
        assert_true(pi_os_packet_await(pair.end[1], pair.end[1]));
        assert_int_equal(pi_os_packet_receive(pair.end[1], &came, sizeof came, &got), 0);
        assert_int_equal(came, sent);
        assert_int_equal(got.n, n);
        for (int i = 0; i < n; i++)
            assert_true(got.at[i] > 2 && (fcntl(got.at[i], F_GETFD) & FD_CLOEXEC));
        pi_os_fds_close(&got);
        assert_int_equal(pi_os_packet_receive(pair.end[1], &came, sizeof came, &got), EAGAIN);
    }
    end_pair(pair);
}

TEST(a_message_of_another_size_is_refused, ALL)
{
    struct pair pair = make_pair();
    struct pi_os_fds fds = copies(1), got;
    long words[2] = {0}, came;
    for (size_t size = 1; size <= sizeof words; size += sizeof words - 1) {
        assert_int_equal(pi_os_packet_send(pair.end[0], words, size, &fds), 0);
        assert_int_equal(pi_os_packet_receive(pair.end[1], &came, sizeof came, &got), EPROTO);
        assert_int_equal(got.n, 1);
        pi_os_fds_close(&got);
    }
    pi_os_fds_close(&fds);
    end_pair(pair);
}

TEST(the_end_is_found, ALL)
{
    struct pair pair = make_pair(), other = make_pair();
    struct pi_os_fds none = {.n = 0}, got;
    long word = 1;
    pi_os_close(pair.end[1]);
    assert_int_equal(pi_os_packet_send(pair.end[0], &word, sizeof word, &none), EPIPE);
    assert_int_equal(pi_os_packet_receive(pair.end[0], &word, sizeof word, &got), ECHILD);
    assert_false(pi_os_packet_room(pair.end[0]));
    assert_false(pi_os_packet_await(other.end[0], pair.end[0]));
    pi_os_close(pair.end[0]);
    end_pair(other);
}

TEST(a_full_socket_has_room_again, ALL)
{
    struct pair pair = make_pair();
    struct pi_os_fds none = {.n = 0}, got;
    long word = 1;
    int error, sent = 0;
    while ((error = pi_os_packet_send(pair.end[0], &word, sizeof word, &none)) == 0)
        sent++;
    assert_int_equal(error, EAGAIN);
    for (; sent > 0; sent--)
        assert_int_equal(pi_os_packet_receive(pair.end[1], &word, sizeof word, &got), 0);
    assert_true(pi_os_packet_room(pair.end[0]));
    end_pair(pair);
}

#ifndef POSSE_TEST_VALGRIND /* which keeps the limit of descriptors to itself */
TEST(too_few_numbers_are_told, ALL)
{
    struct pair pair = make_pair();
    struct pi_os_fds fds = copies(8), got;
    struct rlimit limit, low;
    long word = 1;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_false(pi_os_fds_are_last(&fds));
    assert_int_equal(pi_os_packet_send(pair.end[0], &word, sizeof word, &fds), 0);
    low = limit;
    low.rlim_cur = (rlim_t)fds.at[7] + 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int error = pi_os_packet_receive(pair.end[1], &word, sizeof word, &got);
    bool last = pi_os_fds_are_last(&fds);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(error, EMFILE);
    assert_true(last && got.n < 8);
    pi_os_fds_close(&got);
    pi_os_fds_close(&fds);
    end_pair(pair);
}
#endif

TEST(a_bad_one_copies_none, ALL)
{
    struct pi_os_fds fds;
    const int from[] = {STDERR_FILENO, STDERR_FILENO, -1};
    assert_int_equal(pi_os_fds_copy(&fds, from, 3), EBADF);
    assert_int_equal(fds.n, 0);
}
