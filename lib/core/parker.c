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
        /* The bit was wrong: whoever releases that parker sets it. */
    }
}

void pi_parkers_release(struct pi_parkers *parkers, uint32_t index)
{
    pi_store_relaxed(&parkers->at[index].collects, 0); /* relaxed: published with the owner */
    pi_store_release(&parkers->at[index].owner, 0); /* with the acquire of the next owner's CAS */
    pi_bitmap_free(&parkers->map, index);
}
