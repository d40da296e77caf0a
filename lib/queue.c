/* Runs in: program, worker. Queues for tasks and the program; how they work: pool/sync_queue.c. */
#include "internal.h"
#include "pool/sync_queue.h"

posse_status posse_queue_create(posse_executor *e, size_t capacity, size_t item_size,
                                posse_queue *queue)
{
    uint64_t id;
    if (!queue)
        return pi_refuse(POSSE_INVALID, "queue is NULL");
    *queue = (posse_queue){.executor = NULL};
    posse_status status = pi_check(e);
    if (status == POSSE_OK && (capacity == 0 || item_size == 0))
        status = pi_refuse(POSSE_INVALID, "capacity or item_size is 0");
    if (status == POSSE_OK)
        status = pi_check_shared(e);
    if (status == POSSE_OK)
        status = pi_queue_create(e, capacity, item_size, &id);
    if (status == POSSE_OK)
        *queue = (posse_queue){e, id};
    return status;
}

static posse_status find(posse_queue queue, struct pi_queue_view *view)
{
    if (!queue.executor)
        return pi_refuse(POSSE_INVALID, "the queue has no executor: it was never created");
    posse_status status = pi_check(queue.executor);
    return status == POSSE_OK ? pi_queue_find(queue.executor, queue.id, view) : status;
}

posse_status posse_queue_put(posse_queue queue, const void *data, size_t size, long timeout_ms)
{
    struct pi_queue_view view;
    struct pi_queue_item item = {.bytes = (void *)(uintptr_t)data, .size = size}; /* only read */
    posse_status status = find(queue, &view);
    if (status != POSSE_OK)
        return status;
    if (timeout_ms < -1)
        return pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    if (!data && size > 0)
        return pi_refuse(POSSE_INVALID, "data is NULL, but size is not 0");
    if (size > view.item_size)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the item_size of the queue");
    return pi_queue_put(&view, &item, pi_until(timeout_ms));
}

posse_status posse_queue_get(posse_queue queue, void *buffer, size_t capacity, size_t *size,
                             long timeout_ms)
{
    struct pi_queue_view view;
    struct pi_queue_item item = {.bytes = buffer, .capacity = capacity};
    posse_status status = find(queue, &view);
    if (status == POSSE_OK && timeout_ms < -1)
        status = pi_refuse(POSSE_INVALID, PI_WRONG_TIMEOUT);
    else if (status == POSSE_OK && !buffer && capacity > 0)
        status = pi_refuse(POSSE_INVALID, "buffer is NULL, but capacity is not 0");
    else if (status == POSSE_OK)
        status = pi_queue_get(&view, &item, pi_until(timeout_ms));
    if (size)
        *size = status == POSSE_OK || status == POSSE_TOO_LARGE ? item.size : 0;
    return status;
}

posse_status posse_queue_close(posse_queue queue)
{
    struct pi_queue_view view;
    posse_status status = find(queue, &view);
    return status == POSSE_OK ? pi_queue_close(&view) : status;
}

size_t posse_queue_length(posse_queue queue)
{
    struct pi_queue_view view;
    return find(queue, &view) == POSSE_OK ? (size_t)pi_queue_length(&view) : 0;
}

posse_status posse_queue_destroy(posse_queue queue)
{
    struct pi_queue_view view;
    posse_status status = find(queue, &view);
    return status == POSSE_OK ? pi_queue_end(&view) : status;
}
