#include "core/arena.h"

#define WARM_LOOKS 64u  /* for a unit that has memory, before one is taken that has none */
#define FEW_LOOKS 4096u /* before the end is raised: a page walk for each raise would cost more */

#define VALUE_MASK ((uint64_t)UINT32_MAX)

unsigned pi_size_class_for(size_t size)
{
    unsigned class = 0;
    while (class < PI_CLASSES && pi_size_class_bytes(class) < size)
        class ++;
    return class;
}

/* ---- info: written by the claimer of the unit, so relaxed; published with the tag ---- */

static uint32_t value_of(struct pi_arena *arena, uint32_t unit)
{
    return (uint32_t)pi_load_relaxed(&arena->units[unit].info);
}

static void set_value(struct pi_arena *arena, uint32_t unit, uint32_t value)
{
    uint64_t info = pi_load_relaxed(&arena->units[unit].info);
    pi_store_relaxed(&arena->units[unit].info, (info & ~VALUE_MASK) | value);
}

/* ---- blocks ---- */

static bool find_large(struct pi_arena *arena, uint32_t end, struct pi_block *block)
{
    uint32_t n = value_of(arena, block->unit), last = block->unit + n - 1;
    if (n == 0 || n > end - block->unit)
        return false;
    /* relaxed: these are constant while the block is whole; else somebody has scribbled there */
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

pi_block_ref pi_arena_next(struct pi_arena *arena, pi_block_ref after, bool objects, uint64_t *tag)
{
    uint64_t place = after, end = (uint64_t)pi_arena_end(arena) * PI_TAGS;
    for (; place < end; place++) {
        uint32_t unit = (uint32_t)(place / PI_TAGS), index = (uint32_t)(place % PI_TAGS);
        *tag = pi_load_acquire(&arena->units[unit].tag); /* as in pi_arena_find */
        bool small = index < pi_span_blocks(*tag) && (!objects || (*tag & PI_SPAN_HAS_SYNC));
        if (small)
            *tag = pi_load_acquire(&arena->tags[place]); /* with pi_sync_publish */
        if ((small || index == 0) && pi_tag_in_use(*tag))
            return place + 1;
        if (!small)
            place |= PI_TAGS - 1; /* on to the next unit */
    }
    return 0;
}

/* From the last unit down to the head, so that a death leaves the rest of it with the head. */
static void free_units(struct pi_arena *arena, uint32_t head, uint32_t rest)
{
    for (uint32_t n = pi_units_of(arena, head); n-- > 1;) /* release: with the next claim */
        pi_store_release(&arena->units[head + n].tag, pi_tag_free(0));
    set_value(arena, head, rest);
    pi_store_release(&arena->units[head].tag, pi_tag_free(0)); /* the same */
}

bool pi_arena_free(struct pi_arena *arena, pi_block_ref ref, uint64_t tag, unsigned owner)
{
    struct pi_block block;
    if (!pi_arena_find(arena, ref, &block))
        return false;
    if (block.span)
        return pi_span_free(arena, &block, tag);
    uint64_t seen = tag;
    if (!pi_cas(block.tag, &seen, pi_tag_claimed(owner, 0)))
        return false;
    free_units(arena, block.unit, pi_tag_kind(tag) == PI_TAG_SYNC ? PI_KEPT : PI_USED);
    return true;
}

/* ---- claiming ---- */

static bool is_nobodys(uint64_t tag)
{
    return pi_tag_kind(tag) == PI_TAG_NONE || pi_tag_kind(tag) == PI_TAG_FREE;
}

static bool claim_one(struct pi_arena *arena, uint32_t unit, unsigned owner)
{
    uint64_t tag = pi_load_relaxed(&arena->units[unit].tag); /* relaxed: the CAS checks it */
    uint32_t bare = pi_tag_kind(tag) == PI_TAG_NONE ? PI_BARE : 0;
    return is_nobodys(tag) && pi_cas(&arena->units[unit].tag, &tag, pi_tag_claimed(owner, bare));
}

uint32_t pi_units_claim_at(struct pi_arena *arena, uint32_t unit, uint32_t n, unsigned owner)
{
    uint32_t claimed = 0;
    while (claimed < n && claim_one(arena, unit + claimed, owner))
        claimed++;
    if (claimed < n)
        pi_units_put_back(arena, unit, claimed);
    return claimed;
}

/* Units from there on that are of one thing, as far as can be seen: a hint. */
static uint32_t stride(struct pi_arena *arena, uint32_t unit, uint64_t tag, uint32_t most)
{
    uint32_t n = pi_tag_in_use(tag) ? value_of(arena, unit) : 1;
    return n == 0 || n > most ? 1 : n;
}

struct search {
    struct pi_arena *arena;
    uint32_t n;
    unsigned owner;
    uint32_t looks; /* left */
    uint32_t place; /* where it goes on */
    bool warm;      /* only what has memory */
};

/* Claims a run between two units. False: there is none, or no look is left. */
static bool claim_between(struct search *s, uint32_t from, uint32_t to)
{
    uint32_t run = 0;
    s->place = from;
    for (; s->place < to && s->looks > 0; s->looks--) {
        /* relaxed: claim_one checks it */
        uint64_t tag = pi_load_relaxed(&s->arena->units[s->place].tag);
        bool nobodys = s->warm ? pi_tag_kind(tag) == PI_TAG_FREE : is_nobodys(tag);
        s->place += nobodys ? 1 : stride(s->arena, s->place, tag, to - s->place);
        run = nobodys ? run + 1 : 0;
        if (run < s->n)
            continue;
        s->place -= run;
        uint32_t claimed = pi_units_claim_at(s->arena, s->place, run, s->owner);
        if (claimed == run)
            return true;
        s->place += claimed + 1; /* behind the one that somebody has just taken */
        run = 0;
    }
    return false;
}

/* A unit that has memory. */
static bool claim_warm(struct search *s, uint32_t from, uint32_t end, uint32_t looks)
{
    for (uint32_t i = 0; i < end && i < looks; i++) {
        s->place = from + i < end ? from + i : from + i - end;
        /* relaxed: claim_one checks it; if that takes another kind it is as good */
        uint64_t tag = pi_load_relaxed(&s->arena->units[s->place].tag);
        if (pi_tag_kind(tag) == PI_TAG_FREE && claim_one(s->arena, s->place, s->owner))
            return true;
    }
    return false;
}

/* Claims a run anywhere: from `from` on, then before it, and what begins there and goes beyond. */
static bool claim_around(struct search *s, uint32_t from, uint32_t end)
{
    return claim_between(s, from, end) ||
           (s->looks > 0 && claim_between(s, 0, end - from < s->n ? end : from + s->n - 1));
}

uint32_t pi_units_claim(struct pi_arena *arena, uint32_t n, unsigned owner, bool thorough)
{
    uint32_t end = pi_arena_end(arena), looks = thorough ? UINT32_MAX : n + FEW_LOOKS;
    uint32_t from = atomic_load_explicit(&arena->place, memory_order_relaxed); /* a hint */
    struct search s = {.arena = arena, .n = n, .owner = owner, .looks = looks, .warm = true};
    if (from >= end)
        from = 0;
    bool found = n == 1 ? claim_warm(&s, from, end, thorough ? end : WARM_LOOKS)
                        : claim_around(&s, from, end);
    if (!found) {
        s.looks = looks;
        s.warm = false;
        found = claim_around(&s, from, end);
    }
    atomic_store_explicit(&arena->place, s.place, memory_order_relaxed);
    return found ? s.place : PI_NO_INDEX;
}

uint32_t pi_units_tail(struct pi_arena *arena, uint32_t n)
{
    uint32_t end = pi_arena_end(arena), tail = 0;
    while (tail < end && tail < n && /* relaxed: pi_units_claim_at checks it */
           is_nobodys(pi_load_relaxed(&arena->units[end - tail - 1].tag)))
        tail++;
    return tail;
}

/* ---- what was claimed: it is ours, so relaxed is enough for all reads ---- */

uint32_t pi_units_bare(struct pi_arena *arena, uint32_t unit, uint32_t n)
{
    uint32_t bare = 0;
    for (; bare < n && (pi_load_relaxed(&arena->units[unit + bare].tag) & PI_BARE); bare++)
        set_value(arena, unit + bare, PI_USED);
    return bare;
}

void pi_units_mark(struct pi_arena *arena, uint32_t unit, uint32_t n, uint64_t tag)
{
    for (uint32_t i = 0; i < n; i++) /* relaxed: nobody reads it before the next store */
        pi_store_relaxed(&arena->units[unit + i].tag, tag);
}

void pi_units_put_back(struct pi_arena *arena, uint32_t unit, uint32_t n)
{
    while (n-- > 0) {
        bool bare = pi_load_relaxed(&arena->units[unit + n].tag) & PI_BARE;
        /* release: with the next claim */
        pi_store_release(&arena->units[unit + n].tag, bare ? 0 : pi_tag_free(0));
    }
}

void pi_units_join(struct pi_arena *arena, uint32_t unit, uint32_t n, unsigned owner)
{
    for (uint32_t i = 1; i < n; i++) {
        set_value(arena, unit + i, PI_USED);
        pi_store_relaxed(&arena->units[unit + i].tag, pi_tag_inside(unit)); /* with the head */
    }
    set_value(arena, unit, n);
    pi_store_release(&arena->units[unit].tag, pi_tag_held(owner)); /* with pi_arena_find */
}

uint32_t pi_units_of(struct pi_arena *arena, uint32_t unit)
{
    uint32_t n = 1, most = pi_arena_end(arena) - unit;
    while (n < most && pi_load_relaxed(&arena->units[unit + n].tag) == pi_tag_inside(unit))
        n++;
    return n;
}

/* ---- giving back ---- */

#define MAX_IDLE 256u /* at a time: others may need the rest meanwhile */

static bool is_idle(struct pi_arena *arena, uint32_t unit, uint64_t tag, bool trim)
{
    uint32_t value = value_of(arena, unit);
    return trim ? value == PI_SEEN && is_nobodys(tag)
                : value != PI_KEPT && pi_tag_kind(tag) == PI_TAG_FREE;
}

uint32_t pi_units_claim_idle(struct pi_arena *arena, uint32_t unit, unsigned owner, bool trim)
{
    uint32_t n = 0, end = pi_arena_end(arena);
    for (; unit + n < end && n < MAX_IDLE; n++) {
        /* relaxed: claim_one checks it */
        uint64_t tag = pi_load_relaxed(&arena->units[unit + n].tag);
        if (!is_idle(arena, unit + n, tag, trim) || !claim_one(arena, unit + n, owner))
            break;
        if (!is_idle(arena, unit + n, tag, trim)) { /* it was used meanwhile */
            pi_units_put_back(arena, unit + n, 1);
            break;
        }
    }
    return n;
}

uint32_t pi_units_with_memory(struct pi_arena *arena, uint32_t unit, uint32_t n)
{
    uint32_t with = 0;
    for (uint32_t i = unit; i < unit + n; i++) {
        uint64_t tag = pi_load_relaxed(&arena->units[i].tag); /* relaxed: it is counted, no more */
        bool bare = pi_tag_kind(tag) == PI_TAG_CLAIMED && (tag & PI_BARE);
        with += pi_tag_kind(tag) != PI_TAG_NONE && !bare;
    }
    return with;
}

void pi_units_discarded(struct pi_arena *arena, uint32_t unit, uint32_t n, bool clean)
{
    while (n-- > 0) {
        set_value(arena, unit + n, clean ? PI_CLEAN : PI_USED);
        pi_store_release(&arena->units[unit + n].tag, 0); /* with the next claim */
    }
}

uint32_t pi_units_see(struct pi_arena *arena, unsigned owner, uint32_t from, uint32_t to)
{
    uint32_t seen = 0, end = pi_arena_end(arena);
    for (uint32_t unit = from; unit < end && unit < to; unit++) {
        /* relaxed: claim_one checks it */
        uint64_t tag = pi_load_relaxed(&arena->units[unit].tag);
        if (!is_nobodys(tag) || value_of(arena, unit) == PI_CLEAN || !claim_one(arena, unit, owner))
            continue;
        set_value(arena, unit, PI_SEEN);
        pi_units_put_back(arena, unit, 1);
        seen++;
    }
    return seen;
}
