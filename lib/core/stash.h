/* stash.h - free slots that a thread of the program keeps for its next tasks.
 *
 * Runs in: program. Threads that submit and release at the same time would take turns at the cache
 * lines of the slots' map. So each has a stash: it takes the free slots of a group at once, and
 * gives them back group by group. The next threads share those that there are.
 *
 * A slot in a stash is FREE, and its bit is clear, as if its taker was about to fill it. Its taker
 * must still win its word. So it is harmless if a recovery sets the bit meanwhile. A group is not
 * given back to the system while a stash has slots of it: that is two groups of a thread at most.
 *
 * The stashes are private memory of the program. If the program dies so does the executor, and
 * there is nothing to recover. A worker may die alone, so it takes each slot from the map.
 */
#ifndef PI_STASH_H
#define PI_STASH_H

#include "core/slot.h"

#define PI_STASHES 16

struct pi_stash {
    /* 1: a thread is in here; another one does without. order: acquire, with the release of the
     * thread before it. The rest belongs to that thread. */
    _Atomic uint32_t busy;
    uint32_t hint; /* where the map had free slots */
    struct pi_bitmap_bits next, released;
    char apart[128 - 8 - 2 * sizeof(struct pi_bitmap_bits)]; /* no cache line is in two */
};

/* Takes up to `most` slots, at least 1, and makes them FILLING. 0: all are taken. Each thread finds
 * its own of all stashes. */
unsigned pi_stash_acquire(struct pi_stash *stashes, struct pi_slots *slots, unsigned most,
                          struct pi_filling *filling);
/* Keeps a slot that the caller has made FREE, or gives it to the map. */
void pi_stash_free(struct pi_stash *stashes, struct pi_slots *slots, uint32_t index);

#endif
