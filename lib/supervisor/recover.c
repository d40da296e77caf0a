/* Runs in: supervisor.
 *
 * Repairs what a worker has left, after it was reaped: what the worker left stands still. All other
 * processes go on meanwhile, so every repair is one compare-and-swap like any other.
 *
 * The cost grows with what the worker has left, not with what the executor has ever had. One of
 * four things names each slot that a worker has left half done:
 *
 *   T  `touched` in its record: the slot that it has changed last, or was about to change
 *   S  its stack: `current` in its record, and from there `outer` in each slot
 *   M  the groups of slots that have its mark, or MANY (core/groups.h): it may have submitted there
 *   G  the groups that name it as their owner: it gives them memory, or takes it
 *
 *   the worker died ...                        left behind              by    repair
 *   after the map's bit of a free slot         FREE, bit clear          T     bit set
 *   after it took a free slot                  FILLING(w)               T, M  FREE
 *   after PENDING, before or in its push       PENDING, not in ring     T     pushed again
 *   ... and the task was cancelled or freed    IN_RING, not in ring     T     IN_RING cleared
 *   after a cell of the ring, before the tail  in ring, tail behind           anyone helps
 *   after the push, before or in the wake      a sleeper is not woken         all are woken
 *   after it was woken, or while it spun       its idle bit                   cleared; all woken
 *   after the claim, before `current`          RUNNING(w), head behind  T     LOST; anyone helps
 *   while it gave a claimed task back          PENDING, not in ring     T     pushed again
 *   after it cleared a stale entry's IN_RING   head behind                    anyone helps
 *   while it ran a task or wrote its result    RUNNING(w), or a block   S     LOST, or PENDING
 *   while it was to be killed for its task     KILLING(w)               S, T  TIMED_OUT, CANCELLED
 *   (a thread) after its task was ended        final, PINNED            S, T  as unpin in end.c
 *   after the end, before it woke the waiter   final, waiter asleep           all are woken
 *   after that, before it freed the slot       final, DETACHED          T     FREE, or the log's
 *   after it emptied a slot, before blocks     FILLING(w)               T     its blocks, too: FREE
 *   after FREE, before the map's bit           FREE, bit clear          T     bit set
 *   after that bit, before its last look       taken, bit set           T     bit cleared
 *   after a bit of a map, before those above   wrong bits above         walk  corrected
 *   while it held the handle of a task         no holder                M     DETACHED; final: FREE
 *   after it claimed a group of slots          CLAIMED(w)               G     CLOSED
 *   after it opened one, before its last look  OPEN(w), bits wrong      G     bits corrected
 *   while it had a parker                      owner w                  walk  free
 *   after the head, before it woke submitters  submitter asleep, room         all are woken
 *   with blocks, locks or queues               see core/arena.h and recover_blocks.c
 *
 * If T and S do not tell all, the recovery looks at all open groups, and pushes again what the
 * worker has submitted. That is so if
 *   - another thread of the worker's process has changed slots (`walk` in its record);
 *   - a caller has found a task that names the worker and is not on its stack (pool/verify.c): the
 *     supervisor sets `walk`, too;
 *   - S leads to a slot that is not the worker's: a task has overwritten memory, or the innermost
 *     task has ended, and its slot became another's before the worker took the task off its stack.
 *
 * A row that is done twice does no harm: a second entry is stale, a second wake makes a sleeper
 * look. The models in tests/model let a worker die after any step: pool.pml (slots and ring),
 * groups.pml and stash.pml (groups, bits), idle.pml, wait.pml and done_list.pml (wakes), arena.pml
 * (blocks).
 *
 * A worker that exited cleanly has left nothing half done. What it had handed to others (handles,
 * blocks, locks, queues) becomes the program's, or it would end with the next worker of this
 * record.
 */
#include "supervisor/recover.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/block.h"
#include "pool/commit.h"
#include "pool/feed_block.h"
#include "pool/finish.h"
#include "pool/grow.h"
#include "pool/report.h"
#include "pool/stamp.h"
#include "pool/tracer.h"
#include "pool/verify.h"
#include "pool/wake.h"
#include "supervisor/crash_block.h"
#include "worker/end.h"
#include "worker/unclaim.h"

