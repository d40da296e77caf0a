/* net.h - sockets of proxies and agents.
 *
 * Runs in: program, worker (the proxy), agent.
 *
 * An address is "unix:PATH", "unix:@NAME" (a name that is no file, on Linux), "HOST:PORT" or
 * "[ADDRESS]:PORT", of IPv6. PORT is a number. A host may have many addresses: each is tried.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PI_ADDRESS_SIZE ((size_t)160)

/* Milliseconds of a clock that only rises. */
int64_t pi_net_now(void);

/* Whether it has the form of an address, which may be connected to: no port 0 then. */
bool pi_net_is_address(const char *address);

#define PI_MAX_TARGETS 8
/* The addresses of a host. */
struct pi_net_targets {
    size_t n;
    struct pi_net_target {
        struct sockaddr_storage at;
        socklen_t size;
    } at[PI_MAX_TARGETS];
};
/* Asks for them, and blocks while the system does not know. False, and errno. */
bool pi_net_resolve(const char *address, struct pi_net_targets *targets);

/* Listens there, non-blocking, close-on-exec. `at` gets the address with the port that the system
 * has chosen for port 0. -1 and errno. */
int pi_net_listen(const char *address, char at[PI_ADDRESS_SIZE]);
/* The next connection, non-blocking; -1: there is none. */
int pi_net_accept(int listener, int silence_ms);
/* Begins to connect, non-blocking; poll says when it can be written. -1 and errno. */
int pi_net_begin(const struct pi_net_target *target);
/* Then: 0, or an errno: it is not connected. */
int pi_net_error(int fd);
/* Connects to the first target that answers, and blocks. -1 and errno. */
int pi_net_connect(const char *address);
/* A peer that does not answer for that time is gone: reads and writes fail. */
void pi_net_watch(int fd, int silence_ms);
/* Before a message of that size: while the peer takes it, it may be silent for longer. `longer`:
 * whether this connection, of pi_net_watch, waits longer already. */
void pi_net_allow(int fd, int silence_ms, uint64_t size, bool *longer);
/* If the peer has all of that message, it may be silent as long as before. */
void pi_net_settle(int fd, int silence_ms, bool *longer);
/* Reads and writes block again; a read returns after that time with EAGAIN. */
bool pi_net_block(int fd, int read_ms);
/* Whether the other side has closed it, or broken the rules by speaking unasked. */
bool pi_net_has_ended(int fd);
/* Drops what has come. Whether to close it now would cut off what was sent: some is on its way to
 * the system of the other side, or more has come. */
bool pi_net_is_sending(int fd);

struct pi_net_part {
    const void *bytes;
    size_t size;
};
/* Sends two parts, and blocks; on a non-blocking socket as long as something goes each few seconds.
 * False: the connection ended before all was sent. */
bool pi_net_send(int fd, const struct pi_net_part parts[2]);
