#include "core/segment.h"

#define ALIGNMENT ((size_t)64 << 10) /* regions begin on a page, whatever its size */
#define CLASS_REGION ((size_t)16 << 30)
#define CLASS_BLOCKS ((size_t)1 << 24)

/* Cuts the segment into regions, one after another. */
struct cutter {
    char *base;
    size_t used;
};

static void *cut(struct cutter *cutter, size_t size, size_t *offset)
{
    *offset = cutter->used;
    cutter->used += (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    return cutter->base + *offset;
}

static void lay_slots(struct pi_segment *s, struct cutter *cutter, unsigned scale)
{
    size_t offset;
    uint32_t max = PI_MAX_SLOTS >> scale & ~(uint32_t)255;
    uint32_t rings = 1;
    while (rings < PI_RINGS && pi_ring_cells(rings - 1) < 2 * (uint64_t)max)
        rings++;
    s->slots.max = max;
    pi_map_init(&s->slots.map, cut(cutter, pi_map_size(max), &offset), max);
    s->slots.at = cut(cutter, max * sizeof(struct pi_slot), &offset);
    void *cells = cut(cutter, pi_ring_start(rings) * sizeof(uint64_t), &offset);
    pi_count_init(&s->slots.count, &s->header->slots_count, max);
    pi_ring_init(&s->ring, &s->header->ring, cells, rings);
}

static void lay_class(struct pi_segment *s, struct cutter *cutter, unsigned i, unsigned scale)
{
    struct pi_class *class = &s->arena.classes[i];
    size_t offset;
    class->size = (size_t)1 << (PI_CLASS_FIRST + i);
    size_t max = (CLASS_REGION >> scale) / class->size;
    if (max > CLASS_BLOCKS >> scale)
        max = CLASS_BLOCKS >> scale;
    class->max = (uint32_t)max; /* 0 for the largest classes of a small segment */
    pi_map_init(&class->map, cut(cutter, pi_map_size(class->max), &offset), class->max);
    class->blocks = cut(cutter, max * sizeof(struct pi_block), &offset);
    (void)cut(cutter, max * class->size, &class->offset);
    pi_count_init(&class->count, &s->header->class_count[i], class->max);
}

void pi_segment_layout(struct pi_segment *s, char *base, unsigned scale)
{
    struct cutter cutter = {.base = base, .used = 0};
    size_t offset;
    s->header = cut(&cutter, sizeof *s->header, &offset);
    pi_count_init(&s->phase, &s->header->phase, PI_DEAD);
    pi_count_init(&s->stop, &s->header->stop, PI_STOP_KILL);
    pi_count_init(&s->seats_count, &s->header->seats, PI_MAX_SEATS);
    s->seats = cut(&cutter, PI_MAX_SEATS * sizeof *s->seats, &offset);
    pi_map_init(&s->parkers.map, cut(&cutter, pi_map_size(PI_MAX_PARKERS), &offset),
                PI_MAX_PARKERS);
    s->parkers.at = cut(&cutter, PI_MAX_PARKERS * sizeof *s->parkers.at, &offset);
    pi_count_init(&s->parkers.count, &s->header->parkers_count, PI_MAX_PARKERS);
    lay_slots(s, &cutter, scale);
    for (unsigned i = 0; i < PI_CLASSES; i++)
        lay_class(s, &cutter, i, scale);
    s->base = base;
    s->size = cutter.used;
}

size_t pi_segment_size(unsigned scale)
{
    struct pi_segment segment;
    /* There is no such memory: only the sizes count. */
    pi_segment_layout(&segment, (char *)ALIGNMENT, scale);
    return segment.size;
}
