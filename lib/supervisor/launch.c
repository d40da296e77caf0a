/* The process backend in the program: starts the supervisor, and sees its end.
 *
 * What the program keeps is one socket and the supervisor's pid. The program may close the socket,
 * as one of the descriptors that it does not know. Then the executor is broken: the supervisor sees
 * the end of file, unless a child of the program has a copy of the socket. So the supervisor is
 * sent a signal instead of a byte, and its end is seen by its identity.
 */
#include "supervisor/launch.h"
#include "base/tuning.h"
#include "os/cancel.h"
#include "os/channel.h"
#include "os/clock.h"
#include "os/signals.h"
#include "os/stdio.h"
#include "pool/error.h"
#include "pool/pool.h"
#include "supervisor/supervisor.h"

#include <errno.h>

/* ---- starting ---- */

static posse_status status_of(const struct pi_launch_report *report)
{
    posse_status status = pi_refuse_errno(report->error, "the workers cannot be started");
    return report->denied ? POSSE_NOT_SUPPORTED : status;
}

/* The supervisor lives until the socket is closed, so the pid is its. Others may have a copy of the
 * socket. */
static void give_up(int socket, pid_t supervisor)
{
    pi_os_channel_cut(socket);
    if (supervisor > 0)
        pi_os_reap(supervisor); /* if we have adopted it */
}

/* What the first report brings: the socket, and which process is at its other end. */
static struct pi_launch_report take_socket(posse_executor *e, int first)
{
    struct pi_launch_report report = {.pid = 0};
    int fd, error = pi_os_channel_hear(first, &report, sizeof report, &fd);
    if (error)
        report.error = error;
    if (report.error == 0)
        report.error = pi_os_fd_own(&e->socket, fd);
    else
        pi_os_close(fd);
    e->supervisor_identity = pi_os_identify(report.pid);
    return report;
}

/* The supervisor has ended already: that is no error of ours if the executor broke, as initializers
 * failed. */
static int ended_early(posse_executor *e)
{
    pi_os_reap_adopted(&e->supervisor_identity);
    e->supervisor_identity.pid = 0;
    return pi_phase_of(e) == PI_DEAD ? 0 : ECHILD;
}

static struct pi_launch_report meet(posse_executor *e, int first)
{
    int none;
    struct pi_launch_report report = take_socket(e, first);
    if (report.error != 0) {
        give_up(first, report.pid);
        return report;
    }
    pi_os_close(first);
    (void)pi_os_channel_poke(e->socket.number);
    int error = pi_os_channel_hear(e->socket.number, &report, sizeof report, &none);
    if (error && error != ECHILD)
        report.error = error;
    if (report.error == 0 && (error || pi_os_channel_closed(e->socket.number, 0)))
        report.error = ended_early(e);
    if (report.error != 0) {
        give_up(e->socket.number, e->supervisor_identity.pid);
        e->socket.number = -1;
    }
    return report;
}

static struct pi_launch_report launch_supervisor(posse_executor *e, struct pi_launch *launch)
{
    sigset_t mask;
    struct pi_os_orphan orphan = {pi_supervisor_main, pi_supervisor_failed, launch, &mask};
    struct pi_launch_report report = {.pid = 0};
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

/* How the supervisor sees the program's end: by a pidfd, or by looking at /proc now and then. */
static struct pi_launch_report find_watch(struct pi_supervisor *s)
{
    struct pi_launch_report report = {.error = pi_os_children_denied()};
    report.denied = report.error != 0;
    if (report.denied)
        return report;
    s->program = pi_os_pidfd(pi_os_self());
#ifdef __linux__
    int error = errno;
    if (s->program < 0)
        s->program_identity = pi_os_identify(pi_os_self());
    if (s->program < 0 && s->program_identity.start == 0)
        report =
            (struct pi_launch_report){.error = error, .denied = error == ENOSYS || error == EPERM};
#endif
    return report;
}

static struct pi_launch_report start(posse_executor *e, struct pi_supervisor *s)
{
    struct pi_launch launch = {.supervisor = s};
    struct pi_launch_report report = find_watch(s);
    if (report.error == 0)
        report.error = pi_os_channel_pair(launch.sockets);
    if (report.error == 0) {
        s->socket = launch.sockets[1];
        report = launch_supervisor(e, &launch);
    }
    pi_os_close(s->program);
    return report;
}

/* The supervisor and the workers are copies of this thread. A cancel of this thread may be waiting,
 * so cancels stay disabled in the copies. */
posse_status pi_program_start(posse_executor *e)
{
    PI_OS_NO_CANCEL;
    struct pi_supervisor *s = pi_supervisor_create(e);
    if (!s)
        return pi_failure(PI_NO_HEAP);
    struct pi_launch_report report = start(e, s);
    pi_supervisor_destroy(s); /* our copy; the supervisor has its own */
    return status_of(&report);
}

/* ---- until its end ---- */

const char *pi_program_ended(posse_executor *e)
{
    if (!pi_os_fd_is_ours(&e->socket))
        return "the program has closed the socket of the executor, or replaced it";
    return pi_os_channel_closed(e->socket.number, 0) ? "the supervisor died" : NULL;
}

void pi_program_notify(posse_executor *e)
{
    bool sent = pi_os_fd_is_ours(&e->socket) && pi_os_channel_poke(e->socket.number);
    if (!sent && pi_os_identity_is(&e->supervisor_identity))
        (void)pi_os_poke(e->supervisor_identity.pid);
}

/* Waits a while for the supervisor's end. */
static bool has_ended(posse_executor *e)
{
    if (pi_os_fd_is_ours(&e->socket))
        return pi_os_channel_closed(e->socket.number, PI_TELL_AGAIN_MS);
    struct pi_os_death death;
    if (!pi_os_identity_lives(&e->supervisor_identity) ||
        pi_os_child_event(e->supervisor_identity.pid, &death) == PI_OS_DEAD)
        return true;
    pi_os_sleep(PI_RETRY_NS);
    return false;
}

/* It was told to go, and goes as soon as it has reaped its workers; unless a task has scribbled
 * over the word, or the kernel had no memory for our byte. So it is told again, and at last sees
 * the end of file, as if the program had died. */
void pi_program_join(posse_executor *e)
{
    uint64_t patience = pi_os_after_ms(PI_MAX_JOIN_MS);
    if (e->socket.number < 0)
        return;
    while (!has_ended(e)) {
        (void)pi_phase_of(e); /* puts right what is not what we have raised it to */
        (void)pi_monotonic_get(&e->segment.stop);
        pi_program_notify(e);
        if (pi_os_now() >= patience && pi_os_fd_is_ours(&e->socket))
            pi_os_channel_end(e->socket.number);
    }
    pi_os_reap_adopted(&e->supervisor_identity);
}

void pi_program_fini(posse_executor *e) { pi_os_fd_close(&e->socket); }
