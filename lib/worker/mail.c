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
    sub->boxed = w->keeps; /* else it is the watch's alone from now on */
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
}

/* It waits no longer. */
static void settle(struct pi_mail *mail, struct pi_sub *sub)
{
    sub->dealt = true;
    mail->undealt--;
    mail->shared -= sub->shared;
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
    return pi_destroying(sub->future.executor) || !pi_fresh(word_of(sub->future), sub->future);
}

static void forget(struct pi_sub *sub)
{
    struct pi_watch *w = sub->watch;
    pthread_mutex_lock(&w->lock);
    w->forget(sub);
    pthread_mutex_unlock(&w->lock);
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
        if (!sub->watch->keeps)
            unbox(&e->mail, sub);
        if (sub->watch->flag && is_worthless(sub)) {
            forget(sub);
            continue;
        }
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
    sub->boxed = true;                     /* nobody else looks yet */
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

bool pi_mail_try_remove(struct pi_sub *sub)
{
    if (!sub->boxed)
        return true; /* then its executor may be gone */
    struct pi_mail *mail = &sub->future.executor->mail;
    if (pthread_mutex_trylock(&mail->lock) != 0)
        return false; /* it may be about to deal this very sub, with the watch's lock */
    if (!sub->dealt)
        settle(mail, sub);
    unbox(mail, sub);
    sub->boxed = false;
    pthread_mutex_unlock(&mail->lock);
    return true;
}

void pi_mail_remove(struct pi_sub *sub)
{
    for (bool removed = false; !removed;) {
        pthread_mutex_lock(&sub->watch->lock);
        removed = pi_mail_try_remove(sub);
        pthread_mutex_unlock(&sub->watch->lock);
        if (!removed)
            os_yield();
    }
}

void pi_mail_rouse(posse_executor *e)
{
    pthread_mutex_lock(&e->mail.lock);
    for (struct pi_place *place = e->mail.followers; place; place = place->next)
        os_semaphore_post(&place->watch->bell);
    pthread_cond_broadcast(&e->mail.settled);
    pthread_mutex_unlock(&e->mail.lock);
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
    for (size_t i = 0; i < w->n_places; i++) {
        posse_executor *e = w->places[i].executor;
        pthread_mutex_lock(&e->mail.lock);
        deal(e, false);
        pthread_mutex_unlock(&e->mail.lock);
    }
    return has_mail(w);
}

static bool is_over(const struct pi_watch *w)
{
    for (size_t i = 0; i < w->n_places; i++) {
        posse_executor *e = w->places[i].executor;
        if (w->lasting ? e->mail.closing : pi_destroying(e))
            return true;
    }
    return false;
}

/* Runs the task, if nobody has begun it. */
static bool help_with(posse_future future)
{
    uint64_t word = future.executor ? word_of(future) : 0, seen = 0;
    /* A claim also fails because somebody else has just put his name into the word. */
    for (; word != seen && pi_fresh(word, future) && pi_state(word) == PI_READY;
         seen = word, word = word_of(future))
        if (pi_help(future.executor, future.slot, word))
            return true;
    return false;
}

/* A task runs one of those that it waits for. */
static bool help(struct pi_watch *w)
{
    for (; pi_self && w->next_help < w->n_subs; w->next_help++)
        if (help_with(w->subs[w->next_help].future))
            return true;
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

/* Its box's lock is held. */
static void begin_following(struct pi_place *place, struct pi_watch *w)
{
    struct pi_mail *mail = &place->executor->mail;
    place->watch = w;
    place->next = mail->followers;
    mail->followers = place;
}

static void end_following(struct pi_place *place)
{
    struct pi_place **at = &place->executor->mail.followers;
    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
}

/* Sleeps until somebody deals us something, or wakes us to lead. The lock is held. */
static void follow(struct pi_watch *w, uint64_t until)
{
    struct pi_mail *mail = &w->places->executor->mail;
    begin_following(w->places, w);
    pthread_mutex_unlock(&mail->lock);
    (void)os_semaphore_wait(&w->bell, until);
    pthread_mutex_lock(&mail->lock);
    end_following(w->places);
}

/* The same in several executors, where threads of posse's lead. */
static void follow_all(struct pi_watch *w, uint64_t until)
{
    for (size_t i = 0; i < w->n_places; i++) {
        pthread_mutex_lock(&w->places[i].executor->mail.lock);
        begin_following(&w->places[i], w);
        pthread_mutex_unlock(&w->places[i].executor->mail.lock);
    }
    if (!is_over(w)) /* who destroys one says so first, and then wakes us */
        (void)os_semaphore_wait(&w->bell, until);
    for (size_t i = 0; i < w->n_places; i++) {
        pthread_mutex_lock(&w->places[i].executor->mail.lock);
        end_following(&w->places[i]);
        pthread_mutex_unlock(&w->places[i].executor->mail.lock);
    }
}

static void rest(struct pi_watch *w, uint64_t until)
{
    if (w->n_places > 1) {
        follow_all(w, until);
        return;
    }
    posse_executor *e = w->places->executor;
    pthread_mutex_lock(&e->mail.lock);
    if (e->mail.led)
        follow(w, until);
    else if (!has_mail(w) && !is_over(w))
        lead(e, until);
    pthread_mutex_unlock(&e->mail.lock);
}

/* We have rested, and go: somebody else must lead. */
static void hand_over(struct pi_watch *w)
{
    struct pi_mail *mail = &w->places->executor->mail;
    if (w->n_places > 1)
        return;
    pthread_mutex_lock(&mail->lock);
    struct pi_place *heir = mail->led ? NULL : mail->followers;
    while (heir && heir->watch->n_places > 1)
        heir = heir->next;
    if (heir)
        os_semaphore_post(&heir->watch->bell);
    pthread_mutex_unlock(&mail->lock);
}

struct pi_sub *pi_watch_next(struct pi_watch *w, uint64_t until, posse_status *status)
{
    struct pi_sub *sub;
    bool rested = false;
    *status = POSSE_TIMEOUT;
    while ((sub = pi_watch_take(w)) == NULL) {
        bool over = is_over(w); /* if so, this look deals all that there is */
        if (look(w))
            continue;
        if (over)
            *status = POSSE_SHUT_DOWN;
        if (over || until == 0 || os_now() >= until)
            break;
        if (help(w))
            continue;
        rest(w, until);
        rested = true;
    }
    if (rested)
        hand_over(w);
    return sub;
}
