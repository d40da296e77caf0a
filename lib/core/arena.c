#include "core/arena.h"

unsigned pi_class_for(size_t size)
{
    unsigned class = 0;
    while (class < PI_CLASSES && ((size_t)1 << (PI_CLASS_FIRST + class)) < size)
        class ++;
    return class;
}

uint32_t pi_class_take(struct pi_class *class, unsigned owner)
{
    for (;;) {
        uint32_t index = pi_map_take(&class->map, pi_class_count(class), 0);
        if (index == PI_NONE)
            return PI_NONE;
        uint64_t tag = PI_TAG_FREE;
        if (pi_cas(&class->blocks[index].tag, &tag, pi_tag_held(owner)))
            return index;
        /* The bit was wrong: the block is held, and whoever frees it gives the bit back. */
    }
}

bool pi_arena_find(struct pi_arena *arena, pi_ref ref, struct pi_class **class,
                   struct pi_block **block)
{
    uint64_t number = ref >> 32;
    if (number == 0 || number > PI_CLASSES)
        return false;
    *class = &arena->classes[number - 1];
    if (pi_ref_index(ref) >= pi_class_count(*class))
        return false;
    *block = &(*class)->blocks[pi_ref_index(ref)];
    return true;
}

pi_ref pi_arena_ref(struct pi_arena *arena, size_t offset)
{
    for (unsigned i = 0; i < PI_CLASSES; i++) {
        struct pi_class *class = &arena->classes[i];
        if (offset < class->offset || offset >= pi_block_offset(class, pi_class_count(class)))
            continue;
        size_t within = offset - class->offset;
        return within % class->size ? 0 : pi_ref_make(i, (uint32_t)(within / class->size));
    }
    return 0;
}
