/* Runs in: program, worker.
 *
 * Queues for tasks and the program: a ring of cells of one size behind a lock (lib/queue.c has the
 * public calls).
 *
 * One store of tail puts an item into the queue; one store of head takes it out. So a holder of the
 * lock that dies leaves nothing to repair. No reader may sleep beside an item, and no writer beside
 * room:
 *
 *   process                                 does
 *   any, after any call that looked         if there are items, wakes one reader; if there is room,
 *                                           one writer. A caller that leaves with nothing so passes
 *                                           its own wake on
 *   supervisor, after a worker was reaped   frees the lock and wakes everybody
 *
 * A call that does not hold the lock may find that the queue has ended: its first unit stays memory
 * (KEPT, core/arena.h), and what is in it is stamped. Cells are touched with the lock held only.
 *
 * A task may have overwritten whatever is read here. Sizes are checked before they are used,
 * against the memory that the block has by the tables of this process.
 */
#include "pool/sync_queue.h"
#include "base/container_of.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/error.h"
#include "pool/park.h"

#include <string.h>

_Static_assert(sizeof(struct pi_queue) <= PI_UNIT, "the first unit of a queue is KEPT");

/* Belongs to the holder of the lock; published by tail, given back by head. */
struct cell {
    _Atomic uint64_t size; /* atomic, so that it is read once */
    unsigned char bytes[];
};

static bool sizes(uint64_t capacity, uint64_t item_size, uint64_t *stride, uint64_t *size)
{
    if (__builtin_add_overflow(item_size, sizeof(struct cell) + 7, stride))
        return false;
    *stride &= ~(uint64_t)7;
    return !__builtin_mul_overflow(*stride, capacity, size) &&
           !__builtin_add_overflow(*size, sizeof(struct pi_queue), size);
}

posse_status pi_queue_create(posse_executor *e, uint64_t capacity, uint64_t item_size, uint64_t *id)
{
    uint64_t stride, size;
    struct pi_sync sync;
    if (!sizes(capacity, item_size, &stride, &size) || size > SIZE_MAX)
        return pi_refuse(POSSE_TOO_LARGE, "capacity times item_size is too large");
    posse_status status = pi_sync_acquire(e, PI_SYNC_QUEUE, (size_t)size, &sync);
    if (status != POSSE_OK)
        return status;
    struct pi_queue *queue = PI_CONTAINER_OF(sync.lock, struct pi_queue, lock);
    pi_waiters_init(&queue->readers, sync.serial);
    pi_waiters_init(&queue->writers, sync.serial);
    atomic_init(&queue->capacity, capacity);
    atomic_init(&queue->item_size, item_size);
    atomic_init(&queue->head, 0);
    atomic_init(&queue->tail, 0);
    atomic_init(&queue->closed, 0);
    *id = pi_sync_publish(&sync);
    return POSSE_OK;
}

posse_status pi_queue_find(posse_executor *e, uint64_t id, struct pi_queue_view *view)
{
    uint64_t size;
    posse_status status = pi_sync_find(e, PI_SYNC_QUEUE, id, &view->sync);
    if (status != POSSE_OK)
        return status;
    if (view->sync.size < sizeof *view->queue)
        return POSSE_BROKEN;
    view->queue = PI_CONTAINER_OF(view->sync.lock, struct pi_queue, lock);
    view->capacity = pi_load_relaxed(&view->queue->capacity);   /* relaxed: constant, and */
    view->item_size = pi_load_relaxed(&view->queue->item_size); /* published with the tag */
    bool sound = view->capacity != 0 &&
                 sizes(view->capacity, view->item_size, &view->stride, &size) &&
                 size <= view->sync.size;
    return sound ? POSSE_OK : pi_sync_lost(&view->sync);
}

/* ---- looking ---- */

static uint64_t length(const struct pi_queue_view *view)
{
    uint64_t head = pi_load_seq(&view->queue->head); /* first: tail only grows */
    return pi_load_seq(&view->queue->tail) - head;
}

static bool is_closed(const struct pi_queue_view *view)
{
    return pi_load_seq(&view->queue->closed) != 0; /* with close_it */
}

static const struct pi_queue_view *view_of(const struct pi_condition *condition)
{
    return PI_CONTAINER_OF(condition->sync, const struct pi_queue_view, sync);
}

/* POSSE_TIMEOUT as long as the queue has `items` items. */
static posse_status look(const struct pi_queue_view *view, uint64_t items)
{
    if (pi_robust_lock_is_gone(&view->queue->lock, view->sync.serial))
        return pi_sync_lost(&view->sync);
    return length(view) != items || is_closed(view) ? POSSE_OK : pi_sync_may_wait(&view->sync);
}

static posse_status look_for_item(const struct pi_condition *condition)
{
    return look(view_of(condition), 0);
}

static posse_status look_for_room(const struct pi_condition *condition)
{
    return look(view_of(condition), view_of(condition)->capacity);
}

/* Wakes one reader and one writer, if they could go on. */
static void wake_next(const struct pi_queue_view *view)
{
    uint64_t items = length(view);
    if (items != 0)
        (void)pi_sync_wake_one(&view->sync, &view->queue->readers);
    if (items < view->capacity)
        (void)pi_sync_wake_one(&view->sync, &view->queue->writers);
}

/* ---- one item ---- */

static struct cell *cell_at(const struct pi_queue_view *view, uint64_t position)
{
    unsigned char *cells = (unsigned char *)(view->queue + 1);
    return (struct cell *)(void *)(cells + position % view->capacity * view->stride);
}

