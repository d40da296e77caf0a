/* fork_detect.h - tells a forked child from the process that made an executor, by one load.
 *
 * Runs in: program, worker.
 * The mark is a page that Linux wipes in forked children; elsewhere it is the process id.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct pi_os_fork_detect {
    volatile int *mark; /* 1 in the process that set it; NULL: the system cannot wipe pages */
    pid_t pid;
};

/* 0 or an errno. */
int pi_os_fork_detect_init(struct pi_os_fork_detect *guard);
void pi_os_fork_detect_fini(struct pi_os_fork_detect *guard);
/* Makes this process the one that holds the mark. */
void pi_os_fork_detect_set(struct pi_os_fork_detect *guard);
/* Without a mark. */
bool pi_os_fork_detect_holds_by_pid(const struct pi_os_fork_detect *guard);
static inline bool pi_os_fork_detect_holds(const struct pi_os_fork_detect *guard)
{
    return guard->mark ? *guard->mark != 0 : pi_os_fork_detect_holds_by_pid(guard);
}
