/* slot.h - the table of tasks and their futures, in shared memory.
 *
 * Runs in: program, worker, supervisor. The state word (state.h) orders everything in a slot. The
 * owner of the slot in a state writes its fields; the compare-and-swap that leaves the state
 * publishes them (release); a process that loads that word (acquire) may read them.
 *
 * Each cache line of a slot that a task touches travels to the worker's processor and back. That
 * is most of what a small task costs. So a task with a small argument and a small result touches
 * one line.
 */
#pragma once

#include "core/bitmap.h"
#include "core/groups.h"
#include "core/monotonic.h"
#include "core/ring.h"
#include "core/state.h"
#include "core/worker_record.h"

#define PI_SMALL_ARG 16
#define PI_SMALL_RESULT 8
#define PI_INLINE_ARG 64
#define PI_INLINE_RESULT 32
#define PI_SIZE_MASK (((uint64_t)1 << 48) - 1)
#define PI_DETAILED ((uint64_t)1 << 63)    /* in arg_size: the task has details, */
#define PI_TIMED ((uint64_t)1 << 62)       /* or a time limit; */
#define PI_LANE_SHIFT 60                   /* two bits are its lane (lanes.h); */
#define PI_LIMITED ((uint64_t)1 << 59)     /* its details have limits, */
#define PI_GRACED ((uint64_t)1 << 58)      /* or a grace; */
#define PI_DESCRIPTORS ((uint64_t)1 << 57) /* it has descriptors (pool/descriptors.h) */
#define PI_BOUNDED ((uint64_t)1 << 50)     /* the time of its group ends, as its details say */
#define PI_GROUPED ((uint64_t)1 << 49)     /* its task group holds it, too (task_group.h) */
#define PI_SPECIAL (PI_TIMED | PI_LIMITED | PI_GRACED | PI_BOUNDED)

/* Why a worker was lost. */
struct pi_death {
    int32_t signal;    /* 0 if it exited */
    int32_t exit_code; /* -1 if a signal killed it */
    int64_t pid;
    uint32_t forbidden; /* 1 + the system call that the seal forbids, or UNKNOWN; 0: none */
};
#define PI_UNKNOWN_CALL UINT32_MAX

/* A reference to a block of the arena, 0 for none: see arena.h. */
typedef uint64_t pi_block_ref;

struct pi_slot {
    /* ---- the first line: all that a small task needs ---- */

    _Alignas(64) _Atomic uint64_t word; /* see state.h */

    /* The submitter writes these in FILLING; then they are constant, unless it says otherwise. If
     * it dies, the supervisor frees the slot. */
    _Atomic uint64_t fn;
    /* And PI_DETAILED to PI_DESCRIPTORS. Atomic, as are `fn`, `arg`, `result_size`, `result` and
     * `details`: a caller that frees a slot, or a trace, reads them, and the slot may have changed
     * hands. */
    _Atomic uint64_t arg_size;
    _Atomic uint16_t submitter; /* an owner; when it is reaped, its handles are orphans */
    /* Left; the supervisor counts down, RUNNING to PENDING, or the worker (worker/fresh.c). Atomic:
     * blocked callers read it. */
    _Atomic uint8_t retries;
    /* Runs so far; the claimer counts up, in RUNNING. Atomic: another may end the task. */
    _Atomic uint8_t attempt;
    /* 1 + the slot that the worker ran before this one; 0: none. The claimer writes it. */
    _Atomic uint32_t outer;
    union {
        _Alignas(16) unsigned char small_arg[PI_SMALL_ARG];
        _Atomic pi_block_ref arg; /* if the size is over PI_INLINE_ARG */
    };

