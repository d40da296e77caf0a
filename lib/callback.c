/* Callbacks: called by one thread of the executor's, which waits for the futures that have any. */
#include "api.h"

#include "os/clock.h"
#include "os/thread.h"

#include <stdio.h>
#include <stdlib.h>

/* The callbacks that this thread is in. */
struct frame {
    const posse_executor *executor;
    struct frame *outer;
};
static _Thread_local struct frame *innermost;

bool pi_calls_back(const posse_executor *e)
{
    struct frame *frame = innermost;
    while (frame && frame->executor != e)
        frame = frame->outer;
    return frame != NULL;
}

struct callback {
    struct pi_sub sub; /* comes first: one is the other */
    posse_callback *function;
    void *context;
};

static void call(posse_future future, posse_callback *function, void *context)
{
    posse_executor *e = future.executor;
    struct frame frame = {e, innermost};
    char text[64];
    innermost = &frame;
    int code = function(future, context);
    innermost = frame.outer;
    if (code == 0 || !e->log)
        return;
    snprintf(text, sizeof text, "a done callback returned %d", code);
    e->log(e->log_context, text);
}

/* One callback less to be called. */
static void count_down(posse_executor *e)
{
    if (atomic_fetch_sub(&e->mail.callbacks_left, 1) == 1 && pi_phase_of(e) != PI_OPEN)
        pi_wake_all_parkers(e);
}

/* It was called, or its future was released. */
static void drop(posse_executor *e, struct pi_sub *sub)
{
    pi_mail_remove(sub);
    free(sub);
    count_down(e);
}

static void *call_all(void *context)
{
    posse_executor *e = context;
    struct pi_sub *sub;
    posse_status status;
    pi_os_thread_name("posse-callbacks");
    while ((sub = pi_watch_next(&e->mail.callbacks, PI_NEVER, &status)) != NULL) {
        const struct callback *callback = (struct callback *)sub;
        struct pi_slot *slot;
        uint64_t word;
        if (pi_future_look(sub->future, &slot, &word) == POSSE_OK)
            call(sub->future, callback->function, callback->context);
        drop(e, sub);
    }
    return NULL;
}

/* Leaves the callback to the thread, unless the future has ended and none of its others are still
 * to be called. */
static posse_status add(posse_executor *e, struct pi_sub *sub, bool *now)
{
    struct pi_mail *mail = &e->mail;
    posse_status status = POSSE_OK;
    pthread_mutex_lock(&mail->lock);
    *now = pi_has_ended(sub->future) && !pi_mail_find(sub->future, &mail->callbacks);
    if (!*now && !mail->has_callbacks) {
        status = pi_mail_start_thread(e, &mail->callback_thread, call_all);
        mail->has_callbacks = status == POSSE_OK;
    }
    mail->callbacks_left += status == POSSE_OK;
    if (!*now && status == POSSE_OK) {
        sub->watch = &mail->callbacks;
        pi_mail_put(sub);
        pi_mail_name(sub);
    }
    pthread_mutex_unlock(&mail->lock);
    return status;
}

posse_status posse_add_done_callback(posse_future future, posse_callback *function, void *context)
{
    struct pi_slot *slot;
    uint64_t word;
    bool now = false;
    posse_status status = pi_future_look(future, &slot, &word);
    if (status == POSSE_OK && !function)
        status = pi_refuse(POSSE_INVALID, "callback is NULL");
    if (status == POSSE_OK && future.executor->owner != PI_PROGRAM)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "a worker process calls no callbacks");
    if (status == POSSE_OK)
        status = pi_mail_open(future.executor);
    if (status != POSSE_OK)
        return status;
    struct callback *callback = malloc(sizeof *callback);
    if (!callback)
        return pi_refuse(POSSE_NO_MEMORY, PI_NO_HEAP);
    *callback = (struct callback){{.future = future}, function, context};
    pi_enter(future.executor); /* destroy waits for a callback that is called here */
    status = add(future.executor, &callback->sub, &now);
    if (now || status != POSSE_OK)
        free(callback);
    if (now) {
        call(future, function, context);
        count_down(future.executor);
    }
    pi_leave(future.executor);
    return status;
}

posse_status pi_settle_callbacks(posse_executor *e, uint64_t until)
{
    return pi_calls_back(e) ? POSSE_OK : pi_wait_settled(e, until);
}
