#include "pool/await.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/verify.h"
#include "pool/wake.h"

/* ---- until a task is final ---- */

bool pi_on_this_stack(posse_executor *e, posse_future future)
{
    struct pi_self *self = pi_self_in(e);
    for (struct posse_task *task = self ? self->task : NULL; task; task = task->outer)
        if (task->index == future.slot)
            return true;
    return false;
}

/* Whether the task is still pending or running, whoever holds its future. */
static bool is_open(const struct pi_await *wait)
{
    return pi_generation(wait->word) == wait->future.generation && pi_open(wait->word);
}

/* What can be said now. POSSE_OK: the task is final. POSSE_TIMEOUT: not yet. */
static posse_status look(void *context)
{
    struct pi_await *wait = context;
    posse_executor *e = wait->future.executor;
    enum pi_phase phase = pi_phase_of(e); /* before the word: CLOSED comes after the last end */
    wait->word = pi_word_of(wait->future);
    if (wait->unobserved && !is_open(wait))
        return POSSE_OK;
    if (!wait->unobserved && !pi_handle_valid(wait->word, wait->future))
        return pi_refuse(POSSE_INVALID, PI_STALE);
    if (pi_final(wait->word) || (wait->ready && wait->ready(wait)))
        return POSSE_OK;
    if (pi_destroying(e))
        return POSSE_SHUT_DOWN;
    if (phase >= PI_CLOSED)
        return pi_phase_status(phase);
    return pi_on_this_stack(e, wait->future) ? POSSE_DEADLOCK : POSSE_TIMEOUT;
}

static bool is_announced(const struct pi_await *wait)
{
    return pi_parker(wait->word) == wait->parker_ref || (wait->word & PI_BROADCAST);
}

/* Puts the parker into the word, where the finisher of the task finds it. A second caller sets
 * BROADCAST. If that fails the caller looks again. */
static posse_status announce(struct pi_await *wait)
{
    posse_executor *e = wait->future.executor;
    uint64_t word = wait->word;
    if (wait->parker_ref == 0) {
        uint32_t parker = pi_park_acquire(e, pi_owner_here(e));
        if (parker == PI_NO_INDEX)
            return pi_failure(PI_NO_PARKER);
        wait->parker_ref = parker + 1;
    }
    uint64_t named = pi_parker(word) ? word | PI_BROADCAST : pi_with_parker(word, wait->parker_ref);
    /* with pi_slot_transition: the finisher of the task finds the parker, or we find the end */
    (void)pi_cas(&e->segment.slots.at[wait->future.slot].word, &word, named);
    return POSSE_OK;
}

/* After a look that said POSSE_TIMEOUT: spins, gets ready to be woken, or sleeps. POSSE_OK: the
 * caller must look again. */
static posse_status spin_or_sleep(struct pi_await *wait, uint64_t until)
{
    posse_executor *e = wait->future.executor;
    if (!wait->spun) {
        wait->spun = true;
        (void)pi_spin_if_spare(e, look, wait);
    } else if (wait->parker_ref == 0 || !is_announced(wait)) {
        return announce(wait);
    } else if (pi_park_until(e, wait->parker_ref - 1, until) == PI_PARK_VERIFY) {
        pi_verify_pool(e);
        pi_verify_task(e, wait->future.slot, &wait->verify);
    }
    return POSSE_OK;
}

/* Takes the parker out of the word again, if the wait ends before the task. */
static void withdraw(const struct pi_await *wait)
{
    _Atomic uint64_t *at = &wait->future.executor->segment.slots.at[wait->future.slot].word;
    uint64_t word = pi_word_of(wait->future);
    while (pi_generation(word) == wait->future.generation && pi_parker(word) == wait->parker_ref &&
           !pi_final(word) && !(word & PI_BROADCAST))
        if (pi_cas(at, &word, pi_with_parker(word, 0))) /* with pi_slot_transition */
            return;
}

