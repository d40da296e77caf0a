/* Runs in: program.
 *
 * The members of a task group: how a task enters it, waits in it, and ends. task_group.h has the
 * protocol.
 */
#include "base/container_of.h"
#include "base/probe.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/verify.h"
#include "pool/wake.h"
#include "submit.h"
#include "task_group.h"

#include <errno.h>
#include <stdlib.h>

static struct pi_slot *slot_of(const struct pi_member *m)
{
    return &m->group->executor->segment.slots.at[m->sub.future.slot];
}

/* Whether its slot is still the task's. */
static bool is_there(const struct pi_member *m)
{
    return pi_generation(pi_word_of(m->sub.future)) == m->sub.future.generation;
}

/* ---- the lists: the dispatcher's lock is held ---- */

static void join_locked(struct pi_member *m)
{
    struct posse_group *g = m->group;
    m->prev = g->last;
    m->next = NULL;
    *(g->last ? &g->last->next : &g->first) = m;
    g->last = m;
}

static void leave_locked(struct pi_member *m)
{
    struct posse_group *g = m->group;
    *(m->prev ? &m->prev->next : &g->first) = m->next;
    *(m->next ? &m->next->prev : &g->last) = m->prev;
}

static void count_withheld_locked(posse_executor *e, uint32_t change)
{
    e->withheld += change;
    /* seq: before the phase; with is_awaited, in supervisor.c */
    pi_store_seq(&e->segment.header->withheld, e->withheld);
}

static void wait_locked(struct pi_member *m)
{
    struct posse_group *g = m->group;
    m->waits = true;
    m->before = g->last_waiting;
    m->behind = NULL;
    *(g->last_waiting ? &g->last_waiting->behind : &g->first_waiting) = m;
    g->last_waiting = m;
}

static void wait_no_more_locked(struct pi_member *m)
{
    struct posse_group *g = m->group;
    m->waits = false;
    *(m->before ? &m->before->behind : &g->first_waiting) = m->behind;
    *(m->behind ? &m->behind->before : &g->last_waiting) = m->before;
    count_withheld_locked(g->executor, (uint32_t)-1);
    if (pi_phase_of(g->executor) != PI_OPEN) /* seq: after the count */
        g->executor->backend->notify(g->executor);
}

/* ---- the end of a task ---- */

/* It goes into the queue. Without memory for its ring it is lost. */
static void offer_locked(struct pi_member *m)
{
    posse_executor *e = m->group->executor;
    struct pi_slot *slot = slot_of(m);
    uint32_t index = m->sub.future.slot;
    bool push;
    m->runs = pi_slot_offer(slot, m->sub.future.generation, &push);
    m->group->running += m->runs;
    if (!m->runs)
        return;
    uint64_t word = pi_word_of(m->sub.future);
    if (push && pi_push(e, pi_slot_lane(slot), index, 0) != PI_PUSHED && is_there(m) &&
        pi_state(word) == PI_PENDING) /* else a task that waits for it has claimed it */
        pi_finish_ownerless(e, index, word);
    (void)pi_wake_or_grow(e);
    if (pi_phase_of(e) != PI_OPEN) /* the last worker may have left */
        e->backend->notify(e);
}

static void let_go_locked(struct posse_group *g)
{
    struct pi_member *m;
    while (g->running < g->max_running && (m = g->first_waiting) != NULL) {
        offer_locked(m); /* first: the count of those withheld keeps the executor open */
        wait_no_more_locked(m);
    }
}

static posse_status end_pending(posse_future future, enum pi_state to)
{
    bool ended = pi_finish_pending(future.executor, future.slot, future.generation, to);
    return ended ? POSSE_OK : POSSE_TOO_LATE;
}

static posse_status end_late(posse_future future, struct pi_seen seen)
{
    (void)seen;
    return end_pending(future, PI_TIMED_OUT);
}

posse_status pi_cancel_pending(posse_future future, struct pi_seen seen)
{
    (void)seen;
    return end_pending(future, PI_CANCELLED);
}

void pi_group_end_all_locked(const struct posse_group *g, pi_end_fn *end)
{
    for (struct pi_member *m = g->first; m; m = m->next)
        (void)end(m->sub.future,
                  (struct pi_seen){.slot = slot_of(m), .word = pi_word_of(m->sub.future)});
}

void pi_group_check_time_locked(struct posse_group *g)
{
    if (g->late || g->end_ns == PI_NEVER || pi_os_now() < g->end_ns)
        return;
    g->late = true;
    pi_group_end_all_locked(g, end_late);
    pi_wake_room(g->executor);
}

void pi_group_cancel_locked(struct posse_group *g, pi_end_fn *end)
{
    g->cancelled = true;
    pi_group_end_all_locked(g, end);
    pi_wake_room(g->executor);
}

static void note_end_locked(struct posse_group *g, posse_status how)
{
    if (how == POSSE_CANCELLED)
        g->has_cancelled = true;
    else if (g->failure == POSSE_OK)
        g->failure = how;
}

/* The group holds the task no more. */
static void release_locked(const struct pi_member *m)
{
    struct pi_slot *slot = slot_of(m);
    (void)pi_and_seq(&slot->arg_size, ~PI_GROUPED); /* before the word: see the table */
    pi_discard_if_left(m->group->executor, m->sub.future.slot, pi_word_of(m->sub.future));
}

