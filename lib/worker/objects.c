/* See objects.h. */
#include "worker/backend.h"
#include "worker/objects.h"

#include "os/clock.h"
#include "os/semaphore.h"

#include <errno.h>

#define SERIAL_BITS 30 /* of a handle's id; above them is the reference */
#define STALE "the lock or queue has ended, or the handle is none"
#define SERIAL_STEP 0x2545f491u /* odd, so each serial comes once: neighbours look unlike */

/* ---- making, finding, ending ---- */

static uint32_t next_serial(posse_executor *e)
{
    uint32_t serial;
    do /* relaxed: only the value counts */
        serial = ((uint32_t)pi_add_relaxed(&e->segment.header->sync_serial, 1) + 1) * SERIAL_STEP &
                 PI_SERIAL_MASK;
    while (serial == 0); /* what memory that was never used holds */
    return serial;
}

posse_status pi_object_acquire(posse_executor *e, enum pi_sync_type type, size_t size,
                               struct pi_sync *object)
{
    *object = (struct pi_sync){.executor = e, .type = type, .serial = next_serial(e)};
    unsigned owner = pi_owner_here(e);
    pi_will_give(e, owner);
    posse_status status = pi_block_acquire(e, owner, size, &object->ref);
    if (status != POSSE_OK)
        return status;
    object->lock = pi_block_bytes(e, object->ref, size);
    object->size = pi_block_room(e, object->ref);
    pi_robust_lock_init(object->lock, object->serial);
    return POSSE_OK;
}

uint64_t pi_object_publish(struct pi_sync *object)
{
    struct pi_arena *arena = &object->executor->segment.arena;
    struct pi_block block;
    if (!pi_arena_find(arena, object->ref, &block))
        return 0;
    if (block.span)
        pi_span_mark(arena, block.unit);
    /* release: with the acquire of pi_object_find */
    pi_store_release(block.tag,
                     pi_tag_sync(object->type, pi_owner_here(object->executor), object->serial));
    return object->ref << SERIAL_BITS | object->serial;
}

/* The block of the object and its tag, if it still is one. */
static bool find(const struct pi_sync *object, struct pi_block *block, uint64_t *tag)
{
    if (!pi_arena_find(&object->executor->segment.arena, object->ref, block))
        return false;
    *tag = pi_load_acquire(block->tag); /* with the release of pi_object_publish */
    return pi_tag_kind(*tag) == PI_TAG_SYNC && pi_tag_type(*tag) == object->type &&
           pi_tag_serial(*tag) == object->serial;
}

posse_status pi_object_find(posse_executor *e, enum pi_sync_type type, uint64_t id,
                            struct pi_sync *object)
{
    struct pi_block block;
    uint64_t tag;
    *object = (struct pi_sync){.executor = e,
                               .type = type,
                               .ref = id >> SERIAL_BITS,
                               .serial = (uint32_t)id & PI_SERIAL_MASK};
    if (!find(object, &block, &tag) || block.size < sizeof *object->lock)
        return pi_refuse(POSSE_INVALID, STALE);
    object->size = block.size;
    object->lock = (struct pi_robust_lock *)(void *)block.bytes;
    return pi_robust_lock_is_gone(object->lock, object->serial) ? pi_object_lost(object) : POSSE_OK;
}

void pi_object_free(const struct pi_sync *object)
{
    posse_executor *e = object->executor;
    struct pi_block block;
    uint64_t tag;
    while (find(object, &block, &tag)) /* again: its owner may just have changed */
        if (pi_block_release(e, pi_owner_here(e), object->ref, tag))
            return;
}

bool pi_object_exists(const struct pi_sync *object)
{
    struct pi_block block;
    uint64_t tag;
    return find(object, &block, &tag);
}

posse_status pi_object_lost(const struct pi_sync *object)
{
    if (!pi_object_exists(object))
        return pi_refuse(POSSE_INVALID, STALE);
    uint64_t word = pi_load_seq(&object->lock->word);
    return pi_stamped(word, object->serial) && (word & PI_LOCK_GONE)
               ? pi_refuse(POSSE_INVALID, STALE)
               : POSSE_BROKEN;
}

posse_status pi_object_wait(const struct pi_sync *object)
{
    if (pi_destroying(object->executor))
        return POSSE_SHUT_DOWN;
    return pi_phase_of(object->executor) == PI_DEAD ? POSSE_BROKEN : POSSE_TIMEOUT;
}

/* ---- waiting ---- */

uint64_t pi_until(long timeout_ms) { return timeout_ms ? pi_os_after_ms(timeout_ms) : 0; }

static posse_status look_at_event(void *context)
{
    const struct pi_condition *event = context;
    return event->look(event);
}

