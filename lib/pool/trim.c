/* Giving memory back to the system when the executor is idle.
 *
 * What was freed is kept for the next task, because the first touch of new memory takes long. When
 * nothing was submitted for 100 ms, the supervisor gives back what is not used. It wakes up for
 * that only if a caller has asked, so an idle executor sleeps.
 *
 *   process            step
 *   program, worker    has freed something, or goes to sleep, and sees that there is more memory
 *                      than what is kept; or was refused memory: sets `trim` from 0 to 1 (seq),
 *                      then pokes the supervisor
 *   supervisor         sees `trim` (seq): notes where the queue ends, and sleeps for a while
 *   ... then           the queue has grown: the same again; else clears `trim` (seq), and makes a
 *                      round of what is empty. If the round has found something, the next one
 *                      follows after a while, up to eight. What is still in use then (a ring whose
 *                      tasks wait) stays until the next request
 *
 * The supervisor clears `trim` before it looks: a caller that frees something after the look asks
 * anew. If a worker dies between its two steps, its death wakes the supervisor as well.
 *
 * A thing is given back in two rounds: after the first nobody finds it any more, the second takes
 * its memory. So a call that has found it just before the first still finds memory there (see
 * core/arena.h, core/groups.h and core/ring.h).
 *
 * Without a supervisor (inline) the caller makes all rounds itself: if it was refused memory, or
 * if what was freed since the last rounds is 1 MB and a quarter of what is committed.
 */
#include "pool/trim.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/commit.h"
#include "pool/pool.h"
#include "supervisor/supervisor.h"

#include <errno.h>

#define KEPT ((uint64_t)2 << 20) /* bytes that an idle executor may have */
#define KEPT_GROUPS 16u          /* groups of slots that stay open */
#define QUIET_NS 100000000u      /* between two rounds, and without a task before the first */
#define MAX_ROUNDS 8             /* for one request; the ring needs five */
/* Between two parts of a round the supervisor looks at workers: a part takes less than a
 * millisecond. */
#define GROUPS_AT_ONCE 512u
#define UNITS_AT_ONCE 64u

/* ---- slots ---- */

/* Gives the memory of groups back that were closed in an earlier round, so many in a row. */
static uint32_t punch_groups(posse_executor *e, uint32_t first, uint32_t groups, unsigned owner)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t n = 0;
    while (first + n < groups &&
           (pi_load_acquire(&slots->groups[first + n]) & PI_GROUP_MEMORY) && /* with the closing */
           pi_group_claim(slots, first + n, owner))
        n++;
    if (n == 0)
        return 0;
    pi_give_back(e, &slots->at[(size_t)first * PI_GROUP_SLOTS], n * PI_GROUP_SIZE);
    for (uint32_t i = 0; i < n; i++)
        pi_group_leave(slots, first + i, 0);
    return n;
}

/* True: a later round has something to give back. */
static bool trim_slots(posse_executor *e, unsigned owner, uint32_t from, uint32_t to)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t closed = 0;
    for (uint32_t i = from; i < to;) {
        uint32_t n = punch_groups(e, i, to, owner);
        if (n == 0 && i >= KEPT_GROUPS && pi_bitmap_all_free(&slots->map, i) &&
            pi_slots_close(slots, i)) {
            pi_uncommit(e, PI_GROUP_SIZE);
            closed++;
        }
        i += n ? n : 1;
    }
    return closed > 0;
}

/* ---- the ring ---- */

static bool trim_ring(posse_executor *e)
{
    struct pi_ring *ring = &e->segment.ring;
    uint32_t rings = pi_ring_leave(ring);
    if (rings > 0) {
        size_t size = (pi_ring_start(rings) - pi_ring_start(1)) * sizeof(uint64_t);
        pi_give_back(e, ring->cells + pi_ring_start(1), size);
        pi_uncommit(e, size);
        pi_ring_left(ring);
    } else {
        (void)pi_ring_shrink(ring);
    }
    return rings == 0 && pi_ring_backed(ring).rings > 1;
}

