/* Runs in: program, worker, supervisor.
 *
 * Making, finding and ending locks and queues, and waiting for them; see sync.h. A caller that must
 * wait adds its bit to the waiters, looks once more, and sleeps on a parker. The thread that makes
 * the condition true looks at the bits afterwards, and wakes one waiter (core/waiters.h). A waiter
 * that leaves with nothing wakes another one if it could go on, because its own wake may be spent.
 */
#include "pool/sync.h"
#include "os/clock.h"
#include "pool/block.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/self.h"
#include "pool/verify.h"
#include "pool/wake.h"

#include <errno.h>

#define SERIAL_BITS 30 /* of a handle's id; above them is the reference */
#define STALE "the lock or queue was destroyed, or the handle names none"
#define SERIAL_STEP 0x2545f491u /* odd, so each serial comes once; neighbours differ in many bits */

/* ---- making, finding, ending ---- */

static uint32_t next_serial(posse_executor *e)
{
    uint32_t serial;
    do /* relaxed: only the value counts */
        serial = ((uint32_t)pi_add_relaxed(&e->segment.header->sync_serial, 1) + 1) * SERIAL_STEP &
                 PI_SERIAL_MASK;
    while (serial == 0); /* 0 is in memory that was never used */
    return serial;
}

posse_status pi_sync_acquire(posse_executor *e, enum pi_sync_type type, size_t size,
                             struct pi_sync *sync)
{
    *sync = (struct pi_sync){.executor = e, .type = type, .serial = next_serial(e)};
    unsigned owner = pi_owner_here(e);
    pi_mark_escaping(e, owner);
    struct pi_bytes block;
    posse_status status = pi_block_acquire(e, owner, size, &block);
    if (status != POSSE_OK)
        return status;
    sync->ref = block.ref;
    sync->lock = block.bytes;
    sync->size = pi_block_room(e, sync->ref);
    pi_robust_lock_init(sync->lock, sync->serial);
    return POSSE_OK;
}

uint64_t pi_sync_publish(struct pi_sync *sync)
{
    struct pi_arena *arena = &sync->executor->segment.arena;
    struct pi_block block;
    if (!pi_arena_find(arena, sync->ref, &block))
        return 0;
    if (block.span)
        pi_span_mark(arena, block.unit);
    /* with the acquire of find */
    pi_store_release(block.tag,
                     pi_tag_sync(sync->type, pi_owner_here(sync->executor), sync->serial));
    return sync->ref << SERIAL_BITS | sync->serial;
}

/* The block of the sync and its tag, if it still is one. */
static bool find(const struct pi_sync *sync, struct pi_block *block, uint64_t *tag)
{
    if (!pi_arena_find(&sync->executor->segment.arena, sync->ref, block))
        return false;
    *tag = pi_load_acquire(block->tag); /* with pi_sync_publish */
    return pi_tag_kind(*tag) == PI_TAG_SYNC && pi_tag_type(*tag) == sync->type &&
           pi_tag_serial(*tag) == sync->serial;
}

posse_status pi_sync_find(posse_executor *e, enum pi_sync_type type, uint64_t id,
                          struct pi_sync *sync)
{
    struct pi_block block;
    uint64_t tag;
    *sync = (struct pi_sync){.executor = e,
                             .type = type,
                             .ref = id >> SERIAL_BITS,
                             .serial = (uint32_t)id & PI_SERIAL_MASK};
    if (!find(sync, &block, &tag) || block.size < sizeof *sync->lock)
        return pi_refuse(POSSE_INVALID, STALE);
    sync->size = block.size;
    sync->lock = (struct pi_robust_lock *)(void *)block.bytes;
    return pi_robust_lock_is_gone(sync->lock, sync->serial) ? pi_sync_lost(sync) : POSSE_OK;
}

void pi_sync_free(const struct pi_sync *sync)
{
    posse_executor *e = sync->executor;
    struct pi_block block;
    uint64_t tag;
    while (find(sync, &block, &tag)) /* again: the tag's owner may just have changed */
        if (pi_block_release(e, pi_owner_here(e), sync->ref, tag))
            return;
}

static bool exists(const struct pi_sync *sync)
{
    struct pi_block block;
    uint64_t tag;
    return find(sync, &block, &tag);
}

posse_status pi_sync_lost(const struct pi_sync *sync)
{
    if (!exists(sync))
        return pi_refuse(POSSE_INVALID, STALE);
    uint64_t word = pi_load_seq(&sync->lock->word); /* with pi_robust_lock_end */
    bool gone = pi_stamped(word, sync->serial) && (word & PI_LOCK_GONE);
    return gone ? pi_refuse(POSSE_INVALID, STALE) : POSSE_BROKEN;
}

posse_status pi_sync_may_wait(const struct pi_sync *sync)
{
    if (pi_destroying(sync->executor))
        return POSSE_SHUT_DOWN;
    return pi_phase_of(sync->executor) == PI_DEAD ? POSSE_BROKEN : POSSE_TIMEOUT;
}

/* ---- waiting ---- */

uint64_t pi_until(long timeout_ms) { return timeout_ms ? pi_os_after_ms(timeout_ms) : 0; }

static posse_status look(void *context)
{
    const struct pi_condition *condition = context;
    return condition->look(condition);
}

