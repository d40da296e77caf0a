/* waiters.h - the callers that sleep until one event: a bit for each parker (parker.h).
 *
 * Runs in: program, worker, supervisor.
 *
 *   actor                  step
 *   waiter                 adds its bit, looks whether the event has happened, sleeps on its
 *                          parker; awake, it does so again; in the end it removes its bit
 *   waker                  lets the event happen, looks at the bits, claims one by clearing it, and
 *                          posts that parker
 *   waiter that leaves     removes its bit, then looks: if others could go on now, it wakes one of
 *   without the event      them, as its own wake may have been claimed
 *   supervisor, waiter or  clears the bits of its parkers, so that no wake is spent on them, and
 *   waker reaped           wakes everybody, as the wakes that it had claimed are lost
 *
 * order: all seq. The bit precedes the waiter's look, the event precedes the waker's. So the waker
 * sees the bit or the waiter sees the event. Each waker claims another sleeper.
 *
 * The bits lie in a block of the arena, which may be freed while somebody is about to write there.
 * So each word carries a stamp, the serial of this life of the block, and changes only by
 * compare-and-swap from the exact value. A late one finds another stamp, and does nothing.
 *
 *   bits 0-31    of word[i]: the parkers from 32 * i on
 *   bits 0-15    of used: words that were ever used; it only grows
 *   bits 16-31   of used: where the next claim begins, so that each has its turn; a hint
 *   bits 34-63   of all: the stamp
 *
 * The model is tests/model/lock.pml.
 */
#pragma once

#include "base/atomic.h"
#include "core/bitmap.h"

#define PI_WAITERS_WORDS 126u
#define PI_MAX_WAITERS (PI_WAITERS_WORDS * 32)

#define PI_STAMP_SHIFT 34
#define PI_STAMP_MASK (~(((uint64_t)1 << PI_STAMP_SHIFT) - 1))

static inline uint64_t pi_stamp(uint32_t serial) { return (uint64_t)serial << PI_STAMP_SHIFT; }
static inline bool pi_stamped(uint64_t word, uint32_t serial)
{
    return (word & PI_STAMP_MASK) == pi_stamp(serial);
}

/* Waiters, wakers and the supervisor write. One that dies half-way leaves at most a bit. */
struct pi_waiters {
    _Atomic uint64_t used;
    _Atomic uint64_t word[PI_WAITERS_WORDS];
};

/* Before anyone else can see it. */
void pi_waiters_init(struct pi_waiters *waiters, uint32_t serial);
/* Adds a parker, unless it is there. False: this life is over, or a task has overwritten it, or
 * the parker is over PI_MAX_WAITERS. */
bool pi_waiters_add(struct pi_waiters *waiters, uint32_t serial, uint32_t parker);
void pi_waiters_remove(struct pi_waiters *waiters, uint32_t serial, uint32_t parker);
bool pi_waiters_has(struct pi_waiters *waiters, uint32_t serial, uint32_t parker);
/* Claims a parker, which the caller must check and post. PI_NO_INDEX: nobody waits. */
uint32_t pi_waiters_claim(struct pi_waiters *waiters, uint32_t serial);
