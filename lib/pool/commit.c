/* The memory of the segment: opening it for this process, backing it, and counting it. What lies
 * where, and what opening means, is in core/segment.h; the tables grow in grow.c.
 */
#include "pool/commit.h"

#include "os/process.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/grow.h"
#include "pool/pool.h"
#include "pool/trim.h"

#include <errno.h>

#define DUMPED ((size_t)4 << 20) /* of each area: a core of a worker shows so much of it */

static size_t offset_of(const posse_executor *e, const void *at)
{
    return (size_t)((const char *)at - e->segment.base);
}

static bool said(int error)
{
    if (error)
        errno = error;
    return error == 0;
}

/* ---- how much ---- */

/* After a death, or a recount in the midst of a backing, `committed` may say too much or too
 * little, even less than 0. A caller that is refused asks for a trim, which counts anew. It never
 * says more than there may be, so callers that find no memory do not keep it from others. */
bool pi_commit(posse_executor *e, size_t length)
{
    _Atomic uint64_t *committed = &e->segment.header->committed;
    uint64_t before = pi_load_relaxed(committed); /* relaxed: it only counts */
    do {
        if ((int64_t)(before + length) > (int64_t)e->max_memory)
            return said(ENOMEM);
    } while (!pi_cas(committed, &before, before + length));
    return true;
}

void pi_uncommit(posse_executor *e, size_t length)
{
    (void)pi_add_relaxed(&e->segment.header->committed, -(uint64_t)length);
}

bool pi_back(posse_executor *e, const void *from, size_t length)
{
    return said(pi_os_shm_back(&e->memory, offset_of(e, from), length));
}

void pi_give_back(posse_executor *e, const void *from, size_t length)
{
    (void)pi_os_shm_discard(&e->memory, offset_of(e, from), length);
}

/* Whole pages. */
static size_t pages(size_t size)
{
    size_t page = pi_os_page_size();
    return (size + page - 1) & ~(page - 1);
}

/* The pages of a piece that it did not have before. */
static size_t new_pages(const struct pi_piece *piece)
{
    return pages(piece->to) - pages(piece->from);
}

static bool back_pieces(posse_executor *e, const struct pi_piece *pieces, unsigned n, size_t size)
{
    if (!pi_commit(e, size))
        return false;
    bool backed = true;
    for (unsigned i = 0; i < n && backed; i++)
        if (new_pages(&pieces[i]) > 0)
            backed =
                pi_back(e, (char *)pieces[i].table + pages(pieces[i].from), new_pages(&pieces[i]));
    if (!backed)
        pi_uncommit(e, size);
    return backed;
}

bool pi_back_pieces(posse_executor *e, const struct pi_piece *pieces, unsigned n, size_t *size)
{
    *size = 0;
    for (unsigned i = 0; i < n; i++)
        *size += new_pages(&pieces[i]);
    if (back_pieces(e, pieces, n, *size))
        return true;
    pi_reclaim_blocks(e, pi_owner_here(e)); /* memory of free blocks serves as well */
    if (back_pieces(e, pieces, n, *size))
        return true;
    pi_ask_for_trim(e);
    return false;
}

/* ---- opening ---- */

/* Opens the part of an area that is not open yet, below its first `used` bytes. */
static bool open_front(posse_executor *e, enum pi_area_of which, size_t used)
{
    struct pi_area *area = &e->segment.areas[which];
    size_t from = atomic_load_explicit(&area->opened, memory_order_acquire);
    if (used <= from)
        return true;
    bool dumped = used <= DUMPED;
    if (!said(pi_os_shm_open(&e->memory, offset_of(e, area->base) + from, used - from, dumped)))
        return false;
    while (from < used && !atomic_compare_exchange_strong(&area->opened, &from, used))
        ;
    return true;
}

bool pi_open_slots(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_SLOT_MAP, pi_bitmap_front(&e->segment.slots.map, number)) &&
           open_front(e, PI_AREA_GROUPS, pi_groups_size(number)) &&
           open_front(e, PI_AREA_SLOTS, number * sizeof *e->segment.slots.at);
}

bool pi_open_arena(void *context, uint32_t end)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_UNITS, end * sizeof(struct pi_unit)) &&
           open_front(e, PI_AREA_TAGS, (size_t)end * PI_TAGS * sizeof(uint64_t)) &&
           open_front(e, PI_AREA_BYTES, end * PI_UNIT);
}

