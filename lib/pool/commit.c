/* Runs in: program, worker, supervisor.
 *
 * The memory of the segment: backing it, counting it, and opening it for this process. What lies
 * where, and what opening means, is in core/segment.h. This file is the floor: trim.c gives memory
 * back, grow.c makes tables longer, block.c takes blocks from the arena.
 *
 * `committed` may say too much or too little after a death, or after a recount in the midst of a
 * backing; it may even be less than 0. A caller that is refused asks for a trim, which counts anew.
 * The count never exceeds max_memory, so callers that are refused do not refuse others.
 */
#include "pool/commit.h"

#include "base/tuning.h"
#include "os/process.h"
#include "pool/backend.h"

#include <errno.h>

static size_t offset_of(const posse_executor *e, const void *at)
{
    return (size_t)((const char *)at - e->segment.base);
}

static bool succeeded(int error)
{
    if (error)
        errno = error;
    return error == 0;
}

/* ---- how much ---- */

bool pi_commit(posse_executor *e, size_t length)
{
    _Atomic uint64_t *committed = &e->segment.header->committed;
    uint64_t before = pi_load_relaxed(committed); /* relaxed: it only counts */
    do {
        if ((int64_t)(before + length) > (int64_t)e->max_memory)
            return succeeded(ENOMEM);
    } while (!pi_cas(committed, &before, before + length)); /* orders nothing: it only counts */
    return true;
}

void pi_uncommit(posse_executor *e, size_t length)
{
    /* relaxed: it only counts */
    (void)pi_add_relaxed(&e->segment.header->committed, -(uint64_t)length);
}

bool pi_back(posse_executor *e, const void *from, size_t length)
{
    return length == 0 || succeeded(pi_os_shm_back(&e->memory, offset_of(e, from), length));
}

void pi_give_back(posse_executor *e, const void *from, size_t length)
{
    (void)pi_os_shm_discard(&e->memory, offset_of(e, from), length);
}

size_t pi_whole_pages(size_t size)
{
    size_t page = pi_os_page_size();
    return (size + page - 1) & ~(page - 1);
}

size_t pi_group_size(const posse_executor *e)
{
    return PI_GROUP_SIZE + (e->stamps ? PI_GROUP_STAMPS_SIZE : 0);
}

size_t pi_header_front(const posse_executor *e)
{
    return offset_of(e, e->segment.parkers.map.level[2]) + pi_bitmap_size(PI_MAX_PARKERS);
}

static size_t lanes_size(struct pi_lanes *lanes)
{
    size_t cells = 0;
    for (unsigned i = 0; i < pi_lanes_rings(lanes); i++) {
        uint32_t rings = pi_ring_backed(&lanes->ring[i]).rings;
        if (rings <= lanes->ring[i].rings) /* else a task has overwritten it */
            cells += pi_ring_start(rings);
    }
    return cells * sizeof(uint64_t);
}

static size_t tables_size(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint32_t slots = pi_slots_count(&s->slots), workers = pi_workers_count(s);
    workers = workers > e->workers ? workers : e->workers;
    return pi_whole_pages(pi_header_front(e)) + pi_whole_pages(workers * sizeof *s->workers) +
           pi_whole_pages(s->times ? workers * sizeof *s->times : 0) +
           (pi_monotonic_get(&s->trace.begun) ? s->areas[PI_AREA_TRACE].size : 0) +
           pi_whole_pages(pi_parkers_count(&s->parkers) * sizeof *s->parkers.at) +
           pi_whole_pages(pi_bitmap_front(&s->slots.map, slots)) +
           pi_whole_pages(pi_groups_size(slots)) +
           pi_whole_pages(pi_arena_end(&s->arena) * sizeof *s->arena.units) + lanes_size(&s->lanes);
}

void pi_recount(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t before = pi_load_relaxed(&s->header->committed); /* relaxed: it only counts */
    uint64_t now = tables_size(e) + pi_groups_in_use(&s->slots) * pi_group_size(e) +
                   pi_units_with_memory(&s->arena, 0, pi_arena_end(&s->arena)) * PI_UNIT_COST;
    /* Orders nothing. If the count has changed meanwhile, the next trim counts again. */
    (void)pi_cas(&s->header->committed, &before, now);
}

/* ---- opening ---- */