    /* The worker writes these in RUNNING, and `inline_result`. If it dies, the supervisor frees a
     * block that `result` has attached to this slot. */
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
        struct pi_death death; /* as `retries`, before LOST; but see pi_slot_death */
    };
    /* In FILLING, if DETAILED: a block that lasts as long as this life, see details.h. */
    _Atomic pi_block_ref details;
    _Atomic uint64_t deadline_ns; /* by the worker; 0 but in RUNNING and KILLING: see deadline.c */
    _Atomic uint64_t link;        /* by its finisher, or an earlier life of it: see done_list.h */
    uint32_t timeout_ms;          /* in FILLING, if the task is TIMED */
    int32_t code;                 /* in RUNNING, if the task fails */
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

/* How many slots there are; never more than there is address space for. */
static inline uint32_t pi_slots_count(struct pi_slots *slots)
{
    return pi_monotonic_get(&slots->count);
}

/* Whether there is a slot of this index, which may be old. */
static inline bool pi_slots_has(struct pi_slots *slots, uint32_t index)
{
    if (index >= pi_slots_count(slots))
        return false;
    /* acquire: with pi_group_open */
    uint64_t group = pi_load_acquire(&slots->groups[index / PI_GROUP_SLOTS]);
    return pi_group_state(group) == PI_GROUP_OPEN;
}

/* Whether its task has limits of memory or processor time, or a grace. relaxed, both: constant
 * after FILLING, or the caller's CAS of the word checks it. */
static inline bool pi_slot_is_limited(struct pi_slot *slot)
{
    return pi_load_relaxed(&slot->arg_size) & PI_LIMITED; /* as said */
}
static inline bool pi_slot_is_graced(struct pi_slot *slot)
{
    return pi_load_relaxed(&slot->arg_size) & PI_GRACED; /* as said */
}

/* Whether its task group holds the task. seq: as below. */
static inline bool pi_slot_is_grouped(struct pi_slot *slot)
{
    return pi_load_seq(&slot->arg_size) & PI_GROUPED; /* as said */
}
/* Whether nobody holds the task of this final word: neither its future, nor its group. seq: a
 * holder gives up first, then looks whether the other one has (task_group.h). */
static inline bool pi_slot_is_left(struct pi_slot *slot, uint64_t word)
{
    return (word & PI_DETACHED) && !pi_slot_is_grouped(slot);
}

/* How the worker of a LOST task died. Nobody knows if the task had none (pool/verify.c). */
static inline struct pi_death pi_slot_death(const struct pi_slot *slot, uint64_t word)
{
    const struct pi_death unknown = {.exit_code = -1};
    return pi_owner(word) == PI_OWNER_NONE ? unknown : slot->death;
}

/* The lane of the slot's task. relaxed: constant after FILLING; if the task may end meanwhile, the
 * caller's CAS of the word checks it. */
static inline enum pi_lane pi_slot_lane(struct pi_slot *slot)
{
    unsigned lane = (unsigned)(pi_load_relaxed(&slot->arg_size) >> PI_LANE_SHIFT) & 3; /* as said */
    return lane < PI_LANES ? (enum pi_lane)lane : PI_LANE_NORMAL; /* or it was overwritten */
}

/* The word of such a slot; 0: there is none. seq: with pi_slot_transition. */
static inline uint64_t pi_slots_word(struct pi_slots *slots, uint32_t index)
{
    return pi_slots_has(slots, index) ? pi_load_seq(&slots->at[index].word) : 0; /* as said */
}

/* Goes on from *index to the next slot below count, without groups that are closed or, as far as
 * the map tells, all free. False: there is none. */
static inline bool pi_slots_next(struct pi_slots *slots, uint32_t count, uint32_t *index)
{
    while (
        *index < count && *index % PI_GROUP_SLOTS == 0 &&
        (pi_bitmap_all_free(&slots->map, *index / PI_GROUP_SLOTS) || !pi_slots_has(slots, *index)))
        *index += PI_GROUP_SLOTS;
    return *index < count;
}

