/* The process backend: the program forks the supervisor once, as a process without a parent, and the
 * workers are the supervisor's children.
 *
 * Runs in: supervisor, worker; its parts in the program are in launch.c.
 *
 *   the program            the supervisor                   a worker
 *   has the socket; its    has the other end and a pidfd    is killed by the kernel when the
 *   end of file is the     of the program, or looks twice   supervisor dies; leads a process
 *   supervisor's end       a second whether it lives;       group of its own, so what a task
 *                          when either tells of its end     starts dies with its worker
 *                          it kills the workers and goes
 *
 * Process 1 adopts the supervisor, or a process that has asked for orphans. If that is the program,
 * the program reaps it when it waits for its end (pi_program_join).
 *
 * The program pokes the supervisor by a byte. A worker, whose descriptors a task may have closed,
 * sends a signal (pi_os_poke).
 */
#include "os/fd.h"
#include "os/limits.h"
#include "os/signals.h"
#include "os/stdio.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/commit.h"
#include "pool/error.h"
#include "pool/pool.h"
#include "supervisor/launch.h"
#include "supervisor/supervisor.h"
#include "worker/hooks.h"
#include "worker/loop.h"

static unsigned default_workers(unsigned cpus) { return cpus; }

/* ---- in the supervisor, and in a worker ---- */

struct start {
    struct pi_supervisor *supervisor;
    unsigned worker;
    pid_t parent;
};

__attribute__((noinline)) static void worker_main(void *context)
{
    PI_OS_STACK_BEGINS();
    const struct start *start = context;
    struct pi_supervisor *s = start->supervisor;
    unsigned worker = start->worker;
    posse_executor *e = s->executor;
    char name[16];
    pi_os_signals_of_worker(&s->ignored);
    pi_os_close(s->socket);
    pi_os_close(s->program);
    pi_os_raise_oom_score(); /* a task is lost then, and not the program or the supervisor */
    pi_os_fork_detect_set(&e->guard);
    e->owner = worker;
    e->parent = start->parent;
    e->user = pi_os_user();
    pi_worker_name(e, worker, name);
    pi_os_process_name(name);
    PI_TAKE_ROLE(PI_ROLE_WORKER);
    pi_worker_loop(e, worker);
    pi_os_stdio_flush();
    pi_os_exit(0);
}

static int spawn(struct pi_supervisor *s, unsigned worker)
{
    struct start start = {s, worker, pi_os_self()};
    pid_t child;
    int error = pi_os_fork_child(worker_main, &start, &child);
    if (error == 0)
        s->children[worker].pid = child;
    return error;
}

/* The kernel does not end a process with its parent any more if it has become another user. One
 * that has given up the call itself, and is the same user, is ended as before. */
static bool rearm(posse_executor *e, struct pi_error *why)
{
    if (!e->hooks.initializer.fn)
        return true;
    if (pi_os_address_space_left() < e->segment.size) /* it has set a limit: that is for tasks */
        pi_give_up_space(e);
    int error = pi_os_die_with_parent();
    if (pi_os_parent() != e->parent)
        pi_os_exit(0);
    if (error == 0 || pi_os_user_is(&e->user))
        return true;
    *why = pi_error_from_errno("the worker would outlive the executor, as it is another user now",
                               error);
    return false;
}

static enum pi_os_event event(struct pi_supervisor *s, unsigned worker, struct pi_os_death *death)
{
    return pi_os_child_event(s->children[worker].pid, death);
}

static void send_signal(struct pi_supervisor *s, unsigned worker, int signal)
{
    pi_os_signal_group(s->children[worker].pid, signal);
}

static void reap(struct pi_supervisor *s, unsigned worker) { pi_os_reap(s->children[worker].pid); }

static void notify(posse_executor *e)
{
    if (e->owner == PI_OWNER_PROGRAM)
        pi_program_notify(e);
    else
        (void)pi_os_poke(pi_os_parent()); /* does nothing to another process, should it be dead */
}

const struct pi_backend pi_process_backend = {
    .shared = true,
    .kills = true,
    .default_workers = default_workers,
    .start = pi_program_start,
    .ended = pi_program_ended,
    .join = pi_program_join,
    .fini = pi_program_fini,
    .notify = notify,
    .rearm = rearm,
    .spawn = spawn,
    .event = event,
    .signal = send_signal,
    .reap = reap,
    .sleep = pi_supervisor_sleep,
};
