/* Sleeping until a task is final, until there is room in the queue, until all is over and told. */
#include "pool/await.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "os/stack.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/verify.h"
#include "pool/wake.h"
#include "worker/run.h"

#include <errno.h>

/* ---- until a task is final ---- */

/* Whether no task on this stack is about to be killed, which would hit what else runs on it. */
static bool may_help(const struct pi_self *self)
{
    for (struct posse_task *task = self->task; task; task = task->outer)
        if (!pi_has_state(pi_load_seq(&task->slot->word), PI_RUNNING, self->worker))
            return false;
    return true;
}

/* Gives a claimed task back: it is PENDING again, and in the ring. */
static void give_back(posse_executor *e, uint32_t index, uint64_t word)
{
    if (!pi_slot_transition(&e->segment.slots.at[index], &word, PI_PENDING, PI_IN_RING, 0))
        return;
    if (!(word & PI_IN_RING))
        (void)pi_push(e, index, 0);
    pi_wake_or_grow(e);
}

posse_status pi_help(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_self *self = pi_self_in(e);
    if (!self || pi_state(word) != PI_PENDING || !may_help(self))
        return POSSE_TIMEOUT;
    if (!pi_os_stack_has_room())
        return pi_refuse_errno(ENOMEM, "no room on the stack for the task that is waited for");
    pi_slots_touch(&e->segment.slots, self->worker, index);
    if (!pi_slot_claim(&e->segment.slots.at[index], self->worker, &word))
        return POSSE_TIMEOUT;
    if (!may_help(self)) { /* it was told meanwhile */
        give_back(e, index, word);
        return POSSE_TIMEOUT;
    }
    if (e->queue_limit)
        pi_wake_room(e);
    pi_run(e, self->worker, index, word);
    return POSSE_OK;
}

bool pi_on_this_stack(posse_executor *e, posse_future future)
{
    struct pi_self *self = pi_self_in(e);
    for (struct posse_task *task = self ? self->task : NULL; task; task = task->outer)
        if (task->index == future.slot)
            return true;
    return false;
}

/* What can be said now: POSSE_OK, an error, or POSSE_TIMEOUT, not yet. */
static posse_status look(posse_executor *e, posse_future future, uint64_t *word)
{
    enum pi_phase phase = pi_phase_of(e); /* before the word: CLOSED comes after the last end */
    *word = pi_word_of(future);
    if (!pi_handle_valid(*word, future))
        return pi_refuse(POSSE_INVALID, PI_STALE);
    if (pi_final(*word))
        return POSSE_OK;
    if (pi_destroying(e))
        return POSSE_SHUT_DOWN;
    if (phase >= PI_CLOSED)
        return pi_phase_status(phase);
    return pi_on_this_stack(e, future) ? POSSE_DEADLOCK : POSSE_TIMEOUT;
}

/* What a spinning caller looks at. */
struct sight {
    posse_executor *executor;
    posse_future future;
    uint64_t *word;
};

static posse_status look_again(void *context)
{
    struct sight *sight = context;
    return look(sight->executor, sight->future, sight->word);
}

/* Puts the parker into the word, so that whoever makes the task final wakes it.
 * Several callers set BROADCAST. */
static void announce(posse_executor *e, posse_future future, uint64_t word, uint32_t parker)
{
    uint64_t named = pi_with_parker(word, parker + 1);
    if (pi_parker(word) == parker + 1 || (word & PI_BROADCAST))
        return;
    if (pi_parker(word) != 0)
        named = word | PI_BROADCAST;
    /* If it fails we look again. */
    (void)pi_cas(&e->segment.slots.at[future.slot].word, &word, named);
}

/* Takes the parker's name back, when the wait ends before the task. */
static void withdraw(posse_executor *e, posse_future future, uint32_t parker)
{
    _Atomic uint64_t *at = &e->segment.slots.at[future.slot].word;
    uint64_t word = pi_word_of(future);
    while (pi_generation(word) == future.generation && pi_parker(word) == parker + 1 &&
           !pi_final(word) && !(word & PI_BROADCAST))
        if (pi_cas(at, &word, pi_with_parker(word, 0)))
            return;
}

static bool announced(uint64_t word, uint32_t parker)
{
    return pi_parker(word) == parker + 1 || (word & PI_BROADCAST);
}

