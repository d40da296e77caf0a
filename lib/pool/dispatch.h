/* dispatch.h - how the threads of one process hear that tasks have ended, when they wait for many.
 *
 * Every process that uses an executor has one mail box in it: a parker that collects
 * (core/done_list.h), and private memory. Nothing of it is shared with other processes, so there are
 * locks.
 *
 *   watch   one who wants to hear: a call of posse_wait, an iterator, a descriptor, the callbacks
 *   sub     a watch's wish to hear of one future
 *
 * The box puts its parker's number into the word of each future that somebody has subscribed to. A
 * thread that waits on its watch leads if nobody does yet: it sleeps on the parker, takes the list
 * of what has ended, and deals it out to all the watches of the process; the others sleep each on
 * the bell of their own watch. A leader that has what it wants wakes another to lead. A watch of
 * several executors cannot lead, so there a thread of posse's does, which does nothing else.
 *
 *   a sub is    meaning                                  who takes it on                     to
 *   waiting     in the box, in its index                 the leader, when the task ended     dealt
 *                                                        (or cannot end any more)
 *   dealt       in the list of its cq, in order       the watch's thread                  taken
 *   taken       in neither
 *   A watch that closes takes all of its subs out of both, whatever they are, so none is freed
 *   while anybody may come upon it. On its way from the one to the other a sub is still the box's:
 *   the thread that deals it holds the box's lock until it stands in the list.
 *
 * Who deals to the leader's watch rings a bell that the leader does not hear: it sleeps on the
 * parker. So whoever deals without there being a post of the parker under way posts it: a task that
 * has ended is followed by one (core/done_list.h), a release and the end of the box post it themselves.
 * The model is tests/model/mail.pml.
 *
 * Locks: a box's, then a watch's. Neither is held while anything is waited for, or while code of
 * the program runs. While a watch's lock is held, an executor whose box has a sub of it does not
 * go: it would deal that first.
 *
 * A word has room for one box. If another process's is named there already (its task waits for the
 * same future), the word says BROADCAST, everyone is woken when the task ends, and the box looks at all
 * of its subs after every wake while it has such a one.
 */
#ifndef PI_DISPATCH_H
#define PI_DISPATCH_H

#include "os/pollable.h"
#include "os/semaphore.h"
#include "posse.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct pi_cq;

/* What a caller has seen of a task that it is blocked on: see verify.c. */
struct pi_verify {
    uint64_t word;
    uint64_t since; /* where the ring ended when that word was seen first */
    uint32_t looks; /* that spoke against it */
    uint8_t attempt;
};

/* One wish. In memory of its watch's owner. */
struct pi_subscription {
    posse_future future;
    struct pi_cq *cq;
    struct pi_subscription *older,
        *younger; /* in the same list of the box's index; the box's lock */
    struct pi_subscription *prev_delivered,
        *next_delivered;     /* dealt to the same watch; the watch's lock */
    bool listed;             /* it is in the list of its watch; the watch's lock */
    bool boxed;              /* it is in the index, so its executor is there; the watch's lock */
    bool delivered;          /* the box's lock */
    bool foreign;            /* the word names another process's box */
    struct pi_verify verify; /* the box's lock */
};

/* One executor of a watch. */
struct pi_membership {
    posse_executor *executor;
    struct pi_cq *cq;
    struct pi_membership *next; /* of another watch that sleeps on its bell; the box's lock */
};

struct pi_cq {
    pthread_mutex_t lock;
    struct pi_subscription *first, *last; /* dealt, in the order in which they ended */
    struct pi_os_semaphore wakeup;        /* posted when the list was empty */
    struct pi_os_pollable *flag; /* or this is set, while the list is not empty; NULL: none */
    /* Whose futures it waits for; more than one: it never leads. Not of a descriptor. */
    struct pi_membership *places;
    size_t n_places;
    /* A task that waits runs those of these itself that nobody has begun; NULL: none. */
    struct pi_subscription *subs;
    size_t n_subs, next_help;
    bool
        outlives_destroy; /* it goes on until the box closes; else until its executor is being destroyed */
    bool keep_linked; /* its subs stay in the index until its thread takes them out */
    /* Frees a sub that is worth nothing any more, instead of its being dealt. With a flag only;
     * both locks are held. */
    void (*drop)(struct pi_subscription *sub);
};

