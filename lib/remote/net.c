#include "remote/net.h"
#include "base/tuning.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
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

static bool read_unix(const char *path, struct pi_net_targets *t)
{
    struct sockaddr_un *un = (void *)&t->at[0].at;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof un->sun_path)
        return false;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, length);
    t->at[0].size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (path[0] != '@'));
    if (path[0] == '@')
        un->sun_path[0] = '\0';
    t->n = 1;
    return true;
}

/* A number to 65535, without a sign. -1: it is none. */
static long port_of(const char *text)
{
    long port = 0;
    size_t n = strspn(text, "0123456789");
    for (size_t i = 0; i < n && port <= 65535; i++)
        port = 10 * port + (text[i] - '0');
    return n > 0 && text[n] == '\0' && port <= 65535 ? port : -1;
}

/* Splits "HOST:PORT" and "[ADDRESS]:PORT". NULL: it has neither form; else the port. */
static const char *split(const char *text, char host[PI_ADDRESS_SIZE])
{
    const char *colon = strrchr(text, ':');
    size_t length = colon ? (size_t)(colon - text) : 0;
    bool brackets = length > 2 && text[0] == '[' && colon[-1] == ']';
    if (length == 0 || strlen(text) >= PI_ADDRESS_SIZE)
        return NULL;
    snprintf(host, PI_ADDRESS_SIZE, "%.*s", (int)(brackets ? length - 2 : length), text + brackets);
    return strpbrk(host, brackets ? "[]" : "[]:") ? NULL : colon + 1;
}

static bool read_host(const char *text, struct pi_net_targets *t)
{
    char host[PI_ADDRESS_SIZE];
    const char *port = split(text, host);
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM};
    hints.ai_family = text[0] == '[' ? AF_INET6 : AF_UNSPEC;
    hints.ai_flags = text[0] == '[' ? AI_NUMERICHOST : 0;
    if (!port || port_of(port) < 0)
        return false;
    int error = getaddrinfo(host, port, &hints, &found);
    if (error != 0) {
        if (error != EAI_SYSTEM)
            errno = error == EAI_AGAIN ? EHOSTUNREACH : error == EAI_MEMORY ? ENOMEM : EINVAL;
        return false;
    }
    for (const struct addrinfo *one = found; one && t->n < PI_MAX_TARGETS; one = one->ai_next) {
        struct pi_net_target *target = &t->at[t->n++];
        memcpy(&target->at, one->ai_addr, one->ai_addrlen);
        target->size = one->ai_addrlen;
    }
    freeaddrinfo(found);
    return true;
}

bool pi_net_resolve(const char *text, struct pi_net_targets *t)
{
    memset(t, 0, sizeof *t);
    errno = EINVAL;
    return strncmp(text, "unix:", 5) == 0 ? read_unix(text + 5, t) : read_host(text, t);
}

bool pi_net_is_address(const char *text)
{
    char host[PI_ADDRESS_SIZE];
    struct pi_net_targets t = {.n = 0};
    if (strncmp(text, "unix:", 5) == 0)
        return read_unix(text + 5, &t);
    const char *port = split(text, host);
    return port && port_of(port) > 0;
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
    struct pi_net_target own = {.size = sizeof own.at};
    const char *colon = strrchr(address, ':');
    snprintf(at, PI_ADDRESS_SIZE, "%s", address);
    if (getsockname(fd, (void *)&own.at, &own.size) != 0 || own.at.ss_family == AF_UNIX)
        return;
    in_port_t port = own.at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own.at)->sin6_port
                                                  : ((struct sockaddr_in *)&own.at)->sin_port;
    snprintf(at, PI_ADDRESS_SIZE, "%.*s:%u", (int)(colon - address), address, ntohs(port));
}

static int listen_to(const struct pi_net_target *t)
{
    int on = 1, fd = socket(t->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (const void *)&t->at, t->size) != 0 || listen(fd, SOMAXCONN) != 0)
        return fail(fd);
