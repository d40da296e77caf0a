/* ring.h - the queue of tasks: 64-bit cells in shared memory, any number of producers and
 * consumers, who may all die.
 *
 * A cell is {position tag: 40 bits, slot + 1: 24 bits}; zero is a cell that was never used. One
 * compare-and-swap of the cell at the tail, from what it held a lap ago to {tail, slot}, is the
 * moment of entry. Head and tail only say where to look first: whoever finds one behind helps it
 * on. So nobody waits for anybody:
 *
 *   a producer dies before its cell's CAS   nothing entered; the supervisor pushes a READY slot
 *                                           again
 *   ... after it, before the tail's         the next producer walks over the entry and moves
 *                                           the tail
 *   a consumer dies before the head's CAS   the next consumer finds a slot that is not READY
 *                                           and moves the head
 *
 * Entries are hints too: one whose slot is not READY (claimed directly, cancelled, pushed twice) is
 * passed over. A slot has one entry at the most (PI_QUEUED in its word), but for rare duplicates
 * after races and deaths, so a ring of twice as many cells as there are slots does not fill up.
 *
 * Growing: ring k has 512 << k cells of its own. A producer that finds only one cell left puts a
 * MARK there; positions behind the mark are in ring k + 1. cut[k + 1], its first position, follows
 * from the mark, so anyone may write it, and does before moving head or tail past the mark.
 *
 * The model is tests/model/pool.pml, with a ring that does not grow.
 *
 *   field    written by                        ordering
 *   head     consumers, CAS up by one; if      seq: precedes the look at `room` (tests the
 *            damaged, pi_ring_mend, to tail    sleeping submitters)
 *   tail     producers, CAS up; may lag by 8   release, with the acquire of the next producer
 *   cell     producers, CAS from a lap ago     seq: precedes the look for sleeping workers; with
 *                                              the acquire of consumers
 *   cut      anyone, CAS from 0                release, before the head or tail that leads past it
 *   backed   whoever has backed ring k         release, with the acquire of the producer that
 *                                              puts the mark
 */
#ifndef PI_RING_H
#define PI_RING_H

#include "core/atomic.h"
#include "core/map.h"

#define PI_RINGS 17
#define PI_RING_CELLS 512u          /* of ring 0 */
#define PI_MAX_SLOTS 0xfffff0u      /* what a cell can name */
#define PI_RING_PATIENCE (1u << 20) /* steps of one call, before the ring is said to be scribbled */

struct pi_ring_shared {
    _Alignas(128) _Atomic uint64_t head;
    _Alignas(128) _Atomic uint64_t tail;
    _Alignas(128) _Atomic uint64_t cut[PI_RINGS + 1];
    _Atomic uint32_t backed; /* rings that have memory */
};

struct pi_ring {
    struct pi_ring_shared *shared;
    _Atomic uint64_t *cells; /* of ring 0; ring k begins at cell 512 * (2^k - 1) */
    uint32_t rings;          /* that there is address space for */
    _Atomic uint32_t hint;   /* the ring last used: private, only ever too low */
    /* Opens rings 0 to k for this process, before it looks there; false: it cannot. NULL: all is
     * open. Any thread may call it at any time. */
    bool (*open)(void *context, uint32_t k);
    void *context;
};

enum pi_push { PI_PUSHED, PI_PUSH_LIMIT, PI_PUSH_NO_CELL, PI_PUSH_BROKEN };

/* Cells of ring k, and where it begins, both in cells. */
static inline uint64_t pi_ring_cells(uint32_t k) { return (uint64_t)PI_RING_CELLS << k; }
static inline uint64_t pi_ring_start(uint32_t k)
{
    return PI_RING_CELLS * (((uint64_t)1 << k) - 1);
}

void pi_ring_init(struct pi_ring *ring, struct pi_ring_shared *shared, void *cells, uint32_t rings);

/* Appends. limit, if not 0, is the number of entries over which it says PI_PUSH_LIMIT.
 * PI_PUSH_NO_CELL: back ring `backed`, raise `backed`, and try again. */
enum pi_push pi_ring_push(struct pi_ring *ring, uint32_t slot, uint64_t limit);

/* The first entry and its position, or PI_NONE. Takes nothing. */
uint32_t pi_ring_peek(struct pi_ring *ring, uint64_t *position);
/* Moves the head past an entry that was dealt with. */
void pi_ring_pass(struct pi_ring *ring, uint64_t position);
/* The slot at a position at or behind the head, PI_NONE if there is no entry (or a mark: then *mark
 * is set). */
uint32_t pi_ring_at(struct pi_ring *ring, uint64_t position, bool *mark);
/* What a pass over the ring cannot exceed: all cells of its largest part, twice. */
static inline uint64_t pi_ring_most(const struct pi_ring *ring)
{
    return 2 * pi_ring_cells(ring->rings - 1);
}
/* The first position without an entry, as far as the tail tells; 0: none can be found. */
uint64_t pi_ring_end(struct pi_ring *ring);
/* Where no task has scribbled, all positions before the tail have been entries, and none before the
 * head is looked at any more. If that is not so what is between them is given up, and both go on
 * from the tail. */
void pi_ring_mend(struct pi_ring *ring);
/* Entries, those passed over included. */
uint64_t pi_ring_length(struct pi_ring *ring);

#endif
