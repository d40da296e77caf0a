/* rest.c - what must hold inside a pool of which nobody wants anything: a look at all that is
 * shared, for what a death or a race has left and the counts of posse_get_stats do not tell.
 *
 * Whoever frees a thing does so in several steps (the word, then the bit of the map), so every look
 * is repeated until it holds.
 */
#include "pool/backend.h"
#include "pool/pool.h"
#include "support.h"

/* A test that is linked with the shared library has none of these: it cannot look. */
#pragma weak pi_ring_length
#pragma weak pi_ring_at
#pragma weak pi_monotonic_reload

/* ---- slots and the ring ---- */

static bool has(const struct pi_bitmap_bits *bits, uint32_t slot)
{
    return bits->word == slot / 64 && bits->bits >> slot % 64 & 1;
}

/* Whether the map has the slot, or a stash has. No thread is in its stash now. */
static bool is_to_be_had(posse_executor *e, uint32_t slot)
{
    bool given = !pi_bitmap_is_allocated(&e->segment.slots.map, slot);
    for (unsigned i = 0; i < e->stashes.n; i++)
        given |= has(&e->stashes.of_thread[i].next, slot) ||
                 has(&e->stashes.of_thread[i].released, slot);
    return given;
}

static bool slots_are_free(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    for (uint32_t i = 0; i < pi_slots_count(slots); i++)
        if (pi_slots_has(slots, i) &&
            (pi_state(pi_load_seq(&slots->at[i].word)) != PI_FREE || !is_to_be_had(e, i)))
            return false;
    return true;
}

/* Whoever opens or closes a group has done it to the end. */
static bool groups_are_settled(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    for (uint32_t i = 0; i < pi_slots_count(slots) / PI_GROUP_SLOTS; i++) {
        uint64_t group = pi_load_seq(&slots->groups[i]);
        enum pi_group state = pi_group_state(group);
        if (state != PI_GROUP_CLOSED &&
            !(state == PI_GROUP_OPEN && pi_group_owner(group) == PI_OWNER_NONE))
            return false;
    }
    return true;
}

static bool is_in_ring(struct pi_ring *ring, uint32_t slot)
{
    uint64_t position = pi_load_seq(&ring->shared->head);
    bool mark = false;
    for (uint32_t at; (at = pi_ring_at(ring, position, &mark)) != PI_NO_INDEX || mark; position++)
        if (at == slot)
            return true;
    return false;
}

/* A slot that says it is in the ring, and is not, would never be pushed again. */
static bool queued_are_in_the_ring(posse_executor *e)
{
    struct pi_slots *slots = &e->segment.slots;
    struct pi_lanes *lanes = &e->segment.lanes;
    for (uint32_t i = 0; i < pi_slots_count(slots); i++)
        for (int k = 0; k < PI_LANES; k++)
            if ((pi_slots_word(slots, i) & pi_in_ring((enum pi_lane)k)) &&
                (!pi_lanes_has(lanes, (enum pi_lane)k) ||
                 !is_in_ring(pi_lanes_ring(lanes, (enum pi_lane)k, i), i)))
                return false;
    return true;
}

static uint64_t count_entries(posse_executor *e)
{
    uint64_t length = 0;
    for (unsigned i = 0; i < pi_lanes_count(&e->segment.lanes); i++)
        length += pi_ring_length(&e->segment.lanes.ring[i]);
    return length;
}

/* Whether somebody is there who takes what is pushed. */
static bool has_workers(posse_executor *e)
{
    return e->backend->spawn != NULL && pi_phase_of(e) == PI_OPEN &&
           pi_load_seq(&e->segment.header->workers) > 0;
}

static bool heads_meet_tails(posse_executor *e) { return !has_workers(e) || count_entries(e) == 0; }

/* ---- blocks ---- */

/* Each block of a span is FREE, in its life, and a look for one would not be left out. */
static bool span_is_free(struct pi_arena *arena, uint32_t unit, uint64_t span)
{
    uint64_t none = (uint64_t)pi_tag_life(span) << 32;
    for (uint32_t i = 0; i < pi_span_blocks(span); i++)
        if (pi_load_seq(&arena->tags[(size_t)unit * PI_TAGS + i]) != pi_tag_free(pi_tag_life(span)))
            return false;
    return pi_span_blocks(span) != 0 && pi_tag_closer(span) == 0 &&
           pi_load_seq(&arena->units[unit].info) == (none | 1);
}

static bool blocks_are_free(posse_executor *e)
{
    struct pi_arena *arena = &e->segment.arena;
    for (uint32_t unit = 0; unit < pi_arena_end(arena); unit++) {
        uint64_t tag = pi_load_seq(&arena->units[unit].tag);
        bool nobodys = tag == 0 || tag == pi_tag_free(0);
        if (!nobodys && !span_is_free(arena, unit, tag))
            return false;
    }
    return true;
}

/* ---- maps ---- */

