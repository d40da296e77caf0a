/* fd_wait.h - a worker sleeps until descriptors are readable, or it is told to look again.
 *
 * Runs in: worker. The supervisor sends the signal, which is blocked but for the sleep, so it is
 * not missed between a look and the sleep.
 */
#pragma once

#include <signal.h>
#include <stdint.h>

/* Ends the sleep. Other processes ignore it. */
#define PI_OS_LOOK_AGAIN SIGURG

/* Once, before the first look. */
void pi_os_fd_wait_begin(void);
/* Until one of two is readable (-1: none), or the moment. */
void pi_os_fd_wait(const int fds[2], uint64_t until);
