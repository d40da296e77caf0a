/* parker.h - where callers sleep: one semaphore for each caller that is blocked.
 *
 * Runs in: program, worker, supervisor. A caller takes a parker, and puts its number into the word
 * of what it waits for: a slot, or `room_waiter` of the header. Then it looks once more, and
 * sleeps. The process that makes that happen finds the number and posts. All sleepers look again
 * after every wake. So a late post, when the parker has found another user, only makes that one
 * look once more.
 *
 * A caller that waits for many tasks has a parker that collects them: see done_list.h. The model is
 * tests/model/wait.pml.
 *
 *   owner   meaning                                        changed by                 to
 *   0       free                                           anyone, by CAS             1 + owner
 *   1 + w   a caller in process or worker w sleeps on it   that caller                0
 *                                                          the supervisor, w reaped   0
 */
#pragma once

#include "base/atomic.h"
#include "core/bitmap.h"
#include "core/monotonic.h"
#include "os/semaphore.h"

#define PI_MAX_PARKERS 4095u /* as many as a slot's word can name */

struct pi_parker {
    _Alignas(64) struct pi_os_semaphore wake; /* anyone posts, the owner waits */
    /* See the table. order: the CAS and the release of pi_parkers_release pair. */
    _Atomic uint32_t owner;
    /* The newest of the tasks that have ended: see done_list.h. Unused unless it collects. */
    _Atomic uint64_t done;
    /* 1: the finisher of a task that names this parker pushes it on `done`. 2: a task that tells
     * something sets `rescan`, too. order: the owner sets it (seq) before it puts the name
     * anywhere, and clears it when it leaves. */
    _Atomic uint32_t collects;
    /* 1: the owner must look at all that it waits for. order: a process that wakes all owners,
     * releases a future that names this one, or tells something, sets it (seq) before it posts. */
    _Atomic uint32_t rescan;
};

struct pi_parkers {
    struct pi_parker *at;
    struct pi_bitmap map;
    struct pi_monotonic count; /* parkers that have memory */
};

static inline uint32_t pi_parkers_count(struct pi_parkers *parkers)
{
    return pi_monotonic_get(&parkers->count);
}

/* Takes a free parker. PI_NO_INDEX: all are taken, the table must grow. */
uint32_t pi_parkers_acquire(struct pi_parkers *parkers, unsigned owner);
void pi_parkers_release(struct pi_parkers *parkers, uint32_t index);
/* Supervisor, after the worker was reaped: frees its parkers, and corrects the map. */
void pi_parkers_recover(struct pi_parkers *parkers, unsigned worker);
