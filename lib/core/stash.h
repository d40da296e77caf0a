/* stash.h - free slots that a thread of the program keeps for its next tasks.
 *
 * Runs in: program. Where many workers may be, threads that submit and release at the same time
 * would take turns at the cache lines of the slots' map. So there the first PI_STASHES threads of a
 * program that submit have a stash each, for good. Elsewhere, and for the other threads, the map
 * costs less. A thread takes the free slots of a group from the map at once (`next`). It gives
 * slots back at once, too: those of one group, when a slot of another one is freed (`released`).
 *
 * A slot in a stash is FREE, and its bit is clear, as if its taker were about to fill it, or its
 * giver about to set its bit. A recovery that looks at all slots may set the bit meanwhile, and
 * another may take the slot. So its taker must win the slot's word, as ever, and only slots that
 * are still FREE are given to the map (pi_group_give). The model is tests/model/stash.pml.
 *
 * The stashes are private memory of the program. If the program dies, so does the executor, and
 * there is nothing to recover. A worker may die alone, so it takes each slot from the map. While a
 * stash has slots of a group, the group's memory is not given back: that is 24 KiB at most for each
 * stash, also when its thread has ended. A small table has fewer stashes. When the map has nothing
 * left, and the table cannot grow, a submit gives all that the stashes have to the map.
 */
#pragma once

#include "core/slot.h"

#define PI_STASHES 64

struct pi_stashes {
    unsigned n;      /* that are in use */
    char apart[128]; /* from what the program writes before: */
    struct pi_stash {
        struct pi_bitmap_bits next, released;
        char apart[128 - 2 * sizeof(struct pi_bitmap_bits)]; /* no cache line is in two */
    } of_thread[PI_STASHES];
};

/* `workers` workers may be. */
void pi_stashes_init(struct pi_stashes *stashes, const struct pi_slots *slots, unsigned workers);

/* The stash of this thread; NULL: it has none, or has not submitted yet. */
struct pi_stash *pi_stash_here(struct pi_stashes *stashes);

/* Gives all slots that stashes hold to the map, where others find them. The stashes still name
 * them: their threads fail to win those that are taken. */
void pi_stashes_give_all(struct pi_slots *slots);

/* Takes up to `most` slots of one group, at least 1, and makes them FILLING; if there is no stash,
 * near `hint`. 0: all are taken. */
struct pi_wish {
    unsigned most;
    uint32_t hint;
};
unsigned pi_stash_acquire(struct pi_stashes *stashes, struct pi_slots *slots,
                          const struct pi_wish *wish, struct pi_filling *filling);
/* Keeps a slot that the caller has made FREE, or gives it to the map. */
void pi_stash_free(struct pi_stashes *stashes, struct pi_slots *slots, uint32_t index);
