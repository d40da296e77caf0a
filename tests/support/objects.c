/* objects.c - locks and queues that tasks and the program share. */
#include "objects.h"

#include <string.h>

/* ---- locks ---- */

posse_lock make_lock(posse_executor *pool)
{
    posse_lock lock = {0};
    assert_ok(posse_lock_create(pool, &lock));
    return lock;
}

void end_lock(posse_lock lock)
{
    posse_executor *pool = lock.executor;
    assert_ok(posse_lock_destroy(lock));
    end_pool(pool);
}

struct board *make_board(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct board), &memory));
    struct board *board = memory;
    memset(board, 0, sizeof *board);
    board->lock = make_lock(pool);
    return board;
}

void end_board(struct board *board)
{
    posse_executor *pool = board->lock.executor;
    assert_ok(posse_lock_destroy(board->lock));
    assert_ok(posse_free(pool, board));
    end_pool(pool);
}

struct board *board_of(const void *arg) { return *(struct board *const *)arg; }

posse_status call_acquire(void *board)
{
    posse_status status = posse_lock_acquire(((struct board *)board)->lock, -1);
    if (status == POSSE_OK || status == POSSE_OWNER_DIED)
        posse_lock_release(((struct board *)board)->lock);
    return status;
}

/* ---- queues ---- */

posse_queue make_queue(posse_executor *pool, size_t capacity, size_t item_size)
{
    posse_queue queue = {0};
    assert_ok(posse_queue_create(pool, capacity, item_size, &queue));
    return queue;
}

void end_queue(posse_queue queue)
{
    posse_executor *pool = queue.executor;
    assert_ok(posse_queue_destroy(queue));
    end_pool(pool);
}

posse_status put_long(posse_queue queue, long value, long timeout_ms)
{
    return posse_queue_put(queue, &value, sizeof value, timeout_ms);
}

posse_status get_long(posse_queue queue, long *value, long timeout_ms)
{
    return posse_queue_get(queue, value, sizeof *value, NULL, timeout_ms);
}

posse_status call_get(void *queue)
{
    long value;
    return get_long(*(posse_queue *)queue, &value, -1);
}

posse_status call_put(void *queue) { return put_long(*(posse_queue *)queue, 1, -1); }

void start_parked(struct caller *callers, size_t count, posse_status (*call)(void *),
                  posse_queue *queue)
{
    for (size_t i = 0; i < count; i++) {
        start_call(&callers[i], call, queue);
        await_parked(&callers[i]);
    }
}

int produce(struct belt *belt)
{
    long first = atomic_fetch_add(&belt->next_producer, 1) * (long)ITEMS;
    for (long i = 0; i < ITEMS; i++) {
        posse_status status = put_long(belt->queue, first + i, -1);
        if (status != POSSE_OK)
            return (int)status;
    }
    return 0;
}

static int consume(struct belt *belt)
{
    long value;
    posse_status status;
    while ((status = get_long(belt->queue, &value, -1)) == POSSE_OK)
        atomic_fetch_add(&belt->came[value], 1);
    return status == POSSE_CLOSED ? 0 : (int)status;
}

int consume_task(posse_task *task, const void *arg, size_t size)
{
    struct belt *belt = *(struct belt *const *)arg;
    atomic_store(&belt->who, identity());
    return consume(belt);
}

posse_status call_consume(void *belt) { return (posse_status)consume(belt); }

struct belt *make_belt(posse_executor *pool, size_t capacity)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct belt), &memory));
    struct belt *belt = memory;
    memset(memory, 0, sizeof *belt);
    belt->queue = make_queue(pool, capacity, sizeof(long));
    return belt;
}

void end_belt(struct belt *belt)
{
    posse_executor *pool = belt->queue.executor;
    for (size_t i = 0; i < COUNT(belt->came); i++)
        if (belt->came[i] != 1)
            fail_msg("item %zu came %d times", i, belt->came[i]);
    assert_ok(posse_queue_destroy(belt->queue));
    assert_ok(posse_free(pool, belt));
    end_pool(pool);
}
