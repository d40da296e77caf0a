/* sync.h - locks and queues in the executor's memory: what both have in common.
 * sync_queue.c has what is a queue's alone, recover_blocks.c what a death leaves in them.
 *
 * A lock or queue is a block of the arena with the tag SYNC. It begins with a pi_robust_lock, which
 * is all of a lock, and guards the rest of a queue. A handle is {reference, serial}; every call
 * looks whether the block still has the tag of that serial. The block may lose it at any moment,
 * because the task that made it dies. So whatever is written without the lock held carries the
 * serial as its stamp (core/waiters.h), and a block whose lock is held is freed by the holder
 * (GONE, core/robust_lock.h).
 */
#pragma once

#include "core/robust_lock.h"
#include "pool/pool.h"

/* A queue; its cells follow, see sync_queue.c. */
struct pi_queue {
    struct pi_robust_lock lock; /* guards all that follows but the waiters; must be first */
    struct pi_waiters readers, writers;
    /* By the maker, before it is published; constant. */
    _Atomic uint64_t capacity, item_size;
    /* Items ever taken, and ever put, and whether there will be no more: by the holder of the lock.
     * order: seq; each is stored before the look at the waiters, who read it after they have set
     * their bit. Each store is a whole step, so a holder that dies before or after it leaves a
     * sound queue. */
    _Atomic uint64_t head, tail;
    _Atomic uint64_t closed;
};

/* A lock or queue as a call sees it; on its stack. */
struct pi_sync {
    posse_executor *executor;
    enum pi_sync_type type;
    pi_block_ref ref;
    uint32_t serial;
    struct pi_robust_lock *lock; /* where its bytes begin */
    size_t size;                 /* of all of it */
};

/* A block of at least size bytes, HELD, not yet a SYNC. POSSE_NO_MEMORY, POSSE_TOO_LARGE. */
posse_status pi_sync_acquire(posse_executor *executor, enum pi_sync_type type, size_t size,
                             struct pi_sync *sync);
/* Makes it a SYNC, once it is filled. Returns the handle's id. */
uint64_t pi_sync_publish(struct pi_sync *sync);
/* What a handle names. POSSE_INVALID: nothing, or it is stale. */
posse_status pi_sync_find(posse_executor *executor, enum pi_sync_type type, uint64_t id,
                          struct pi_sync *sync);
/* Frees the block of a lock or queue that is GONE, unless another process does. */
void pi_sync_free(const struct pi_sync *sync);

/* Why it is not what it was. POSSE_INVALID: it has ended. POSSE_BROKEN: a task overwrote it. */
posse_status pi_sync_lost(const struct pi_sync *sync);
/* Whether a caller that cannot go on may wait: POSSE_TIMEOUT, it may; POSSE_SHUT_DOWN,
 * POSSE_BROKEN. */
posse_status pi_sync_may_wait(const struct pi_sync *sync);

/* The last moment for a call; 0: it does not wait. */
uint64_t pi_until(long timeout_ms);

/* What a caller waits for. `look` returns POSSE_TIMEOUT as long as the caller must wait. */
struct pi_condition {
    const struct pi_sync *sync;
    struct pi_waiters *waiters;
    posse_status (*look)(const struct pi_condition *condition);
};

/* Waits, at most until the moment; between pi_call_enter and pi_call_exit. Returns what `look`
 * returned, POSSE_TIMEOUT or POSSE_NO_MEMORY. A caller that then does not take what it waited for
 * must wake another one. */
posse_status pi_await_condition(const struct pi_condition *condition, uint64_t until);
/* Wakes one waiter; false: there is none. Wakes all of them. */
bool pi_sync_wake_one(const struct pi_sync *sync, struct pi_waiters *waiters);
void pi_sync_wake_all(const struct pi_sync *sync, struct pi_waiters *waiters);

/* Takes and releases the lock. POSSE_OK, POSSE_OWNER_DIED (the caller holds it), POSSE_TIMEOUT,
 * POSSE_DEADLOCK, POSSE_INVALID, ... */
posse_status pi_sync_lock(const struct pi_sync *sync, uint64_t until);
posse_status pi_sync_unlock(const struct pi_sync *sync);
