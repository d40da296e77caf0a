/* The box: who has subscribed to what, and dealing out what has ended. */
#include "pool/dispatch.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/pool.h"
#include "pool/verify.h"

#include <stdlib.h>

static struct pi_parker *parker_of(posse_executor *e)
{
    return &e->segment.parkers.at[e->dispatcher.parker];
}

/* ---- the index ---- */

/* The list that has the subs of a slot: its newest. */
static struct pi_subscription **list_of(const struct pi_dispatcher *dispatcher, uint32_t slot)
{
    return &dispatcher->index[slot & (dispatcher->lists - 1)];
}

static void box(struct pi_dispatcher *dispatcher, struct pi_subscription *sub)
{
    struct pi_subscription **newest = list_of(dispatcher, sub->future.slot);
    sub->younger = NULL;
    sub->older = *newest;
    if (sub->older)
        sub->older->younger = sub;
    *newest = sub;
}

static void unbox(struct pi_dispatcher *dispatcher, struct pi_subscription *sub)
{
    if (sub->older)
        sub->older->younger = sub->younger;
    if (sub->younger)
        sub->younger->older = sub->older;
    else
        *list_of(dispatcher, sub->future.slot) = sub->older;
    dispatcher->boxed--;
}

/* Boxes those of a list again, the oldest first. */
static void box_again(struct pi_dispatcher *dispatcher, struct pi_subscription *newest)
{
    struct pi_subscription *sub = newest;
    while (sub && sub->older)
        sub = sub->older;
    while (sub) {
        struct pi_subscription *younger = sub->younger;
        box(dispatcher, sub);
        sub = younger;
    }
}

/* Makes the lists shorter. Without memory for more of them they stay long. */
static void spread(struct pi_dispatcher *dispatcher)
{
    uint32_t lists = dispatcher->lists;
    struct pi_subscription **index = dispatcher->index;
    struct pi_subscription **more =
        lists < PI_MAX_SLOTS ? calloc(2 * (size_t)lists, sizeof(struct pi_subscription *)) : NULL;
    if (!more)
        return;
    dispatcher->index = more;
    dispatcher->lists = 2 * lists;
    for (uint32_t i = 0; i < lists; i++)
        box_again(dispatcher, index[i]);
    free(index);
}

/* ---- dealing ---- */

static void hand_out(struct pi_subscription *sub)
{
    struct pi_cq *w = sub->cq;
    pthread_mutex_lock(&w->lock);
    sub->boxed = w->keep_linked; /* else it is the watch's alone from now on */
    pi_cq_append(w, sub);
    pthread_mutex_unlock(&w->lock);
}

/* It waits no longer. */
static void mark_delivered(struct pi_dispatcher *dispatcher, struct pi_subscription *sub)
{
    sub->delivered = true;
    dispatcher->pending--;
    dispatcher->foreign -= sub->foreign;
}

/* Whether there is nothing more to wait for. */
static bool is_due(posse_executor *e, const struct pi_subscription *sub)
{
    /* Before the word: CLOSED comes after the last end. */
    bool over = pi_phase_of(e) >= PI_CLOSED || e->dispatcher.closing ||
                (pi_destroying(e) && !sub->cq->outlives_destroy);
    uint64_t word = pi_word_of(sub->future);
    return over || pi_final(word) || !pi_handle_valid(word, sub->future);
}

/* Whoever holds a descriptor is not told of futures that were released, or whose executor is being
 * destroyed: it could do nothing with them. */
static bool is_worthless(const struct pi_subscription *sub)
{
    return pi_destroying(sub->future.executor) ||
           !pi_handle_valid(pi_word_of(sub->future), sub->future);
}

static void forget(struct pi_subscription *sub)
{
    struct pi_cq *w = sub->cq;
    pthread_mutex_lock(&w->lock);
    w->drop(sub);
    pthread_mutex_unlock(&w->lock);
}

/* Takes a sub that is due out, and puts it in front of the list. */
static struct pi_subscription *take(posse_executor *e, struct pi_subscription *sub,
                                    struct pi_subscription *list)
{
    mark_delivered(&e->dispatcher, sub);
    if (!sub->cq->keep_linked)
        unbox(&e->dispatcher, sub);
    if (sub->cq->flag && is_worthless(sub)) {
        forget(sub);
        return list;
    }
    sub->next_delivered = list;
    return sub;
}

/* Puts those of a slot that are due in front of the list, the oldest first. */
static struct pi_subscription *gather(posse_executor *e, uint32_t slot,
                                      struct pi_subscription *list)
{
    struct pi_subscription *older;
    for (struct pi_subscription *sub = *list_of(&e->dispatcher, slot); sub; sub = older) {
        older = sub->older;
        if (sub->future.slot == slot && !sub->delivered && is_due(e, sub))
            list = take(e, sub, list);
    }
    return list;
}

static void deal_out(struct pi_subscription *list)
{
    while (list) {
        struct pi_subscription *sub = list;
        list = sub->next_delivered;
        hand_out(sub);
    }
}

static struct pi_subscription *gather_all(posse_executor *e, struct pi_subscription *list)
{
    for (uint32_t i = e->dispatcher.lists; i > 0 && e->dispatcher.pending > 0; i--) {
        struct pi_subscription *older;
        for (struct pi_subscription *sub = e->dispatcher.index[i - 1]; sub; sub = older) {
            older = sub->older;
            if (!sub->delivered && is_due(e, sub))
                list = take(e, sub, list);
        }
    }
    return list;
}

