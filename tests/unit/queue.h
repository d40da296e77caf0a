/* queue.h - a ring in private memory, and its cells written by hand. */
#ifndef UNIT_QUEUE_H
#define UNIT_QUEUE_H

#include "support/support.h"

#include "core/ring.h"

#include <stdlib.h>
#include <string.h>

#define MARK_ENTRY 0xfffffeu /* with it a cell reads as the mark UP */
#define DOWN_ENTRY 0xfffffdu

struct queue {
    struct pi_ring ring;
    struct pi_ring_shared *shared;
    _Atomic uint64_t *cells;
    size_t count;
};

static inline void set_backed(struct queue *queue, uint32_t rings)
{
    atomic_store(&queue->shared->backed, pi_monotonic_word(rings));
}

/* All rings have memory, but only the first `backed` are said to. */
static inline struct queue make_queue(uint32_t rings, uint32_t backed)
{
    struct queue queue = {.count = pi_ring_start(rings)};
    queue.shared = aligned_alloc(128, sizeof *queue.shared);
    queue.cells = calloc(queue.count, sizeof *queue.cells);
    assert_non_null(queue.shared);
    assert_non_null(queue.cells);
    memset((void *)queue.shared, 0, sizeof *queue.shared);
    pi_ring_init(&queue.ring, queue.shared, queue.cells, rings);
    set_backed(&queue, backed);
    return queue;
}

static inline void free_queue(struct queue *queue)
{
    free(queue->shared);
    free(queue->cells);
}

/* As a process that has entered nothing yet: it searches for the end. See ring_last.c. */
static inline enum pi_push push(struct queue *queue, uint32_t slot)
{
    atomic_store(&queue->ring.last, 0);
    return pi_ring_push(&queue->ring, slot, 0);
}

static inline uint32_t pop(struct queue *queue)
{
    uint64_t position;
    uint32_t slot = pi_ring_peek(&queue->ring, &position);
    if (slot != PI_NO_INDEX)
        pi_ring_advance(&queue->ring, position);
    return slot;
}

/* The cell that a producer puts for an entry. */
static inline uint64_t cell_for(uint64_t position, uint32_t slot)
{
    return position << 24 | (slot + 1);
}

/* Puts an entry into ring 0 as a producer does that dies before it moves the tail. */
static inline void push_and_die(struct queue *queue, uint64_t position, uint32_t slot)
{
    atomic_store(&queue->cells[position % PI_RING_CELLS], cell_for(position, slot));
}

/* Pushes; a ring that is missing gets its memory. */
static inline enum pi_push push_growing(struct queue *queue, uint32_t slot)
{
    enum pi_push pushed;
    while ((pushed = push(queue, slot)) == PI_PUSH_NO_CELL) {
        struct pi_ring_backing backed = pi_ring_backed(&queue->ring);
        if (backed.rings >= queue->ring.rings)
            return pushed;
        (void)pi_ring_raise(&queue->ring, &backed);
    }
    return pushed;
}

/* Gives the memory of the rings behind the first back, if nobody uses them: the cells are zero. */
static inline bool give_back(struct queue *queue)
{
    uint32_t rings = pi_ring_leave(&queue->ring);
    for (uint64_t i = pi_ring_start(1); rings > 0 && i < pi_ring_start(rings); i++)
        atomic_store_explicit(&queue->cells[i], 0, memory_order_relaxed);
    pi_ring_left(&queue->ring);
    return rings > 0;
}

/* Asserts that the slots from `from` to before `to` go in or come out. */
#define assert_pushed(queue, from, to) require_pushed(queue, from, to, __FILE__, __LINE__)
static inline void require_pushed(struct queue *queue, uint32_t from, uint32_t to, const char *file,
                                  int line)
{
    for (uint32_t slot = from; slot < to; slot++)
        _assert_int_equal(push(queue, slot), PI_PUSHED, file, line);
}

#define assert_pushed_growing(queue, from, to)                                                     \
    require_pushed_growing(queue, from, to, __FILE__, __LINE__)
static inline void require_pushed_growing(struct queue *queue, uint32_t from, uint32_t to,
                                          const char *file, int line)
{
    for (uint32_t slot = from; slot < to; slot++)
        _assert_int_equal(push_growing(queue, slot), PI_PUSHED, file, line);
}

#define assert_popped(queue, from, to) require_popped(queue, from, to, __FILE__, __LINE__)
static inline void require_popped(struct queue *queue, uint32_t from, uint32_t to, const char *file,
                                  int line)
{
    for (uint32_t slot = from; slot < to; slot++)
        _assert_int_equal(pop(queue), slot, file, line);
}

#define assert_empty(queue) assert_int_equal(pop(queue), PI_NO_INDEX)

#endif
