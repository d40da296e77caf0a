#include "pool/finish.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/trim.h"
#include "pool/wake.h"

/* Makes the handle stale: FREE if there are no blocks, else FILLING, as they are freed only then: a
 * reader of them finds it stale (pi_confirm). False: somebody else did, or has claimed it. */
static bool empty(struct pi_slot *slot, uint64_t *word, unsigned owner, bool blocks)
{
    uint64_t was = *word;
    while (pi_same_state(*word, was))
        if (blocks ? pi_slot_empty(slot, word, owner) : pi_slot_free(slot, word))
            return true;
    return false;
}

static bool discard(posse_executor *e, unsigned owner, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t tag = pi_tag_attached(index, pi_generation(word)); /* others are another life's */
    pi_block_ref blocks[] = {pi_slot_arg(e, slot).ref, pi_slot_result(e, slot).ref,
                             pi_slot_name(e, slot).ref};
    bool any = blocks[0] || blocks[1] || blocks[2];
    if (!empty(slot, &word, owner, any))
        return false;
    for (int i = 0; any && i < 3; i++)
        if (blocks[i])
            pi_block_release(e, owner, blocks[i], tag);
    if (any && !empty(slot, &word, owner, false))
        return false; /* somebody has scribbled on it */
    pi_bitmap_free(&e->segment.slots.map, index);
    return true;
}

/* Bytes that a slot and its blocks take. */
static size_t size_of(posse_executor *e, struct pi_slot *slot)
{
    return sizeof *slot + pi_slot_arg(e, slot).size + pi_slot_result(e, slot).size;
}

bool pi_discard(posse_executor *e, uint32_t index, uint64_t word)
{
    unsigned owner = pi_owner_here(e);
    if (!pi_final(word) && pi_state(word) != PI_FILLING && pi_state(word) != PI_PENDING)
        return false;
    size_t size = e->backend->spawn ? 0 : size_of(e, &e->segment.slots.at[index]); /* inline */
    pi_touch(e, owner, index | PI_BITMAP_NOTED);
    bool done = discard(e, owner, index, word);
    pi_touch(e, owner, PI_NO_INDEX); /* the next taker clears its bit */
    pi_note_freed(e, size);
    return done;
}

bool pi_finish(posse_executor *e, uint32_t index, uint64_t *from, enum pi_state state, uint64_t set)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    unsigned owner = pi_owner_here(e);
    pi_block_ref arg =
        pi_slot_arg(e, slot).ref; /* before the end: after it the slot may change hands */
    pi_touch(e, owner, index);
    if (!pi_slot_transition(slot, from, state, set, 0))
        return false;
    uint64_t word = *from;
    if (arg && !(set & PI_PINNED)) /* a thread that is still inside may read it */
        pi_block_release(e, owner, arg, pi_tag_attached(index, pi_generation(word)));
    pi_wake_waiters(e, index, word, true);
    if ((word & PI_DETACHED) && !(set & PI_PINNED))
        pi_discard(e, index, pi_with_state(word | set, state));
    return true;
}

bool pi_finish_counted(posse_executor *e, uint32_t index, uint64_t *from, enum pi_state state,
                       uint64_t set, _Atomic uint64_t *counter)
{
    pi_add_relaxed(counter, 1);
    bool done = pi_finish(e, index, from, state, set);
    if (!done)
        pi_add_relaxed(counter, (uint64_t)-1);
    return done;
}

void pi_cancel_all(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots);
    for (uint32_t i = 0; pi_slots_next(slots, count, &i); i++) {
        uint64_t word = pi_load_seq(&slots->at[i].word);
        if (pi_state(word) == PI_PENDING)
            (void)pi_finish_counted(e, i, &word, PI_CANCELLED, 0, &e->segment.header->cancelled);
    }
}
