/* Runs in: program, worker.
 *
 * Memory that tasks and the program share. A block belongs to the process that allocated it: when a
 * worker dies its blocks are freed, when it exits cleanly they become the program's. Anyone may
 * free one.
 *
 * With POSSE_FRESH a block is whole units, all of them cleared: the process of a task may get all
 * of its pages (job_memory.c), and nothing of others is there.
 */
#include "core/arena.h"
#include "internal.h"
#include "pool/block.h"
#include "pool/self.h"
#include "pool/trim.h"

#include <string.h>

posse_status posse_alloc(posse_executor *e, size_t size, void **memory)
{
    struct pi_bytes block;
    if (!memory)
        return pi_refuse(POSSE_INVALID, "memory is NULL");
    *memory = NULL;
    posse_status status = pi_check(e);
    if (status == POSSE_OK && size == 0)
        status = pi_refuse(POSSE_INVALID, "size is 0");
    if (status == POSSE_OK)
        status = pi_check_shared(e);
    if (status != POSSE_OK)
        return status;
    unsigned owner = pi_owner_here(e);
    pi_mark_escaping(e, owner);
    status = pi_block_acquire(e, owner, e->fresh && size < PI_UNIT ? PI_UNIT : size, &block);
    if (status != POSSE_OK)
        return status;
    *memory = block.bytes;
    if (e->wipe || e->fresh)
        memset(*memory, 0, e->fresh ? pi_block_room(e, block.ref) : size);
    return POSSE_OK;
}

static bool release(posse_executor *e, const void *at)
{
    struct pi_block block;
    pi_block_ref ref = pi_arena_ref(&e->segment.arena, at);
    if (!pi_arena_find(&e->segment.arena, ref, &block))
        return false;
    uint64_t tag, seen = 0;
    /* Another tag: the block was a worker's, which has exited, and is the program's now. acquire:
     * with the CAS that gave it its owner. */
    while (pi_tag_kind(tag = pi_load_acquire(block.tag)) == PI_TAG_HELD && tag != seen) {
        if (pi_block_release(e, pi_owner_here(e), ref, tag)) {
            pi_note_freed(e, block.size);
            return true;
        }
        seen = tag;
    }
    return false;
}

posse_status posse_free(posse_executor *e, void *memory)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK || !memory || release(e, memory))
        return status;
    return pi_refuse(POSSE_INVALID, "memory is not of posse_alloc, or is free already");
}
