/* What is repaired when a worker has died. It is called after the worker was reaped, so what the
 * worker left stands still; everybody else goes on meanwhile, so every repair is a compare-and-swap
 * like any other.
 *
 * It costs what the worker has left, not what the executor has ever had. Whatever slot a worker has
 * left half done, one of these four names it:
 *
 *   T  its worker's `touched`: the slot that it has changed last, or was about to change
 *   S  its stack: the worker's `current`, and from there `outer` in each slot
 *   M  the groups of slots that have its mark, or MANY (core/groups.h): there it may have submitted
 *   G  the groups that name it as their owner: it is giving them memory
 *
 *   the worker died after ...                   left behind              found by   repair
 *   clearing the map's bit of a free slot       FREE, bit clear          T          bit set
 *   taking a free slot (nested submit)          FILLING(w)                  T, M       FREE
 *   PENDING, before or inside push                PENDING, not in the ring   T          pushed again
 *   ... and it was cancelled or freed since     IN_RING, not in the ring  T          not IN_RING
 *   the cell's CAS, before the tail's           in ring, tail behind                anyone helps
 *   the push, before or inside the wake         a sleeper not woken                 all are woken
 *   being woken or while spinning               its idle bit             its worker   cleared; all
 *                                                                                   are woken
 *   the claim, before `current`                 RUNNING(w), head behind      T          LOST; anyone
 *                                                                                   helps
 *   giving back what it had claimed             PENDING, not in the ring   T          pushed again
 *   clearing IN_RING of a stale entry            head behind                         anyone helps
 *   running, or writing the result              RUNNING(w), perhaps a block  S          LOST, or PENDING
 *                                                                                   if retries are
 *                                                                                   left
 *   ... when it was to be killed for that task  KILLING(w)               S, T       TIMED_OUT or
 *                                                                                   CANCELLED
 *   ... of a thread that was ended meanwhile    final, PINNED            S, T       as its thread
 *                                                                                   would have done
 *   the final CAS, before waking the waiter     final, waiter asleep                all are woken
 *   waking, before freeing a detached slot      final, detached          T          FREE
 *   taking out a slot, before its blocks        FILLING(w)                  T          its blocks too
 *   freeing a slot, before the map's bit        FREE, bit clear          T          bit set
 *   a bit of a map, before those above it       bits above it            a walk     made right
 *   holding handles of nested tasks             nobody to release them   M          detached, or
 *                                                                                   FREE if final
 *   claiming a group of slots                   CLAIMED(w)               G          CLOSED
 *   opening it, before the map's bits           OPEN(w), bits clear      G          bits set
 *   taking an arena block or a parker           HELD(w); owner w         a walk     FREE
 *   moving the head, before waking a submitter  submitter asleep, room              all are woken
 *   with locks and queues                       see recover_sync.c               there
 *
 * If T and S do not tell all, the recovery looks at all open groups, and pushes again what the
 * worker has submitted. That is so if
 *   - another thread of the worker's process has changed slots (`walk`);
 *   - S leads to a slot that is not the worker's: a task has scribbled there, or the innermost task
 *     has ended, and its slot became another's before the worker took it off its stack;
 *   - a caller has found a task that names the worker and is not on its stack (pool/verify.c).
 *
 * Any row done twice does no harm: a push again is a stale hint, as is an entry whose IN_RING was
 * cleared; a wake too many makes somebody look. The models, all in tests/model, have these rows
 * with a worker that dies after any step: pool.pml (slots and ring), groups.pml (groups), idle.pml,
 * wait.pml and done_list.pml (wakes), arena.pml (blocks).
 */
#include "supervisor/recover.h"
#include "os/semaphore.h"
#include "pool/block.h"
#include "pool/commit.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/pool.h"
#include "pool/sync.h"
#include "pool/verify.h"
#include "pool/wake.h"
#include "supervisor/supervisor.h"
#include "worker/run.h"

/* A death, and what the worker's record says of it. */
struct loss {
    posse_executor *executor;
    unsigned worker;
    const struct pi_death *death;
    uint32_t touched, current; /* as in the worker, */
    bool noted;                /* with PI_BITMAP_NOTED, or without */
    bool all;                  /* these do not tell all */
};

/* Puts a PENDING slot into the ring once more. Without memory for the ring its task is lost;
 * that is told. */
