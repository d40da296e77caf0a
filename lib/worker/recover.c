/* What is repaired when a worker has died. It is called after the corpse was reaped, so what the
 * worker left stands still; everybody else goes on meanwhile, so every repair is a compare-and-swap
 * like any other.
 *
 *   the worker died after ...                   left behind              repair
 *   taking a free slot (nested submit)          FILL(w)                  FREE
 *   READY, before or inside push                READY, not in the ring   pushed again
 *   the cell's CAS, before the tail's           in ring, tail behind     anyone helps
 *   the push, before or inside the wake         a sleeper not woken      everyone is woken
 *   being woken or while spinning               its idle bit             cleared; everyone is woken
 *   the claim, before moving the head           RUN(w), head behind      LOST; anyone helps
 *   clearing QUEUED of a stale entry            head behind              anyone helps
 *   running, or writing the result              RUN(w), perhaps a block  LOST, or READY if
 *                                                                        retries are left
 *   ... when it was to be killed for that task  KILLING(w)               TIMED_OUT or CANCELLED
 *   the final CAS, before waking the waiter     final, waiter asleep     everyone is woken
 *   waking, before freeing a detached slot      final, detached          FREE
 *   freeing a slot, before the map's bit        FREE, bit set            bit cleared
 *   freeing a slot, before its blocks           ATTACHED to an old life  FREE
 *   holding handles of nested tasks             nobody to release them   detached, or FREE if final
 *   taking an arena block or a parker           HELD(w); owner w         FREE
 *   moving the head, before waking a submitter  submitter asleep, room   everyone is woken
 *   with locks and queues                       see recover_objects.c    there
 *
 * Any row done twice does no harm: a push again is a stale hint, a wake too many makes
 * somebody look. The models, all in tests/model, have these rows with a worker that dies after any
 * step: pool.pml (slots and ring), idle.pml, wait.pml and ready.pml (wakes), arena.pml (blocks).
 */
#include "worker/backend.h"
#include "worker/objects.h"

#include "os/semaphore.h"

#include <string.h>

static bool marked(const struct pi_supervisor *s, uint32_t slot)
{
    return s->marks[slot / 64] >> (slot % 64) & 1;
}

/* Marks every slot that has an entry in the ring. */
static void mark_entries(struct pi_supervisor *s, uint32_t count)
{
    struct pi_ring *ring = &s->executor->segment.ring;
    memset(s->marks, 0, ((size_t)count + 63) / 64 * sizeof *s->marks);
    /* Not the entry at the head: somebody may have dealt with it and be about to pass it. */
    uint64_t position = pi_load_acquire(&ring->shared->head) + 1;
    for (uint64_t step = 0; step < pi_ring_most(ring); step++, position++) {
        bool mark;
        uint32_t slot = pi_ring_at(ring, position, &mark);
        if (slot == PI_NONE && !mark)
            return;
        if (slot < count)
            s->marks[slot / 64] |= (uint64_t)1 << (slot % 64);
    }
}

/* Puts a READY slot into the ring once more. Without memory for the ring its task is lost;
 * that is told. */
static void push_again(posse_executor *e, uint32_t index, uint64_t word)
{
    if (pi_push(e, index, 0) == PI_PUSHED)
        return;
    e->segment.slots.at[index].death = (struct pi_death){.exit_code = -1};
    (void)pi_finish(e, index, &word, PI_LOST, 0);
}

/* A result block that the dead worker had attached already belongs to no result. */
static void drop_attached(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    pi_ref ref = pi_slot_result(e, slot).ref;
    if (ref && ref != pi_slot_arg(e, slot).ref && ref != pi_slot_name(e, slot).ref)
        (void)pi_block_release(e, PI_NOBODY, ref, pi_tag_attached(index, pi_generation(word)));
    pi_store_relaxed(&slot->result_size, 0); /* relaxed: published with the state, as */
    pi_store_relaxed(&slot->deadline_ns, 0); /* this: the next run or life begins without one */
}

static void recover_running(posse_executor *e, uint32_t index, uint64_t word,
                            const struct pi_death *death)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    drop_attached(e, index, word);
    if (slot->retries > 0 && !(word & PI_CANCEL) && pi_phase_of(e) < PI_STOPPING) {
        slot->retries--;
        if (pi_slot_leave(slot, &word, PI_READY, PI_QUEUED, 0) && !(word & PI_QUEUED))
            push_again(e, index, pi_with_state(word | PI_QUEUED, PI_READY));
        return;
    }
    slot->death = *death;
    (void)pi_finish_counted(e, index, &word, PI_LOST, 0, &e->segment.header->lost);
}

