#include "os/packet.h"

#include "base/tuning.h"
#include "os/cancel.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>

/* ---- descriptors ---- */

void pi_os_fds_close(struct pi_os_fds *fds)
{
    for (int i = 0; i < fds->n; i++)
        pi_os_close(fds->at[i]);
    fds->n = 0;
}

int pi_os_fds_copy(struct pi_os_fds *fds, const int *from, int n)
{
    PI_OS_NO_CANCEL;
    for (fds->n = 0; fds->n < n; fds->n++) {
        int copy = fcntl(from[fds->n], F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
            int error = errno;
            pi_os_fds_close(fds);
            return error;
        }
        fds->at[fds->n] = copy;
    }
    return 0;
}

bool pi_os_fds_are_last(const struct pi_os_fds *fds)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false; /* then the next descriptors that do not come tell */
    for (int i = 0; i < fds->n; i++)
        if ((rlim_t)fds->at[i] + PI_SPARE_DESCRIPTORS >= limit.rlim_cur)
            return true;
    return false;
}

/* ---- the sockets ---- */

int pi_os_packet_pair(int sockets[2])
{
    PI_OS_NO_CANCEL;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
        return errno == EPROTONOSUPPORT || errno == EPROTOTYPE ? ENOTSUP : errno;
    int error = 0;
    for (int i = 0; i < 2; i++) {
        sockets[i] = pi_os_fd_above_stdio(sockets[i]);
        error = sockets[i] < 0 ? errno : error;
    }
    for (int i = 0; i < 2 && error; i++) {
        pi_os_close(sockets[i]);
        sockets[i] = -1;
    }
    return error;
}

/* ---- messages ---- */

union control {
    char bytes[CMSG_SPACE(PI_OS_MAX_FDS * sizeof(int))];
    struct cmsghdr header;
};

int pi_os_packet_send(int socket, const void *message, size_t size, const struct pi_os_fds *fds)
{
    PI_OS_NO_CANCEL;
    union control control = {{0}};
    struct iovec part = {(void *)(uintptr_t)message, size};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    size_t bytes = (size_t)fds->n * sizeof(int);
    if (fds->n > 0) {
        header.msg_control = control.bytes;
        header.msg_controllen = (socklen_t)CMSG_SPACE(bytes); /* musl's type */
        struct cmsghdr *item = CMSG_FIRSTHDR(&header);
        item->cmsg_level = SOL_SOCKET;
        item->cmsg_type = SCM_RIGHTS;
        item->cmsg_len = (socklen_t)CMSG_LEN(bytes);
        memcpy(CMSG_DATA(item), fds->at, bytes);
    }
    if (sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return 0;
    return pi_os_socket_is_full(errno) ? EAGAIN : errno == ECONNRESET ? EPIPE : errno;
}

static void take_item(struct cmsghdr *item, struct pi_os_fds *fds)
{
    size_t n = (item->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n && fds->n < PI_OS_MAX_FDS; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(item) + i * sizeof fd, sizeof fd);
        if (fd < 3 || MSG_CMSG_CLOEXEC == 0)
            fd = pi_os_fd_above_stdio(fd);
        fds->at[fds->n++] = fd;
    }
}

/* 0 or an errno. */
static int take_descriptors(struct msghdr *header, struct pi_os_fds *fds)
{
    struct cmsghdr *item = CMSG_FIRSTHDR(header); /* the kernel makes one of several */
    if (item && item->cmsg_level == SOL_SOCKET && item->cmsg_type == SCM_RIGHTS)
        take_item(item, fds);
    for (int i = 0; i < fds->n; i++)
        if (fds->at[i] < 0)
            return EMFILE;
    return header->msg_flags & MSG_CTRUNC ? EMFILE : 0;
}

/* Linux may tell the end before the last message: it looks for a message, and then whether the
 * other side is gone. If both come in between, the message is there after that. */
static ssize_t receive(int socket, struct msghdr *header)
{
    size_t room = header->msg_controllen;
    ssize_t n = recvmsg(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n != 0)
        return n;
    header->msg_controllen = (socklen_t)room; /* musl's type */
    return recvmsg(socket, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
}

int pi_os_packet_receive(int socket, void *message, size_t size, struct pi_os_fds *fds)
{
    PI_OS_NO_CANCEL;
    union control control;
    struct iovec part = {message, size};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof control.bytes};
    fds->n = 0;
    ssize_t n = receive(socket, &header);
    if (n < 0)
        return pi_os_socket_is_full(errno) ? EAGAIN : errno == ECONNRESET ? ECHILD : errno;
    int error = take_descriptors(&header, fds);
    if (n == 0)
        return ECHILD;
    return (size_t)n != size || (header.msg_flags & MSG_TRUNC) ? EPROTO : error;
}

/* ---- waits ---- */

/* A kernel without memory even for poll is asked again after a rest. */
static void wait_for(struct pollfd *fds, nfds_t n)
{
    if (poll(fds, n, -1) < 0 && errno != EINTR)
        pi_os_sleep(PI_RETRY_NS);
}

bool pi_os_packet_room(int socket)
{
    PI_OS_NO_CANCEL;
    struct pollfd fd = {.fd = socket, .events = POLLOUT};
    wait_for(&fd, 1);
    return !(fd.revents & (POLLHUP | POLLERR | POLLNVAL));
}

bool pi_os_packet_await(int socket, int peer)
{
    PI_OS_NO_CANCEL;
    struct pollfd fds[2] = {{.fd = socket, .events = POLLIN}, {.fd = peer, .events = 0}};
    wait_for(fds, 2);
    return fds[0].revents || !(fds[1].revents & (POLLHUP | POLLERR | POLLNVAL));
}
