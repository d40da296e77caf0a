/* Opening and closing a mail box, and its two threads. */
#include "os/clock.h"
#include "os/semaphore.h"
#include "os/thread.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_LISTS 64u

int pi_dispatch_init(struct pi_dispatcher *dispatcher)
{
    return pthread_mutex_init(&dispatcher->lock, NULL);
}

/* What the two threads would wait for. */
static int open_watches(struct pi_dispatcher *dispatcher)
{
    int error = pi_cq_init(&dispatcher->callbacks);
    if (error)
        return error;
    error = pi_cq_init(&dispatcher->nothing);
    if (!error) {
        error = pi_os_semaphore_init(&dispatcher->all_called);
        if (error)
            pi_cq_fini(&dispatcher->nothing);
    }
    if (error)
        pi_cq_fini(&dispatcher->callbacks);
    return error;
}

/* All that can fail. The lock is held. */
static posse_status begin_box(posse_executor *e, struct pi_subscription ***index)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    *index = calloc(FIRST_LISTS, sizeof(struct pi_subscription *));
    if (!*index)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    dispatcher->parker = pi_park_acquire(e, e->owner);
    int error = dispatcher->parker == PI_NO_INDEX ? errno : open_watches(dispatcher);
    if (error == 0)
        return POSSE_OK;
    if (dispatcher->parker != PI_NO_INDEX)
        pi_parkers_release(&e->segment.parkers, dispatcher->parker);
    free(*index);
    return pi_refuse_errno(error, PI_NO_PARKER);
}

/* The lock is held. */
static posse_status open_box(posse_executor *e)
{
    struct pi_subscription **index;
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    posse_status status = begin_box(e, &index);
    if (status != POSSE_OK)
        return status;
    struct pi_parker *parker = &e->segment.parkers.at[dispatcher->parker];
    pi_store_relaxed(&parker->done, 0); /* relaxed, both: published with */
    pi_store_relaxed(&parker->rescan, 0);
    pi_store_seq(&parker->collects, 1); /* this, before our first name in a word */
    dispatcher->callbacks.outlives_destroy = dispatcher->callbacks.keep_linked =
        dispatcher->nothing.outlives_destroy = true;
    dispatcher->home[0].executor = dispatcher->home[1].executor = e;
    dispatcher->callbacks.places = &dispatcher->home[0];
    dispatcher->nothing.places = &dispatcher->home[1];
    dispatcher->callbacks.n_places = dispatcher->nothing.n_places = 1;
    dispatcher->lists = FIRST_LISTS;
    dispatcher->index = index;
    return POSSE_OK;
}

posse_status pi_dispatch_open(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    posse_status status = e->dispatcher.index ? POSSE_OK : open_box(e);
    pthread_mutex_unlock(&e->dispatcher.lock);
    return status;
}

posse_status pi_dispatch_start_thread(posse_executor *e, pthread_t *thread, void *(*body)(void *))
{
    return pi_refuse_errno(pi_os_thread_create(thread, body, e), "a thread cannot be started");
}

static void *lead(void *context)
{
    posse_executor *e = context;
    posse_status status;
    pi_os_thread_name("posse-leader");
    (void)pi_cq_next(&e->dispatcher.nothing, PI_NEVER, &status);
    return NULL;
}

posse_status pi_dispatch_start_leader(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    posse_status status = POSSE_OK;
    pthread_mutex_lock(&dispatcher->lock);
    if (!dispatcher->has_leader) {
        status = pi_dispatch_start_thread(e, &dispatcher->leader_thread, lead);
        dispatcher->has_leader = status == POSSE_OK;
    }
    pthread_mutex_unlock(&dispatcher->lock);
    return status;
}

void pi_dispatch_flush(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    if (e->dispatcher.index)
        pi_dispatch_deliver(e, true);
    pthread_mutex_unlock(&e->dispatcher.lock);
}

void pi_dispatch_close(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    if (!dispatcher->index)
        return;
    pthread_mutex_lock(&dispatcher->lock);
    atomic_store(&dispatcher->closing, true); /* with the threads' looks */
    pi_dispatch_deliver(e, true);
    pi_os_semaphore_post(&e->segment.parkers.at[dispatcher->parker].wake);
    pi_os_semaphore_post(&dispatcher->callbacks.wakeup);
    pi_os_semaphore_post(&dispatcher->nothing.wakeup);
    pthread_mutex_unlock(&dispatcher->lock);
    if (dispatcher->has_callbacks) { /* only then it is known which thread is the last one */
        (void)pi_os_semaphore_wait(&dispatcher->all_called, PI_NEVER);
        pi_os_thread_join(dispatcher->callback_thread);
    }
    if (dispatcher->has_leader)
        pi_os_thread_join(dispatcher->leader_thread);
}

void pi_dispatch_fini(posse_executor *e)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    if (dispatcher->index) {
        pi_cq_fini(&dispatcher->callbacks);
        pi_cq_fini(&dispatcher->nothing);
        pi_os_semaphore_fini(&dispatcher->all_called);
        free(dispatcher->index);
        pi_parkers_release(&e->segment.parkers, dispatcher->parker);
    }
    (void)pthread_mutex_destroy(&dispatcher->lock);
}
