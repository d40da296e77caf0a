/* socket.h - what the files that use sockets have in common.
 *
 * Runs in: program, worker, supervisor.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Where the system lacks them. */
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* pi_os_fd_above_stdio sets it */
#endif
#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif

/* Whether a call failed because the socket had no room, or no message. */
static inline bool pi_os_socket_is_full(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}
