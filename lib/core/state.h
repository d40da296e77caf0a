/* state.h - the state word of a slot: the one truth about a task.
 *
 * Runs in: program, worker, supervisor. The list below is the whole state machine. From it come the
 * enum, the mask of arrows that test builds assert, and the unit test. w and s are owners, as the
 * word names them. An arrow that keeps the state changes flags alone, and is always allowed.
 *
 * Every arrow is one compare-and-swap from the exact word, so one word carries all of this:
 *
 *   bits 0-3    state
 *   bits 4-9    flags, below
 *   bits 10-19  owner: the submitter of FILLING, the worker of RUNNING and KILLING. It stays in a
 *               final state; PI_OWNER_NONE there, or in PENDING, says: the task was never claimed,
 *               or is LOST and had no worker;
 *               PI_OWNER_WITHHELD in PENDING: it is in no ring, see core/slot.h
 *   bits 20-31  parker: 1 + the index of the caller that sleeps until the task ends; 0: none
 *   bits 32-63  generation: grows when the slot is freed, so that old handles are stale
 *
 * The models are tests/model/pool.pml; kill.pml and pin.pml for tasks that are ended while they
 * run, by processes and by threads.
 */
#pragma once

#include "base/assert.h"

#include <stdbool.h>
#include <stdint.h>

/* STATE(name, targets): a state and what it means. TO(state): an arrow, who takes it and when. */
/* clang-format off */
#define PI_STATE_LIST(STATE, TO)                                                                   \
    STATE(NO_SLOT,       /* There is no slot: the memory was never used, or was given back. */     \
        TO(FREE))        /* the process that opens the group (groups.h) */                         \
    STATE(FREE,          /* Nobody owns the slot. */                                               \
        TO(FILLING)      /* a submitter */                                                         \
        TO(NO_SLOT))     /* the trim, unless IN_RING */                                            \
    STATE(FILLING,       /* Submitter s writes the task, or s frees the blocks of the last one. */ \
        TO(PENDING)      /* s */                                                                   \
        TO(RUNNING)      /* s, inline: s runs the task itself */                                   \
        TO(FREE)         /* s; the supervisor, when s is reaped */                                 \
        TO(FILLING))     /* s; the supervisor, when s is reaped: before it frees blocks */         \
    STATE(PENDING,       /* Any worker may claim the task. It is in its ring (IN_RING). */        \
        TO(RUNNING)      /* worker w; the caller that waits for the task, if it is in a task */    \
        TO(PENDING)      /* whoever has withheld it: it goes into its ring */                      \
        TO(FILLING)      /* the submitter: no room, or closed, and nobody has claimed the task */  \
        TO(CANCELLED)    /* a canceller; the supervisor: nobody will run it (the executor closes,  \
                            or its worker alone was to, see assign.h) */                           \
        TO(TIMED_OUT)    /* the time of its task group is up: the program, or whoever puts it      \
                            back then */                                                           \
        TO(LOST))        /* the supervisor, a worker that gives it back, or the program that lets  \
                            it go from its group: no memory for its ring */                        \
    STATE(RUNNING,       /* Worker w runs the task; inline, its submitter does. */                 \
        TO(DONE)         /* w */                                                                   \
        TO(FAILED)       /* w */                                                                   \
        TO(TIMED_OUT)    /* w: late, or over a limit; the supervisor, w reaped: over a limit;      \
                            threads: the supervisor at the deadline, and sets PINNED */            \
        TO(CANCELLED)    /* threads: posse_kill, or the supervisor after the grace; sets PINNED */ \
        TO(KILLING)      /* processes: posse_kill; the supervisor: late, over a limit, after the   \
                            grace */                                                               \
        TO(PENDING)      /* w: gives it back, or its process was lost and w lives (fresh.c);       \
                            the supervisor, w reaped: the next attempt */                          \
        TO(LOST))        /* the supervisor, w reaped; anyone, without w; w: fresh.c, place.c */    \
    STATE(KILLING,       /* Worker w is about to be killed. If the task ends now, w pauses. */     \
        TO(DONE)         /* w, if it got SIGTERM first (grace.c): it takes no task after it */     \
        TO(FAILED)       /* the same */                                                            \
        TO(TIMED_OUT)    /* the supervisor, w reaped: EXPIRED; w, as above */                      \
        TO(CANCELLED)    /* the supervisor, w reaped: by posse_kill */                             \
        TO(LOST))        /* anyone, if there is no worker w (pool/verify.c) */                     \
    STATE(DONE,          /* This and all below are final. The handle's holder, or the finisher */  \
        TO(FREE)         /* of a DETACHED task, frees the slot: generation + 1, */                 \
        TO(FILLING))     /* or, if the task has blocks, frees them first. */                       \
    STATE(FAILED,    TO(FREE) TO(FILLING))                                                         \
    STATE(CANCELLED, TO(FREE) TO(FILLING))                                                         \
    STATE(TIMED_OUT, TO(FREE) TO(FILLING))                                                         \
    STATE(LOST,      TO(FREE) TO(FILLING))
/* clang-format on */

