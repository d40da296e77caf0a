/* slot.h - the table of tasks and their futures, in shared memory.
 *
 * The state word (state.h) orders everything in a slot: a field is written by whoever owns the slot
 * in that state, published by the compare-and-swap that leaves the state, and read after a load
 * (acquire) that saw it.
 *
 * Each line of a slot that a task touches travels from the program's processor to the worker's and
 * back, which is most of what a small task costs. So a task with a small argument and a small
 * result touches one.
 */
#ifndef PI_SLOT_H
#define PI_SLOT_H

#include "core/monotonic.h"
#include "core/groups.h"
#include "core/bitmap.h"
#include "core/ring.h"
#include "core/worker_record.h"
#include "core/state.h"

#define PI_SMALL_ARG 16
#define PI_SMALL_RESULT 8
#define PI_INLINE_ARG 64
#define PI_INLINE_RESULT 32
#define PI_SIZE_MASK (((uint64_t)1 << 48) - 1)
#define PI_NAMED ((uint64_t)1 << 63) /* in arg_size: the task has a name, */
#define PI_TIMED ((uint64_t)1 << 62) /* or a time limit */
#define PI_NAME_SIZE 32

/* Why a worker was lost. */
struct pi_death {
    int32_t signal;    /* 0 if it exited */
    int32_t exit_code; /* -1 if a signal killed it */
    int64_t pid;
};

/* A reference to a block of the arena, 0 for none: see arena.h. */
typedef uint64_t pi_block_ref;

struct pi_slot {
    /* ---- the first line: all that a small task needs ---- */

    /* The state word: see its table. */
    _Alignas(64) _Atomic uint64_t word;

    /* Written in FILLING by the submitter, then constant, but for what is said.
     * A submitter that dies leaves FILLING, and the supervisor frees it. */
    uint64_t fn;
    /* And PI_NAMED, PI_TIMED. Atomic, as are `arg`, `result_size`, `result` and `name`: these are
     * looked at to free a slot that may change hands. */
    _Atomic uint64_t arg_size;
    _Atomic uint16_t submitter; /* an owner: a worker's handles are orphans when it is reaped */
    uint8_t retries; /* left; counted down by the supervisor between RUNNING and PENDING */
    /* Runs so far; counted up by the claimer, in RUNNING. Atomic, as somebody else may end the task. */
    _Atomic uint8_t attempt;
    /* 1 + the slot that the same worker was running before this one; 0: none. By the claimer. */
    _Atomic uint32_t outer;
    union {
        _Alignas(16) unsigned char small_arg[PI_SMALL_ARG];
        _Atomic pi_block_ref arg; /* if the size is over PI_INLINE_ARG */
    };

    /* Written in RUNNING by the worker, as is `inline_result`. If it dies, the supervisor frees a block
     * that `result` attached to this slot. */
    _Atomic uint64_t result_size;
    union {
        _Alignas(8) unsigned char small_result[PI_SMALL_RESULT];
        _Atomic pi_block_ref result; /* if the size is over PI_INLINE_RESULT */
    };

    /* ---- the second line: an argument that is larger than small ---- */

    unsigned char inline_arg[PI_INLINE_ARG];

    /* ---- the third line: what few tasks need ---- */

    union {
        unsigned char inline_result[PI_INLINE_RESULT]; /* begins the line, so it is aligned */
        struct pi_death death;                         /* by the supervisor, before LOST */
    };
    /* Written in FILLING if the task is NAMED: a block of PI_NAME_SIZE bytes, as long as this life. */
    _Atomic pi_block_ref name;
    /* Absolute; 0 but in RUNNING and KILLING, see deadline.c. By the worker. */
    _Atomic uint64_t deadline_ns;
    _Atomic uint64_t link; /* by whoever made it final, or an earlier life of it: see done_list.h */
    uint32_t timeout_ms;   /* written in FILLING if the task is TIMED */
    int32_t code;          /* written in RUNNING by the worker if the task fails */
};
_Static_assert(sizeof(struct pi_slot) == 192, "a slot is three cache lines");
#define PI_GROUP_SIZE (PI_GROUP_SLOTS * sizeof(struct pi_slot))
_Static_assert(offsetof(struct pi_slot, inline_result) % 64 == 0, "aligned for any type");

