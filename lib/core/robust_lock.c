/* order: all seq, as the table in robust_lock.h says. */
#include "core/robust_lock.h"

#include "base/assert.h"

#define HOLDER_MASK ((uint64_t)UINT32_MAX)

void pi_robust_lock_init(struct pi_robust_lock *lock, uint32_t serial)
{
    pi_waiters_init(&lock->waiters, serial);
    atomic_init(&lock->word, pi_stamp(serial));
}

static bool over(uint64_t word, uint32_t serial)
{
    return !pi_stamped(word, serial) || (word & PI_LOCK_GONE);
}

bool pi_robust_lock_is_gone(struct pi_robust_lock *lock, uint32_t serial)
{
    return over(pi_load_seq(&lock->word), serial);
}

enum pi_robust_lock_result pi_robust_lock_acquire(struct pi_robust_lock *lock, uint32_t serial,
                                                  uint32_t holder)
{
    PI_ASSERT(holder != 0);
    uint64_t seen = pi_load_seq(&lock->word); /* seq: after our bit, before we sleep */
    while (!over(seen, serial)) {
        if (pi_robust_lock_holder(seen) != 0)
            return pi_robust_lock_holder(seen) == holder ? PI_LOCK_MINE : PI_LOCK_BUSY;
        if (pi_cas_seq(&lock->word, &seen, pi_stamp(serial) | holder))
            return seen & PI_LOCK_DIED ? PI_LOCK_TOLD : PI_LOCK_DONE;
    }
    return PI_LOCK_STALE;
}

enum pi_robust_lock_result pi_robust_lock_release(struct pi_robust_lock *lock, uint32_t serial,
                                                  uint32_t holder)
{
    uint64_t seen = pi_load_relaxed(&lock->word); /* relaxed: our own value, and the CAS checks */
    while (pi_stamped(seen, serial) && pi_robust_lock_holder(seen) == holder)
        if (pi_cas_seq(&lock->word, &seen, seen & ~HOLDER_MASK)) /* seq: before the look at bits */
            return seen & PI_LOCK_GONE ? PI_LOCK_LAST : PI_LOCK_DONE;
    return PI_LOCK_STALE;
}

/* `holders`: bits of the word; if one is set the lock stays as it is. */
static enum pi_robust_lock_result end(struct pi_robust_lock *lock, uint32_t serial,
                                      uint64_t holders)
{
    uint64_t seen = pi_load_seq(&lock->word);
    while (!over(seen, serial) && !(seen & holders))
        if (pi_cas_seq(&lock->word, &seen, seen | PI_LOCK_GONE))
            return pi_robust_lock_holder(seen) != 0 ? PI_LOCK_BUSY : PI_LOCK_DONE;
    return over(seen, serial) ? PI_LOCK_STALE : PI_LOCK_BUSY;
}

enum pi_robust_lock_result pi_robust_lock_end(struct pi_robust_lock *lock, uint32_t serial)
{
    return end(lock, serial, 0);
}

enum pi_robust_lock_result pi_robust_lock_end_if_free(struct pi_robust_lock *lock, uint32_t serial)
{
    return end(lock, serial, HOLDER_MASK);
}

bool pi_robust_lock_recover(struct pi_robust_lock *lock, unsigned owner)
{
    uint64_t seen = pi_load_seq(&lock->word);
    while (pi_robust_lock_holder(seen) != 0 && pi_robust_lock_owner(seen) == owner)
        if (pi_cas_seq(&lock->word, &seen, (seen & ~HOLDER_MASK) | PI_LOCK_DIED))
            return true;
    return false;
}
