/* Waiting for many futures: posse_as_completed, and posse_wait on top of it. */
#include "internal.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/await.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct posse_completion_iter {
    struct pi_os_fork_detect guard; /* by process id */
    struct pi_cq cq;
    uint64_t until;
    size_t left;  /* not yet given */
    size_t never; /* of these, that cannot end any more, as `over` says */
    posse_status over;
    bool all;   /* or none: it is over when one cannot end any more */
    bool stale; /* one was released meanwhile */
    size_t n;
    struct pi_subscription subs[];
};

/* ---- opening --------------------------------------------------------------------------------- */

static posse_status check(const posse_future *futures, size_t n, long timeout_ms)
{
    if (n && !futures)
        return pi_refuse(POSSE_INVALID, "futures is NULL, but n is not 0");
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    for (size_t i = 0; i < n; i++) {
        struct pi_slot *slot;
        uint64_t word;
        posse_status status = pi_future_look(futures[i], &slot, &word);
        if (status != POSSE_OK)
            return status;
        if (!pi_final(word) && pi_on_this_stack(futures[i].executor, futures[i]))
            return POSSE_DEADLOCK;
    }
    return POSSE_OK;
}

/* Adds the executor to those of the cq, which are few. False: no memory. */
static bool note_executor(struct pi_cq *w, posse_executor *e)
{
    for (size_t i = w->n_places; i > 0; i--)
        if (w->places[i - 1].executor == e)
            return true;
    struct pi_membership *more = realloc(w->places, (w->n_places + 1) * sizeof *more);
    if (!more)
        return false;
    more[w->n_places++] = (struct pi_membership){.executor = e};
    w->places = more;
    return true;
}

static posse_status open_boxes(struct pi_cq *w)
{
    posse_status status = POSSE_OK;
    for (size_t i = 0; i < w->n_places && status == POSSE_OK; i++) {
        status = pi_dispatch_open(w->places[i].executor);
        if (status == POSSE_OK && w->n_places > 1)
            status = pi_dispatch_start_leader(w->places[i].executor);
    }
    return status;
}

/* Subscribes to all futures of one executor. None is dealt before all are there, so a future that
 * is given twice is found: its second sub is nobody's, and leads to the first. */
static void subscribe(struct posse_completion_iter *c, posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock);
    for (size_t i = 0; i < c->n; i++) {
        struct pi_subscription *sub = &c->subs[i];
        if (sub->future.executor != e)
            continue;
        sub->older = pi_dispatch_find(sub->future, &c->cq);
        if (sub->older)
            continue;
        sub->cq = &c->cq;
        pi_dispatch_link(sub);
        c->left++;
    }
    for (size_t i = 0; i < c->n; i++)
        if (c->subs[i].future.executor == e && c->subs[i].cq)
            pi_dispatch_arm(&c->subs[i]);
    pthread_mutex_unlock(&e->dispatcher.lock);
}

/* NULL: *status tells why. */
static struct posse_completion_iter *allocate(size_t n, posse_status *status)
{
    struct posse_completion_iter *c = calloc(1, sizeof *c + n * sizeof *c->subs);
    int error = c ? pi_cq_init(&c->cq) : ENOMEM;
    if (error) {
        free(c);
        c = NULL;
    }
    *status = pi_refuse_errno(error, PI_NO_HEAP);
    return c;
}

static posse_status note_executors(struct posse_completion_iter *c, const posse_future *futures,
                                   size_t n)
{
    for (size_t i = 0; i < n; i++) {
        c->subs[i].future = futures[i];
        if (!note_executor(&c->cq, futures[i].executor))
            return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    }
    return POSSE_OK;
}

/* NULL: *status tells why. */
static struct posse_completion_iter *open_completed(const posse_future *futures, size_t n,
                                                    long timeout_ms, posse_status *status)
{
    *status = check(futures, n, timeout_ms);
    struct posse_completion_iter *c = *status == POSSE_OK ? allocate(n, status) : NULL;
    if (!c)
        return NULL;
    pi_os_fork_detect_set(&c->guard);
    c->until = pi_os_after_ms(timeout_ms);
    *status = note_executors(c, futures, n);
    if (*status == POSSE_OK)
        *status = open_boxes(&c->cq);
    if (*status != POSSE_OK) {
        int error = errno;
        posse_completion_iter_close(c);
        errno = error;
        return NULL;
    }
    c->n = n;
    c->cq.subs = c->subs;
    c->cq.n_subs = n;
    for (size_t i = 0; i < c->cq.n_places; i++)
        subscribe(c, c->cq.places[i].executor);
    return c;
}

posse_status posse_as_completed(const posse_future *futures, size_t n, long timeout_ms,
                                posse_completion_iter **completed)
{
    posse_status status;
    if (!completed)
        return pi_refuse(POSSE_INVALID, "completed is NULL");
    *completed = open_completed(futures, n, timeout_ms, &status);
    return status;
}

/* ---- giving ---------------------------------------------------------------------------------- */

/* What a sub that was dealt has come to: POSSE_OK, it has ended; POSSE_INVALID; or it never
 * will. */
