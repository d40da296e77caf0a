#include "worker/backend.h"

#include "os/clock.h"

#include <errno.h>
#include <unistd.h>

/* Blocks from this size on are backed one by one, and given back. */
#define LARGE ((size_t)64 << 10)
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

/* Takes so many bytes of what the executor may have. */
static bool may_have(posse_executor *e, size_t length)
{
    _Atomic uint64_t *committed = &e->segment.header->committed;
    if (pi_add_relaxed(committed, length) + length <= e->max_memory) /* relaxed: it only counts */
        return true;
    (void)pi_add_relaxed(committed, -(uint64_t)length);
    errno = ENOMEM;
    return false;
}

bool pi_back(posse_executor *e, const void *from, size_t length)
{
    if (!may_have(e, length))
        return false;
    if (said(pi_os_memory_back(&e->memory, offset_of(e, from), length)))
        return true;
    (void)pi_add_relaxed(&e->segment.header->committed, -(uint64_t)length);
    return false;
}

void pi_give_back(posse_executor *e, const void *from, size_t length)
{
    if (pi_os_memory_discard(&e->memory, offset_of(e, from), length))
        (void)pi_add_relaxed(&e->segment.header->committed, -(uint64_t)length);
}

/* Backs bytes `from` to `to` of a table: the pages that its first `from` bytes do not have. */
static bool back_more(posse_executor *e, void *table, size_t from, size_t to)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    from = (from + page - 1) & ~(page - 1);
    to = (to + page - 1) & ~(page - 1);
    return from >= to || pi_back(e, (char *)table + from, to - from);
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

/* ---- what opens a table that has grown: see pi_count ---- */

static bool open_seats(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_SEATS, number * sizeof *e->segment.seats);
}

static bool open_parkers(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_PARKERS, number * sizeof *e->segment.parkers.at);
}

static bool open_slots(void *context, uint32_t number)
{
    posse_executor *e = context;
    return open_front(e, PI_AREA_SLOT_MAP, map_front(&e->segment.slots.map, number)) &&
           open_front(e, PI_AREA_SLOTS, number * sizeof *e->segment.slots.at);
}

/* A worker that cannot open what others have made would pass over their tasks. It goes, with no
 * task of theirs. Others can do nothing with what they do not see, and are told by each call. */
static bool see(posse_executor *e, bool opened)
{
    if (!opened && e->backend->kills && e->owner < PI_MAX_SEATS)
        _exit(1);
    return opened;
}

static bool see_seats(void *context, uint32_t number)
{
    return see(context, open_seats(context, number));
}