/* A death, and what the worker's record says of it. */
struct loss {
    posse_executor *executor;
    unsigned worker;
    const struct pi_death *death;
    uint32_t touched, current; /* as in the record, */
    bool noted;                /* with PI_BITMAP_NOTED, or without */
    bool all;                  /* these do not tell all */
    pi_block_ref record;       /* the block of its crash record, or 0 */
};

/* ---- what may be wrong with a slot ---- */

/* Without memory for the ring the task is lost. */
static void push_again(posse_executor *e, enum pi_lane lane, uint32_t index, uint64_t word)
{
    if (pi_push(e, lane, index, 0) != PI_PUSHED)
        pi_finish_ownerless(e, index, word);
}

/* A result block that the worker had attached belongs to no result; nor do blocks of what it was
 * about to tell. */
static void drop_result(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    pi_block_ref ref = pi_slot_result(e, slot).ref;
    if (ref && ref != pi_slot_arg(e, slot).ref && ref != pi_slot_details_ref(slot))
        (void)pi_block_release(e, PI_OWNER_NONE, ref, pi_tag_attached(index, pi_generation(word)));
    if (!e->stamps || !pi_stamps_in_slot(slot))  /* else it is the submit stamp */
        pi_store_relaxed(&slot->result_size, 0); /* relaxed: published with the state, as */
    pi_store_relaxed(&slot->deadline_ns, 0); /* this is: the next run or life begins without one */
    pi_feed_recover(e, index, word);
}

/* What the worker's record says is of the innermost task. */
static void keep_record(const struct loss *loss, uint32_t index, uint64_t word)
{
    if (loss->record && index + 1 == loss->current)
        pi_crash_block_attach(loss->executor, loss->record, index, word);
}

/* The task of a dead worker was over a limit (core/details.h), so another attempt would be, too.
 * True: it has ended. */
static bool finish_if_over(const struct loss *loss, uint32_t index, uint64_t word)
{
    posse_executor *e = loss->executor;
    struct pi_details *details = pi_slot_details(e, &e->segment.slots.at[index]);
    if (!details)
        return false;
    pi_store_relaxed(&details->turn, 0);                 /* relaxed: PENDING publishes it */
    if (pi_load_relaxed(&details->over) == PI_OVER_NONE) /* relaxed: its worker was reaped */
        return false;
    keep_record(loss, index, word);
    (void)pi_finish(e, index, &word, PI_TIMED_OUT, &e->segment.header->timed_out);
    return true;
}

static void recover_running(const struct loss *loss, uint32_t index, uint64_t word)
{
    posse_executor *e = loss->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    drop_result(e, index, word);
    if (pi_slot_is_limited(slot) && finish_if_over(loss, index, word))
        return;
    uint8_t retries = pi_load_relaxed(&slot->retries); /* relaxed: the supervisor's own by now */
    if (retries == 0 || (word & PI_CANCEL_REQUESTED) || pi_phase_of(e) >= PI_STOPPING) {
        slot->death = *loss->death;
        keep_record(loss, index, word);
        (void)pi_finish(e, index, &word, PI_LOST, &e->segment.header->lost);
        return;
    }
    pi_store_relaxed(&slot->retries, (uint8_t)(retries - 1)); /* relaxed: PENDING publishes it */
    if (e->stamps)
        pi_tracer_run(e, &(struct pi_trace_run){index, word, PI_PENDING, pi_os_now()});
    (void)pi_put_back(e, index, word);
}

static void recover_killing(const struct loss *loss, uint32_t index, uint64_t word)
{
    posse_executor *e = loss->executor;
    struct pi_header *header = e->segment.header;
    bool expired = word & PI_EXPIRED;
    drop_result(e, index, word);
    if (expired)
        keep_record(loss, index, word);
    (void)pi_finish(e, index, &word, expired ? PI_TIMED_OUT : PI_CANCELLED,
                    expired ? &header->timed_out : &header->cancelled);
}

/* The thread ended inside the task that it had pinned. */
static void recover_pinned(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    if (e->stamps)
        pi_stamp_reaped(e, index, word);
    pi_store_relaxed(&slot->deadline_ns, 0); /* relaxed: published with the state */
    bool unpinned = pi_slot_transition(slot, &word, pi_state(word), 0, PI_PINNED);
    word &= ~(uint64_t)PI_PINNED;
    if (unpinned && pi_slot_is_left(slot, word) && !pi_leave_to_log(e, index, word))
        (void)pi_discard(e, index, word);
}

