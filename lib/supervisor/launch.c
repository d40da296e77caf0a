/* Runs in: program, supervisor.
 *
 * How the program and a supervisor process begin with each other:
 *
 *   the program                                the supervisor
 *   makes two sockets, forks                   tries what it needs of the system, makes two others
 *   hears a report, keeps that socket,      <- is hidden as workers will be; sends a report and
 *   closes its first one; looks whether        one of its sockets, closes both that the program
 *   it can see the supervisor                  made
 *   sends a byte                            ->
 *   hears the second report                 <- is shown again; starts the workers, sends a
 *                                              report, and a socket for requests
 *                                              (pool/descriptors.h)
 *
 * The second pair is the supervisor's, so that no child which another thread of the program forks
 * meanwhile has a copy of the supervisor's end. If a report has an error, the supervisor lives
 * until the program has closed the socket: so long its pid stays its own.
 */
#include "supervisor/launch.h"
#include "base/tuning.h"
#include "os/cancel.h"
#include "os/channel.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/process.h"
#include "os/seal.h"
#include "os/signals.h"
#include "os/spare.h"
#include "os/stdio.h"
#include "os/usage.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "supervisor/serve.h"
#include "supervisor/supervisor.h"
#include "worker/place.h"

#include <errno.h>

struct launch {
    struct pi_supervisor *supervisor;
    int sockets[2]; /* the program's, the supervisor's */
};

struct report {
    int error;   /* 0 or an errno */
    bool denied; /* the system does not let processes be supervised */
    pid_t pid;   /* of the supervisor; 0: there is none */
};

/* ---- in the supervisor ---- */

/* 0 or an errno. */
static int open_socket(int sockets[2])
{
    int error = pi_os_channel_pair(sockets);
    if (error == 0 && !(pi_os_channel_notify(sockets[1]) && pi_os_channel_drain(sockets[0])))
        error = errno; /* bytes cannot be sent, or received */
    return error;
}

/* Tries what supervising needs, and sends the first report. False: this supervisor cannot start. */
static bool prepare(struct launch *launch)
{
    int sockets[2] = {-1, -1};
    struct report report = {.error = pi_os_supervision_denied(), .pid = pi_os_self()};
    report.denied = report.error != 0;
    if (report.error == 0)
        report.error = open_socket(sockets);
    int error = pi_os_channel_tell(launch->sockets[1], &report, sizeof report, sockets[1]);
    if (error && report.error == 0)
        report.error = error;
    if (error && pi_os_channel_tell(launch->sockets[1], &report, sizeof report, -1) != 0)
        pi_os_exit(0); /* the program finds the socket's end */
    if (report.error != 0)
        return false;
    pi_os_close(sockets[1]);
    pi_os_close(launch->sockets[1]);
    launch->supervisor->socket = sockets[0];
    return true;
}

/* Until give_up closes the socket. */
static _Noreturn void await_end(struct pi_supervisor *s)
{
    while (s->executor->backend->sleep(s, PI_NEVER))
        ;
    pi_os_exit(0);
}

/* As a sealed worker (os/seal.c). True: pi_os_show undoes it. */
static bool hide_as_workers(const posse_executor *e)
{
    return e->seal && !(e->seal->allow & PI_OS_ALLOW_DUMPS) && pi_os_hide();
}

static void supervisor_main(void *context)
{
    struct launch *launch = context;
    struct pi_supervisor *s = launch->supervisor;
    bool hidden = hide_as_workers(s->executor);
    PI_TAKE_ROLE(PI_ROLE_SUPERVISOR);
    pi_os_signals_of_supervisor(&s->ignored);
    pi_os_set_name(s->executor->hooks.name);
    pi_os_close(launch->sockets[0]);
    s->executor->owner = PI_OWNER_NONE; /* it makes the socket of the program only now */
    char byte;
    int none;
    if (!prepare(launch))
        await_end(s);
    if (pi_os_channel_hear(s->socket, &byte, sizeof byte, &none) != 0)
        pi_os_exit(0); /* the program could not keep the socket */
    if (hidden)
        pi_os_show();
    bool fresh = s->executor->fresh;
    struct report report = {.error = pi_serve_begin(s), .pid = pi_os_self()};
    if (report.error == 0 && fresh)
        report.error = pi_os_adopt_orphans();
    if (report.error == 0)
        report.error = pi_supervisor_begin(s);
    if (pi_os_channel_tell(s->socket, &report, sizeof report, s->asker) != 0)
        pi_os_exit(0); /* the program finds the socket's end, and the workers die, too */
    pi_os_close(s->asker);
    s->asker = -1;
    if (report.error != 0)
        await_end(s);
    pi_supervisor_run(s);
    pi_place_ended(s->executor);
    if (fresh) /* else they would become the program's */
        pi_os_reap_all(pi_os_now() + PI_GRACE_NS);
    pi_os_exit(0);
}

