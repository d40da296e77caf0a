#include "os/channel.h"

#include "base/tuning.h"
#include "os/cancel.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/signals.h"
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

bool pi_os_channel_passes(int error)
{
    return error == EINTR || error == ENOMEM || error == ENOBUFS;
}

/* Whether to try a call again that failed with this errno: then it has rested. */
static bool again(int error, int *tries)
{
    if (!pi_os_channel_passes(error) || ++*tries >= PI_MAX_RETRIES)
        return false;
    pi_os_sleep(PI_RETRY_NS);
    return true;
}

/* ---- the sockets ---- */

/* Flags of one of our sockets, above stdio. 0 or an errno. */
static int prepare(int *fd)
{
    *fd = pi_os_fd_above_stdio(*fd);
    if (*fd < 0)
        return errno;
    (void)fcntl(*fd, F_SETFL, O_NONBLOCK);
    return 0;
}

int pi_os_channel_pair(int sockets[2])
{
    PI_OS_NO_CANCEL;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
        return errno;
    int first = prepare(&sockets[0]), second = prepare(&sockets[1]);
    if (!first && !second)
        return 0;
    for (int i = 0; i < 2; i++) {
        pi_os_close(sockets[i]);
        sockets[i] = -1;
    }
    return first ? first : second;
}

void pi_os_channel_end(int socket) { (void)shutdown(socket, SHUT_WR); }

void pi_os_channel_cut(int socket)
{
    (void)shutdown(socket, SHUT_RDWR);
    pi_os_close(socket);
}

/* ---- bytes ---- */

bool pi_os_channel_notify(int socket)
{
    PI_OS_NO_CANCEL;
    int tries = 0;
    do
        if (send(socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || pi_os_socket_is_full(errno))
            return true;
    while (again(errno, &tries));
    return false;
}

bool pi_os_channel_drain(int socket)
{
    PI_OS_NO_CANCEL;
    char bytes[64];
    ssize_t n;
    int tries = 0;
    do
        n = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
    while (n > 0 || (n < 0 && again(errno, &tries)));
    return n < 0 && (pi_os_socket_is_full(errno) || pi_os_channel_passes(errno));
}

/* Without poll: looks at the socket alone, after a rest. */
static bool is_at_end(int socket)
{
    char byte;
    pi_os_sleep(PI_RETRY_NS);
    ssize_t n = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && !pi_os_socket_is_full(errno) && !pi_os_channel_passes(errno));
}

bool pi_os_channel_closed(int socket, int timeout_ms)
{
    PI_OS_NO_CANCEL;
    struct pollfd fd = {.fd = socket, .events = 0};
    int n = poll(&fd, 1, timeout_ms);
    if (n < 0 && errno != EINTR)
        return is_at_end(socket);
    return n > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

static enum pi_os_wakeup drained(int socket)
{
    return pi_os_channel_drain(socket) ? PI_OS_NOTIFIED : PI_OS_GONE;
}

enum pi_os_wakeup pi_os_channel_sleep(int socket, int pidfd, const int *requests, uint64_t until)
{
    PI_OS_NO_CANCEL;
    struct pollfd fds[4] = {{.fd = socket, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
    for (int i = 0; requests && i < 2; i++)
        fds[2 + i] = (struct pollfd){.fd = requests[i], .events = POLLIN};
    uint64_t now = pi_os_now();
    struct timespec rest = pi_os_timespec(until > now ? until - now : 0);
    sigset_t mask;
    pi_os_signals_of_sleep(&mask);
    int n = ppoll(fds, requests ? 4 : 2, until == PI_NEVER ? NULL : &rest, &mask);
    if (n < 0 && errno != EINTR) { /* no memory even for that: the sockets alone tell */
        pi_os_sleep(PI_RETRY_NS);
        enum pi_os_wakeup why = drained(socket);
        return why == PI_OS_NOTIFIED && requests ? PI_OS_ASKED : why;
    }
    if (n <= 0)
        return PI_OS_TIME;
    if (fds[1].revents & POLLIN)
        return PI_OS_GONE;
    return fds[0].revents ? drained(socket) : PI_OS_ASKED;
}

/* ---- messages ---- */

/* Room for one descriptor beside a message. */
union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
};

int pi_os_channel_tell(int socket, const void *message, size_t size, int fd)
{
    PI_OS_NO_CANCEL;
    union control control = {{0}};
    struct iovec part = {(void *)(uintptr_t)message, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;
    int tries = 0;
    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *item = CMSG_FIRSTHDR(&header);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    do
        sent = fd >= 0 ? sendmsg(socket, &header, MSG_NOSIGNAL)
                       : send(socket, message, size, MSG_NOSIGNAL);
    while (sent < 0 && again(errno, &tries));
    if (sent < 0)
        return errno;
    return sent == (ssize_t)size ? 0 : EMSGSIZE;
}

/* The descriptor that came with a message. 0 or an errno. */
static int take_descriptor(struct msghdr *header, int *fd)
{
    struct cmsghdr *item = CMSG_FIRSTHDR(header);
    if (item && item->cmsg_type == SCM_RIGHTS && item->cmsg_len == CMSG_LEN(sizeof *fd)) {
        memcpy(fd, CMSG_DATA(item), sizeof *fd);
        *fd = pi_os_fd_above_stdio(*fd);
        if (*fd < 0)
            return errno;
    }
    return header->msg_flags & MSG_CTRUNC ? EMFILE : 0;
}

/* 0 or an errno; EAGAIN: nothing is there. A message that recvmsg may not take is taken by recv. */
static int receive(int socket, void *message, size_t size, int *fd)
{
    union control control;
    struct iovec part = {message, size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(socket, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0) {
        int error = errno;
        if (!pi_os_socket_is_full(error) && !pi_os_channel_passes(error))
            (void)recv(socket, message, size, MSG_DONTWAIT);
        return error;
    }
    int error = take_descriptor(&header, fd);
    if (error)
        return error;
    return n == 0 ? ECHILD : n == (ssize_t)size ? 0 : EPROTO;
}

int pi_os_channel_hear(int socket, void *message, size_t size, int *fd)
{
    PI_OS_NO_CANCEL;
    struct pollfd one = {.fd = socket, .events = POLLIN};
    int tries = 0, error;
    *fd = -1;
    do {
        if (poll(&one, 1, -1) < 0 && errno != EINTR)
            pi_os_sleep(PI_RETRY_NS);
        error = receive(socket, message, size, fd);
    } while (pi_os_socket_is_full(error) || again(error, &tries));
    return error;
}
