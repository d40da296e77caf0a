/* What is repaired in locks and queues when a worker was reaped. Everybody else goes on meanwhile,
 * so every repair is a compare-and-swap like any other.
 *
 *   a worker has died ...                            left behind           repair
 *   before its sync was published                  HELD(w)               FREE, as any block
 *   and its sync is there                          OBJECT(w)             lock GONE, then FREE
 *   ... while another one is inside its queue        HELD(h) and GONE      h frees it
 *   holding a lock                                   HELD(w)               FREE, DIED
 *   waiting, or before the post of a wake that it    its bit; a sleeper    cleared; all are woken
 *   had claimed
 *   after GONE, before it freed the block            GONE                  FREE
 *
 * A worker that has left by itself may have left locks too; its objects live on, as the program's.
 * The model is tests/model/lock.pml, without the end of objects.
 */
#include "pool/block.h"
#include "pool/pool.h"
#include "pool/sync.h"

/* The waiters of the dead get no wakes any more. */
static void forget_waiters(const struct pi_sync *sync, struct pi_waiters *waiters, unsigned worker)
{
    struct pi_parkers *parkers = &sync->executor->segment.parkers;
    uint32_t count = pi_parkers_count(parkers);
    for (uint32_t i = 0; i < count; i++)
        if (pi_waiters_has(waiters, sync->serial, i) &&
            pi_load_seq(&parkers->at[i].owner) == worker + 1)
            pi_waiters_remove(waiters, sync->serial, i);
}

static void forget_all_waiters(const struct pi_sync *sync, unsigned worker)
{
    forget_waiters(sync, &sync->lock->waiters, worker);
    if (sync->type != PI_SYNC_QUEUE || sync->size < sizeof(struct pi_queue))
        return;
    struct pi_queue *queue = (struct pi_queue *)sync->lock;
    forget_waiters(sync, &queue->readers, worker);
    forget_waiters(sync, &queue->writers, worker);
}

/* The maker died. True: nobody is inside, so it may be freed. Who only holds a lock is not. */
static bool end_object(const struct pi_sync *sync)
{
    bool busy = pi_robust_lock_end(sync->lock, sync->serial) == PI_LOCK_BUSY;
    return sync->type != PI_SYNC_QUEUE || !busy;
}

/* Whoever ended it died before it was freed. */
static bool is_left(const struct pi_sync *sync)
{
    uint64_t word = pi_load_seq(&sync->lock->word);
    return pi_stamped(word, sync->serial) && (word & PI_LOCK_GONE) &&
           pi_robust_lock_holder(word) == 0;
}

/* Its maker has left by itself. If it fails it was freed. */
static void bequeath(const struct pi_sync *sync, uint64_t tag)
{
    struct pi_block block;
    if (pi_arena_find(&sync->executor->segment.arena, sync->ref, &block))
        (void)pi_cas(block.tag, &tag, pi_tag_with_owner(tag, PI_OWNER_PROGRAM));
}

static void recover_object(const struct pi_sync *sync, uint64_t tag, unsigned worker, bool died)
{
    bool its = pi_tag_owner(tag) == worker;
    if (pi_robust_lock_recover(sync->lock, worker) && !died)
        pi_sync_wake_all(sync, &sync->lock->waiters);
    forget_all_waiters(sync, worker);
    if ((its && died && end_object(sync)) || is_left(sync))
        pi_sync_free(sync);
    else if (its && !died)
        bequeath(sync, tag);
}

void pi_recover_sync(posse_executor *e, unsigned worker, bool died)
{
    uint64_t tag;
    pi_block_ref ref = 0;
    if (pi_load_relaxed(&e->segment.header->sync_serial) ==
        0) /* relaxed: the dead counted before */
        return;
    while ((ref = pi_arena_next_sync(&e->segment.arena, ref, &tag)) != 0) {
        struct pi_sync sync = {.executor = e,
                               .type = (enum pi_sync_type)pi_tag_type(tag),
                               .ref = ref,
                               .serial = pi_tag_serial(tag)};
        sync.size = pi_block_room(e, ref);
        sync.lock = pi_block_bytes(e, ref, sizeof *sync.lock);
        if (pi_tag_kind(tag) == PI_TAG_SYNC && sync.lock)
            recover_object(&sync, tag, worker, died);
    }
}
