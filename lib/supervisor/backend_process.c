/* Runs in: program, supervisor, worker.
 *
 * The process backend: the program forks the supervisor once, and the supervisor forks the workers.
 *
 *   process      sees the end of             by                    and then
 *   program      the supervisor              the socket's end      breaks the executor
 *   supervisor   the program                 the socket's end and  kills the workers, exits
 *                                            a pidfd, or /proc
 *                                            twice a second
 *   supervisor   a worker                    waitpid               recovers it
 *   worker       the supervisor              the kernel kills it
 *
 * A worker leads a process group of its own, so what a task starts dies with its worker. The
 * supervisor is an orphan. If the program adopts orphans, it is the program's child after all, and
 * posse_destroy reaps it. With POSSE_FRESH the supervisor adopts what dead workers leave, so that
 * the processes of tasks are no children of the program.
 *
 * The program notifies the supervisor by a byte. A task may have closed a worker's descriptors, so
 * a worker sends a signal. The program may close the socket, as one of the descriptors that it does
 * not know. Then the executor is broken: the program sends a signal instead of a byte, and sees the
 * supervisor's end by its identity.
 */
#include "base/tuning.h"
#include "os/channel.h"
#include "core/crash_record.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/kept_output.h"
#include "os/limits.h"
#include "os/signals.h"
#include "os/spare.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/commit.h"
#include "pool/error.h"
#include "pool/worker_clock.h"
#include "supervisor/crash_block.h"
#include "supervisor/launch.h"
#include "supervisor/serve.h"
#include "supervisor/supervisor.h"
#include "worker/hooks.h"
#include "worker/loop.h"
#include "worker/end.h"

static unsigned default_workers(unsigned cpus) { return cpus; }

/* ---- in the program ---- */

static const char *ended(posse_executor *e)
{
    if (!pi_os_fd_is_ours(&e->link.socket))
        return "the program has closed the socket of the executor, or replaced it";
    return pi_os_channel_closed(e->link.socket.number, 0) ? "the supervisor died" : NULL;
}

static void notify(posse_executor *e)
{
    if (e->owner != PI_OWNER_PROGRAM) { /* a worker; if the supervisor is dead, it hits no other */
        (void)pi_os_notify(pi_os_parent());
        return;
    }
    bool sent = pi_os_fd_is_ours(&e->link.socket) && pi_os_channel_notify(e->link.socket.number);
    if (!sent && pi_os_identity_is(&e->link.supervisor))
        (void)pi_os_notify(e->link.supervisor.pid);
}

/* Blocks up to PI_TELL_AGAIN_MS. */
static bool has_ended(posse_executor *e)
{
    if (pi_os_fd_is_ours(&e->link.socket))
        return pi_os_channel_closed(e->link.socket.number, PI_TELL_AGAIN_MS);
    struct pi_os_death death;
    if (!pi_os_identity_lives(&e->link.supervisor) ||
        pi_os_child_event(e->link.supervisor.pid, &death) == PI_OS_DEAD)
        return true;
    pi_os_sleep(PI_RETRY_NS);
    return false;
}

/* The phase has told the supervisor to end. It ends when it has reaped its workers, unless a task
 * has overwritten the phase, or the kernel had no memory for our byte. So the program notifies it
 * again; at last the supervisor finds the end of the socket, as if the program had died. */
static void join(posse_executor *e)
{
    uint64_t patience = pi_os_after_ms(PI_MAX_JOIN_MS);
    if (e->link.socket.number < 0)
        return;
    while (!has_ended(e)) {
        (void)pi_phase_of(e); /* both repair what is not as the program has raised it */
        (void)pi_monotonic_get(&e->segment.stop);
        notify(e);
        if (pi_os_now() >= patience && pi_os_fd_is_ours(&e->link.socket))
            pi_os_channel_end(e->link.socket.number);
    }
    pi_os_reap_adopted(&e->link.supervisor);
}

static void fini(posse_executor *e)
{
    pi_os_fd_close(&e->link.socket);
    pi_os_fd_close(&e->link.descriptors);
}

/* ---- in a worker ---- */

struct start {
    struct pi_supervisor *supervisor;
    unsigned worker;
    pid_t parent;
};

/* The supervisor has the files of all workers open. */
static void take_output(posse_executor *e, struct pi_supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++)
        if (i != e->owner && s->children[i].state != PI_CHILD_EMPTY)
            pi_os_close(s->children[i].output);
    pi_os_output_begin(&e->output, s->children[e->owner].output);
}

__attribute__((noinline)) static void worker_main(void *context)
{
    PI_OS_STACK_BEGINS();
    const struct start *start = context;
    struct pi_supervisor *s = start->supervisor;
    posse_executor *e = s->executor;
    char name[16];
    pi_os_signals_of_worker(&s->ignored);
    pi_os_close(s->socket);
    pi_os_close(s->program);
    pi_serve_leave(s);
    pi_os_raise_oom_score(); /* without memory a task is lost, not the program or the supervisor */
    pi_os_fork_detect_set(&e->guard);
    e->owner = start->worker;
    e->link.parent = start->parent;
    e->link.user = pi_os_user();
    e->crash_record = pi_crash_block_record(e, s->children[e->owner].crash_block);
    if (e->keep_stderr)
        take_output(e, s);
    pi_worker_name(e, e->owner, name);
    pi_os_set_name(name);
    PI_TAKE_ROLE(PI_ROLE_WORKER);
    pi_worker_loop(e, e->owner);
    pi_flush_streams(e);
    pi_os_exit(0);
}

