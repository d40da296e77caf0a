/* fd.h - descriptors that must not get in the program's way. */
#ifndef PI_OS_FD_H
#define PI_OS_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Moves a descriptor above 2, close-on-exec: a program that runs without stdin, stdout or stderr
 * would write into ours. The new one, or -1 (the old one is closed). */
int pi_os_fd_above_stdio(int fd);

/* Reads the first bytes of a small file, at most size - 1, and ends them with 0. Their number, or
 * -1 and errno. It takes no memory, and no lock that a fork could meet. */
ssize_t pi_os_fd_read(const char *path, char *text, size_t size);

/* A descriptor that is kept between calls. The program may close all descriptors that it does not
 * know, and open its own under the same numbers. So before each use the file behind the number is
 * compared with ours. A thread that closes it between that look and the use is not noticed. */
struct pi_os_fd {
    int number; /* -1: none */
    dev_t device;
    ino_t inode;
};

/* Takes a descriptor of a file that has an inode of its own, as a socket has, and an eventfd or a
 * pidfd of an old kernel has not. 0 or an errno: the descriptor is closed then. */
int pi_os_fd_own(struct pi_os_fd *fd, int number);
bool pi_os_fd_is_ours(const struct pi_os_fd *fd);
/* Closes it if it is ours. */
void pi_os_fd_close(struct pi_os_fd *fd);

/* Two connected stream sockets, non-blocking, close-on-exec. 0 or an errno. */
int pi_os_socket_pair(int sockets[2]);
/* Sends one byte, unless the buffer is full: then the other side has something to read anyway.
 * False: it cannot be sent; errno ENOMEM, ENOBUFS or EINTR: the kernel has not done it for a
 * while. */
bool pi_os_socket_poke(int socket);
/* Reads all that is there, or can be had now. False: the other side is gone. */
bool pi_os_socket_drain(int socket);
/* Whether the other side is gone. Waits for it up to timeout_ms, -1 for ever, or for less: a signal
 * ends it, as does a kernel without memory. Reads nothing. */
bool pi_os_socket_closed(int socket, int timeout_ms);

/* Sends a short message, with a copy of a descriptor unless that is -1. 0 or an errno. */
int pi_os_socket_tell(int socket, const void *message, size_t size, int fd);
/* Waits for a message of exactly that size. *fd: the descriptor that came with it, above stdio,
 * close-on-exec, or -1. 0 or an errno; ECHILD: the other side is gone; ENOMEM, ENOBUFS: the kernel
 * had no memory for it for a tenth of a second. If only the descriptor cannot be had, the message
 * is there all the same. */
int pi_os_socket_hear(int socket, void *message, size_t size, int *fd);

#endif
