/* process.h - forks, watches and ends our own processes, and no other.
 *
 * Runs in: program, supervisor, worker.
 * The supervisor is an orphan that the program forks; the workers are its children.
 */
#pragma once

#include "os/identity.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

/* ---- this process ---- */

pid_t pi_os_self(void);
pid_t pi_os_parent(void);
/* Ends the process at once: no handlers, no flush. */
_Noreturn void pi_os_exit(int code);
/* Makes the kernel kill this process when its parent dies. 0 or an errno; 0 also where no such call
 * exists. The parent may have died before: see pi_os_parent. */
int pi_os_die_with_parent(void);
/* Makes the kernel kill this process first when memory runs out; its children inherit that. Does
 * nothing where the system refuses. */
void pi_os_raise_oom_score(void);
/* Hides this process as one that may not be dumped: its memory from others of the user, and all of
 * it where /proc is mounted with hidepid. True: it was not so, and pi_os_show undoes it. */
bool pi_os_hide(void);
void pi_os_show(void);
/* Names the calling thread, for ps and debuggers; 15 characters count. A process has the name of
 * its first thread. */
void pi_os_set_name(const char *name);

/* ---- forking ---- */

/* Forks a process without a parent: body(context) runs in it and must not return. The caller has
 * blocked signals. If the second fork fails, failed(context, errno) is called in the process that
 * tried. 0 or an errno. Leaves no SIGCHLD pending. */
struct pi_os_orphan {
    void (*body)(void *context);
    void (*failed)(void *context, int error);
    void *context;
    const sigset_t *mask; /* of the caller, before it blocked signals */
};
int pi_os_fork_orphan(const struct pi_os_orphan *orphan);

/* Forks a child that runs body(context), which must not return. The child leads a process group of
 * its own, and the kernel kills it when this process dies. 0 or an errno. */
int pi_os_fork_child(void (*body)(void *context), void *context, pid_t *child);

/* The errno of a call that the system denies although making, watching and ending children needs
 * it; 0: none. The first is for the parent of the supervisor, the second for the supervisor, which
 * begins a process group. */
int pi_os_children_denied(void);
int pi_os_supervision_denied(void);

/* ---- watching and ending ---- */

/* A descriptor that becomes readable when the process dies, above stdio, close-on-exec. -1 and
 * errno: the system has none. */
int pi_os_pidfd(pid_t pid);

/* What has happened to a child. */
enum pi_os_event { PI_OS_NOTHING, PI_OS_STOPPED, PI_OS_CONTINUED, PI_OS_DEAD };
struct pi_os_death {
    int signal;    /* 0 if it exited */
    int exit_code; /* -1 if a signal killed it */
};
/* Does not block. A dead child stays a zombie until pi_os_reap, so no other process gets its pid or
 * its group. */
enum pi_os_event pi_os_child_event(pid_t pid, struct pi_os_death *death);
void pi_os_reap(pid_t pid);

/* Reaps an orphan that is about to end, if this process has adopted it (as process 1 and a
 * subreaper do) and has not reaped it yet. */
void pi_os_reap_adopted(const struct pi_os_identity *orphan);

/* Ends the supervisor's sleep (signals.h). False: there is no such process. */
bool pi_os_notify(pid_t supervisor);
/* Sends a signal to a child's process group and to the child, which may not lead its group yet. */
void pi_os_signal_group(pid_t pid, int signal);