/* A worker calls it before a step that changes a slot: see `touched` in worker_record.h. */
static inline void pi_slots_touch(struct pi_slots *slots, unsigned owner, uint32_t index)
{
    if (owner < PI_MAX_WORKERS) /* relaxed: that step is a release */
        pi_store_relaxed(&slots->workers[owner].touched, index + 1);
}

/* FREE -> FILLING(owner). Returns the slot, or PI_NO_INDEX: all are taken, the table must grow. */
uint32_t pi_slots_acquire(struct pi_slots *slots, unsigned owner, uint32_t hint, uint64_t *word);

/* FREE -> FILLING, of the slots of a group whose bits the program has taken from the map. Returns
 * how many: a bit may be wrong. A worker that dies must have said which slot it was about to
 * change, so it takes one by one. */
struct pi_filling {
    uint32_t index;
    uint64_t word;
};
unsigned pi_slots_fill(struct pi_slots *slots, const struct pi_bitmap_bits *bits,
                       struct pi_filling *filling);

/* FILLING -> PENDING, with `flags`, among them that of the task's lane. True: no entry there names
 * the slot, the caller must push it. */
bool pi_slot_publish(struct pi_slot *slot, uint64_t fill, uint64_t flags);

/* Gives a slot that is FREE to the map, as pi_group_give does. */
static inline void pi_slot_give(struct pi_slots *slots, uint32_t index)
{
    pi_bitmap_free(&slots->map, index);
    if (pi_state(pi_load_seq(&slots->at[index].word)) == PI_FREE) /* with pi_slots_acquire */
        return;
    pi_bitmap_clear(&slots->map, index / PI_GROUP_SLOTS, (uint64_t)1 << index % PI_GROUP_SLOTS);
    pi_group_give(slots, index / PI_GROUP_SLOTS, (uint64_t)1 << index % PI_GROUP_SLOTS);
}

/* FILLING -> PENDING, with `flags`, but withheld: the task is in no ring. One worker alone runs it
 * (pool/assign.h), or it waits in its group. Entries of earlier lives of the slot count as stale.
 */
void pi_slot_withhold(struct pi_slot *slot, uint64_t fill, uint64_t flags);
/* Withheld -> PENDING as any other. False: it was claimed or ended meanwhile. *push: no entry of
 * its lane names the slot, so the caller must push it. */
bool pi_slot_offer(struct pi_slot *slot, uint32_t generation, bool *push);

/* PENDING -> RUNNING(owner), of the first such task of the ring's lane in it. Returns its slot, or
 * PI_NO_INDEX: the ring is empty. */
uint32_t pi_slots_claim_next(struct pi_slots *slots, struct pi_ring *ring, unsigned owner,
                             uint64_t *word);

/* Entries of the ring: those whose task is PENDING, and of its lane, and the others. It stops at
 * `max` PENDING. */
struct pi_entries {
    unsigned pending;
    uint64_t stale;
};
struct pi_entries pi_slots_count_entries(struct pi_slots *slots, struct pi_ring *ring,
                                         unsigned max);

/* PENDING -> RUNNING(owner), out of turn. Its entry in the ring becomes a stale hint. */
bool pi_slot_claim(struct pi_slot *slot, unsigned owner, uint64_t *word);

/* Any other arrow, and changes of flags. It is repeated while state, owner and generation are those
 * of *from, as flags and parkers may come in meanwhile. True: done, and *from is what was left. */
bool pi_slot_transition(struct pi_slot *slot, uint64_t *from, enum pi_state to, uint64_t set,
                        uint64_t clear);

/* FILLING or final -> FILLING(owner), before the caller frees the task's blocks. True: *word is
 * that now. False: *word was not exact, and is now what there is. */
bool pi_slot_empty(struct pi_slot *slot, uint64_t *word, unsigned owner);

/* FILLING or final -> FREE. False: *word was not exact, and is now what there is. True: the caller
 * then gives the slot to the map. */
bool pi_slot_free(struct pi_slot *slot, uint64_t *word);
