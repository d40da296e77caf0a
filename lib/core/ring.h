/* ring.h - the queue of tasks: 64-bit cells in shared memory, any number of producers and
 * consumers, and any of them may die.
 *
 * A cell is {position tag: 40 bits, slot + 1: 24 bits}; zero is a cell that was never used. One
 * compare-and-swap of the cell at the tail, from what it held a lap ago to {tail, slot}, is the
 * moment of entry. Head and tail only say where to look first: whoever finds one behind helps it
 * on. So nobody waits for anybody:
 *
 *   a producer dies before its cell's CAS   nothing entered; the supervisor pushes a PENDING slot
 *                                           again
 *   ... after it, before the tail's         the next producer walks over the entry and moves
 *                                           the tail
 *   a consumer dies before the head's CAS   the next consumer finds a slot that is not PENDING
 *                                           and moves the head
 *
 * Entries are hints too: one whose slot is not PENDING (claimed directly, cancelled, pushed twice) is
 * passed over. A slot has one entry at the most (PI_IN_RING in its word), but for rare duplicates
 * after races and deaths, so a ring of twice as many cells as there are slots does not fill up.
 *
 * A cell belongs to a position if it has its tag. Every other cell reads as "no entry": an older
 * one, a later one, and zero. Whoever finds no entry at a position looks at the head after that:
 * if the head is past the position, the position was an old one, and the walk begins again.
 *
 * ---- rings ----
 *
 * Ring k has 512 << k cells of its own. A MARK is an entry that ends the use of a ring:
 *
 *   mark   put by                      where                      positions behind it are in
 *   UP     a producer that finds one   the last free cell         ring k + 1
 *          free cell, the head past
 *          the mark DOWN
 *   DOWN   pi_ring_shrink              the head, so the queue is  ring 0
 *                                      empty when it enters
 *
 * cut[k] is the first position of the present use of ring k. It follows from the mark, so anyone
 * may write it, and does before moving head or tail past the mark; it only grows. A position is in
 * the ring with the largest cut that is not above it (of two, in ring 0). A ring is used again only
 * when the head has left all of its earlier use: DOWN finds the queue empty, and UP is put when the
 * head has passed DOWN (which any producer may move it over). So no cut moves past a position that
 * is still needed.
 *
 * ---- memory ----
 *
 * Rings 0 to n - 1 have memory. `backed` holds n, a flag GIVING, and a version (pi_ring_backing).
 *
 *   n             a ring is missing:            backing ring n, then CAS   n + 1
 *                 PI_PUSH_NO_CELL
 *   n             pi_ring_leave: head and       CAS                        n GIVING
 *                 end are in ring 0
 *   n GIVING      pi_ring_leave has looked      store                      n
 *                 again: there is a mark UP
 *   n GIVING      the memory of rings 1 to      store (pi_ring_left)       1, version + 1
 *                 n - 1 was given back
 *
 * While it is GIVING no ring gets memory, and no new mark UP is followed. Only the supervisor
 * leaves rings, or what stands in for it; if it dies in between, so does the executor.
 *
 *   who is slow                              what makes it harmless
 *   a producer that has decided on a mark    The mark is entered first, then whoever follows it
 *   UP, as the memory of ring 1 is given     looks at `backed`; pi_ring_leave makes it GIVING
 *   back                                     first, then looks for a mark. So either the mark is
 *                                            seen and nothing is given back, or the mark is not
 *                                            followed before ring 1 has memory again.
 *   a consumer at a mark UP that others      cut[1] is the position behind the mark: it follows,
 *   followed, when `backed` has become       whatever `backed` is, as pi_ring_leave sees that mark.
 *   GIVING
 *   a producer about to enter, in a ring     Its CAS fails, for its cell holds another entry or
 *   that was left                            mark. Or it expected zero, the cell was given back and
 *                                            is zero again: then its entry is in a dead cell, and
 *                                            the head is past it. So whoever replaced a zero looks
 *                                            at the head, and enters again if it is past. (If a
 *                                            consumer was that quick, this makes a duplicate.)
 *   one that puts a mark there               The same; a walk that meets the dead mark writes a cut
 *                                            not above cut[0], where it counts for nothing.
 *   a walk that meets a dead entry or mark   It comes no further than to cut[0], in the wrong ring.
 *                                            So an end in ring k counts only if cut[k] is above
 *                                            cut[0], and not above the end.
 *   one that follows an old mark             The cut is larger already. It begins again.
 *   a consumer with an old head              It finds no entry or an old one, and cannot move the
 *                                            head.
 *   one that has backed ring n, as the       The version has changed: its CAS fails, and it backs
 *   rings were left and n is reached again   the ring again.
 *   one that reads a cell of a ring that     It reads zero. This gives that page memory again, so
 *   was given back                           the one who gives back waits between pi_ring_shrink
 *                                            and pi_ring_leave for longer than a walk takes.
 *
 *   died                                     what becomes of it
 *   after a mark, before its cut, the head   anyone helps
 *   or the tail; after a cut
 *   after backing ring n, before `backed`    the next one backs it again, which changes nothing
 *
 * Not exact: a tag has 40 bits. A cell of a ring that is used again after exactly 2^40 entries, and
 * was not given back, is taken for an entry: the task of its slot is looked at once more, and the
 * new entry takes the next cell that is free.
 *
 * What a task has scribbled is not believed further than this: a ring has an index below `rings`, a
 * cell is inside its ring, and a call ends after PI_RING_STEPS steps.
 *
 * The models are tests/model/pool.pml, with a ring that does not grow, and ring.pml.
 *
 *   field    written by                        ordering
 *   head     consumers, CAS up by one; if      seq: precedes the look at `room_waiter` (tests the
 *            damaged, pi_ring_repair, to tail    sleeping submitters)
 *   tail     producers, CAS up; may lag by 8   release, with the acquire of the next producer
 *   cell     producers, CAS from a lap ago     seq: precedes the look for sleeping workers, and at
 *                                              `backed`; with the acquire of consumers
 *   cut      anyone, CAS up                    release, before the head or tail that leads past it
 *   backed   see above                         seq: GIVING precedes the look for a mark; release:
 *                                              the memory is there
 */