static posse_status park(posse_executor *e, posse_future future, uint64_t until, uint64_t *word)
{
    uint32_t parker = pi_park_acquire(e, pi_owner_here(e));
    if (parker == PI_NO_INDEX)
        return pi_failure(PI_NO_PARKER);
    struct pi_verify verify = {.word = 0};
    posse_status status;
    while ((status = look(e, future, word)) == POSSE_TIMEOUT && pi_os_now() < until) {
        posse_status helped = pi_help(e, future.slot, *word);
        if (helped == POSSE_NO_MEMORY) {
            status = helped;
            break;
        }
        if (helped == POSSE_OK)
            continue;
        if (!announced(*word, parker))
            announce(e, future, *word, parker);
        else if (!pi_park_until(e, parker, until))
            pi_verify_task(e, future.slot, &verify);
    }
    withdraw(e, future, parker);
    pi_parkers_release(&e->segment.parkers, parker);
    return status;
}

static posse_status wait_slowly(posse_future future, uint64_t until, uint64_t *word)
{
    posse_executor *e = future.executor;
    posse_status status = POSSE_TIMEOUT;
    while (status == POSSE_TIMEOUT && pi_help(e, future.slot, *word) == POSSE_OK)
        status = look(e, future, word);
    if (status == POSSE_TIMEOUT)
        status = pi_spin(e, look_again, &(struct sight){e, future, word});
    if (status == POSSE_TIMEOUT)
        status = park(e, future, until, word);
    if (status == POSSE_TIMEOUT && !pi_check_supervisor(e))
        status = look(e, future, word);
    return status;
}

posse_status pi_await_final(posse_future future, uint64_t until, uint64_t *word, bool *slow)
{
    posse_executor *e = future.executor;
    *slow = false;
    posse_status status = look(e, future, word);
    if (status == POSSE_TIMEOUT && until == 0 && !pi_poll_supervisor(e))
        status = look(e, future, word);
    if (status != POSSE_TIMEOUT || until == 0)
        return status;
    pi_call_enter(e);
    *slow = true;
    PI_OS_IF_LEFT(pi_call_exit_unwound, e); /* by a task that runs here */
    status = wait_slowly(future, until, word);
    PI_OS_END_IF_LEFT;
    return status;
}

/* ---- until there is room, until all is over, until all callbacks have returned ---- */

/* Says in `room_waiter` that we wait. */
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
    uint64_t length = pi_ring_length(&s->ring);
    return length >= e->queue_limit &&
           length - pi_slots_count_entries(&s->slots, &s->ring, UINT32_MAX).stale >= e->queue_limit;
}

static bool closed(posse_executor *e) { return pi_phase_of(e) >= PI_CLOSED || pi_destroying(e); }

static bool has_no_callbacks(posse_executor *e)
{
    return atomic_load(&e->dispatcher.callbacks_left) == 0 || pi_destroying(e);
}

static bool has_room(posse_executor *e)
{
    return pi_phase_of(e) != PI_OPEN || pi_destroying(e) || !pi_is_full(e);
}

/* A task may have scribbled on the phase just when the supervisor or a worker looked at it. */
static void tell_again(posse_executor *e)
{
    (void)pi_phase_of(e); /* puts right what others see */
    e->backend->notify(e);
    if (pi_phase_of(e) != PI_OPEN)
        pi_wake_all_workers(e);
}

static posse_status wait_until(posse_executor *e, bool (*event)(posse_executor *), bool for_room,
                               uint64_t until)
{
    uint32_t parker = pi_park_acquire(e, pi_owner_here(e));
    if (parker == PI_NO_INDEX)
        return pi_failure(PI_NO_PARKER);
    bool happened = event(e);
    while (!happened && pi_os_now() < until) {
        if (for_room)
            announce_room(e, parker);
        happened = event(e);
        if (!happened && !pi_park_until(e, parker, until))
            tell_again(e);
    }
    pi_parkers_release(&e->segment.parkers, parker);
    return happened ? POSSE_OK : POSSE_TIMEOUT;
}

posse_status pi_await_room(posse_executor *e, uint64_t until)
{
    posse_status status = wait_until(e, has_room, true, until);
    if (status == POSSE_OK && pi_destroying(e))
        return POSSE_SHUT_DOWN;
    return status == POSSE_OK ? pi_phase_status(pi_phase_of(e)) : status;
}

posse_status pi_await_closed(posse_executor *e, uint64_t until)
{
    return wait_until(e, closed, false, until);
}

posse_status pi_await_callbacks(posse_executor *e, uint64_t until)
{
    return has_no_callbacks(e) ? POSSE_OK : wait_until(e, has_no_callbacks, false, until);
}
