#include "pool/cq.h"

#include <stdlib.h>

void pi_cq_init(struct pi_cq *cq) { *cq = (struct pi_cq){.lock = PTHREAD_MUTEX_INITIALIZER}; }

void pi_cq_fini(struct pi_cq *cq)
{
    if (cq->memberships != &cq->only)
        free(cq->memberships);
    (void)pthread_mutex_destroy(&cq->lock);
}

bool pi_cq_join(struct pi_cq *cq, posse_executor *executor)
{
    size_t n = cq->n_memberships;
    for (size_t i = n; i > 0; i--)
        if (cq->memberships[i - 1].executor == executor)
            return true;
    struct pi_membership *more = &cq->only;
    if (n > 0)
        more = realloc(n > 1 ? cq->memberships : NULL, (n + 1) * sizeof *more);
    if (!more)
        return false;
    if (n == 1)
        more[0] = cq->only;
    more[n] = (struct pi_membership){.executor = executor};
    cq->memberships = more;
    cq->n_memberships = n + 1;
    return true;
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
    else if (only && !pi_os_semaphore_posted(&cq->wakeup)) /* its taker sees this too */
        pi_os_semaphore_post(&cq->wakeup);
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
