/* packet.h - two connected sockets for whole messages that carry copies of descriptors.
 *
 * Runs in: program, supervisor, worker.
 * No call waits, but for pi_os_packet_room and pi_os_packet_await; none raises SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Those of a task, and one more. */
#define PI_OS_MAX_FDS 17

struct pi_os_fds {
    int n;
    int at[PI_OS_MAX_FDS]; /* -1: closed */
};

/* Closes all of them. Keeps errno. */
void pi_os_fds_close(struct pi_os_fds *fds);
/* Copies of n descriptors, above stdio, close-on-exec. 0 or an errno: then there are none. */
int pi_os_fds_copy(struct pi_os_fds *fds, const int *from, int n);
/* Whether this process has too few descriptors left beyond these. */
bool pi_os_fds_are_last(const struct pi_os_fds *fds);

/* Non-blocking, close-on-exec, above stdio. 0 or an errno; ENOTSUP: the system has none. */
int pi_os_packet_pair(int sockets[2]);

/* Sends a message with copies of the descriptors. 0 or an errno; EAGAIN: there is no room now;
 * EPIPE: the other side is gone; ETOOMANYREFS: too many descriptors of this user are on their
 * way. */
int pi_os_packet_send(int socket, const void *message, size_t size, const struct pi_os_fds *fds);
/* Takes a message of exactly that size. `fds` gets the descriptors that came with it, above stdio,
 * close-on-exec. 0 or an errno; EAGAIN: nothing is there; ECHILD: the other side is gone; EPROTO:
 * of another size; EMFILE: the message is there, but not all of its descriptors. */
int pi_os_packet_receive(int socket, void *message, size_t size, struct pi_os_fds *fds);

/* Waits until there is room to send. False: the other side is gone. */
bool pi_os_packet_room(int socket);
/* Waits until `socket` has something to read, or has ended. False: the other side of `peer` is
 * gone, and nothing is there to read. */
bool pi_os_packet_await(int socket, int peer);