/* Those in the list of the parker. *broken: it leads astray. */
static struct pi_subscription *gather_ready(posse_executor *e, bool *broken)
{
    struct pi_slots *slots = &e->segment.slots;
    struct pi_subscription *list = NULL;
    pi_done_ref at = pi_done_list_take(parker_of(e));
    uint32_t slot, step = 0;
    while (pi_done_list_next(slots, e->dispatcher.slots, &at, &slot, broken)) {
        list = gather(e, slot, list);
        if (++step > e->dispatcher.slots) { /* scribbled: it goes round */
            *broken = true;
            break;
        }
    }
    return list;
}

void pi_dispatch_deliver(posse_executor *e, bool doubt)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    bool broken;
    doubt |= pi_load_seq(&parker_of(e)->rescan) && pi_exchange_seq(&parker_of(e)->rescan, 0);
    struct pi_subscription *list = gather_ready(e, &broken);
    if (doubt || broken || dispatcher->foreign > 0 || dispatcher->closing || pi_destroying(e) ||
        pi_phase_of(e) >= PI_CLOSED)
        list = gather_all(e, list);
    deal_out(list);
}

void pi_dispatch_verify(posse_executor *e)
{
    for (uint32_t i = e->dispatcher.lists; i > 0 && e->dispatcher.pending > 0; i--)
        for (struct pi_subscription *sub = e->dispatcher.index[i - 1]; sub; sub = sub->older)
            if (!sub->delivered && pi_handle_valid(pi_word_of(sub->future), sub->future))
                pi_verify_task(e, sub->future.slot, &sub->verify);
}

bool pi_dispatch_slot(posse_executor *e, uint32_t slot, uint32_t parker)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    bool ours = e->dispatcher.index && e->dispatcher.parker == parker;
    struct pi_subscription *list = ours ? gather(e, slot, NULL) : NULL;
    deal_out(list);
    /* If it was the leader's: it sleeps on this, not on the bell of its watch. */
    if (list && e->dispatcher.led)
        pi_os_semaphore_post(&parker_of(e)->wake);
    pthread_mutex_unlock(&e->dispatcher.lock);
    return ours;
}

/* ---- subscribing ---- */

void pi_dispatch_link(struct pi_subscription *sub)
{
    struct pi_dispatcher *dispatcher = &sub->future.executor->dispatcher;
    sub->delivered = sub->foreign = sub->listed = false;
    sub->verify = (struct pi_verify){.word = 0};
    if (++dispatcher->boxed > dispatcher->lists)
        spread(dispatcher);
    box(dispatcher, sub);
    if (dispatcher->slots <= sub->future.slot)
        dispatcher->slots = sub->future.slot + 1;
    sub->boxed = true;                                  /* nobody else looks yet */
    if (++dispatcher->pending == 1 && dispatcher->idle) /* it sleeps without looks until now */
        pi_os_semaphore_post(&dispatcher->idle->wakeup);
}

static bool collects(posse_executor *e, unsigned parker)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    return parker <= pi_parkers_count(parkers) && pi_load_seq(&parkers->at[parker - 1].collects);
}

/* The word with our name in it. A name of one who waits for this task alone gives way, as everyone
 * is woken for BROADCAST; that of another box stays. */
static uint64_t named(struct pi_subscription *sub, uint64_t word)
{
    posse_executor *e = sub->future.executor;
    unsigned there = pi_parker(word), ours = e->dispatcher.parker + 1;
    sub->foreign = there != 0 && there != ours && collects(e, there);
    if (there == ours)
        return word;
    return sub->foreign ? word | PI_BROADCAST
                        : pi_with_parker(word, ours) | (there ? (uint64_t)PI_BROADCAST : 0);
}

void pi_dispatch_arm(struct pi_subscription *sub)
{
    posse_executor *e = sub->future.executor;
    _Atomic uint64_t *at = &e->segment.slots.at[sub->future.slot].word;
    uint64_t word = pi_word_of(sub->future);
    bool done = false;
    while (!done && !is_due(e, sub)) {
        uint64_t next = named(sub, word);
        /* seq: whoever ends the task finds the name there, or we find it ended */
        done = next == word || pi_cas_seq(at, &word, next);
    }
    if (done) {
        e->dispatcher.foreign += sub->foreign;
    } else {
        sub->foreign = false;
        deal_out(gather(e, sub->future.slot, NULL));
    }
}

bool pi_dispatch_try_unlink(struct pi_subscription *sub)
{
    if (sub->boxed) { /* else its executor may be gone */
        struct pi_dispatcher *dispatcher = &sub->future.executor->dispatcher;
        if (pthread_mutex_trylock(&dispatcher->lock) != 0)
            return false; /* it may be about to deal this very sub, with the watch's lock */
        if (!sub->delivered)
            mark_delivered(dispatcher, sub);
        unbox(dispatcher, sub);
        sub->boxed = false;
        pthread_mutex_unlock(&dispatcher->lock);
    }
    pi_cq_unlist(sub->cq, sub);
    return true;
}

void pi_dispatch_unlink(struct pi_subscription *sub)
{
    for (bool removed = false; !removed;) {
        pthread_mutex_lock(&sub->cq->lock);
        removed = pi_dispatch_try_unlink(sub);
        pthread_mutex_unlock(&sub->cq->lock);
        if (!removed)
            pi_os_yield();
    }
}

void pi_dispatch_wake_all(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    for (struct pi_membership *place = e->dispatcher.followers; place; place = place->next)
        pi_os_semaphore_post(&place->cq->wakeup);
    pthread_mutex_unlock(&e->dispatcher.lock);
}

struct pi_subscription *pi_dispatch_find(posse_future future, const struct pi_cq *cq)
{
    struct pi_subscription *sub = *list_of(&future.executor->dispatcher, future.slot);
    while (sub && (sub->cq != cq || sub->future.slot != future.slot ||
                   sub->future.generation != future.generation))
        sub = sub->older;
    return sub;
}