/* Opens the part of an area that is not open yet, below its first `used` bytes. */
static bool open_front(posse_executor *e, unsigned which, size_t used)
{
    struct pi_area *area = &e->segment.areas[which];
    size_t from = pi_load_acquire(&area->opened); /* with the exchange below, by another thread */
    if (used <= from)
        return true;
    size_t at = offset_of(e, area->base) + from;
    if (!succeeded(pi_os_shm_open(&e->memory, at, used - from, used <= PI_DUMPED_BYTES)))
        return false;
    /* With the load above; another thread may have opened more meanwhile. */
    while (from < used && !atomic_compare_exchange_strong(&area->opened, &from, used))
        ;
    return true;
}

bool pi_open_slots(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_SLOT_MAP, pi_bitmap_front(&e->segment.slots.map, number)) &&
           open_front(e, PI_AREA_GROUPS, pi_groups_size(number)) &&
           open_front(e, PI_AREA_SLOTS, number * sizeof *e->segment.slots.at) &&
           open_front(e, PI_AREA_STAMPS, e->stamps ? number * sizeof *e->segment.stamps : 0);
}

bool pi_open_arena(void *context, uint32_t end)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_UNITS, end * sizeof(struct pi_unit)) &&
           open_front(e, PI_AREA_TAGS, (size_t)end * PI_TAGS * sizeof(uint64_t)) &&
           open_front(e, PI_AREA_BYTES, end * PI_UNIT);
}

/* A process that cannot open them leaves no events. */
bool pi_open_trace(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_TRACE, number ? e->segment.areas[PI_AREA_TRACE].size : 0);
}

bool pi_open_rings(struct pi_ring *ring, uint32_t k)
{
    posse_executor *e = ring->context;
    unsigned i = (unsigned)(ring - e->segment.lanes.ring);
    return open_front(e, PI_AREA_RINGS + i, pi_ring_start(k + 1) * sizeof(uint64_t));
}

/* The lanes HIGH and LOW, as far as they have memory at first. */
static bool open_more_lanes(void *context, uint32_t more)
{
    struct pi_lanes *lanes = &((posse_executor *)context)->segment.lanes;
    return !more || (pi_open_rings(pi_lanes_ring(lanes, PI_LANE_HIGH, 0), 0) &&
                     pi_open_rings(pi_lanes_ring(lanes, PI_LANE_LOW, 0), 0));
}

/* A worker that cannot open what others have made would pass over their tasks, so it exits. It does
 * so before it has claimed one of them (loop.c), or else costs the task that it runs. Other
 * processes go on with what they have opened; their calls say that the rest is stale. */
static bool not_opened(posse_executor *e)
{
    if (e->backend->kills && e->owner < PI_MAX_WORKERS)
        pi_os_exit(1);
    return false;
}

static bool see_arena(void *e, uint32_t end) { return pi_open_arena(e, end) || not_opened(e); }

static bool see_slots(void *e, uint32_t number)
{
    return pi_open_slots(e, number) || not_opened(e);
}

static bool see_rings(struct pi_ring *ring, uint32_t k)
{
    return pi_open_rings(ring, k) || not_opened(ring->context);
}

static bool see_more_lanes(void *e, uint32_t more)
{
    return open_more_lanes(e, more) || not_opened(e);
}

/* The header, workers and parkers are small, and open as a whole: a mapping for each part of them
 * would make every fork of the program take longer. Core dumps do not hold them, because only parts
 * of them have memory. */
bool pi_open_first(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    size_t size = 0;
    s->slots.count.open = see_slots;
    s->arena.end.open = see_arena;
    s->lanes.more.open = see_more_lanes;
    s->trace.begun.open = pi_open_trace;
    s->slots.count.context = s->arena.end.context = s->lanes.more.context = e;
    s->trace.begun.context = e;
    for (unsigned i = 0; i < pi_lanes_rings(&s->lanes); i++) {
        s->lanes.ring[i].open = see_rings;
        s->lanes.ring[i].context = e;
    }
    for (int i = 0; i <= PI_AREA_PARKERS; i++) {
        atomic_init(&s->areas[i].opened, s->areas[i].size); /* no other thread uses it yet */
        size += s->areas[i].size;
    }
    return succeeded(pi_os_shm_open(&e->memory, 0, size, false));
}

void pi_give_up_space(posse_executor *e)
{
    for (int i = 0; i < PI_AREAS; i++) {
        const struct pi_area *area = &e->segment.areas[i];
        size_t opened = pi_load_acquire(&area->opened); /* with open_front */
        /* What cannot be given up stays. */
        (void)pi_os_shm_give_up(&e->memory, offset_of(e, area->base) + opened, area->size - opened);
    }
}
