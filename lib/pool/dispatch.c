#include "pool/dispatch.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/feed_block.h"
#include "pool/pool.h"
#include "pool/verify.h"

static struct pi_parker *parker_of(posse_executor *e)
{
    return &e->segment.parkers.at[e->dispatcher.parker];
}

/* ---- delivery ---- */

/* Takes the cq's lock once for all of its subscriptions that follow each other. */
static void deliver_list(struct pi_subscription *list)
{
    while (list) {
        struct pi_cq *cq = list->cq;
        if (cq->ended) {
            struct pi_subscription *sub = list;
            list = sub->next;
            cq->ended(sub);
            continue;
        }
        pthread_mutex_lock(&cq->lock);
        while (list && list->cq == cq) {
            struct pi_subscription *sub = list;
            list = sub->next;
            sub->linked = cq->keep_linked; /* else it is the cq's alone from now on */
            pi_cq_append_locked(cq, sub);
        }
        pthread_mutex_unlock(&cq->lock);
    }
}

static void mark_delivered(struct pi_dispatcher *dispatcher, struct pi_subscription *sub)
{
    sub->delivered = true;
    dispatcher->pending--;
    dispatcher->foreign -= sub->foreign;
}

/* A group's task may have no future. */
static bool is_stale(const struct pi_subscription *sub, uint64_t word)
{
    return sub->cq->ended ? pi_generation(word) != sub->future.generation
                          : !pi_handle_valid(word, sub->future);
}

/* Whether the task of a subscription has not told how far it is. A feed that is new may be there
 * before it has. */
static bool is_silent(posse_executor *e, const struct pi_subscription *sub)
{
    struct pi_feed *feed = pi_feed_find(e, &e->segment.slots.at[sub->future.slot]);
    return !feed || pi_feed_is_silent(feed);
}

static bool has_news(posse_executor *e, const struct pi_subscription *sub)
{
    pi_see_blocks(e);
    return pi_feed_has_message(e, &e->segment.slots.at[sub->future.slot]) ||
           (sub->silent && !is_silent(e, sub));
}

/* Whether the task has ended, or can end no more; or has told something that is waited for. */
static bool is_due(posse_executor *e, const struct pi_subscription *sub)
{
    /* Before the word: CLOSED comes after the last end. */
    bool over = pi_phase_of(e) >= PI_CLOSED || e->dispatcher.closing ||
                (pi_destroying(e) && !sub->cq->outlives_destroy);
    uint64_t word = pi_word_of(sub->future);
    return over || pi_final(word) || is_stale(sub, word) || (sub->hears && has_news(e, sub));
}

/* A descriptor does not tell of futures that were released, or whose executor is being destroyed:
 * the program could do nothing with them. */
static bool is_useless(const struct pi_subscription *sub)
{
    return sub->cq->pollable && (pi_destroying(sub->future.executor) ||
                                 !pi_handle_valid(pi_word_of(sub->future), sub->future));
}

static void drop(struct pi_subscription *sub)
{
    struct pi_cq *cq = sub->cq;
    pthread_mutex_lock(&cq->lock);
    cq->drop(sub);
    pthread_mutex_unlock(&cq->lock);
}

/* Puts a subscription in front of the list, if it is pending and due. */
static struct pi_subscription *gather(posse_executor *e, struct pi_subscription *sub,
                                      struct pi_subscription *list)
{
    if (sub->delivered || !is_due(e, sub))
        return list;
    mark_delivered(&e->dispatcher, sub);
    if (!sub->cq->keep_linked)
        pi_subscriptions_remove(&e->dispatcher.subscriptions, sub);
    if (is_useless(sub)) {
        drop(sub);
        return list;
    }
    sub->next = list;
    return sub;
}

/* The same with those of a slot: afterwards the oldest comes first. */
static struct pi_subscription *gather_slot(posse_executor *e, uint32_t slot,
                                           struct pi_subscription *list)
{
    struct pi_subscription *older;
    for (struct pi_subscription *sub = *pi_subscriptions_of(&e->dispatcher.subscriptions, slot);
         sub; sub = older) {
        older = sub->older;
        if (sub->future.slot == slot)
            list = gather(e, sub, list);
    }
    return list;
}

