/* Waiting on a completion queue: a thread leads or follows, see dispatch.h. A thread takes what was
 * delivered to its cq. If there is nothing, it delivers what has ended; if none of that is its own,
 * it leads if nobody does, and else it follows.
 */
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/dispatch.h"
#include "pool/park.h"
#include "pool/pool.h"
#include "pool/verify.h"

/* Delivers what has ended, as the leader or for it. True: some of it is ours. */
static bool deliver_ours(struct pi_cq *cq)
{
    for (size_t i = 0; i < cq->n_memberships; i++) {
        posse_executor *e = cq->memberships[i].executor;
        pthread_mutex_lock(&e->dispatcher.lock);
        pi_dispatch_deliver_locked(e);
        pthread_mutex_unlock(&e->dispatcher.lock);
    }
    return !pi_cq_is_empty(cq);
}

static bool is_over(const struct pi_cq *cq)
{
    for (size_t i = 0; i < cq->n_memberships; i++) {
        posse_executor *e = cq->memberships[i].executor;
        if (cq->outlives_destroy ? e->dispatcher.closing : pi_destroying(e))
            return true;
    }
    return false;
}

/* Whether nothing would wake a thread that sleeps now: it leads, if it may. */
static bool is_vacant_locked(const struct pi_cq *cq)
{
    const struct pi_dispatcher *dispatcher = &cq->memberships->executor->dispatcher;
    return cq->n_memberships == 1 && !dispatcher->led && dispatcher->pending > 0;
}

/* Sleeps on the parker, and delivers what comes. False: it may not lead, or need not. */
static bool lead(struct pi_cq *cq, uint64_t until)
{
    posse_executor *e = cq->memberships->executor;
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    pthread_mutex_lock(&dispatcher->lock);
    bool leads = is_vacant_locked(cq) && pi_cq_is_empty(cq) && !is_over(cq);
    dispatcher->led |= leads;
    pthread_mutex_unlock(&dispatcher->lock);
    if (!leads)
        return false;
    enum pi_park_end end = pi_park_until(e, dispatcher->parker, until);
    if (end == PI_PARK_VERIFY)
        pi_verify_pool(e);
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->led = false;
    if (end == PI_PARK_VERIFY)
        pi_dispatch_verify_locked(e);
    if (end == PI_PARK_WOKEN)
        pi_dispatch_deliver_locked(e);
    else /* a task may have ended that is not in the list yet */
        pi_dispatch_rescan_locked(e);
    pthread_mutex_unlock(&dispatcher->lock);
    return true;
}

static void begin_following(struct pi_membership *membership, struct pi_cq *cq)
{
    struct pi_dispatcher *dispatcher = &membership->executor->dispatcher;
    pthread_mutex_lock(&dispatcher->lock);
    membership->cq = cq;
    membership->next = dispatcher->followers;
    dispatcher->followers = membership;
    pthread_mutex_unlock(&dispatcher->lock);
}

static void end_following(struct pi_membership *membership)
{
    struct pi_dispatcher *dispatcher = &membership->executor->dispatcher;
    pthread_mutex_lock(&dispatcher->lock);
    struct pi_membership **at = &dispatcher->followers;
    while (*at != membership)
        at = &(*at)->next;
    *at = membership->next;
    pthread_mutex_unlock(&dispatcher->lock);
}

/* Whether some thread will wake this follower. Checked after it has become one: a leader that left
 * before did not see it. */
static bool may_sleep(struct pi_cq *cq)
{
    struct pi_dispatcher *dispatcher = &cq->memberships->executor->dispatcher;
    pthread_mutex_lock(&dispatcher->lock);
    bool vacant = is_vacant_locked(cq);
    pthread_mutex_unlock(&dispatcher->lock);
    return !vacant && !is_over(cq); /* posse_destroy and the close say so first, then wake us */
}

/* Sleeps until a thread delivers something to the cq, or wakes it to lead. */
static void follow(struct pi_cq *cq, uint64_t until)
{
    for (size_t i = 0; i < cq->n_memberships; i++)
        begin_following(&cq->memberships[i], cq);
    if (may_sleep(cq))
        (void)pi_os_semaphore_wait(&cq->wakeup, until);
    for (size_t i = 0; i < cq->n_memberships; i++)
        end_following(&cq->memberships[i]);
}

/* This thread has slept, and goes: another must lead. */
static void hand_over(struct pi_cq *cq)
{
    struct pi_dispatcher *dispatcher = &cq->memberships->executor->dispatcher;
    if (cq->n_memberships > 1) /* there the leader thread stays */
        return;
    pthread_mutex_lock(&dispatcher->lock);
    pi_dispatch_appoint_locked(dispatcher);
    pthread_mutex_unlock(&dispatcher->lock);
}

/* Whether all supervisors live. If not, all subscriptions are due. A call that does not wait asks
 * only now and then. */
static bool are_supervised(const struct pi_cq *cq, uint64_t until)
{
    bool live = true;
    for (size_t i = 0; i < cq->n_memberships; i++) {
        posse_executor *e = cq->memberships[i].executor;
        live &= until ? pi_check_supervisor(e) : pi_poll_supervisor(e);
    }
    return live;
}

struct pi_subscription *pi_cq_next(struct pi_cq *cq, uint64_t until, posse_status *status)
{
    struct pi_subscription *sub;
    bool slept = false;
    *status = POSSE_TIMEOUT;
    while ((sub = pi_cq_try_next(cq)) == NULL) {
        bool over = is_over(cq); /* if so, the next line delivers all that there is */
        if (deliver_ours(cq))
            continue;
        if (over) {
            *status = POSSE_SHUT_DOWN;
            break;
        }
        if (until == 0 || pi_os_now() >= until) {
            if (are_supervised(cq, until) || !deliver_ours(cq))
                break;
            continue;
        }
        posse_status helped = cq->help ? cq->help(cq) : POSSE_TIMEOUT;
        if (helped == POSSE_OK)
            continue;
        if (helped != POSSE_TIMEOUT) {
            *status = helped;
            break;
        }
        if (!lead(cq, until))
            follow(cq, until);
        slept = true;
    }
    if (slept)
        hand_over(cq);
    return sub;
}
