/* state.h - the state word of a slot: the one truth about a task.
 *
 *   state       meaning                         who may leave it           to
 *   NO_SLOT     nothing is here: memory that    whoever opens the group    FREE
 *               was never used, or was          (groups.h)
 *               given back
 *   FREE        nobody's                        a submitter                FILLING
 *                                               the trim, not if IN_RING    NO_SLOT
 *   FILLING(s)     submitter s writes the task,    s                          PENDING, FREE
 *               or frees what the task had
 *                                               the supervisor, when       FREE
 *                                               s is reaped
 *   PENDING       may be claimed; is in the       a worker                   RUNNING
 *               ring (IN_RING)                   a canceller                CANCELLED
 *                                               its submitter, if nobody   FILLING
 *                                               has claimed it and there
 *                                               is no room, or the
 *                                               executor closed meanwhile
 *   RUNNING(w)      worker w is running it          w                          DONE, FAILED, TIMED_OUT
 *                                               w, which gives back what   PENDING
 *                                               it claimed to help with
 *                                               supervisor, killer         KILLING
 *                                               supervisor, w reaped       LOST, PENDING
 *   KILLING(w)  w is about to be killed for     supervisor: w reaped       TIMED_OUT, CANCELLED
 *               this task; if it ends now w     (or w is a thread)
 *               pauses and takes nothing more
 *   either, and there is no worker w: somebody  anyone (pool/verify.c)    LOST
 *   has scribbled on the word
 *   the rest    final: the result stands        whoever holds the handle,  FILLING, if the task has
 *                                               or ended it if it is       blocks to be freed;
 *                                               DETACHED                   FREE, generation + 1
 *
 * Every arrow is one compare-and-swap from the exact word, which is why one word carries all of
 * this:
 *
 *   bits 0-3    state
 *   bits 4-9    flags, below
 *   bits 10-19  owner: the submitter of FILLING, the worker of RUNNING and KILLING; it stays, so PI_OWNER_NONE
 *               in PENDING, or an end, says that the task was never claimed
 *   bits 20-31  parker: 1 + the index of the caller that sleeps until the task ends, 0 for none
 *   bits 32-63  generation: grows when the slot is freed, so an old handle is seen to be stale
 *
 * The models are tests/model/pool.pml; kill.pml and pin.pml, for tasks that are ended while they
 * run, by processes and by threads.
 */
#ifndef PI_STATE_H
#define PI_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum pi_state {
    PI_NO_SLOT,
    PI_FREE,
    PI_FILLING,
    PI_PENDING,
    PI_RUNNING,
    PI_KILLING,
    PI_DONE, /* this and all that follow are final */
    PI_FAILED,
    PI_CANCELLED,
    PI_TIMED_OUT,
    PI_LOST,
    PI_STATES
};

#define PI_DETACHED 0x10u         /* nobody holds a handle: whoever makes it final frees it */
#define PI_CANCEL_REQUESTED 0x20u /* the task has been asked to stop */
/* An entry of the ring names this slot; whoever passes that entry clears the flag. */
#define PI_IN_RING 0x40u
#define PI_BROADCAST                                                                               \
    0x80u /* several callers sleep on it: whoever makes it final wakes all parkers */
/* Final, but a thread is still inside the task: that thread frees it if it is DETACHED. */
#define PI_PINNED 0x100u
#define PI_EXPIRED 0x200u /* KILLING because of the deadline, not of a kill */

#define PI_OWNER_SHIFT 10
#define PI_OWNER_MASK ((uint64_t)0x3ff << PI_OWNER_SHIFT)
#define PI_OWNER_PROGRAM 1023u /* the owner that is the program */
#define PI_OWNER_NONE 1022u

#define PI_PARKER_SHIFT 20
#define PI_PARKER_MASK ((uint64_t)0xfff << PI_PARKER_SHIFT)

#define PI_GENERATION_SHIFT 32

static inline enum pi_state pi_state(uint64_t word) { return (enum pi_state)(word & 15); }
static inline bool pi_final(uint64_t word) { return pi_state(word) >= PI_DONE; }
static inline unsigned pi_owner(uint64_t word)
{
    return (unsigned)((word & PI_OWNER_MASK) >> PI_OWNER_SHIFT);
}
static inline unsigned pi_parker(uint64_t word)
{
    return (unsigned)((word & PI_PARKER_MASK) >> PI_PARKER_SHIFT);
}
static inline uint32_t pi_generation(uint64_t word)
{
    return (uint32_t)(word >> PI_GENERATION_SHIFT);
}

static inline uint64_t pi_with_state(uint64_t word, enum pi_state state)
{
    return (word & ~(uint64_t)15) | (uint64_t)state;
}
static inline uint64_t pi_with_owner(uint64_t word, unsigned owner)
{
    return (word & ~PI_OWNER_MASK) | (uint64_t)owner << PI_OWNER_SHIFT;
}
static inline uint64_t pi_with_parker(uint64_t word, unsigned parker)
{
    return (word & ~PI_PARKER_MASK) | (uint64_t)parker << PI_PARKER_SHIFT;
}
/* The word of a slot that its holder frees: only the ring's flag stays. */
static inline uint64_t pi_freed(uint64_t word)
{
    return (uint64_t)(pi_generation(word) + 1) << PI_GENERATION_SHIFT | (word & PI_IN_RING) |
           PI_FREE;
}
/* The word of a slot that its freer takes first, as it has blocks to free: its handle is stale. */
static inline uint64_t pi_emptied(uint64_t word, unsigned owner)
{
    uint64_t kept = word & ((uint64_t)UINT32_MAX << PI_GENERATION_SHIFT | PI_IN_RING);
    return pi_with_owner(kept, owner) | PI_FILLING;
}
/* Whether there is a slot, and somebody has it. */
static inline bool pi_in_use(uint64_t word) { return pi_state(word) > PI_FREE; }
/* Whether `word` is state(owner) of some generation. */
static inline bool pi_has_state(uint64_t word, enum pi_state state, unsigned owner)
{
    return pi_state(word) == state && pi_owner(word) == owner;
}

#endif
