#include "remote/net.h"
#include "base/tuning.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t pi_net_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- addresses ---- */

struct address {
    struct sockaddr_storage at;
    socklen_t size;
};

static bool read_unix(const char *path, struct address *a)
{
    struct sockaddr_un *un = (void *)&a->at;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof un->sun_path)
        return false;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length);
    a->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    return true;
}

static bool read_host(const char *text, struct address *a)
{
    char host[PI_ADDRESS_SIZE];
    const char *colon = strrchr(text, ':');
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    memcpy(&a->at, found->ai_addr, found->ai_addrlen);
    a->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

static bool read_address(const char *text, struct address *a)
{
    memset(a, 0, sizeof *a);
    bool read = strncmp(text, "unix:", 5) == 0 ? read_unix(text + 5, a) : read_host(text, a);
    if (!read)
        errno = EINVAL;
    return read;
}

static int fail(int fd)
{
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* ---- listening ---- */

static void write_port(int fd, const char *address, char at[PI_ADDRESS_SIZE])
{
    struct address own = {.size = sizeof own.at};
    const char *colon = strrchr(address, ':');
    snprintf(at, PI_ADDRESS_SIZE, "%s", address);
    if (getsockname(fd, (void *)&own.at, &own.size) != 0 || own.at.ss_family == AF_UNIX)
        return;
    in_port_t port = own.at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own.at)->sin6_port
                                                  : ((struct sockaddr_in *)&own.at)->sin_port;
    snprintf(at, PI_ADDRESS_SIZE, "%.*s:%u", (int)(colon - address), address, ntohs(port));
}

int pi_net_listen(const char *address, char at[PI_ADDRESS_SIZE])
{
    struct address a;
    int on = 1;
    if (!read_address(address, &a))
        return -1;
    int fd = socket(a.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (void *)&a.at, a.size) != 0 || listen(fd, SOMAXCONN) != 0)
        return fail(fd);
#ifdef TCP_DEFER_ACCEPT
    int seconds = 5; /* who connects and says nothing wakes no proxy */
    if (a.at.ss_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
#endif
    write_port(fd, address, at);
    return fd;
}

/* ---- connections ---- */

/* On a unix socket these fail, and are not needed. */
void pi_net_watch(int fd, int silence_ms)
{
    int on = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
#ifdef TCP_KEEPIDLE
    int idle = silence_ms < 2000 ? 1 : silence_ms / 2000, probes = 3;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
#endif
#ifdef TCP_USER_TIMEOUT
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
#endif
}

int pi_net_accept(int listener, int silence_ms)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        pi_net_watch(fd, silence_ms);
    return fd;
}

int pi_net_connect(const char *address)
{
    struct address a;
    if (!read_address(address, &a))
        return -1;
    int fd = socket(a.at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 2}; /* of connect */
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (void *)&a.at, a.size) != 0 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return fail(fd);
    return fd;
}

bool pi_net_block(int fd, int read_ms)
{
    struct timeval time = {.tv_sec = read_ms / 1000, .tv_usec = (long)(read_ms % 1000) * 1000};
    return fcntl(fd, F_SETFL, 0) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0;
}

bool pi_net_has_ended(int fd)
{
    char byte;
    ssize_t n;
    while ((n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT)) < 0 && errno == EINTR)
        ;
    return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

/* Of a non-blocking socket. */
static bool await_room(int fd)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    return poll(&room, 1, PI_GREETING_MS) != 0;
}

bool pi_net_send(int fd, const struct pi_net_part parts[2])
{
    size_t size = parts[0].size + parts[1].size;
    for (size_t sent = 0; sent < size;) {
        struct iovec left[2];
        size_t skip = sent, n = 0;
        for (int i = 0; i < 2; i++) {
            size_t gone = skip < parts[i].size ? skip : parts[i].size;
            skip -= gone;
            if (gone < parts[i].size)
                left[n++] = (struct iovec){.iov_base = (char *)(uintptr_t)parts[i].bytes + gone,
                                           .iov_len = parts[i].size - gone};
        }
        struct msghdr message = {.msg_iov = left, .msg_iovlen = n};
        ssize_t done = sendmsg(fd, &message, MSG_NOSIGNAL);
        bool full = done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (done < 0 && errno != EINTR && !(full && await_room(fd)))
            return false;
        sent += done > 0 ? (size_t)done : 0;
    }
    return true;
}