static posse_status await_slowly(struct pi_await *wait, uint64_t until)
{
    posse_executor *e = wait->future.executor;
    posse_status status;
    while ((status = look(wait)) == POSSE_TIMEOUT && pi_os_now() < until) {
        status = wait->help(wait->future);
        if (status == POSSE_TIMEOUT)
            status = spin_or_sleep(wait, until);
        if (status != POSSE_OK)
            break;
    }
    if (wait->parker_ref != 0) {
        withdraw(wait);
        pi_parkers_release(&e->segment.parkers, wait->parker_ref - 1);
    }
    return status == POSSE_TIMEOUT && !pi_check_supervisor(e) ? look(wait) : status;
}

posse_status pi_await_final(struct pi_await *wait, uint64_t until)
{
    posse_executor *e = wait->future.executor;
    posse_status status = look(wait);
    if (status == POSSE_TIMEOUT && until == 0 && !pi_poll_supervisor(e))
        status = look(wait);
    if (status == POSSE_TIMEOUT && until != 0) {
        pi_call_enter(e);
        wait->entered = true;
        PI_OS_IF_LEFT(pi_call_exit_unwound, e); /* by a task that runs here */
        status = await_slowly(wait, until);
        PI_OS_END_IF_LEFT;
    }
    return status;
}

/* ---- until there is room, until all is over ---- */

/* Puts right how many tasks are withheld, if a task has overwritten it. */
static void publish_withheld(posse_executor *e)
{
    pthread_mutex_lock(&e->dispatcher.lock); /* else it may undo a change of task_member.c */
    pi_store_seq(&e->segment.header->withheld, e->withheld); /* with pi_supervisor_run */
    pthread_mutex_unlock(&e->dispatcher.lock);
}

/* A task may have overwritten the phase just when the supervisor or a worker read it. */
static void notify_again(posse_executor *e)
{
    (void)pi_phase_of(e); /* puts right what others see */
    if (e->owner == PI_OWNER_PROGRAM)
        publish_withheld(e);
    e->backend->notify(e);
    if (pi_phase_of(e) != PI_OPEN)
        pi_wake_all_workers(e);
}

posse_status pi_await_event(posse_executor *e, pi_event_fn *event, void *context, uint64_t until)
{
    uint32_t parker = pi_park_acquire(e, pi_owner_here(e));
    if (parker == PI_NO_INDEX)
        return pi_failure(PI_NO_PARKER);
    bool happened;
    while (!(happened = event(context, parker)) && pi_os_now() < until) {
        enum pi_park_end end = pi_park_until(e, parker, until);
        if (end == PI_PARK_VERIFY)
            pi_verify_pool(e);
        if (end != PI_PARK_WOKEN)
            notify_again(e);
    }
    pi_parkers_release(&e->segment.parkers, parker);
    return happened ? POSSE_OK : POSSE_TIMEOUT;
}

/* Says in `room_waiter` that the caller waits. order: seq, with pi_wake_room. */
static void announce_room(posse_executor *e, uint32_t parker)
{
    _Atomic uint32_t *room = &e->segment.header->room_waiter;
    uint32_t seen = pi_load_seq(room);
    while ((seen & ~PI_ROOM_MANY) != parker + 1 && !(seen & PI_ROOM_MANY))
        if (pi_cas_seq(room, &seen, seen ? seen | PI_ROOM_MANY : parker + 1))
            return;
}

bool pi_is_full(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t length = pi_lanes_length(&s->lanes);
    return length >= e->queue_limit &&
           length - pi_lanes_count_entries(&s->lanes, &s->slots, UINT32_MAX).stale >=
               e->queue_limit;
}

bool pi_has_room(posse_executor *e, uint32_t parker)
{
    announce_room(e, parker); /* before the look */
    return pi_phase_of(e) != PI_OPEN || pi_destroying(e) || !pi_is_full(e);
}

void pi_await_callers(posse_executor *e)
{
    while (atomic_load(&e->blocked) != 0) { /* with pi_call_exit, a caller's last access */
        pi_wake_all_parkers(e);
        pi_dispatch_wake_all(e);
        pi_os_sleep(PI_CALLERS_WAIT_NS);
    }
}
