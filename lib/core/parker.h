/* parker.h - where callers sleep: one semaphore for each caller that is blocked.
 *
 * A caller takes a parker, puts its number into the word of what it waits for (a slot, or the
 * header's `room_waiter`), looks once more, and sleeps. Whoever makes that happen finds the number and
 * posts. A post that comes late, when the parker has found another user, only makes that one look
 * once more: all sleepers look again after every wake.
 *
 * One who waits for many tasks has a parker that collects them: see done_list.h. The model is
 * tests/model/wait.pml.
 *
 *   owner   meaning                                      who may change it               to
 *   0       free                                         anyone, by CAS                  1 + owner
 *   1 + w   a caller in process or worker w sleeps on it   that caller                     0
 *                                                        the supervisor, w reaped        0
 */
#ifndef PI_PARKER_H
#define PI_PARKER_H

#include "base/atomic.h"
#include "core/monotonic.h"
#include "core/bitmap.h"
#include "os/semaphore.h"

#define PI_MAX_PARKERS 4095u /* as many as a slot's word can name */

struct pi_parker {
    _Alignas(64) struct pi_os_semaphore wake; /* posted by anyone, waited for by the owner */
    _Atomic uint32_t owner;                   /* see the table */
    /* 1: the semaphore is initialized; set by the first owner, who died if it is still 0. */
    _Atomic uint32_t made;
    /* The newest of the tasks that have ended: see done_list.h. Meant only if it collects. */
    _Atomic uint64_t done;
    /* 1: whoever ends a task that names this parker pushes it on `done`. Set by the owner (seq)
     * before its first name, cleared with its leaving. */
    _Atomic uint32_t collects;
    /* 1: the owner is to look at all it waits for. Set by the supervisor (seq) before it posts. */
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

/* A free parker, now the owner's, or PI_NO_INDEX: all are taken, the table must grow. */
uint32_t pi_parkers_acquire(struct pi_parkers *parkers, unsigned owner);
void pi_parkers_release(struct pi_parkers *parkers, uint32_t index);

#endif