static struct pi_subscription *gather_all(posse_executor *e, struct pi_subscription *list)
{
    const struct pi_subscriptions *all = &e->dispatcher.subscriptions;
    for (uint32_t i = all->lists; i > 0 && e->dispatcher.pending > 0; i--) {
        struct pi_subscription *older;
        for (struct pi_subscription *sub = all->newest[i - 1]; sub; sub = older) {
            older = sub->older;
            list = gather(e, sub, list);
        }
    }
    return list;
}

/* Takes the parker's list of ended tasks. *broken: the chain leads astray. */
static struct pi_subscription *gather_done(posse_executor *e, bool *broken)
{
    struct pi_slots *slots = &e->segment.slots;
    struct pi_subscription *list = NULL;
    pi_done_ref at = pi_done_list_take(parker_of(e));
    uint32_t slot, step = 0;
    while (pi_done_list_next(slots, e->dispatcher.slots, &at, &slot, broken)) {
        list = gather_slot(e, slot, list);
        if (++step > e->dispatcher.slots) { /* a task has overwritten a link: the chain is a ring */
            *broken = true;
            break;
        }
    }
    return list;
}

/* Whether tasks may have ended that are not in the list. order: the exchange (seq) clears the
 * request before the scan; with pi_wake_all_parkers, and the supervisor after a death. */
static bool must_rescan(posse_executor *e)
{
    const struct pi_dispatcher *dispatcher = &e->dispatcher;
    _Atomic uint32_t *rescan = &parker_of(e)->rescan;
    return (pi_load_seq(rescan) && pi_exchange_seq(rescan, 0)) || dispatcher->foreign > 0 ||
           dispatcher->closing || pi_destroying(e) || pi_phase_of(e) >= PI_CLOSED;
}

void pi_dispatch_deliver_locked(posse_executor *e)
{
    bool broken;
    bool rescan = must_rescan(e);
    struct pi_subscription *list = gather_done(e, &broken);
    deliver_list(rescan || broken ? gather_all(e, list) : list);
}

void pi_dispatch_rescan_locked(posse_executor *e)
{
    bool broken;
    deliver_list(gather_all(e, gather_done(e, &broken)));
}

/* Delivers those of a slot that is due, behind all that ended before it. True: it was not in the
 * list of ended tasks. */
static bool deliver_due(posse_executor *e, uint32_t slot)
{
    bool broken;
    struct pi_subscription *list = gather_done(e, &broken);
    deliver_list(broken ? gather_all(e, list) : list);
    list = gather_slot(e, slot, NULL);
    deliver_list(list);
    return list;
}

void pi_dispatch_verify_locked(posse_executor *e)
{
    const struct pi_subscriptions *all = &e->dispatcher.subscriptions;
    for (uint32_t i = all->lists; i > 0 && e->dispatcher.pending > 0; i--)
        for (struct pi_subscription *sub = all->newest[i - 1]; sub; sub = sub->older)
            if (!sub->delivered && !is_stale(sub, pi_word_of(sub->future)))
                pi_verify_task(e, sub->future.slot, &sub->verify);
}

bool pi_dispatch_slot(posse_executor *e, uint32_t slot, uint32_t parker)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    bool ours = e->dispatcher.subscriptions.lists > 0 && e->dispatcher.parker == parker;
    /* The leader may have got some, and sleeps on the parker. Those in the list have a post. */
    if (ours && deliver_due(e, slot) && e->dispatcher.led)
        pi_os_semaphore_post(&parker_of(e)->wake);
    pthread_mutex_unlock(&e->dispatcher.lock);
    return ours;
}

/* ---- subscriptions ---- */

void pi_dispatch_appoint_locked(struct pi_dispatcher *dispatcher)
{
    bool vacant = !dispatcher->led && dispatcher->pending > 0;
    struct pi_membership *follower = vacant ? dispatcher->followers : NULL;
    while (follower && follower->cq->n_memberships > 1)
        follower = follower->next;
    if (follower)
        pi_os_semaphore_post_once(&follower->cq->wakeup);
}

static void begin_hearing(struct pi_subscription *sub)
{
    posse_executor *e = sub->future.executor;
    pi_see_blocks(e);
    sub->silent = is_silent(e, sub);
    pi_store_seq(&parker_of(e)->collects, 2); /* before a word names it for this: pi_wake_readers */
}

