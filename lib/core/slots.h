/* slots.h - the table of tasks and their futures, in shared memory.
 *
 * A slot is two cache lines: the first holds what the worker needs to run a task, the second what
 * its end needs. The state word (word.h) orders everything else: a field is written by whoever owns
 * the slot in that state, published by the compare-and-swap that leaves the state, and read after a
 * load (acquire) that saw it.
 */
#ifndef PI_SLOTS_H
#define PI_SLOTS_H

#include "core/map.h"
#include "core/ring.h"
#include "core/word.h"

#define PI_INLINE_ARG 32
#define PI_INLINE_RESULT 32
#define PI_SIZE_MASK (((uint64_t)1 << 48) - 1)
#define PI_NAMED ((uint64_t)1 << 63) /* in arg_size: the task has a name */
#define PI_NAME_SIZE 32

/* Why a worker was lost. */
struct pi_death {
    int32_t signal;    /* 0 if it exited */
    int32_t exit_code; /* -1 if a signal killed it */
    int64_t pid;
};

/* A reference to a block of the arena, 0 for none: see arena.h. */
typedef uint64_t pi_ref;

struct pi_slot {
    /* The state word: see its table. */
    _Alignas(128) _Atomic uint64_t word;

    /* Written in FILL by the submitter, then constant.
     * A submitter that dies leaves FILL, and the supervisor frees it. */
    uint64_t fn;
    /* And PI_NAMED. Atomic, as are `arg` and `name`: these are looked at to free a slot that may
     * change hands. */
    _Atomic uint64_t arg_size;
    uint32_t timeout_ms;        /* 0: none */
    _Atomic uint16_t submitter; /* an owner: a worker's handles are orphans when it is reaped */
    uint8_t retries;            /* left; counted down by the supervisor between RUN and READY */
    uint8_t attempt;            /* runs so far; counted up by the claimer, in RUN */
    union {
        _Alignas(16) unsigned char inline_arg[PI_INLINE_ARG];
        _Atomic pi_ref arg; /* if the size is over that */
    };

    /* Written in FILL if the task is NAMED:
     * a block of PI_NAME_SIZE bytes that lives as long as the slot's life. */
    _Atomic pi_ref name;

    /* Written in RUN by the worker. If it dies: the supervisor frees a block that `result` attached
     * to this slot, and writes `death` before LOST. */
    _Atomic uint64_t result_size;
    _Atomic uint64_t deadline_ns; /* absolute; 0 but in RUN and KILLING, see kills.c */
    int32_t code;                 /* of the task that failed */
    /* 1 + the slot that the same worker was running before this one; 0: none. */
    _Atomic uint32_t below;
    union {
        _Alignas(16) unsigned char inline_result[PI_INLINE_RESULT];
        _Atomic pi_ref result;
        struct pi_death death;
    };
};
_Static_assert(sizeof(struct pi_slot) == 128, "a slot is two cache lines");

struct pi_slots {
    struct pi_slot *at;
    struct pi_map map;
    /* Slots that have memory; grows, release, with the acquire of pi_slots_count. */
    _Atomic uint32_t *count;
    uint32_t max;
};

/* How many there are; never more than there is address space for, whatever the shared word says. */
static inline uint32_t pi_slots_count(const struct pi_slots *slots)
{
    uint32_t count = pi_load_acquire(slots->count);
    return count < slots->max ? count : slots->max;
}

/* Takes a free slot: FREE -> FILL(owner).
 * Its index, or PI_NONE: all are taken, the table must grow. */
uint32_t pi_slots_acquire(struct pi_slots *slots, unsigned owner, uint32_t hint, uint64_t *word);

/* FILL -> READY, with `flags`. True: the slot has no entry in the ring and must be pushed. */
bool pi_slot_ready(struct pi_slot *slot, uint64_t fill, uint64_t flags);

/* Claims the first READY task of the ring: READY -> RUN(owner).
 * Its index, or PI_NONE: the ring is empty. */
uint32_t pi_slots_take(struct pi_slots *slots, struct pi_ring *ring, unsigned owner,
                       uint64_t *word);

/* Entries of the ring whose task is not READY any more. A pass over the ring. */
uint64_t pi_slots_stale(struct pi_slots *slots, struct pi_ring *ring);

/* Claims a READY task out of turn, for the one who waits for it.
 * The entry in the ring becomes a stale hint. */
bool pi_slot_claim(struct pi_slot *slot, unsigned owner, uint64_t *word);

/* The compare-and-swap of any other arrow: `from` must be exact, but for flags and parkers that
 * come in meanwhile. It goes on while state, owner and generation are those of *from; true if it
 * was done, and then *from is what was left. */
bool pi_slot_leave(struct pi_slot *slot, uint64_t *from, enum pi_state to, uint64_t set,
                   uint64_t clear);

/* final -> FREE. False: *word was not exact and is now what there is. The caller then gives the
 * slot to the map. */
bool pi_slot_free(struct pi_slot *slot, uint64_t *word);

#endif
