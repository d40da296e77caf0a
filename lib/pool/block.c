/* Runs in: program, worker, supervisor.
 *
 * Blocks of the arena: finding memory for a new one, and the bytes of one that a reference names.
 * What blocks are, and what is shared, is in core/arena.h. A caller that finds no block looks
 * longer, then gives back all free memory of the arena and looks again, then takes a larger block
 * than it needs, and only then is refused.
 */
#include "base/tuning.h"
#include "pool/block.h"
#include "pool/commit.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/trim.h"

#include <errno.h>

/* ---- units ---- */

/* Backs those of n claimed units that are BARE. */
static bool back_units(posse_executor *e, uint32_t unit, uint32_t n, unsigned owner)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t i = 0, bare; i < n; i += bare ? bare : 1) {
        bare = pi_units_bare(arena, unit + i, n - i);
        if (bare == 0)
            continue;
        if (!pi_commit(e, bare * PI_UNIT_COST))
            return false;
        /* Before they are backed, which takes time: after a death the supervisor uncommits those
         * that are not BARE. */
        pi_units_mark(arena, unit + i, bare, pi_tag_claimed(owner, 0));
        if (!pi_back(e, pi_unit_bytes(arena, unit + i), bare * PI_UNIT)) {
            pi_units_mark(arena, unit + i, bare, pi_tag_claimed(owner, PI_BARE));
            pi_uncommit(e, bare * PI_UNIT_COST);
            return false;
        }
    }
    return true;
}

static uint32_t claim(posse_executor *e, uint32_t n, unsigned owner, enum pi_search search)
{
    struct pi_arena *arena = &e->segment.arena;
    uint32_t unit = pi_units_claim(arena, n, owner, search);
    for (int i = 0; unit == PI_NO_INDEX && i < PI_MAX_BLOCK_TRIES; i++) {
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
static uint32_t acquire_units(posse_executor *e, uint32_t n, unsigned owner, enum pi_search search)
{
    uint32_t unit = claim(e, n, owner, search);
    if (unit == PI_NO_INDEX || back_units(e, unit, n, owner))
        return unit;
    pi_units_put_back(&e->segment.arena, unit, n);
    return PI_NO_INDEX;
}

/* ---- taking ---- */

static pi_block_ref acquire_large(posse_executor *e, unsigned owner, size_t size,
                                  enum pi_search search)
{
    uint32_t n = (uint32_t)((size + PI_UNIT - 1) / PI_UNIT);
    uint32_t unit = acquire_units(e, n, owner, search);
    if (unit == PI_NO_INDEX)
        return 0;
    pi_units_join(&e->segment.arena, unit, n, owner);
    return pi_block_ref_make(unit, 0);
}

static pi_block_ref acquire_small(posse_executor *e, unsigned owner, unsigned class,
                                  enum pi_search search)
{
    struct pi_arena *arena = &e->segment.arena;
    pi_block_ref ref = pi_span_take(arena, class, owner);
    if (ref != 0)
        return ref;
    uint32_t unit = acquire_units(e, 1, owner, search);
    if (unit == PI_NO_INDEX)
        return 0;
    if (pi_back(e, &arena->tags[(size_t)unit * PI_TAGS], (PI_TAGS >> class) * sizeof *arena->tags))
        return pi_span_open(arena, unit, class, owner);
    pi_units_put_back(arena, unit, 1);
    return 0;
}

/* A block that was just taken; 0: none was. If it has no bytes, a task has overwritten its tag
 * meanwhile, and it stays as it is. */
static struct pi_bytes taken(posse_executor *e, size_t size, pi_block_ref ref)
{
    struct pi_bytes block = pi_in_block(e, size, ref);
    if (ref != 0 && !block.bytes)
        errno = ENOMEM; /* no call has failed */
    return block;
}

posse_status pi_block_acquire(posse_executor *e, unsigned owner, size_t size,
                              struct pi_bytes *block)
{
    struct pi_arena *arena = &e->segment.arena;
    unsigned class = pi_size_class_for(size);
    *block = (struct pi_bytes){.bytes = NULL};
    if (size > arena->max * PI_UNIT)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the largest block of shared memory");
    for (int attempt = 0; attempt < 3 && !block->bytes; attempt++) {
        enum pi_search search = attempt == 0 ? PI_SEARCH_PART : PI_SEARCH_ALL;
        if (attempt == 2)
            pi_reclaim_blocks(e, owner);
        *block = taken(e, size,
                       class < PI_CLASSES ? acquire_small(e, owner, class, search)
                                          : acquire_large(e, owner, size, search));
    }
    if (!block->bytes)
        *block = taken(e, size, pi_span_take_any(arena, class, owner));
    if (block->bytes)
        return POSSE_OK;
    block->ref = 0;
    pi_ask_for_trim(e);
    return pi_failure(PI_NO_SHARED);
}

/* ---- what a reference names ---- */

void pi_block_attach(posse_executor *e, pi_block_ref ref, uint32_t slot, uint32_t generation)
{
    struct pi_block block;
    if (!pi_arena_find(&e->segment.arena, ref, &block))
        return;
    /* A task may have freed it meanwhile, if it knows where it is: then it is another's. */
    uint64_t tag = pi_load_relaxed(block.tag); /* relaxed: the CAS checks it */
    if (pi_tag_kind(tag) == PI_TAG_HELD)
        (void)pi_cas(block.tag, &tag, pi_tag_attached(slot, generation)); /* with pi_arena_free */
}

void *pi_block_bytes(posse_executor *e, pi_block_ref ref, uint64_t size)
{
    struct pi_block block;
    bool found = pi_arena_find(&e->segment.arena, ref, &block) && size <= block.size;
    return found ? block.bytes : NULL;
}

size_t pi_block_room(posse_executor *e, pi_block_ref ref)
{
    struct pi_block block;
    return pi_arena_find(&e->segment.arena, ref, &block) ? block.size : 0;
}