static posse_status park(const struct pi_condition *condition, uint32_t parker, uint64_t until)
{
    const struct pi_sync *sync = condition->sync;
    for (;;) {
        if (!exists(sync))
            return pi_refuse(POSSE_INVALID, STALE);
        if (!pi_waiters_add(condition->waiters, sync->serial, parker))
            return pi_sync_lost(sync);
        posse_status status = condition->look(condition); /* seq, after the bit: see waiters.h */
        if (status != POSSE_TIMEOUT || pi_os_now() >= until)
            return status;
        if (pi_park_until(sync->executor, parker, until) == PI_PARK_VERIFY)
            pi_verify_pool(sync->executor);
    }
}

posse_status pi_await_condition(const struct pi_condition *condition, uint64_t until)
{
    posse_executor *e = condition->sync->executor;
    posse_status status = pi_spin_if_spare(e, look, (void *)(uintptr_t)condition); /* only read */
    if (status != POSSE_TIMEOUT)
        return status;
    uint32_t parker = pi_park_acquire(e, pi_owner_here(e));
    if (parker == PI_NO_INDEX)
        return pi_failure(PI_NO_PARKER);
    status = parker < PI_MAX_WAITERS ? park(condition, parker, until)
                                     : pi_refuse_errno(ENOMEM, PI_NO_PARKER);
    if (status != POSSE_INVALID) /* its memory may be gone */
        pi_waiters_remove(condition->waiters, condition->sync->serial, parker);
    pi_parkers_release(&e->segment.parkers, parker);
    if (status == POSSE_TIMEOUT && !pi_check_supervisor(e))
        status = condition->look(condition);
    return status;
}

bool pi_sync_wake_one(const struct pi_sync *sync, struct pi_waiters *waiters)
{
    for (unsigned tries = 0; tries < PI_MAX_WAITERS; tries++) {
        uint32_t index = pi_waiters_claim(waiters, sync->serial);
        if (index == PI_NO_INDEX)
            return false;
        if (pi_post_parker(sync->executor, index))
            return true;
    }
    return false;
}

void pi_sync_wake_all(const struct pi_sync *sync, struct pi_waiters *waiters)
{
    for (unsigned i = 0; i < PI_MAX_WAITERS && pi_sync_wake_one(sync, waiters); i++)
        ;
}

/* ---- the lock ---- */

/* This thread as a holder. order: relaxed, because only the value counts. */
static uint32_t holder_here(const posse_executor *e)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t thread;
    while (thread == 0)
        thread =
            (atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1) & PI_HOLDER_THREADS;
    return pi_holder(pi_owner_here(e), thread);
}

/* The holder is no worker that exists, so a task has overwritten the word. */
static bool held_by_nobody(const struct pi_sync *sync)
{
    uint64_t word = pi_load_seq(&sync->lock->word); /* only the value counts */
    unsigned owner = pi_robust_lock_owner(word);
    return pi_robust_lock_holder(word) != 0 && owner != PI_OWNER_PROGRAM &&
           owner >= pi_workers_count(&sync->executor->segment);
}

static posse_status look_lock(const struct pi_condition *condition)
{
    const struct pi_sync *sync = condition->sync;
    uint32_t holder = holder_here(sync->executor);
    switch (pi_robust_lock_acquire(sync->lock, sync->serial, holder)) {
    case PI_LOCK_DONE: return POSSE_OK;
    case PI_LOCK_TOLD: return POSSE_OWNER_DIED;
    case PI_LOCK_MINE: return POSSE_DEADLOCK;
    case PI_LOCK_BUSY: return held_by_nobody(sync) ? POSSE_BROKEN : pi_sync_may_wait(sync);
    default: return pi_sync_lost(sync);
    }
}

static bool is_free(const struct pi_sync *sync)
{
    uint64_t word = pi_load_seq(&sync->lock->word); /* seq: after the caller's bit was removed */
    return pi_stamped(word, sync->serial) && pi_robust_lock_holder(word) == 0;
}

posse_status pi_sync_lock(const struct pi_sync *sync, uint64_t until)
{
    posse_executor *e = sync->executor;
    struct pi_condition condition = {sync, &sync->lock->waiters, look_lock};
    pi_mark_escaping(e, pi_owner_here(e));
    posse_status status = look_lock(&condition);
    pi_see_blocks(e); /* what the lock guards may name one */
    if (status == POSSE_TIMEOUT && until == 0 && !pi_poll_supervisor(e))
        status = look_lock(&condition);
    if (status != POSSE_TIMEOUT || until == 0)
        return status;
    pi_call_enter(e);
    status = pi_await_condition(&condition, until);
    pi_see_blocks(e);
    bool taken = status == POSSE_OK || status == POSSE_OWNER_DIED;
    if (!taken && status != POSSE_INVALID && is_free(sync))
        (void)pi_sync_wake_one(sync,
                               condition.waiters); /* in place of this caller: see waiters.h */
    pi_call_exit(e);
    return status;
}

posse_status pi_sync_unlock(const struct pi_sync *sync)
{
    switch (pi_robust_lock_release(sync->lock, sync->serial, holder_here(sync->executor))) {
    case PI_LOCK_DONE: (void)pi_sync_wake_one(sync, &sync->lock->waiters); return POSSE_OK;
    case PI_LOCK_LAST: pi_sync_free(sync); return POSSE_OK;
    default: return pi_refuse(POSSE_INVALID, "this thread does not hold the lock");
    }
}
