/* arena_box.h - an arena in private memory, for the tests of its parts. */
#ifndef UNIT_ARENA_BOX_H
#define UNIT_ARENA_BOX_H

#include "support/support.h"

#include "core/arena.h"

#include <stdlib.h>
#include <string.h>

struct box {
    struct pi_arena arena;
    _Atomic uint64_t end;
};

/* Max units, of which `end` are in use or once used. */
static inline struct box *make_box(uint32_t max, uint32_t end)
{
    struct box *box = aligned_alloc(64, (sizeof *box + 63) & ~(size_t)63);
    assert_non_null(box);
    memset((void *)box, 0, sizeof *box);
    box->arena.max = max;
    box->arena.units = calloc(max, sizeof *box->arena.units);
    box->arena.tags = calloc((size_t)max * PI_TAGS, sizeof *box->arena.tags);
    box->arena.bytes = malloc(max * PI_UNIT);
    assert_true(box->arena.units && box->arena.tags && box->arena.bytes);
    atomic_store(&box->end, pi_monotonic_word(end));
    pi_monotonic_init(&box->arena.end, &box->end, max);
    return box;
}

static inline void free_box(struct box *box)
{
    free(box->arena.units);
    free((void *)box->arena.tags);
    free(box->arena.bytes);
    free(box);
}

static inline uint64_t unit_tag(struct box *box, uint32_t unit)
{
    return pi_load_seq(&box->arena.units[unit].tag);
}

static inline uint32_t unit_value(struct box *box, uint32_t unit)
{
    return (uint32_t)pi_load_seq(&box->arena.units[unit].info);
}

/* As lib/pool/block.c does, but memory is always there. */
static inline uint32_t claim_units(struct box *box, uint32_t n, unsigned owner)
{
    uint32_t unit = pi_units_claim(&box->arena, n, owner, PI_SEARCH_ALL);
    for (uint32_t i = 0; unit != PI_NO_INDEX && i < n; i++) {
        uint32_t bare = pi_units_bare(&box->arena, unit + i, n - i);
        pi_units_mark(&box->arena, unit + i, bare, pi_tag_claimed(owner, 0));
    }
    return unit;
}

/* A block, HELD(owner); 0: there is no room. */
static inline pi_block_ref take_block(struct box *box, size_t size, unsigned owner)
{
    unsigned class = pi_size_class_for(size);
    uint32_t n = (uint32_t)((size + PI_UNIT - 1) / PI_UNIT);
    pi_block_ref ref = class < PI_CLASSES ? pi_span_take(&box->arena, class, owner) : 0;
    if (ref != 0)
        return ref;
    uint32_t unit = claim_units(box, n, owner);
    if (unit == PI_NO_INDEX)
        return 0;
    if (class < PI_CLASSES)
        return pi_span_open(&box->arena, unit, class, owner);
    pi_units_join(&box->arena, unit, n, owner);
    return pi_block_ref_make(unit, 0);
}

static inline _Atomic uint64_t *tag_of(struct box *box, pi_block_ref ref)
{
    struct pi_block block;
    assert_true(pi_arena_find(&box->arena, ref, &block));
    return block.tag;
}

#endif