/* The worker had the handle of a task. */
static void recover_handle(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint32_t generation = pi_generation(word);
    /* with the CAS of the finisher, which then frees the slot */
    while (pi_generation(word) == generation &&
           (!pi_final(word) || (word & PI_PINNED) || pi_slot_is_grouped(slot)))
        if ((word & PI_DETACHED) || pi_cas(&slot->word, &word, word | PI_DETACHED)) { /* the same */
            pi_discard_if_left(e, index, word | PI_DETACHED);
            return;
        }
    if (pi_generation(word) == generation)
        (void)pi_discard(e, index, word);
}

/* A slot says IN_RING, and may not be in one of the rings. The task that waits there is pushed
 * again, other entries count as stale. */
static void recover_entry(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    enum pi_lane lane;
    bool pending;
    uint64_t left;
    do {
        lane = pi_slot_lane(slot);
        pending = pi_state(word) == PI_PENDING && !pi_is_withheld(word);
        left = word & ~(PI_IN_RING & ~(pending ? pi_in_ring(lane) : 0));
    } while (left != word && !pi_cas(&slot->word, &word, left)); /* with claim_head */
    if (pending)
        push_again(e, lane, index, left);
}

/* ---- slots ---- */

static void recover_task(const struct loss *loss, uint32_t index)
{
    posse_executor *e = loss->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word); /* seq, all: with pi_slot_transition */
    if (pi_has_state(word, PI_FILLING, loss->worker))
        (void)pi_discard(e, index, word);
    else if (pi_has_state(word, PI_RUNNING, loss->worker))
        recover_running(loss, index, word);
    word = pi_load_seq(&slot->word); /* posse_kill may have come between: KILLING only now */
    if (pi_has_state(word, PI_KILLING, loss->worker))
        recover_killing(loss, index, word);
    else if (pi_final(word) && (word & PI_PINNED) && pi_owner(word) == loss->worker)
        recover_pinned(e, index, word);
    word = pi_load_seq(&slot->word);
    /* relaxed: constant after FILLING */
    if (pi_state(word) >= PI_PENDING && pi_load_relaxed(&slot->submitter) == loss->worker)
        recover_handle(e, index, word);
    else if (pi_final(word) && !(word & PI_PINNED) && pi_slot_is_left(slot, word) &&
             !pi_leave_to_log_again(e, word))
        (void)pi_discard(e, index, word);
}

/* Whether the worker may have died before it pushed this task. A task that has run was in its ring.
 * If such a task is PENDING, it has overwritten its own word, and would each time that it runs. Or
 * the slot has become another's, which pushes that. */
static bool may_lack_entry(const struct loss *loss, uint32_t index)
{
    struct pi_slot *slot = &loss->executor->segment.slots.at[index];
    if (index + 1 == loss->touched && index + 1 != loss->current)
        return true;
    /* relaxed: constant after FILLING, and 0 until the first run */
    return loss->all && pi_load_relaxed(&slot->submitter) == loss->worker &&
           pi_load_relaxed(&slot->attempt) == 0;
}

static void recover_slot(const struct loss *loss, uint32_t index)
{
    posse_executor *e = loss->executor;
    struct pi_slots *slots = &e->segment.slots;
    pi_increment(&e->segment.header->slots_recovered);
    recover_task(loss, index);
    uint64_t word = pi_load_seq(&slots->at[index].word); /* with pi_slot_transition */
    if ((word & PI_IN_RING) && may_lack_entry(loss, index))
        recover_entry(e, index, word);
    if (loss->noted && index + 1 == loss->touched)
        pi_group_repair(slots, index / PI_GROUP_SLOTS, (uint64_t)1 << index % PI_GROUP_SLOTS);
}

