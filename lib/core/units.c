/* Units of the arena: which are free, which are claimed, what they give back. See arena.h. */
#include "core/arena.h"
#include "base/assert.h"
#include "base/tuning.h"

#define VALUE_MASK ((uint64_t)UINT32_MAX)

/* ---- info. order: relaxed, as it is the claimer's; the tag publishes it ---- */

static void set_value(struct pi_arena *arena, uint32_t unit, uint32_t value)
{
    uint64_t info = pi_load_relaxed(&arena->units[unit].info);
    pi_store_relaxed(&arena->units[unit].info, (info & ~VALUE_MASK) | value);
}

/* A large block begins a life of its unit. The unit may have been a span, and a late taker there or
 * a late free may still want to change its value from 0 to 1 or back: in another life it cannot. */
static void begin_large(struct pi_arena *arena, uint32_t unit, uint32_t n)
{
    uint64_t life = (pi_load_relaxed(&arena->units[unit].info) >> 32) + 1;
    pi_store_relaxed(&arena->units[unit].info, life << 32 | n);
}

/* The tag of a unit, which a later CAS checks. */
static uint64_t hint_of(struct pi_arena *arena, uint32_t unit)
{
    return pi_load_relaxed(&arena->units[unit].tag); /* relaxed: as said */
}

/* ---- claiming ---- */

static bool is_free(uint64_t tag)
{
    return pi_tag_kind(tag) == PI_TAG_NONE || pi_tag_kind(tag) == PI_TAG_FREE;
}

static bool has_memory(uint64_t tag) { return pi_tag_kind(tag) == PI_TAG_FREE; }

