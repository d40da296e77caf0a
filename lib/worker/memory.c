#include "worker/backend.h"

#include "os/clock.h"

#include <errno.h>
#include <unistd.h>

#define FIRST_SLOTS 256u
#define MOST_NEW_SLOTS 4096u
#define NEW_PARKERS 64u
#define MOST_WAITS 1000 /* for the memory of rings that is just given back: a second */
#define WAIT_NS 1000000

#define DUMPED ((size_t)8 << 20) /* of each area: a core of a worker shows so much of it */

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

/* Opens the part of an area that is not open yet, below its first `used` bytes. */
static bool open_front(posse_executor *e, enum pi_area_of which, size_t used)
{
    struct pi_area *area = &e->segment.areas[which];
    size_t from = atomic_load_explicit(&area->opened, memory_order_acquire);
    if (used <= from)
        return true;
    bool dumped = used <= DUMPED;
    if (!said(pi_os_memory_open(&e->memory, offset_of(e, area->base) + from, used - from, dumped)))
        return false;
    while (from < used && !atomic_compare_exchange_strong(&area->opened, &from, used))
        ;
    return true;
}

/* A death may have it count too little, by some units: so it may be below 0. */
bool pi_commit(posse_executor *e, size_t length)
{
    _Atomic uint64_t *committed = &e->segment.header->committed;
    uint64_t before = pi_add_relaxed(committed, length); /* relaxed: it only counts */
    if ((int64_t)(before + length) <= (int64_t)e->max_memory)
        return true;
    pi_uncommit(e, length);
    errno = ENOMEM;
    return false;
}

void pi_uncommit(posse_executor *e, size_t length)
{
    (void)pi_add_relaxed(&e->segment.header->committed, -(uint64_t)length);
}

bool pi_back(posse_executor *e, const void *from, size_t length)
{
    return said(pi_os_memory_back(&e->memory, offset_of(e, from), length));
}

bool pi_give_back(posse_executor *e, const void *from, size_t length)
{
    return pi_os_memory_discard(&e->memory, offset_of(e, from), length);
}

/* Takes so many bytes of what the executor may have, and backs them. */
static bool take(posse_executor *e, const void *from, size_t length)
{
    if (!pi_commit(e, length))
        return false;
    if (pi_back(e, from, length))
        return true;
    pi_uncommit(e, length);
    return false;
}

/* Whole pages. */
static size_t pages(size_t size)
{
    size_t page = pi_os_page_size();
    return (size + page - 1) & ~(page - 1);
}

/* Backs bytes `from` to `to` of a table: the pages that its first `from` bytes do not have. */
static bool back_more(posse_executor *e, void *table, size_t from, size_t to)
{
    from = pages(from);
    to = pages(to);
    return from >= to || take(e, (char *)table + from, to - from);
}

/* A table is as long as it may be. */
static bool no_more(void)
{
    errno = ENOMEM;
    return false;
}

/* The bytes of a map that its first count things use: level 0 is the last. */
static size_t map_front(const struct pi_map *map, uint32_t count)
{
    size_t length, offset = pi_map_part(map, 0, count, &length);
    return count ? offset + length : 0;
}

static size_t groups_front(uint32_t slots) { return slots / PI_GROUP_SLOTS * sizeof(uint64_t); }

/* ---- what opens a table that has grown: see pi_count ---- */

static bool open_slots(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_SLOT_MAP, map_front(&e->segment.slots.map, number)) &&
           open_front(e, PI_AREA_GROUPS, groups_front(number)) &&
           open_front(e, PI_AREA_SLOTS, number * sizeof *e->segment.slots.at);
}

static bool open_arena(void *context, uint32_t end)
{
    posse_executor *e = context;
    const struct pi_arena *arena = &e->segment.arena;
    return open_front(e, PI_AREA_UNITS, end * sizeof *arena->units) &&
           open_front(e, PI_AREA_TAGS, end * PI_TAGS * sizeof *arena->tags) &&
           open_front(e, PI_AREA_BYTES, end * PI_UNIT);
}

