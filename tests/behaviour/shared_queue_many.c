/* shared_queue_many.c - shared queues with several who put, take and wait. */
#include "support/objects.h"

TEST(close_wakes_readers, ALL)
{
    look_never();
    posse_queue queue = make_queue(make_pool(1), 2, sizeof(long));
    struct caller readers[4];
    start_parked(readers, COUNT(readers), call_get, &queue);
    assert_ok(posse_queue_close(queue));
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_status(end_call(&readers[i]), POSSE_CLOSED);
    end_queue(queue);
}

TEST(close_wakes_writers, ALL)
{
    look_never();
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller writers[4];
    assert_ok(put_long(queue, 1, 0));
    start_parked(writers, COUNT(writers), call_put, &queue);
    assert_ok(posse_queue_close(queue));
    for (size_t i = 0; i < COUNT(writers); i++)
        assert_status(end_call(&writers[i]), POSSE_CLOSED);
    assert_int_equal(posse_queue_length(queue), 1);
    end_queue(queue);
}

TEST(destroyed_while_somebody_waits, ALL)
{
    look_never();
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller readers[3];
    start_parked(readers, COUNT(readers), call_get, &queue);
    assert_ok(posse_queue_destroy(queue));
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_status(end_call(&readers[i]), POSSE_INVALID);
    end_pool(queue.executor);
}

TEST(executor_destroyed_while_somebody_waits, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller reader;
    struct caller destroyer;
    start_parked(&reader, 1, call_get, &queue);
    start_call(&destroyer, call_destroy, queue.executor);
    assert_status(end_call(&reader), POSSE_SHUT_DOWN);
    assert_ok(end_call(&destroyer));
}

TEST(one_item_wakes_one_reader, ALL)
{
    look_never();
    posse_queue queue = make_queue(make_pool(1), 10, sizeof(long));
    struct caller readers[5];
    start_parked(readers, COUNT(readers), call_get, &queue);
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_ok(put_long(queue, 1, 0));
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_ok(end_call(&readers[i]));
    end_queue(queue);
}

/* Readers give up all the time: none of them takes a wake with it. */
static posse_status call_get_briefly(void *queue)
{
    long value;
    posse_status status;
    do {
        status = get_long(*(posse_queue *)queue, &value, 1);
    } while (status == POSSE_OK || status == POSSE_TIMEOUT);
    return status;
}

TEST(impatient_readers, ALL)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller readers[4];
    for (size_t i = 0; i < COUNT(readers); i++)
        start_call(&readers[i], call_get_briefly, &queue);
    for (long i = 0; i < 2000; i++)
        assert_ok(put_long(queue, i, -1));
    assert_ok(posse_queue_close(queue));
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_status(end_call(&readers[i]), POSSE_CLOSED);
    end_queue(queue);
}

static int produce_task(posse_task *task, const void *arg, size_t size)
{
    return produce(*(struct belt *const *)arg);
}

static void every_item_once(size_t capacity)
{
    posse_executor *pool = make_pool(PRODUCERS + CONSUMERS);
    struct belt *belt = make_belt(pool, capacity);
    struct caller caller;
    posse_future consumers[CONSUMERS];
    posse_future producers[PRODUCERS];
    start_call(&caller, call_consume, belt);
    for (int i = 0; i < CONSUMERS; i++)
        consumers[i] = SUBMIT_VALUE(pool, consume_task, belt);
    for (int i = 0; i < PRODUCERS; i++)
        producers[i] = SUBMIT_VALUE(pool, produce_task, belt);
    for (int i = 0; i < PRODUCERS; i++)
        take_error(producers[i], POSSE_OK);
    assert_ok(posse_queue_close(belt->queue));
    for (int i = 0; i < CONSUMERS; i++)
        take_error(consumers[i], POSSE_OK);
    assert_ok(end_call(&caller));
    end_belt(belt);
}

TEST(through_a_queue_of_one, PARALLEL) { every_item_once(1); }

TEST(through_a_queue_of_two, PARALLEL) { every_item_once(2); }

TEST(through_a_queue_of_many, PARALLEL) { every_item_once(100); }
