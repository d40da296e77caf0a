/* The process backend: the supervisor is a process that the program forks once, as nobody's child,
 * and the workers are the supervisor's children.
 *
 *   the program            the supervisor                   a worker
 *   has the socket; its    has the other end and a pidfd    is killed by the kernel when the
 *   end of file is the     of the program: either tells     supervisor dies; leads a process
 *   supervisor's end       its end; then it kills the       group of its own, so what a task
 *                          workers and goes                 starts dies with its worker
 *
 * Orphans are adopted by process 1, or by a process that has asked for them. If that is the program
 * itself, the supervisor is its child after all: whoever waits for its end here buries it too.
 *
 * Poking the supervisor is a byte from the program, and a signal from a worker, whose descriptors a
 * task may have closed: SIGCHLD, or SIGCONT, which everybody in the session may send, if a task has
 * become a user who may not send the other.
 */
#include "worker/backend.h"

#include "os/cancel.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/process.h"
#include "os/signals.h"
#include "os/stdio.h"
#include "os/unwind.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TELL_AGAIN_MS 500
#define PATIENCE_MS 10000

/* What create and the new supervisor share. */
struct launch {
    struct pi_supervisor *supervisor;
    int sockets[2]; /* the program's, the supervisor's */
};

static unsigned default_workers(unsigned cpus) { return cpus; }

/* ---- in the supervisor ---- */

/* The program hears how the start went. */
struct report {
    int error; /* 0 or an errno */
    pid_t pid; /* of the supervisor; 0: there is none */
};

/* False: it does not. */
static bool report(int socket, int error, pid_t pid)
{
    struct report report = {.error = error, .pid = pid};
    ssize_t written;
    while ((written = write(socket, &report, sizeof report)) < 0 && errno == EINTR)
        ;
    return written == (ssize_t)sizeof report;
}

static bool sleep_until(struct pi_supervisor *s, uint64_t until)
{
    struct pollfd fds[2] = {{.fd = s->socket, .events = POLLIN},
                            {.fd = s->program, .events = POLLIN}};
    uint64_t now = pi_os_now(), rest = until > now ? until - now : 0;
    struct timespec timeout = {(time_t)(rest / 1000000000u), (long)(rest % 1000000000u)};
    sigset_t mask;
    pi_os_signals_of_sleep(&mask);
    int n = ppoll(fds, 2, until == PI_NEVER ? NULL : &timeout, &mask);
    if (n < 0 && errno != EINTR) { /* no memory even for that: the socket alone tells */
        pi_os_sleep(1000000);
        return pi_os_socket_drain(s->socket);
    }
    if (n <= 0)
        return true;
    return pi_os_socket_drain(s->socket) && !(fds[1].revents & POLLIN);
}

static void supervisor_main(void *context)
{
    struct launch *launch = context;
    struct pi_supervisor *s = launch->supervisor;
    PI_TAKE_ROLE(PI_ROLE_SUPERVISOR);
    pi_os_signals_of_supervisor(&s->ignored);
    pi_os_process_name(s->executor->name);
    (void)setpgid(0, 0);
    close(launch->sockets[0]);
    s->executor->socket = -1;
    s->executor->owner = PI_NOBODY;
    int error = pi_supervisor_begin(s);
    bool heard = report(s->socket, error, getpid());
    if (heard && error == 0)
        pi_supervisor_run(s);
    while (heard && error != 0 && sleep_until(s, PI_NEVER))
        ;     /* until give_up closes the socket */
    _exit(0); /* not heard: the program sees the socket's end, and the workers die with us */
}

static void fork_failed(void *context, int error)
{
    struct launch *launch = context;
    /* not heard: it sees the socket's end */
    (void)report(launch->supervisor->socket, error, 0);
}

__attribute__((noinline)) static void worker_main(struct pi_supervisor *s, unsigned seat,
                                                  pid_t supervisor)
{
    PI_OS_STACK_BEGINS();
    posse_executor *e = s->executor;
    char name[16];
    pi_os_signals_of_worker(&s->ignored);
    (void)setpgid(0, 0);
    if (!pi_os_die_with_parent(supervisor))
        _exit(0);
    close(s->socket);
    if (s->program >= 0)
        close(s->program);
    pi_os_guard_set(&e->guard);
    e->owner = seat;
    e->parent = supervisor;
    pi_worker_name(e, seat, name);
    pi_os_process_name(name);
    PI_TAKE_ROLE(PI_ROLE_WORKER);
    pi_worker_loop(e, seat);
    pi_os_stdio_flush();
    _exit(0);
}

static int spawn(struct pi_supervisor *s, unsigned seat)
{
    pid_t supervisor = getpid(), pid = fork();
    if (pid < 0)
        return errno;
    if (pid == 0)
        worker_main(s, seat, supervisor);
    (void)setpgid(pid, pid); /* whoever comes first */
    s->hands[seat].pid = pid;
    return 0;
}

/* The kernel does not end a process with its parent any more if it has become another user. */
static void settle(posse_executor *e)
{
    if (e->initializer.fn && !pi_os_die_with_parent(e->parent))
        _exit(0);
}

