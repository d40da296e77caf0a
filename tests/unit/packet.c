/* packet.c - messages with descriptors: all of them come, or the receiver is told; none is left
 * open. */
#include "support/support.h"
#include "threads.h"

#include "os/fd.h"
#include "os/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
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

/* ---- the end, right after a message ---- */

#ifdef POSSE_TEST_VALGRIND /* which runs one thread at a time */
enum { ENDS = 100 };
#else
enum { ENDS = 20000 };
#endif

struct ending {
    struct pair pairs[2]; /* by turns: thread 0 makes them, sends, and ends its side */
    _Atomic int made, read;
    _Atomic int wrong;
};

static void send_and_end(struct ending *ending)
{
    const struct pi_os_fds none = {.n = 0};
    for (int i = 0; i < ENDS; i++) {
        struct pair pair;
        long word = i;
        while (atomic_load(&ending->read) < i)
            sched_yield();
        if (pi_os_packet_pair(pair.end) != 0)
            atomic_fetch_add(&ending->wrong, 1);
        ending->pairs[i % 2] = pair;
        atomic_store(&ending->made, i + 1);
        if (pi_os_packet_send(pair.end[0], &word, sizeof word, &none) != 0)
            atomic_fetch_add(&ending->wrong, 1);
        pi_os_close(pair.end[0]);
    }
}

static void read_to_the_end(struct ending *ending)
{
    for (int i = 0; i < ENDS; i++) {
        struct pi_os_fds got;
        long word = -1;
        int error;
        while (atomic_load(&ending->made) <= i)
            sched_yield();
        int end = ending->pairs[i % 2].end[1];
        for (int n = 1; (error = pi_os_packet_receive(end, &word, sizeof word, &got)) == EAGAIN;
             n++)
            if (n % 100 == 0)
                sched_yield();
        if (error != 0 || word != i)
            atomic_fetch_add(&ending->wrong, 1);
        if (pi_os_packet_receive(end, &word, sizeof word, &got) == 0)
            atomic_fetch_add(&ending->wrong, 1);
        pi_os_close(end);
        atomic_store(&ending->read, i + 1);
    }
}

static void take_part(void *context, unsigned number)
{
    if (number == 0)
        send_and_end(context);
    else
        read_to_the_end(context);
}

TEST(a_message_comes_before_the_end, ALL)
{
    struct ending ending = {.made = 0};
    run_threads(2, take_part, &ending);
    assert_int_equal(atomic_load(&ending.wrong), 0);
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