static posse_status park(const struct pi_condition *event, uint32_t parker, uint64_t until)
{
    const struct pi_sync *object = event->object;
    for (;;) {
        if (!pi_object_exists(object))
            return pi_refuse(POSSE_INVALID, STALE);
        if (!pi_waiters_add(event->waiters, object->serial, parker))
            return pi_object_lost(object);
        posse_status status = event->look(event); /* seq, after the bit: see waiters.h */
        if (status != POSSE_TIMEOUT || pi_os_now() >= until)
            return status;
        (void)pi_sleep_on(object->executor, parker, until);
    }
}

posse_status pi_wait_event(const struct pi_condition *event, uint64_t until)
{
    posse_executor *e = event->object->executor;
    posse_status status = pi_spin(e, look_at_event, (void *)(uintptr_t)event); /* only read */
    if (status != POSSE_TIMEOUT)
        return status;
    uint32_t parker = pi_take_parker(e, pi_owner_here(e));
    if (parker == PI_NO_INDEX)
        return pi_failure(PI_NO_PARKER);
    status = parker < PI_MAX_WAITERS ? park(event, parker, until)
                                     : pi_refuse_errno(ENOMEM, PI_NO_PARKER);
    if (status != POSSE_INVALID) /* its memory may be gone */
        pi_waiters_remove(event->waiters, event->object->serial, parker);
    pi_parkers_release(&e->segment.parkers, parker);
    if (status == POSSE_TIMEOUT && !pi_check_supervisor(e))
        status = event->look(event);
    return status;
}

bool pi_wake_one(const struct pi_sync *object, struct pi_waiters *waiters)
{
    for (unsigned tries = 0; tries < PI_MAX_WAITERS; tries++) {
        uint32_t index = pi_waiters_claim(waiters, object->serial);
        if (index == PI_NO_INDEX)
            return false;
        if (pi_post_parker(object->executor, index))
            return true;
    }
    return false;
}

void pi_wake_each(const struct pi_sync *object, struct pi_waiters *waiters)
{
    for (unsigned i = 0; i < PI_MAX_WAITERS && pi_wake_one(object, waiters); i++)
        ;
}

/* ---- the lock ---- */

/* This thread as a holder. */
static uint32_t holder_here(const posse_executor *e)
{
    static _Atomic uint32_t threads;
    static _Thread_local uint32_t thread;
    while (thread == 0) /* relaxed: only the value counts */
        thread =
            (atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1) & PI_HOLDER_THREADS;
    return pi_holder(pi_owner_here(e), thread);
}

/* Nobody is who holds it, so a task has scribbled on it. */
static bool held_by_nobody(const struct pi_sync *object)
{
    uint64_t word = pi_load_seq(&object->lock->word);
    unsigned owner = pi_robust_lock_owner(word);
    return pi_robust_lock_holder(word) != 0 && owner != PI_OWNER_PROGRAM &&
           owner >= pi_workers_count(&object->executor->segment);
}

static posse_status look_lock(const struct pi_condition *event)
{
    const struct pi_sync *object = event->object;
    uint32_t holder = holder_here(object->executor);
    switch (pi_robust_lock_acquire(object->lock, object->serial, holder)) {
    case PI_LOCK_DONE: return POSSE_OK;
    case PI_LOCK_TOLD: return POSSE_OWNER_DIED;
    case PI_LOCK_MINE: return POSSE_DEADLOCK;
    case PI_LOCK_BUSY: return held_by_nobody(object) ? POSSE_BROKEN : pi_object_wait(object);
    default: return pi_object_lost(object);
    }
}

static bool is_free(const struct pi_sync *object)
{
    uint64_t word = pi_load_seq(&object->lock->word); /* seq: after our bit was removed */
    return pi_stamped(word, object->serial) && pi_robust_lock_holder(word) == 0;
}

posse_status pi_object_lock(const struct pi_sync *object, uint64_t until)
{
    posse_executor *e = object->executor;
    struct pi_condition event = {object, &object->lock->waiters, look_lock};
    pi_will_give(e, pi_owner_here(e));
    posse_status status = look_lock(&event);
    pi_see_blocks(e); /* what it guards may name one */
    if (status == POSSE_TIMEOUT && until == 0 && !pi_supervised(e))
        status = look_lock(&event);
    if (status != POSSE_TIMEOUT || until == 0)
        return status;
    pi_enter(e);
    status = pi_wait_event(&event, until);
    pi_see_blocks(e);
    bool taken = status == POSSE_OK || status == POSSE_OWNER_DIED;
    if (!taken && status != POSSE_INVALID && is_free(object))
        (void)pi_wake_one(object, event.waiters); /* in our place: see waiters.h */
    pi_leave(e);
    return status;
}

posse_status pi_object_unlock(const struct pi_sync *object)
{
    switch (pi_robust_lock_release(object->lock, object->serial, holder_here(object->executor))) {
    case PI_LOCK_DONE: (void)pi_wake_one(object, &object->lock->waiters); return POSSE_OK;
    case PI_LOCK_LAST: pi_object_free(object); return POSSE_OK;
    default: return pi_refuse(POSSE_INVALID, "this thread does not hold the lock");
    }
}
