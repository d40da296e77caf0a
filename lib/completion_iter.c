/* Runs in: program, worker.
 *
 * posse_as_completed. A task that waits runs those futures' tasks itself that nobody has begun.
 */
#include "completion_iter.h"
#include "internal.h"
#include "base/container_of.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/await.h"
#include "pool/dispatch.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "worker/help.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening --------------------------------------------------------------------------------- */

static posse_status check(const posse_future *futures, size_t n, long timeout_ms)
{
    if (n && !futures)
        return pi_refuse(POSSE_INVALID, "futures is NULL, but n is not 0");
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    for (size_t i = 0; i < n; i++) {
        struct pi_seen seen;
        posse_status status = pi_future_look(futures[i], &seen);
        if (status != POSSE_OK)
            return status;
        if (!pi_final(seen.word) && pi_on_this_stack(futures[i].executor, futures[i]))
            return POSSE_DEADLOCK;
    }
    return POSSE_OK;
}

static posse_status open_dispatchers(struct pi_cq *cq)
{
    posse_status status = POSSE_OK;
    for (size_t i = 0; i < cq->n_memberships && status == POSSE_OK; i++) {
        status = pi_dispatch_open(cq->memberships[i].executor);
        if (status == POSSE_OK && cq->n_memberships > 1)
            status = pi_dispatch_start_leader(cq->memberships[i].executor);
    }
    return status;
}

/* Subscribes to all futures of one executor. All are linked before one is delivered, so a future
 * that is given twice is found: its second subscription has no cq, and leads to the first. */
static void subscribe(struct posse_completion_iter *c, posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    for (size_t i = 0; i < c->n; i++) {
        struct pi_subscription *sub = &c->subs[i];
        if (sub->future.executor != e)
            continue;
        sub->older = pi_subscriptions_find(&e->dispatcher.subscriptions, sub->future, &c->cq);
        if (sub->older)
            continue;
        sub->cq = &c->cq;
        pi_dispatch_link_locked(sub);
        c->left++;
    }
    for (size_t i = 0; i < c->n; i++)
        if (c->subs[i].future.executor == e && c->subs[i].cq)
            pi_dispatch_arm_locked(&c->subs[i]);
    pthread_mutex_unlock(&e->dispatcher.lock);
}

/* Adds the futures and their executors. */
static posse_status add_futures(struct posse_completion_iter *c, const posse_future *futures)
{
    for (size_t i = 0; i < c->n; i++) {
        c->subs[i].future = futures[i];
        if (!pi_cq_join(&c->cq, futures[i].executor))
            return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    }
    return open_dispatchers(&c->cq);
}

static posse_status help(struct pi_cq *cq)
{
    struct posse_completion_iter *c = PI_CONTAINER_OF(cq, struct posse_completion_iter, cq);
    posse_status status = POSSE_TIMEOUT;
    for (; pi_self && c->helped < c->n; c->helped++)
        if ((status = pi_help(c->subs[c->helped].future)) != POSSE_TIMEOUT)
            break;
    return status;
}

struct posse_completion_iter *pi_iter_open(const posse_future *futures, size_t n, long timeout_ms,
                                           posse_status *status)
{
    *status = check(futures, n, timeout_ms);
    if (*status != POSSE_OK)
        return NULL;
    struct posse_completion_iter *c = calloc(1, sizeof *c + n * sizeof *c->subs);
    if (!c) {
        *status = pi_refuse_errno(ENOMEM, PI_NO_HEAP);
        return NULL;
    }
    pi_cq_init(&c->cq);
    c->cq.help = help;
    pi_os_fork_detect_set(&c->guard);
    c->until = pi_os_after_ms(timeout_ms);
    c->n = n;
    *status = add_futures(c, futures);
    if (*status != POSSE_OK) {
        int error = errno;
        posse_completion_iter_close(c);
        errno = error;
        return NULL;
    }
    for (size_t i = 0; i < c->cq.n_memberships; i++)
        subscribe(c, c->cq.memberships[i].executor);
    return c;
}

