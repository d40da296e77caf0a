/* addresses.c - where agents connect to: the default, IPv6, hosts with many addresses, what is
 * none. */
#include "remote/kit/peer.h"

#include "remote/net.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static posse_status status_of(const char *listen, const char *connect)
{
    posse_executor *pool = NULL;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .launcher = POSSE_LAUNCH_COMMAND,
                                   .command = "exit 0",
                                   .listen = listen,
                                   .connect = connect};
    posse_status status = posse_remote_create(NULL, &remote, &pool);
    if (status == POSSE_OK)
        assert_ok(posse_destroy(pool));
    return status;
}

TEST(what_is_no_address, PROCESSES)
{
    static char long_host[300], long_path[300] = "unix:/";
    memset(long_host, 'a', 290);
    memcpy(long_host + 290, ":1", 3);
    memset(long_path + 6, 'a', 290);
    const char *const wrong[] = {"",
                                 "host",
                                 ":1",
                                 "127.0.0.1:",
                                 "127.0.0.1:x",
                                 "127.0.0.1:-1",
                                 "127.0.0.1:65536",
                                 "127.0.0.1:99999999999999999999",
                                 "127.0.0.1: 1",
                                 "::1:5",
                                 "[::1]",
                                 "[::1:5",
                                 "[]:5",
                                 "[[::1]]:5",
                                 "unix:",
                                 long_host,
                                 long_path};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_status(status_of(wrong[i], NULL), POSSE_INVALID);
        assert_status(status_of(NULL, wrong[i]), POSSE_INVALID);
        assert_false(pi_net_is_address(wrong[i]));
    }
    assert_status(status_of("[127.0.0.1]:0", NULL), POSSE_INVALID);
    assert_status(status_of(NULL, "127.0.0.1:0"), POSSE_INVALID); /* to any port? */
    assert_status(status_of("127.0.0.1:0", "some.host:5"), POSSE_OK);
}

static void assert_serves(const char *listen)
{
    struct hand hand = make_by_hand_at(listen, 2, plain());
    pid_t agent = start_agent(&hand, 2);
    for (long i = 0; i < 10; i++)
        assert_int_equal(take_long(submitted_long(hand.pool, square_task, i)), i * i);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0);
}

TEST(a_name, PROCESSES) { assert_serves("localhost:0"); }

TEST(an_address_of_ipv6, PROCESSES)
{
    char at[PI_ADDRESS_SIZE];
    int fd = pi_net_listen("[::1]:0", at);
    if (fd < 0 && (errno == EADDRNOTAVAIL || errno == EAFNOSUPPORT)) {
        print_message("no IPv6 here\n");
        skip();
    }
    assert_true(fd >= 0);
    close(fd);
    assert_true(strncmp(at, "[::1]:", 6) == 0);
    assert_serves("[::1]:0");
}

/* The name stands for ::1 and 127.0.0.1, most often; only the latter listens. */
TEST(an_agent_tries_each_address_of_a_name, PROCESSES)
{
    char address[64];
    struct hand hand = make_by_hand(1, plain());
    snprintf(address, sizeof address, "localhost:%s", strrchr(hand.options.address, ':') + 1);
    hand.options.connect = address;
    pid_t agent = start_agent(&hand, 1);
    assert_int_equal(take_long(submitted_long(hand.pool, square_task, 4)), 16);
    end_hand(&hand);
    assert_int_equal(end_of(agent), 0);
}

TEST(an_agent_says_that_an_address_is_none, PROCESSES)
{
    struct hand hand = make_by_hand(1, plain());
    hand.options.connect = "127.0.0.1:0";
    int how = end_of(start_agent(&hand, 1));
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    end_hand(&hand);
}

/* ---- silence ---- */

static int user_timeout(int fd)
{
    int ms = 0;
    socklen_t size = sizeof ms;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &size), 0);
    return ms;
}

/* Linux counts the time in which the peer has no room as silence. */
TEST(the_peer_of_a_large_message_may_be_silent_for_longer, PROCESSES)
{
    bool longer = false;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    pi_net_watch(fd, 3000);
    pi_net_allow(fd, 3000, 1000, &longer);
    assert_int_equal(user_timeout(fd), 3000);
    pi_net_allow(fd, 3000, (uint64_t)4 << 30, &longer);
    assert_in_range(user_timeout(fd), 60000, 120000);
    pi_net_allow(fd, 3000, UINT64_MAX, &longer);
    assert_int_equal(user_timeout(fd), INT_MAX);
    pi_net_allow(fd, 3000, 1000, &longer);
    assert_int_equal(user_timeout(fd), 3000);
    pi_net_allow(fd, 3000, (uint64_t)4 << 30, &longer);
    pi_net_settle(fd, 3000, &longer); /* nothing is unsent */
    assert_int_equal(user_timeout(fd), 3000);
    assert_false(longer);
    close(fd);
}

/* ---- the default ---- */

static posse_executor *listening(posse_remote_options *remote)
{
    posse_executor *pool = NULL;
    posse_options options = plain();
    options.max_workers = 1;
    remote->struct_size = sizeof *remote;
    remote->nodes = "n1:1";
    assert_ok(posse_remote_create(&options, remote, &pool));
    return pool;
}

static void assert_is_loopback(const char *address)
{
    assert_true(strncmp(address, "127.0.0.1:", 10) == 0);
    assert_true(strtol(address + 10, NULL, 10) > 0);
}

/* All addresses that begin with 127 are of this machine. A program that listens on every address
 * answers at each of them. */
static void assert_on_loopback_alone(const char *address)
{
    char other[64];
    assert_is_loopback(address);
    snprintf(other, sizeof other, "127.0.0.2:%s", address + 10);
    int fd = pi_net_connect(address);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(pi_net_connect(other), -1);
    assert_int_equal(errno, ECONNREFUSED);
}

TEST(by_default_only_this_machine_reaches_the_program, PROCESSES)
{
    static const long launchers[] = {POSSE_LAUNCH_SSH, POSSE_LAUNCH_MPIRUN, POSSE_LAUNCH_SRUN};
    struct hand hand = make_by_hand_at(NULL, 1, plain());
    assert_on_loopback_alone(hand.options.address);
    end_hand(&hand);
    posse_remote_options remote = {.launcher = POSSE_LAUNCH_COMMAND,
                                   .command = "eval exec $POSSE_AGENT"};
    posse_executor *pool = listening(&remote);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    assert_on_loopback_alone(remote.address);
    end_remote(pool);
    for (size_t i = 0; i < COUNT(launchers); i++) {
        remote = (posse_remote_options){.launcher = launchers[i], .command = "true"};
        pool = listening(&remote);
        assert_is_loopback(remote.address); /* it may be broken by now */
        assert_ok(posse_destroy(pool));
    }
}

/* A socket without a name in the file system. */
TEST(by_default_agents_of_this_machine_use_no_network, PROCESSES)
{
    posse_remote_options local = {.launcher = POSSE_LAUNCH_LOCAL};
    posse_remote_options relay = {.launcher = POSSE_LAUNCH_MPI_RELAY, .command = "true"};
    posse_executor *pool = listening(&local);
    assert_true(strncmp(local.address, "unix:@", 6) == 0);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_remote(pool);
    pool = listening(&relay);
    assert_true(strncmp(relay.address, "unix:@", 6) == 0);
    assert_ok(posse_destroy(pool));
}
