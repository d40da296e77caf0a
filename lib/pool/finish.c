/* Runs in: program, worker, supervisor.
 *
 * The end of a task, and of its slot. The holder of the handle frees the slot. If nobody holds it
 * (DETACHED), the process that ends the task frees the slot. A slot with blocks is made stale first
 * (FILLING); then its blocks are freed, then the slot. So a call that has read from a block finds
 * the handle stale afterwards (pi_confirm).
 *
 * Each step is one compare-and-swap on the slot's word, so if two processes want the same step, one
 * does it. Before a worker takes a step it says which slot it is about to change (pi_touch); after
 * its death the supervisor looks there.
 */
#include "pool/finish.h"
#include "base/assert.h"
#include "base/probe.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/descriptors.h"
#include "pool/feed_block.h"
#include "pool/report.h"
#include "pool/self.h"
#include "pool/stamp.h"
#include "pool/trim.h"
#include "pool/wake.h"

/* To FILLING, so that the handle is stale. False: another process did it, or claimed the slot. */
static bool empty_slot(struct pi_slot *slot, uint64_t *word, unsigned owner)
{
    for (uint64_t was = *word; pi_same_state(*word, was);)
        if (pi_slot_empty(slot, word, owner))
            return true;
    return false;
}

/* To FREE. */
static bool free_slot(struct pi_slot *slot, uint64_t *word)
{
    for (uint64_t was = *word; pi_same_state(*word, was);)
        if (pi_slot_free(slot, word))
            return true;
    return false;
}

bool pi_discard(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    unsigned owner = pi_owner_here(e);
    uint64_t tag = pi_tag_attached(index, pi_generation(word)); /* others are another life's */
    if (!pi_final(word) && pi_state(word) != PI_FILLING && pi_state(word) != PI_PENDING)
        return false;
    bool left = pi_descriptors_left(slot, pi_state(word));
    struct pi_bytes arg = pi_slot_arg(e, slot), result = pi_slot_result(e, slot);
    pi_block_ref blocks[5] = {arg.ref, result.ref, pi_slot_details_ref(slot)};
    bool any = blocks[0] || blocks[1] || blocks[2];
    if (blocks[2])
        pi_feed_blocks(e, slot, &blocks[2]);
    pi_touch(e, owner, index | PI_BITMAP_NOTED);
    bool mine = true;
    if (any) {
        mine = empty_slot(slot, &word, owner);
        for (int i = 0; mine && i < 5; i++)
            if (blocks[i])
                pi_block_release(e, owner, blocks[i], tag);
    }
    bool freed = mine && free_slot(slot, &word);
    if (freed && pi_has_stash(e, owner))
        pi_stash_free(&e->stashes, &e->segment.slots, index);
    else if (freed)
        pi_slot_give(&e->segment.slots, index);
    pi_touch(e, owner, PI_NO_INDEX); /* the slot's next taker clears its bit */
    if (!freed)
        return false; /* `word` may be of another task by now */
    pi_note_freed(e, sizeof *slot + arg.size + result.size);
    if (left)
        pi_descriptors_ended(e, index, word);
    return true;
}

static void end_unobserved(posse_executor *e, uint32_t index, uint64_t word)
{
    if (!pi_leave_to_log(e, index, word))
        (void)pi_discard(e, index, word);
}

void pi_discard_if_left(posse_executor *e, uint32_t index, uint64_t word)
{
    bool left =
        pi_final(word) && !(word & PI_PINNED) && pi_slot_is_left(&e->segment.slots.at[index], word);
    if (left && !pi_leave_to_log_again(e, word)) /* the finisher may have left it, too */
        (void)pi_discard(e, index, word);
}

/* Whether the argument stays until the slot is freed, for posse_autopsy_save. */
static bool keeps_arg(const posse_executor *e, uint64_t end)
{
    return e->autopsy && (pi_state(end) == PI_LOST || pi_state(end) == PI_TIMED_OUT);
}

/* Another process has ended the task in between. */
static void uncount(_Atomic uint64_t *counter)
{
    if (counter)
        pi_add_relaxed(counter, (uint64_t)-1); /* relaxed: only the sum counts */
}

bool pi_finish(posse_executor *e, uint32_t index, uint64_t *from, uint64_t end,
               _Atomic uint64_t *counter)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    unsigned owner = pi_owner_here(e);
    PI_ASSERT(pi_final(end));
    bool pinned = end & PI_PINNED; /* a thread that is still inside may read the argument */
    /* Before the end: after it the slot may belong to another task. */
    pi_block_ref arg = pi_slot_arg(e, slot).ref;
    bool left = pi_descriptors_left(slot, pi_state(end));
    if (counter)
        pi_add_relaxed(counter, 1); /* relaxed: published with the state */
    _Atomic uint64_t *ran = e->stamps ? pi_stamp_end(e, index, *from, end) : NULL;
    pi_touch(e, owner, index);
    uint64_t other = end & PI_OWNER_MASK ? PI_OWNER_MASK : 0; /* else the owner stays */
    uint64_t clear = (PI_PINNED | other) & ~end;
    if (!pi_slot_transition(slot, from, pi_state(end), end, clear)) {
        uncount(counter);
        uncount(ran);
        return false;
    }
    uint64_t word = *from;
    PI_PROBE(finish, e, index, pi_generation(word), (int)pi_state(end));
    if (left)
        pi_descriptors_ended(e, index, word);
    if (arg && !pinned && !keeps_arg(e, end))
        pi_block_release(e, owner, arg, pi_tag_attached(index, pi_generation(word)));
    pi_wake_waiters(e, index, word);
    if (!pinned && pi_slot_is_left(slot, word))
        end_unobserved(e, index, pi_with_state((word | end) & ~clear, pi_state(end)));
    return true;
}

bool pi_finish_pending(posse_executor *e, uint32_t index, uint32_t generation, enum pi_state end)
{
    struct pi_header *header = e->segment.header;
    _Atomic uint64_t *counter = end == PI_CANCELLED ? &header->cancelled : &header->timed_out;
    uint64_t word = pi_load_seq(&e->segment.slots.at[index].word); /* with pi_slot_transition */
    while (pi_generation(word) == generation && pi_state(word) == PI_PENDING)
        if (pi_finish(e, index, &word, end, counter)) {
            if (e->queue_limit)
                pi_wake_room(e); /* an entry without its task does not count */
            return true;
        }
    return false;
}

void pi_cancel_all(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; pi_slots_next(slots, count, &i); i++) {
        uint64_t word = pi_load_seq(&slots->at[i].word); /* with pi_slot_publish */
        if (pi_state(word) == PI_PENDING)
            (void)pi_finish(e, i, &word, PI_CANCELLED, &e->segment.header->cancelled);
    }
}
