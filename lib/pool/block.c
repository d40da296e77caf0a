/* Blocks of the arena: finding memory for them, and giving it back. What they are, and what is
 * shared, is in core/arena.h. */
#include "pool/block.h"
#include "pool/commit.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/pool.h"
#include "pool/trim.h"

#include <errno.h>

#define ATTEMPTS 100 /* others may take what was found */
#define TAGS_SIZE (PI_TAGS * sizeof(uint64_t))

/* ---- memory ---- */

static bool back_units(posse_executor *e, uint32_t unit, uint32_t n, unsigned owner)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t i = 0, bare; i < n; i += bare ? bare : 1) {
        bare = pi_units_bare(arena, unit + i, n - i);
        if (bare == 0)
            continue;
        if (!pi_commit(e, bare * PI_UNIT_COST))
            return false;
        /* Before they are backed, which takes time: who repairs after a death uncommits those that
         * are not BARE. */
        pi_units_mark(arena, unit + i, bare, pi_tag_claimed(owner, 0));
        if (!pi_back(e, pi_unit_bytes(arena, unit + i), bare * PI_UNIT)) {
            pi_units_mark(arena, unit + i, bare, pi_tag_claimed(owner, PI_BARE));
            pi_uncommit(e, bare * PI_UNIT_COST);
            return false;
        }
    }
    return true;
}

static uint32_t claim(posse_executor *e, uint32_t n, unsigned owner, bool thorough)
{
    struct pi_arena *arena = &e->segment.arena;
    enum pi_search search = thorough ? PI_SEARCH_ALL : PI_SEARCH_PART;
    uint32_t unit = pi_units_claim(arena, n, owner, search);
    for (int i = 0; unit == PI_NO_INDEX && i < ATTEMPTS; i++) {
        unit = pi_grow_arena(e, n);
        if (unit == PI_NO_INDEX)
            return pi_units_claim(arena, n, owner, PI_SEARCH_ALL);
        if (pi_units_claim_at(arena, unit, n, owner) != n)
            unit = PI_NO_INDEX;
    }
    if (unit == PI_NO_INDEX)
        errno = ENOMEM; /* others took all that was added */
    return unit;
}

/* Units that are claimed and have memory. */
static uint32_t acquire_units(posse_executor *e, uint32_t n, unsigned owner, bool thorough)
{
    uint32_t unit = claim(e, n, owner, thorough);
    if (unit == PI_NO_INDEX || back_units(e, unit, n, owner))
        return unit;
    pi_units_put_back(&e->segment.arena, unit, n);
    return PI_NO_INDEX;
}

void pi_units_discard(posse_executor *e, uint32_t unit, uint32_t n, bool tags)
{
    struct pi_arena *arena = &e->segment.arena;
    uint32_t with = pi_units_with_memory(arena, unit, n);
    pi_give_back(e, pi_unit_bytes(arena, unit), n * PI_UNIT);
    pi_uncommit(e, with * PI_UNIT_COST);
    if (tags)
        pi_give_back(e, &arena->tags[(size_t)unit * PI_TAGS], n * TAGS_SIZE);
    pi_units_discarded(arena, unit, n, tags ? PI_CLEAN : PI_USED);
}

/* Of the units between two; the last run may go beyond. */
static void discard_idle(posse_executor *e, unsigned owner, uint32_t from, uint32_t to, bool trim)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t unit = from, n; unit < pi_arena_end(arena) && unit < to; unit += n ? n : 1) {
        n = trim ? pi_units_claim_seen(arena, unit, owner)
                 : pi_units_claim_free(arena, unit, owner);
        if (n > 0)
            pi_units_discard(e, unit, n, trim);
    }
}

uint32_t pi_trim_blocks(posse_executor *e, unsigned owner, uint32_t from, uint32_t to)
{
    discard_idle(e, owner, from, to, true);
    (void)pi_spans_close(&e->segment.arena, owner, from, to);
    return pi_units_see(&e->segment.arena, owner, from, to);
}

void pi_reclaim_blocks(posse_executor *e, unsigned owner)
{
    (void)pi_spans_close(&e->segment.arena, owner, 0, UINT32_MAX);
    discard_idle(e, owner, 0, UINT32_MAX, false);
}

/* ---- taking and freeing ---- */

