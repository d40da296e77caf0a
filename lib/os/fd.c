#include "os/fd.h"

#include "os/cancel.h"
#include "os/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* pi_os_fd_above_stdio sets it */
#endif

#define MAX_TRIES 100 /* while there is no memory: a tenth of a second */

int pi_os_fd_above_stdio(int fd)
{
    PI_OS_NO_CANCEL;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int error = errno;
    close(fd);
    errno = error;
    return moved;
}

ssize_t pi_os_fd_read(const char *path, char *text, size_t size)
{
    PI_OS_NO_CANCEL;
    int fd;
    ssize_t length;
    while ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0 && errno == EINTR)
        ;
    if (fd < 0)
        return -1;
    while ((length = read(fd, text, size - 1)) < 0 && errno == EINTR)
        ;
    int error = errno;
    close(fd);
    errno = error;
    text[length > 0 ? length : 0] = '\0';
    return length;
}

int pi_os_fd_own(struct pi_os_fd *fd, int number)
{
    PI_OS_NO_CANCEL;
    struct stat status;
    *fd = (struct pi_os_fd){.number = number};
    if (fstat(number, &status) != 0) {
        int error = errno;
        close(number);
        fd->number = -1;
        return error;
    }
    fd->device = status.st_dev;
    fd->inode = status.st_ino;
    return 0;
}

bool pi_os_fd_is_ours(const struct pi_os_fd *fd)
{
    struct stat status;
    if (fd->number < 0)
        return false;
    if (fstat(fd->number, &status) != 0)
        return errno != EBADF; /* not told: most likely nobody has touched it */
    return status.st_dev == fd->device && status.st_ino == fd->inode;
}

void pi_os_fd_close(struct pi_os_fd *fd)
{
    PI_OS_NO_CANCEL;
    if (pi_os_fd_is_ours(fd))
        close(fd->number);
    fd->number = -1;
}

/* Flags of one of our sockets, above stdio. -1: it could not be moved. */
static int prepare(int fd)
{
    fd = pi_os_fd_above_stdio(fd);
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
    for (int i = 0; i < 2; i++) {
        if (sockets[i] >= 0)
            close(sockets[i]);
        sockets[i] = -1;
    }
    return error;
}

/* The same call may do in a moment. */
static bool passes(int error) { return error == EINTR || error == ENOMEM || error == ENOBUFS; }

static bool is_full(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

bool pi_os_socket_poke(int socket)
{
    PI_OS_NO_CANCEL;
    int error = 0;
    for (int tries = 0; tries < MAX_TRIES; tries++) {
        if (send(socket, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || is_full(errno))
            return true;
        error = errno;
        if (!passes(error))
            break;
        pi_os_sleep(1000000);
    }
    errno = error;
    return false;
}

bool pi_os_socket_drain(int socket)
{
    PI_OS_NO_CANCEL;
    char bytes[64];
    for (int tries = 0; tries < MAX_TRIES;) {
        ssize_t n = recv(socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0)
            return false;
        if (n < 0 && !passes(errno))
            return is_full(errno);
        if (n < 0 && tries++ > 0)
            pi_os_sleep(1000000);
    }
    return true;
}

/* Without poll: looks at the socket alone, and takes a moment for it. */
static bool is_at_end(int socket)
{
    char byte;
    pi_os_sleep(1000000);
    ssize_t n = recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && !is_full(errno) && !passes(errno));
}

bool pi_os_socket_closed(int socket, int timeout_ms)
{
    PI_OS_NO_CANCEL;
    struct pollfd fd = {.fd = socket, .events = 0};
    int n = poll(&fd, 1, timeout_ms);
    if (n < 0 && errno != EINTR)
        return is_at_end(socket);
    return n > 0 && (fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

/* ---- messages ---- */

/* Room for one descriptor beside a message. */
union control {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr header;
};

int pi_os_socket_tell(int socket, const void *message, size_t size, int fd)
{
    PI_OS_NO_CANCEL;
    union control control = {{0}};
    struct iovec part = {(void *)(uintptr_t)message, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    if (fd >= 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = sizeof control.bytes;
        struct cmsghdr *item = CMSG_FIRSTHDR(&header);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(item), &fd, sizeof fd);
    }
    for (int tries = 0; tries < MAX_TRIES; tries++) {
        ssize_t sent = fd >= 0 ? sendmsg(socket, &header, MSG_NOSIGNAL)
                               : send(socket, message, size, MSG_NOSIGNAL);
        if (sent == (ssize_t)size)
            return 0;
        if (sent >= 0 || !passes(errno))
            return sent >= 0 ? EMSGSIZE : errno;
        pi_os_sleep(1000000);
    }
    return ENOBUFS;
}

/* 0 or an errno; EAGAIN: nothing is there. */
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
        if (!is_full(error) && !passes(error))
            (void)recv(socket, message, size, MSG_DONTWAIT);
        return error;
    }
    struct cmsghdr *item = CMSG_FIRSTHDR(&header);
    if (item && item->cmsg_type == SCM_RIGHTS && item->cmsg_len == CMSG_LEN(sizeof *fd)) {
        memcpy(fd, CMSG_DATA(item), sizeof *fd);
        *fd = pi_os_fd_above_stdio(*fd);
        if (*fd < 0)
            return errno;
    }
    if (header.msg_flags & MSG_CTRUNC)
        return EMFILE;
    return n == 0 ? ECHILD : n == (ssize_t)size ? 0 : EPROTO;
}

int pi_os_socket_hear(int socket, void *message, size_t size, int *fd)
{
    PI_OS_NO_CANCEL;
    struct pollfd one = {.fd = socket, .events = POLLIN};
    *fd = -1;
    for (int tries = 0;;) {
        if (poll(&one, 1, -1) < 0 && errno != EINTR)
            pi_os_sleep(1000000);
        int error = receive(socket, message, size, fd);
        if (is_full(error))
            continue;
        if (!passes(error) || ++tries == MAX_TRIES)
            return error;
        pi_os_sleep(1000000);
    }
}
