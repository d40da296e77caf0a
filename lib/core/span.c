/* Spans: units of small blocks.
 *
 * order: as arena.h says. Tags change by compare-and-swap and pair with each other; a span is
 * published by the release of its tag. `info` is seq, so that a freed block is not missed.
 */
#include "core/arena.h"
#include "base/tuning.h"

#define WINDOW 32u /* tags: a look begins again at such a place, which the cache still has */

static uint64_t info_of(uint64_t span, uint32_t value)
{
    return (uint64_t)pi_tag_life(span) << 32 | value;
}

static _Atomic uint64_t *tags_of(struct pi_arena *arena, uint32_t unit)
{
    return &arena->tags[(size_t)unit * PI_TAGS];
}

static uint64_t span_at(struct pi_arena *arena, uint32_t unit)
{
    return pi_load_acquire(&arena->units[unit].tag); /* with pi_span_open */
}

pi_block_ref pi_span_open(struct pi_arena *arena, uint32_t unit, unsigned class, unsigned owner)
{
    struct pi_unit *u = &arena->units[unit];
    uint32_t life = (uint32_t)(pi_load_relaxed(&u->info) >> 32) + 1; /* relaxed: it is ours */
    uint64_t span = pi_tag_span(class, owner, life);
    _Atomic uint64_t *tags = tags_of(arena, unit);
    /* relaxed, all: the unit's tag publishes them */
    pi_store_relaxed(&tags[0], pi_tag_held(owner));
    for (uint32_t i = 1; i < pi_span_blocks(span); i++)
        pi_store_relaxed(&tags[i], pi_tag_free(life)); /* as above */
    pi_store_relaxed(&u->info, info_of(span, 1));      /* as above */
    pi_store_release(&u->tag, span);                   /* with span_at */
    return pi_block_ref_make(unit, 0);
}

/* ---- taking ---- */

struct taker {
    struct pi_arena *arena;
    unsigned class, owner;
};

static bool may_take(const struct taker *t, uint64_t span)
{
    return pi_span_blocks(span) != 0 && pi_tag_class(span) == t->class &&
           pi_tag_closer(span) == 0 &&
           (pi_tag_owner(span) == t->owner || pi_tag_owner(span) == PI_OWNER_SHARED);
}

/* The index of a block that is HELD now, or PI_NO_INDEX. */
static uint32_t look_in(const struct taker *t, uint32_t unit, uint64_t span, uint32_t from)
{
    _Atomic uint64_t *tags = tags_of(t->arena, unit);
    uint32_t blocks = pi_span_blocks(span);
    for (uint32_t i = 0; i < blocks; i++) {
        uint32_t index = (from + i) % blocks;
        uint64_t tag = pi_tag_free(pi_tag_life(span));
        if (pi_load_seq(&tags[index]) == tag && /* after the 0 of take_in */
            pi_cas(&tags[index], &tag, pi_tag_held(t->owner)))
            return index;
    }
    return PI_NO_INDEX;
}

/* Makes the value of a span `to`. False: it was that, or is of another span. */
static bool change_hint(struct pi_arena *arena, uint32_t unit, uint64_t span, uint32_t to)
{
    uint64_t info = info_of(span, !to);
    return pi_cas_seq(&arena->units[unit].info, &info, info_of(span, to));
}

static pi_block_ref take_in(const struct taker *t, uint32_t unit, uint32_t from)
{
    uint64_t span = span_at(t->arena, unit);
    if (!may_take(t, span) || pi_load_seq(&t->arena->units[unit].info) == info_of(span, 0))
        return 0;
    uint32_t index = look_in(t, unit, span, from);
    if (index == PI_NO_INDEX && change_hint(t->arena, unit, span, 0)) {
        index = look_in(t, unit, span, from);
        if (index != PI_NO_INDEX)
            (void)change_hint(t->arena, unit, span, 1);
    }
    return index == PI_NO_INDEX ? 0 : pi_block_ref_make(unit, index);
}

