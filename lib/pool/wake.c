#include "supervisor/backend.h"

#include "os/semaphore.h"

bool pi_wake_worker(posse_executor *e, bool force)
{
    struct pi_segment *s = &e->segment;
    uint32_t worker = pi_idle_claim(&s->header->idle, pi_workers_count(s), force);
    if (worker == PI_NO_INDEX)
        return false;
    pi_os_semaphore_post(&s->workers[worker].wake);
    return true;
}

static bool may_grow(posse_executor *e)
{
    return pi_load_seq(&e->segment.header->grow_on_demand); /* see scale.c */
}

bool pi_wake_or_grow(posse_executor *e)
{
    bool woken = pi_wake_worker(e, false);
    if (!woken && may_grow(e) &&
        !pi_idle_any(&e->segment.header->idle, pi_workers_count(&e->segment)))
        e->backend->notify(e);
    return woken;
}

void pi_wake_for_backlog(posse_executor *e)
{
    uint64_t position;
    if (may_grow(e) && pi_ring_peek(&e->segment.ring, &position) != PI_NO_INDEX)
        (void)pi_wake_or_grow(e);
}

void pi_wake_all_workers(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    unsigned workers = pi_workers_count(s);
    for (unsigned i = 0; i < workers; i++)
        pi_os_semaphore_post_once(&s->workers[i].wake);
}

bool pi_post_parker(posse_executor *e, uint32_t index)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    /* seq: who wakes all has acted before, and a new parker's owner looks after this */
    if (index >= pi_parkers_count(parkers) || pi_load_seq(&parkers->at[index].owner) == 0 ||
        !pi_load_seq(&parkers->at[index].made))
        return false;
    pi_os_semaphore_post_once(&parkers->at[index].wake);
    return true;
}

/* Posts all that somebody owns. */
static void post_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        (void)pi_post_parker(e, i);
}

void pi_wake_all_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        if (pi_load_seq(&parkers->at[i].collects))
            pi_store_seq(&parkers->at[i].rescan, 1);
    post_parkers(e);
}

/* Posts the parker that the word of a task names. If it collects it is given the slot; or, of a
 * task that was released, told to look what has become of it, unless it is ours: then
 * we look here. */
static void notify_parker(posse_executor *e, uint32_t slot, uint64_t word, bool ended)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index = pi_parker(word) - 1;
    if (index >= pi_parkers_count(parkers))
        return;
    struct pi_parker *parker = &parkers->at[index];
    bool collects = pi_load_seq(&parker->collects), post = true;
    if (collects && ended)
        post = pi_done_list_push(&e->segment.slots, parker, slot, pi_generation(word));
    else if (collects && (post = !pi_dispatch_slot(e, slot, index)))
        pi_store_seq(&parker->rescan, 1);
    if (post)
        (void)pi_post_parker(e, index);
}

void pi_wake_waiters(posse_executor *e, uint32_t slot, uint64_t word, bool ended)
{
    if (pi_parker(word))
        notify_parker(e, slot, word, ended);
    if (word & PI_BROADCAST)
        post_parkers(e);
}

void pi_wake_room(posse_executor *e)
{
    _Atomic uint32_t *room = &e->segment.header->room_waiter;
    if (pi_load_seq(room) == 0) /* seq: after the head has moved, see segment.h */
        return;
    uint32_t who = pi_exchange_seq(room, 0);
    if (who & PI_ROOM_MANY)
        post_parkers(e);
    else if (who)
        (void)pi_post_parker(e, who - 1);
}

/* Whether a word is that of the same life in the same state, whatever flags have come or gone. */
static bool is_same(uint64_t a, uint64_t b)
{
    const uint64_t fixed =
        (uint64_t)15 | PI_OWNER_MASK | (uint64_t)UINT32_MAX << PI_GENERATION_SHIFT;
    return (a & fixed) == (b & fixed);
}

/* Makes the handle stale: FREE if there are no blocks, else FILLING, as they are freed only then: a
 * reader of them finds it stale (pi_confirm). False: somebody else did, or has claimed it. */
static bool empty(struct pi_slot *slot, uint64_t *word, unsigned owner, bool blocks)
{
    uint64_t was = *word;
    while (is_same(*word, was))
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

bool pi_raise_phase(posse_executor *e, enum pi_phase phase)
{
    return pi_monotonic_raise(&e->segment.phase, phase);
}

void pi_break(posse_executor *e, const struct pi_error *why)
{
    pi_error_cell_write(&e->segment.header->broken, 0, why); /* before anybody looks for it */
    (void)pi_raise_phase(e, PI_DEAD);
    pi_wake_all_parkers(e);
}

void pi_break_queue(posse_executor *e)
{
    struct pi_error why = pi_error_from_words("the queue in shared memory is damaged");
    pi_break(e, &why);
}

posse_status pi_phase_status(enum pi_phase phase)
{
    switch (phase) {
    case PI_OPEN: return POSSE_OK;
    case PI_DRAINING:
    case PI_STOPPING:
    case PI_CLOSED: return POSSE_SHUT_DOWN;
    case PI_DEAD:
    default: return POSSE_BROKEN;
    }
}
