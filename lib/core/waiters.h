/* waiters.h - who sleeps until one event: a bit for each parker (parker.h).
 *
 *   who                    step
 *   waiter                 adds its bit (seq), looks whether it has happened (seq), sleeps on its
 *                          parker; awake it does so again, and in the end it removes its bit
 *   waker                  lets it happen (seq), looks at the bits (seq), claims one by clearing
 *                          it, and posts that parker
 *   waiter that leaves     removes its bit, then looks (seq): if others could go on now, it wakes
 *   without the thing      one of them in its place, as its own wake may have been claimed
 *   supervisor, a waiter   clears the bits of its parkers, so that no wake is spent on them, and
 *   or waker was reaped    wakes everybody, as wakes that they had claimed are lost
 *
 * Bit before look and event before the look at the bits, all seq: either the waker sees the bit or
 * the waiter sees the event. Each waker claims another sleeper, so nobody is woken in vain.
 *
 * The bits lie in a block of the arena, which may be freed while somebody is about to write there:
 * the task that made it may die. So each word carries a stamp, the serial of this life of the
 * block, and is changed by nothing but compare-and-swap from an exact value: a late one finds
 * another stamp, and does nothing.
 *
 *   bits 0-31    of word[i]: the parkers 32 * i and so on
 *   bits 0-15    of used: words that were ever used, so that few are looked at; it only grows
 *   bits 16-31   of used: where the next claim begins, so that each has its turn; a hint
 *   bits 34-63   of all: the stamp
 *
 * The model is tests/model/lock.pml.
 */
#ifndef PI_WAITERS_H
#define PI_WAITERS_H

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

/* Written by waiters, wakers and the supervisor; whoever dies half-way leaves at most a bit. */
struct pi_waiters {
    _Atomic uint64_t used;
    _Atomic uint64_t word[PI_WAITERS_WORDS];
};

/* Before anybody else can see it. */
void pi_waiters_init(struct pi_waiters *waiters, uint32_t serial);
/* Adds a parker; fine if it is there. False: this life is over (or scribbled on), or the parker is
 * over PI_MAX_WAITERS. */
bool pi_waiters_add(struct pi_waiters *waiters, uint32_t serial, uint32_t parker);
void pi_waiters_remove(struct pi_waiters *waiters, uint32_t serial, uint32_t parker);
bool pi_waiters_has(struct pi_waiters *waiters, uint32_t serial, uint32_t parker);
/* Claims a parker, to be posted, or PI_NO_INDEX: nobody waits. Whether it is one is to be checked. */
uint32_t pi_waiters_claim(struct pi_waiters *waiters, uint32_t serial);

#endif
