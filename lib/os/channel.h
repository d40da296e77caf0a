/* channel.h - the two connected sockets between the program and the supervisor.
 *
 * Runs in: program, supervisor. A worker closes its copies.
 *
 *   notify, drain a byte wakes the other side, which takes all bytes at once
 *   tell, hear    short messages while the supervisor starts, perhaps with a descriptor
 *   closed        the other side's end, by death or by close, is the end of file
 *
 * No call raises SIGPIPE. One that the kernel refuses for want of memory is tried again for a tenth
 * of a second.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stream sockets, non-blocking, close-on-exec, above stdio. 0 or an errno. */
int pi_os_channel_pair(int sockets[2]);
/* Sends one byte, unless the buffer is full: then the other side has something to read anyway.
 * False and errno: it cannot be sent; see pi_os_channel_passes. */
bool pi_os_channel_notify(int socket);
/* Reads all that is there. False: the other side is gone. */
bool pi_os_channel_drain(int socket);
/* Whether the other side is gone. Waits for that up to timeout_ms, -1: for ever. A signal, or a
 * kernel without memory, ends the wait early. Reads nothing. */
bool pi_os_channel_closed(int socket, int timeout_ms);
/* The other side, and each process with a copy, finds the end of file. The socket can still be
 * read. */
void pi_os_channel_end(int socket);
/* The same in both directions; closes the socket. */
void pi_os_channel_cut(int socket);

/* Sends a short message, with a copy of a descriptor unless that is -1. 0 or an errno. */
int pi_os_channel_tell(int socket, const void *message, size_t size, int fd);
/* Waits for a message of exactly that size. *fd: the descriptor that came with it, above stdio,
 * close-on-exec, or -1. 0 or an errno; ECHILD: the other side is gone; ENOMEM, ENOBUFS: the kernel
 * has no memory for it. If only the descriptor fails, the message is there all the same. */
int pi_os_channel_hear(int socket, void *message, size_t size, int *fd);

/* Sleeps until the moment. What ends it earlier: bytes or the end of the channel, the death of the
 * process behind a pidfd (-1: none), or a signal that ends a sleep (signals.h). Last, something to
 * read from one of two other sockets (-1: none), or perhaps; `requests` may be NULL. */
enum pi_os_wakeup { PI_OS_TIME, PI_OS_NOTIFIED, PI_OS_GONE, PI_OS_ASKED };
enum pi_os_wakeup pi_os_channel_sleep(int socket, int pidfd, const int *requests, uint64_t until);

/* Whether an errno of a call above passes: the same call may do later. */
bool pi_os_channel_passes(int error);
