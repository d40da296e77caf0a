/* What a worker leaves in the arena, when it has died or has left by itself. See the table in
 * core/arena.h: what it held, claimed or closed is found by a walk over the tags of units, and over
 * those of the blocks in its own spans and in those of everybody. */
#include "pool/block.h"
#include "pool/pool.h"
#include "pool/trim.h"
#include "supervisor/recover.h"

/* Of units that a dead worker was about to make a block of, to free or to discard, nobody knows
 * which have memory: all are discarded. */
static void recover(posse_executor *e, unsigned worker, unsigned next)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t unit = 0, end = pi_arena_end(arena); unit < end; unit++)
        if (pi_unit_recover(arena, unit, worker, next))
            pi_units_discard(e, unit, pi_units_of(arena, unit));
}

void pi_recover_blocks(posse_executor *e, unsigned worker) { recover(e, worker, PI_OWNER_NONE); }

void pi_reparent_blocks(posse_executor *e, unsigned worker)
{
    recover(e, worker, PI_OWNER_PROGRAM);
}
