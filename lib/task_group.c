/* Runs in: program.
 *
 * The calls of posse_group.h. task_group.h has the protocol, task_member.c its steps.
 */
#include "task_group.h"
#include "base/container_of.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/dispatch.h"
#include "pool/finish.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"

#include <errno.h>
#include <stdlib.h>

static posse_status check(const posse_executor *e)
{
    posse_status status = pi_check(e);
    if (status == POSSE_OK && e->owner != PI_OWNER_PROGRAM)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "a worker process has no groups");
    return status;
}

/* The process that has made groups; 0: none has. A handle may be foreign: in another process its
 * memory is not there, so it is not followed. */
static _Atomic pid_t maker;

static bool has_groups(void)
{
    const struct pi_os_fork_detect here = {.pid = atomic_load(&maker)}; /* seq, all: a number */
    return pi_os_fork_detect_holds(&here);
}

static posse_status check_group(const posse_group *g)
{
    if (!g)
        return pi_refuse(POSSE_INVALID, "group is NULL");
    return has_groups() ? check(g->executor) : POSSE_WRONG_PROCESS;
}

posse_status pi_check_job_group(const posse_executor *e, const posse_group *g)
{
    posse_status status = check(e); /* first: a worker process has not the group's memory */
    if (status == POSSE_OK &&
        e->guard.pid != atomic_load(&maker)) /* nor has one without any; seq: as said */
        status = POSSE_WRONG_PROCESS;
    if (status == POSSE_OK && g->executor != e)
        status = pi_refuse(POSSE_INVALID, "job.group is of another executor");
    return status;
}

static void time_is_up_locked(struct pi_timer *timer)
{
    pi_group_check_time_locked(PI_CONTAINER_OF(timer, struct posse_group, timer));
}

/* Its time begins. */
static void start_time(posse_group *g, long timeout_ms)
{
    g->end_ns = timeout_ms ? pi_os_after_ms(timeout_ms) : PI_NEVER;
    g->timer = (struct pi_timer){.at = g->end_ns, .due_locked = time_is_up_locked};
    if (g->end_ns == PI_NEVER)
        return;
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    pi_dispatch_set_timer_locked(g->executor, &g->timer);
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
}

static posse_status make(posse_executor *e, const posse_group_options *options, posse_group **group)
{
    posse_status status = pi_phase_status(pi_phase_of(e));
    if (status == POSSE_OK)
        status = pi_dispatch_open(e);
    if (status == POSSE_OK)
        status = pi_dispatch_start_leader(e);
    if (status != POSSE_OK)
        return status;
    posse_group *g = calloc(1, sizeof *g);
    if (!g)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    g->executor = e;
    g->max_running = (size_t)options->max_running;
    g->cancel_on_failure = options->cancel_on_failure;
    pi_cq_init(&g->cq);
    g->cq.ended = pi_group_ended_locked;
    g->cq.outlives_destroy = true;
    start_time(g, options->timeout_ms);
    atomic_store(&maker, e->guard.pid); /* seq: as said */
    *group = g;
    return POSSE_OK;
}

posse_status posse_group_create(posse_executor *e, const posse_group_options *given,
                                posse_group **group)
{
    static const posse_group_options defaults = {.struct_size = sizeof defaults};
    posse_group_options copy;
    if (!group)
        return pi_refuse(POSSE_INVALID, "group is NULL");
    *group = NULL;
    posse_status status = check(e);
    if (status != POSSE_OK)
        return status;
    const posse_group_options *options =
        given ? pi_sized_read(given, &copy, sizeof copy) : &defaults;
    if (!options)
        return POSSE_INVALID;
    if (options->timeout_ms < 0)
        return pi_refuse(POSSE_INVALID, "options.timeout_ms is negative");
    if (options->max_running < 0)
        return pi_refuse(POSSE_INVALID, "options.max_running is negative");
    if (options->cancel_on_failure != 0 && options->cancel_on_failure != 1)
        return pi_refuse(POSSE_INVALID, "options.cancel_on_failure is neither 0 nor 1");
    return make(e, options, group);
}

/* Whether nothing is left, or can end any more. */
static bool is_over(void *context, uint32_t parker)
{
    posse_group *g = context;
    (void)parker;
    return posse_group_left(g) == 0 || pi_destroying(g->executor) ||
           pi_phase_of(g->executor) == PI_DEAD;
}

static void count_waiter(posse_group *g, size_t change)
{
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    g->waiters += change;
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
}

/* Once it waits no longer. */
static posse_status outcome(posse_group *g)
{
    posse_executor *e = g->executor;
    pthread_mutex_lock(&e->dispatcher.lock);
    posse_status status = g->left > 0              ? POSSE_TIMEOUT
                          : g->failure != POSSE_OK ? g->failure
                          : g->has_cancelled       ? POSSE_CANCELLED
                                                   : POSSE_OK;
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (status == POSSE_TIMEOUT && pi_phase_of(e) == PI_DEAD)
        return POSSE_BROKEN;
    return status == POSSE_TIMEOUT && pi_destroying(e) ? POSSE_SHUT_DOWN : status;
}

posse_status posse_group_wait(posse_group *g, long timeout_ms)
{
    posse_status status = check_group(g);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    posse_executor *e = g->executor;
    if (pi_self_in(e))
        return POSSE_DEADLOCK;
    pi_call_enter(e);
    pthread_mutex_lock(&e->dispatcher.lock);
    pi_dispatch_deliver_locked(e); /* what has ended, whatever the leader does */
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (timeout_ms != 0 && !is_over(g, 0)) {
        count_waiter(g, 1);
        status = pi_await_event(e, is_over, g, pi_os_after_ms(timeout_ms));
        count_waiter(g, (size_t)-1);
    }
    status = status == POSSE_NO_MEMORY ? status : outcome(g);
    pi_call_exit(e);
    return status;
}

size_t posse_group_left(posse_group *g)
{
    if (check_group(g) != POSSE_OK)
        return 0;
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    size_t left = g->left;
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
    return left;
}

static posse_status end_all(posse_group *g, pi_end_fn *end)
{
    posse_status status = check_group(g);
    if (status != POSSE_OK)
        return status;
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    pi_group_cancel_locked(g, end);
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
    return POSSE_OK;
}

posse_status posse_group_cancel(posse_group *g) { return end_all(g, pi_cancel); }

posse_status posse_group_kill(posse_group *g) { return end_all(g, pi_kill); }

posse_status posse_group_destroy(posse_group *g)
{
    if (!g)
        return POSSE_OK;
    posse_status status = check_group(g);
    if (status != POSSE_OK)
        return status;
    pthread_mutex_t *lock = &g->executor->dispatcher.lock;
    pthread_mutex_lock(lock);
    pi_dispatch_drop_timer_locked(g->executor, &g->timer);
    g->max_running = 0; /* none is let go */
    pi_group_end_all_locked(g, pi_cancel_pending);
    while (g->first)
        pi_group_drop_locked(g->first);
    pthread_mutex_unlock(lock);
    pi_cq_fini(&g->cq);
    free(g);
    return POSSE_OK;
}
