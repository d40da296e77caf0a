/* fd.h - descriptors that do not get in the program's way, and are known again.
 *
 * Runs in: program, supervisor, worker.
 * A program may run without stdin, stdout or stderr, so ours stand above these. It may close all
 * descriptors that it does not know, and open its own under the same numbers. So a descriptor that
 * is kept between calls is compared with the file that it was opened for before each use.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Closes it, unless it is negative. Keeps errno. */
void pi_os_close(int fd);

/* Moves a descriptor above 2, close-on-exec. The new one, or -1 (the old one is closed). */
int pi_os_fd_above_stdio(int fd);

bool pi_os_fd_is_open(int fd);

/* open and read, again after a signal. -1 and errno. */
int pi_os_fd_open(const char *path, int flags);
ssize_t pi_os_fd_read_some(int fd, char *bytes, size_t size);

/* Reads the first bytes of a small file, at most size - 1, and ends them with 0. Their number, or
 * -1 and errno. It takes no memory, and no lock that a fork could meet. */
ssize_t pi_os_fd_read(const char *path, char *text, size_t size);

/* A descriptor that is kept between calls. */
struct pi_os_fd {
    int number; /* -1: none */
    dev_t device;
    ino_t inode;
};

/* Takes a descriptor of a file that has an inode of its own: a socket has one, but not an eventfd,
 * nor a pidfd of an old kernel. 0 or an errno: the descriptor is closed then. */
int pi_os_fd_own(struct pi_os_fd *fd, int number);
/* A thread that closes it between this look and the use is not noticed. */
bool pi_os_fd_is_ours(const struct pi_os_fd *fd);
/* Closes it if it is ours. */
void pi_os_fd_close(struct pi_os_fd *fd);
