/* sync_queue.h - queues for tasks and the program. */
#pragma once

#include "pool/sync.h"

/* A queue as a call sees it; its sizes are checked. */
struct pi_queue_view {
    struct pi_sync sync;
    struct pi_queue *queue;
    uint64_t capacity, item_size;
    uint64_t stride; /* from one cell to the next, in bytes */
};

/* What a call moves. */
struct pi_queue_item {
    void *bytes;     /* from here, or to here */
    size_t size;     /* of the item */
    size_t capacity; /* of the room for it */
};

/* POSSE_NO_MEMORY, POSSE_TOO_LARGE. */
posse_status pi_queue_create(posse_executor *executor, uint64_t capacity, uint64_t item_size,
                             uint64_t *id);
/* POSSE_INVALID, POSSE_BROKEN. */
posse_status pi_queue_find(posse_executor *executor, uint64_t id, struct pi_queue_view *view);
/* Block up to `until`. */
posse_status pi_queue_put(const struct pi_queue_view *view, struct pi_queue_item *item,
                          uint64_t until);
posse_status pi_queue_get(const struct pi_queue_view *view, struct pi_queue_item *item,
                          uint64_t until);
/* No item comes after it; the end of the queue. Block up to five seconds, for a holder of the lock
 * that is stopped. */
posse_status pi_queue_close(const struct pi_queue_view *view);
posse_status pi_queue_end(const struct pi_queue_view *view);
uint64_t pi_queue_length(const struct pi_queue_view *view);
