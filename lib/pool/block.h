/* block.h - blocks of the arena, and what a slot refers to. */
#pragma once

#include "core/details.h"
#include "pool/pool.h"

/* The size of something, its bytes, and the block that holds them (0: none). The bytes are NULL if
 * that is impossible, because a task has overwritten memory. */
struct pi_bytes {
    uint64_t size;
    void *bytes;
    pi_block_ref ref;
};

/* A block of at least size bytes, HELD(owner). POSSE_NO_MEMORY, POSSE_SYSTEM, POSSE_TOO_LARGE: then
 * the block is 0. */
posse_status pi_block_acquire(posse_executor *executor, unsigned owner, size_t size,
                              struct pi_bytes *block);
/* Frees a block, in the name of owner, if its tag is exactly that; else it does nothing. */
static inline bool pi_block_release(posse_executor *executor, unsigned owner, pi_block_ref ref,
                                    uint64_t tag)
{
    return pi_arena_free(&executor->segment.arena, ref, tag, owner);
}
/* HELD -> ATTACHED, by the holder. */
void pi_block_attach(posse_executor *executor, pi_block_ref ref, uint32_t slot,
                     uint32_t generation);
/* How many bytes a block that is held or in use has; 0: the reference is not valid. */
size_t pi_block_room(posse_executor *executor, pi_block_ref ref);
/* Its bytes, at least size of them, or NULL: the reference is not valid. */
void *pi_block_bytes(posse_executor *executor, pi_block_ref ref, uint64_t size);

/* The bytes of a block that holds size of them; 0: there is no block. */
static inline struct pi_bytes pi_in_block(posse_executor *e, uint64_t size, pi_block_ref ref)
{
    return (struct pi_bytes){size, ref ? pi_block_bytes(e, ref, size) : NULL, ref};
}

/* ---- what a slot refers to: all of it is published with the state, so relaxed is enough ---- */

/* Its argument and result. The block is 0 if they are inline. */
static inline struct pi_bytes pi_slot_arg(posse_executor *e, struct pi_slot *slot)
{
    uint64_t size = pi_load_relaxed(&slot->arg_size) & PI_SIZE_MASK; /* relaxed: see above */
    if (size <= PI_SMALL_ARG)
        return (struct pi_bytes){.size = size, .bytes = slot->small_arg};
    if (size <= PI_INLINE_ARG)
        return (struct pi_bytes){.size = size, .bytes = slot->inline_arg};
    return pi_in_block(e, size, pi_load_relaxed(&slot->arg)); /* relaxed: see above */
}

/* Where in the slot a result of at most PI_INLINE_RESULT bytes goes. */
static inline void *pi_slot_result_room(struct pi_slot *slot, uint64_t size)
{
    return size <= PI_SMALL_RESULT ? slot->small_result : slot->inline_result;
}

static inline struct pi_bytes pi_slot_result(posse_executor *e, struct pi_slot *slot)
{
    uint64_t size = pi_load_relaxed(&slot->result_size); /* relaxed: see above */
    if (size <= PI_INLINE_RESULT)
        return (struct pi_bytes){.size = size, .bytes = pi_slot_result_room(slot, size)};
    return pi_in_block(e, size, pi_load_relaxed(&slot->result)); /* relaxed: see above */
}

static inline pi_block_ref pi_slot_details_ref(struct pi_slot *slot)
{
    bool detailed = pi_load_acquire(&slot->arg_size) & PI_DETAILED; /* with take_details */
    return detailed ? pi_load_relaxed(&slot->details) : 0;          /* relaxed: see above */
}

/* NULL: it has none. */
static inline struct pi_details *pi_slot_details(posse_executor *e, struct pi_slot *slot)
{
    pi_block_ref ref = pi_slot_details_ref(slot);
    return ref ? pi_block_bytes(e, ref, sizeof(struct pi_details)) : NULL;
}
