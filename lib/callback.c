/* Runs in: program.
 *
 * Done callbacks. The first one that must wait starts a thread, which calls all callbacks of the
 * executor in the order in which their futures end. The thread is the user of a completion queue
 * (pool/cq.h), and each callback is a subscription. A future that has ended already is called back
 * at once, unless others of its callbacks still wait.
 */
#include "internal.h"
#include "log.h"
#include "base/container_of.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/semaphore.h"
#include "os/thread.h"
#include "os/unwind.h"
#include "pool/await.h"
#include "pool/dispatch.h"
#include "pool/park.h"
#include "pool/wake.h"

#include <errno.h>
#include <stdlib.h>

struct callback {
    struct pi_subscription sub;
    posse_callback *function;
    void *context;
};

/* Of an executor, from its first callback on. */
struct pi_callbacks {
    struct pi_cq cq;
    bool started; /* the thread; the dispatcher's lock */
    pthread_t thread;
    /* The thread before it, if a callback has ended that one and it is not joined yet. By the
     * thread alone. */
    bool has_ended;
    pthread_t ended_thread;
    struct pi_os_semaphore all_called; /* posted when the thread has nothing more to do */
    /* Added, and not yet returned. seq: the thread that makes it 0 then looks at `awaited`, which a
     * caller that waits for that raises before it looks here. */
    _Atomic size_t left;
    _Atomic size_t awaited; /* callers that wait until all have returned */
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

/* ---- the calls ---- */

/* The callback was called, or its future was released. */
static void drop(posse_executor *e, struct callback *callback)
{
    pi_dispatch_unlink(callback->sub.cq, &callback->sub, 1);
    free(callback);
    struct pi_callbacks *callbacks = e->dispatcher.callbacks;
    /* seq, both: with all_called */
    if (atomic_fetch_sub(&callbacks->left, 1) == 1 && atomic_load(&callbacks->awaited) > 0)
        pi_wake_all_parkers(e);
}

/* The callback has returned, or has ended its thread. */
static void end_frame(void *context)
{
    struct frame *frame = context;
    innermost = frame->outer;
    drop(frame->executor, frame->callback);
    if (frame->inside)
        pi_call_exit(frame->executor);
}

static void call(struct frame *frame)
{
    struct callback *callback = frame->callback;
    posse_executor *e = frame->executor;
    frame->outer = innermost;
    innermost = frame;
    PI_OS_IF_LEFT(end_frame, frame);
    int code = callback->function(callback->sub.future, callback->context);
    if (code != 0)
        pi_log_say(e, POSSE_LOG_CALLBACK, "a done callback returned %d", code);
    PI_OS_END_IF_LEFT;
    end_frame(frame);
}

/* ---- the thread ---- */

static void *call_all(void *executor);

static posse_status start(posse_executor *e)
{
    int error = pi_os_thread_create(&e->dispatcher.callbacks->thread, call_all, e);
    return pi_refuse_errno(error, "a thread cannot be started");
}

static void join_ended(struct pi_callbacks *callbacks)
{
    if (callbacks->has_ended)
        pi_os_thread_join(callbacks->ended_thread);
    callbacks->has_ended = false;
}

/* A callback ends the thread. Another thread goes on; if none can be started, this one does. */
static void go_on(void *executor)
{
    posse_executor *e = executor;
    struct pi_callbacks *callbacks = e->dispatcher.callbacks;
    join_ended(callbacks);
    pthread_mutex_lock(&e->dispatcher.lock);
    callbacks->ended_thread = pthread_self();
    bool started = callbacks->has_ended = start(e) == POSSE_OK;
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (!started)
        (void)call_all(e);
}

static void *call_all(void *executor)
{
    posse_executor *e = executor;
    struct pi_callbacks *callbacks = e->dispatcher.callbacks;
    struct pi_subscription *sub;
    posse_status status;
    pi_os_set_name("posse-callbacks");
    PI_OS_IF_LEFT(go_on, e);
    while ((sub = pi_cq_next(&callbacks->cq, PI_NEVER, &status)) != NULL) {
        struct callback *callback = PI_CONTAINER_OF(sub, struct callback, sub);
        if (pi_handle_valid(pi_word_of(sub->future), sub->future))
            call(&(struct frame){.executor = e, .callback = callback});
        else
            drop(e, callback);
    }
    PI_OS_END_IF_LEFT;
    join_ended(callbacks);
    pi_os_semaphore_post(&callbacks->all_called);
    return NULL;
}

/* ---- opening and closing ---- */

static posse_status open_callbacks_locked(posse_executor *e)
{
    if (e->dispatcher.callbacks)
        return POSSE_OK;
    struct pi_callbacks *callbacks = calloc(1, sizeof *callbacks);
    if (!callbacks)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    pi_cq_init(&callbacks->cq);
    (void)pi_cq_join(&callbacks->cq, e); /* the first: it cannot fail */
    callbacks->cq.outlives_destroy = callbacks->cq.keep_linked = true;
    e->dispatcher.callbacks = callbacks;
    return POSSE_OK;
}

void pi_close_callbacks(posse_executor *e)
{
    struct pi_callbacks *callbacks = e->dispatcher.callbacks;
    if (!callbacks)
        return;
    if (callbacks->started) { /* only after the post it is known which thread is the last */
        (void)pi_os_semaphore_wait(&callbacks->all_called, PI_NEVER);
        pi_os_thread_join(callbacks->thread);
    }
    pi_cq_fini(&callbacks->cq);
    free(callbacks);
}

static struct pi_callbacks *callbacks_of(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    struct pi_callbacks *callbacks = e->dispatcher.callbacks;
    pthread_mutex_unlock(&e->dispatcher.lock);
    return callbacks;
}

static bool all_called(void *executor, uint32_t parker)
{
    posse_executor *e = executor;
    (void)parker;
    if (pi_destroying(e))
        return true; /* they may be gone */
    struct pi_callbacks *callbacks = callbacks_of(e);
    return !callbacks || atomic_load(&callbacks->left) == 0; /* seq: with drop */
}

posse_status pi_finish_callbacks(posse_executor *e, uint64_t until, bool *called)
{
    *called = !pi_calls_back(e) && !all_called(e, 0);
    if (!*called)
        return POSSE_OK;
    struct pi_callbacks *callbacks = callbacks_of(e); /* which stay until the executor goes */
    (void)atomic_fetch_add(&callbacks->awaited, 1);   /* seq: with drop */
    posse_status status = pi_await_event(e, all_called, e, until);
    (void)atomic_fetch_sub(&callbacks->awaited, 1); /* seq: as above */
    return status;
}

/* ---- posse_add_done_callback ---- */

/* Leaves the callback to the thread, unless the future has ended and none of its others are still
 * to be called: *now then. */
static posse_status add_locked(posse_executor *e, struct pi_subscription *sub, bool *now)
{
    struct pi_callbacks *callbacks = e->dispatcher.callbacks;
    *now = pi_final(pi_future_word(sub->future)) &&
           !pi_subscriptions_find(&e->dispatcher.subscriptions, sub->future, &callbacks->cq);
    if (!*now && !callbacks->started) {
        posse_status status = start(e);
        if (status != POSSE_OK)
            return status;
        callbacks->started = true;
    }
    (void)atomic_fetch_add(&callbacks->left, 1); /* under the lock, with all_called */
    if (!*now) {
        pi_dispatch_link_locked(sub);
        pi_dispatch_arm_locked(sub);
    }
    return POSSE_OK;
}

static posse_status add(posse_executor *e, struct callback *callback)
{
    bool now = false;
    pi_call_enter(e); /* posse_destroy waits for a callback that is called here */
    pthread_mutex_lock(&e->dispatcher.lock);
    bool over = e->dispatcher.closing && !pi_calls_back(e); /* by options.log */
    posse_status status = over ? POSSE_SHUT_DOWN : open_callbacks_locked(e);
    if (status == POSSE_OK) {
        callback->sub.cq = &e->dispatcher.callbacks->cq;
        status = add_locked(e, &callback->sub, &now);
    }
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (now)
        call(&(struct frame){.executor = e, .callback = callback, .inside = true});
    else
        pi_call_exit(e);
    return status;
}

posse_status posse_add_done_callback(posse_future future, posse_callback *function, void *context)
{
    struct pi_seen seen;
    posse_status status = pi_future_look(future, &seen);
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
    *callback = (struct callback){{.future = future}, function, context};
    status = add(future.executor, callback);
    if (status != POSSE_OK)
        free(callback);
    return status;
}
