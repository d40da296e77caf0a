/* Runs in: program; spawn, event, reap and sleep in the supervisor's thread.
 *
 * The thread backend: workers and supervisor are threads of the program, and all else is as with
 * processes. A thread cannot be killed: a task that is late runs on in a thread that is given up.
 */
#include "os/semaphore.h"
#include "os/thread.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/worker_clock.h"
#include "supervisor/supervisor.h"
#include "worker/hooks.h"
#include "worker/loop.h"

#include <errno.h>

static unsigned default_workers(unsigned cpus) { return cpus + 4 < 32 ? cpus + 4 : 32; }

/* ---- workers ---- */

static void notify(posse_executor *e) { pi_os_semaphore_post(&e->supervisor->notified); }

/* Also if a task has called pthread_exit. */
static void at_end(void *context)
{
    struct pi_child *child = context;
    pi_self = NULL;
    pi_worker_clock_end(child->executor, child->worker);
    pi_store_release(&child->gone, 1); /* with event */
    notify(child->executor);
}

static void *worker_main(void *context)
{
    struct pi_child *child = context;
    char name[16];
    pi_worker_name(child->executor, child->worker, name);
    pi_os_set_name(name);
    pthread_cleanup_push(at_end, child);
    pi_worker_loop(child->executor, child->worker);
    pthread_cleanup_pop(1);
    return NULL;
}

/* ---- in the supervisor ---- */

static int spawn(struct pi_supervisor *s, unsigned worker)
{
    struct pi_child *child = &s->children[worker];
    return pi_os_thread_create(&child->thread, worker_main, child);
}

static enum pi_os_event event(struct pi_supervisor *s, unsigned worker, struct pi_os_death *death)
{
    *death = (struct pi_os_death){.signal = 0, .exit_code = 0};
    return pi_load_acquire(&s->children[worker].gone) ? PI_OS_DEAD
                                                      : PI_OS_NOTHING; /* with at_end */
}

static void send_signal(struct pi_supervisor *s, unsigned worker, int signal)
{
    (void)s; /* a thread sees the phase when its task returns */
    (void)worker;
    (void)signal;
}

static void reap(struct pi_supervisor *s, unsigned worker)
{
    pi_os_thread_join(s->children[worker].thread);
}

static bool sleep_until(struct pi_supervisor *s, uint64_t until)
{
    if (pi_os_semaphore_wait(&s->notified, until))
        pi_os_semaphore_drain(&s->notified);
    return true;
}

static void *supervisor_main(void *context)
{
    struct pi_supervisor *s = context;
    pi_os_set_name(s->executor->hooks.name);
    pi_supervisor_run(s);
    return NULL;
}

/* ---- in the program ---- */

/* The supervisor cannot be started: ends its workers in its place. */
static void give_up(posse_executor *e)
{
    (void)pi_raise_phase(e, PI_STOPPING);
    pi_supervisor_run(e->supervisor);
}

static posse_status start(posse_executor *e)
{
    e->supervisor = pi_supervisor_create(e);
    if (!e->supervisor)
        return pi_failure(PI_NO_HEAP);
    int error = pi_supervisor_begin(e->supervisor);
    if (error == 0) {
        error = pi_os_thread_create(&e->supervisor->thread, supervisor_main, e->supervisor);
        if (error)
            give_up(e);
    }
    if (error) {
        pi_supervisor_destroy(e->supervisor);
        e->supervisor = NULL;
    }
    return pi_refuse_errno(error, "the workers cannot be started");
}

static void join(posse_executor *e)
{
    if (!e->supervisor || e->supervisor->joined)
        return;
    pi_os_thread_join(e->supervisor->thread);
    e->supervisor->joined = true;
}

static void fini(posse_executor *e)
{
    pi_supervisor_destroy(e->supervisor);
    e->supervisor = NULL;
}

const struct pi_backend pi_thread_backend = {
    .default_workers = default_workers,
    .start = start,
    .join = join,
    .fini = fini,
    .notify = notify,
    .spawn = spawn,
    .event = event,
    .signal = send_signal,
    .reap = reap,
    .sleep = sleep_until,
};
