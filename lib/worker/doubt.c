/* What a caller looks at that has been blocked for a second: it relies on memory where a task may
 * have scribbled, and nothing of that kind may keep it waiting for ever. Each look costs the same
 * whatever the size of the tables; nobody does it who is not blocked.
 *
 *   what may be wrong                        how it is seen, and what is done
 *   the supervisor is dead                   see pi_check_supervisor
 *   a task waits and no worker was woken,    the ring is not empty: all workers are posted, and the
 *   or the one that was is stopped           supervisor is poked
 *   head and tail contradict the cells       pi_ring_mend
 *   an entry is there, and idle workers do   they took their posts, or it was poked, and at several
 *   not see it, or the supervisor does not   looks none of them has taken it: the queue is broken
 *   its task is READY, but in no entry       READY, and the head is past where the ring ended at an
 *                                            earlier look: it is pushed again, and if that does not
 *                                            help either the queue is broken
 *   its task is RUN or KILLING by a worker   the owner is none, or has had it on its stack at no
 *   that does not have it                    look for some seconds: the supervisor is asked, which
 *                                            kills that worker, and only then the task is LOST
 *   its task is to be killed, or late, and   the supervisor is poked
 *   the supervisor was not told
 *
 * The one who is blocked may be wrong about a worker that rests for seconds between its claim and
 * its next store. So it ends no task that a worker may have: only a corpse says that it is lost.
 */
#include "worker/backend.h"

#include "os/clock.h"

#define PUSHED_AGAIN ((uint64_t)1 << 63) /* in `since` of a READY task */
#define MOST_NESTED 10000u               /* tasks on one stack that are looked at */
#define DOUBT_NS 5000000000u
#define STUCK_LOOKS 6u
#define BETWEEN_LOOKS_NS 900000000u

/* Flags and parkers come and go. */
static uint64_t life_of(uint64_t word)
{
    return word & ((uint64_t)15 | PI_OWNER_MASK | (uint64_t)UINT32_MAX << PI_GENERATION_SHIFT);
}

static void push_again(posse_executor *e, uint32_t index, uint64_t word, struct pi_doubt *doubt)
{
    _Atomic uint64_t *at = &e->segment.slots.at[index].word;
    /* Without QUEUED an entry of it counts as stale. */
    if (!(word & PI_QUEUED) && !pi_cas_seq(at, &word, word | PI_QUEUED))
        return;
    if ((doubt->since & PUSHED_AGAIN) || pi_push(e, index, 0) != PI_PUSHED)
        pi_break_queue(e);
    doubt->since = pi_ring_end(&e->segment.ring) | PUSHED_AGAIN;
    (void)pi_call_worker(e);
}

bool pi_is_on_stack(posse_executor *e, unsigned seat, uint32_t index)
{
    struct pi_segment *s = &e->segment;
    uint32_t count = pi_slots_count(&s->slots), next = pi_load_seq(&s->seats[seat].current);
    for (uint32_t step = 0; next != 0 && next <= count && step < MOST_NESTED; step++) {
        if (next - 1 == index)
            return true;
        next = pi_load_relaxed(&s->slots.at[next - 1].below); /* relaxed: looked at again later */
    }
    return false;
}

void pi_finish_nobodys(posse_executor *e, uint32_t index, uint64_t word)
{
    e->segment.slots.at[index].death = (struct pi_death){.exit_code = -1};
    (void)pi_finish_counted(e, index, &word, PI_LOST, 0, &e->segment.header->lost);
}

/* Inline a task runs in whatever thread submits it. */
static void look_at_running(posse_executor *e, uint32_t index, uint64_t word,
                            struct pi_doubt *doubt)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t now = os_now(), deadline = pi_load_relaxed(&slot->deadline_ns);
    bool exists = pi_owner(word) < pi_seats_count(&e->segment);
    if (pi_state(word) == PI_KILLING || (deadline != 0 && deadline < now))
        e->backend->poke(e);
    if (!e->backend->spawn)
        return;
    if (!exists) {
        pi_finish_nobodys(e, index, word);
    } else if (pi_is_on_stack(e, pi_owner(word), index)) {
        doubt->since = now;
    } else if (now - doubt->since >= DOUBT_NS) {
        pi_store_seq(&e->segment.seats[pi_owner(word)].doubted, index + 1); /* before the poke */
        e->backend->poke(e);
    }
}

/* Whether no entry before that position is to come; a ring that has become shorter was damaged. */
static bool is_passed(posse_executor *e, uint64_t position)
{
    return pi_load_seq(&e->segment.header->ring.head) >= position ||
           pi_ring_end(&e->segment.ring) < position;
}

void pi_look_after_task(posse_executor *e, uint32_t index, struct pi_doubt *doubt)
{
    uint64_t word = pi_load_seq(&e->segment.slots.at[index].word);
    bool ready = pi_state(word) == PI_READY;
    if (life_of(word) != life_of(doubt->word)) {
        doubt->word = word;
        doubt->since = ready ? pi_ring_end(&e->segment.ring) : os_now();
    } else if (ready && is_passed(e, doubt->since & ~PUSHED_AGAIN)) {
        push_again(e, index, word, doubt);
    } else if (pi_state(word) == PI_RUN || pi_state(word) == PI_KILLING) {
        look_at_running(e, index, word, doubt);
    }
}

/* Whether some worker that is idle is awake: it took the post of the last look. One that is stopped,
 * or gets no processor, did not. */
static bool idle_have_looked(struct pi_segment *s)
{
    for (unsigned i = 0; i < pi_seats_count(s); i++)
        if (pi_idle_has(&s->header->idle, i) && !os_semaphore_posted(&s->seats[i].wake))
            return true;
    return false;
}

/* Whether nobody took the first entry at the last looks, though idle workers looked each time. A
 * process that was stopped itself looks several times at once then, which counts as one. Relaxed,
 * all of it: if two threads look at the same time one of the looks may get lost. */
static bool is_stuck(struct pi_stuck *stuck, uint64_t position)
{
    uint64_t now = os_now();
    if (pi_load_relaxed(&stuck->position) != position) {
        atomic_store_explicit(&stuck->position, position, memory_order_relaxed);
        atomic_store_explicit(&stuck->looks, 0, memory_order_relaxed);
    } else if (now - pi_load_relaxed(&stuck->looked_at) < BETWEEN_LOOKS_NS) {
        return false;
    }
    atomic_store_explicit(&stuck->looked_at, now, memory_order_relaxed);
    return atomic_fetch_add_explicit(&stuck->looks, 1, memory_order_relaxed) >= STUCK_LOOKS;
}

void pi_look_after_pool(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t position;
    if (!pi_check_supervisor(e))
        return;
    if (e->backend->spawn)
        e->backend->poke(e); /* what somebody has told it may have been lost, or not seen */
    pi_ring_mend(&s->ring);
    if (pi_ring_peek(&s->ring, &position) == PI_NONE)
        return;
    /* relaxed: looked at again and again */
    bool nobody = pi_load_relaxed(&s->header->workers) == 0;
    if ((nobody || idle_have_looked(s)) && is_stuck(&e->stuck, position))
        pi_break_queue(e);
    pi_wake_all_workers(e);
}
