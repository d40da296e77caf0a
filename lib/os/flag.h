/* flag.h - a descriptor that is readable while a flag is set, for poll.
 *
 * It is one end of two connected sockets: unlike eventfds they have inodes of their own, so a
 * descriptor that the program has closed, or replaced by one of its own, is noticed.
 */
#ifndef PI_OS_FLAG_H
#define PI_OS_FLAG_H

#include "os/file.h"

#include <stdatomic.h>

struct pi_os_flag {
    struct pi_os_fd reader, writer;
    _Atomic bool lost; /* the program has closed or replaced one of them */
};

/* Above stdio, non-blocking, close-on-exec. 0 or an errno. */
int pi_os_flag_init(struct pi_os_flag *flag);
void pi_os_flag_fini(struct pi_os_flag *flag);
/* One thread at a time; set only when it is clear. Setting waits only for a kernel without memory,
 * about ten seconds; clearing does not wait. */
void pi_os_flag_set(struct pi_os_flag *flag);
void pi_os_flag_clear(struct pi_os_flag *flag);

#endif
