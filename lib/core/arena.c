/* Blocks of the arena: what a reference names. See arena.h. */
#include "core/arena.h"

unsigned pi_size_class_for(size_t size)
{
    unsigned class = 0;
    while (class < PI_CLASSES && pi_size_class_bytes(class) < size)
        class ++;
    return class;
}

static bool find_large(struct pi_arena *arena, uint32_t end, struct pi_block *block)
{
    uint32_t n = pi_unit_value(arena, block->unit), last = block->unit + n - 1;
    if (n == 0 || n > end - block->unit)
        return false;
    /* relaxed: these are constant while the block is whole; else a task has overwritten them */
    if (n > 1 && pi_load_relaxed(&arena->units[last].tag) != pi_tag_inside(block->unit))
        return false;
    block->tag = &arena->units[block->unit].tag;
    block->size = (size_t)n * PI_UNIT;
    block->span = 0;
    return true;
}

bool pi_arena_find(struct pi_arena *arena, pi_block_ref ref, struct pi_block *block)
{
    uint32_t end = pi_arena_end(arena);
    if (ref == 0 || (ref - 1) / PI_TAGS >= end)
        return false;
    uint32_t index = (uint32_t)((ref - 1) % PI_TAGS);
    block->unit = (uint32_t)((ref - 1) / PI_TAGS);
    block->bytes = pi_unit_bytes(arena, block->unit);
    uint64_t tag = pi_load_acquire(&arena->units[block->unit].tag); /* with join and open */
    if (pi_tag_kind(tag) != PI_TAG_SPAN)
        return index == 0 && pi_tag_in_use(tag) && find_large(arena, end, block);
    if (index >= pi_span_blocks(tag))
        return false;
    block->tag = &arena->tags[(size_t)block->unit * PI_TAGS + index];
    block->size = pi_size_class_bytes(pi_tag_class(tag));
    block->bytes += index * block->size;
    block->span = tag;
    return true;
}

pi_block_ref pi_arena_ref(struct pi_arena *arena, const void *at)
{
    size_t offset = (size_t)((const char *)at - arena->bytes);
    if ((const char *)at < arena->bytes || offset / PI_UNIT >= pi_arena_end(arena))
        return 0;
    uint32_t unit = (uint32_t)(offset / PI_UNIT);
    uint64_t tag = pi_load_acquire(&arena->units[unit].tag); /* as in pi_arena_find */
    bool small = pi_span_blocks(tag) != 0;
    size_t within = offset % PI_UNIT,
           size = small ? pi_size_class_bytes(pi_tag_class(tag)) : PI_UNIT;
    return within % size ? 0 : pi_block_ref_make(unit, (uint32_t)(within / size));
}

pi_block_ref pi_arena_next(struct pi_arena *arena, pi_block_ref after, uint64_t part, uint64_t *tag)
{
    uint64_t place = after, end = (uint64_t)pi_arena_end(arena) * PI_TAGS;
    for (; place < end; place++) {
        uint32_t unit = (uint32_t)(place / PI_TAGS), index = (uint32_t)(place % PI_TAGS);
        *tag = pi_load_acquire(&arena->units[unit].tag); /* as in pi_arena_find */
        bool small = index < pi_span_blocks(*tag) && (*tag & part) == part;
        if (small)
            *tag = pi_load_acquire(&arena->tags[place]); /* with pi_sync_publish */
        if ((small || index == 0) && pi_tag_in_use(*tag))
            return place + 1;
        if (!small)
            place |= PI_TAGS - 1; /* on to the next unit */
    }
    return 0;
}

bool pi_arena_free(struct pi_arena *arena, pi_block_ref ref, uint64_t tag, unsigned owner)
{
    struct pi_block block;
    if (!pi_arena_find(arena, ref, &block))
        return false;
    if (block.span)
        return pi_span_free(arena, &block, tag);
    uint64_t seen = tag;
    if (!pi_cas(block.tag, &seen, pi_tag_claimed(owner, 0))) /* with pi_units_join */
        return false;
    pi_units_free(arena, block.unit, pi_tag_kind(tag) == PI_TAG_SYNC ? PI_KEPT : PI_USED);
    return true;
}

bool pi_unit_recover(struct pi_arena *arena, uint32_t unit, unsigned worker, unsigned next)
{
    uint64_t tag = pi_load_acquire(&arena->units[unit].tag); /* with the worker's last store */
    if (pi_tag_kind(tag) == PI_TAG_SPAN)
        pi_span_recover(arena, unit, worker, next);
    else if (tag == pi_tag_held(worker) && next == PI_OWNER_NONE)
        (void)pi_arena_free(arena, pi_block_ref_make(unit, 0), tag, next);
    else if (tag == pi_tag_held(worker)) /* if it fails, the holder of an address has freed it */
        (void)pi_cas(&arena->units[unit].tag, &tag, pi_tag_held(next));
    return pi_tag_kind(tag) == PI_TAG_CLAIMED && pi_tag_owner(tag) == worker;
}
