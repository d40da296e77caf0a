/* Runs in: program.
 *
 * Task groups (posse_group.h). A group is private memory of the program, guarded by the lock of its
 * executor's dispatcher. For each task it has a member with a subscription (pool/dispatch.h). When
 * the task has ended, the delivering thread calls `ended` here. So nothing of a group is in shared
 * memory but two things, and no death of a worker leaves a group half changed: what tells a group
 * of an end is the task's word and the dispatcher's list, which a recovery repairs as for any other
 * waiter. The program's death ends the executor.
 *
 * PI_GROUPED (core/slot.h): the group holds the task beside whoever holds its future, so it can see
 * how a task ended that nobody observes. Whoever gives up last frees the slot:
 *
 *   actor               gives up by (seq)                    then looks (seq)
 *   holder of future    DETACHED, in posse_release           final, and neither PINNED nor GROUPED
 *   group               clears GROUPED, in `ended`           final, DETACHED, not PINNED
 *   finisher            the final word                       DETACHED, not GROUPED
 *   thread that is      clears PINNED                        DETACHED, not GROUPED
 *   inside
 *   The last of them sees what all others did. If two see it, one compare-and-swap wins.
 *
 * Withheld: with max_running a task that finds no room is PENDING, but in no ring (core/slot.h),
 * and waits in the group's list. The end of one task lets the first of the list go:
 *
 *   a member is   meaning                          changed by                             to
 *   entering      its task is on its way into the  submitter: it is in, or refused        running,
 *                 queue; counts as running                                                gone
 *   waiting       withheld, in the list            `ended` of another: offered to all     running
 *                                                  ... it was claimed by a task that      ahead
 *                                                  waits for it, or cancelled
 *   running       in the queue, or runs            `ended`                                gone
 *   ahead         claimed or ended out of turn;    `ended`                                gone
 *                 does not count as running
 *   While members wait, max_running others count as running. So each end lets one go, and if none
 *   counts as running none waits.
 *
 * Shutdown: the supervisor closes a DRAINING executor only if none of its tasks are withheld
 * (`withheld` of the header). A submitter counts its task, then looks at the phase; the supervisor
 * looks at the phase, then at the count: all seq. So the supervisor sees the task, or the submitter
 * takes it back. Whoever takes a task off the list notifies the supervisor.
 *
 * The model is tests/model/group.pml.
 */
#include "base/container_of.h"
#include "internal.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/verify.h"
#include "pool/wake.h"
#include "posse_group.h"
#include "submit.h"

#include <errno.h>
#include <stdlib.h>

struct pi_member {
    struct pi_subscription sub;
    struct posse_group *group;
    struct pi_member *prev, *next;     /* in the list of those that have not ended */
    struct pi_member *before, *behind; /* in the list of those that wait */
    bool waits, runs;
};

struct posse_group {
    posse_executor *executor;
    struct pi_cq cq; /* of the subscriptions; nothing is ever delivered to it */
    size_t max_running;
    bool cancel_on_failure;
    bool cancelled;
    struct pi_member *first, *last;                 /* that have not ended */
    struct pi_member *first_waiting, *last_waiting; /* of these */
    size_t left;                                    /* members, also entering ones */
    size_t running;                                 /* that count as running */
    size_t waiters;                                 /* callers of posse_group_wait */
    posse_status failure;                           /* how the first of them failed, or POSSE_OK; */
    bool has_cancelled;                             /* others were cancelled */
};

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

