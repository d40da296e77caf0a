/* Runs in: supervisor; inline, the caller that frees. Callers of all processes ask for it.
 *
 * Giving memory back to the system. What was freed is kept for the next task, because the first
 * touch of new memory takes long. When nothing was submitted for 100 ms, the supervisor gives back
 * what is not used. It wakes up for that only if a caller has asked, so an idle executor sleeps.
 *
 *   process            step
 *   program, worker    frees something, goes to sleep, or is refused memory, and finds more memory
 *                      than an idle executor keeps: sets `trim` from 0 to 1 (seq), then
 *                      notifies the supervisor
 *   supervisor         sees `trim` (seq): notes where the queue ends, and sleeps for 100 ms
 *   ... then           if the queue has grown, the same again; else clears `trim` (seq) and makes
 *                      a round. If that has found something, the next follows after 100 ms, up to
 *                      PI_MAX_TRIM_ROUNDS after the last request
 *
 * The supervisor clears `trim` before it looks, so a caller that frees something after the look
 * asks anew. If a worker dies between its two steps, its death wakes the supervisor as well.
 *
 * Memory is given back in two rounds. After the first nobody finds it any more; the second takes
 * it. So a call that has found a thing just before the first round still finds memory there (see
 * core/arena.h, core/groups.h and core/ring.h). A ring whose tasks wait stays until the next
 * request.
 *
 * Inline the caller makes all rounds itself: when it was refused memory, or when 1 MB and a quarter
 * of what is committed were freed since the last rounds began. What other threads free meanwhile
 * counts for the next rounds.
 */
#include "pool/trim.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/commit.h"

#include <errno.h>

#define TAGS_SIZE (PI_TAGS * sizeof(uint64_t))

/* ---- slots ---- */

/* Gives back the memory of groups that an earlier round has closed, from `first` in a row. Returns
 * how many. */
static uint32_t punch_groups(posse_executor *e, uint32_t first, uint32_t end, unsigned owner)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t n = 0;
    while (first + n < end &&
           (pi_load_acquire(&slots->groups[first + n]) & PI_GROUP_MEMORY) && /* with the closing */
           pi_group_claim(slots, first + n, owner))
        n++;
    if (n > 0)
        pi_give_back(e, &slots->at[(size_t)first * PI_GROUP_SLOTS], n * PI_GROUP_SIZE);
    if (n > 0 && e->stamps)
        pi_give_back(e, &e->segment.stamps[(size_t)first * PI_GROUP_SLOTS],
                     n * PI_GROUP_STAMPS_SIZE);
    for (uint32_t i = 0; i < n; i++)
        pi_group_leave(slots, first + i, 0);
    return n;
}

/* True: a later round has something to give back. */
static bool trim_slots(posse_executor *e, unsigned owner, uint32_t from, uint32_t to)
{
    struct pi_slots *slots = &e->segment.slots;
    bool closed = false;
    for (uint32_t i = from; i < to;) {
        uint32_t n = punch_groups(e, i, to, owner);
        if (n == 0 && i >= PI_KEPT_GROUPS && pi_bitmap_all_free(&slots->map, i) &&
            pi_slots_close(slots, i)) {
            pi_uncommit(e, pi_group_size(e));
            closed = true;
        }
        i += n ? n : 1;
    }
    return closed;
}

/* ---- blocks ---- */

static void give_back_units(posse_executor *e, uint32_t unit, uint32_t n)
{
    struct pi_arena *arena = &e->segment.arena;
    uint32_t with = pi_units_with_memory(arena, unit, n);
    pi_give_back(e, pi_unit_bytes(arena, unit), n * PI_UNIT);
    pi_uncommit(e, with * PI_UNIT_COST);
}

void pi_units_discard(posse_executor *e, uint32_t unit, uint32_t n)
{
    give_back_units(e, unit, n);
    pi_units_discarded(&e->segment.arena, unit, n, PI_USED);
}

/* The units whose first is below `to`; the last run may end beyond. */
static void discard_seen(posse_executor *e, unsigned owner, uint32_t from, uint32_t to)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t unit = from, n; unit < pi_arena_end(arena) && unit < to; unit += n ? n : 1) {
        n = pi_units_claim_idle(arena, unit, owner, PI_UNITS_SEEN);
        if (n == 0)
            continue;
        give_back_units(e, unit, n);
        pi_give_back(e, &arena->tags[(size_t)unit * PI_TAGS], n * TAGS_SIZE);
        pi_units_discarded(arena, unit, n, PI_CLEAN);
    }
}

/* True: a later round has something to give back. */
static bool trim_blocks(posse_executor *e, unsigned owner, uint32_t from, uint32_t to)
{
    discard_seen(e, owner, from, to);
    (void)pi_spans_close(&e->segment.arena, owner, from, to);
    return pi_units_see(&e->segment.arena, owner, from, to) > 0;
}

void pi_reclaim_blocks(posse_executor *e, unsigned owner)
{
    struct pi_arena *arena = &e->segment.arena;
    (void)pi_spans_close(arena, owner, 0, UINT32_MAX);
    for (uint32_t unit = 0, n; unit < pi_arena_end(arena); unit += n ? n : 1) {
        n = pi_units_claim_idle(arena, unit, owner, PI_UNITS_FREE);
        if (n > 0)
            pi_units_discard(e, unit, n);
    }
}