/* A worker that cannot open what others have made would pass over their tasks. It goes, with no
 * task of theirs. Others can do nothing with what they do not see, and are told by each call. */
static bool see(posse_executor *e, bool opened)
{
    if (!opened && e->backend->kills && e->owner < PI_MAX_SEATS)
        _exit(1);
    return opened;
}

static bool see_arena(void *context, uint32_t end)
{
    return see(context, open_arena(context, end));
}

static bool see_slots(void *context, uint32_t number)
{
    return see(context, open_slots(context, number));
}

static void set_opener(posse_executor *e, struct pi_count *count, bool (*open)(void *, uint32_t))
{
    count->open = open;
    count->context = e;
}

void pi_give_up_space(posse_executor *e)
{
    for (int i = 0; i < PI_AREAS; i++) {
        const struct pi_area *area = &e->segment.areas[i];
        size_t opened = atomic_load_explicit(&area->opened, memory_order_acquire);
        /* What cannot be given up stays. */
        (void)pi_os_memory_give_up(&e->memory, offset_of(e, area->base) + opened,
                                   area->size - opened);
    }
}

/* ---- growing ---- */

/* Opens rings 0 to k. */
static bool open_rings(void *context, uint32_t k)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_RING, pi_ring_start(k + 1) * sizeof(uint64_t));
}

static bool see_rings(void *context, uint32_t k) { return see(context, open_rings(context, k)); }

/* What the rings have. While some give their memory back it waits, but not for ever: the supervisor
 * may be stopped just there. */
static struct pi_ring_backing look_at_rings(posse_executor *e)
{
    struct pi_ring_backing backed = pi_ring_backed(&e->segment.ring);
    for (int wait = 0; backed.giving && wait < MOST_WAITS; wait++) {
        pi_os_sleep(WAIT_NS);
        backed = pi_ring_backed(&e->segment.ring);
    }
    return backed;
}

bool pi_grow_ring(posse_executor *e)
{
    struct pi_ring *ring = &e->segment.ring;
    struct pi_ring_backing backed = look_at_rings(e);
    uint32_t k = backed.rings;
    if (backed.giving || k >= ring->rings)
        return no_more();
    size_t length = pi_ring_cells(k) * sizeof(uint64_t);
    if (!open_rings(e, k) || !take(e, ring->cells + pi_ring_start(k), length))
        return false;
    if (!pi_ring_raise(ring, &backed)) /* somebody else did, and has counted the memory */
        pi_uncommit(e, length);
    return true;
}

/* Whether a ring has twice as many cells as there are slots, so that it does not fill up. */
static bool has_ring_for(posse_executor *e, uint64_t slots)
{
    uint32_t rings = pi_ring_backed(&e->segment.ring).rings;
    return rings > 0 && rings <= e->segment.ring.rings && pi_ring_cells(rings - 1) >= 2 * slots;
}

enum pi_push pi_push(posse_executor *e, uint32_t index, uint64_t limit)
{
    enum pi_push pushed;
    do
        pushed = pi_ring_push(&e->segment.ring, index, limit);
    while (pushed == PI_PUSH_NO_CELL && pi_grow_ring(e));
    return pushed;
}

/* Slots that a table of so many grows by. */
static uint32_t more_slots(const struct pi_slots *slots, uint32_t count)
{
    uint32_t more = count / 4;
    more = more < FIRST_SLOTS ? FIRST_SLOTS : more > MOST_NEW_SLOTS ? MOST_NEW_SLOTS : more & ~63u;
    return more < slots->max - count ? more : slots->max - count;
}

/* Makes the table longer by groups that are CLOSED. */
static bool extend_slots(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots), more = more_slots(slots, count);
    if (more == 0)
        return no_more();
    if (!has_ring_for(e, (uint64_t)count + more) && !pi_grow_ring(e))
        return false;
    if (!open_slots(e, count + more) ||
        !back_more(e, (void *)slots->map.level[2], map_front(&slots->map, count),
                   map_front(&slots->map, count + more)) ||
        !back_more(e, slots->groups, groups_front(count), groups_front(count + more)))
        return false;
    (void)pi_count_raise(&slots->count, count + more);
    return true;
}

