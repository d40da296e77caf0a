#include "pool/verify.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/wake.h"

/* ---- a task ---- */

/* Whether the word is of the same attempt in the same state. Flags and parkers come and go. The
 * next attempt leaves fewer retries, unless the task has overwritten its own word. */
static bool is_same(const struct pi_verify *verify, uint64_t word, uint8_t retries)
{
    return pi_same_state(verify->word, word) && verify->retries == retries;
}

/* Whether no entry before that position of a lane is still to come. A ring that has become shorter
 * was overwritten. */
static bool is_passed(struct pi_ring *ring, uint64_t position)
{
    /* seq: with pi_ring_advance, which comes after the claim */
    return pi_load_seq(&ring->shared->head) >= position || pi_ring_end(ring) < position;
}

/* The ring of a slot's task. A lane that has no memory yet has no task either: then a task has
 * overwritten the slot. */
static struct pi_ring *ring_of(posse_executor *e, uint32_t index)
{
    struct pi_lanes *lanes = &e->segment.lanes;
    enum pi_lane lane = pi_slot_lane(&e->segment.slots.at[index]);
    return pi_lanes_ring(lanes, pi_lanes_has(lanes, lane) ? lane : PI_LANE_NORMAL, index);
}

static void push_again(posse_executor *e, uint32_t index, uint64_t word, struct pi_verify *verify)
{
    _Atomic uint64_t *at = &e->segment.slots.at[index].word;
    struct pi_ring *ring = ring_of(e, index);
    enum pi_lane lane = (enum pi_lane)ring->lane;
    pi_touch(e, pi_owner_here(e), index);
    /* Without IN_RING an entry of it counts as stale. seq: with claim_head, in core/slot.c */
    if (!(word & pi_in_ring(lane)) && !pi_cas_seq(at, &word, word | pi_in_ring(lane)))
        return;
    if (++verify->looks > PI_STUCK_CHECKS)
        pi_break_queue(e);
    pi_ring_forget(ring); /* the head may have been overwritten, which the next push sees */
    if (pi_push(e, lane, index, 0) == PI_PUSHED) /* else there is no memory now */
        verify->since = pi_ring_end(ring);
    (void)pi_wake_or_grow(e);
}

bool pi_is_on_stack(posse_executor *e, unsigned worker, uint32_t index)
{
    struct pi_segment *s = &e->segment;
    uint32_t next = pi_load_seq(&s->workers[worker].current); /* with push_task, in run.c */
    for (uint32_t step = 0; step < PI_MAX_NESTED; step++) {
        if (next == 0 || !pi_slots_has(&s->slots, next - 1))
            return false;
        if (next - 1 == index)
            return true;
        next = pi_load_relaxed(&s->slots.at[next - 1].outer); /* relaxed: looked at again later */
    }
    return true;
}

/* Before the end, as the next life begins without one. If the task has ended meanwhile, and another
 * one has the slot, that one has another deadline. */
static void clear_deadline(struct pi_slot *slot, uint64_t word)
{
    uint64_t deadline =
        pi_load_acquire(&slot->deadline_ns); /* before the word is looked at again */
    if (deadline != 0 && pi_same_state(pi_load_seq(&slot->word), word))
        (void)pi_cas(&slot->deadline_ns, &deadline, 0); /* orders nothing */
}

/* The slot is not this process's: another may end the task just now. So nothing is written but the
 * word, which says that no death is known (pi_slot_death). */
void pi_finish_ownerless(posse_executor *e, uint32_t index, uint64_t word)
{
    if (pi_state(word) != PI_PENDING) /* there it is 0 */
        clear_deadline(&e->segment.slots.at[index], word);
    (void)pi_finish(e, index, &word, pi_with_owner(PI_LOST, PI_OWNER_NONE),
                    &e->segment.header->lost);
}

static void verify_running(posse_executor *e, uint32_t index, uint64_t word,
                           struct pi_verify *verify)
{
    /* relaxed: looked at again later */
    uint64_t deadline = pi_load_relaxed(&e->segment.slots.at[index].deadline_ns);
    unsigned worker = pi_owner(word);
    if (pi_state(word) == PI_KILLING || (deadline != 0 && deadline < pi_os_now()))
        e->backend->notify(e);
    if (!e->backend->spawn) /* inline a task runs in whatever thread submits it */
        return;
    if (worker >= pi_workers_count(&e->segment)) {
        pi_finish_ownerless(e, index, word);
    } else if (pi_is_on_stack(e, worker, index)) {
        verify->looks = 0;
    } else if (++verify->looks >= PI_STUCK_CHECKS) {
        /* before the notification; with check_suspect, in deadline.c */
        pi_store_seq(&e->segment.workers[worker].suspect, index + 1);
        e->backend->notify(e);
    }
}

