/* Opening and closing a dispatcher, its leader thread, and the timers of that. */
#include "os/clock.h"
#include "os/process.h"
#include "os/semaphore.h"
#include "os/thread.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/pool.h"

#include <errno.h>

void pi_dispatch_init(struct pi_dispatcher *dispatcher)
{
    *dispatcher = (struct pi_dispatcher){.lock = PTHREAD_MUTEX_INITIALIZER};
    pi_cq_init(&dispatcher->leader);
    dispatcher->leader.outlives_destroy = true;
}

static posse_status open_locked(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    struct pi_subscriptions subscriptions;
    if (!pi_subscriptions_init(&subscriptions))
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    dispatcher->parker = pi_park_acquire(e, e->owner);
    if (dispatcher->parker == PI_NO_INDEX) {
        int error = errno;
        pi_subscriptions_fini(&subscriptions);
        return pi_refuse_errno(error, PI_NO_PARKER);
    }
    struct pi_parker *parker = &e->segment.parkers.at[dispatcher->parker];
    pi_store_relaxed(&parker->done, 0); /* relaxed, both: published with */
    pi_store_relaxed(&parker->rescan, 0);
    pi_store_seq(&parker->collects, 1); /* this, which precedes our first name in a word */
    dispatcher->subscriptions = subscriptions;
    return POSSE_OK;
}

posse_status pi_dispatch_open(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    posse_status status = e->dispatcher.subscriptions.lists ? POSSE_OK
                          : e->dispatcher.closing           ? POSSE_SHUT_DOWN /* to options.log */
                                                            : open_locked(e);
    pthread_mutex_unlock(&e->dispatcher.lock);
    return status;
}

/* ---- timers ---- */

/* The leader thread has another moment to wake at. It follows, or sleeps on the parker. */
static void ring_locked(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    pthread_mutex_lock(&dispatcher->leader.lock);
    if (!dispatcher->alarm.queued)
        pi_cq_append_locked(&dispatcher->leader, &dispatcher->alarm);
    pthread_mutex_unlock(&dispatcher->leader.lock);
    if (dispatcher->led)
        pi_os_semaphore_post(&e->segment.parkers.at[dispatcher->parker].wake);
}

void pi_dispatch_set_timer_locked(posse_executor *e, struct pi_timer *timer)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    struct pi_timer *sooner = dispatcher->last_timer;
    while (sooner && sooner->at > timer->at)
        sooner = sooner->sooner;
    timer->sooner = sooner;
    timer->later = sooner ? sooner->later : dispatcher->first_timer;
    *(timer->later ? &timer->later->sooner : &dispatcher->last_timer) = timer;
    *(sooner ? &sooner->later : &dispatcher->first_timer) = timer;
    if (!sooner)
        ring_locked(e);
}

void pi_dispatch_drop_timer_locked(posse_executor *e, struct pi_timer *timer)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    if (timer->at == PI_NEVER)
        return;
    *(timer->sooner ? &timer->sooner->later : &dispatcher->first_timer) = timer->later;
    *(timer->later ? &timer->later->sooner : &dispatcher->last_timer) = timer->sooner;
    timer->at = PI_NEVER;
}

/* Returns when the next one is due. */
static uint64_t run_timers(posse_executor *e)
{
    struct pi_timer *timer;
    pthread_mutex_lock(&e->dispatcher.lock);
    while ((timer = e->dispatcher.first_timer) != NULL && timer->at <= pi_os_now()) {
        pi_dispatch_drop_timer_locked(e, timer);
        timer->due_locked(timer);
    }
    uint64_t next = timer ? timer->at : PI_NEVER;
    pthread_mutex_unlock(&e->dispatcher.lock);
    return next;
}

/* ---- the thread ---- */

/* No task's end is ever delivered to its cq, so it leads, or follows, until the close. */
static void *lead(void *executor)
{
    posse_executor *e = executor;
    posse_status status;
    pi_os_set_name("posse-leader");
    do
        (void)pi_cq_next(&e->dispatcher.leader, run_timers(e), &status);
    while (status != POSSE_SHUT_DOWN);
    return NULL;
}

static posse_status start_leader_locked(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    (void)pi_cq_join(&dispatcher->leader, e); /* the first: it cannot fail */
    dispatcher->alarm.cq = &dispatcher->leader;
    int error = pi_os_thread_create(&dispatcher->leader_thread, lead, e);
    dispatcher->has_leader = error == 0;
    return pi_refuse_errno(error, "a thread cannot be started");
}

posse_status pi_dispatch_start_leader(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    posse_status status = e->dispatcher.has_leader ? POSSE_OK : start_leader_locked(e);
    pthread_mutex_unlock(&e->dispatcher.lock);
    return status;
}

void pi_dispatch_flush(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    if (e->dispatcher.subscriptions.lists)
        pi_dispatch_rescan_locked(e);
    pthread_mutex_unlock(&e->dispatcher.lock);
}

void pi_dispatch_close(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    pthread_mutex_lock(&dispatcher->lock);
    atomic_store(&dispatcher->closing, true); /* seq: with is_over, in dispatch_wait.c */
    bool opened = dispatcher->subscriptions.lists;
    if (opened) {
        pi_dispatch_rescan_locked(e);
        pi_os_semaphore_post(&e->segment.parkers.at[dispatcher->parker].wake);
    }
    pthread_mutex_unlock(&dispatcher->lock);
    if (opened)
        pi_dispatch_wake_all(e);
}

void pi_dispatch_join(posse_executor *e)
{
    if (e->dispatcher.has_leader)
        pi_os_thread_join(e->dispatcher.leader_thread);
}

void pi_dispatch_fini(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    if (dispatcher->subscriptions.lists) {
        pi_subscriptions_fini(&dispatcher->subscriptions);
        pi_parkers_release(&e->segment.parkers, dispatcher->parker);
    }
    pi_cq_fini(&dispatcher->leader);
    (void)pthread_mutex_destroy(&dispatcher->lock);
}
