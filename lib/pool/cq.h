/* cq.h - completion queues: which tasks have ended, in order, for one user of the process.
 *
 * Runs in: program, worker.
 *
 * A user that waits for many tasks has a completion queue (cq): a call of posse_wait, an iterator,
 * a map, a descriptor, the callbacks of an executor. For each future that it waits for, the user
 * makes a subscription and links it to the dispatcher of the future's executor. When the task has
 * ended, the dispatcher appends the subscription to the queue and wakes the user. A cq and its
 * subscriptions are private memory of the process. This file knows the queue alone; dispatch.h
 * tells how subscriptions come into it.
 */
#pragma once

#include "os/pollable.h"
#include "os/semaphore.h"
#include "pool/verify.h"
#include "posse.h"
#include <pthread.h>
#include <stdbool.h>

struct pi_cq;

/* One future that a cq waits for. In memory of the user. Guarded by the lock of the dispatcher (D),
 * or of the cq (Q). */
struct pi_subscription {
    posse_future future;
    struct pi_cq *cq;
    struct pi_subscription *older, *younger; /* D: in the same list of the dispatcher's index */
    struct pi_subscription *prev, *next;     /* Q: in the queue */
    bool queued;                             /* Q */
    bool linked;                             /* Q: it is in the index, so its executor exists */
    bool delivered;                          /* D */
    bool foreign;                            /* D: the word names another process's dispatcher */
    bool hears;              /* it is due as soon as the task tells something, too (core/feed.h) */
    bool silent;             /* D: it had told no progress when it was linked */
    struct pi_verify verify; /* D */
};

/* One executor of a cq. */
struct pi_membership {
    posse_executor *executor;
    struct pi_cq *cq;
    struct pi_membership *next; /* another cq that follows; the dispatcher's lock */
};

struct pi_cq {
    pthread_mutex_t lock;
    struct pi_subscription *first, *last; /* delivered, in the order in which they ended */
    struct pi_os_semaphore wakeup;        /* posted when the queue was empty; or, if not NULL, */
    struct pi_os_pollable *pollable;      /* this is set while the queue is not empty */
    /* Its executors. None of a descriptor, which nobody waits on here; with more than one the cq
     * never leads. */
    struct pi_membership *memberships, only;
    size_t n_memberships;
    /* May be NULL. What a task does before it sleeps: it runs one of the tasks that it waits for.
     * POSSE_OK: it did. POSSE_TIMEOUT: there is none. Else it must not sleep. */
    posse_status (*help)(struct pi_cq *cq);
    bool outlives_destroy; /* goes on until the dispatcher closes, not until posse_destroy */
    bool keep_linked;      /* its subscriptions stay in the index until the user unlinks them */
    /* Of a task group, instead of a delivery: the task has ended, or can end no more. Also if its
     * future was released before. The dispatcher's lock is held. May be NULL. */
    void (*ended)(struct pi_subscription *sub);
    /* With a pollable: frees a subscription that is of no use any more, instead of its delivery.
     * Both locks are held. */
    void (*drop)(struct pi_subscription *sub);
};

void pi_cq_init(struct pi_cq *cq);
void pi_cq_fini(struct pi_cq *cq);
/* Before its first subscription: the cq gets subscriptions of this executor, too. False: no memory;
 * not for the first executor. */
bool pi_cq_join(struct pi_cq *cq, posse_executor *executor);

/* Appends a subscription, and wakes the user if it is the only one. */
void pi_cq_append_locked(struct pi_cq *cq, struct pi_subscription *sub);
/* Takes a subscription out of the queue, wherever it stands, if it is there. */
void pi_cq_remove_locked(struct pi_cq *cq, struct pi_subscription *sub);
/* Takes the first subscription. NULL: the queue is empty. */
struct pi_subscription *pi_cq_try_next(struct pi_cq *cq);
bool pi_cq_is_empty(struct pi_cq *cq);