/* In the process between: there is no supervisor. */
static void fork_failed(void *context, int error)
{
    struct launch *launch = context;
    struct report report = {.error = error};
    /* if it cannot be sent, the program finds the socket's end */
    (void)pi_os_channel_tell(launch->sockets[1], &report, sizeof report, -1);
}

/* ---- in the program ---- */

/* Others may have a copy of the socket, so it is cut, not only closed. */
static void give_up(int socket, pid_t supervisor)
{
    pi_os_channel_cut(socket);
    if (supervisor > 0)
        pi_os_reap(supervisor); /* if this process has adopted it */
}

/* The first report brings the socket, and says which process is at its other end. */
static struct report take_socket(posse_executor *e, int first)
{
    struct report report = {.pid = 0};
    int fd, error = pi_os_channel_hear(first, &report, sizeof report, &fd);
    if (error)
        report.error = error;
    if (report.error == 0)
        report.error = pi_os_fd_own(&e->link.socket, fd);
    else
        pi_os_close(fd);
    e->link.supervisor = pi_os_identify(report.pid);
    bool unseen = report.error == 0 && pi_os_usage_is_hidden(report.pid);
    /* relaxed, both: only the value counts; there are no workers yet */
    pi_store_relaxed(&e->segment.header->origin.supervisor, (int32_t)report.pid);
    pi_store_relaxed(&e->segment.header->hides_memory, unseen); /* as said */
    return report;
}

/* The supervisor has ended already. That is no error of the launch if the executor broke because
 * initializers failed. */
static int ended_early(posse_executor *e)
{
    pi_os_reap_adopted(&e->link.supervisor);
    e->link.supervisor.pid = 0;
    return pi_phase_of(e) == PI_DEAD ? 0 : ECHILD;
}

static struct report meet(posse_executor *e, int first)
{
    int fd;
    struct report report = take_socket(e, first);
    if (report.error != 0) {
        give_up(first, report.pid);
        return report;
    }
    pi_os_close(first);
    int refused = pi_os_channel_notify(e->link.socket.number) ? 0 : errno;
    if (refused)
        pi_os_channel_end(e->link.socket.number); /* the supervisor finds that and exits */
    int error = pi_os_channel_hear(e->link.socket.number, &report, sizeof report, &fd);
    if (e->link.supervisor.start == 0) /* it was hidden */
        e->link.supervisor = pi_os_identify(e->link.supervisor.pid);
    if (error == 0 && fd >= 0)
        error = pi_os_fd_own(&e->link.descriptors, fd);
    if (error && error != ECHILD)
        report.error = error;
    if (report.error == 0 && (error || pi_os_channel_closed(e->link.socket.number, 0)))
        report.error = refused ? refused : ended_early(e);
    if (report.error != 0) {
        give_up(e->link.socket.number, e->link.supervisor.pid);
        e->link.socket.number = -1;
        pi_os_fd_close(&e->link.descriptors);
    }
    return report;
}

static struct report fork_supervisor(posse_executor *e, struct launch *launch)
{
    sigset_t mask;
    struct pi_os_orphan orphan = {supervisor_main, fork_failed, launch, &mask};
    struct report report = {.pid = 0};
    pi_os_stdio_flush();
    pi_os_signals_block(&mask);
    report.error = pi_os_fork_orphan(&orphan);
    pi_os_signals_restore(&mask);
    pi_os_close(launch->sockets[1]);
    if (report.error == 0)
        return meet(e, launch->sockets[0]);
    pi_os_close(launch->sockets[0]);
    return report;
}

/* How the supervisor will see the program's end: by a pidfd, or by its identity in /proc. */
static struct report find_watch(struct pi_supervisor *s)
{
    struct report report = {.error = pi_os_children_denied()};
    report.denied = report.error != 0;
    if (report.denied)
        return report;
    s->program = pi_os_pidfd(pi_os_self());
#ifdef __linux__
    int error = errno;
    if (s->program < 0)
        s->program_identity = pi_os_identify(pi_os_self());
    if (s->program < 0 && s->program_identity.start == 0)
        report = (struct report){.error = error, .denied = error == ENOSYS || error == EPERM};
#endif
    return report;
}

/* The supervisor and the workers are copies of this thread. A cancel of this thread may be pending,
 * so cancels stay disabled in the copies. */
posse_status pi_launch(posse_executor *e)
{
    PI_OS_NO_CANCEL;
    struct pi_supervisor *s = pi_supervisor_create(e);
    if (!s)
        return pi_failure(PI_NO_HEAP);
    struct launch launch = {.supervisor = s};
    struct report report = find_watch(s);
    if (report.error == 0)
        report.error = pi_os_channel_pair(launch.sockets);
    if (report.error == 0) {
        s->socket = launch.sockets[1];
        report = fork_supervisor(e, &launch);
    }
    pi_os_close(s->program);
    pi_supervisor_destroy(s); /* the supervisor has its own copy */
    posse_status status = pi_refuse_errno(report.error, "the workers cannot be started");
    return report.denied ? POSSE_NOT_SUPPORTED : status;
}
