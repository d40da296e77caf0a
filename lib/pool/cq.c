/* Waiting on a watch: taking what was dealt, leading, following. */
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/await.h"
#include "pool/dispatch.h"
#include "pool/park.h"
#include "pool/pool.h"
#include "pool/self.h"

int pi_cq_init(struct pi_cq *w)
{
    *w = (struct pi_cq){.flag = NULL};
    int error = pi_os_semaphore_init(&w->wakeup);
    if (error)
        return error;
    error = pthread_mutex_init(&w->lock, NULL);
    if (error)
        pi_os_semaphore_fini(&w->wakeup);
    return error;
}

void pi_cq_fini(struct pi_cq *w)
{
    (void)pthread_mutex_destroy(&w->lock);
    pi_os_semaphore_fini(&w->wakeup);
}

void pi_cq_append(struct pi_cq *w, struct pi_subscription *sub)
{
    bool only = w->first == NULL;
    sub->prev_delivered = only ? NULL : w->last;
    sub->next_delivered = NULL;
    sub->listed = true;
    *(only ? &w->first : &w->last->next_delivered) = sub;
    w->last = sub;
    if (only && w->flag)
        pi_os_pollable_set(w->flag);
    else if (only)
        pi_os_semaphore_post(&w->wakeup);
}

void pi_cq_unlist(struct pi_cq *w, struct pi_subscription *sub)
{
    if (!sub->listed)
        return;
    sub->listed = false;
    *(sub->prev_delivered ? &sub->prev_delivered->next_delivered : &w->first) = sub->next_delivered;
    *(sub->next_delivered ? &sub->next_delivered->prev_delivered : &w->last) = sub->prev_delivered;
    if (!w->first && w->flag)
        pi_os_pollable_clear(w->flag);
}

struct pi_subscription *pi_cq_try_next(struct pi_cq *w)
{
    pthread_mutex_lock(&w->lock);
    struct pi_subscription *sub = w->first;
    if (sub)
        pi_cq_unlist(w, sub);
    pthread_mutex_unlock(&w->lock);
    return sub;
}

static bool has_mail(struct pi_cq *w)
{
    pthread_mutex_lock(&w->lock);
    bool has = w->first != NULL;
    pthread_mutex_unlock(&w->lock);
    return has;
}

/* Deals what is there, whoever leads. True: some of it is ours. */
static bool look(struct pi_cq *w)
{
    for (size_t i = 0; i < w->n_places; i++) {
        posse_executor *e = w->places[i].executor;
        pthread_mutex_lock(&e->dispatcher.lock);
        pi_dispatch_deliver(e, false);
        pthread_mutex_unlock(&e->dispatcher.lock);
    }
    return has_mail(w);
}

static bool is_over(const struct pi_cq *w)
{
    for (size_t i = 0; i < w->n_places; i++) {
        posse_executor *e = w->places[i].executor;
        if (w->outlives_destroy ? e->dispatcher.closing : pi_destroying(e))
            return true;
    }
    return false;
}

/* Runs the task: as pi_help. */
static posse_status help_with(posse_future future)
{
    posse_status status = POSSE_TIMEOUT;
    uint64_t word = future.executor ? pi_word_of(future) : 0, seen = 0;
    /* A claim also fails because somebody else has just put his name into the word. */
    for (; status == POSSE_TIMEOUT && word != seen && pi_handle_valid(word, future) &&
           pi_state(word) == PI_PENDING;
         seen = word, word = pi_word_of(future))
        status = pi_help(future.executor, future.slot, word);
    return status;
}

/* A task runs one of those that it waits for: as pi_help. */
static posse_status help(struct pi_cq *w)
{
    posse_status status = POSSE_TIMEOUT;
    for (; pi_self && w->next_help < w->n_subs; w->next_help++)
        if ((status = help_with(w->subs[w->next_help].future)) != POSSE_TIMEOUT)
            break;
    return status;
}

/* Sleeps on the box's parker and deals what comes. The lock is held, but not while it sleeps. */
static void lead(posse_executor *e, struct pi_cq *w, uint64_t until)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    bool idle = dispatcher->pending == 0, woken; /* then there is nothing to look after */
    dispatcher->led = true;
    dispatcher->idle = idle ? w : NULL;
    pthread_mutex_unlock(&dispatcher->lock);
    /* Without looks it sleeps in private memory, where nobody can scribble. */
    woken = idle ? pi_os_semaphore_wait(&w->wakeup, until)
                 : pi_park_until(e, dispatcher->parker, until);
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->led = false;
    dispatcher->idle = NULL;
    if (!woken && !idle)
        pi_dispatch_verify(e);
    pi_dispatch_deliver(e, !woken);
}

