/* bits.h - maps of which all is free. */
#ifndef UNIT_BITS_H
#define UNIT_BITS_H

#include "core/bitmap.h"

static inline void give_all(struct pi_bitmap *map, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        pi_bitmap_free(map, i);
}

#endif
