/* What a worker leaves in the arena, when it has died or has left by itself. See the table in
 * core/arena.h: what it held, claimed or closed is found by a walk over the tags of units, and over
 * those of the blocks in its own spans and in those of everybody. */
#include "pool/block.h"
#include "pool/pool.h"
#include "supervisor/recover.h"

/* Units that the dead worker was about to make a block of, to free or to discard: it is not known
 * which of them have memory. */
static void recover_claimed(posse_executor *e, uint32_t unit)
{
    pi_units_discard(e, unit, pi_units_of(&e->segment.arena, unit), false);
}

static void recover_unit(posse_executor *e, uint32_t unit, unsigned worker)
{
    struct pi_arena *arena = &e->segment.arena;
    uint64_t tag = pi_load_acquire(&arena->units[unit].tag); /* with the last store of the dead */
    bool its = pi_tag_owner(tag) == worker;
    switch (pi_tag_kind(tag)) {
    case PI_TAG_CLAIMED:
        if (its)
            recover_claimed(e, unit);
        break;
    case PI_TAG_HELD:
        if (its)
            (void)pi_block_release(e, PI_OWNER_NONE, pi_block_ref_make(unit, 0), tag);
        break;
    case PI_TAG_SPAN: pi_span_recover(arena, unit, worker, PI_OWNER_NONE); break;
    default: break;
    }
}

void pi_recover_blocks(posse_executor *e, unsigned worker)
{
    for (uint32_t unit = 0, end = pi_arena_end(&e->segment.arena); unit < end; unit++)
        recover_unit(e, unit, worker);
}

void pi_reparent_blocks(posse_executor *e, unsigned worker)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t unit = 0, end = pi_arena_end(arena); unit < end; unit++) {
        uint64_t tag = pi_tag_held(worker);
        if (pi_load_relaxed(&arena->units[unit].tag) == tag) /* relaxed: the CAS checks it */
            (void)pi_cas(&arena->units[unit].tag, &tag, pi_tag_held(PI_OWNER_PROGRAM));
        pi_span_recover(arena, unit, worker, PI_OWNER_PROGRAM);
    }
}