static posse_status outcome(const struct pi_subscription *sub)
{
    struct pi_slot *slot;
    uint64_t word;
    posse_executor *e = sub->future.executor;
    posse_status status = pi_future_look(sub->future, &slot, &word);
    if (status != POSSE_OK || pi_final(word))
        return status;
    return pi_destroying(e) ? POSSE_SHUT_DOWN : pi_phase_status(pi_phase_of(e));
}

static posse_status next(struct posse_completion_iter *c, struct pi_subscription **given)
{
    while (c->left > c->never) {
        posse_status status;
        struct pi_subscription *sub = pi_cq_next(&c->cq, c->until, &status);
        if (!sub)
            return status;
        status = outcome(sub);
        if (status == POSSE_OK || status == POSSE_INVALID)
            c->left--;
        if (status == POSSE_OK) {
            *given = sub;
            return POSSE_OK;
        }
        if (status == POSSE_INVALID) {
            c->stale = true;
            continue;
        }
        c->never++;
        c->over = status;
        if (c->all)
            break;
    }
    return c->never ? c->over : POSSE_END;
}

/* Destroying an executor waits for those who are inside. */
static void enter(const struct pi_cq *w)
{
    for (size_t i = 0; i < w->n_places; i++)
        pi_call_enter(w->places[i].executor);
}

static void leave(void *watch)
{
    const struct pi_cq *w = watch;
    for (size_t i = 0; i < w->n_places; i++)
        pi_call_exit(w->places[i].executor);
}

posse_status posse_completion_iter_next(posse_completion_iter *c, posse_future *future,
                                        size_t *index)
{
    if (future)
        *future = (posse_future){.executor = NULL};
    if (index)
        *index = 0;
    if (!c || !future)
        return pi_refuse(POSSE_INVALID, c ? "future is NULL" : "completed is NULL");
    for (size_t i = 0; i < c->cq.n_places; i++)
        if (pi_check(c->cq.places[i].executor) != POSSE_OK)
            return POSSE_WRONG_PROCESS;
    struct pi_subscription *sub;
    posse_status status;
    enter(&c->cq);
    PI_OS_IF_LEFT(leave, &c->cq); /* by a task that runs here */
    status = next(c, &sub);
    PI_OS_END_IF_LEFT;
    leave(&c->cq);
    if (status != POSSE_OK)
        return status;
    *future = sub->future;
    if (index)
        *index = (size_t)(sub - c->subs);
    return POSSE_OK;
}

size_t posse_completion_iter_left(const posse_completion_iter *c) { return c ? c->left : 0; }

void posse_completion_iter_close(posse_completion_iter *c)
{
    if (!c)
        return;
    if (pi_os_fork_detect_holds(
            &c->guard)) { /* in a forked child the locks may stay held for ever */
        for (size_t i = 0; i < c->n; i++)
            if (c->subs[i].cq)
                pi_dispatch_unlink(&c->subs[i]);
        pi_cq_fini(&c->cq);
    }
    free(c->cq.places);
    free(c);
}

/* ---- posse_wait ------------------------------------------------------------------------------ */

/* Whether it ended as an exception would in Python. */
static bool is_exception(posse_future future)
{
    struct pi_slot *slot;
    uint64_t word;
    return pi_future_look(future, &slot, &word) == POSSE_OK && pi_final(word) &&
           pi_state(word) != PI_DONE && pi_state(word) != PI_CANCELLED;
}

static posse_status await(struct posse_completion_iter *c, posse_when when)
{
    struct pi_subscription *sub;
    posse_status status;
    c->all = when != POSSE_FIRST_COMPLETED;
    while ((status = next(c, &sub)) == POSSE_OK)
        if (when == POSSE_FIRST_COMPLETED ||
            (when == POSSE_FIRST_EXCEPTION && is_exception(sub->future)))
            return POSSE_OK;
    if (status != POSSE_END)
        return status;
    return c->stale ? pi_refuse(POSSE_INVALID, PI_STALE) : POSSE_OK;
}

static void report(const struct posse_completion_iter *c, bool *done, size_t *n_done)
{
    size_t count = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct pi_subscription *sub = &c->subs[i];
        bool ended = sub->cq && pi_has_ended(sub->future);
        count += ended;
        if (done)
            done[i] = sub->cq ? ended : done[sub->older - c->subs];
    }
    if (n_done)
        *n_done = count;
}

static void end_wait(void *completed)
{
    struct posse_completion_iter *c = completed;
    leave(&c->cq);
    posse_completion_iter_close(c);
}

posse_status posse_wait(const posse_future *futures, size_t n, posse_when when, long timeout_ms,
                        bool *done, size_t *n_done)
{
    posse_status status;
    if (done && n)
        memset(done, 0, n * sizeof *done);
    if (n_done)
        *n_done = 0;
    if (when != POSSE_ALL_COMPLETED && when != POSSE_FIRST_COMPLETED &&
        when != POSSE_FIRST_EXCEPTION)
        return pi_refuse(POSSE_INVALID, "when is unknown");
    struct posse_completion_iter *c = open_completed(futures, n, timeout_ms, &status);
    if (!c)
        return status;
    enter(&c->cq);
    PI_OS_IF_LEFT(end_wait, c); /* by a task that runs here */
    status = await(c, when);
    PI_OS_END_IF_LEFT;
    report(c, done, n_done);
    end_wait(c);
    return status;
}
