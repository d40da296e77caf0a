/* Opening and closing a mail box, and its two threads. */
#include "worker/backend.h"

#include "os/clock.h"
#include "os/semaphore.h"
#include "os/thread.h"

#include <errno.h>
#include <stdlib.h>

#define FIRST_LISTS 64u

int pi_mail_init(struct pi_dispatcher *mail) { return pthread_mutex_init(&mail->lock, NULL); }

/* What the two threads would wait for. */
static int open_watches(struct pi_dispatcher *mail)
{
    int error = pi_watch_init(&mail->callbacks);
    if (error)
        return error;
    error = pi_watch_init(&mail->nothing);
    if (!error) {
        error = pi_os_semaphore_init(&mail->all_called);
        if (error)
            pi_watch_fini(&mail->nothing);
    }
    if (error)
        pi_watch_fini(&mail->callbacks);
    return error;
}

/* All that can fail. The lock is held. */
static posse_status begin_box(posse_executor *e, struct pi_subscription ***index)
{
    struct pi_dispatcher *mail = &e->mail;
    *index = calloc(FIRST_LISTS, sizeof(struct pi_subscription *));
    if (!*index)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    mail->parker = pi_take_parker(e, e->owner);
    int error = mail->parker == PI_NO_INDEX ? errno : open_watches(mail);
    if (error == 0)
        return POSSE_OK;
    if (mail->parker != PI_NO_INDEX)
        pi_parkers_release(&e->segment.parkers, mail->parker);
    free(*index);
    return pi_refuse_errno(error, PI_NO_PARKER);
}

/* The lock is held. */
static posse_status open_box(posse_executor *e)
{
    struct pi_subscription **index;
    struct pi_dispatcher *mail = &e->mail;
    posse_status status = begin_box(e, &index);
    if (status != POSSE_OK)
        return status;
    struct pi_parker *parker = &e->segment.parkers.at[mail->parker];
    pi_store_relaxed(&parker->done, 0); /* relaxed, both: published with */
    pi_store_relaxed(&parker->rescan, 0);
    pi_store_seq(&parker->collects, 1); /* this, before our first name in a word */
    mail->callbacks.outlives_destroy = mail->callbacks.keep_linked =
        mail->nothing.outlives_destroy = true;
    mail->home[0].executor = mail->home[1].executor = e;
    mail->callbacks.places = &mail->home[0];
    mail->nothing.places = &mail->home[1];
    mail->callbacks.n_places = mail->nothing.n_places = 1;
    mail->lists = FIRST_LISTS;
    mail->index = index;
    return POSSE_OK;
}

posse_status pi_mail_open(posse_executor *e)
{
    pthread_mutex_lock(&e->mail.lock);
    posse_status status = e->mail.index ? POSSE_OK : open_box(e);
    pthread_mutex_unlock(&e->mail.lock);
    return status;
}

posse_status pi_mail_start_thread(posse_executor *e, pthread_t *thread, void *(*body)(void *))
{
    return pi_refuse_errno(pi_os_thread_create(thread, body, e), "a thread cannot be started");
}

static void *lead(void *context)
{
    posse_executor *e = context;
    posse_status status;
    pi_os_thread_name("posse-leader");
    (void)pi_watch_next(&e->mail.nothing, PI_NEVER, &status);
    return NULL;
}

posse_status pi_mail_start_leader(posse_executor *e)
{
    struct pi_dispatcher *mail = &e->mail;
    posse_status status = POSSE_OK;
    pthread_mutex_lock(&mail->lock);
    if (!mail->has_leader) {
        status = pi_mail_start_thread(e, &mail->leader_thread, lead);
        mail->has_leader = status == POSSE_OK;
    }
    pthread_mutex_unlock(&mail->lock);
    return status;
}

void pi_mail_catch_up(posse_executor *e)
{
    pthread_mutex_lock(&e->mail.lock);
    if (e->mail.index)
        pi_mail_deal(e, true);
    pthread_mutex_unlock(&e->mail.lock);
}

void pi_mail_close(posse_executor *e)
{
    struct pi_dispatcher *mail = &e->mail;
    if (!mail->index)
        return;
    pthread_mutex_lock(&mail->lock);
    atomic_store(&mail->closing, true); /* with the threads' looks */
    pi_mail_deal(e, true);
    pi_os_semaphore_post(&e->segment.parkers.at[mail->parker].wake);
    pi_os_semaphore_post(&mail->callbacks.wakeup);
    pi_os_semaphore_post(&mail->nothing.wakeup);
    pthread_mutex_unlock(&mail->lock);
    if (mail->has_callbacks) { /* only then it is known which thread is the last one */
        (void)pi_os_semaphore_wait(&mail->all_called, PI_NEVER);
        pi_os_thread_join(mail->callback_thread);
    }
    if (mail->has_leader)
        pi_os_thread_join(mail->leader_thread);
}

void pi_mail_fini(posse_executor *e)
{
    struct pi_dispatcher *mail = &e->mail;
    if (mail->index) {
        pi_watch_fini(&mail->callbacks);
        pi_watch_fini(&mail->nothing);
        pi_os_semaphore_fini(&mail->all_called);
        free(mail->index);
        pi_parkers_release(&e->segment.parkers, mail->parker);
    }
    (void)pthread_mutex_destroy(&mail->lock);
}
