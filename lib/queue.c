/* Runs in: program, worker.
 *
 * Queues for tasks and the program: a ring of cells of one size behind a lock.
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
#include "internal.h"
#include "base/container_of.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/sync.h"

#include <string.h>

_Static_assert(sizeof(struct pi_queue) <= PI_UNIT, "the first unit of a queue is KEPT");

/* Belongs to the holder of the lock; published by tail, given back by head. */
struct cell {
    _Atomic uint64_t size; /* atomic, so that it is read once */
    unsigned char bytes[];
};

/* A queue as a call sees it: its sizes are checked. */
struct view {
    struct pi_sync sync;
    struct pi_queue *queue;
    uint64_t capacity, item_size, stride;
};

static bool sizes(uint64_t capacity, uint64_t item_size, uint64_t *stride, uint64_t *size)
{
    if (__builtin_add_overflow(item_size, sizeof(struct cell) + 7, stride))
        return false;
    *stride &= ~(uint64_t)7;
    return !__builtin_mul_overflow(*stride, capacity, size) &&
           !__builtin_add_overflow(*size, sizeof(struct pi_queue), size);
}

posse_status posse_queue_create(posse_executor *e, size_t capacity, size_t item_size,
                                posse_queue *handle)
{
    uint64_t stride, size;
    struct pi_sync sync;
    if (!handle)
        return pi_refuse(POSSE_INVALID, "queue is NULL");
    *handle = (posse_queue){.executor = NULL};
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (capacity == 0 || item_size == 0)
        return pi_refuse(POSSE_INVALID, "capacity or item_size is 0");
    if (!sizes(capacity, item_size, &stride, &size) || size > SIZE_MAX)
        return pi_refuse(POSSE_TOO_LARGE, "capacity times item_size is too large");
    status = pi_sync_acquire(e, PI_SYNC_QUEUE, (size_t)size, &sync);
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
    *handle = (posse_queue){e, pi_sync_publish(&sync)};
    return POSSE_OK;
}

static posse_status find(posse_queue handle, struct view *view)
{
    uint64_t size;
    if (!handle.executor)
        return pi_refuse(POSSE_INVALID, "the queue has no executor: it was never created");
    posse_status status = pi_check(handle.executor);
    if (status == POSSE_OK)
        status = pi_sync_find(handle.executor, PI_SYNC_QUEUE, handle.id, &view->sync);
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

static uint64_t length(const struct view *view)
{
    uint64_t head = pi_load_seq(&view->queue->head); /* first: tail only grows */
    return pi_load_seq(&view->queue->tail) - head;
}

static bool is_closed(const struct view *view)
{
    return pi_load_seq(&view->queue->closed) != 0; /* with close_it */
}

static const struct view *view_of(const struct pi_condition *condition)
{
    return PI_CONTAINER_OF(condition->sync, const struct view, sync);
}

/* POSSE_TIMEOUT as long as the queue has `items` items. */
static posse_status look(const struct view *view, uint64_t items)
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
static void wake_next(const struct view *view)
{
    uint64_t items = length(view);
    if (items != 0)
        (void)pi_sync_wake_one(&view->sync, &view->queue->readers);
    if (items < view->capacity)
        (void)pi_sync_wake_one(&view->sync, &view->queue->writers);
}

/* ---- one item ---- */

/* What a call moves. */
struct item {
    void *bytes;     /* from here, or to here */
    size_t size;     /* of the item */
    size_t capacity; /* of the room for it */
};

static struct cell *cell_at(const struct view *view, uint64_t position)
{
    unsigned char *cells = (unsigned char *)(view->queue + 1);
    return (struct cell *)(void *)(cells + position % view->capacity * view->stride);
}

/* A step of the holder of the lock. POSSE_TIMEOUT: it cannot be done now. */
typedef posse_status step_fn(const struct view *view, struct item *item);

static posse_status put(const struct view *view, struct item *item)
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

static posse_status get(const struct view *view, struct item *item)
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

static void wake_all(const struct view *view)
{
    pi_sync_wake_all(&view->sync, &view->queue->readers);
    pi_sync_wake_all(&view->sync, &view->queue->writers);
}

static posse_status close_it(const struct view *view, struct item *item)
{
    (void)item;
    pi_store_seq(&view->queue->closed, 1); /* before the look at the waiters */
    wake_all(view);
    return POSSE_OK;
}

static posse_status end_it(const struct view *view, struct item *item)
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
static posse_status do_step(const struct view *view, step_fn *step, struct item *item,
                            uint64_t until)
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
static posse_status transfer(const struct view *view, step_fn *step, struct item *item,
                             uint64_t until)
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

posse_status posse_queue_put(posse_queue handle, const void *data, size_t size, long timeout_ms)
{
    struct view view;
    struct item item = {.bytes = (void *)(uintptr_t)data, .size = size}; /* only read */
    posse_status status = find(handle, &view);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (!data && size > 0)
        return pi_refuse(POSSE_INVALID, "data is NULL, but size is not 0");
    if (size > view.item_size)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the item_size of the queue");
    return transfer(&view, put, &item, pi_until(timeout_ms));
}

posse_status posse_queue_get(posse_queue handle, void *buffer, size_t capacity, size_t *size,
                             long timeout_ms)
{
    struct view view;
    struct item item = {.bytes = buffer, .capacity = capacity};
    posse_status status = find(handle, &view);
    if (status == POSSE_OK && timeout_ms < -1)
        status = pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    else if (status == POSSE_OK && !buffer && capacity > 0)
        status = pi_refuse(POSSE_INVALID, "buffer is NULL, but capacity is not 0");
    else if (status == POSSE_OK)
        status = transfer(&view, get, &item, pi_until(timeout_ms));
    if (size)
        *size = status == POSSE_OK || status == POSSE_TOO_LARGE ? item.size : 0;
    return status;
}

static posse_status finish(posse_queue handle, step_fn *step)
{
    struct view view;
    posse_status status = find(handle, &view);
    if (status != POSSE_OK)
        return status;
    pi_call_enter(handle.executor);
    status = do_step(&view, step, NULL, pi_os_now() + PI_QUEUE_FINISH_NS);
    pi_call_exit(handle.executor);
    return status;
}

posse_status posse_queue_close(posse_queue handle) { return finish(handle, close_it); }

size_t posse_queue_length(posse_queue handle)
{
    struct view view;
    if (find(handle, &view) != POSSE_OK)
        return 0;
    uint64_t items = length(&view);
    return (size_t)(items < view.capacity ? items : view.capacity);
}

posse_status posse_queue_destroy(posse_queue handle) { return finish(handle, end_it); }
