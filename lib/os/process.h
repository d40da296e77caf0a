/* process.h - forking, watching and ending our own processes;
 * no process is touched that we did not fork. */
#ifndef PI_OS_PROCESS_H
#define PI_OS_PROCESS_H

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
 * -1: not to be had. */
int pi_os_pidfd(pid_t pid);

/* Makes the kernel kill this process when its parent dies, if it can. False: the parent is dead
 * already. */
bool pi_os_die_with_parent(pid_t parent);

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

/* Buries an orphan that is about to end, if this process has adopted it (as process 1 and a
 * subreaper do) and nobody here has buried it yet. Fine with -1, which buries nobody. */
void pi_os_reap_adopted(int pidfd);

/* Sends a signal to a child's process group and to the child, which may not lead its group yet. */
void pi_os_signal_group(pid_t pid, int signal);

#endif