/* False: the stack leads to a slot that is not, and was not just now, the worker's. */
static bool recover_stack(const struct loss *loss)
{
    struct pi_slots *slots = &loss->executor->segment.slots;
    uint32_t next = loss->current;
    for (uint32_t step = 0; next != 0 && step < PI_MAX_NESTED; step++) {
        uint32_t index = next - 1;
        if (!pi_slots_has(slots, index))
            return false;
        /* acquire: before the word, which the slot's next life changes before it writes `outer` */
        next = pi_load_acquire(&slots->at[index].outer);
        uint64_t word = pi_load_seq(&slots->at[index].word); /* with pi_slot_transition */
        if (pi_owner(word) != loss->worker || pi_state(word) < PI_RUNNING)
            return false;
        recover_slot(loss, index);
    }
    return next == 0;
}

static bool is_marked(struct pi_slots *slots, uint32_t group, unsigned worker)
{
    uint64_t word = pi_load_acquire(&slots->groups[group]); /* with pi_group_open */
    return pi_group_state(word) == PI_GROUP_OPEN && pi_group_has_mark(word, worker);
}

static void recover_group(const struct loss *loss, uint32_t group)
{
    struct pi_slots *slots = &loss->executor->segment.slots;
    uint32_t first = group * PI_GROUP_SLOTS;
    pi_group_recover(slots, group, loss->worker);
    if (!(loss->all ? pi_slots_has(slots, first) : is_marked(slots, group, loss->worker)))
        return;
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        recover_slot(loss, first + i);
    if (loss->all)
        pi_group_repair(slots, group, UINT64_MAX);
}

static void recover_slots(struct loss *loss)
{
    struct pi_slots *slots = &loss->executor->segment.slots;
    uint32_t groups = pi_slots_count(slots) / PI_GROUP_SLOTS;
    loss->all |= !recover_stack(loss); /* first: what the worker touched may change hands */
    if (loss->touched && pi_slots_has(slots, loss->touched - 1))
        recover_slot(loss, loss->touched - 1);
    for (uint32_t i = 0; i < groups; i++)
        recover_group(loss, i);
    pi_bitmap_repair(&slots->map, groups * PI_GROUP_SLOTS);
}

/* ---- the rest ---- */

/* The worker may have died between the end of a task and its count. */
static void recover_counts(posse_executor *e, unsigned worker)
{
    for (enum pi_end end = 0; end < PI_ENDS; end++) /* relaxed: the worker is dead */
        pi_store_relaxed(&e->segment.workers[worker].finished[end],
                         2 * pi_count_finished(e, worker, end));
}

void pi_recover(posse_executor *e, unsigned worker, const struct pi_death *death,
                pi_block_ref record)
{
    struct pi_worker *at = &e->segment.workers[worker];
    uint32_t touched = pi_load_relaxed(&at->touched); /* relaxed, all: it was reaped */
    struct loss loss = {.executor = e,
                        .worker = worker,
                        .death = death,
                        .touched = touched & ~PI_BITMAP_NOTED,
                        .noted = touched & PI_BITMAP_NOTED,
                        .current = pi_load_relaxed(&at->current),
                        .all = pi_load_relaxed(&at->walk),
                        .record = record};
    recover_counts(e, worker); /* before `current` is cleared */
    pi_idle_leave(&e->segment.header->idle, worker);
    pi_store_release(&at->current, 0); /* with pi_count_finished */
    pi_store_seq(&at->deadline_ns, 0); /* see worker_record.h */
    /* Locks come before tasks: a caller that sees its task lost may take them. And before parkers,
     * whose owners tell which waiters are the worker's. */
    pi_recover_blocks(e, worker, PI_OWNER_NONE);
    recover_slots(&loss);
    pi_recount(e); /* the worker may have counted memory that it had not yet taken */
    pi_parkers_recover(&e->segment.parkers, worker);
    pi_wake_all_parkers(e);
    pi_wake_all_workers(e);
}

void pi_reparent(posse_executor *e, unsigned worker)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; i < count; i++) {
        uint16_t submitter = (uint16_t)worker;
        if (!is_marked(slots, i / PI_GROUP_SLOTS, worker)) {
            i |= PI_GROUP_SLOTS - 1; /* on to the next group */
            continue;
        }
        if (pi_load_relaxed(&slots->at[i].submitter) == submitter) /* relaxed: the CAS checks it */
            (void)pi_cas(&slots->at[i].submitter, &submitter, (uint16_t)PI_OWNER_PROGRAM);
    }
    pi_recover_blocks(e, worker, PI_OWNER_PROGRAM);
}
