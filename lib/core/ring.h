/* ring.h - the queue of tasks: 64-bit cells in shared memory, any number of producers and
 * consumers, any of which may die.
 *
 * Runs in: program, worker, supervisor. A cell is {position: 40 bits, slot + 1: 24 bits}; zero was
 * never used. An entry is made by one compare-and-swap of the cell at the tail, from what it held a
 * lap ago to {tail, slot}. Head and tail only say where to look first: anyone who finds one behind
 * moves it on. A process that has entered something before looks behind that first, and then
 * touches neither (`last`). So nobody waits for anybody:
 *
 *   a producer dies before its cell's CAS   nothing was entered; the supervisor pushes again
 *   ... after it, before the tail's         the next producer walks over the entry
 *   a consumer dies before the head's CAS   the next one finds a slot that is not PENDING, and
 *                                           moves the head
 *
 * Entries are hints too: one whose slot is not PENDING is passed over. A slot has one entry at most
 * (IN_RING in its word), but for duplicates after races and deaths. So a ring of twice as many
 * cells as slots does not fill up. A cell belongs to a position if it has its tag; any other cell
 * is no entry there. A process that finds no entry reads the head after that. If the head is past
 * the position, the position was old, and the walk begins again.
 *
 * Rings. Ring k has 512 << k cells. A MARK is an entry that ends the use of a ring:
 *
 *   mark   made by                                     where               then the queue is in
 *   UP     a producer that finds one free cell, and    the last free cell  ring k + 1
 *          the head past the mark DOWN
 *   DOWN   pi_ring_shrink                              the head: it is     ring 0
 *                                                      empty
 *
 * cut[k] is the first position of the present use of ring k. It follows from the mark, so anyone
 * may write it, and does before it moves head or tail past the mark; it only grows. A position is
 * in the ring with the largest cut that is not above it (of two, in ring 0). A ring is used again
 * only when the head has left its earlier use. So no cut passes a position that is still needed.
 *
 * Memory. Rings 0 to n - 1 have memory. `backed` holds n, a flag GIVING, and a version:
 *
 *   n          a caller that lacks ring n backs it, then CAS              n + 1
 *   n          pi_ring_leave: head and end are in ring 0; CAS             n GIVING
 *   n GIVING   pi_ring_leave has looked again: there is a mark UP; store  n
 *   n GIVING   rings 1 to n - 1 were given back; store (pi_ring_left)     1, version + 1
 *
 * While it is GIVING no ring gets memory, and nobody follows a new mark UP. Only the supervisor
 * leaves rings; if it dies, so does the executor.
 *
 *   a slow ...                                what makes it harmless
 *   producer that is about to make a mark UP  The mark comes before the look at `backed`; GIVING
 *                                             comes before pi_ring_leave's look for a mark. One of
 *                                             the two sees the other.
 *   consumer at a mark UP that others         cut[1] is behind the mark: it follows, whatever
 *   have followed                             `backed` says, as pi_ring_leave sees that mark.
 *   producer in a ring that was left          Its CAS fails. Or the cell was given back and is zero
 *                                             again: then its entry, or mark, is dead, and the head
 *                                             is past it. So the producer reads the
 *                                             head, and enters again. (This may make a duplicate.)
 *   walk that meets a dead entry or mark      An end in ring k counts only if cut[k] is above
 *                                             cut[0], and not above the end.
 *   walk that follows an old mark             The cut is larger already. It begins again.
 *   consumer with an old head                 Its CAS of the head fails.
 *   caller that has backed ring n             The version has changed: its CAS fails.
 *   reader of a cell that was given back      It reads zero. Its page gets memory, so 100 ms pass
 *                                             between pi_ring_shrink and pi_ring_leave.
 *
 * Not exact: if a cell is used again after exactly 2^40 entries, its old entry counts as a new one,
 * and a consumer looks at its slot once more. Overwritten memory: a ring has an index below
 * `rings`, a cell is inside its ring, and a call ends after PI_RING_STEPS steps.
 *
 * The models are tests/model/pool.pml, with a ring that does not grow, and ring.pml.
 */
#pragma once

#include "base/atomic.h"
#include "core/bitmap.h"
#include "core/monotonic.h"

#define PI_RINGS 17
#define PI_RING_CELLS 512u       /* of ring 0 */
#define PI_MAX_SLOTS 0xfffff0u   /* what a cell can name */
#define PI_RING_STEPS (1u << 20) /* steps of one call, before the ring counts as overwritten */

struct pi_ring_shared {
    /* Consumers: CAS up by one. order: seq, as it precedes the look at `room_waiter` (segment.h);
     * a failed CAS of an old position does nothing. */
    _Alignas(128) _Atomic uint64_t head;
    /* Producers: CAS up, every eighth of them; it may lag. order: release, with the acquire of the
     * next producer. */
    _Alignas(128) _Atomic uint64_t tail;
    /* Anyone: CAS up. order: release, before the head or tail that leads past it; the last one
     * stays 0. */
    _Alignas(128) _Atomic uint64_t cut[PI_RINGS + 1];
    /* order: seq: GIVING precedes the look for a mark; and the memory is there. */
    _Atomic uint64_t backed;
};