static void count_withheld(posse_executor *e, uint32_t change)
{
    /* seq: with notify_again, in pool/await.c */
    uint32_t withheld = atomic_fetch_add(&e->withheld, change) + change;
    /* seq: before the phase; with is_awaited, in supervisor.c */
    pi_store_seq(&e->segment.header->withheld, withheld);
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
    count_withheld(g->executor, (uint32_t)-1);
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
    if (push && pi_push(e, pi_slot_lane(slot), index, 0) != PI_PUSHED)
        pi_finish_ownerless(e, index, pi_word_of(m->sub.future));
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

/* Each of them ends later, by the dispatcher. */
static void end_all_locked(const struct posse_group *g,
                           posse_status (*end)(posse_future, struct pi_seen))
{
    for (struct pi_member *m = g->first; m; m = m->next)
        (void)end(m->sub.future,
                  (struct pi_seen){.slot = slot_of(m), .word = pi_word_of(m->sub.future)});
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

static void ended_locked(struct pi_subscription *sub)
{
    struct pi_member *m = PI_CONTAINER_OF(sub, struct pi_member, sub);
    struct posse_group *g = m->group;
    posse_status how = end_of(m);
    bool fails = how != POSSE_OK && how != POSSE_CANCELLED;
    leave_locked(m);
    if (m->waits)
        wait_no_more_locked(m);
    note_end_locked(g, how);
    if (is_there(m))
        release_locked(m);
    if (fails && g->cancel_on_failure && !g->cancelled) {
        g->cancelled = true;
        end_all_locked(g, pi_cancel);
    }
    forget_locked(m);
}

/* ---- submits ---- */

/* POSSE_OK: the task waits. Else it was taken back, and its slot is free. */
static posse_status withhold_locked(struct pi_submission *s, struct pi_member *m)
{
    posse_executor *e = s->executor;
    count_withheld(e, 1);
    pi_slot_withhold(s->slot, s->word, s->flags);
    posse_status status = pi_accepts(e); /* seq: after the count */
    if (status != POSSE_OK && pi_submit_undo(s)) {
        count_withheld(e, (uint32_t)-1);
        e->backend->notify(e);
        return status;
    }
    wait_locked(m);
    join_locked(m);
    pi_dispatch_link_locked(&m->sub);
    pi_dispatch_arm_locked(&m->sub); /* it may have ended already: then the member is gone */
    return POSSE_OK;
}

/* *waits: it need not enter the queue. */
static posse_status enter_locked(struct pi_submission *s, struct pi_member *m, bool *waits)
{
    struct posse_group *g = m->group;
    *waits = false;
    if (g->cancelled) {
        (void)pi_discard(s->executor, s->index, s->word);
        return POSSE_CANCELLED;
    }
    *waits = g->max_running > 0 && g->running >= g->max_running && s->executor->backend->spawn;
    m->runs = !*waits;
    g->left++;
    g->running += m->runs;
    posse_status status = *waits ? withhold_locked(s, m) : POSSE_OK;
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
        if (g->cancelled) /* meanwhile */
            (void)pi_cancel(m->sub.future, (struct pi_seen){.slot = slot_of(m),
                                                            .word = pi_word_of(m->sub.future)});
        join_locked(m);
        pi_dispatch_link_locked(&m->sub);
        pi_dispatch_arm_locked(&m->sub); /* as above */
    }
    pthread_mutex_unlock(lock);
    errno = error;
    return status;
}

/* ---- the calls ---- */

static posse_status check(const posse_executor *e)
{
    posse_status status = pi_check(e);
    if (status == POSSE_OK && e->owner != PI_OWNER_PROGRAM)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "a worker process has no groups");
    return status;
}

static posse_status check_group(const posse_group *g)
{
    return g ? check(g->executor) : pi_refuse(POSSE_INVALID, "group is NULL");
}

posse_status pi_check_job_group(const posse_executor *e, const posse_group *g)
{
    posse_status status = check(e); /* first: a worker process has not the group's memory */
    if (status == POSSE_OK && g->executor != e)
        status = pi_refuse(POSSE_INVALID, "job.group is of another executor");
    return status;
}

static posse_status make(posse_executor *e, const posse_group_options *options, posse_group **group)
{
    posse_status status = pi_phase_status(pi_phase_of(e));
    if (status == POSSE_OK)
        status = pi_dispatch_open(e);
    if (status == POSSE_OK)
        status = pi_dispatch_start_leader(e);
    if (status != POSSE_OK)
        return status;
    posse_group *g = calloc(1, sizeof *g);
    if (!g)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    g->executor = e;
    g->max_running = (size_t)options->max_running;
    g->cancel_on_failure = options->cancel_on_failure;
    pi_cq_init(&g->cq);
    g->cq.ended = ended_locked;
    g->cq.outlives_destroy = true;
    *group = g;
    return POSSE_OK;
}

