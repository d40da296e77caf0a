/* process.h - forking, watching and ending our own processes;
 * no process is touched that we did not fork. */
#ifndef PI_OS_PROCESS_H
#define PI_OS_PROCESS_H

#include "os/identity.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* Forks a process that is nobody's child: body(context) runs in it and must not return. Called with
 * signals blocked. If its second fork fails, failed(context, errno) is called in the process that
 * tried. 0 or an errno. No SIGCHLD is left pending. */
struct pi_os_orphan {
    void (*body)(void *context);
    void (*failed)(void *context, int error);
    void *context;
    const sigset_t *mask; /* of the caller, before signals were blocked */
};
int pi_os_fork_orphan(const struct pi_os_orphan *orphan);

/* A descriptor that becomes readable when the process dies, above stdio, close-on-exec;
 * -1: not to be had, errno tells why. */
int pi_os_pidfd(pid_t pid);

/* The errno of a call that the system denies although making, watching and ending children needs
 * it; 0: none. The first is for the parent of the supervisor, the second for the supervisor, which
 * begins a process group. */
int pi_os_children_denied(void);
int pi_os_supervision_denied(void);

/* Makes the kernel kill this process when its parent dies. 0 or an errno; 0 also where no such call
 * exists. The parent may have died before: see getppid. */
int pi_os_die_with_parent(void);

/* Makes the kernel kill this process before others that have not asked for it when memory runs out;
 * its children inherit that. Does nothing where the system does not let it. */
void pi_os_raise_oom_score(void);

/* The name shown by ps and in debuggers; 15 characters count. */
void pi_os_process_name(const char *name);

/* What has happened to a child. */
enum pi_os_event { PI_OS_NOTHING, PI_OS_STOPPED, PI_OS_CONTINUED, PI_OS_DEAD };
struct pi_os_death {
    int signal;    /* 0 if it exited */
    int exit_code; /* -1 if a signal killed it */
};
/* Looks, and does not block. A dead child stays a zombie until pi_os_reap, so its pid and
 * group cannot be reused. */
enum pi_os_event pi_os_child_event(pid_t pid, struct pi_os_death *death);
void pi_os_reap(pid_t pid);

/* Reaps an orphan that is about to end, if this process has adopted it (as process 1 and a
 * subreaper do) and nobody here has reaped it yet. */
void pi_os_reap_adopted(const struct pi_os_identity *orphan);

/* Sends a signal to a child's process group and to the child, which may not lead its group yet. */
void pi_os_signal_group(pid_t pid, int signal);

#endif