struct pi_slots {
    struct pi_slot *at;
    _Atomic uint64_t *groups; /* see groups.h */
    struct pi_bitmap map;
    struct pi_monotonic count; /* slots that are or were in use: those of OPEN groups have memory */
    uint32_t max;
    struct pi_worker *workers; /* where a worker says which slot it is about to change */
};

/* How many there are; never more than there is address space for, whatever the shared word says. */
static inline uint32_t pi_slots_count(struct pi_slots *slots)
{
    return pi_monotonic_get(&slots->count);
}

/* Whether the slot of an index that may be from long ago is there. */
static inline bool pi_slots_has(struct pi_slots *slots, uint32_t index)
{
    if (index >= pi_slots_count(slots))
        return false;
    /* acquire: with pi_group_open */
    uint64_t group = pi_load_acquire(&slots->groups[index / PI_GROUP_SLOTS]);
    return pi_group_state(group) == PI_GROUP_OPEN;
}

/* The word of such a slot, 0 if it is not there. Seq, with pi_slot_transition. */
static inline uint64_t pi_slots_word(struct pi_slots *slots, uint32_t index)
{
    return pi_slots_has(slots, index) ? pi_load_seq(&slots->at[index].word) : 0;
}

/* Goes on from *index to the next slot below count whose group is open and has one that is taken,
 * as far as the map tells. False: there is none. */
static inline bool pi_slots_next(struct pi_slots *slots, uint32_t count, uint32_t *index)
{
    while (
        *index < count && *index % PI_GROUP_SLOTS == 0 &&
        (pi_bitmap_all_free(&slots->map, *index / PI_GROUP_SLOTS) || !pi_slots_has(slots, *index)))
        *index += PI_GROUP_SLOTS;
    return *index < count;
}

/* Before the step that changes a slot, if it is a worker's: see `touched` in worker_record.h. Relaxed, as
 * that step is a release. */
static inline void pi_slots_touch(struct pi_slots *slots, unsigned owner, uint32_t index)
{
    if (owner < PI_MAX_WORKERS)
        pi_store_relaxed(&slots->workers[owner].touched, index + 1);
}

/* Takes a free slot: FREE -> FILLING(owner).
 * Its index, or PI_NO_INDEX: all are taken, the table must grow. */
uint32_t pi_slots_acquire(struct pi_slots *slots, unsigned owner, uint32_t hint, uint64_t *word);

/* FILLING -> PENDING, with `flags`. True: the slot has no entry in the ring and must be pushed. */
bool pi_slot_publish(struct pi_slot *slot, uint64_t fill, uint64_t flags);

/* Claims the first PENDING task of the ring: PENDING -> RUNNING(owner).
 * Its index, or PI_NO_INDEX: the ring is empty. */
uint32_t pi_slots_claim_next(struct pi_slots *slots, struct pi_ring *ring, unsigned owner,
                             uint64_t *word);

/* Entries of the ring whose task is not PENDING any more. A pass over the ring. */
uint64_t pi_slots_count_stale(struct pi_slots *slots, struct pi_ring *ring);

/* Entries of the ring whose task is PENDING, counted up to `most`. */
unsigned pi_slots_count_pending(struct pi_slots *slots, struct pi_ring *ring, unsigned most);

/* Claims a PENDING task out of turn, for the one who waits for it.
 * The entry in the ring becomes a stale hint. */
bool pi_slot_claim(struct pi_slot *slot, unsigned owner, uint64_t *word);

/* The compare-and-swap of any other arrow: `from` must be exact, but for flags and parkers that
 * come in meanwhile. It goes on while state, owner and generation are those of *from; true if it
 * was done, and then *from is what was left. */
bool pi_slot_transition(struct pi_slot *slot, uint64_t *from, enum pi_state to, uint64_t set,
                        uint64_t clear);

/* final or PENDING -> FILLING(owner), which is about to free the task's blocks. True: *word is that now;
 * false: *word was not exact and is now what there is. */
bool pi_slot_empty(struct pi_slot *slot, uint64_t *word, unsigned owner);

/* final or FILLING -> FREE. False: *word was not exact and is now what there is. The caller then gives
 * the slot to the map. */
bool pi_slot_free(struct pi_slot *slot, uint64_t *word);

#endif