#ifdef TCP_DEFER_ACCEPT
    int seconds = 5; /* who connects and says nothing wakes no proxy */
    if (t->at.ss_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
#endif
    return fd;
}

int pi_net_listen(const char *address, char at[PI_ADDRESS_SIZE])
{
    struct pi_net_targets t;
    int fd = -1;
    if (!pi_net_resolve(address, &t))
        return -1;
    for (size_t i = 0; fd < 0 && i < t.n; i++)
        fd = listen_to(&t.at[i]);
    if (fd >= 0)
        write_port(fd, address, at);
    return fd;
}

/* ---- connections ---- */

/* On a unix socket these fail, and are not needed. */
static void set_user_timeout(int fd, int ms)
{
#ifdef TCP_USER_TIMEOUT
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
#else
    (void)fd, (void)ms;
#endif
}

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
    set_user_timeout(fd, silence_ms);
}

/* Linux counts the time in which the peer has no room for more as silence, though its system
 * answers. */
void pi_net_allow(int fd, int silence_ms, uint64_t size, bool *longer)
{
    bool large = size > PI_REMOTE_AT_ONCE;
    uint64_t more = large ? size / PI_REMOTE_BYTES_PER_MS : 0;
    if (large || *longer)
        set_user_timeout(fd, more < (uint64_t)(INT_MAX - silence_ms) ? silence_ms + (int)more
                                                                     : INT_MAX);
    *longer = large;
}

int pi_net_accept(int listener, int silence_ms)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0)
        pi_net_watch(fd, silence_ms);
    return fd;
}

int pi_net_begin(const struct pi_net_target *t)
{
    int fd = socket(t->at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (const void *)&t->at, t->size) != 0 && errno != EINPROGRESS && errno != EINTR)
        return fail(fd);
    return fd;
}

int pi_net_error(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

int pi_net_connect(const char *address)
{
    struct pi_net_targets t;
    if (!pi_net_resolve(address, &t))
        return -1;
    for (size_t i = 0; i < t.n; i++) {
        int fd = pi_net_begin(&t.at[i]);
        struct pollfd there = {.fd = fd, .events = POLLOUT};
        if (fd < 0)
            continue;
        int ready;
        while ((ready = poll(&there, 1, PI_CONNECTING_MS)) < 0 && errno == EINTR)
            ;
        errno = ready == 1 ? pi_net_error(fd) : ETIMEDOUT;
        if (errno == 0)
            return fd;
        (void)fail(fd);
    }
    return -1;
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

static bool has_unsent(int fd)
{
    int on, bytes = 0;
    socklen_t size = sizeof on;
    bool tcp = getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &size) == 0;
    return tcp && ioctl(fd, TIOCOUTQ, &bytes) == 0 && bytes > 0;
}

void pi_net_settle(int fd, int silence_ms, bool *longer)
{
    if (*longer && !has_unsent(fd))
        pi_net_allow(fd, silence_ms, 0, longer);
}

bool pi_net_is_sending(int fd)
{
    char dropped[4096];
    ssize_t n = 1;
    for (int i = 0; i < 1000 && n > 0; i++)
        n = recv(fd, dropped, sizeof dropped, MSG_DONTWAIT);
    bool is_empty = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    return n > 0 || (is_empty && has_unsent(fd));
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
        size_t skip = sent;
        for (int i = 0; i < 2; i++) {
            size_t gone = skip < parts[i].size ? skip : parts[i].size;
            skip -= gone;
            left[i] = (struct iovec){.iov_base = (void *)((uintptr_t)parts[i].bytes + gone),
                                     .iov_len = parts[i].size - gone};
        }
        struct msghdr message = {.msg_iov = left, .msg_iovlen = 2};
        ssize_t done = sendmsg(fd, &message, MSG_NOSIGNAL);
        bool full = done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
        if (done < 0 && errno != EINTR && !(full && await_room(fd)))
            return false;
        sent += done > 0 ? (size_t)done : 0;
    }
    return true;
}