bool pi_open_rings(void *context, uint32_t k)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_RING, pi_ring_start(k + 1) * sizeof(uint64_t));
}

/* A worker that cannot open what others have made would pass over their tasks. So it exits, as a
 * rule before it has claimed one of them (loop.c); what is added just then costs its task. Other processes go on with what they have opened; their calls say
 * that the rest is stale or not there. */
static bool see(posse_executor *e, bool opened)
{
    if (!opened && e->backend->kills && e->owner < PI_MAX_WORKERS)
        pi_os_exit(1);
    return opened;
}

static bool see_arena(void *context, uint32_t end)
{
    return see(context, pi_open_arena(context, end));
}

static bool see_slots(void *context, uint32_t number)
{
    return see(context, pi_open_slots(context, number));
}

static void set_opener(posse_executor *e, struct pi_monotonic *count,
                       bool (*open)(void *, uint32_t))
{
    count->open = open;
    count->context = e;
}

static bool see_rings(void *context, uint32_t k) { return see(context, pi_open_rings(context, k)); }

void pi_give_up_space(posse_executor *e)
{
    for (int i = 0; i < PI_AREAS; i++) {
        const struct pi_area *area = &e->segment.areas[i];
        size_t opened = atomic_load_explicit(&area->opened, memory_order_acquire);
        /* What cannot be given up stays. */
        (void)pi_os_shm_give_up(&e->memory, offset_of(e, area->base) + opened, area->size - opened);
    }
}

/* ---- the beginning ---- */

/* The header, workers and parkers are small, and open as a whole: a mapping for each part of them
 * would make every fork of the program take longer. Core dumps do not hold them, because only parts
 * of them have memory. */
static bool open_small(posse_executor *e)
{
    size_t size = 0;
    for (int i = 0; i <= PI_AREA_PARKERS; i++) {
        struct pi_area *area = &e->segment.areas[i];
        atomic_store_explicit(&area->opened, area->size, memory_order_relaxed); /* no thread yet */
        size += area->size;
    }
    return said(pi_os_shm_open(&e->memory, 0, size, false));
}

static size_t header_front(const posse_executor *e)
{
    return offset_of(e, e->segment.parkers.map.level[2]) + pi_bitmap_size(PI_MAX_PARKERS);
}

static bool back_header(posse_executor *e)
{
    if (!pi_back(e, e->segment.header, header_front(e)))
        return false;
    /* relaxed: nobody else is there */
    pi_store_relaxed(&e->segment.header->committed, pages(header_front(e)));
    return true;
}

static size_t tables_size(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint32_t slots = pi_slots_count(&s->slots), workers = pi_workers_count(s);
    workers = workers > e->workers ? workers : e->workers;
    uint32_t rings = pi_ring_backed(&s->ring).rings;
    rings = rings <= s->ring.rings ? rings : 0; /* a task has scribbled there */
    return pages(header_front(e)) + pages(workers * sizeof *s->workers) +
           pages(pi_parkers_count(&s->parkers) * sizeof *s->parkers.at) +
           pages(pi_bitmap_front(&s->slots.map, slots)) + pages(pi_groups_size(slots)) +
           pages(pi_arena_end(&s->arena) * sizeof *s->arena.units) +
           pi_ring_start(rings) * sizeof(uint64_t);
}

void pi_recount(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t before = pi_load_relaxed(&s->header->committed); /* relaxed: it only counts */
    uint64_t now = tables_size(e) + pi_groups_in_use(&s->slots) * PI_GROUP_SIZE +
                   pi_units_with_memory(&s->arena, 0, pi_arena_end(&s->arena)) * PI_UNIT_COST;
    (void)pi_cas(&s->header->committed, &before, now); /* if it has changed the next trim does it */
}

bool pi_memory_begin(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    set_opener(e, &s->slots.count, see_slots);
    set_opener(e, &s->arena.end, see_arena);
    s->ring.open = see_rings;
    s->ring.context = e;
    return open_small(e) && back_header(e) && pi_grow_workers(e, 0, e->workers) &&
           pi_grow_parkers(e) && pi_grow_slots(e);
}