struct pi_ring {
    struct pi_ring_shared *shared;
    /* Of ring 0; ring k begins at cell 512 * (2^k - 1). A producer's CAS, seq, precedes its looks
     * for sleeping workers and at `backed`; with the acquire of consumers. */
    _Atomic uint64_t *cells;
    uint32_t rings;        /* that there is address space for */
    uint32_t lane;         /* enum pi_lane: which tasks it holds. For slot.c and its opener */
    _Atomic uint32_t hint; /* the ring last found: private, checked against the cuts */
    /* Opens rings 0 to k for this process, before it looks there. False: it cannot. NULL: all is
     * open. Any thread may call it at any time. */
    bool (*open)(struct pi_ring *ring, uint32_t k);
    void *context;   /* for `open` */
    char apart[128]; /* producers write what follows, consumers read what is above */
    /* The last entry of this process: 32 * its position + its ring; 0: none. And an earlier head.
     * Private, as `hint`. order: `last` is stored with release and loaded with acquire, so a thread
     * that goes on from another's entry has seen the cuts that the other has. */
    _Atomic uint64_t last, earlier_head;
    char from_next[112]; /* of several rings */
};

enum pi_push { PI_PUSHED, PI_PUSH_LIMIT, PI_PUSH_NO_CELL, PI_PUSH_BROKEN };

/* Cells of ring k, and where it begins, both in cells. */
static inline uint64_t pi_ring_cells(uint32_t k) { return (uint64_t)PI_RING_CELLS << k; }
static inline uint64_t pi_ring_start(uint32_t k)
{
    return PI_RING_CELLS * (((uint64_t)1 << k) - 1);
}

void pi_ring_init(struct pi_ring *ring, struct pi_ring_shared *shared, void *cells, uint32_t rings);

/* Appends. PI_PUSH_LIMIT: there are `limit` entries (0: no limit). PI_PUSH_NO_CELL: a ring is
 * missing; the caller must back it, see pi_ring_backed, and try again. */
enum pi_push pi_ring_push(struct pi_ring *ring, uint32_t slot, uint64_t limit);
/* The next push of this process searches for the end: the ring may have been overwritten. */
void pi_ring_forget(struct pi_ring *ring);

/* The first entry and its position, or PI_NO_INDEX. Takes nothing. */
uint32_t pi_ring_peek(struct pi_ring *ring, uint64_t *position);
/* Moves the head past an entry whose task the caller has claimed or found stale. Reads first: of
 * many workers at one entry all but one find the head moved, and a locked operation would take the
 * line from the one that needs it next. */
static inline void pi_ring_advance(struct pi_ring *ring, uint64_t position)
{
    if (pi_load_seq(&ring->shared->head) == position) /* the CAS decides */
        (void)pi_cas_seq(&ring->shared->head, &position, position + 1);
}
/* The slot at a position from the head on. PI_NO_INDEX: no entry, or a mark (then *mark is set). */
uint32_t pi_ring_at(struct pi_ring *ring, uint64_t position, bool *mark);
/* The first position without an entry, from the tail on; 0: none was found. */
uint64_t pi_ring_end(struct pi_ring *ring);
/* Entries, those of tasks that are not PENDING included. */
uint64_t pi_ring_length(struct pi_ring *ring);

/* A walk over entries and marks from a position on. It ends at the first position without either,
 * or when it has seen all cells of the largest ring twice. */
struct pi_ring_walk {
    uint64_t position; /* behind the one that was seen last */
    uint64_t steps;
    bool mark; /* that one is a mark */
};
/* Goes on to the next. Returns its slot, or PI_NO_INDEX: it is a mark, or the walk is at its end
 * (then `mark` is false). */
static inline uint32_t pi_ring_next(struct pi_ring *ring, struct pi_ring_walk *walk)
{
    uint32_t slot = PI_NO_INDEX;
    walk->mark = false;
    if (walk->steps++ < 2 * pi_ring_cells(ring->rings - 1))
        slot = pi_ring_at(ring, walk->position++, &walk->mark);
    return slot;
}

/* ---- memory ---- */

/* What `backed` says. rings: that have memory; more than ring->rings: a task has overwritten it. */
struct pi_ring_backing {
    uint64_t word;
    uint32_t rings;
    bool giving;
};
struct pi_ring_backing pi_ring_backed(struct pi_ring *ring);
/* Says that one ring more has memory than `from` says. False: that is old, or GIVING. */
bool pi_ring_raise(struct pi_ring *ring, const struct pi_ring_backing *from);

/* Giving memory back takes three calls, by one thread at a time. The caller lets 100 ms pass
 * between the first and the second:
 *   pi_ring_shrink   makes an empty queue go on in ring 0. True: it has.
 *   pi_ring_leave    the number n of rings whose memory is no longer used. 0: none. Else the caller
 *                    must give back cells pi_ring_start(1) to pi_ring_start(n), and then call
 *   pi_ring_left     rings may get memory again. */
bool pi_ring_shrink(struct pi_ring *ring);
uint32_t pi_ring_leave(struct pi_ring *ring);
void pi_ring_left(struct pi_ring *ring);