/* Its box's lock is held. */
static void begin_following(struct pi_membership *place, struct pi_cq *w)
{
    struct pi_dispatcher *dispatcher = &place->executor->dispatcher;
    place->cq = w;
    place->next = dispatcher->followers;
    dispatcher->followers = place;
}

static void end_following(struct pi_membership *place)
{
    struct pi_membership **at = &place->executor->dispatcher.followers;
    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
}

/* Sleeps until somebody deals us something, or wakes us to lead. The lock is held. */
static void follow(struct pi_cq *w, uint64_t until)
{
    struct pi_dispatcher *dispatcher = &w->places->executor->dispatcher;
    begin_following(w->places, w);
    pthread_mutex_unlock(&dispatcher->lock);
    (void)pi_os_semaphore_wait(&w->wakeup, until);
    pthread_mutex_lock(&dispatcher->lock);
    end_following(w->places);
}

/* The same in several executors, where threads of posse's lead. */
static void follow_all(struct pi_cq *w, uint64_t until)
{
    for (size_t i = 0; i < w->n_places; i++) {
        pthread_mutex_lock(&w->places[i].executor->dispatcher.lock);
        begin_following(&w->places[i], w);
        pthread_mutex_unlock(&w->places[i].executor->dispatcher.lock);
    }
    if (!is_over(w)) /* who destroys one says so first, and then wakes us */
        (void)pi_os_semaphore_wait(&w->wakeup, until);
    for (size_t i = 0; i < w->n_places; i++) {
        pthread_mutex_lock(&w->places[i].executor->dispatcher.lock);
        end_following(&w->places[i]);
        pthread_mutex_unlock(&w->places[i].executor->dispatcher.lock);
    }
}

static void sleep_until_verify(struct pi_cq *w, uint64_t until)
{
    if (w->n_places > 1) {
        follow_all(w, until);
        return;
    }
    posse_executor *e = w->places->executor;
    pthread_mutex_lock(&e->dispatcher.lock);
    if (e->dispatcher.led)
        follow(w, until);
    else if (!has_mail(w) && !is_over(w))
        lead(e, w, until);
    pthread_mutex_unlock(&e->dispatcher.lock);
}

/* We have rested, and go: somebody else must lead. */
static void hand_over(struct pi_cq *w)
{
    struct pi_dispatcher *dispatcher = &w->places->executor->dispatcher;
    if (w->n_places > 1)
        return;
    pthread_mutex_lock(&dispatcher->lock);
    struct pi_membership *follower = dispatcher->led ? NULL : dispatcher->followers;
    while (follower && follower->cq->n_places > 1)
        follower = follower->next;
    if (follower)
        pi_os_semaphore_post(&follower->cq->wakeup);
    pthread_mutex_unlock(&dispatcher->lock);
}

/* Whether all supervisors live; if not, what can never end is dealt now. Who did not wait looks
 * only now and then. */
static bool are_supervised(const struct pi_cq *w, bool waited)
{
    bool live = true;
    for (size_t i = 0; i < w->n_places; i++) {
        posse_executor *e = w->places[i].executor;
        live &= waited ? pi_check_supervisor(e) : pi_poll_supervisor(e);
    }
    return live;
}

struct pi_subscription *pi_cq_next(struct pi_cq *w, uint64_t until, posse_status *status)
{
    struct pi_subscription *sub;
    bool rested = false;
    *status = POSSE_TIMEOUT;
    while ((sub = pi_cq_try_next(w)) == NULL) {
        bool over = is_over(w); /* if so, this look deals all that there is */
        if (look(w))
            continue;
        if (over) {
            *status = POSSE_SHUT_DOWN;
            break;
        }
        if (until == 0 || pi_os_now() >= until) {
            if (are_supervised(w, until != 0) || !look(w))
                break;
            continue;
        }
        posse_status helped = help(w);
        if (helped == POSSE_NO_MEMORY) {
            *status = helped;
            break;
        }
        if (helped == POSSE_OK)
            continue;
        sleep_until_verify(w, until);
        rested = true;
    }
    if (rested)
        hand_over(w);
    return sub;
}
