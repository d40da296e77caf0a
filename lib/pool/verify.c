/* What a caller looks at that has been blocked for a second: it relies on memory where a task may
 * have scribbled, and nothing of that kind may keep it waiting for ever. Nobody looks who is not
 * blocked, and the pool is looked at about once a second, however many are.
 *
 *   what may be wrong                        how it is seen, and what is done
 *   the supervisor is dead                   see pi_check_supervisor
 *   a task waits and no worker was woken,    the ring is not empty: all workers are posted, and the
 *   or the one that was is stopped           supervisor is poked
 *   head and tail contradict the cells       pi_ring_repair
 *   an entry is there, and idle workers do   they took their posts, or it went its round, and at
 *   not see it, or the supervisor does not   MANY_LOOKS none has taken it: the queue is broken
 *   its task is PENDING, but in no entry       PENDING, and the head is past where the ring ended at an
 *                                            earlier look: it is pushed again; if that was so at
 *                                            MANY_LOOKS of the same attempt the queue is broken
 *   its task is RUNNING or KILLING by a worker   there is no such worker: LOST. Or it had it on its
 *   that does not have it                    stack at none of MANY_LOOKS: the supervisor is asked,
 *                                            which kills that worker, and only then it is LOST
 *   its task is to be killed, or late, and   the supervisor is poked
 *   the supervisor was not told
 *
 * A pool that is sound but slow or stopped passes all this: a push too many is a stale entry, and
 * only what workers have looked at and left counts against the queue. A worker may rest between its
 * claim and its next store, so no task that one may have is ended here: only a corpse says that it
 * is lost. The supervisor spares those that it knows to be stopped; one that a debugger holds just
 * there for so long is killed.
 */
#include "pool/verify.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/wake.h"

#define MANY_LOOKS 6u /* a second lies between two of them */

/* Flags and parkers come and go; a retry is a life of its own. */
static bool same_life(const struct pi_verify *verify, uint64_t word, uint8_t attempt)
{
    return pi_same_state(verify->word, word) && verify->attempt == attempt;
}

static void push_again(posse_executor *e, uint32_t index, uint64_t word, struct pi_verify *verify)
{
    _Atomic uint64_t *at = &e->segment.slots.at[index].word;
    pi_touch(e, pi_owner_here(e), index);
    /* Without IN_RING an entry of it counts as stale. */
    if (!(word & PI_IN_RING) && !pi_cas_seq(at, &word, word | PI_IN_RING))
        return;
    if (++verify->looks > MANY_LOOKS)
        pi_break_queue(e);
    if (pi_push(e, index, 0) == PI_PUSHED) /* else there is no memory now */
        verify->since = pi_ring_end(&e->segment.ring);
    (void)pi_wake_or_grow(e);
}

bool pi_is_on_stack(posse_executor *e, unsigned worker, uint32_t index)
{
    struct pi_segment *s = &e->segment;
    uint32_t next = pi_load_seq(&s->workers[worker].current);
    for (uint32_t step = 0; step < PI_MAX_NESTED; step++) {
        if (next == 0 || !pi_slots_has(&s->slots, next - 1))
            return false;
        if (next - 1 == index)
            return true;
        next = pi_load_relaxed(&s->slots.at[next - 1].outer); /* relaxed: looked at again later */
    }
    return true; /* who knows */
}

void pi_finish_ownerless(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    slot->death = (struct pi_death){.exit_code = -1};
    pi_store_relaxed(&slot->deadline_ns, 0); /* relaxed: published with the end */
    (void)pi_finish(e, index, &word, PI_LOST, &e->segment.header->lost);
}