posse_status posse_group_create(posse_executor *e, const posse_group_options *given,
                                posse_group **group)
{
    static const posse_group_options defaults = {.struct_size = sizeof defaults};
    posse_group_options copy;
    if (!group)
        return pi_refuse(POSSE_INVALID, "group is NULL");
    *group = NULL;
    posse_status status = check(e);
    if (status != POSSE_OK)
        return status;
    const posse_group_options *options =
        given ? pi_sized_read(given, &copy, sizeof copy) : &defaults;
    if (!options)
        return POSSE_INVALID;
    if (options->max_running < 0)
        return pi_refuse(POSSE_INVALID, "options.max_running is negative");
    if (options->cancel_on_failure != 0 && options->cancel_on_failure != 1)
        return pi_refuse(POSSE_INVALID, "options.cancel_on_failure is neither 0 nor 1");
    return make(e, options, group);
}

/* Whether nothing is left, or can end any more. */
static bool is_over(void *context, uint32_t parker)
{
    posse_group *g = context;
    (void)parker;
    return posse_group_left(g) == 0 || pi_destroying(g->executor) ||
           pi_phase_of(g->executor) == PI_DEAD;
}

static void count_waiter(posse_group *g, size_t change)
{
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    g->waiters += change;
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
}

/* Once it waits no longer. */
static posse_status outcome(posse_group *g)
{
    posse_executor *e = g->executor;
    pthread_mutex_lock(&e->dispatcher.lock);
    posse_status status = g->left > 0              ? POSSE_TIMEOUT
                          : g->failure != POSSE_OK ? g->failure
                          : g->has_cancelled       ? POSSE_CANCELLED
                                                   : POSSE_OK;
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (status == POSSE_TIMEOUT && pi_phase_of(e) == PI_DEAD)
        return POSSE_BROKEN;
    return status == POSSE_TIMEOUT && pi_destroying(e) ? POSSE_SHUT_DOWN : status;
}

posse_status posse_group_wait(posse_group *g, long timeout_ms)
{
    posse_status status = check_group(g);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    posse_executor *e = g->executor;
    if (pi_self_in(e))
        return POSSE_DEADLOCK;
    pi_call_enter(e);
    pthread_mutex_lock(&e->dispatcher.lock);
    pi_dispatch_deliver_locked(e); /* what has ended, whatever the leader does */
    pthread_mutex_unlock(&e->dispatcher.lock);
    if (timeout_ms != 0 && !is_over(g, 0)) {
        count_waiter(g, 1);
        status = pi_await_event(e, is_over, g, pi_os_after_ms(timeout_ms));
        count_waiter(g, (size_t)-1);
    }
    status = status == POSSE_NO_MEMORY ? status : outcome(g);
    pi_call_exit(e);
    return status;
}

size_t posse_group_left(posse_group *g)
{
    if (!g || pi_check(g->executor) != POSSE_OK)
        return 0;
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    size_t left = g->left;
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
    return left;
}

static posse_status end_all(posse_group *g, posse_status (*end)(posse_future, struct pi_seen))
{
    posse_status status = check_group(g);
    if (status != POSSE_OK)
        return status;
    pthread_mutex_lock(&g->executor->dispatcher.lock);
    g->cancelled = true;
    end_all_locked(g, end);
    pthread_mutex_unlock(&g->executor->dispatcher.lock);
    return POSSE_OK;
}

posse_status posse_group_cancel(posse_group *g) { return end_all(g, pi_cancel); }

posse_status posse_group_kill(posse_group *g) { return end_all(g, pi_kill); }

/* PENDING -> CANCELLED; a task that runs is left alone. */
static posse_status cancel_pending(posse_future future, struct pi_seen seen)
{
    while (pi_generation(seen.word) == future.generation && pi_state(seen.word) == PI_PENDING)
        if (pi_finish(future.executor, future.slot, &seen.word, PI_CANCELLED,
                      &future.executor->segment.header->cancelled))
            return POSSE_OK;
    return POSSE_TOO_LATE;
}

posse_status posse_group_destroy(posse_group *g)
{
    if (!g)
        return POSSE_OK;
    posse_status status = check_group(g);
    if (status != POSSE_OK)
        return status;
    pthread_mutex_t *lock = &g->executor->dispatcher.lock;
    pthread_mutex_lock(lock);
    g->max_running = 0; /* none is let go */
    end_all_locked(g, cancel_pending);
    while (g->first) {
        struct pi_member *m = g->first;
        pi_dispatch_drop_locked(&m->sub);
        leave_locked(m);
        if (m->waits)
            wait_no_more_locked(m);
        release_locked(m);
        forget_locked(m);
    }
    pthread_mutex_unlock(lock);
    pi_cq_fini(&g->cq);
    free(g);
    return POSSE_OK;
}
