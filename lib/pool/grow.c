/* Runs in: program, worker, supervisor.
 *
 * Growing the tables of the segment: a caller that finds a table too short opens and backs more of
 * it, then raises its count. If two callers do so at once, both back the same pages, and one of
 * them raises the count. If memory is short, a caller gives back that of free blocks first.
 */
#include "pool/grow.h"
#include "pool/backend.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/process.h"
#include "pool/commit.h"
#include "pool/self.h"
#include "pool/trim.h"

#include <errno.h>
#include <string.h>

/* A table is as long as it may be. */
static bool no_more(void)
{
    errno = ENOMEM;
    return false;
}

/* ---- backing ---- */

/* The bytes of a table from `from`, where its memory ends, to `to`. */
struct piece {
    void *table;
    size_t from, to;
};

/* The pages that a piece lacks. */
static size_t new_pages(const struct piece *piece)
{
    return pi_whole_pages(piece->to) - pi_whole_pages(piece->from);
}

static bool back_counted(posse_executor *e, const struct piece *pieces, unsigned n, size_t size)
{
    bool backed = true;
    if (!pi_commit(e, size))
        return false;
    for (unsigned i = 0; i < n && backed; i++)
        backed = pi_back(e, (char *)pieces[i].table + pi_whole_pages(pieces[i].from),
                         new_pages(&pieces[i]));
    if (!backed)
        pi_uncommit(e, size);
    return backed;
}

/* Backs the pages that n pieces lack, and counts them: *size bytes. All or nothing is counted. */
static bool back(posse_executor *e, const struct piece *pieces, unsigned n, size_t *size)
{
    *size = 0;
    for (unsigned i = 0; i < n; i++)
        *size += new_pages(&pieces[i]);
    if (back_counted(e, pieces, n, *size))
        return true;
    pi_reclaim_blocks(e, pi_owner_here(e)); /* memory of free blocks serves as well */
    if (back_counted(e, pieces, n, *size))
        return true;
    pi_ask_for_trim(e);
    return false;
}

/* The same for pages that are the caller's alone. */
static bool back_whole(posse_executor *e, void *from, size_t size)
{
    return back(e, &(struct piece){from, 0, size}, 1, &size);
}

/* Raises a count after `size` bytes were backed for it. False: another caller did, and has counted
 * the memory. */
static bool raise_count(posse_executor *e, struct pi_monotonic *count, uint32_t to, size_t size)
{
    bool raised = pi_monotonic_raise(count, to);
    if (!raised)
        pi_uncommit(e, size);
    return raised;
}

/* ---- the rings ---- */

/* How much of a ring is backed. While some give their memory back the caller waits, but not for
 * ever: the supervisor may be stopped just there. */
static struct pi_ring_backing await_backing(struct pi_ring *ring)
{
    struct pi_ring_backing backed = pi_ring_backed(ring);
    for (int wait = 0; backed.giving && wait < PI_MAX_RING_WAITS; wait++) {
        pi_os_sleep(PI_RETRY_NS);
        backed = pi_ring_backed(ring);
    }
    return backed;
}

bool pi_grow_ring(posse_executor *e, struct pi_ring *ring)
{
    struct pi_ring_backing backed = await_backing(ring);
    uint32_t k = backed.rings;
    if (backed.giving || k >= ring->rings)
        return no_more();
    size_t length = pi_ring_cells(k) * sizeof(uint64_t);
    if (!pi_open_rings(ring, k) || !back_whole(e, ring->cells + pi_ring_start(k), length))
        return false;
    if (!pi_ring_raise(ring, &backed)) /* another caller did, and has counted the memory */
        pi_uncommit(e, length);
    return true;
}

/* The first submit with a priority: gives the lanes other than NORMAL their first memory. */
static bool add_lanes(posse_executor *e)
{
    struct pi_lanes *lanes = &e->segment.lanes;
    for (unsigned i = lanes->normal; i < pi_lanes_rings(lanes); i++)
        if (pi_ring_backed(&lanes->ring[i]).rings == 0 && !pi_grow_ring(e, &lanes->ring[i]))
            return false;
    (void)pi_monotonic_raise(&lanes->more, 1);
    return pi_lanes_more(lanes);
}

/* Whether a ring has twice as many cells as there are slots whose tasks it may hold, so that it
 * does not fill up. */
static bool has_cells_for(struct pi_ring *ring, uint64_t slots)
{
    uint32_t rings = pi_ring_backed(ring).rings;
    return rings > 0 && rings <= ring->rings && pi_ring_cells(rings - 1) >= 2 * slots;
}

static bool grow_rings_for(posse_executor *e, uint64_t slots)
{
    struct pi_lanes *lanes = &e->segment.lanes;
    for (unsigned i = 0; i < lanes->normal; i++)
        if (!has_cells_for(&lanes->ring[i], slots / lanes->normal) &&
            !pi_grow_ring(e, &lanes->ring[i]))
            return false;
    return true;
}

static bool grow_lane(posse_executor *e, enum pi_lane lane, uint32_t index)
{
    struct pi_lanes *lanes = &e->segment.lanes;
    if (!pi_lanes_has(lanes, lane))
        return add_lanes(e);
    return pi_grow_ring(e, pi_lanes_ring(lanes, lane, index));
}

enum pi_push pi_push(posse_executor *e, enum pi_lane lane, uint32_t index, uint64_t limit)
{
    enum pi_push pushed;
    do
        pushed = pi_lanes_push(&e->segment.lanes, lane, index, limit);
    while (pushed == PI_PUSH_NO_CELL && grow_lane(e, lane, index));
    return pushed;
}

/* ---- slots ---- */

