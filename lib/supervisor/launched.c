/* The process backend's supervisor: how it begins, and how it sleeps. See launch.h.
 *
 * Runs in: supervisor; pi_supervisor_failed in the process between it and the program.
 */
#include "base/tuning.h"
#include "os/channel.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/signals.h"
#include "pool/pool.h"
#include "supervisor/launch.h"
#include "supervisor/supervisor.h"

#include <errno.h>

/* With a pidfd of the program the sleep has told; else this looks. */
static bool program_lives(const struct pi_supervisor *s)
{
    return s->program >= 0 || pi_os_identity_lives(&s->program_identity);
}

bool pi_supervisor_sleep(struct pi_supervisor *s, uint64_t until)
{
    if (s->program < 0 && s->program_identity.start != 0)
        until = pi_earlier(until, pi_os_now() + PI_PROGRAM_CHECK_NS);
    enum pi_os_wakeup why = pi_os_channel_sleep(s->socket, s->program, until);
    return why == PI_OS_TIME ? program_lives(s) : why == PI_OS_POKED;
}

/* The supervisor makes this pair itself: so no child that another thread of the program forks
 * meanwhile has a copy of the supervisor's end. 0 or an errno. */
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

/* Until the program closes the socket: so long the pid that it knows is ours. */
static _Noreturn void await_end(struct pi_supervisor *s)
{
    while (pi_supervisor_sleep(s, PI_NEVER))
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
    (void)pi_os_channel_tell(launch->sockets[1], &report, sizeof report, -1); /* or the end tells */
}
