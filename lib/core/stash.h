/* stash.h - slots that a thread of the program keeps for its next tasks.
 *
 * Runs in: program. Threads that submit and release at the same time would take turns at the cache
 * lines of the slots' map, and each task costs several locked operations there and at the slot. So
 * a thread has a stash, unless another thread is in it just then:
 *
 *   kept      slots of one group. They are FILLING(program), so they are nobody else's, and a task
 *             takes one without a locked operation. A slot of this group that the thread frees is
 *             kept again, of the next generation
 *   released  slots of another group, which are FREE. Their bits are set all at once, when a slot
 *             of a third group is freed, or when nothing is kept any more
 *
 * A released slot is as if its giver was just about to set its bit. A recovery may do so meanwhile,
 * and another may take the slot. So only the bits of those that are still FREE are set then.
 *
 * The stashes are private memory of the program. If the program dies, so does the executor, and
 * there is nothing to recover. A worker may die alone, so it takes each slot from the map. While a
 * stash has slots of a group, the group's memory is not given back: that is 24 KiB at most.
 */
#ifndef PI_STASH_H
#define PI_STASH_H

#include "core/slot.h"

#define PI_STASHES 16

struct pi_stash {
    /* 1: a thread is in here; another one does without. order: acquire, with the release of the
     * thread before it. The rest belongs to that thread. */
    _Atomic uint32_t busy;
    struct pi_bitmap_bits kept, released;
    char apart[128 - 8 - 2 * sizeof(struct pi_bitmap_bits)]; /* no cache line is in two */
};

/* A slot that is FILLING(program), and its word. */
struct pi_filling {
    uint32_t index;
    uint64_t word;
};

/* Takes up to `most` slots of one group, at least 1. 0: all are taken. Each thread finds its own of
 * all stashes. */
unsigned pi_stash_acquire(struct pi_stash *stashes, struct pi_slots *slots, unsigned most,
                          struct pi_filling *filling);
/* FILLING or final -> FREE, or kept. *word need not have the flags that there are. False: another
 * process did it, or claimed the slot. */
bool pi_stash_free(struct pi_stash *stashes, struct pi_slots *slots, uint32_t index,
                   uint64_t *word);

#endif
