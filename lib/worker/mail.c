#include "worker/backend.h"

#include "os/clock.h"
#include "os/semaphore.h"

static struct pi_parker *parker_of(posse_executor *e)
{
    return &e->segment.parkers.at[e->mail.parker];
}

static uint64_t word_of(posse_future future)
{
    return pi_load_seq(&future.executor->segment.slots.at[future.slot].word);
}

/* ---- dealing ---- */

static void append(struct pi_sub *sub)
{
    struct pi_watch *w = sub->watch;
    pthread_mutex_lock(&w->lock);
    bool first = w->first == NULL;
    sub->later = NULL;
    if (first)
        w->first = sub;
    else
        w->last->later = sub;
    w->last = sub;
    if (first && w->flag)
        os_flag_set(w->flag);
    else if (first)
        os_semaphore_post(&w->bell);
    pthread_mutex_unlock(&w->lock);
}

/* Takes it out of the list under its slot. */
static void unbox(struct pi_mail *mail, struct pi_sub *sub)
{
    struct pi_sub **at = &mail->by_slot[sub->future.slot];
    while (*at != sub)
        at = &(*at)->older;
    *at = sub->older;
    atomic_store(&sub->boxed, false); /* with pi_mail_remove */
}

/* It waits no longer. */
static void settle(struct pi_mail *mail, struct pi_sub *sub)
{
    sub->dealt = true;
    mail->undealt--;
    mail->shared -= sub->shared;
    if (!sub->watch->keeps)
        unbox(mail, sub);
}

/* Whether there is nothing more to wait for. */
static bool is_due(posse_executor *e, const struct pi_sub *sub)
{
    /* Before the word: CLOSED comes after the last end. */
    bool over = pi_phase_of(e) >= PI_CLOSED || e->mail.closing ||
                (pi_destroying(e) && !sub->watch->lasting);
    uint64_t word = word_of(sub->future);
    return over || pi_final(word) || !pi_fresh(word, sub->future);
}

/* Whoever holds a descriptor is not told of futures that were released, or whose executor is being
 * destroyed: it could do nothing with them. */
static bool is_worthless(const struct pi_sub *sub)
{
    return sub->future.executor->mail.closing || !pi_fresh(word_of(sub->future), sub->future);
}

/* Puts those of a slot that are due in front of the list, the oldest first. */
static struct pi_sub *gather(posse_executor *e, uint32_t slot, struct pi_sub *list)
{
    struct pi_sub *older;
    for (struct pi_sub *sub = e->mail.by_slot[slot]; sub; sub = older) {
        older = sub->older;
        if (sub->dealt || !is_due(e, sub))
            continue;
        settle(&e->mail, sub);
        if (sub->watch->flag && is_worthless(sub))
            continue;
        sub->later = list;
        list = sub;
    }
    return list;
}

static void deal_out(struct pi_sub *list)
{
    while (list) {
        struct pi_sub *sub = list;
        list = sub->later;
        append(sub);
    }
}

static struct pi_sub *gather_all(posse_executor *e, struct pi_sub *list)
{
    for (uint32_t i = pi_slots_count(&e->segment.slots); i > 0 && e->mail.undealt > 0; i--)
        list = gather(e, i - 1, list);
    return list;
}

/* Those in the list of the parker. *broken: it leads astray. */
static struct pi_sub *gather_ready(posse_executor *e, bool *broken)
{
    struct pi_slots *slots = &e->segment.slots;
    struct pi_sub *list = NULL;
    pi_ready_ref at = pi_ready_take(parker_of(e));
    uint32_t slot, step = 0;
    while (pi_ready_next(slots, &at, &slot, broken)) {
        list = gather(e, slot, list);
        if (++step > slots->max) { /* scribbled: it goes round */
            *broken = true;
            break;
        }
    }
    return list;
}