static bool see_parkers(void *context, uint32_t number)
{
    return see(context, open_parkers(context, number));
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
    if (!open_rings(e, k) || !pi_back(e, ring->cells + pi_ring_start(k), length))
        return false;
    if (!pi_ring_raise(ring, &backed)) /* somebody else did, and has counted the memory */
        (void)pi_add_relaxed(&e->segment.header->committed, -(uint64_t)length);
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

static bool back_slots(posse_executor *e, uint32_t count, uint32_t more)
{
    struct pi_slots *slots = &e->segment.slots;
    return open_slots(e, count + more) &&
           back_more(e, (void *)slots->map.level[2], map_front(&slots->map, count),
                     map_front(&slots->map, count + more)) &&
           back_more(e, slots->at, count * sizeof *slots->at, (count + more) * sizeof *slots->at);
}

bool pi_grow_slots(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t count = pi_slots_count(slots), more = count / 4;
    more = more < FIRST_SLOTS ? FIRST_SLOTS : more > MOST_NEW_SLOTS ? MOST_NEW_SLOTS : more & ~63u;
    if (more > slots->max - count)
        more = slots->max - count;
    if (more == 0)
        return no_more();
    if (!has_ring_for(e, (uint64_t)count + more) && !pi_grow_ring(e))
        return false;
    if (!back_slots(e, count, more))
        return false;
    (void)pi_count_raise(&slots->count, count + more);
    return true;
}

bool pi_grow_parkers(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t count = pi_parkers_count(parkers), more = NEW_PARKERS;
    if (more > PI_MAX_PARKERS - count)
        more = PI_MAX_PARKERS - count;
    if (more == 0)
        return no_more();
    if (!open_parkers(e, count + more) || !back_more(e, parkers->at, count * sizeof *parkers->at,
                                                     (count + more) * sizeof *parkers->at))
        return false;
    (void)pi_count_raise(&parkers->count, count + more);
    return true;
}

bool pi_grow_seats(posse_executor *e, unsigned from, unsigned to)
{
    struct pi_seat *seats = e->segment.seats;
    return open_seats(e, to) && back_more(e, seats, from * sizeof *seats, to * sizeof *seats);
}

static bool begin_header(posse_executor *e)
{
    const struct pi_area *area = &e->segment.areas[PI_AREA_HEADER];
    size_t size = area->size;
    if (!open_front(e, PI_AREA_HEADER, size) || !said(pi_os_memory_back(&e->memory, 0, size)))
        return false;
    /* relaxed: nobody else is there */
    pi_store_relaxed(&e->segment.header->committed, size);
    return true;
}

bool pi_memory_begin(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    set_opener(e, &s->seats_count, see_seats);
    set_opener(e, &s->parkers.count, see_parkers);
    set_opener(e, &s->slots.count, see_slots);
    s->ring.open = see_rings;
    s->ring.context = e;
    return begin_header(e) && open_front(e, PI_AREA_ARENA, s->areas[PI_AREA_ARENA].size) &&
           pi_grow_seats(e, 0, e->workers) && pi_grow_parkers(e) && pi_grow_slots(e);
}

static bool grow_class(posse_executor *e, struct pi_class *class)
{
    uint32_t count = pi_class_count(class), more = 1;
    if (class->size < LARGE)
        more = (uint32_t)(LARGE / class->size);
    if (count >= class->max)
        return no_more();
    if (more > class->max - count)
        more = class->max - count;
    if (!back_more(e, (void *)class->map.level[2], map_front(&class->map, count),
                   map_front(&class->map, count + more)) ||
        !back_more(e, class->blocks, count * sizeof *class->blocks,
                   (count + more) * sizeof *class->blocks))
        return false;
    if (class->size < LARGE &&
        !pi_back(e, e->segment.base + pi_block_offset(class, count), more * class->size))
        return false;
    (void)pi_count_raise(&class->count, count + more);
    return true;
}

/* Gives the memory of a large block that we hold back, but for its head. `backed` is lowered before
 * that, so a death in between leaves memory that is backed again, never one that is missing.
 * Relaxed: we hold the block. */
static void discard(posse_executor *e, struct pi_class *class, uint32_t index)
{
    struct pi_block *block = &class->blocks[index];
    uint64_t backed = pi_load_relaxed(&block->backed);
    if (backed <= PI_HEAD)
        return;
    pi_store_relaxed(&block->backed, backed <= class->size ? PI_HEAD : 0); /* 0: scribbled */
    if (backed <= class->size)
        pi_give_back(e, e->segment.base + pi_block_offset(class, index) + PI_HEAD,
                     backed - PI_HEAD);
}

/* Makes a held block FREE. Beyond the warm part of its class the memory of a large one goes back
 * first. */
static void free_held(posse_executor *e, struct pi_class *class, uint32_t index)
{
    struct pi_block *block = &class->blocks[index];
    if (class->size >= LARGE && ((size_t)index + 1) * class->size > PI_WARM)
        discard(e, class, index);
    pi_store_release(&block->tag, PI_TAG_FREE); /* with the acquire of the next holder's CAS */
    pi_map_give(&class->map, index);
}

/* Gives the memory of all free large blocks back, as there is no other left. */
static void reclaim(posse_executor *e, unsigned owner)
{
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        struct pi_class *class = &e->segment.arena.classes[i];
        for (uint32_t j = 0; class->size >= LARGE && j < pi_class_count(class); j++) {
            struct pi_block *block = &class->blocks[j];
            uint64_t tag = PI_TAG_FREE, backed = pi_load_relaxed(&block->backed);
            if (backed <= PI_HEAD || backed > class->size ||
                !pi_cas(&block->tag, &tag, pi_tag_held(owner)))
                continue;
            discard(e, class, j);
            pi_store_release(&block->tag, PI_TAG_FREE);
            pi_map_give(&class->map, j); /* a taker may have failed at the tag meanwhile */
        }
    }
}

/* Backs what size bytes of a held block need. */
static bool back_block(posse_executor *e, struct pi_class *class, uint32_t index, size_t size)
{
    struct pi_block *block = &class->blocks[index];
    uint64_t backed = pi_load_relaxed(&block->backed); /* relaxed: we hold the block */
    if (class->size < LARGE || (backed >= size && backed <= class->size))
        return true;
    if (backed > class->size)
        backed = 0;
    if (!pi_back(e, e->segment.base + pi_block_offset(class, index) + backed, size - backed))
        return false;
    pi_store_relaxed(&block->backed, size);
    return true;
}

