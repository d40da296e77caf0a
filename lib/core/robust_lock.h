/* robust_lock.h - a lock that outlives its holder: one word, and the callers that wait for it.
 *
 * Runs in: program, worker, supervisor. It is not a pthread mutex: if a task overwrites one, the
 * C library may end the program. Here an overwritten word is at worst a lock that nobody gets.
 *
 *   word           meaning                          left by                     to
 *   FREE           nobody holds it                  anyone                      HELD
 *                                                   the caller that ends it     GONE
 *   FREE, DIED     nobody; the last holder died     anyone: TOLD                HELD
 *                                                   the caller that ends it     GONE
 *   HELD(h)        h holds it                       h                           FREE
 *                                                   supervisor, h was reaped    FREE, DIED
 *                                                   the caller that ends it     HELD(h), GONE
 *   HELD(h), GONE  the last holder is inside        h; supervisor, h reaped     GONE
 *   GONE           the block may be freed           nobody
 *
 * order: every arrow is one compare-and-swap (seq) from the exact word. FREE precedes the look for
 * waiters; a waiter's bit precedes its look at the word. A survivor finds one of these states:
 *
 *   a holder died ...             left behind                repair
 *   before it took it             nothing                    none
 *   holding it                    HELD(h)                    FREE, DIED; everyone is woken
 *   after FREE, before the wake   a sleeper                  everyone is woken
 *   after GONE                    a block without an owner   freed (recover_blocks.c)
 *
 * The model is tests/model/lock.pml.
 *
 *   bits 0-21    which thread of the holder's process: 1 and up
 *   bits 22-31   the holder's owner (state.h): the program, or a worker
 *   bit 32       DIED
 *   bit 33       GONE
 *   bits 34-63   the stamp of this life, see waiters.h
 */
#pragma once

#include "core/waiters.h"

#define PI_HOLDER_SHIFT 22
#define PI_HOLDER_THREADS (((uint32_t)1 << PI_HOLDER_SHIFT) - 1)
#define PI_LOCK_DIED ((uint64_t)1 << 32)
#define PI_LOCK_GONE ((uint64_t)1 << 33)

struct pi_robust_lock {
    _Atomic uint64_t word;     /* order: see above */
    struct pi_waiters waiters; /* until it is FREE */
};

enum pi_robust_lock_result {
    PI_LOCK_DONE,
    PI_LOCK_TOLD,  /* done, and the holder before had died */
    PI_LOCK_BUSY,  /* another one holds it */
    PI_LOCK_MINE,  /* the caller holds it already */
    PI_LOCK_LAST,  /* done, and it is GONE: the caller frees the block */
    PI_LOCK_STALE, /* it is GONE, or of another life; or the caller does not hold it */
};

static inline uint32_t pi_holder(unsigned owner, uint32_t thread)
{
    return (uint32_t)owner << PI_HOLDER_SHIFT | (thread & PI_HOLDER_THREADS);
}
static inline uint32_t pi_robust_lock_holder(uint64_t word) { return (uint32_t)word; }
static inline unsigned pi_robust_lock_owner(uint64_t word)
{
    return pi_robust_lock_holder(word) >> PI_HOLDER_SHIFT;
}

void pi_robust_lock_init(struct pi_robust_lock *lock, uint32_t serial);
/* Whether this life of the lock is over. */
bool pi_robust_lock_is_gone(struct pi_robust_lock *lock, uint32_t serial);
/* FREE -> HELD: DONE, TOLD, BUSY, MINE, STALE. */
enum pi_robust_lock_result pi_robust_lock_acquire(struct pi_robust_lock *lock, uint32_t serial,
                                                  uint32_t holder);
/* HELD -> FREE: DONE, LAST, STALE. The caller then wakes a waiter. */
enum pi_robust_lock_result pi_robust_lock_release(struct pi_robust_lock *lock, uint32_t serial,
                                                  uint32_t holder);
/* Sets GONE. DONE: the caller frees the block. BUSY: its holder will. STALE. */
enum pi_robust_lock_result pi_robust_lock_end(struct pi_robust_lock *lock, uint32_t serial);
/* The same, but it does nothing if somebody holds it: BUSY. */
enum pi_robust_lock_result pi_robust_lock_end_if_free(struct pi_robust_lock *lock, uint32_t serial);
/* Supervisor, after the owner was reaped: HELD -> FREE, DIED. True: the owner held it. */
bool pi_robust_lock_recover(struct pi_robust_lock *lock, unsigned owner);