static bool claim_one(struct pi_arena *arena, uint32_t unit, unsigned owner)
{
    uint64_t tag = hint_of(arena, unit);
    uint32_t bare = has_memory(tag) ? 0 : PI_BARE;
    return is_free(tag) && /* acquire: with the last owner's store */
           pi_cas(&arena->units[unit].tag, &tag, pi_tag_claimed(owner, bare));
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
static uint32_t stride(struct pi_arena *arena, uint32_t unit, uint64_t tag, uint32_t max)
{
    uint32_t n = pi_tag_in_use(tag) ? pi_unit_value(arena, unit) : 1;
    return n == 0 || n > max ? 1 : n;
}

struct search {
    struct pi_arena *arena;
    uint32_t n;
    unsigned owner;
    uint32_t looks;                  /* left */
    uint32_t place;                  /* where it goes on */
    bool (*is_wanted)(uint64_t tag); /* is_free, or has_memory */
};

/* Claims a run between two units. False: there is none, or no look is left. */
static bool claim_between(struct search *s, uint32_t from, uint32_t to)
{
    uint32_t run = 0;
    for (s->place = from; s->place < to && s->looks > 0; s->looks--) {
        uint64_t tag = hint_of(s->arena, s->place);
        bool wanted = s->is_wanted(tag);
        s->place += wanted ? 1 : stride(s->arena, s->place, tag, to - s->place);
        run = wanted ? run + 1 : 0;
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

/* Claims a run anywhere: from `from` on, then before it, and what begins there and goes beyond. */
static bool claim_around(struct search *s, uint32_t from, uint32_t looks,
                         bool (*is_wanted)(uint64_t tag))
{
    uint32_t end = pi_arena_end(s->arena);
    s->looks = looks;
    s->is_wanted = is_wanted;
    return claim_between(s, from, end) ||
           (s->looks > 0 && claim_between(s, 0, end - from < s->n ? end : from + s->n - 1));
}

/* Units with memory first: for a single one only a few looks, as a new one costs little. */
uint32_t pi_units_claim(struct pi_arena *arena, uint32_t n, unsigned owner, enum pi_search search)
{
    PI_ASSERT(n > 0);
    struct search s = {.arena = arena, .n = n, .owner = owner};
    uint32_t looks = search == PI_SEARCH_ALL ? UINT32_MAX : n + PI_ARENA_LOOKS;
    uint32_t warm = search == PI_SEARCH_PART && n == 1 ? PI_WARM_UNITS : looks;
    uint32_t from = atomic_load_explicit(&arena->place, memory_order_relaxed); /* a hint */
    if (from >= pi_arena_end(arena))
        from = 0;
    bool found = claim_around(&s, from, warm, has_memory) || claim_around(&s, from, looks, is_free);
    atomic_store_explicit(&arena->place, s.place, memory_order_relaxed); /* a hint */
    return found ? s.place : PI_NO_INDEX;
}

uint32_t pi_units_tail(struct pi_arena *arena, uint32_t n)
{
    uint32_t end = pi_arena_end(arena), tail = 0;
    while (tail < end && tail < n && is_free(hint_of(arena, end - tail - 1)))
        tail++;
    return tail;
}

/* ---- what was claimed. order: it is ours, so relaxed is enough for all reads ---- */

uint32_t pi_units_bare(struct pi_arena *arena, uint32_t unit, uint32_t n)
{
    uint32_t bare = 0;
    for (; bare < n && (hint_of(arena, unit + bare) & PI_BARE); bare++)
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
        bool bare = hint_of(arena, unit + n) & PI_BARE;
        pi_store_release(&arena->units[unit + n].tag, /* with claim_one */
                         bare ? 0 : pi_tag_free(0));
    }
}

void pi_units_join(struct pi_arena *arena, uint32_t unit, uint32_t n, unsigned owner)
{
    PI_ASSERT(n > 0);
    for (uint32_t i = 1; i < n; i++) {
        set_value(arena, unit + i, PI_USED);
        pi_store_relaxed(&arena->units[unit + i].tag, pi_tag_inside(unit)); /* with the head */
    }
    begin_large(arena, unit, n);
    pi_store_release(&arena->units[unit].tag, pi_tag_held(owner)); /* with pi_arena_find */
}

uint32_t pi_units_of(struct pi_arena *arena, uint32_t unit)
{
    uint32_t n = 1, max = pi_arena_end(arena) - unit;
    while (n < max && hint_of(arena, unit + n) == pi_tag_inside(unit))
        n++;
    return n;
}

/* From the last unit down to the head, so that a death leaves the rest with the head. */
void pi_units_free(struct pi_arena *arena, uint32_t head, enum pi_rest rest)
{
    for (uint32_t n = pi_units_of(arena, head); n-- > 1;) /* with claim_one */
        pi_store_release(&arena->units[head + n].tag, pi_tag_free(0));
    set_value(arena, head, rest);
    pi_store_release(&arena->units[head].tag, pi_tag_free(0)); /* with claim_one */
}

/* ---- giving back ---- */

static bool is_idle(struct pi_arena *arena, uint32_t unit, uint64_t tag, enum pi_idle_units which)
{
    uint32_t value = pi_unit_value(arena, unit);
    return which == PI_UNITS_SEEN ? is_free(tag) && value == PI_SEEN
                                  : has_memory(tag) && value != PI_KEPT;
}

uint32_t pi_units_claim_idle(struct pi_arena *arena, uint32_t unit, unsigned owner,
                             enum pi_idle_units which)
{
    uint32_t n = 0, end = pi_arena_end(arena);
    for (; unit + n < end && n < PI_MAX_IDLE_UNITS; n++) {
        uint64_t tag = hint_of(arena, unit + n);
        if (!is_idle(arena, unit + n, tag, which) || !claim_one(arena, unit + n, owner))
            break;
        if (!is_idle(arena, unit + n, tag, which)) { /* it was used meanwhile */
            pi_units_put_back(arena, unit + n, 1);
            break;
        }
    }
    return n;
}

void pi_units_discarded(struct pi_arena *arena, uint32_t unit, uint32_t n, enum pi_rest rest)
{
    while (n-- > 0) {
        set_value(arena, unit + n, rest);
        pi_store_release(&arena->units[unit + n].tag, 0); /* with claim_one */
    }
}

/* ---- one after the other ---- */

uint32_t pi_units_each(struct pi_arena *arena, uint32_t from, uint32_t to, pi_unit_fn *fn,
                       unsigned owner)
{
    uint32_t count = 0, end = pi_arena_end(arena);
    for (uint32_t unit = from; unit < end && unit < to; unit++)
        count += fn(arena, unit, owner);
    return count;
}

static bool has_own_memory(struct pi_arena *arena, uint32_t unit, unsigned owner)
{
    uint64_t tag = hint_of(arena, unit); /* only counted */
    (void)owner;
    return pi_tag_kind(tag) != PI_TAG_NONE &&
           !(pi_tag_kind(tag) == PI_TAG_CLAIMED && (tag & PI_BARE));
}

uint32_t pi_units_with_memory(struct pi_arena *arena, uint32_t unit, uint32_t n)
{
    return pi_units_each(arena, unit, unit + n, has_own_memory, 0);
}

static bool see(struct pi_arena *arena, uint32_t unit, unsigned owner)
{
    if (!is_free(hint_of(arena, unit)) || pi_unit_value(arena, unit) == PI_CLEAN ||
        !claim_one(arena, unit, owner))
        return false;
    set_value(arena, unit, PI_SEEN);
    pi_units_put_back(arena, unit, 1);
    return true;
}

uint32_t pi_units_see(struct pi_arena *arena, unsigned owner, uint32_t from, uint32_t to)
{
    return pi_units_each(arena, from, to, see, owner);
}