/* A block of one class, or 0. */
static pi_ref acquire_in(posse_executor *e, unsigned owner, unsigned number, size_t size)
{
    struct pi_class *class = &e->segment.arena.classes[number];
    uint32_t index;
    while ((index = pi_class_take(class, owner)) == PI_NONE)
        if (!grow_class(e, class))
            return 0;
    if (back_block(e, class, index, size))
        return pi_ref_make(number, index);
    free_held(e, class, index);
    return 0;
}

posse_status pi_block_acquire(posse_executor *e, unsigned owner, size_t size, pi_ref *ref)
{
    unsigned first = pi_class_for(size);
    if (first >= PI_CLASSES || e->segment.arena.classes[first].max == 0)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the largest block of shared memory");
    for (int attempt = 0; attempt < 2; attempt++) {
        for (unsigned i = first; i < PI_CLASSES && i < first + 3; i++)
            if ((*ref = acquire_in(e, owner, i, size)) != 0)
                return POSSE_OK;
        if (attempt == 0)
            reclaim(e, owner);
    }
    return pi_failure(PI_NO_SHARED);
}

bool pi_block_release(posse_executor *e, unsigned owner, pi_ref ref, uint64_t tag)
{
    struct pi_class *class;
    struct pi_block *block;
    if (!pi_arena_find(&e->segment.arena, ref, &class, &block))
        return false;
    if (!pi_cas(&block->tag, &tag, pi_tag_held(owner)))
        return false;
    free_held(e, class, pi_ref_index(ref));
    return true;
}

void pi_block_attach(posse_executor *e, pi_ref ref, uint32_t slot, uint32_t generation)
{
    struct pi_class *class;
    struct pi_block *block;
    if (!pi_arena_find(&e->segment.arena, ref, &class, &block))
        return;
    /* A task may have freed it meanwhile, if it knows where it is: then it is another's. */
    uint64_t tag = pi_load_relaxed(&block->tag); /* relaxed: the CAS checks it */
    if (pi_tag_kind(tag) == PI_TAG_HELD)
        (void)pi_cas(&block->tag, &tag, pi_tag_attached(slot, generation));
}

void *pi_block_bytes(posse_executor *e, pi_ref ref, uint64_t size)
{
    struct pi_class *class;
    struct pi_block *block;
    if (!pi_arena_find(&e->segment.arena, ref, &class, &block) || size > class->size)
        return NULL;
    return e->segment.base + pi_block_offset(class, pi_ref_index(ref));
}

size_t pi_block_room(posse_executor *e, pi_ref ref)
{
    struct pi_class *class;
    struct pi_block *block;
    if (!pi_arena_find(&e->segment.arena, ref, &class, &block))
        return 0;
    if (class->size < LARGE)
        return class->size;
    uint64_t backed = pi_load_relaxed(&block->backed); /* relaxed: published with the tag */
    return backed < class->size ? (size_t)backed : class->size;
}

/* Relaxed, all of these: published with the state. */
struct pi_data pi_slot_arg(posse_executor *e, struct pi_slot *slot)
{
    struct pi_data data = {.size = pi_load_relaxed(&slot->arg_size) & PI_SIZE_MASK,
                           .bytes = slot->small_arg};
    if (data.size <= PI_SMALL_ARG)
        return data;
    data.bytes = slot->inline_arg;
    if (data.size <= PI_INLINE_ARG)
        return data;
    data.ref = pi_load_relaxed(&slot->arg);
    data.bytes = pi_block_bytes(e, data.ref, data.size);
    return data;
}

void *pi_slot_result_room(struct pi_slot *slot, uint64_t size)
{
    return size <= PI_SMALL_RESULT ? slot->small_result : slot->inline_result;
}

struct pi_data pi_slot_result(posse_executor *e, struct pi_slot *slot)
{
    struct pi_data data = {.size = pi_load_relaxed(&slot->result_size)};
    data.bytes = pi_slot_result_room(slot, data.size);
    if (data.size <= PI_INLINE_RESULT)
        return data;
    data.ref = pi_load_relaxed(&slot->result);
    data.bytes = pi_block_bytes(e, data.ref, data.size);
    return data;
}

struct pi_data pi_slot_name(posse_executor *e, struct pi_slot *slot)
{
    struct pi_data data = {.size = PI_NAME_SIZE};
    if (pi_load_relaxed(&slot->arg_size) & PI_NAMED)
        data.ref = pi_load_relaxed(&slot->name);
    data.bytes = data.ref ? pi_block_bytes(e, data.ref, data.size) : NULL;
    return data;
}