static void recover_killed(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_header *header = e->segment.header;
    bool expired = word & PI_EXPIRED;
    drop_attached(e, index, word);
    (void)pi_finish_counted(e, index, &word, expired ? PI_TIMED_OUT : PI_CANCELLED, 0,
                            expired ? &header->timed_out : &header->cancelled);
}

/* The handle of a nested task whose holder has died. */
static void recover_orphan(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint32_t generation = pi_generation(word);
    while (pi_generation(word) == generation && (!pi_final(word) || (word & PI_PINNED)))
        if ((word & PI_DETACHED) || pi_cas(&slot->word, &word, word | PI_DETACHED))
            return;
    if (pi_generation(word) == generation)
        (void)pi_discard(e, index, word);
}

/* The thread that pinned the slot has ended inside its task. */
static void recover_pinned(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    pi_store_relaxed(&slot->deadline_ns, 0); /* relaxed: published with the state. As above */
    if (pi_slot_leave(slot, &word, pi_state(word), 0, PI_PINNED) && (word & PI_DETACHED))
        (void)pi_discard(e, index, word & ~(uint64_t)PI_PINNED);
}

/* A slot says QUEUED, and is not in the ring. */
static void recover_entry(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    while ((word & PI_QUEUED) && pi_state(word) != PI_READY)
        if (pi_cas(&slot->word, &word, word & ~(uint64_t)PI_QUEUED))
            return;
    if (pi_state(word) == PI_READY)
        push_again(e, index, word);
}

static void recover_slot(struct pi_supervisor *s, unsigned seat, uint32_t index,
                         const struct pi_death *death)
{
    posse_executor *e = s->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word);
    if (pi_state(word) == PI_FREE && !(word & PI_QUEUED) &&
        !pi_map_taken(&e->segment.slots.map, index))
        return;
    if (pi_is(word, PI_FILL, seat))
        (void)pi_discard(e, index, word);
    else if (pi_is(word, PI_RUN, seat))
        recover_running(e, index, word, death);
    word = pi_load_seq(&slot->word);
    if (pi_is(word, PI_KILLING, seat)) /* perhaps only now: posse_kill may come between */
        recover_killed(e, index, word);
    else if (pi_final(word) && (word & PI_PINNED) && pi_owner(word) == seat)
        recover_pinned(e, index, word);
    word = pi_load_seq(&slot->word);
    if (pi_state(word) >= PI_READY && pi_load_relaxed(&slot->submitter) == seat)
        recover_orphan(e, index, word);
    else if (pi_final(word) && (word & PI_DETACHED) && !(word & PI_PINNED))
        (void)pi_discard(e, index, word);
    word = pi_load_seq(&slot->word);
    if ((word & PI_QUEUED) && !marked(s, index))
        recover_entry(e, index, word);
    if (pi_state(word) == PI_FREE && pi_map_taken(&e->segment.slots.map, index))
        pi_map_give(&e->segment.slots.map, index);
}

static void recover_parkers(posse_executor *e, unsigned seat)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t owner = pi_load_seq(&parkers->at[i].owner);
        if (owner == seat + 1) {
            /* Its semaphore still counts a dead sleeper, if it is the C library's. */
            pi_store_release(&parkers->at[i].made, 0);
            pi_parkers_release(parkers, i);
        } else if (owner == 0 && pi_map_taken(&parkers->map, i)) {
            pi_map_give(&parkers->map, i);
        }
    }
    pi_map_repair(&parkers->map, count);
}

/* The worker may have died between the end of a task and its count. */
static void recover_counts(posse_executor *e, unsigned seat)
{
    for (enum pi_end end = 0; end < PI_ENDS; end++)
        pi_store_relaxed(&e->segment.seats[seat].ended[end], 2 * pi_ended(e, seat, end));
}

void pi_recover(struct pi_supervisor *s, unsigned seat, const struct pi_death *death)
{
    posse_executor *e = s->executor;
    struct pi_segment *segment = &e->segment;
    uint32_t count = pi_slots_count(&segment->slots);
    recover_counts(e, seat); /* before `current` is forgotten */
    pi_idle_leave(&segment->header->idle, seat);
    pi_store_release(&segment->seats[seat].current, 0);
    pi_store_seq(&segment->seats[seat].deadline_ns, 0);
    /* Before its task is seen to be lost: its locks can be had then. Before the parkers too, as it
     * asks whose they are. */
    pi_recover_objects(e, seat, true);
    mark_entries(s, count);
    for (uint32_t i = 0; i < count; i++)
        recover_slot(s, seat, i, death);
    pi_map_repair(&segment->slots.map, count);
    pi_recover_blocks(e, seat);
    recover_parkers(e, seat);
    pi_wake_all_parkers(e);
    pi_wake_all_workers(e);
}