/* Deals what has come; `doubt`: the list may have lost some. The lock is held. */
static void deal(posse_executor *e, bool doubt)
{
    struct pi_mail *mail = &e->mail;
    bool broken;
    doubt |= pi_load_seq(&parker_of(e)->rescan) && pi_exchange_seq(&parker_of(e)->rescan, 0);
    struct pi_sub *list = gather_ready(e, &broken);
    if (doubt || broken || mail->shared > 0 || mail->closing || pi_destroying(e) ||
        pi_phase_of(e) >= PI_CLOSED)
        list = gather_all(e, list);
    deal_out(list);
}

void pi_mail_deal(posse_executor *e) { deal(e, true); }

/* ---- subscribing ---- */

void pi_mail_put(struct pi_sub *sub)
{
    struct pi_mail *mail = &sub->future.executor->mail;
    sub->dealt = sub->shared = false;
    sub->older = mail->by_slot[sub->future.slot];
    mail->by_slot[sub->future.slot] = sub;
    atomic_store(&sub->boxed, true);
    if (++mail->undealt == 1 && mail->led) /* who leads may sleep without looks until now */
        os_semaphore_post(&parker_of(sub->future.executor)->wake);
}

static bool collects(posse_executor *e, unsigned parker)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    return parker <= pi_parkers_count(parkers) && pi_load_seq(&parkers->at[parker - 1].collects);
}

/* The word with our name in it. A name of one who waits for this task alone gives way, as everyone
 * is woken for MANY; that of another box stays. */
static uint64_t named(struct pi_sub *sub, uint64_t word)
{
    posse_executor *e = sub->future.executor;
    unsigned there = pi_parker(word), ours = e->mail.parker + 1;
    sub->shared = there != 0 && there != ours && collects(e, there);
    if (there == ours)
        return word;
    return sub->shared ? word | PI_MANY
                       : pi_with_parker(word, ours) | (there ? (uint64_t)PI_MANY : 0);
}

void pi_mail_name(struct pi_sub *sub)
{
    posse_executor *e = sub->future.executor;
    _Atomic uint64_t *at = &e->segment.slots.at[sub->future.slot].word;
    uint64_t word = pi_load_seq(at);
    bool done = false;
    while (!done && !is_due(e, sub)) {
        uint64_t next = named(sub, word);
        /* seq: whoever ends the task finds the name there, or we find it ended */
        done = next == word || pi_cas_seq(at, &word, next);
    }
    if (done) {
        e->mail.shared += sub->shared;
    } else {
        sub->shared = false;
        deal_out(gather(e, sub->future.slot, NULL));
    }
}

void pi_mail_remove(struct pi_sub *sub)
{
    /* Not in a box: then its executor may be gone. Only we put it in. */
    if (atomic_load(&sub->boxed)) {
        struct pi_mail *mail = &sub->future.executor->mail;
        pthread_mutex_lock(&mail->lock);
        if (!sub->dealt)
            settle(mail, sub);
        if (atomic_load(&sub->boxed))
            unbox(mail, sub);
        pthread_mutex_unlock(&mail->lock);
    }
}

struct pi_sub *pi_mail_find(posse_future future, const struct pi_watch *watch)
{
    struct pi_sub *sub = future.executor->mail.by_slot[future.slot];
    while (sub && (sub->watch != watch || sub->future.generation != future.generation))
        sub = sub->older;
    return sub;
}

/* ---- watches ---- */

void pi_watch_init(struct pi_watch *w)
{
    *w = (struct pi_watch){.flag = NULL};
    (void)pthread_mutex_init(&w->lock, NULL); /* without attributes neither can fail */
    (void)os_semaphore_init(&w->bell);
}

void pi_watch_fini(struct pi_watch *w)
{
    (void)pthread_mutex_destroy(&w->lock);
    (void)sem_destroy(&w->bell);
}

struct pi_sub *pi_watch_take(struct pi_watch *w)
{
    pthread_mutex_lock(&w->lock);
    struct pi_sub *sub = w->first;
    if (sub)
        w->first = sub->later;
    if (sub && !w->first && w->flag)
        os_flag_clear(w->flag);
    pthread_mutex_unlock(&w->lock);
    return sub;
}

