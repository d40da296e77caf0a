/* The process backend: the supervisor is a process that the program forks once, as nobody's child,
 * and the workers are the supervisor's children.
 *
 *   the program            the supervisor                   a worker
 *   has the socket; its    has the other end and a pidfd    is killed by the kernel when the
 *   end of file is the     of the program, or looks twice   supervisor dies; leads a process
 *   supervisor's end       a second whether it lives;       group of its own, so what a task
 *                          when either tells of its end     starts dies with its worker
 *                          it kills the workers and goes
 *
 * Orphans are adopted by process 1, or by a process that has asked for them. If that is the program
 * itself, the supervisor is its child after all: whoever waits for its end here buries it too.
 *
 * Poking the supervisor is a byte from the program, and a signal from a worker, whose descriptors a
 * task may have closed: SIGCHLD, or SIGCONT, which everybody in the session may send, if a task has
 * become a user who may not send the other.
 */
#include "base/tuning.h"
#include "os/channel.h"
#include "os/clock.h"
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

#include <errno.h>

static unsigned default_workers(unsigned cpus) { return cpus; }

/* ---- in the supervisor ---- */

/* Where there is no pidfd of the program it is looked at now and then. */
static bool program_lives(const struct pi_supervisor *s)
{
    return s->program >= 0 || pi_os_identity_lives(&s->program_identity);
}

static bool sleep_until(struct pi_supervisor *s, uint64_t until)
{
    if (s->program < 0 && s->program_identity.start != 0)
        until = pi_earlier(until, pi_os_now() + PI_PROGRAM_CHECK_NS);
    enum pi_os_wakeup why = pi_os_channel_sleep(s->socket, s->program, until);
    return why == PI_OS_TIME ? program_lives(s) : why == PI_OS_POKED;
}

/* The supervisor's own socket, whose other end is for the program: no child that another thread of
 * the program forks meanwhile has a copy of the supervisor's. 0 or an errno. */
static int open_socket(int sockets[2])
{
    int error = pi_os_channel_pair(sockets);
    if (error == 0 && !(pi_os_channel_poke(sockets[1]) && pi_os_channel_drain(sockets[0])))
        error = errno; /* bytes cannot be sent, or received */
    return error;
}

/* Tries what supervising needs, and tells the program. False: this supervisor cannot start. */
static bool prepare(struct pi_launch *launch)
{
    int sockets[2] = {-1, -1};
    struct pi_launch_report report = {.error = pi_os_supervision_denied(), .pid = pi_os_self()};
    report.denied = report.error != 0;
    if (report.error == 0)
        report.error = open_socket(sockets);
    int error = pi_os_channel_tell(launch->sockets[1], &report, sizeof report, sockets[1]);
    if (error && report.error == 0)
        report.error = error;
    if (error && pi_os_channel_tell(launch->sockets[1], &report, sizeof report, -1) != 0)
        pi_os_exit(0); /* the program sees the socket's end */
    if (report.error != 0)
        return false;
    pi_os_close(sockets[1]);
    pi_os_close(launch->sockets[1]);
    launch->supervisor->socket = sockets[0];
    return true;
}

/* Until give_up closes the socket: as long as that our pid stays ours. */
static _Noreturn void await_end(struct pi_supervisor *s)
{
    while (sleep_until(s, PI_NEVER))
        ;
    pi_os_exit(0);
}

void pi_supervisor_main(void *context)
{
    struct pi_launch *launch = context;
    struct pi_supervisor *s = launch->supervisor;
    PI_TAKE_ROLE(PI_ROLE_SUPERVISOR);
    pi_os_signals_of_supervisor(&s->ignored);
    pi_os_process_name(s->executor->hooks.name);
    pi_os_close(launch->sockets[0]);
    s->executor->owner = PI_OWNER_NONE; /* it has no socket of the program's: that comes later */
    char byte = 0;
    int none;
    if (!prepare(launch))
        await_end(s);
    if (pi_os_channel_hear(s->socket, &byte, sizeof byte, &none) != 0)
        pi_os_exit(0); /* the program could not take its socket */
    struct pi_launch_report report = {.error = pi_supervisor_begin(s), .pid = pi_os_self()};
    if (pi_os_channel_tell(s->socket, &report, sizeof report, -1) != 0)
        pi_os_exit(0); /* the program sees the socket's end, and the workers die with us */
    if (report.error != 0)
        await_end(s);
    pi_supervisor_run(s);
    pi_os_exit(0);
}

void pi_supervisor_failed(void *context, int error)
{
    struct pi_launch *launch = context;
    struct pi_launch_report report = {.error = error};
    /* not heard: it sees the socket's end */
    (void)pi_os_channel_tell(launch->sockets[1], &report, sizeof report, -1);
}

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
    .sleep = sleep_until,
};