pi_block_ref pi_span_take(struct pi_arena *arena, unsigned class, unsigned owner)
{
    struct taker t = {arena, class, owner};
    _Atomic uint32_t *hint = &arena->hints[owner % PI_HINTS].place[class];
    uint32_t place = atomic_load_explicit(hint, memory_order_relaxed); /* relaxed: a hint */
    uint32_t end = pi_arena_end(arena);
    uint32_t unit = place / PI_TAGS < end ? place / PI_TAGS : 0;
    pi_block_ref ref = 0;
    for (uint32_t i = 0; ref == 0 && i < PI_SPAN_LOOKS && i < end; i++) {
        ref = take_in(&t, unit, i == 0 ? place % PI_TAGS & ~(WINDOW - 1) : 0);
        unit = unit + 1 < end ? unit + 1 : 0;
    }
    /* relaxed: a hint, where the next look goes on */
    atomic_store_explicit(hint, ref ? (uint32_t)ref - 1 : unit * PI_TAGS, memory_order_relaxed);
    return ref;
}

/* Makes a span of another owner SHARED, before anything is taken there. */
static void share(struct pi_arena *arena, uint32_t unit, unsigned class)
{
    uint64_t span = span_at(arena, unit);
    while (pi_span_blocks(span) != 0 && pi_tag_class(span) == class && pi_tag_closer(span) == 0 &&
           pi_tag_owner(span) != PI_OWNER_SHARED)
        if (pi_cas(&arena->units[unit].tag, &span, pi_tag_with_owner(span, PI_OWNER_SHARED)))
            return;
}

pi_block_ref pi_span_take_any(struct pi_arena *arena, unsigned class, unsigned owner)
{
    struct taker t = {arena, class, owner};
    for (; t.class < PI_CLASSES; t.class ++)
        for (uint32_t unit = 0, end = pi_arena_end(arena); unit < end; unit++) {
            uint64_t span = span_at(arena, unit);
            if (pi_load_seq(&arena->units[unit].info) != info_of(span, 1))
                continue;
            share(arena, unit, t.class);
            pi_block_ref ref = take_in(&t, unit, 0);
            if (ref != 0)
                return ref;
        }
    return 0;
}

/* ---- freeing ---- */

/* After a block has become FREE. */
static void set_hint(struct pi_arena *arena, uint32_t unit, uint64_t span)
{
    if (pi_load_seq(&arena->units[unit].info) == info_of(span, 0))
        (void)change_hint(arena, unit, span, 1);
}

bool pi_span_free(struct pi_arena *arena, const struct pi_block *block, uint64_t tag)
{
    if (!pi_cas_seq(block->tag, &tag, pi_tag_free(pi_tag_life(block->span))))
        return false;
    set_hint(arena, block->unit, block->span);
    return true;
}

void pi_span_mark(struct pi_arena *arena, uint32_t unit)
{
    uint64_t span = span_at(arena, unit);
    while (pi_span_blocks(span) != 0 && !(span & PI_SPAN_HAS_SYNC))
        if (pi_cas(&arena->units[unit].tag, &span, span | PI_SPAN_HAS_SYNC))
            return;
}

/* ---- closing ---- */

/* By the closer, or the supervisor in its place. */
static void reopen(struct pi_arena *arena, uint32_t unit)
{
    uint64_t span = span_at(arena, unit);
    _Atomic uint64_t *tags = tags_of(arena, unit);
    for (uint32_t i = 0; i < pi_span_blocks(span); i++)
        if (pi_load_relaxed(&tags[i]) == 0) /* relaxed: the closer alone writes NONE, and this */
            pi_store_seq(&tags[i], pi_tag_free(pi_tag_life(span)));
    while (pi_span_blocks(span) != 0 && pi_tag_closer(span) != 0)
        if (pi_cas(&arena->units[unit].tag, &span, pi_tag_with_closer(span, 0)))
            break;
    set_hint(arena, unit, span);
}

