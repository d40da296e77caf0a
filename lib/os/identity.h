/* identity.h - knows a process again where there is no pidfd of it.
 *
 * Runs in: program, supervisor, worker.
 * The system may give a pid to another process. So the start time that /proc tells is compared too.
 * Where /proc does not tell, the pid alone counts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pi_os_identity {
    pid_t pid;      /* 0: none */
    uint64_t start; /* in ticks since the boot; 0: unknown */
};

/* Of a process that lives, or is dead and not reaped yet. Pid 0 if there is none. */
struct pi_os_identity pi_os_identify(pid_t pid);
/* Whether it is there, dead or alive. */
bool pi_os_identity_is(const struct pi_os_identity *identity);
/* Whether it lives. A process whose parent has not reaped it is dead. */
bool pi_os_identity_lives(const struct pi_os_identity *identity);

/* As whom this process acts. */
struct pi_os_user {
    uid_t user;
    gid_t group;
};

struct pi_os_user pi_os_user(void);
bool pi_os_user_is(const struct pi_os_user *user);
