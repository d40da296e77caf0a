/* Queues for tasks and the program: a ring of cells of one size behind a lock.
 *
 * An item is in the queue, or out of it, by one store of tail or head. So whoever dies holding the
 * lock leaves nothing to repair: before that store the item is not put, or not taken; after it, it
 * is. What is left to see to is that nobody sleeps beside an item, or beside room:
 *
 *   who                                     does
 *   anyone, after any call that looked      if there are items, wakes one reader; if there is room,
 *                                           one writer: more than one may be there, or a wake of
 *                                           its own is handed on as it leaves with nothing
 *   supervisor, after a worker was reaped   frees the lock and wakes everybody
 *
 * A call that does not hold the lock any more, or not yet, may find that the queue is gone: its
 * head stays memory (KEPT, core/arena.h), and what is in it is stamped. The cells are touched with
 * the lock held only.
 *
 * Whatever is read here a task may have scribbled on: sizes are checked, before they are used,
 * against the memory that the block has, which is never more than its class says in private memory.
 */
#include "internal.h"
#include "os/clock.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/sync.h"

#include <string.h>

_Static_assert(sizeof(struct pi_queue) <= PI_UNIT, "the first unit of a queue is KEPT");

/* How long a call waits for others that are inside, beyond its own time: they may be stopped. */
#define PATIENCE_NS 1000000000u
/* The same for calls without a time of their own. */
#define FINISH_NS 5000000000u

/* By whoever holds the lock; published by tail, given back by head. */
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
        return pi_refuse(POSSE_TOO_LARGE, "capacity times item_size is too much");
    status = pi_sync_acquire(e, PI_SYNC_QUEUE, (size_t)size, &sync);
    if (status != POSSE_OK)
        return status;
    struct pi_queue *queue = (struct pi_queue *)sync.lock;
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
        return pi_refuse(POSSE_INVALID, "the queue is empty: it has no executor");
    posse_status status = pi_check(handle.executor);
    if (status == POSSE_OK)
        status = pi_sync_find(handle.executor, PI_SYNC_QUEUE, handle.id, &view->sync);
    if (status != POSSE_OK)
        return status;
    if (view->sync.size < sizeof *view->queue)
        return POSSE_BROKEN;
    view->queue = (struct pi_queue *)view->sync.lock;
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

static bool is_closed(const struct view *view) { return pi_load_seq(&view->queue->closed) != 0; }

/* The view whose sync the event is for. */
static const struct view *view_of(const struct pi_condition *event)
{
    return (const struct view *)event->sync; /* its first member */
}

static posse_status look(const struct view *view, uint64_t unless_items)
{
    if (pi_robust_lock_is_gone(&view->queue->lock, view->sync.serial))
        return pi_sync_lost(&view->sync);
    if (length(view) != unless_items || is_closed(view))
        return POSSE_OK;
    return pi_sync_wait(&view->sync);
}

static posse_status look_for_item(const struct pi_condition *event)
{
    return look(view_of(event), 0);
}

static posse_status look_for_room(const struct pi_condition *event)
{
    return look(view_of(event), view_of(event)->capacity);
}

/* Wakes one of those who could go on. */
static void tell(const struct view *view)
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

/* The steps below are taken with the lock held. POSSE_TIMEOUT: it cannot be done now. */
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
    pi_store_seq(&view->queue->closed, 1);
    wake_all(view);
    return POSSE_OK;
}

static posse_status end_it(const struct view *view, struct item *item)
{
    (void)item;
    (void)pi_robust_lock_end(&view->queue->lock, view->sync.serial); /* freed when we leave */
    pi_sync_wake_all(&view->sync, &view->queue->lock.waiters);
    wake_all(view);
    return POSSE_OK;
}

/* ---- calls ---- */

/* Takes the lock, which is never held for long, unless its holder was stopped. */
static posse_status enter(const struct view *view, uint64_t until)
{
    posse_status status = pi_sync_lock(&view->sync, 0);
    if (status == POSSE_TIMEOUT) {
        uint64_t least = pi_os_now() + PATIENCE_NS;
        status = pi_sync_lock(&view->sync, until > least ? until : least);
    }
    if (status == POSSE_OWNER_DIED) /* it left nothing to repair */
        return POSSE_OK;
    return status == POSSE_DEADLOCK ? POSSE_BROKEN : status; /* we are not inside */
}

static posse_status do_step(const struct view *view, step_fn *step, struct item *item,
                            uint64_t until)
{
    posse_status status = enter(view, until);
    if (status != POSSE_OK)
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
    struct pi_condition event = {&view->sync, puts ? &view->queue->writers : &view->queue->readers,
                                 puts ? look_for_room : look_for_item};
    pi_call_enter(view->sync.executor);
    posse_status status = do_step(view, step, item, until);
    while (status == POSSE_TIMEOUT && until != 0 && pi_os_now() < until) {
        status = pi_await_condition(&event, until);
        if (status == POSSE_OK)
            status = do_step(view, step, item, until);
    }
    if (status != POSSE_INVALID) /* then there is none to tell of */
        tell(view);
    pi_call_exit(view->sync.executor);
    return status;
}

posse_status posse_queue_put(posse_queue handle, const void *data, size_t size, long timeout_ms)
{
    struct view view;
    posse_status status = find(handle, &view);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (!data && size > 0)
        return pi_refuse(POSSE_INVALID, "data is NULL, but size is not 0");
    if (size > view.item_size)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the item_size of the queue");
    struct item item = {.bytes = (void *)(uintptr_t)data, .size = size}; /* only read */
    return transfer(&view, put, &item, pi_until(timeout_ms));
}

posse_status posse_queue_get(posse_queue handle, void *buffer, size_t capacity, size_t *size,
                             long timeout_ms)
{
    struct view view;
    if (size)
        *size = 0;
    posse_status status = find(handle, &view);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (!buffer && capacity > 0)
        return pi_refuse(POSSE_INVALID, "buffer is NULL, but capacity is not 0");
    struct item item = {.bytes = buffer, .capacity = capacity};
    status = transfer(&view, get, &item, pi_until(timeout_ms));
    if (size && (status == POSSE_OK || status == POSSE_TOO_LARGE))
        *size = item.size;
    return status;
}

static posse_status finish(posse_queue handle, step_fn *step)
{
    struct view view;
    posse_status status = find(handle, &view);
    if (status != POSSE_OK)
        return status;
    pi_call_enter(handle.executor);
    status = do_step(&view, step, NULL, pi_os_now() + FINISH_NS);
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
