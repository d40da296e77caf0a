#include "os/file.h"

#include "os/cancel.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

#define MOST_POKES 100 /* while there is no memory for one: a tenth of a second */

int pi_os_file_above_stdio(int fd)
{
    PI_OS_NO_CANCEL;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return moved;
}

/* Flags of one of our sockets, above stdio. -1: it could not be moved. */
static int prepare(int fd)
{
    fd = pi_os_file_above_stdio(fd);
    if (fd >= 0)
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int pi_os_socket_pair(int sockets[2])
{
    PI_OS_NO_CANCEL;
    int pair[2];
#ifdef SOCK_CLOEXEC
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
        return errno;
#else
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return errno;
#endif
    sockets[0] = prepare(pair[0]);
    int error = errno;
    sockets[1] = prepare(pair[1]);
    if (sockets[0] >= 0 && sockets[1] >= 0)
        return 0;
    error = sockets[0] < 0 ? error : errno;
    for (int i = 0; i < 2; i++)
        if (sockets[i] >= 0)
            close(sockets[i]);
    return error;
}

/* The same call may do in a moment. */
static bool passes(int error) { return error == EINTR || error == ENOMEM || error == ENOBUFS; }

void pi_os_socket_poke(int socket)
{
    PI_OS_NO_CANCEL;
    for (int tries = 0; tries < MOST_POKES; tries++) {
        if (send(socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || !passes(errno))
            return;
        pi_os_sleep(1000000);
    }
}

bool pi_os_socket_drain(int socket)
{
    PI_OS_NO_CANCEL;
    char bytes[64];
    for (;;) {
        ssize_t n = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0)
            return false;
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN || errno == EWOULDBLOCK || passes(errno);
    }
}

/* Without poll: looks at the socket alone, and takes a moment for it. */
static bool is_at_end(int socket)
{
    char byte;
    pi_os_sleep(1000000);
    ssize_t n = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && !passes(errno));
}

bool pi_os_socket_closed(int socket, int pidfd, int timeout_ms)
{
    PI_OS_NO_CANCEL;
    struct pollfd fds[2] = {{.fd = socket, .events = 0}, {.fd = pidfd, .events = POLLIN}};
    int n = poll(fds, 2, timeout_ms);
    if (n < 0 && errno != EINTR)
        return is_at_end(socket);
    if (n <= 0)
        return false;
    return (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) || (fds[1].revents & POLLIN);
}