static bool has_mail(struct pi_watch *w)
{
    pthread_mutex_lock(&w->lock);
    bool has = w->first != NULL;
    pthread_mutex_unlock(&w->lock);
    return has;
}

/* Deals what is there, whoever leads. True: some of it is ours. */
static bool look(struct pi_watch *w)
{
    for (size_t i = 0; i < w->n_executors; i++) {
        posse_executor *e = w->executors[i];
        pthread_mutex_lock(&e->mail.lock);
        deal(e, false);
        pthread_mutex_unlock(&e->mail.lock);
    }
    return has_mail(w);
}

static bool is_over(const struct pi_watch *w)
{
    for (size_t i = 0; i < w->n_executors; i++)
        if (w->lasting ? w->executors[i]->mail.closing : pi_destroying(w->executors[i]))
            return true;
    return false;
}

/* A task runs one of those that it waits for, if nobody has begun it. */
static bool help(struct pi_watch *w)
{
    for (; pi_self && w->next_help < w->n_subs; w->next_help++) {
        posse_future future = w->subs[w->next_help].future;
        uint64_t word = future.executor ? word_of(future) : 0;
        if (pi_fresh(word, future) && pi_help(future.executor, future.slot, word))
            return true;
    }
    return false;
}

/* Sleeps on the box's parker and deals what comes. The lock is held, but not while it sleeps. */
static void lead(posse_executor *e, uint64_t until)
{
    struct pi_mail *mail = &e->mail;
    bool idle = mail->undealt == 0, woken; /* then there is nothing to look after */
    mail->led = true;
    pthread_mutex_unlock(&mail->lock);
    woken =
        idle ? os_semaphore_wait(&parker_of(e)->wake, until) : pi_sleep_on(e, mail->parker, until);
    pthread_mutex_lock(&mail->lock);
    mail->led = false;
    deal(e, !woken);
}

/* Sleeps until somebody deals us something, or wakes us to lead. */
static void follow(struct pi_mail *mail, struct pi_watch *w, uint64_t until)
{
    w->next_follower = mail->followers;
    mail->followers = w;
    pthread_mutex_unlock(&mail->lock);
    (void)os_semaphore_wait(&w->bell, until);
    pthread_mutex_lock(&mail->lock);
    struct pi_watch **at = &mail->followers;
    while (*at != w)
        at = &(*at)->next_follower;
    *at = w->next_follower;
}

static void rest(struct pi_watch *w, uint64_t until)
{
    if (w->n_executors > 1) {
        (void)os_semaphore_wait(&w->bell, until);
        return;
    }
    struct pi_mail *mail = &w->executors[0]->mail;
    pthread_mutex_lock(&mail->lock);
    if (mail->led)
        follow(mail, w, until);
    else if (!has_mail(w) && !is_over(w))
        lead(w->executors[0], until);
    pthread_mutex_unlock(&mail->lock);
}

/* We have rested, and go: somebody else must lead. */
static void hand_over(struct pi_watch *w)
{
    if (w->n_executors > 1)
        return;
    struct pi_mail *mail = &w->executors[0]->mail;
    pthread_mutex_lock(&mail->lock);
    if (!mail->led && mail->followers)
        os_semaphore_post(&mail->followers->bell);
    pthread_mutex_unlock(&mail->lock);
}

struct pi_sub *pi_watch_next(struct pi_watch *w, uint64_t until, posse_status *status)
{
    struct pi_sub *sub;
    bool rested = false;
    *status = POSSE_TIMEOUT;
    while ((sub = pi_watch_take(w)) == NULL) {
        if (look(w))
            continue;
        if (is_over(w)) {
            *status = POSSE_SHUT_DOWN;
            break;
        }
        if (help(w))
            continue;
        if (until == 0 || os_now() >= until)
            break;
        rest(w, until);
        rested = true;
    }
    if (rested)
        hand_over(w);
    return sub;
}