static pi_block_ref acquire_large(posse_executor *e, unsigned owner, size_t size, bool thorough)
{
    uint32_t n = (uint32_t)((size + PI_UNIT - 1) / PI_UNIT);
    uint32_t unit = acquire_units(e, n, owner, thorough);
    if (unit == PI_NO_INDEX)
        return 0;
    pi_units_join(&e->segment.arena, unit, n, owner);
    return pi_block_ref_make(unit, 0);
}

static pi_block_ref acquire_small(posse_executor *e, unsigned owner, unsigned class, bool thorough)
{
    struct pi_arena *arena = &e->segment.arena;
    pi_block_ref ref = pi_span_take(arena, class, owner);
    if (ref != 0)
        return ref;
    uint32_t unit = acquire_units(e, 1, owner, thorough);
    if (unit == PI_NO_INDEX)
        return 0;
    if (pi_back(e, &arena->tags[(size_t)unit * PI_TAGS], (PI_TAGS >> class) * sizeof *arena->tags))
        return pi_span_open(arena, unit, class, owner);
    pi_units_put_back(arena, unit, 1);
    return 0;
}

static pi_block_ref acquire(posse_executor *e, unsigned owner, size_t size, bool thorough)
{
    unsigned class = pi_size_class_for(size);
    return class < PI_CLASSES ? acquire_small(e, owner, class, thorough)
                              : acquire_large(e, owner, size, thorough);
}

posse_status pi_block_acquire(posse_executor *e, unsigned owner, size_t size, pi_block_ref *ref)
{
    struct pi_arena *arena = &e->segment.arena;
    *ref = 0;
    if (size > arena->max * PI_UNIT)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the largest block of shared memory");
    *ref = acquire(e, owner, size, false);
    if (*ref == 0)
        *ref = acquire(e, owner, size, true);
    if (*ref == 0) {
        pi_reclaim_blocks(e, owner);
        *ref = acquire(e, owner, size, true);
    }
    if (*ref == 0)
        *ref = pi_span_take_any(arena, pi_size_class_for(size), owner);
    if (*ref != 0)
        return POSSE_OK;
    pi_ask_for_trim(e);
    return pi_failure(PI_NO_SHARED);
}

bool pi_block_release(posse_executor *e, unsigned owner, pi_block_ref ref, uint64_t tag)
{
    return pi_arena_free(&e->segment.arena, ref, tag, owner);
}

void pi_block_attach(posse_executor *e, pi_block_ref ref, uint32_t slot, uint32_t generation)
{
    struct pi_block block;
    if (!pi_arena_find(&e->segment.arena, ref, &block))
        return;
    /* A task may have freed it meanwhile, if it knows where it is: then it is another's. */
    uint64_t tag = pi_load_relaxed(block.tag); /* relaxed: the CAS checks it */
    if (pi_tag_kind(tag) == PI_TAG_HELD)
        (void)pi_cas(block.tag, &tag, pi_tag_attached(slot, generation));
}

void *pi_block_bytes(posse_executor *e, pi_block_ref ref, uint64_t size)
{
    struct pi_block block;
    if (!pi_arena_find(&e->segment.arena, ref, &block) || size > block.size)
        return NULL;
    return block.bytes;
}

size_t pi_block_room(posse_executor *e, pi_block_ref ref)
{
    struct pi_block block;
    return pi_arena_find(&e->segment.arena, ref, &block) ? block.size : 0;
}

/* ---- what a slot refers to ---- */

/* Relaxed, all of these: published with the state. */
struct pi_bytes pi_slot_arg(posse_executor *e, struct pi_slot *slot)
{
    struct pi_bytes data = {.size = pi_load_relaxed(&slot->arg_size) & PI_SIZE_MASK,
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

struct pi_bytes pi_slot_result(posse_executor *e, struct pi_slot *slot)
{
    struct pi_bytes data = {.size = pi_load_relaxed(&slot->result_size)};
    data.bytes = pi_slot_result_room(slot, data.size);
    if (data.size <= PI_INLINE_RESULT)
        return data;
    data.ref = pi_load_relaxed(&slot->result);
    data.bytes = pi_block_bytes(e, data.ref, data.size);
    return data;
}

struct pi_bytes pi_slot_name(posse_executor *e, struct pi_slot *slot)
{
    struct pi_bytes data = {.size = PI_NAME_SIZE};
    if (pi_load_relaxed(&slot->arg_size) & PI_NAMED)
        data.ref = pi_load_relaxed(&slot->name);
    data.bytes = data.ref ? pi_block_bytes(e, data.ref, data.size) : NULL;
    return data;
}