static bool looks_empty(struct pi_arena *arena, uint32_t unit, uint64_t span)
{
    _Atomic uint64_t *tags = tags_of(arena, unit);
    for (uint32_t i = 0; i < pi_span_blocks(span); i++)
        /* relaxed: the CAS checks it */
        if (pi_load_relaxed(&tags[i]) != pi_tag_free(pi_tag_life(span)))
            return false;
    return pi_span_blocks(span) != 0 && pi_tag_closer(span) == 0;
}

/* Changes the tags of blocks that are `from`. Returns how many. */
static uint32_t change_blocks(struct pi_arena *arena, uint32_t unit, uint64_t span, uint64_t from,
                              uint64_t to)
{
    _Atomic uint64_t *tags = tags_of(arena, unit);
    uint32_t changed = 0;
    for (uint32_t i = 0; i < pi_span_blocks(span); i++) {
        uint64_t tag = from;
        if (pi_load_relaxed(&tags[i]) == tag) /* relaxed: the CAS checks it */
            changed += pi_cas_seq(&tags[i], &tag, to);
    }
    return changed;
}

/* Makes an empty span a unit that owner has CLAIMED. Returns the span; 0: it is none, or not empty.
 */
static uint64_t close_span(struct pi_arena *arena, uint32_t unit, unsigned owner)
{
    struct pi_unit *u = &arena->units[unit];
    uint64_t span = span_at(arena, unit);
    if (!looks_empty(arena, unit, span) ||
        !pi_cas(&u->tag, &span, pi_tag_with_closer(span, owner + 1)))
        return 0;
    if (change_blocks(arena, unit, span, pi_tag_free(pi_tag_life(span)), 0) !=
        pi_span_blocks(span)) {
        reopen(arena, unit);
        return 0;
    }
    span = span_at(arena, unit);
    while (pi_tag_closer(span) == owner + 1) /* again: its owner may change meanwhile */
        if (pi_cas(&u->tag, &span, pi_tag_claimed(owner, 0)))
            return span;
    return 0;
}

static bool close_unit(struct pi_arena *arena, uint32_t unit, unsigned owner)
{
    uint64_t span = close_span(arena, unit, owner);
    if (span == 0)
        return false;
    /* relaxed: the tag publishes it */
    pi_store_relaxed(&arena->units[unit].info,
                     info_of(span, span & PI_SPAN_HAS_SYNC ? PI_KEPT : PI_USED));
    pi_units_put_back(arena, unit, 1);
    return true;
}

uint32_t pi_spans_close(struct pi_arena *arena, unsigned owner, uint32_t from, uint32_t to)
{
    return pi_units_each(arena, from, to, close_unit, owner);
}

/* ---- recovery ---- */

void pi_span_recover(struct pi_arena *arena, uint32_t unit, unsigned worker, unsigned next)
{
    uint64_t span = span_at(arena, unit);
    if (pi_span_blocks(span) == 0)
        return;
    set_hint(arena, unit, span); /* it may have died between the free block and the value */
    if (pi_tag_closer(span) == worker + 1) {
        reopen(arena, unit);
        span = span_at(arena, unit);
    }
    if (pi_tag_owner(span) == worker || pi_tag_owner(span) == PI_OWNER_SHARED) {
        bool freed = next == PI_OWNER_NONE;
        uint64_t to = freed ? pi_tag_free(pi_tag_life(span)) : pi_tag_held(next);
        (void)change_blocks(arena, unit, span, pi_tag_held(worker), to);
        set_hint(arena, unit, span);
    }
    while (pi_span_blocks(span) != 0 && pi_tag_owner(span) == worker)
        if (pi_cas(&arena->units[unit].tag, &span, pi_tag_with_owner(span, PI_OWNER_PROGRAM)))
            return;
}
