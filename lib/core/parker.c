#include "core/parker.h"

uint32_t pi_parkers_acquire(struct pi_parkers *parkers, unsigned owner)
{
    for (;;) {
        uint32_t index = pi_bitmap_alloc(&parkers->map, pi_parkers_count(parkers), 0);
        if (index == PI_NO_INDEX)
            return PI_NO_INDEX;
        uint32_t nobody = 0;
        if (pi_cas_seq(&parkers->at[index].owner, &nobody, owner + 1)) /* with the release below */
            return index;
        /* The bit was wrong: the caller that releases that parker sets it. */
    }
}

void pi_parkers_release(struct pi_parkers *parkers, uint32_t index)
{
    pi_store_relaxed(&parkers->at[index].collects, 0); /* relaxed: published with the owner */
    pi_store_release(&parkers->at[index].owner, 0); /* with the acquire of the next owner's CAS */
    pi_bitmap_free(&parkers->map, index);
}

void pi_parkers_recover(struct pi_parkers *parkers, unsigned worker)
{
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t owner = pi_load_seq(&parkers->at[i].owner); /* with pi_parkers_acquire */
        if (owner == worker + 1)
            pi_parkers_release(parkers, i);
        else if (owner == 0 && pi_bitmap_is_allocated(&parkers->map, i))
            pi_bitmap_free(&parkers->map, i);
    }
    pi_bitmap_repair(&parkers->map, count);
}
