/* seal.h - takes rights from this process for ever, and from what it starts.
 *
 * Runs in: program (what is denied or lacks), worker.
 *
 *   what                              by                      where the kernel lacks it
 *   system calls                      seccomp, an allow-list  no executor is made
 *   which paths may be opened         Landlock                no executor is made, if paths count
 *   TCP ports that are listed         Landlock                no executor is made
 *   all TCP ports, abstract sockets,  Landlock, in addition   the filter of calls alone forbids
 *   memory of other processes                                 that
 *   rights by a new program           no_new_privs            (Linux 3.5)
 *   descriptors                       close_range             no executor is made
 *
 * A forbidden call is not made: the kernel sends SIGSYS. Our handler notes the number of the call
 * in shared memory and lets the signal end the process. If the task has another handler, or blocks
 * SIGSYS, the call is not made either, but its number is not known.
 */
#pragma once

#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* As in posse_seal.h. */
enum pi_os_allow {
    PI_OS_ALLOW_FILES = 0x1,
    PI_OS_ALLOW_NETWORK = 0x2,
    PI_OS_ALLOW_PROGRAMS = 0x4,
    PI_OS_ALLOW_PROCESSES = 0x8,
    PI_OS_ALLOW_SIGNALS = 0x10,
    PI_OS_ALLOW_TRACING = 0x20,
    PI_OS_ALLOW_DESCRIPTORS = 0x40,
    PI_OS_ALLOW_ENVIRONMENT = 0x80,
    PI_OS_ALLOW_DUMPS = 0x100
};

struct pi_os_path {
    const char *name;
    bool writable; /* else it may only be read */
};

/* TCP ports. */
struct pi_os_ports {
    uint16_t *at;
    size_t n;
};

struct pi_os_seal {
    unsigned allow; /* enum pi_os_allow */
    struct pi_os_path *paths;
    size_t n_paths;
    int *descriptors; /* that stay open, beside stdio */
    size_t n_descriptors;
    struct pi_os_ports connectable, bindable; /* to connect to, to bind */
};

/* Where the number of a forbidden call goes, in shared memory: 1 + the number; 0: none. */
typedef _Atomic uint32_t pi_os_forbidden;

/* Whether the seal lists ports, and this system cannot limit them. */
bool pi_os_seal_lacks_ports(const struct pi_os_seal *seal);
/* The errno of what this system cannot enforce; 0: it can seal a process so. */
int pi_os_seal_denied(const struct pi_os_seal *seal);
/* 0 or the errno with which a path cannot be opened. */
int pi_os_path_denied(const char *name);

/* Closes all descriptors but those of the seal, stdio and `own` (-1: none). 0 or an
 * errno. */
int pi_os_seal_descriptors(const struct pi_os_seal *seal, const int own[3]);

/* Seals this process, which has one thread. It may notify its parent ever after. 0, or an errno:
 * then it must run no task. */
int pi_os_seal_apply(const struct pi_os_seal *seal, pi_os_forbidden *forbidden);

/* The same in two parts, for a worker that forks a process for each task. The worker has one thread
 * and may fork, wait for its children, limit and end them, and open files. *ruleset is for the
 * second part; -1: none is needed. */
int pi_os_seal_worker(const struct pi_os_seal *seal, pi_os_forbidden *forbidden, int *ruleset);
/* In such a child: the rest. It has what `seal` allows then, but may not change its limit of data.
 * It keeps the ruleset open. */
int pi_os_seal_task(const struct pi_os_seal *seal, pi_os_forbidden *forbidden, int ruleset);

/* ---- its parts ---- */

/* seal_filter.c: the filter of system calls, for all threads of this process. 0 or an errno. */
enum pi_os_sealed { PI_OS_SEALED, PI_OS_SEALED_WORKER, PI_OS_SEALED_TASK };
int pi_os_filter_apply(const struct pi_os_seal *seal, enum pi_os_sealed sealed);
int pi_os_filter_denied(void);

/* landlock.c: the same for paths and the rest. A set of rules limits nothing until it is applied;
 * -1: none is needed. */
int pi_os_landlock_open(const struct pi_os_seal *seal, int *ruleset);
int pi_os_landlock_apply(int ruleset);
int pi_os_landlock_denied(const struct pi_os_seal *seal);