/* Opens groups that we have claimed. False: there is no memory for them. */
static bool open_groups(posse_executor *e, uint32_t first, uint32_t n)
{
    struct pi_slots *slots = &e->segment.slots;
    bool backed =
        take(e, &slots->at[first * PI_GROUP_SLOTS], (size_t)n * PI_GROUP_SLOTS * sizeof *slots->at);
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

/* Gives things that there is memory for now: whoever has raised the count does. */
static void give_new(struct pi_map *map, uint32_t count, uint32_t more)
{
    for (uint32_t i = count; i < count + more; i++)
        pi_map_give(map, i);
}

bool pi_grow_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers), more = NEW_PARKERS;
    if (more > PI_MAX_PARKERS - count)
        more = PI_MAX_PARKERS - count;
    if (more == 0)
        return no_more();
    if (!back_more(e, parkers->at, count * sizeof *parkers->at,
                   (count + more) * sizeof *parkers->at))
        return false;
    if (pi_count_raise(&parkers->count, count + more))
        give_new(&parkers->map, count, more);
    return true;
}

bool pi_grow_seats(posse_executor *e, unsigned from, unsigned to)
{
    struct pi_seat *seats = e->segment.seats;
    return back_more(e, seats, from * sizeof *seats, to * sizeof *seats);
}

uint32_t pi_grow_arena(posse_executor *e, uint32_t n)
{
    struct pi_arena *arena = &e->segment.arena;
    uint32_t end = pi_arena_end(arena), first = end - pi_units_tail(arena, n);
    if (n > arena->max - first) {
        (void)no_more();
        return PI_NONE;
    }
    if (!open_arena(e, first + n) ||
        !back_more(e, arena->units, end * sizeof *arena->units, (first + n) * sizeof *arena->units))
        return PI_NONE;
    (void)pi_count_raise(&arena->end, first + n);
    return first;
}

/* The header, seats and parkers are small, and open as a whole: a mapping for each part of them
 * would make every fork of the program dearer. Cores do not hold them, as they have memory in part
 * only. */
static bool open_small(posse_executor *e)
{
    size_t size = 0;
    for (int i = 0; i <= PI_AREA_PARKERS; i++)
        size += e->segment.areas[i].size;
    return said(pi_os_memory_open(&e->memory, 0, size, false));
}

static size_t header_front(const posse_executor *e)
{
    return offset_of(e, e->segment.parkers.map.level[2]) + pi_map_size(PI_MAX_PARKERS);
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
    uint32_t slots = pi_slots_count(&s->slots), seats = pi_seats_count(s);
    seats = seats > e->workers ? seats : e->workers;
    return pages(header_front(e)) + pages(seats * sizeof *s->seats) +
           pages(pi_parkers_count(&s->parkers) * sizeof *s->parkers.at) +
           pages(map_front(&s->slots.map, slots)) + pages(groups_front(slots)) +
           pages(pi_arena_end(&s->arena) * sizeof *s->arena.units) +
           pi_ring_start(pi_ring_backed(&s->ring).rings) * sizeof(uint64_t);
}

void pi_recount(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t before = pi_load_relaxed(&s->header->committed); /* relaxed: it only counts */
    uint64_t now = tables_size(e) + pi_groups_open(&s->slots) * PI_GROUP_SIZE +
                   pi_units_with_memory(&s->arena, 0, pi_arena_end(&s->arena)) * PI_UNIT_COST;
    (void)pi_add_relaxed(&s->header->committed, now - before);
}

bool pi_memory_begin(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    set_opener(e, &s->slots.count, see_slots);
    set_opener(e, &s->arena.end, see_arena);
    s->ring.open = see_rings;
    s->ring.context = e;
    return open_small(e) && back_header(e) && pi_grow_seats(e, 0, e->workers) &&
           pi_grow_parkers(e) && pi_grow_slots(e);
}
