/* pollable.h - a descriptor that is readable while a flag is set, for poll.
 *
 * Runs in: program.
 * The descriptor is one end of two connected sockets. Unlike eventfds these have inodes of their
 * own, so a descriptor that the program has closed or replaced is noticed.
 */
#pragma once

#include "os/fd.h"

#include <stdatomic.h>

struct pi_os_pollable {
    struct pi_os_fd reader, writer;
    _Atomic bool lost; /* the program has closed or replaced one of them */
};

/* Above stdio, non-blocking, close-on-exec. 0 or an errno. */
int pi_os_pollable_init(struct pi_os_pollable *flag);
void pi_os_pollable_fini(struct pi_os_pollable *flag);
/* One thread at a time; set only when it is clear. Setting waits up to ten seconds for a kernel
 * without memory; clearing does not wait. */
void pi_os_pollable_set(struct pi_os_pollable *flag);
void pi_os_pollable_clear(struct pi_os_pollable *flag);