/* ---- the rings ---- */

/* True: a later round has something to give back. */
static bool trim_ring(posse_executor *e, struct pi_ring *ring)
{
    uint32_t rings = pi_ring_leave(ring);
    if (rings > 0) {
        size_t size = (pi_ring_start(rings) - pi_ring_start(1)) * sizeof(uint64_t);
        pi_give_back(e, ring->cells + pi_ring_start(1), size);
        pi_uncommit(e, size);
        pi_ring_left(ring);
        return false;
    }
    (void)pi_ring_shrink(ring);
    return pi_ring_backed(ring).rings > 1;
}

static bool trim_lanes(posse_executor *e)
{
    struct pi_lanes *lanes = &e->segment.lanes;
    bool more = false;
    for (unsigned i = 0, n = pi_lanes_count(lanes); i < n; i++)
        more |= trim_ring(e, &lanes->ring[i]);
    return more;
}

/* ---- rounds ---- */

static uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Does a part of a round: the slots come first, then the blocks, then the rings. True: that was the
 * last part. */
static bool trim_part(posse_executor *e, unsigned owner, struct pi_trim *t)
{
    uint32_t groups = pi_slots_count(&e->segment.slots) / PI_GROUP_SLOTS, group = t->group;
    uint32_t units = pi_arena_end(&e->segment.arena), unit = t->unit;
    if (group < groups) {
        t->group = min(groups, group + PI_GROUPS_AT_ONCE);
        t->found |= trim_slots(e, owner, group, t->group);
        return false;
    }
    if (unit < units) {
        t->unit = min(units, unit + PI_UNITS_AT_ONCE);
        t->found |= trim_blocks(e, owner, unit, t->unit);
        return false;
    }
    t->found |= trim_lanes(e);
    return true;
}

/* After a round. True: another one may have something to give back. */
static bool begin_next(posse_executor *e, struct pi_trim *t)
{
    bool found = t->found;
    *t = (struct pi_trim){.at = t->at, .end = t->end, .rounds = t->rounds + 1};
    if (found && t->rounds < PI_MAX_TRIM_ROUNDS)
        return true;
    pi_recount(e); /* deaths may have made the count wrong */
    return false;
}

void pi_trim_when_due(posse_executor *e, struct pi_trim *t)
{
    _Atomic uint32_t *asked = &e->segment.header->trim;
    uint64_t now = pi_os_now(), end = pi_lanes_end(&e->segment.lanes);
    bool due = t->at <= now;
    /* seq, both accesses: see the table */
    if ((t->at == PI_NEVER && pi_load_seq(asked) != 0) || (due && t->end != end)) {
        *t = (struct pi_trim){.at = now + PI_QUIET_NS, .end = end};
    } else if (due) {
        if (pi_exchange_seq(asked, 0) != 0) { /* before the look */
            t->rounds = 0;
            t->found |= t->group > 0; /* maybe where this round has looked already */
        }
        if (trim_part(e, PI_OWNER_NONE, t))
            t->at = begin_next(e, t) ? now + PI_QUIET_NS : PI_NEVER;
    }
}

/* ---- asking ---- */

/* Inline: all rounds at once, by one thread. */
static void trim_here(posse_executor *e)
{
    struct pi_trim trim = {.rounds = 0};
    /* relaxed, as in freed_enough: it only counts */
    atomic_store_explicit(&e->without_workers.freed, 0, memory_order_relaxed);
    do
        while (!trim_part(e, e->owner, &trim))
            ;
    while (begin_next(e, &trim));
    pi_store_seq(&e->segment.header->trim, 0); /* with pi_ask_for_trim, of another thread */
}

void pi_ask_for_trim(posse_executor *e)
{
    _Atomic uint32_t *asked = &e->segment.header->trim;
    if (pi_load_seq(asked)) /* after the free: with pi_trim_when_due, which then looks */
        return;
    /* If it is not open there is no supervisor yet, or all memory goes soon. */
    if (pi_phase_of(e) != PI_OPEN)
        return;
    if (pi_exchange_seq(asked, 1) != 0) /* with pi_trim_when_due, which notify wakes */
        return;
    int error = errno;
    if (!e->backend->spawn)
        trim_here(e);
    else if (e->owner != PI_OWNER_NONE) /* the supervisor process looks by itself */
        e->backend->notify(e);
    errno = error;
}

/* Inline. Whether enough was freed for a round to pay. order: relaxed, because it only counts. */
static bool freed_enough(posse_executor *e, size_t bytes, uint64_t committed)
{
    _Atomic uint64_t *at = &e->without_workers.freed;
    uint64_t freed = atomic_fetch_add_explicit(at, bytes, memory_order_relaxed) + bytes;
    return freed >= PI_KEPT_BYTES / 2 && freed >= committed / 4;
}

void pi_note_freed(posse_executor *e, size_t bytes)
{
    uint64_t committed =
        pi_load_relaxed(&e->segment.header->committed); /* relaxed: it only counts */
    if ((int64_t)committed > (int64_t)PI_KEPT_BYTES &&
        (e->backend->spawn || freed_enough(e, bytes, committed)))
        pi_ask_for_trim(e);
}