static void push_again(posse_executor *e, uint32_t index, uint64_t word)
{
    if (pi_push(e, index, 0) == PI_PUSHED)
        return;
    e->segment.slots.at[index].death = (struct pi_death){.exit_code = -1};
    (void)pi_finish(e, index, &word, PI_LOST, &e->segment.header->lost);
}

/* A result block that the dead worker had attached already belongs to no result. */
static void drop_attached(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    pi_block_ref ref = pi_slot_result(e, slot).ref;
    if (ref && ref != pi_slot_arg(e, slot).ref && ref != pi_slot_name(e, slot).ref)
        (void)pi_block_release(e, PI_OWNER_NONE, ref, pi_tag_attached(index, pi_generation(word)));
    pi_store_relaxed(&slot->result_size, 0); /* relaxed: published with the state, as */
    pi_store_relaxed(&slot->deadline_ns, 0); /* this: the next run or life begins without one */
}

static void recover_running(posse_executor *e, uint32_t index, uint64_t word,
                            const struct pi_death *death)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    drop_attached(e, index, word);
    if (slot->retries > 0 && !(word & PI_CANCEL_REQUESTED) && pi_phase_of(e) < PI_STOPPING) {
        slot->retries--;
        if (pi_slot_transition(slot, &word, PI_PENDING, PI_IN_RING, 0) && !(word & PI_IN_RING))
            push_again(e, index, pi_with_state(word | PI_IN_RING, PI_PENDING));
        return;
    }
    slot->death = *death;
    (void)pi_finish(e, index, &word, PI_LOST, &e->segment.header->lost);
}

static void recover_killed(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_header *header = e->segment.header;
    bool expired = word & PI_EXPIRED;
    drop_attached(e, index, word);
    (void)pi_finish(e, index, &word, expired ? PI_TIMED_OUT : PI_CANCELLED,
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
    if (pi_slot_transition(slot, &word, pi_state(word), 0, PI_PINNED) && (word & PI_DETACHED))
        (void)pi_discard(e, index, word & ~(uint64_t)PI_PINNED);
}

/* A slot says IN_RING, and may not be in the ring. */
static void recover_entry(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    while ((word & PI_IN_RING) && pi_state(word) != PI_PENDING)
        if (pi_cas(&slot->word, &word, word & ~(uint64_t)PI_IN_RING))
            return;
    if (pi_state(word) == PI_PENDING)
        push_again(e, index, word);
}

/* Whether the worker may have died in the midst of a step with this slot. */
static bool is_touched(const struct loss *loss, uint32_t index)
{
    uint16_t submitter = pi_load_relaxed(&loss->executor->segment.slots.at[index].submitter);
    return index + 1 == loss->touched || (loss->all && submitter == loss->worker);
}

/* What the worker had of it. */
static void recover_task(const struct loss *loss, uint32_t index)
{
    posse_executor *e = loss->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word);
    if (pi_has_state(word, PI_FILLING, loss->worker))
        (void)pi_discard(e, index, word);
    else if (pi_has_state(word, PI_RUNNING, loss->worker))
        recover_running(e, index, word, loss->death);
    word = pi_load_seq(&slot->word);
    if (pi_has_state(word, PI_KILLING,
                     loss->worker)) /* perhaps only now: posse_kill may come between */
        recover_killed(e, index, word);
    else if (pi_final(word) && (word & PI_PINNED) && pi_owner(word) == loss->worker)
        recover_pinned(e, index, word);
    word = pi_load_seq(&slot->word);
    if (pi_state(word) >= PI_PENDING && pi_load_relaxed(&slot->submitter) == loss->worker)
        recover_orphan(e, index, word);
    else if (pi_final(word) && (word & PI_DETACHED) && !(word & PI_PINNED))
        (void)pi_discard(e, index, word);
}

static void recover_slot(const struct loss *loss, uint32_t index)
{
    posse_executor *e = loss->executor;
    struct pi_slots *slots = &e->segment.slots;
    pi_increment(&e->segment.header->slots_recovered);
    recover_task(loss, index);
    uint64_t word = pi_load_seq(&slots->at[index].word);
    if ((word & PI_IN_RING) && is_touched(loss, index))
        recover_entry(e, index, word);
    if (pi_state(word) == PI_FREE && (loss->all || (loss->noted && index + 1 == loss->touched)) &&
        pi_bitmap_is_allocated(&slots->map, index))
        pi_bitmap_free(&slots->map, index);
}