/* How many slots a table of `count` grows by. */
static uint32_t more_slots(const struct pi_slots *slots, uint32_t count)
{
    uint32_t more = count / 4;
    more = more < PI_FIRST_SLOTS     ? PI_FIRST_SLOTS
           : more > PI_MAX_NEW_SLOTS ? PI_MAX_NEW_SLOTS
                                     : more & ~63u;
    return more < slots->max - count ? more : slots->max - count;
}

/* Makes the table longer by groups that are CLOSED. */
static bool extend_slots(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots), more = more_slots(slots, count), to = count + more;
    struct piece pieces[] = {{(void *)slots->map.level[2], pi_bitmap_front(&slots->map, count),
                              pi_bitmap_front(&slots->map, to)},
                             {(void *)slots->groups, pi_groups_size(count), pi_groups_size(to)}};
    size_t size;
    if (more == 0)
        return no_more();
    if (!grow_rings_for(e, to) || !pi_open_slots(e, to) || !back(e, pieces, 2, &size))
        return false;
    (void)raise_count(e, &slots->count, to, size);
    return true;
}

/* Opens groups that the caller has claimed. False: there is no memory for them. */
static bool open_groups(posse_executor *e, uint32_t first, uint32_t n)
{
    struct pi_slots *slots = &e->segment.slots;
    size_t at = (size_t)first * PI_GROUP_SLOTS, size;
    struct piece pieces[] = {
        {&slots->at[at], 0, n * PI_GROUP_SIZE},
        {e->stamps ? &e->segment.stamps[at] : NULL, 0, n * PI_GROUP_STAMPS_SIZE}};
    bool backed = back(e, pieces, e->stamps ? 2 : 1, &size);
    for (uint32_t i = 0; i < n; i++)
        if (backed)
            pi_group_open(slots, first + i);
        else
            pi_group_leave(slots, first + i, PI_GROUP_MEMORY);
    return backed;
}

bool pi_grow_slots(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t most = more_slots(slots, pi_slots_count(slots)) / PI_GROUP_SLOTS, first = 0, n;
    unsigned owner = pi_owner_here(e);
    while ((n = pi_groups_claim(slots, owner, most ? most : 1, &first)) == 0)
        if (!extend_slots(e))
            return false;
    return open_groups(e, first, n);
}

/* ---- parkers, workers, the arena ---- */

bool pi_grow_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers), left = PI_MAX_PARKERS - count;
    uint32_t to = count + (left < PI_NEW_PARKERS ? left : PI_NEW_PARKERS);
    struct piece piece = {parkers->at, count * sizeof *parkers->at, to * sizeof *parkers->at};
    size_t size;
    if (left == 0)
        return no_more();
    if (!back(e, &piece, 1, &size))
        return false;
    if (raise_count(e, &parkers->count, to, size))
        for (uint32_t i = count; i < to; i++)
            pi_bitmap_free(&parkers->map, i);
    return true;
}

bool pi_grow_workers(posse_executor *e, unsigned from, unsigned to)
{
    struct pi_worker *workers = e->segment.workers;
    struct pi_worker_times *times = e->segment.times;
    struct piece pieces[] = {{workers, from * sizeof *workers, to * sizeof *workers},
                             {times, from * sizeof *times, to * sizeof *times}};
    size_t size;
    return back(e, pieces, times ? 2 : 1, &size);
}

bool pi_grow_trace(posse_executor *e)
{
    struct pi_trace_rings *rings = &e->segment.trace;
    size_t size = e->segment.areas[PI_AREA_TRACE].size;
    /* Only the program calls it. A task may have overwritten the count. */
    if (e->has_trace_rings)
        return true;
    if (!pi_open_trace(e, 1) || !back_whole(e, rings->base, size))
        return false;
    (void)raise_count(e, &rings->begun, 1, size);
    e->has_trace_rings = true;
    return true;
}

uint32_t pi_grow_arena(posse_executor *e, uint32_t n)
{
    struct pi_arena *arena = &e->segment.arena;
    uint32_t end = pi_arena_end(arena), first = end - pi_units_tail(arena, n);
    struct piece piece = {arena->units, end * sizeof *arena->units,
                          (first + n) * sizeof *arena->units};
    size_t size;
    if (n > arena->max - first) {
        (void)no_more();
        return PI_NO_INDEX;
    }
    if (!pi_open_arena(e, first + n) || !back(e, &piece, 1, &size))
        return PI_NO_INDEX;
    (void)raise_count(e, &arena->end, first + n, size);
    return first;
}

/* ---- the beginning ---- */

/* For posse-top. */
static void write_origin(posse_executor *e)
{
    struct pi_origin *own = &e->segment.header->origin;
    memcpy(own->magic, PI_MAGIC, sizeof own->magic);
    memcpy(own->version, POSSE_VERSION, sizeof POSSE_VERSION);
    own->layout = pi_segment_format();
    own->options = e->segment.options;
    own->program = pi_os_self();
    own->backend = e->backend->kills   ? POSSE_PROCESS
                   : e->backend->spawn ? POSSE_THREAD
                                       : POSSE_INLINE;
    memcpy(own->name, e->hooks.name, sizeof own->name);
}

bool pi_memory_begin(posse_executor *e)
{
    size_t front = pi_header_front(e);
    if (!pi_open_first(e) || !pi_back(e, e->segment.header, front))
        return false;
    /* relaxed: no other process is there yet */
    pi_store_relaxed(&e->segment.header->committed, pi_whole_pages(front));
    write_origin(e);
    return pi_grow_workers(e, 0, e->workers) && pi_grow_parkers(e) && pi_grow_slots(e);
}
