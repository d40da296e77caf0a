/* file.h - descriptors that must not get in the program's way. */
#ifndef PI_OS_FILE_H
#define PI_OS_FILE_H

#include <stdbool.h>

/* Moves a descriptor above 2, close-on-exec: a program that runs without stdin, stdout or stderr
 * would write into ours. The new one, or -1 (the old one is closed). */
int pi_os_file_above_stdio(int fd);

/* Two connected stream sockets, non-blocking, close-on-exec. 0 or an errno. */
int pi_os_socket_pair(int sockets[2]);
/* Sends one byte; lost if the buffer is full, as then the other side has something to read
 * anyway, and if the kernel has no memory for it for a while. */
void pi_os_socket_poke(int socket);
/* Reads all that is there, or can be had now. False: the other side is gone. */
bool pi_os_socket_drain(int socket);
/* Whether the other side is gone: by end of file, or by the pidfd of its process (-1: none), as a
 * child forked meanwhile may hold a copy of that side. Waits for it up to timeout_ms, -1 for ever,
 * or for less: a signal ends it, as does a kernel without memory. Reads nothing. */
bool pi_os_socket_closed(int socket, int pidfd, int timeout_ms);

#endif
