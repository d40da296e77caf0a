/* Giving memory back to the system when the executor is idle.
 *
 * What was freed is kept for the next task, as memory that a process touches for the first time is
 * dear. Once nothing has been submitted for a tenth of a second the supervisor gives back all but a
 * little. It wakes up for that only if somebody has asked, so an idle executor sleeps.
 *
 *   process            step
 *   program, worker    has freed something, or goes to sleep, and sees that there is more memory
 *                      than what is kept: sets `trim` from 0 to 1 (seq), then pokes the supervisor
 *   supervisor         sees `trim` (seq): notes where the queue ends, and sleeps for a while
 *   ... then           the queue has grown: the same again; else clears `trim` (seq), and makes a
 *                      round of what is empty; the next one follows after a while, as long as the
 *                      last one has found something
 *
 * Clear before look: what is freed after the look is asked for anew. A worker that dies between its
 * two steps is seen to have died, which wakes the supervisor as well.
 *
 * A thing is given back in two rounds: the first makes sure that nobody finds it any more, the
 * second takes its memory. So a call that has looked at it just before finds memory there (see
 * core/arena.h, core/groups.h and core/ring.h).
 *
 * Without a supervisor (inline) the caller that frees makes a round, each time when what was freed
 * since the last one is a good part of what there is.
 */
#include "worker/backend.h"

#include "os/clock.h"

#define KEPT ((uint64_t)2 << 20) /* bytes that an idle executor may have */
#define KEPT_GROUPS 16u          /* groups of slots that stay open */
#define QUIET_NS 100000000u      /* between two rounds, and without a task before the first */
#define MOST_ROUNDS 4            /* inline */

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
    bool given = pi_give_back(e, &slots->at[first * PI_GROUP_SLOTS], n * PI_GROUP_SIZE);
    for (uint32_t i = 0; i < n; i++)
        pi_group_leave(slots, first + i, given ? 0 : PI_GROUP_MEMORY);
    return given ? n : 0;
}

/* True: a later round has something to give back. */
static bool trim_slots(posse_executor *e, unsigned owner)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t groups = pi_slots_count(slots) / PI_GROUP_SLOTS, closed = 0;
    for (uint32_t i = 0; i < groups && pi_phase_of(e) < PI_STOPPING;) {
        uint32_t n = punch_groups(e, i, groups, owner);
        if (n == 0 && i >= KEPT_GROUPS && pi_map_unused(&slots->map, i) &&
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
        if (pi_give_back(e, ring->cells + pi_ring_start(1), size))
            pi_uncommit(e, size);
        pi_ring_left(ring);
    } else {
        (void)pi_ring_shrink(ring);
    }
    return rings == 0 && pi_ring_backed(ring).rings > 1;
}

/* One round. True: a later one has something to give back. */
static bool trim(posse_executor *e, unsigned owner)
{
    bool slots = trim_slots(e, owner), ring = trim_ring(e);
    bool again = pi_trim_blocks(e, owner) > 0 || slots || ring;
    if (!again)
        pi_recount(e); /* deaths may have made it wrong */
    return again;
}

/* ---- when ---- */

/* Inline: all rounds at once. One thread does it. */
static void trim_here(posse_executor *e)
{
    if (pi_exchange_seq(&e->segment.header->trim, 1) != 0)
        return;
    for (int round = 0; round < MOST_ROUNDS && trim(e, e->owner); round++)
        ;
    pi_store_seq(&e->segment.header->trim, 0);
}

void pi_note_freed(posse_executor *e, size_t bytes)
{
    struct pi_header *header = e->segment.header;
    /* relaxed, all: what is not seen here is seen at the next call */
    uint64_t committed = pi_load_relaxed(&header->committed);
    if ((int64_t)committed <= (int64_t)KEPT || pi_load_relaxed(&header->trim))
        return;
    if (e->backend->spawn) {
        bool first = pi_exchange_seq(&header->trim, 1) == 0;
        if (first && e->owner != PI_NOBODY) /* the supervisor process looks by itself */
            e->backend->poke(e);
        return;
    }
    uint64_t freed = atomic_fetch_add_explicit(&e->freed, bytes, memory_order_relaxed) + bytes;
    if (freed >= KEPT / 2 && freed >= committed / 4) {
        atomic_store_explicit(&e->freed, 0, memory_order_relaxed);
        trim_here(e);
    }
}

void pi_look_at_trim(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    uint64_t now = pi_os_now();
    if (s->seen != PI_OPEN)
        s->trim_at = PI_NEVER; /* all memory goes soon */
    else if (s->trim_at == PI_NEVER && pi_load_seq(&e->segment.header->trim) != 0)
        s->trim_at = now + QUIET_NS;
    else if (s->trim_at > now)
        return;
    else if (s->trim_end == pi_ring_end(&e->segment.ring)) {
        pi_store_seq(&e->segment.header->trim, 0);
        s->trim_at = trim(e, PI_NOBODY) ? now + QUIET_NS : PI_NEVER;
    } else
        s->trim_at = now + QUIET_NS;
    s->trim_end = pi_ring_end(&e->segment.ring);
}
