/* Runs in: supervisor.
 *
 * What a worker leaves in blocks of the arena (core/arena.h), and among these in locks and queues.
 * Other processes go on meanwhile, so every repair is one compare-and-swap.
 *
 *   the worker died ...                             left behind        repair
 *   with a block, before it published a lock        HELD(w)            FREE
 *   after it published the lock or queue            SYNC(w)            lock GONE, then FREE
 *   ... while another one is inside the queue       HELD(h) and GONE   h frees it
 *   while it held a lock                            HELD(w)            FREE, DIED
 *   while it waited, or before it posted a sleeper  its bit; a sleeper the bit is cleared; all are
 *   that it had claimed                                                woken
 *   after GONE, before it freed the block           GONE               FREE
 *
 * A worker that exited may have left locks held, too. Its locks and queues live on as the
 * program's. The model is tests/model/lock.pml, without the end of locks and queues.
 */
#include "base/container_of.h"
#include "pool/block.h"
#include "pool/sync.h"
#include "pool/trim.h"
#include "supervisor/recover.h"

/* Removes the bits of the worker's parkers: nobody else wakes them, and the next owner of such a
 * parker waits for something else. */
static void remove_waiters(const struct pi_sync *sync, struct pi_waiters *waiters, unsigned worker)
{
    struct pi_parkers *parkers = &sync->executor->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        if (pi_waiters_has(waiters, sync->serial, i) &&
            pi_load_seq(&parkers->at[i].owner) == worker + 1) /* with pi_parkers_acquire */
            pi_waiters_remove(waiters, sync->serial, i);
}

static void remove_all_waiters(const struct pi_sync *sync, unsigned worker)
{
    remove_waiters(sync, &sync->lock->waiters, worker);
    if (sync->type != PI_SYNC_QUEUE || sync->size < sizeof(struct pi_queue))
        return;
    struct pi_queue *queue = PI_CONTAINER_OF(sync->lock, struct pi_queue, lock);
    remove_waiters(sync, &queue->readers, worker);
    remove_waiters(sync, &queue->writers, worker);
}

/* Sets GONE. True: the block may be freed, as no call is inside a queue. A lock that is held is
 * only a word. */
static bool end_sync(const struct pi_sync *sync)
{
    bool busy = pi_robust_lock_end(sync->lock, sync->serial) == PI_LOCK_BUSY;
    return sync->type != PI_SYNC_QUEUE || !busy;
}

/* The process that set GONE died before it freed the block. */
static bool is_left(const struct pi_sync *sync)
{
    uint64_t word = pi_load_seq(&sync->lock->word); /* with pi_robust_lock_end */
    return pi_stamped(word, sync->serial) && (word & PI_LOCK_GONE) &&
           pi_robust_lock_holder(word) == 0;
}

/* If the compare-and-swap fails, another process has freed the block. */
static void set_owner(const struct pi_sync *sync, uint64_t tag, unsigned owner)
{
    struct pi_block block;
    if (pi_arena_find(&sync->executor->segment.arena, sync->ref, &block))
        (void)pi_cas(block.tag, &tag, pi_tag_with_owner(tag, owner)); /* with find, in sync.c */
}

static void recover(const struct pi_sync *sync, uint64_t tag, unsigned worker, unsigned next)
{
    bool its = pi_tag_owner(tag) == worker, died = next == PI_OWNER_NONE;
    if (pi_robust_lock_recover(sync->lock, worker) && !died) /* pi_recover wakes all in the end */
        pi_sync_wake_all(sync, &sync->lock->waiters);
    remove_all_waiters(sync, worker);
    if ((its && died && end_sync(sync)) || is_left(sync))
        pi_sync_free(sync);
    else if (its && !died)
        set_owner(sync, tag, next);
}

static void recover_all_sync(posse_executor *e, unsigned worker, unsigned next)
{
    uint64_t tag;
    pi_block_ref ref = 0;
    if (pi_load_relaxed(&e->segment.header->sync_serial) == 0) /* relaxed: the worker is dead */
        return;
    while ((ref = pi_arena_next(&e->segment.arena, ref, PI_SPAN_HAS_SYNC, &tag)) != 0) {
        struct pi_sync sync = {.executor = e,
                               .type = (enum pi_sync_type)pi_tag_type(tag),
                               .ref = ref,
                               .serial = pi_tag_serial(tag),
                               .size = pi_block_room(e, ref),
                               .lock = pi_block_bytes(e, ref, sizeof *sync.lock)};
        if (pi_tag_kind(tag) == PI_TAG_SYNC && sync.lock)
            recover(&sync, tag, worker, next);
    }
}

void pi_recover_blocks(posse_executor *e, unsigned worker, unsigned next)
{
    struct pi_arena *arena = &e->segment.arena;
    recover_all_sync(e, worker, next);
    for (uint32_t unit = 0, end = pi_arena_end(arena); unit < end; unit++)
        if (pi_unit_recover(arena, unit, worker, next)) /* some of its units may have no memory */
            pi_units_discard(e, unit, pi_units_of(arena, unit));
}
