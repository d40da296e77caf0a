#include "pool/cq.h"

int pi_cq_init(struct pi_cq *cq)
{
    *cq = (struct pi_cq){.pollable = NULL};
    int error = pi_os_semaphore_init(&cq->wakeup);
    if (error)
        return error;
    error = pthread_mutex_init(&cq->lock, NULL);
    if (error)
        pi_os_semaphore_fini(&cq->wakeup);
    return error;
}

void pi_cq_fini(struct pi_cq *cq)
{
    (void)pthread_mutex_destroy(&cq->lock);
    pi_os_semaphore_fini(&cq->wakeup);
}

void pi_cq_append_locked(struct pi_cq *cq, struct pi_subscription *sub)
{
    bool only = cq->first == NULL;
    sub->prev = only ? NULL : cq->last;
    sub->next = NULL;
    sub->queued = true;
    *(only ? &cq->first : &cq->last->next) = sub;
    cq->last = sub;
    if (only && cq->pollable)
        pi_os_pollable_set(cq->pollable);
    else if (only)
        pi_os_semaphore_post_once(&cq->wakeup);
}

void pi_cq_remove_locked(struct pi_cq *cq, struct pi_subscription *sub)
{
    if (!sub->queued)
        return;
    sub->queued = false;
    *(sub->prev ? &sub->prev->next : &cq->first) = sub->next;
    *(sub->next ? &sub->next->prev : &cq->last) = sub->prev;
    if (!cq->first && cq->pollable)
        pi_os_pollable_clear(cq->pollable);
}

struct pi_subscription *pi_cq_try_next(struct pi_cq *cq)
{
    pthread_mutex_lock(&cq->lock);
    struct pi_subscription *sub = cq->first;
    if (sub)
        pi_cq_remove_locked(cq, sub);
    pthread_mutex_unlock(&cq->lock);
    return sub;
}

bool pi_cq_is_empty(struct pi_cq *cq)
{
    pthread_mutex_lock(&cq->lock);
    bool empty = cq->first == NULL;
    pthread_mutex_unlock(&cq->lock);
    return empty;
}
