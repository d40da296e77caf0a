/* fd.c - our descriptors: above stdio, and known again. */
#include "support/support.h"

#include "os/channel.h"
#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

TEST(moved_above_stdio, ALL)
{
    int fd = dup(STDERR_FILENO), before = count_descriptors();
    int moved = pi_os_fd_above_stdio(fd);
    assert_true(moved > STDERR_FILENO);
    assert_true(fcntl(moved, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(count_descriptors(), before);
    close(moved);
    assert_int_equal(pi_os_fd_above_stdio(-1), -1);
    assert_int_equal(errno, EBADF);
}

TEST(closing_keeps_errno, ALL)
{
    int fd = dup(STDERR_FILENO);
    errno = ENOSPC;
    pi_os_close(fd);
    pi_os_close(fd); /* not open */
    pi_os_close(-1);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

TEST(the_first_bytes_of_a_file, ALL)
{
    char text[8];
    int before = count_descriptors();
    assert_int_equal(pi_os_fd_read("/proc/self/stat", text, sizeof text), sizeof text - 1);
    assert_int_equal(strlen(text), sizeof text - 1);
    assert_int_equal(pi_os_fd_read("/proc/self/nothing", text, sizeof text), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(pi_os_fd_read("/proc/self", text, sizeof text), -1);
    assert_int_equal(errno, EISDIR);
    assert_string_equal(text, "");
    assert_int_equal(count_descriptors(), before);
}

/* ---- descriptors that are ours ---- */

TEST(another_file_under_the_same_number_is_not_ours, ALL)
{
    int pair[2];
    struct pi_os_fd fd;
    assert_int_equal(pi_os_channel_pair(pair), 0);
    assert_int_equal(pi_os_fd_own(&fd, pair[0]), 0);
    assert_true(pi_os_fd_is_ours(&fd));
    assert_int_equal(dup2(pair[1], fd.number), fd.number);
    assert_false(pi_os_fd_is_ours(&fd));
    int number = fd.number;
    pi_os_fd_close(&fd);
    assert_int_equal(fd.number, -1);
    assert_int_equal(close(number), 0); /* it was left open */
    close(pair[1]);
}

TEST(a_closed_number_is_not_ours, ALL)
{
    int pair[2];
    struct pi_os_fd fd;
    assert_int_equal(pi_os_channel_pair(pair), 0);
    assert_int_equal(pi_os_fd_own(&fd, pair[0]), 0);
    close(fd.number);
    assert_false(pi_os_fd_is_ours(&fd));
    pi_os_fd_close(&fd);
    assert_false(pi_os_fd_is_ours(&fd));
    assert_int_equal(pi_os_fd_own(&fd, pair[0]), EBADF);
    assert_int_equal(fd.number, -1);
    close(pair[1]);
}