/* It is in neither list. */
static void forget_locked(struct pi_member *m)
{
    struct posse_group *g = m->group;
    g->running -= m->runs;
    g->left--;
    let_go_locked(g);
    if (g->left == 0 && g->waiters > 0)
        pi_wake_all_parkers(g->executor);
    free(m);
}

static posse_status end_of(const struct pi_member *m)
{
    struct pi_seen seen = {.slot = slot_of(m), .word = pi_word_of(m->sub.future)};
    return is_there(m) && pi_final(seen.word) ? pi_end_of(m->group->executor, &seen) : POSSE_BROKEN;
}

void pi_group_ended_locked(struct pi_subscription *sub)
{
    struct pi_member *m = PI_CONTAINER_OF(sub, struct pi_member, sub);
    struct posse_group *g = m->group;
    posse_status how = end_of(m);
    bool fails = how != POSSE_OK && how != POSSE_CANCELLED;
    pi_group_check_time_locked(g); /* before its end cancels or lets go */
    leave_locked(m);
    if (m->waits)
        wait_no_more_locked(m);
    note_end_locked(g, how);
    if (is_there(m))
        release_locked(m);
    if (fails && g->cancel_on_failure && !g->cancelled && !g->late)
        pi_group_cancel_locked(g, pi_cancel);
    forget_locked(m);
}

void pi_group_drop_locked(struct pi_member *m)
{
    pi_dispatch_drop_locked(&m->sub);
    leave_locked(m);
    if (m->waits)
        wait_no_more_locked(m);
    release_locked(m);
    forget_locked(m);
}

/* ---- submits ---- */

uint64_t pi_group_end_ns(const struct posse_group *g) { return g->end_ns; }

uint64_t pi_group_kind(const struct posse_group *g)
{
    return PI_GROUPED | (g->end_ns != PI_NEVER ? PI_BOUNDED | PI_DETAILED : 0);
}

/* POSSE_OK: the task waits. Else it was taken back, and its slot is free. */
static posse_status withhold_locked(struct pi_submission *s, struct pi_member *m)
{
    posse_executor *e = s->executor;
    count_withheld_locked(e, 1);
    PI_PROBE(submit, e, s->index, pi_generation(s->word), s->job->fn);
    pi_slot_withhold(s->slot, s->word, s->flags);
    posse_status status = pi_accepts(e); /* seq: after the count */
    if (status != POSSE_OK && pi_submit_undo(s)) {
        count_withheld_locked(e, (uint32_t)-1);
        e->backend->notify(e);
        return status;
    }
    wait_locked(m);
    join_locked(m);
    pi_dispatch_link_locked(&m->sub);
    pi_dispatch_arm_locked(&m->sub); /* it may have ended already: then the member is gone */
    return POSSE_OK;
}

static posse_status status_locked(struct posse_group *g)
{
    pi_group_check_time_locked(g);
    return g->late ? POSSE_DEADLINE : g->cancelled ? POSSE_CANCELLED : POSSE_OK;
}

posse_status pi_group_status(struct posse_group *g)
{
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    posse_status status = status_locked(g);
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
    return status;
}

/* *waits: it need not enter the queue. */
static posse_status enter_locked(struct pi_submission *s, struct pi_member *m, bool *waits)
{
    struct posse_group *g = m->group;
    posse_status status = status_locked(g);
    *waits = false;
    if (status != POSSE_OK) {
        (void)pi_discard(s->executor, s->index, s->word);
        return status;
    }
    *waits = g->max_running > 0 && g->running >= g->max_running && s->executor->backend->spawn;
    m->runs = !*waits;
    g->left++;
    g->running += m->runs;
    status = *waits ? withhold_locked(s, m) : POSSE_OK;
    g->left -= status != POSSE_OK;
    return status;
}

posse_status pi_member_enter(struct pi_submission *s, struct pi_member **member)
{
    posse_executor *e = s->executor;
    struct pi_member *m = calloc(1, sizeof *m);
    bool waits;
    *member = NULL;
    if (!m) {
        (void)pi_discard(e, s->index, s->word);
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    }
    m->group = s->job->group;
    m->sub.cq = &m->group->cq;
    m->sub.future = (posse_future){e, s->index, pi_generation(s->word)};
    pthread_mutex_lock(&e->dispatcher.lock);
    posse_status status = enter_locked(s, m, &waits);
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (status != POSSE_OK)
        free(m);
    else if (!waits)
        *member = m;
    return status;
}

posse_status pi_member_joined(struct pi_member *m, posse_status status)
{
    struct posse_group *g = m->group;
    pthread_mutex_t *lock = &g->executor->dispatcher.lock;
    int error = errno;
    pthread_mutex_lock(lock);
    if (status != POSSE_OK) {
        if (is_there(m)) /* inline it has left the submit */
            release_locked(m);
        forget_locked(m);
    } else {
        struct pi_seen seen = {.slot = slot_of(m), .word = pi_word_of(m->sub.future)};
        if (g->cancelled) /* meanwhile, and below */
            (void)pi_cancel(m->sub.future, seen);
        if (g->late)
            (void)end_late(m->sub.future, seen);
        join_locked(m);
        pi_dispatch_link_locked(&m->sub);
        pi_dispatch_arm_locked(&m->sub); /* as above */
    }
    pthread_mutex_unlock(lock);
    errno = error;
    return status;
}