static enum pi_os_event event(struct pi_supervisor *s, unsigned seat, struct pi_os_death *death)
{
    return pi_os_child_event(s->hands[seat].pid, death);
}

static void send_signal(struct pi_supervisor *s, unsigned seat, int signal)
{
    pi_os_signal_group(s->hands[seat].pid, signal);
}

static void reap(struct pi_supervisor *s, unsigned seat) { pi_os_reap(s->hands[seat].pid); }

/* ---- in the program ---- */

static struct report await_report(int socket)
{
    struct report report = {.error = ECHILD}; /* if it was killed before it could say anything */
    struct pollfd fd = {.fd = socket, .events = POLLIN};
    while (poll(&fd, 1, -1) < 0 && errno == EINTR)
        ;
    if (read(socket, &report, sizeof report) != (ssize_t)sizeof report)
        report.error = ECHILD;
    return report;
}

/* The supervisor has ended already: that is no error of ours if the executor broke, as initializers
 * failed. The pidfd may be that of another process. */
static int ended_early(posse_executor *e)
{
    pi_os_reap_adopted(e->pidfd);
    if (e->pidfd >= 0)
        close(e->pidfd);
    e->pidfd = -1;
    return pi_phase_of(e) == PI_DEAD ? 0 : ECHILD;
}

/* The supervisor could not start. It lives until the socket is closed, so the pid is its. */
static void give_up(int socket, pid_t supervisor)
{
    close(socket);
    if (supervisor > 0)
        pi_os_reap(supervisor); /* if we have adopted it */
}

/* What tells the supervisor's end. It lives if its socket is open after the pidfd was, so the pidfd
 * is its and not that of another process with its old pid. */
static int keep_watch(posse_executor *e, int socket)
{
    struct report report = await_report(socket);
    if (report.error == 0) {
        e->socket = socket;
        e->pidfd = pi_os_pidfd(report.pid);
        if (pi_os_socket_closed(socket, e->pidfd, 0))
            report.error = ended_early(e);
    } else {
        give_up(socket, report.pid);
    }
    return report.error;
}

static int launch_supervisor(posse_executor *e, struct launch *launch)
{
    sigset_t mask;
    struct pi_os_orphan orphan = {supervisor_main, fork_failed, launch, &mask};
    launch->supervisor->socket = launch->sockets[1];
    launch->supervisor->program = pi_os_pidfd(getpid());
    pi_os_stdio_flush();
    pi_os_signals_block(&mask);
    int error = pi_os_fork_orphan(&orphan);
    pi_os_signals_restore(&mask);
    close(launch->sockets[1]);
    if (launch->supervisor->program >= 0)
        close(launch->supervisor->program);
    if (error == 0)
        return keep_watch(e, launch->sockets[0]);
    close(launch->sockets[0]);
    return error;
}

/* The supervisor and the workers are copies of this thread, with a cancel perhaps that waits for
 * it: so theirs are kept from it for good. */
static int start(posse_executor *e)
{
    PI_OS_NO_CANCEL;
    struct launch launch = {.supervisor = pi_supervisor_create(e)};
    if (!launch.supervisor)
        return ENOMEM;
    int error = pi_os_socket_pair(launch.sockets);
    if (error == 0)
        error = launch_supervisor(e, &launch);
    pi_supervisor_destroy(launch.supervisor); /* our copy; the supervisor has its own */
    return error;
}

static bool alive(posse_executor *e) { return !pi_os_socket_closed(e->socket, e->pidfd, 0); }

/* It was told to go, and goes as soon as its workers are buried; unless a task has scribbled over
 * the word, or the kernel had no memory for our byte. So it is told again, and at last sees the end
 * of file, as if the program had died. */
static void join(posse_executor *e)
{
    uint64_t patience = pi_os_after_ms(PATIENCE_MS);
    if (e->socket < 0)
        return;
    while (!pi_os_socket_closed(e->socket, e->pidfd, TELL_AGAIN_MS)) {
        (void)pi_phase_of(e); /* puts right what is not what we have raised it to */
        (void)pi_count_of(&e->segment.stop);
        pi_os_socket_poke(e->socket);
        if (pi_os_now() >= patience)
            (void)shutdown(e->socket, SHUT_WR);
    }
    pi_os_reap_adopted(e->pidfd);
}

static void fini(posse_executor *e)
{
    PI_OS_NO_CANCEL;
    if (e->socket < 0)
        return;
    close(e->socket);
    if (e->pidfd >= 0)
        close(e->pidfd);
    e->socket = e->pidfd = -1;
}

static void poke(posse_executor *e)
{
    if (e->owner == PI_PROGRAM)
        pi_os_socket_poke(e->socket);
    else if (kill(getppid(), SIGCHLD) != 0) /* both do nothing to others, should it be dead */
        (void)kill(getppid(), SIGCONT);
}

const struct pi_backend pi_process_backend = {
    .shared = true,
    .kills = true,
    .default_workers = default_workers,
    .start = start,
    .alive = alive,
    .join = join,
    .fini = fini,
    .poke = poke,
    .settle = settle,
    .spawn = spawn,
    .event = event,
    .signal = send_signal,
    .reap = reap,
    .sleep = sleep_until,
};
