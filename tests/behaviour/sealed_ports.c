/* sealed_ports.c - sealed workers that may use some TCP ports. */
#include "support/sealed.h"
#include "support/support.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in here(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Listens at a free port. */
static int listener(uint16_t *port)
{
    struct sockaddr_in address = here(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

enum deed { CONNECTS, BINDS, SENDS_FAST };

struct wish {
    enum deed deed;
    uint16_t port;
};

static int act(int fd, const struct wish *wish)
{
    struct sockaddr_in address = here(wish->port);
    char byte = 1;
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_name = &address, .msg_namelen = sizeof address, .msg_iov = &part, .msg_iovlen = 1};
    switch (wish->deed) {
    case CONNECTS: return connect(fd, (struct sockaddr *)&address, sizeof address);
    case BINDS:
        return bind(fd, (struct sockaddr *)&address, sizeof address) == 0 ? listen(fd, 1) : -1;
    default: return sendmsg(fd, &message, MSG_FASTOPEN) == 1 ? 0 : -1;
    }
}

static int port_task(posse_task *task, const void *arg, size_t size)
{
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0)
        return GAVE_UP;
    int result = act(fd, arg) == 0 ? 0 : errno;
    close(fd);
    return return_long(task, result);
}

static posse_future submitted_wish(posse_executor *pool, enum deed deed, uint16_t port)
{
    struct wish wish = {deed, port};
    return SUBMIT_VALUE(pool, port_task, wish);
}

/* Family, type and protocol. */
static int make_task(posse_task *task, const void *arg, size_t size)
{
    const int *kind = arg;
    int fd = socket(kind[0], kind[1], kind[2]);
    return return_long(task, fd < 0 ? errno : close(fd));
}

static int ulp_task(posse_task *task, const void *arg, size_t size)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    return return_long(task, setsockopt(fd, IPPROTO_TCP, TCP_ULP, "smc", 3) == 0 ? 0 : errno);
}

/* ---- what they may --------------------------------------------------------------------------- */

static void assert_makes_tcp_alone(posse_executor *pool)
{
    static const int good[][3] = {{AF_INET, SOCK_STREAM, 0},
                                  {AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP},
                                  {AF_INET6, SOCK_STREAM, 0}};
    static const int bad[][3] = {{AF_INET, SOCK_DGRAM, 0},
                                 {AF_UNIX, SOCK_STREAM, 0},
                                 {AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */},
                                 {AF_INET, SOCK_STREAM, 132 /* IPPROTO_SCTP */},
                                 {AF_INET, SOCK_RAW, IPPROTO_TCP},
                                 {43 /* AF_SMC */, SOCK_STREAM, 0}};
    for (size_t i = 0; i < COUNT(good); i++) {
        long error = take_long(submitted(pool, make_task, good[i], sizeof good[i]));
        assert_true(error == 0 || error == EAFNOSUPPORT); /* a system without IPv6 */
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        take_error(submitted(pool, make_task, bad[i], sizeof bad[i]), POSSE_FORBIDDEN);
    take_error(submitted(pool, ulp_task, NULL, 0), POSSE_FORBIDDEN);
}

TEST(ports_to_connect_to, SEALABLE)
{
    uint16_t ports[2];
    int listeners[2] = {listener(&ports[0]), listener(&ports[1])};
    posse_executor *pool = sealed_pool(1, (posse_seal){.connectable = ports, .n_connectable = 1});
    assert_int_equal(take_long(submitted_wish(pool, CONNECTS, ports[0])), 0);
    assert_int_equal(take_long(submitted_wish(pool, CONNECTS, ports[1])), EACCES);
    take_error(submitted_wish(pool, BINDS, ports[0]), POSSE_FORBIDDEN);
    take_error(submitted_wish(pool, SENDS_FAST, ports[1]), POSSE_FORBIDDEN);
    assert_makes_tcp_alone(pool);
    end_pool(pool);
    close(listeners[0]);
    close(listeners[1]);
}

TEST(ports_to_bind, SEALABLE)
{
    uint16_t ports[2];
    int listeners[2] = {listener(&ports[0]), listener(&ports[1])};
    close(listeners[0]);
    posse_executor *pool = sealed_pool(1, (posse_seal){.bindable = ports, .n_bindable = 1});
    assert_int_equal(take_long(submitted_wish(pool, BINDS, ports[0])), 0);
    assert_int_equal(take_long(submitted_wish(pool, BINDS, ports[1])), EACCES);
    assert_int_equal(take_long(submitted_wish(pool, BINDS, 0)), EACCES);
    take_error(submitted_wish(pool, CONNECTS, ports[1]), POSSE_FORBIDDEN);
    assert_makes_tcp_alone(pool);
    end_pool(pool);
    close(listeners[1]);
}

TEST(both_beside_paths, SEALABLE)
{
    static const char *const root[] = {"/"};
    static const uint16_t any[] = {0};
    uint16_t port;
    int listening = listener(&port);
    posse_executor *pool = sealed_pool(1, (posse_seal){.readable = root,
                                                       .n_readable = 1,
                                                       .connectable = &port,
                                                       .n_connectable = 1,
                                                       .bindable = any,
                                                       .n_bindable = 1});
    assert_int_equal(take_long(submitted_wish(pool, CONNECTS, port)), 0);
    assert_int_equal(take_long(submitted_wish(pool, BINDS, 0)), 0);
    assert_int_equal(take_long(submitted_wish(pool, BINDS, port)), EACCES);
    end_pool(pool);
    close(listening);
}