/* A word that is not said to have a bit, and has one, hides free things. */
static bool levels_are_right(const struct pi_bitmap *map, uint32_t count)
{
    for (int level = 1; level < 3; level++) {
        count = (count + 63) / 64;
        for (uint32_t i = 0; i < count; i++) {
            bool said = pi_load_seq(&map->level[level][i / 64]) >> (i % 64) & 1;
            if (!said && pi_load_seq(&map->level[level - 1][i]) != 0)
                return false;
        }
    }
    return true;
}

static bool maps_are_right(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    return levels_are_right(&s->slots.map, pi_slots_count(&s->slots)) &&
           levels_are_right(&s->parkers.map, pi_parkers_count(&s->parkers));
}

/* ---- parkers ---- */

/* Its process has started its dispatcher, or has a log, and keeps the parker. */
static bool is_dispatchers(posse_executor *e, uint32_t parker, uint32_t owner)
{
    bool worker = owner - 1 < pi_workers_count(&e->segment);
    bool own = owner == PI_OWNER_PROGRAM + 1 && e->dispatcher.subscriptions.lists > 0 &&
               e->dispatcher.parker == parker;
    return (own || worker || parker + 1 == e->log_parker) &&
           pi_load_seq(&e->segment.parkers.at[parker].collects);
}

/* The bit of a taken parker may be clear, if a recovery swept at that time (core/bitmap.h). */
static bool parkers_are_free(posse_executor *e)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    bool seen[PI_MAX_WORKERS] = {false};
    for (uint32_t i = 0; i < pi_parkers_count(parkers); i++) {
        uint32_t owner = pi_load_seq(&parkers->at[i].owner);
        if (owner == 0) {
            if (pi_bitmap_is_allocated(&parkers->map, i))
                return false;
            continue;
        }
        if (!is_dispatchers(e, i, owner) || (owner <= PI_MAX_WORKERS && seen[owner - 1]))
            return false;
        seen[owner <= PI_MAX_WORKERS ? owner - 1 : 0] |= owner <= PI_MAX_WORKERS;
    }
    return true;
}

static bool nobody_is_blocked(posse_executor *e)
{
    return atomic_load(&e->blocked) == 0 && atomic_load(&e->without_workers.running) == 0;
}

/* ---- workers ---- */

static bool workers_run_nothing(posse_executor *e)
{
    for (unsigned i = 0; i < pi_workers_count(&e->segment); i++) {
        const struct pi_worker *worker = &e->segment.workers[i];
        bool odd = false;
        for (unsigned end = 0; end < PI_ENDS; end++)
            odd = odd || pi_load_seq(&worker->finished[end]) % 2;
        if (odd || pi_load_seq(&worker->current) != 0 || pi_load_seq(&worker->deadline_ns) != 0)
            return false;
    }
    return true;
}

static bool may_sleep(const struct pi_worker *worker)
{
    uint32_t ready = pi_load_seq(&worker->state);
    return (ready == PI_WORKER_READY || ready == PI_WORKER_IDLE) &&
           !pi_load_seq(&worker->exit_requested);
}

/* Each worker that is there sleeps, and nobody else is said to. */
static bool workers_sleep(posse_executor *e)
{
    struct pi_segment *s = &e->segment;
    uint64_t asleep = 0;
    for (unsigned i = 0; i < PI_MAX_WORKERS; i++) {
        uint64_t word = pi_load_seq(&s->header->idle.word[i / 32]);
        bool sleeps = word >> (i % 32) & 1, spins = word >> (32 + i % 32) & 1;
        if (spins || (sleeps && (i >= pi_workers_count(s) || !may_sleep(&s->workers[i]))))
            return false;
        asleep += sleeps;
    }
    return asleep == pi_load_seq(&s->header->workers);
}

static bool nothing_is_half_said(posse_executor *e)
{
    return pi_load_seq(&e->segment.header->initializer.state) == 0 &&
           pi_load_seq(&e->segment.header->broken.state) == 0;
}

/* ---- all of it ---- */

static const struct {
    const char *what;
    bool (*holds)(posse_executor *e);
} looks[] = {
    {"all slots are free, and their map says so", slots_are_free},
    {"no group of slots is about to be opened", groups_are_settled},
    {"slots that say they are in the ring are there", queued_are_in_the_ring},
    {"the heads of the rings meet their tails", heads_meet_tails},
    {"all blocks are free, and units that are nobody's say so", blocks_are_free},
    {"the levels of the maps are right", maps_are_right},
    {"no parker is taken but those of dispatchers and of the log", parkers_are_free},
    {"nobody is inside a call", nobody_is_blocked},
    {"no worker has a task, a deadline or half a count", workers_run_nothing},
    {"the workers that sleep are those that there are", workers_sleep},
    {"no reason is said, or half said", nothing_is_half_said},
};

const char *unrest(posse_executor *pool)
{
    for (size_t i = 0; pi_monotonic_reload != NULL && i < COUNT(looks); i++)
        if (!looks[i].holds(pool))
            return looks[i].what;
    return NULL;
}

void assert_at_rest(posse_executor *pool)
{
    const char *what;
    for (long end = now_ms() + PATIENCE_MS; (what = unrest(pool)) != NULL; pause_ms(1))
        if (now_ms() > end)
            fail_msg("it never came to hold that %s", what);
}