/* A step of the holder of the lock. POSSE_TIMEOUT: it cannot be done now. */
typedef posse_status step_fn(const struct pi_queue_view *view, struct pi_queue_item *item);

static posse_status put(const struct pi_queue_view *view, struct pi_queue_item *item)
{
    struct pi_queue *queue = view->queue;
    uint64_t tail = pi_load_relaxed(&queue->tail); /* relaxed: under the lock */
    uint64_t items = length(view);
    if (is_closed(view))
        return POSSE_CLOSED;
    if (items >= view->capacity)
        return items == view->capacity ? POSSE_TIMEOUT : POSSE_BROKEN;
    struct cell *cell = cell_at(view, tail);
    pi_store_relaxed(&cell->size, item->size); /* relaxed: published with the tail */
    if (item->size)
        memcpy(cell->bytes, item->bytes, item->size);
    pi_store_seq(&queue->tail, tail + 1); /* the item is in */
    return POSSE_OK;
}

static posse_status get(const struct pi_queue_view *view, struct pi_queue_item *item)
{
    struct pi_queue *queue = view->queue;
    uint64_t head = pi_load_relaxed(&queue->head); /* relaxed: under the lock */
    uint64_t items = length(view);
    if (items == 0)
        return is_closed(view) ? POSSE_CLOSED : POSSE_TIMEOUT;
    struct cell *cell = cell_at(view, head);
    uint64_t size = pi_load_relaxed(&cell->size); /* relaxed: under the lock */
    if (items > view->capacity || size > view->item_size)
        return POSSE_BROKEN;
    item->size = (size_t)size;
    if (size > item->capacity)
        return pi_refuse(POSSE_TOO_LARGE, "the item is larger than capacity");
    if (size)
        memcpy(item->bytes, cell->bytes, item->size);
    pi_store_seq(&queue->head, head + 1); /* the item is out */
    return POSSE_OK;
}

static void wake_all(const struct pi_queue_view *view)
{
    pi_sync_wake_all(&view->sync, &view->queue->readers);
    pi_sync_wake_all(&view->sync, &view->queue->writers);
}

static posse_status close_it(const struct pi_queue_view *view, struct pi_queue_item *item)
{
    (void)item;
    pi_store_seq(&view->queue->closed, 1); /* before the look at the waiters */
    wake_all(view);
    return POSSE_OK;
}

static posse_status end_it(const struct pi_queue_view *view, struct pi_queue_item *item)
{
    (void)item;
    (void)pi_robust_lock_end(&view->queue->lock, view->sync.serial); /* the unlock frees it */
    pi_sync_wake_all(&view->sync, &view->queue->lock.waiters);
    wake_all(view);
    return POSSE_OK;
}

/* ---- calls ---- */

/* Calls hold the lock for one step only, unless the holder is stopped. One that has died with the
 * lock has left nothing to repair. */
static posse_status do_step(const struct pi_queue_view *view, step_fn *step,
                            struct pi_queue_item *item, uint64_t until)
{
    posse_status status = pi_sync_lock(&view->sync, 0);
    if (status == POSSE_TIMEOUT) {
        uint64_t soonest = pi_os_now() + PI_QUEUE_PATIENCE_NS;
        status = pi_sync_lock(&view->sync, until > soonest ? until : soonest);
    }
    if (status == POSSE_DEADLOCK) /* this thread is not inside: a task has overwritten the lock */
        return POSSE_BROKEN;
    if (status != POSSE_OK && status != POSSE_OWNER_DIED)
        return status;
    status = step(view, item);
    (void)pi_sync_unlock(&view->sync);
    return status;
}

/* Does a step as soon as it can be done. */
static posse_status transfer(const struct pi_queue_view *view, step_fn *step,
                             struct pi_queue_item *item, uint64_t until)
{
    bool puts = step == put;
    struct pi_condition condition = {&view->sync,
                                     puts ? &view->queue->writers : &view->queue->readers,
                                     puts ? look_for_room : look_for_item};
    pi_call_enter(view->sync.executor);
    posse_status status = do_step(view, step, item, until);
    while (status == POSSE_TIMEOUT && until != 0 && pi_os_now() < until) {
        status = pi_await_condition(&condition, until);
        if (status == POSSE_OK)
            status = do_step(view, step, item, until);
    }
    if (status != POSSE_INVALID) /* else its memory may be gone */
        wake_next(view);
    pi_call_exit(view->sync.executor);
    return status;
}

posse_status pi_queue_put(const struct pi_queue_view *view, struct pi_queue_item *item,
                          uint64_t until)
{
    return transfer(view, put, item, until);
}

posse_status pi_queue_get(const struct pi_queue_view *view, struct pi_queue_item *item,
                          uint64_t until)
{
    return transfer(view, get, item, until);
}

static posse_status finish(const struct pi_queue_view *view, step_fn *step)
{
    pi_call_enter(view->sync.executor);
    posse_status status = do_step(view, step, NULL, pi_os_now() + PI_QUEUE_FINISH_NS);
    pi_call_exit(view->sync.executor);
    return status;
}

posse_status pi_queue_close(const struct pi_queue_view *view) { return finish(view, close_it); }

posse_status pi_queue_end(const struct pi_queue_view *view) { return finish(view, end_it); }

uint64_t pi_queue_length(const struct pi_queue_view *view)
{
    uint64_t items = length(view);
    return items < view->capacity ? items : view->capacity;
}