void pi_dispatch_link_locked(struct pi_subscription *sub)
{
    struct pi_dispatcher *dispatcher = &sub->future.executor->dispatcher;
    sub->delivered = sub->foreign = sub->queued = false;
    sub->verify = (struct pi_verify){.word = 0};
    pi_subscriptions_insert(&dispatcher->subscriptions, sub);
    if (dispatcher->slots <= sub->future.slot)
        dispatcher->slots = sub->future.slot + 1;
    sub->linked = true;
    if (sub->hears)
        begin_hearing(sub);
    if (++dispatcher->pending == 1)
        pi_dispatch_appoint_locked(dispatcher);
}

static bool collects(posse_executor *e, unsigned parker)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    /* seq: with the store of open_locked, in dispatch_threads.c */
    return parker <= pi_parkers_count(parkers) && pi_load_seq(&parkers->at[parker - 1].collects);
}

/* The word with our parker in it. The parker of a thread that waits for this task alone gives way,
 * as everyone is woken for BROADCAST; that of another dispatcher stays. */
static uint64_t with_our_parker(struct pi_subscription *sub, uint64_t word)
{
    posse_executor *e = sub->future.executor;
    unsigned there = pi_parker(word), ours = e->dispatcher.parker + 1;
    sub->foreign = there != 0 && there != ours && collects(e, there);
    if (there == ours)
        return word;
    return sub->foreign ? word | PI_BROADCAST
                        : pi_with_parker(word, ours) | (there ? (uint64_t)PI_BROADCAST : 0);
}

void pi_dispatch_arm_locked(struct pi_subscription *sub)
{
    posse_executor *e = sub->future.executor;
    _Atomic uint64_t *at = &e->segment.slots.at[sub->future.slot].word;
    uint64_t word = pi_word_of(sub->future);
    bool armed = false;
    while (!armed && !is_due(e, sub)) {
        uint64_t next = with_our_parker(sub, word);
        /* seq: with pi_slot_transition. The finisher finds the parker, or we the end. */
        armed = next == word || pi_cas_seq(at, &word, next);
    }
    if (armed) {
        e->dispatcher.foreign += sub->foreign;
        if (sub->hears && is_due(e, sub)) /* the word tells of an end alone */
            (void)deliver_due(e, sub->future.slot);
    } else {
        sub->foreign = false;
        (void)deliver_due(e, sub->future.slot);
    }
}

void pi_dispatch_subscribe(struct pi_subscription *sub)
{
    pthread_mutex_t *lock = &sub->future.executor->dispatcher.lock;
    pthread_mutex_lock(lock);
    pi_dispatch_link_locked(sub);
    pi_dispatch_arm_locked(sub);
    pthread_mutex_unlock(lock);
}

void pi_dispatch_drop_locked(struct pi_subscription *sub)
{
    struct pi_dispatcher *dispatcher = &sub->future.executor->dispatcher;
    mark_delivered(dispatcher, sub);
    pi_subscriptions_remove(&dispatcher->subscriptions, sub);
}

bool pi_dispatch_try_unlink_locked(struct pi_subscription *sub)
{
    if (sub->linked) { /* else its executor may be gone */
        struct pi_dispatcher *dispatcher = &sub->future.executor->dispatcher;
        if (pthread_mutex_trylock(&dispatcher->lock) != 0)
            return false; /* its holder may wait for the cq's lock, to deliver this */
        if (!sub->delivered)
            mark_delivered(dispatcher, sub);
        pi_subscriptions_remove(&dispatcher->subscriptions, sub);
        sub->linked = false;
        pthread_mutex_unlock(&dispatcher->lock);
    }
    pi_cq_remove_locked(sub->cq, sub);
    return true;
}

void pi_dispatch_unlink(struct pi_cq *cq, struct pi_subscription *subs, size_t n)
{
    for (size_t i = 0; i < n;) {
        pthread_mutex_lock(&cq->lock);
        while (i < n && pi_dispatch_try_unlink_locked(&subs[i]))
            i++;
        pthread_mutex_unlock(&cq->lock);
        if (i < n)
            pi_os_yield();
    }
}

void pi_dispatch_wake_all(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    for (struct pi_membership *m = e->dispatcher.followers; m; m = m->next)
        pi_os_semaphore_post_once(&m->cq->wakeup);
    pthread_mutex_unlock(&e->dispatcher.lock);
}
