#include "core/segment.h"

#define ALIGNMENT ((size_t)64 << 10) /* areas begin on a page, whatever its size */
#define CLASS_BLOCKS ((size_t)1 << 24)

/* At most a third of the memory can be slots, and few need so many. */
#define MEMORY_OF_SLOT ((size_t)512)
#define LEAST_SLOTS ((size_t)1024)

/* Begins an area after all that were cut before. */
static void *cut(struct pi_segment *s, enum pi_area_of which, size_t size)
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
    char *at = cut(s, PI_AREA_HEADER, sizeof *s->header + pi_map_size(PI_MAX_PARKERS));
    s->header = (struct pi_header *)at;
    pi_map_init(&s->parkers.map, at + sizeof *s->header, PI_MAX_PARKERS);
    pi_count_init(&s->phase, &s->header->phase, PI_DEAD);
    pi_count_init(&s->stop, &s->header->stop, PI_STOP_KILL);
}

static void lay_seats(struct pi_segment *s)
{
    s->seats = cut(s, PI_AREA_SEATS, PI_MAX_SEATS * sizeof *s->seats);
    pi_count_init(&s->seats_count, &s->header->seats, PI_MAX_SEATS);
    s->parkers.at = cut(s, PI_AREA_PARKERS, PI_MAX_PARKERS * sizeof *s->parkers.at);
    pi_count_init(&s->parkers.count, &s->header->parkers_count, PI_MAX_PARKERS);
}

static uint32_t slots_in(size_t memory)
{
    size_t slots = memory / MEMORY_OF_SLOT & ~(size_t)255;
    slots = slots < LEAST_SLOTS ? LEAST_SLOTS : slots;
    return slots < PI_MAX_SLOTS ? (uint32_t)slots : PI_MAX_SLOTS & ~(uint32_t)255;
}

static void lay_slots(struct pi_segment *s, size_t memory)
{
    uint32_t max = slots_in(memory), rings = 1;
    while (rings < PI_RINGS && pi_ring_cells(rings - 1) < 2 * (uint64_t)max)
        rings++;
    s->slots.max = max;
    pi_map_init(&s->slots.map, cut(s, PI_AREA_SLOT_MAP, pi_map_size(max)), max);
    s->slots.at = cut(s, PI_AREA_SLOTS, max * sizeof(struct pi_slot));
    pi_count_init(&s->slots.count, &s->header->slots_count, max);
    void *cells = cut(s, PI_AREA_RING, pi_ring_start(rings) * sizeof(uint64_t));
    pi_ring_init(&s->ring, &s->header->ring, cells, rings);
}

static size_t lay_class(struct pi_segment *s, size_t used, unsigned i, size_t memory)
{
    struct pi_class *class = &s->arena.classes[i];
    char *base = s->areas[PI_AREA_ARENA].base;
    class->size = (size_t)1 << (PI_CLASS_FIRST + i);
    size_t max = memory / class->size;
    if (max > CLASS_BLOCKS)
        max = CLASS_BLOCKS;
    class->max = (uint32_t)max;
    if (base)
        pi_map_init(&class->map, base + used, class->max);
    used += (pi_map_size(class->max) + 4095) & ~(size_t)4095;
    class->blocks = (void *)(base + used);
    used += (max * sizeof(struct pi_block) + 4095) & ~(size_t)4095;
    class->offset = (size_t)(base + used - s->base);
    used += (max * class->size + 4095) & ~(size_t)4095;
    pi_count_init(&class->count, &s->header->class_count[i], class->max);
    return used;
}

static void lay_arena(struct pi_segment *s, size_t memory)
{
    size_t used = 0;
    s->areas[PI_AREA_ARENA].base = NULL;
    for (unsigned i = 0; i < PI_CLASSES; i++)
        used = lay_class(s, used, i, memory);
    (void)cut(s, PI_AREA_ARENA, used);
    used = 0;
    for (unsigned i = 0; i < PI_CLASSES; i++)
        used = lay_class(s, used, i, memory);
}

void pi_segment_layout(struct pi_segment *s, char *base, size_t memory)
{
    s->base = base;
    s->size = 0;
    lay_header(s);
    lay_seats(s);
    lay_slots(s, memory);
    lay_arena(s, memory);
}

size_t pi_segment_size(size_t memory)
{
    struct pi_segment segment;
    /* There is no such memory: only the sizes count. */
    pi_segment_layout(&segment, (char *)ALIGNMENT, memory);
    return segment.size;
}
