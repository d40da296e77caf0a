/* identity.h - a process that is known again where there is no pidfd of it.
 *
 * A pid may be given to another process. So its start time is compared too, as /proc tells it.
 * Where /proc does not tell, the pid alone counts.
 */
#ifndef PI_OS_IDENTITY_H
#define PI_OS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pi_os_identity {
    pid_t pid;      /* 0: none */
    uint64_t start; /* in ticks since the boot; 0: not known */
};

/* Of a process that lives, or is dead and not reaped yet. Pid 0 if there is none. */
struct pi_os_identity pi_os_identify(pid_t pid);
/* Whether it is there, dead or alive. */
bool pi_os_identity_is(const struct pi_os_identity *identity);
/* Whether it lives. A process whose parent has not reaped it is dead. */
bool pi_os_identity_lives(const struct pi_os_identity *identity);

#endif