/* Inline a task runs in whatever thread submits it. */
static void look_at_running(posse_executor *e, uint32_t index, uint64_t word,
                            struct pi_verify *verify)
{
    uint64_t deadline = pi_load_relaxed(&e->segment.slots.at[index].deadline_ns);
    unsigned worker = pi_owner(word);
    if (pi_state(word) == PI_KILLING || (deadline != 0 && deadline < pi_os_now()))
        e->backend->notify(e);
    if (!e->backend->spawn)
        return;
    if (worker >= pi_workers_count(&e->segment)) {
        pi_finish_ownerless(e, index, word);
    } else if (pi_is_on_stack(e, worker, index)) {
        verify->looks = 0;
    } else if (++verify->looks >= MANY_LOOKS) {
        pi_store_seq(&e->segment.workers[worker].suspect, index + 1); /* before the poke */
        e->backend->notify(e);
    }
}

/* Whether no entry before that position is to come; a ring that has become shorter was damaged. */
static bool is_passed(posse_executor *e, uint64_t position)
{
    return pi_load_seq(&e->segment.header->ring.head) >= position ||
           pi_ring_end(&e->segment.ring) < position;
}

void pi_verify_task(posse_executor *e, uint32_t index, struct pi_verify *verify)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    if (!pi_slots_has(&e->segment.slots, index))
        return;
    uint64_t word = pi_load_seq(&slot->word);
    uint8_t attempt = pi_load_relaxed(&slot->attempt); /* relaxed: looked at again later */
    if (!same_life(verify, word, attempt))
        *verify = (struct pi_verify){word, pi_ring_end(&e->segment.ring), 0, attempt};
    else if (pi_state(word) == PI_PENDING && is_passed(e, verify->since))
        push_again(e, index, word, verify);
    else if (pi_state(word) == PI_RUNNING || pi_state(word) == PI_KILLING)
        look_at_running(e, index, word, verify);
}

/* Whether somebody who would take an entry is awake: an idle worker took the post of the last look,
 * or, if there are no workers, the supervisor went its round. One that is stopped did not. */
static bool somebody_looked(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t rounds =
        pi_load_relaxed(&s->header->supervisor_rounds); /* relaxed, both: counts alone */
    bool round = atomic_exchange_explicit(&e->stall.rounds, rounds, memory_order_relaxed) != rounds;
    if (pi_load_relaxed(&s->header->workers) == 0)
        return round;
    for (unsigned i = 0; i < pi_workers_count(s); i++)
        if (pi_idle_has(&s->header->idle, i) && !pi_os_semaphore_posted(&s->workers[i].wake))
            return true;
    return false;
}

/* Whether the first entry has been left there at many looks. One thread at a time comes here. */
static bool is_left(posse_executor *e, uint64_t position)
{
    struct pi_stall *stall = &e->stall;
    bool looked = somebody_looked(e);
    if (pi_load_relaxed(&stall->position) != position) {
        atomic_store_explicit(&stall->position, position, memory_order_relaxed);
        atomic_store_explicit(&stall->looks, 0, memory_order_relaxed);
        return false;
    }
    return looked &&
           atomic_fetch_add_explicit(&stall->looks, 1, memory_order_relaxed) >= MANY_LOOKS;
}

/* One caller a second, of those that are blocked: their sleeps may end a little early. */
static bool is_our_turn(struct pi_stall *stall)
{
    uint64_t now = pi_os_now(), last = atomic_load(&stall->checked_ns);
    return now - last >= pi_verify_interval_ns / 10 * 9 &&
           atomic_compare_exchange_strong(&stall->checked_ns, &last, now);
}

void pi_verify_pool(posse_executor *e)
{
    uint64_t position;
    if (!pi_check_supervisor(e) || pi_phase_of(e) >= PI_STOPPING || !is_our_turn(&e->stall))
        return;
    if (e->backend->spawn)
        e->backend->notify(e); /* what somebody has told it may have been lost, or not seen */
    pi_ring_repair(&e->segment.ring);
    if (pi_ring_peek(&e->segment.ring, &position) == PI_NO_INDEX)
        return;
    if (is_left(e, position))
        pi_break_queue(e);
    pi_wake_all_workers(e);
}
