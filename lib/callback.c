/* Callbacks: called by one thread of the executor's, which waits for the futures that have any. */
#include "internal.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "os/thread.h"
#include "os/unwind.h"
#include "pool/await.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/pool.h"
#include "pool/wake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct callback {
    struct pi_subscription sub; /* comes first: one is the other */
    posse_callback *function;
    void *context;
};

/* A callback that this thread is in. */
struct frame {
    posse_executor *executor;
    struct frame *outer;
    struct callback *callback;
    bool inside; /* of posse_add_done_callback */
};
static _Thread_local struct frame *innermost;

bool pi_calls_back(const posse_executor *e)
{
    struct frame *frame = innermost;
    while (frame && frame->executor != e)
        frame = frame->outer;
    return frame != NULL;
}

/* One callback less to be called: it was, or its future was released. */
static void drop(posse_executor *e, struct callback *callback)
{
    pi_dispatch_unlink(&callback->sub);
    free(callback);
    if (atomic_fetch_sub(&e->dispatcher.callbacks_left, 1) == 1 && pi_phase_of(e) != PI_OPEN)
        pi_wake_all_parkers(e);
}

/* The callback has returned, or was left. */
static void end_frame(void *context)
{
    struct frame *frame = context;
    innermost = frame->outer;
    drop(frame->executor, frame->callback);
    if (frame->inside)
        pi_call_exit(frame->executor);
}

static void tell(posse_executor *e, int code)
{
    char text[64];
    snprintf(text, sizeof text, "a done callback returned %d", code);
    e->log(e->log_context, text);
}

static void call(struct callback *callback, bool inside)
{
    posse_executor *e = callback->sub.future.executor;
    struct frame frame = {e, innermost, callback, inside};
    innermost = &frame;
    PI_OS_IF_LEFT(end_frame, &frame);
    int code = callback->function(callback->sub.future, callback->context);
    if (code != 0 && e->log)
        tell(e, code);
    PI_OS_END_IF_LEFT;
    end_frame(&frame);
}

/* ---- the thread ---- */

static void *call_all(void *context);

/* Waits for the thread before this one, which a callback has ended. */
static void join_left(struct pi_dispatcher *dispatcher)
{
    if (dispatcher->has_left)
        pi_os_thread_join(dispatcher->left_thread);
    dispatcher->has_left = false;
}

/* A callback ends the thread. Another thread goes on; if none can be started, this one does. */
static void go_on(void *context)
{
    posse_executor *e = context;
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    join_left(dispatcher);
    pthread_mutex_lock(&dispatcher->lock);
    dispatcher->left_thread = pthread_self();
    dispatcher->has_left =
        pi_dispatch_start_thread(e, &dispatcher->callback_thread, call_all) == POSSE_OK;
    bool alone = !dispatcher->has_left;
    pthread_mutex_unlock(&dispatcher->lock);
    if (alone)
        (void)call_all(e);
}

static void call_next(struct callback *callback)
{
    struct pi_slot *slot;
    uint64_t word;
    if (pi_future_look(callback->sub.future, &slot, &word) == POSSE_OK)
        call(callback, false);
    else
        drop(callback->sub.future.executor, callback);
}

static void *call_all(void *context)
{
    posse_executor *e = context;
    struct pi_subscription *sub;
    posse_status status;
    pi_os_thread_name("posse-callbacks");
    PI_OS_IF_LEFT(go_on, e);
    while ((sub = pi_cq_next(&e->dispatcher.callbacks, PI_NEVER, &status)) != NULL)
        call_next((struct callback *)sub);
    PI_OS_END_IF_LEFT;
    join_left(&e->dispatcher);
    pi_os_semaphore_post(&e->dispatcher.all_called);
    return NULL;
}

/* Leaves the callback to the thread, unless the future has ended and none of its others are still
 * to be called. */
static posse_status add(posse_executor *e, struct pi_subscription *sub, bool *now)
{
    struct pi_dispatcher *dispatcher = &e->dispatcher;
    posse_status status = POSSE_OK;
    pthread_mutex_lock(&dispatcher->lock);
    *now = pi_has_ended(sub->future) && !pi_dispatch_find(sub->future, &dispatcher->callbacks);
    if (!*now && !dispatcher->has_callbacks) {
        status = pi_dispatch_start_thread(e, &dispatcher->callback_thread, call_all);
        dispatcher->has_callbacks = status == POSSE_OK;
    }
    dispatcher->callbacks_left += status == POSSE_OK;
    if (!*now && status == POSSE_OK) {
        pi_dispatch_link(sub);
        pi_dispatch_arm(sub);
    }
    pthread_mutex_unlock(&dispatcher->lock);
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
    if (status == POSSE_OK && future.executor->owner != PI_OWNER_PROGRAM)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "a worker process calls no callbacks");
    if (status == POSSE_OK)
        status = pi_dispatch_open(future.executor);
    if (status != POSSE_OK)
        return status;
    struct callback *callback = malloc(sizeof *callback);
    if (!callback)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    *callback = (struct callback){
        {.future = future, .cq = &future.executor->dispatcher.callbacks}, function, context};
    pi_call_enter(future.executor); /* destroy waits for a callback that is called here */
    status = add(future.executor, &callback->sub, &now);
    if (now && status == POSSE_OK) {
        call(callback, true);
        return POSSE_OK;
    }
    if (status != POSSE_OK)
        free(callback);
    pi_call_exit(future.executor);
    return status;
}

posse_status pi_finish_callbacks(posse_executor *e, uint64_t until)
{
    return pi_calls_back(e) ? POSSE_OK : pi_await_callbacks(e, until);
}
