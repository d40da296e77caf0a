/* dispatch.h - the dispatcher: tells the completion queues of one process which tasks have ended.
 *
 * Runs in: program, worker.
 *
 * Each process that waits for many tasks of an executor has one dispatcher for it: a parker that
 * collects (core/done_list.h), and an index of subscriptions in private memory. The dispatcher puts
 * its parker's number into the word of each future that a subscription names. One waiting thread
 * leads: it sleeps on the parker, takes the list of ended tasks, and delivers each to its cq. The
 * other threads follow: each sleeps on the wakeup of its own cq. A leader that has what it came for
 * wakes a follower, which leads. A cq of several executors never leads; there a thread of posse's
 * leads. While no subscription is pending, nobody leads: a follower sleeps in private memory.
 *
 *   a subscription is   meaning                  taken on by                             to
 *   pending             in the index             the delivering thread, when the task    delivered
 *                                                has ended or can end no more
 *   delivered           in the queue of its cq   the cq's user                           taken
 *   A user that closes its cq unlinks all subscriptions, whatever they are. A thread that delivers
 *   one holds the dispatcher's lock until the subscription is in the queue, so none is freed
 *   meanwhile.
 *
 * The leader sleeps on the parker, not on its own wakeup. A thread that delivers to it must post
 * the parker as well: a task that ends does so (core/done_list.h), and so do a release and the
 * close.
 *
 * Locks: a dispatcher's, then a cq's. Neither is held while a thread sleeps or runs the program's
 * code. While a cq's lock is held, no executor with a linked subscription of it can go.
 *
 * A word has room for one parker. If a word names another process's dispatcher, the subscription is
 * foreign: the word gets BROADCAST, and this dispatcher scans its index after every wake.
 *
 * A subscription that hears is due as soon as its task tells something (core/feed.h), too. The task
 * then sets `rescan` of the parker that its word names, and the dispatcher looks at all that is
 * pending. After the word has got the parker the dispatcher looks once more.
 *
 * The model is tests/model/dispatch.pml.
 */
#pragma once

#include "pool/cq.h"
#include "pool/subscriptions.h"
#include <stdatomic.h>

struct pi_callbacks;

/* A moment at which the leader thread makes a call. In memory of its user; the dispatcher's lock
 * guards it. `at` is PI_NEVER unless it is set. */
struct pi_timer {
    uint64_t at;
    void (*due_locked)(struct pi_timer *timer); /* the timer is not set any more */
    struct pi_timer *sooner, *later;
};

struct pi_dispatcher {
    pthread_mutex_t lock;
    struct pi_subscriptions subscriptions; /* no lists: nobody has used the dispatcher yet */
    uint32_t parker;
    uint32_t slots; /* all subscriptions are below: bounds what shared memory says */
    size_t pending; /* subscriptions */
    size_t foreign; /* of these */
    bool led;
    _Atomic bool closing;
    struct pi_membership *followers; /* cqs that sleep on their wakeups */
    struct pi_cq leader;             /* of the leader thread: nothing but `alarm` comes to it */
    struct pi_subscription alarm;    /* of no task: another timer is the first now */
    struct pi_timer *first_timer, *last_timer;
    bool has_leader;
    pthread_t leader_thread;
    struct pi_callbacks *callbacks; /* of callback.c; NULL: there were none */
};

void pi_dispatch_init(struct pi_dispatcher *dispatcher);
/* Before posse_destroy: delivers all that has ended. */
void pi_dispatch_flush(posse_executor *executor);
/* After the last task has ended: delivers all that is left. */
void pi_dispatch_close(posse_executor *executor);
/* After the last callback has returned, as it may start the leader thread: waits for its end. */
void pi_dispatch_join(posse_executor *executor);
void pi_dispatch_fini(posse_executor *executor);

/* Makes the dispatcher usable. POSSE_NO_MEMORY. */
posse_status pi_dispatch_open(posse_executor *executor);
/* Has a thread lead that does nothing else. POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_dispatch_start_leader(posse_executor *executor);

/* Links and arms a new subscription. The dispatcher must be open. */
void pi_dispatch_subscribe(struct pi_subscription *sub);
/* The two steps of that: the subscription enters the index; then its future's word names the
 * parker, or the subscription is delivered if the future has ended. */
void pi_dispatch_link_locked(struct pi_subscription *sub);
void pi_dispatch_arm_locked(struct pi_subscription *sub);
/* Takes n subscriptions of a cq out of the index and of the queue, so that they may be freed. One
 * may be in neither, and its executor may be gone. No lock is held. */
void pi_dispatch_unlink(struct pi_cq *cq, struct pi_subscription *subs, size_t n);
/* The same of one, with the cq's lock held. False: another thread holds the dispatcher's. */
bool pi_dispatch_try_unlink_locked(struct pi_subscription *sub);

/* Sets a timer, of a dispatcher with a leader thread; and the other way round, if it is set. O(1),
 * but for timers that are set and come later. */
void pi_dispatch_set_timer_locked(posse_executor *executor, struct pi_timer *timer);
void pi_dispatch_drop_timer_locked(posse_executor *executor, struct pi_timer *timer);

/* Takes a pending subscription of a task group out of the index. */
void pi_dispatch_drop_locked(struct pi_subscription *sub);

/* Delivers what has ended. */
void pi_dispatch_deliver_locked(posse_executor *executor);
/* The same, and looks at every pending subscription: the list of ended tasks may lack some. */
void pi_dispatch_rescan_locked(posse_executor *executor);
/* Verifies the tasks of all pending subscriptions, after a second without a wake. */
void pi_dispatch_verify_locked(posse_executor *executor);
/* Delivers what is due of one slot, whose word names that parker, and all that ended before it.
 * False: the parker is not this dispatcher's. */
bool pi_dispatch_slot(posse_executor *executor, uint32_t slot, uint32_t parker);
/* Wakes all followers: the executor is about to go. */
void pi_dispatch_wake_all(posse_executor *executor);
/* Wakes a follower, which leads, if some subscription is pending and nobody leads. */
void pi_dispatch_appoint_locked(struct pi_dispatcher *dispatcher);

/* dispatch_wait.c: takes the next delivered subscription; blocks until the moment. Its future has
 * ended, is stale, or can end no more. NULL: *status is POSSE_TIMEOUT, POSSE_SHUT_DOWN, or what the
 * help of the queue has said. */
struct pi_subscription *pi_cq_next(struct pi_cq *cq, uint64_t until, posse_status *status);