/* Whether a task of the worker's stack is, or was until it ended just now, the worker's. */
static bool is_its(const struct loss *loss, uint64_t word)
{
    return pi_owner(word) == loss->worker && pi_state(word) >= PI_RUNNING;
}

/* False: it leads astray. */
static bool recover_stack(const struct loss *loss)
{
    struct pi_slots *slots = &loss->executor->segment.slots;
    uint32_t next = loss->current;
    for (uint32_t step = 0; next != 0 && step < PI_MAX_NESTED; step++) {
        uint32_t index = next - 1;
        if (!pi_slots_has(slots, index))
            return false;
        /* Before the word: the next life of the slot writes it after that has changed. */
        next = pi_load_acquire(&slots->at[index].outer);
        if (!is_its(loss, pi_load_seq(&slots->at[index].word)))
            return false;
        recover_slot(loss, index);
    }
    return next == 0;
}

static void recover_group(const struct loss *loss, uint32_t group)
{
    struct pi_slots *slots = &loss->executor->segment.slots;
    pi_group_recover(slots, group, loss->worker);
    uint64_t word = pi_load_acquire(&slots->groups[group]); /* with pi_group_open */
    if (pi_group_state(word) != PI_GROUP_OPEN ||
        !(loss->all || pi_group_has_mark(word, loss->worker)))
        return;
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        recover_slot(loss, group * PI_GROUP_SLOTS + i);
}

static void recover_slots(struct loss *loss)
{
    struct pi_slots *slots = &loss->executor->segment.slots;
    uint32_t groups = pi_slots_count(slots) / PI_GROUP_SLOTS, touched = loss->touched - 1;
    if (!recover_stack(loss)) /* before what it was doing: that may change hands */
        loss->all = true;
    if (loss->touched && pi_slots_has(slots, touched))
        recover_slot(loss, touched);
    for (uint32_t i = 0; i < groups; i++)
        recover_group(loss, i);
    pi_bitmap_repair(&slots->map, groups * PI_GROUP_SLOTS);
}

static void recover_parkers(posse_executor *e, unsigned worker)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t owner = pi_load_seq(&parkers->at[i].owner);
        if (owner == worker + 1) {
            /* Its semaphore still counts a dead sleeper, if it is the C library's. */
            pi_store_release(&parkers->at[i].made, 0);
            pi_parkers_release(parkers, i);
        } else if (owner == 0 && pi_bitmap_is_allocated(&parkers->map, i)) {
            pi_bitmap_free(&parkers->map, i);
        }
    }
    pi_bitmap_repair(&parkers->map, count);
}

/* The worker may have died between the end of a task and its count. */
static void recover_counts(posse_executor *e, unsigned worker)
{
    for (enum pi_end end = 0; end < PI_ENDS; end++)
        pi_store_relaxed(&e->segment.workers[worker].finished[end],
                         2 * pi_count_finished(e, worker, end));
}

void pi_recover(struct pi_supervisor *s, unsigned worker, const struct pi_death *death)
{
    posse_executor *e = s->executor;
    struct pi_segment *segment = &e->segment;
    struct pi_worker *at = &segment->workers[worker];
    uint32_t touched = pi_load_relaxed(&at->touched); /* relaxed, all: it was reaped */
    struct loss loss = {.executor = e,
                        .worker = worker,
                        .death = death,
                        .touched = touched & ~PI_BITMAP_NOTED,
                        .noted = touched & PI_BITMAP_NOTED,
                        .current = pi_load_relaxed(&at->current),
                        .all = pi_load_relaxed(&at->walk) || s->children[worker].suspect};
    recover_counts(e, worker); /* before `current` is forgotten */
    pi_idle_leave(&segment->header->idle, worker);
    pi_store_release(&at->current, 0);
    pi_store_seq(&at->deadline_ns, 0);
    /* Before its task is seen to be lost: its locks can be had then. Before the parkers too, as it
     * asks whose they are. */
    pi_recover_sync(e, worker, true);
    recover_slots(&loss);
    pi_recover_blocks(e, worker);
    pi_recount(e); /* it may have counted memory that it had not yet taken */
    recover_parkers(e, worker);
    pi_wake_all_parkers(e);
    pi_wake_all_workers(e);
}
