/* Runs in: program, worker. Locks for tasks and the program; how they work: pool/sync.c. */
#include "internal.h"
#include "pool/sync.h"

posse_status posse_lock_create(posse_executor *e, posse_lock *lock)
{
    struct pi_sync sync;
    if (!lock)
        return pi_refuse(POSSE_INVALID, "lock is NULL");
    *lock = (posse_lock){.executor = NULL};
    posse_status status = pi_check(e);
    if (status == POSSE_OK)
        status = pi_check_shared(e);
    if (status == POSSE_OK)
        status = pi_sync_acquire(e, PI_SYNC_LOCK, sizeof(struct pi_robust_lock), &sync);
    if (status == POSSE_OK)
        *lock = (posse_lock){e, pi_sync_publish(&sync)};
    return status;
}

static posse_status find(posse_lock lock, struct pi_sync *sync)
{
    if (!lock.executor)
        return pi_refuse(POSSE_INVALID, "the lock has no executor: it was never created");
    posse_status status = pi_check(lock.executor);
    return status == POSSE_OK ? pi_sync_find(lock.executor, PI_SYNC_LOCK, lock.id, sync) : status;
}

posse_status posse_lock_acquire(posse_lock lock, long timeout_ms)
{
    struct pi_sync sync;
    posse_status status =
        timeout_ms < -1 ? pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT) : find(lock, &sync);
    return status == POSSE_OK ? pi_sync_lock(&sync, pi_until(timeout_ms)) : status;
}

posse_status posse_lock_release(posse_lock lock)
{
    struct pi_sync sync;
    posse_status status = find(lock, &sync);
    return status == POSSE_OK ? pi_sync_unlock(&sync) : status;
}

posse_status posse_lock_destroy(posse_lock lock)
{
    struct pi_sync sync;
    posse_status status = find(lock, &sync);
    if (status != POSSE_OK)
        return status;
    if (pi_robust_lock_end_if_free(sync.lock, sync.serial) != PI_LOCK_DONE)
        return pi_refuse(POSSE_INVALID, "the lock is held");
    pi_sync_wake_all(&sync, &sync.lock->waiters); /* they find it stale */
    pi_sync_free(&sync);
    return POSSE_OK;
}