void pi_verify_task(posse_executor *e, uint32_t index, struct pi_verify *verify)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    if (!pi_slots_has(&e->segment.slots, index))
        return;
    uint64_t word = pi_load_seq(&slot->word);          /* with pi_slot_transition */
    uint8_t retries = pi_load_relaxed(&slot->retries); /* relaxed: looked at again later */
    if (pi_is_withheld(word))                          /* whoever withholds it looks itself */
        return;
    if (!is_same(verify, word, retries))
        *verify = (struct pi_verify){word, pi_ring_end(ring_of(e, index)), 0, retries};
    else if (pi_state(word) == PI_PENDING && is_passed(ring_of(e, index), verify->since))
        push_again(e, index, word, verify);
    else if (pi_is_running(word))
        verify_running(e, index, word, verify);
}

/* ---- the pool ---- */

/* Whether some thread that would take an entry is awake: an idle worker took the post of the last
 * look, or, if there are no workers, the supervisor went its round. A stopped one did not. */
static bool is_attended(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    /* relaxed, all: counts alone */
    uint64_t rounds = pi_load_relaxed(&s->header->supervisor_rounds);
    /* relaxed: as above */
    bool round = atomic_exchange_explicit(&e->stall.rounds, rounds, memory_order_relaxed) != rounds;
    if (pi_load_relaxed(&s->header->workers) == 0) /* relaxed: as above */
        return round;
    for (unsigned i = 0; i < pi_workers_count(s); i++)
        if (pi_idle_has(&s->header->idle, i) && !pi_os_semaphore_posted(&s->workers[i].wake))
            return true;
    return false;
}

/* Whether the look before this one has found a ring's head there. order: is_our_turn lets in one
 * thread a second. If that thread is held up here, the next one comes beside it. So `looks` is 0
 * before the position is published (release, acquire). The rest is relaxed: only counts. */
static bool is_there_again(struct pi_stalled_ring *stall, uint64_t head)
{
    if (pi_load_acquire(&stall->position) == head)
        return true;
    atomic_store_explicit(&stall->looks, 0, memory_order_relaxed);
    atomic_store_explicit(&stall->position, head, memory_order_release);
    return false;
}

/* Counts such a look. Whether there were PI_STUCK_CHECKS before it. order: as said. */
static bool is_stuck(struct pi_stalled_ring *stall)
{
    return atomic_fetch_add_explicit(&stall->looks, 1, memory_order_relaxed) >= PI_STUCK_CHECKS;
}

/* Whether the head stands at a mark, until the supervisor has given rings back. */
static bool is_giving(struct pi_ring *ring, uint64_t head)
{
    bool mark;
    (void)pi_ring_at(ring, head, &mark);
    return mark && pi_ring_backed(ring).giving;
}

/* Whether a ring says that something is in it, and where its head is. It may lie: then there is no
 * entry at the head. */
static bool has_entries(struct pi_ring *ring, uint64_t *head)
{
    if (pi_ring_peek(ring, head) != PI_NO_INDEX)
        return true;
    *head = pi_load_seq(&ring->shared->head); /* with pi_ring_advance */
    return pi_ring_end(ring) != *head && !is_giving(ring, *head);
}

/* Whether a ring has entries. Breaks the pool if one is stuck. */
static bool check_rings(posse_executor *e)
{
    struct pi_lanes *lanes = &e->segment.lanes;
    bool entries = false, attended = is_attended(e);
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n; i++) {
        uint64_t head;
        if (!has_entries(&lanes->ring[i], &head))
            continue;
        entries = true;
        struct pi_stalled_ring *stall = &e->stall.ring[i];
        if (is_there_again(stall, head) && attended && is_stuck(stall))
            pi_break_queue(e);
    }
    return entries;
}

/* One caller a second, of those that are blocked: their sleeps may end a little early. order: the
 * CAS chooses one of them, and publishes nothing. */
static bool is_our_turn(struct pi_stall *stall)
{
    uint64_t now = pi_os_now(), last = atomic_load(&stall->checked_ns);
    return now - last >= pi_verify_interval_ns / 10 * 9 &&
           atomic_compare_exchange_strong(&stall->checked_ns, &last, now);
}

void pi_verify_pool(posse_executor *e)
{
    if (!pi_check_supervisor(e) || pi_phase_of(e) >= PI_STOPPING || !is_our_turn(&e->stall))
        return;
    if (e->backend->spawn)
        e->backend->notify(e); /* an earlier notification may have been lost */
    if (check_rings(e))
        pi_wake_all_workers(e);
}