#ifndef PI_RING_H
#define PI_RING_H

#include "base/atomic.h"
#include "core/monotonic.h"
#include "core/bitmap.h"

#define PI_RINGS 17
#define PI_RING_CELLS 512u       /* of ring 0 */
#define PI_MAX_SLOTS 0xfffff0u   /* what a cell can name */
#define PI_RING_STEPS (1u << 20) /* steps of one call, before the ring is said to be scribbled */

struct pi_ring_shared {
    _Alignas(128) _Atomic uint64_t head;
    _Alignas(128) _Atomic uint64_t tail;
    _Alignas(128) _Atomic uint64_t cut[PI_RINGS + 1]; /* the last one stays 0 */
    _Atomic uint64_t backed;
};

struct pi_ring {
    struct pi_ring_shared *shared;
    _Atomic uint64_t *cells; /* of ring 0; ring k begins at cell 512 * (2^k - 1) */
    uint32_t rings;          /* that there is address space for */
    _Atomic uint32_t hint;   /* the ring last found: private, checked against the cuts */
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
 * PI_PUSH_NO_CELL: a ring is missing. The caller must back it, see pi_ring_backed, and try again.
 */
enum pi_push pi_ring_push(struct pi_ring *ring, uint32_t slot, uint64_t limit);

/* The first entry and its position, or PI_NO_INDEX. Takes nothing. */
uint32_t pi_ring_peek(struct pi_ring *ring, uint64_t *position);
/* Moves the head past an entry that was dealt with. */
void pi_ring_advance(struct pi_ring *ring, uint64_t position);
/* The slot at a position at or behind the head, PI_NO_INDEX if there is no entry (or a mark: then *mark
 * is set). */
uint32_t pi_ring_at(struct pi_ring *ring, uint64_t position, bool *mark);
/* What a pass over the ring cannot exceed: all cells of its largest part, twice. */
static inline uint64_t pi_ring_scan_limit(const struct pi_ring *ring)
{
    return 2 * pi_ring_cells(ring->rings - 1);
}
/* The first position without an entry, as far as the tail tells; 0: none can be found. */
uint64_t pi_ring_end(struct pi_ring *ring);
/* Where no task has scribbled, all positions before the tail have been entries, and none before the
 * head is looked at any more. If that is not so what is between them is given up, and both go on
 * from the tail. */
void pi_ring_repair(struct pi_ring *ring);
/* Entries, those passed over included. */
uint64_t pi_ring_length(struct pi_ring *ring);

/* ---- memory ---- */

/* What `backed` says. rings: that have memory; more than ring->rings: a task has scribbled. */
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
 *   pi_ring_shrink   makes the queue go on in ring 0, if it is empty. True: it has done so.
 *   pi_ring_leave    the number n of rings whose memory is no longer used. 0: none. Else the caller
 *                    must give back cells pi_ring_start(1) to pi_ring_start(n), and then call
 *   pi_ring_left     rings may get memory again. */
bool pi_ring_shrink(struct pi_ring *ring);
uint32_t pi_ring_leave(struct pi_ring *ring);
void pi_ring_left(struct pi_ring *ring);

#endif