/* In the executor of each process. */
struct pi_dispatcher {
    pthread_mutex_t lock;
    /* Where to find the subs of a slot: the newest of each list. The number of lists is a power of
     * two; a list has the subs of all slots with the same low bits. NULL: nobody has used the
     * box. */
    struct pi_subscription **index;
    uint32_t lists;
    size_t boxed; /* subs in it */
    uint32_t parker;
    uint32_t slots; /* those above never had a sub: what shared memory says of them is not asked */
    size_t pending, foreign; /* subs that wait; of these, in words that name another box */
    bool led;
    struct pi_cq *idle; /* who leads, if it sleeps on its bell as nothing is undealt */
    _Atomic bool closing;
    struct pi_membership *followers; /* that sleep on their bells; of one executor: it could lead */

    /* What the two threads wait for, if they run. */
    struct pi_cq callbacks, nothing;
    struct pi_membership home[2]; /* of each */
    bool has_callbacks, has_leader;
    pthread_t callback_thread, leader_thread;
    /* The one before callback_thread, if it was left by a callback and is not yet joined. By the
     * callback thread alone. */
    bool has_left;
    pthread_t left_thread;
    struct pi_os_semaphore all_called; /* posted when the callback thread has nothing more to do */
    /* Added, and not yet returned. seq: the thread that makes it 0 then looks at the phase, which
     * posse_shutdown has raised before it waits for that. */
    _Atomic size_t callbacks_left;
};

/* What a new executor has. 0 or an errno. */
int pi_dispatch_init(struct pi_dispatcher *dispatcher);
/* Before the executor is being destroyed: deals all that has ended. */
void pi_dispatch_flush(posse_executor *executor);
/* After the last task has ended: deals everything that is left, and waits for the threads. */
void pi_dispatch_close(posse_executor *executor);
void pi_dispatch_fini(posse_executor *executor);

/* Makes the box usable. POSSE_NO_MEMORY. */
posse_status pi_dispatch_open(posse_executor *executor);
/* Starts one of the two threads. POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_dispatch_start_thread(posse_executor *executor, pthread_t *thread,
                                      void *(*body)(void *));
/* Has a thread lead that does nothing else. POSSE_NO_MEMORY, POSSE_SYSTEM. */
posse_status pi_dispatch_start_leader(posse_executor *executor);

/* A new sub goes into the index, then is named; both with the lock of an open box held, and without
 * giving it back if `sub` must not be dealt in between. Naming deals it at once if its future has
 * ended. */
void pi_dispatch_link(struct pi_subscription *sub);
void pi_dispatch_arm(struct pi_subscription *sub);
/* Deals what has come; `doubt`: the list may have lost some, so all subs are looked at. The lock is
 * held. */
void pi_dispatch_deliver(posse_executor *executor, bool doubt);
/* Looks after the tasks that are waited for, when nothing was heard for a second. The lock is held,
 * so nobody is woken here by an end in this process. */
void pi_dispatch_verify(posse_executor *executor);
/* Deals what is due of one slot, if the parker that its word names is this box's. False: it is not.
 * The lock is not held. */
bool pi_dispatch_slot(posse_executor *executor, uint32_t slot, uint32_t parker);
/* Takes it out of its box and of the list of its cq, so that it may be freed; fine if it is in
 * neither, or its executor is gone. No lock is held. */
void pi_dispatch_unlink(struct pi_subscription *sub);
/* The same with the watch's lock held. False: not now, as the box is busy. */
bool pi_dispatch_try_unlink(struct pi_subscription *sub);
/* Wakes all who wait for many tasks, to see that the executor is destroyed. */
void pi_dispatch_wake_all(posse_executor *executor);
/* The newest sub of this future and cq, or NULL. The lock is held. */
struct pi_subscription *pi_dispatch_find(posse_future future, const struct pi_cq *cq);

/* ---- watches ---- */

/* 0 or an errno: then there is nothing to be ended. */
int pi_cq_init(struct pi_cq *cq);
void pi_cq_fini(struct pi_cq *cq);

/* Puts a sub last into the list, and rings if it is the only one; takes it out, wherever it stands;
 * fine if it is not there. The lock is held. */
void pi_cq_append(struct pi_cq *cq, struct pi_subscription *sub);
void pi_cq_unlist(struct pi_cq *cq, struct pi_subscription *sub);
/* Takes the next sub that was dealt, NULL: there is none. */
struct pi_subscription *pi_cq_try_next(struct pi_cq *cq);
/* The same; waits until the moment. The caller looks at the future itself: it has ended, or is
 * stale, or cannot end any more. NULL: *status is POSSE_TIMEOUT, or POSSE_SHUT_DOWN. */
struct pi_subscription *pi_cq_next(struct pi_cq *cq, uint64_t until, posse_status *status);

#endif
