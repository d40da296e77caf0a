/* stamps.h - when tasks were submitted, began and ended, and how long they took.
 *
 * Runs in: program, worker, supervisor. Only with options.stamps: else neither table is there. A
 * stamp is a moment of the monotonic clock in nanoseconds, 0: none. Stamps are relaxed, as the
 * state word publishes them, but for `life`. Each slot has a record in a table beside the slots,
 * on a cache line that the submitter never touches:
 *
 *   stamp        written by                                 while the task is
 *   result_size  the submitter (it stands in the slot's     FILLING
 *   of the slot  first line, where no result is yet)
 *   submitted    worker w, copied from there; only in the   RUNNING(w), `attempt` 0
 *                first run
 *   started      w, in each run                             RUNNING(w)
 *   life         w, release, after both; again, when the    RUNNING(w)
 *                task gets a process of its own
 *   ended        w, before the last arrow                   RUNNING(w), KILLING(w)
 *                whoever else ends the task, before the     PENDING, RUNNING, KILLING
 *                last arrow, if that makes it larger
 *
 * A process that did not get the last arrow may be late with `ended`, in a later life of the slot.
 * Then its moment lies before the end of that life, so the stamp of that end is the larger one.
 *
 *   worker w died                       left behind              what a reader finds
 *   before `life`                       the submitter's stamp,   submitted; not started
 *                                       as `attempt` is 0
 *   after `life`, before `attempt` is 1 both                     submitted, started
 *   in the run                          all but `ended`, which   all
 *                                       the supervisor writes
 *   after `ended`, before the arrow     a moment too early       the supervisor's, which is later
 *
 * A task may overwrite all this. So readers use stamps for nothing but to show them.
 *
 * Each worker counts how long its tasks waited and ran. It alone writes there; when it is reaped,
 * the supervisor counts the task that was lost. Inline all callers share one record, by locked
 * additions.
 */
#pragma once

#include "core/slot.h"

struct pi_stamps {
    _Alignas(64) _Atomic uint64_t submitted;
    _Atomic uint64_t started; /* its last run */
    _Atomic uint64_t ended;
    _Atomic uint64_t life; /* generation of the slot, and the pid of the worker in the low half */
};
#define PI_GROUP_STAMPS_SIZE (PI_GROUP_SLOTS * sizeof(struct pi_stamps))

/* Of times of 2^i ns to less than 2^(i + 1): how many. */
#define PI_TIME_CLASSES 64
struct pi_worker_times {
    _Alignas(64) _Atomic uint64_t waited[PI_TIME_CLASSES];
    _Atomic uint64_t ran[PI_TIME_CLASSES];
};

static inline uint64_t pi_stamps_life(uint32_t generation, uint32_t pid)
{
    return (uint64_t)generation << 32 | pid;
}

/* Whether result_size of the slot of a task that has begun no run holds the submit stamp. relaxed:
 * the caller's look at the word checks it. */
static inline bool pi_stamps_in_slot(struct pi_slot *slot)
{
    return pi_load_relaxed(&slot->attempt) == 0; /* as said */
}

static inline unsigned pi_time_class(uint64_t ns) { return 63 - (unsigned)__builtin_clzll(ns | 1); }