/* When a process becomes another user, the kernel does not end it with its parent any more. A
 * worker whose initializer has given up that call, and is the same user, still ends. */
static bool rearm(posse_executor *e, struct pi_error *why)
{
    if (e->crash_record)
        pi_os_crash_watch(&e->crash_record->crash); /* for signals that the initializer has left */
    if (!pi_os_fd_is_ours(&e->link.descriptors))
        e->link.descriptors.number = -1; /* so each worker would find it: see pool/descriptors.h */
    if (!e->hooks.initializer.fn)
        return true;
    if (pi_os_address_space_left() < e->segment.size) /* its limit is meant for tasks */
        pi_give_up_space(e);
    int error = pi_os_die_with_parent();
    if (pi_os_parent() != e->link.parent)
        pi_os_exit(0);
    if (error == 0 || pi_os_user_is(&e->link.user))
        return true;
    *why = pi_error_from_errno("the worker would outlive the executor, as it is another user now",
                               error);
    return false;
}

/* ---- in the supervisor ---- */

static int spawn(struct pi_supervisor *s, unsigned worker)
{
    struct start start = {s, worker, pi_os_self()};
    pid_t child;
    int error = pi_os_fork_child(worker_main, &start, &child);
    if (error == 0)
        s->children[worker].pid = child;
    return error;
}

/* Of a worker that is dead, and not reaped: the process of its task; 0: there is none. */
static pid_t process_of_task(const struct pi_supervisor *s, unsigned worker)
{
    posse_executor *e = s->executor;
    /* acquire: with name_process in worker/fresh.c */
    return e->fresh ? pi_load_acquire(&e->segment.workers[worker].task_process) : 0;
}

/* Whether it lives. It may write to memory of the program (worker/fresh.c), so the worker counts as
 * alive until then. */
static bool task_lives(const struct pi_supervisor *s, unsigned worker)
{
    pid_t pid = s->children[worker].pid, process = process_of_task(s, worker);
    if (process == 0 || pi_os_adopted(process, pid) != PI_OS_ADOPTED_LIVES)
        return false;
    pi_os_signal_group(pid, SIGKILL);
    return true;
}

static enum pi_os_event event(struct pi_supervisor *s, unsigned worker, struct pi_os_death *death)
{
    enum pi_os_event event = pi_os_child_event(s->children[worker].pid, death);
    return event == PI_OS_DEAD && task_lives(s, worker) ? PI_OS_NOTHING : event;
}

static void send_signal(struct pi_supervisor *s, unsigned worker, int signal)
{
    pi_os_signal_group(s->children[worker].pid, signal);
}

static void reap(struct pi_supervisor *s, unsigned worker)
{
    pid_t pid = s->children[worker].pid, process = process_of_task(s, worker);
    if (process != 0 && pi_os_adopted(process, pid) == PI_OS_ADOPTED_ENDED)
        pi_worker_clock_add(s->executor, worker, pi_os_spare_reap(process));
    pi_os_reap(pid);
}

static bool is_worker(const struct pi_supervisor *s, pid_t pid)
{
    for (unsigned i = 0; i < s->n_workers; i++)
        if (s->children[i].state != PI_CHILD_EMPTY && s->children[i].pid == pid)
            return true;
    return false;
}

/* What dead workers have left. The next round reaps a worker, and what ends behind it. */
static void reap_orphans(const struct pi_supervisor *s)
{
    pid_t ended;
    while ((ended = pi_os_ended_child()) != 0 && !is_worker(s, ended))
        pi_os_reap(ended);
}

/* Requests for descriptors alone need no round, unless they are many. */
static bool sleep_until(struct pi_supervisor *s, uint64_t until)
{
    if (s->executor->fresh)
        reap_orphans(s);
    if (s->program < 0 && s->program_identity.start != 0)
        until = pi_earlier(until, pi_os_now() + PI_PROGRAM_CHECK_NS);
    int served = 0;
    enum pi_os_wakeup why;
    while ((why = pi_os_channel_sleep(s->socket, s->program, s->requests, until)) == PI_OS_ASKED) {
        pi_serve(s);
        if (++served >= PI_MAX_SERVED)
            break;
    }
    if (why == PI_OS_TIME)
        return s->program >= 0 || pi_os_identity_lives(&s->program_identity);
    return why != PI_OS_GONE;
}

const struct pi_backend pi_process_backend = {
    .shared = true,
    .kills = true,
    .default_workers = default_workers,
    .start = pi_launch,
    .ended = ended,
    .join = join,
    .fini = fini,
    .notify = notify,
    .rearm = rearm,
    .spawn = spawn,
    .event = event,
    .signal = send_signal,
    .reap = reap,
    .sleep = sleep_until,
};
