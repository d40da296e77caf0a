#include "core/segment.h"
#include "base/tuning.h"

#define ALIGNMENT ((size_t)64 << 10) /* areas begin on a page, whatever its size */

#define MEMORY_OF_SLOT ((size_t)512) /* at most two fifths of the memory can be slots */
#define MIN_SLOTS ((size_t)1024)

/* Begins an area after all that were cut before. */
static void *cut(struct pi_segment *s, unsigned which, size_t size)
{
    struct pi_area *area = &s->areas[which];
    area->base = s->base + s->size;
    area->size = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    atomic_init(&area->opened, 0);
    s->size += area->size;
    return area->base;
}

static void lay_header(struct pi_segment *s)
{
    char *at = cut(s, PI_AREA_HEADER, sizeof *s->header + pi_bitmap_size(PI_MAX_PARKERS));
    s->header = (struct pi_header *)at;
    pi_bitmap_init(&s->parkers.map, at + sizeof *s->header, PI_MAX_PARKERS);
    pi_monotonic_init(&s->phase, &s->header->phase, PI_DEAD);
    pi_monotonic_init(&s->stop, &s->header->stop, PI_STOP_KILL);
}

static void lay_workers(struct pi_segment *s, size_t timed)
{
    s->workers = cut(s, PI_AREA_WORKERS, PI_MAX_WORKERS * sizeof *s->workers);
    void *times = cut(s, PI_AREA_TIMES, timed * PI_MAX_WORKERS * sizeof *s->times);
    s->times = timed ? times : NULL;
    pi_monotonic_init(&s->workers_count, &s->header->workers_count, PI_MAX_WORKERS);
    s->parkers.at = cut(s, PI_AREA_PARKERS, PI_MAX_PARKERS * sizeof *s->parkers.at);
    pi_monotonic_init(&s->parkers.count, &s->header->parkers_count, PI_MAX_PARKERS);
}

static uint32_t slots_in(size_t memory)
{
    size_t slots = memory / MEMORY_OF_SLOT & ~(size_t)255;
    slots = slots < MIN_SLOTS ? MIN_SLOTS : slots;
    return slots < PI_MAX_SLOTS ? (uint32_t)slots : PI_MAX_SLOTS & ~(uint32_t)255;
}

static void lay_slots(struct pi_segment *s, size_t memory, size_t stamped)
{
    uint32_t max = slots_in(memory);
    s->slots.max = max;
    s->slots.workers = s->workers;
    pi_bitmap_init(&s->slots.map, cut(s, PI_AREA_SLOT_MAP, pi_bitmap_size(max)), max);
    s->slots.groups = cut(s, PI_AREA_GROUPS, max / PI_GROUP_SLOTS * sizeof(uint64_t));
    s->slots.at = cut(s, PI_AREA_SLOTS, max * sizeof(struct pi_slot));
    void *stamps = cut(s, PI_AREA_STAMPS, stamped * max * sizeof *s->stamps);
    s->stamps = stamped ? stamps : NULL;
    pi_monotonic_init(&s->slots.count, &s->header->slots_count, max);
}

static void lay_trace(struct pi_segment *s, const struct pi_segment_options *options)
{
    struct pi_trace_rings *rings = &s->trace;
    *rings =
        (struct pi_trace_rings){.rings = options->trace_rings, .capacity = options->trace_capacity};
    rings->base = cut(s, PI_AREA_TRACE, rings->rings * pi_trace_ring_size(rings->capacity));
    pi_monotonic_init(&rings->begun, &s->header->trace_begun, 1);
}

/* Ring i of the queue. It does not fill up if each of `slots` slots has an entry. */
static void lay_ring(struct pi_segment *s, unsigned i, enum pi_lane lane, uint64_t slots)
{
    struct pi_ring *ring = &s->lanes.ring[i];
    uint32_t rings = 1;
    while (rings < PI_RINGS && pi_ring_cells(rings - 1) < 2 * slots)
        rings++;
    void *cells = cut(s, PI_AREA_RINGS + i, pi_ring_start(rings) * sizeof(uint64_t));
    pi_ring_init(ring, &s->header->ring[i], cells, rings);
    ring->lane = (uint32_t)lane;
}

static void lay_lanes(struct pi_segment *s, unsigned normal)
{
    for (unsigned i = 0; i < normal; i++)
        lay_ring(s, i, PI_LANE_NORMAL, s->slots.max / normal);
    lay_ring(s, normal, PI_LANE_HIGH, s->slots.max);
    lay_ring(s, normal + 1, PI_LANE_LOW, s->slots.max);
    for (unsigned i = normal + 2; i < PI_QUEUE_RINGS; i++)
        (void)cut(s, PI_AREA_RINGS + i, 0);
    s->lanes.normal = normal;
    s->lanes.claims = &s->header->lane_claims;
    pi_monotonic_init(&s->lanes.more, &s->header->more_lanes, 1);
}

static void lay_arena(struct pi_segment *s, size_t memory)
{
    struct pi_arena *arena = &s->arena;
    size_t max = memory / PI_UNIT;
    *arena = (struct pi_arena){.max = (uint32_t)max};
    arena->units = cut(s, PI_AREA_UNITS, max * sizeof *arena->units);
    arena->tags = cut(s, PI_AREA_TAGS, max * PI_TAGS * sizeof *arena->tags);
    arena->bytes = cut(s, PI_AREA_BYTES, max * PI_UNIT);
    pi_monotonic_init(&arena->end, &s->header->arena_end, arena->max);
}

void pi_segment_layout(struct pi_segment *s, char *base, const struct pi_segment_options *options)
{
    s->base = base;
    s->size = 0;
    s->options = *options;
    lay_header(s);
    lay_workers(s, options->stamps);
    lay_slots(s, options->memory, options->stamps);
    lay_trace(s, options);
    lay_lanes(s, options->normal_rings);
    lay_arena(s, options->memory);
}

size_t pi_segment_size(const struct pi_segment_options *options)
{
    struct pi_segment segment;
    /* There is no such memory: only the sizes count. */
    pi_segment_layout(&segment, (char *)ALIGNMENT, options);
    return segment.size;
}

uint64_t pi_segment_format(void)
{
    const size_t parts[] = {sizeof(struct pi_header),
                            offsetof(struct pi_header, broken),
                            sizeof(struct pi_worker),
                            offsetof(struct pi_worker, finished),
                            sizeof(struct pi_parker),
                            sizeof(struct pi_slot),
                            sizeof(struct pi_stamps),
                            sizeof(struct pi_trace_cell),
                            sizeof(struct pi_unit),
                            sizeof(struct pi_details),
                            PI_AREAS,
                            PI_STATES};
    uint64_t format = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        format = format * 1000003 + parts[i];
    return format;
}

bool pi_segment_options_of(const struct pi_origin *origin, struct pi_segment_options *options)
{
    *options = origin->options;
    return options->memory >= PI_MIN_MEMORY && options->memory <= PI_MAX_MEMORY &&
           options->normal_rings >= 1 && options->normal_rings <= PI_NORMAL_RINGS &&
           (options->normal_rings & (options->normal_rings - 1)) == 0 && options->stamps <= 1 &&
           options->trace_rings <= PI_MAX_WORKERS + 1 &&
           options->trace_capacity <= PI_MAX_TRACE_EVENTS;
}