/* ---- rounds ---- */

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* A part of the round: the slots, then the blocks, then the ring. True: that was the last. */
static bool trim_part(posse_executor *e, unsigned owner, struct pi_trim *t)
{
    uint32_t groups = pi_slots_count(&e->segment.slots) / PI_GROUP_SLOTS, from = t->group;
    if (from < groups) {
        t->group = least(groups, from + GROUPS_AT_ONCE);
        t->found |= trim_slots(e, owner, from, t->group);
        return false;
    }
    uint32_t units = pi_arena_end(&e->segment.arena);
    from = t->unit;
    if (from < units) {
        t->unit = least(units, from + UNITS_AT_ONCE);
        t->found |= pi_trim_blocks(e, owner, from, t->unit) > 0;
        return false;
    }
    t->found |= trim_ring(e);
    return true;
}

/* After a round. True: another one may have something to give back. */
static bool goes_on(posse_executor *e, struct pi_trim *t)
{
    unsigned rounds = t->rounds + 1;
    bool found = t->found;
    *t = (struct pi_trim){.rounds = rounds};
    if (found && rounds < MAX_ROUNDS)
        return true;
    pi_recount(e); /* deaths may have made it wrong */
    return false;
}

/* ---- when ---- */

/* Inline: all rounds at once. One thread does it. */
static void trim_here(posse_executor *e)
{
    struct pi_trim round = {.rounds = 0};
    do
        while (!trim_part(e, e->owner, &round))
            ;
    while (goes_on(e, &round));
    pi_store_seq(&e->segment.header->trim, 0);
}

void pi_ask_for_trim(posse_executor *e)
{
    _Atomic uint32_t *asked = &e->segment.header->trim;
    /* relaxed: what is not seen here is seen at the next call */
    if (pi_load_relaxed(asked))
        return;
    /* If it is not open there is no supervisor yet, or all memory goes soon. */
    if (pi_phase_of(e) != PI_OPEN || pi_exchange_seq(asked, 1) != 0)
        return;
    int error = errno;
    if (!e->backend->spawn)
        trim_here(e);
    else if (e->owner != PI_OWNER_NONE) /* the supervisor process looks by itself */
        e->backend->notify(e);
    errno = error;
}

void pi_note_freed(posse_executor *e, size_t bytes)
{
    /* relaxed, all: as above */
    uint64_t committed = pi_load_relaxed(&e->segment.header->committed);
    if ((int64_t)committed <= (int64_t)KEPT)
        return;
    if (!e->backend->spawn) {
        uint64_t freed = atomic_fetch_add_explicit(&e->freed, bytes, memory_order_relaxed) + bytes;
        if (freed < KEPT / 2 || freed < committed / 4)
            return;
        atomic_store_explicit(&e->freed, 0, memory_order_relaxed);
    }
    pi_ask_for_trim(e);
}

void pi_trim_when_due(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    uint64_t now = pi_os_now(), end = pi_ring_end(&e->segment.ring);
    bool asked = s->trim_at == PI_NEVER && pi_load_seq(&e->segment.header->trim) != 0;
    bool due = s->trim_at <= now;
    if (s->phase_seen != PI_OPEN) {
        s->trim_at = PI_NEVER;                         /* all memory goes soon */
    } else if (asked || (due && s->trim_end != end)) { /* it begins; again, as it was not idle */
        s->trim = (struct pi_trim){.rounds = 0};
        s->trim_at = now + QUIET_NS;
        s->trim_end = end;
    } else if (due) {
        pi_store_seq(&e->segment.header->trim, 0);
        if (trim_part(e, PI_OWNER_NONE, &s->trim))
            s->trim_at = goes_on(e, &s->trim) ? now + QUIET_NS : PI_NEVER;
    }
}