posse_status posse_as_completed(const posse_future *futures, size_t n, long timeout_ms,
                                posse_completion_iter **completed)
{
    posse_status status;
    if (!completed)
        return pi_refuse(POSSE_INVALID, "iter is NULL");
    *completed = pi_iter_open(futures, n, timeout_ms, &status);
    return status;
}

/* ---- giving ---------------------------------------------------------------------------------- */

/* What has become of a delivered future. POSSE_OK: it has ended. POSSE_INVALID: it was released.
 * Else it can end no more. */
static posse_status outcome(const struct pi_subscription *sub)
{
    struct pi_seen seen;
    posse_executor *e = sub->future.executor;
    posse_status status = pi_future_look(sub->future, &seen);
    if (status != POSSE_OK || pi_final(seen.word))
        return status;
    return pi_destroying(e) ? POSSE_SHUT_DOWN : pi_phase_status(pi_phase_of(e));
}

/* Counts a delivered subscription by its outcome, which it returns. */
static posse_status take(struct posse_completion_iter *c, const struct pi_subscription *sub)
{
    posse_status status = outcome(sub);
    if (status == POSSE_OK || status == POSSE_INVALID) {
        c->left--;
        c->stale |= status == POSSE_INVALID;
    } else {
        c->never++;
        c->over = status;
    }
    return status;
}

struct pi_subscription *pi_iter_next(struct posse_completion_iter *c, posse_status *status)
{
    while (c->left > c->never) {
        struct pi_subscription *sub = pi_cq_next(&c->cq, c->until, status);
        if (!sub)
            return NULL;
        *status = take(c, sub);
        if (*status == POSSE_OK)
            return sub;
        if (*status != POSSE_INVALID && c->all)
            break;
    }
    *status = c->never ? c->over : POSSE_END;
    return NULL;
}

void pi_iter_enter(struct posse_completion_iter *c)
{
    for (size_t i = 0; i < c->cq.n_memberships; i++)
        pi_call_enter(c->cq.memberships[i].executor);
}

void pi_iter_leave(void *iter)
{
    const struct posse_completion_iter *c = iter;
    for (size_t i = 0; i < c->cq.n_memberships; i++)
        pi_call_exit(c->cq.memberships[i].executor);
}

/* The same for a call that may sleep. */
static struct pi_subscription *next_inside(struct posse_completion_iter *c, posse_status *status)
{
    struct pi_subscription *sub;
    pi_iter_enter(c);
    PI_OS_IF_LEFT(pi_iter_leave, c); /* by a task that runs here */
    sub = pi_iter_next(c, status);
    PI_OS_END_IF_LEFT;
    pi_iter_leave(c);
    return sub;
}

posse_status posse_completion_iter_next(posse_completion_iter *c, posse_future *future,
                                        size_t *index)
{
    if (future)
        *future = (posse_future){.executor = NULL};
    if (index)
        *index = 0;
    if (!c || !future)
        return pi_refuse(POSSE_INVALID, c ? "future is NULL" : "iter is NULL");
    for (size_t i = 0; i < c->cq.n_memberships; i++)
        if (pi_check(c->cq.memberships[i].executor) != POSSE_OK)
            return pi_elsewhere();
    struct pi_subscription *sub = pi_cq_try_next(&c->cq);
    posse_status status;
    if (!sub || take(c, sub) != POSSE_OK)
        sub = next_inside(c, &status);
    if (!sub)
        return status;
    *future = sub->future;
    if (index)
        *index = (size_t)(sub - c->subs);
    return POSSE_OK;
}

size_t posse_completion_iter_left(const posse_completion_iter *c) { return c ? c->left : 0; }

void posse_completion_iter_close(posse_completion_iter *c)
{
    if (!c)
        return;
    /* In a forked child the locks may stay held for ever. */
    size_t n = pi_os_fork_detect_holds(&c->guard) ? c->n : 0;
    pi_dispatch_unlink(&c->cq, c->subs, n);
    pi_cq_fini(&c->cq);
    free(c);
}
