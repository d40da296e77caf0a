/* objects.h - what tests of locks and queues share (objects.c). */
#ifndef OBJECTS_H
#define OBJECTS_H

#include "support.h"

/* ---- locks ---- */

/* What tasks work on; in shared memory. */
struct board {
    posse_lock lock;
    long plain; /* guarded by the lock */
    _Atomic int taken, told, failed;
    _Atomic int go_on;
    long rounds;
    _Atomic long who;
};

posse_lock make_lock(posse_executor *pool);     /* asserts */
void end_lock(posse_lock lock);                 /* with its pool; asserts */
struct board *make_board(posse_executor *pool); /* asserts */
void end_board(struct board *board);            /* with its pool; asserts */

struct board *board_of(const void *arg); /* for use in a task whose argument is a board's address */

posse_status call_acquire(void *board); /* without a limit, and releases it */

/* ---- queues ---- */

posse_queue make_queue(posse_executor *pool, size_t capacity, size_t item_size); /* asserts */
void end_queue(posse_queue queue); /* with its pool; asserts */
posse_status put_long(posse_queue queue, long value, long timeout_ms);
posse_status get_long(posse_queue queue, long *value, long timeout_ms);

/* For a caller: takes or brings one item, without a limit. */
posse_status call_get(void *queue);
posse_status call_put(void *queue);

/* Starts callers, and asserts that each comes to sleep. */
void start_parked(struct caller *callers, size_t count, posse_status (*call)(void *),
                  posse_queue *queue);

/* Producers put ITEMS numbers each; consumers count how often each came. */
enum { PRODUCERS = 2, CONSUMERS = 2, ITEMS = 3000 };
struct belt {
    posse_queue queue;
    _Atomic unsigned char came[PRODUCERS * ITEMS];
    _Atomic int next_producer;
    _Atomic long who;
};

struct belt *make_belt(posse_executor *pool, size_t capacity); /* asserts */
void end_belt(struct belt *belt); /* asserts that each item came once; with its pool */
int produce(struct belt *belt);   /* 0, or the status that was not expected */
posse_fn consume_task;            /* struct belt * -> consumes until it is closed */
posse_status call_consume(void *belt);

#endif