#define PI_STATE_NAME_(name, targets) PI_##name,
enum pi_state { PI_STATE_LIST(PI_STATE_NAME_, ) PI_STATES };

/* Whether a slot may go from one state to the other. Either may be none of these, if a task has
 * overwritten the word. */
static inline bool pi_is_arrow(enum pi_state from, enum pi_state to)
{
#define PI_STATE_BIT_(name) | 1u << PI_##name
#define PI_STATE_MASK_(name, targets)                                                              \
    [PI_##name] = 0 targets, /* NOLINT(bugprone-macro-parentheses): a list of operands */
    static const unsigned may[PI_STATES] = {PI_STATE_LIST(PI_STATE_MASK_, PI_STATE_BIT_)};
    return from == to || (from < PI_STATES && (may[from] >> to & 1));
}

/* For test builds: each writer of a state word asserts that its state was left by an arrow. */
#define PI_ASSERT_ARROW(from, to) PI_ASSERT(pi_is_arrow(pi_state(from), pi_state(to)))

#define PI_DETACHED 0x10u /* nobody holds a handle: its finisher frees it */
/* One bit, of which the state says what it means. The process that enters KILLING or a final state
 * sets it or clears it. */
#define PI_CANCEL_REQUESTED 0x20u /* PENDING, RUNNING: the task has been asked to stop */
#define PI_EXPIRED 0x20u          /* KILLING: because of the deadline, not of posse_kill */
/* Final, but a thread is still inside the task: that thread frees it if it is DETACHED. */
#define PI_PINNED 0x20u
/* Several callers sleep until the task ends: its finisher wakes all parkers. */
#define PI_BROADCAST 0x40u
/* Entries name this slot, in the ring of each lane whose flag is set. A process that passes such an
 * entry clears the flag. */
#define PI_IN_RING_SHIFT 7
#define PI_IN_RING ((uint64_t)7 << PI_IN_RING_SHIFT)

#define PI_OWNER_SHIFT 10
#define PI_OWNER_MASK ((uint64_t)0x3ff << PI_OWNER_SHIFT)
#define PI_OWNER_PROGRAM 1023u /* the owner that is the program */
#define PI_OWNER_NONE 1022u
#define PI_OWNER_WITHHELD 1020u /* PENDING: no worker may take the task from a ring yet */

#define PI_PARKER_SHIFT 20
#define PI_PARKER_MASK ((uint64_t)0xfff << PI_PARKER_SHIFT)

#define PI_GENERATION_SHIFT 32
#define PI_GENERATION_MASK ((uint64_t)UINT32_MAX << PI_GENERATION_SHIFT)

/* The rings of the queue, see lanes.h. */
enum pi_lane { PI_LANE_NORMAL, PI_LANE_HIGH, PI_LANE_LOW, PI_LANES };

/* The flag of one lane. */
static inline uint64_t pi_in_ring(enum pi_lane lane)
{
    return (uint64_t)1 << (PI_IN_RING_SHIFT + lane);
}

static inline enum pi_state pi_state(uint64_t word) { return (enum pi_state)(word & 15); }
/* PENDING, RUNNING or KILLING: accepted, and not ended. */
static inline bool pi_open(uint64_t word)
{
    return pi_state(word) >= PI_PENDING && pi_state(word) < PI_DONE;
}
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
/* The word of a slot that its holder frees: only the rings' flags stay. */
static inline uint64_t pi_freed(uint64_t word)
{
    return (uint64_t)(pi_generation(word) + 1) << PI_GENERATION_SHIFT | (word & PI_IN_RING) |
           PI_FREE;
}
/* The word of a slot whose blocks `owner` is about to free: FILLING. Its handle is stale. */
static inline uint64_t pi_emptied(uint64_t word, unsigned owner)
{
    return pi_with_owner(word & (PI_GENERATION_MASK | PI_IN_RING), owner) | PI_FILLING;
}
/* Whether there is a slot, and somebody has it. */
static inline bool pi_in_use(uint64_t word) { return pi_state(word) > PI_FREE; }
/* Whether `word` is state(owner) of some generation. */
static inline bool pi_has_state(uint64_t word, enum pi_state state, unsigned owner)
{
    return pi_state(word) == state && pi_owner(word) == owner;
}
/* Whether its task is RUNNING or KILLING; and by this worker. */
static inline bool pi_is_running(uint64_t word)
{
    return pi_state(word) == PI_RUNNING || pi_state(word) == PI_KILLING;
}
static inline bool pi_is_run_by(uint64_t word, unsigned worker)
{
    return pi_is_running(word) && pi_owner(word) == worker;
}
/* Whether its task is PENDING and withheld. */
static inline bool pi_is_withheld(uint64_t word)
{
    return pi_has_state(word, PI_PENDING, PI_OWNER_WITHHELD);
}
/* Whether two words are of one life in one state and of one owner, whatever their flags are. */
static inline bool pi_same_state(uint64_t a, uint64_t b)
{
    return ((a ^ b) & (15 | PI_OWNER_MASK | PI_GENERATION_MASK)) == 0;
}
