/* Runs in: posse-top.
 *
 * The counts of posse_get_stats, from copies of shared memory: see stats.c. Groups of slots that
 * are closed or all free are left out, as there.
 */
#include "top/sample.h"

#include <string.h>

#define GROUPS_AT_ONCE 512u
#define UNITS_AT_ONCE 1024u

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* ---- slots ---- */

static void tally_group(struct pi_top_reader *reader, uint32_t group, posse_stats *stats)
{
    static struct pi_slot slots[PI_GROUP_SLOTS];
    pi_top_read(reader, &reader->segment.slots.at[(size_t)group * PI_GROUP_SLOTS], slots,
                sizeof slots);
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++) {
        uint64_t word = PI_TOP_VALUE(slots[i].word);
        stats->queued += pi_state(word) == PI_PENDING;
        stats->running += pi_is_running(word);
        stats->futures += pi_in_use(word);
    }
}

static void tally_slots(const struct pi_top_view *view, posse_stats *stats)
{
    static uint64_t groups[GROUPS_AT_ONCE], map[GROUPS_AT_ONCE];
    const struct pi_slots *slots = &view->reader->segment.slots;
    uint32_t count = pi_top_count(PI_TOP_VALUE(view->header->slots_count), slots->max);
    for (uint32_t first = 0; first < count / PI_GROUP_SLOTS; first += GROUPS_AT_ONCE) {
        uint32_t n = smaller(count / PI_GROUP_SLOTS - first, GROUPS_AT_ONCE);
        pi_top_read(view->reader, &slots->groups[first], groups, n * sizeof *groups);
        pi_top_read(view->reader, &slots->map.level[0][first], map, n * sizeof *map);
        for (uint32_t i = 0; i < n; i++)
            if (pi_group_state(groups[i]) == PI_GROUP_OPEN && map[i] != UINT64_MAX)
                tally_group(view->reader, first + i, stats);
    }
    size_t stamps = view->reader->segment.stamps ? sizeof(struct pi_stamps) : 0;
    stats->memory_used += stats->futures * (sizeof *slots->at + stamps);
}

/* ---- blocks ---- */

static void tally_span(struct pi_top_reader *reader, uint32_t unit, uint64_t span,
                       posse_stats *stats)
{
    static uint64_t tags[PI_TAGS];
    uint32_t blocks = pi_span_blocks(span);
    pi_top_read(reader, &reader->segment.arena.tags[(size_t)unit * PI_TAGS], tags,
                blocks * sizeof *tags);
    for (uint32_t i = 0; i < blocks; i++) {
        stats->memory_blocks += pi_tag_in_use(tags[i]);
        if (pi_tag_in_use(tags[i]))
            stats->memory_used += pi_size_class_bytes(pi_tag_class(span));
    }
}

static void tally_units(const struct pi_top_view *view, posse_stats *stats)
{
    static struct pi_unit units[UNITS_AT_ONCE];
    const struct pi_arena *arena = &view->reader->segment.arena;
    uint32_t end = pi_top_count(PI_TOP_VALUE(view->header->arena_end), arena->max);
    for (uint32_t first = 0; first < end; first += UNITS_AT_ONCE) {
        uint32_t n = smaller(end - first, UNITS_AT_ONCE);
        pi_top_read(view->reader, &arena->units[first], units, n * sizeof *units);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t tag = PI_TOP_VALUE(units[i].tag);
            uint32_t length = (uint32_t)PI_TOP_VALUE(units[i].info), left = end - first - i;
            if (pi_span_blocks(tag) > 0)
                tally_span(view->reader, first + i, tag, stats);
            else if (pi_tag_in_use(tag))
                stats->memory_used += smaller(length, left) * (uint64_t)PI_UNIT;
            stats->memory_blocks += pi_tag_in_use(tag);
        }
    }
}

/* ---- all ---- */

static void take_counts(const struct pi_header *header, posse_stats *stats)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < PI_IDLE_WORDS; i++)
        idle += pi_idle_count_in(PI_TOP_VALUE(header->idle.word[i]));
    stats->workers = PI_TOP_VALUE(header->workers);
    stats->workers_idle = idle < stats->workers ? idle : stats->workers;
    stats->workers_started = PI_TOP_VALUE(header->workers_started);
    stats->workers_lost = PI_TOP_VALUE(header->workers_lost);
    stats->cancelled = PI_TOP_VALUE(header->cancelled);
    stats->done = PI_TOP_VALUE(header->inline_ended[PI_END_DONE]);
    stats->failed = PI_TOP_VALUE(header->inline_ended[PI_END_FAILED]);
    stats->timed_out =
        PI_TOP_VALUE(header->timed_out) + PI_TOP_VALUE(header->inline_ended[PI_END_TIMED_OUT]);
    stats->lost = PI_TOP_VALUE(header->lost);
}

void pi_top_tally(const struct pi_top_view *view, posse_stats *stats)
{
    uint64_t committed = PI_TOP_VALUE(view->header->committed);
    take_counts(view->header, stats);
    tally_slots(view, stats);
    tally_units(view, stats);
    bool too_little = (int64_t)committed < (int64_t)stats->memory_used; /* see pool/commit.c */
    stats->memory_committed = too_little ? stats->memory_used : committed;
    stats->memory_reserved = view->reader->segment.size;
}
