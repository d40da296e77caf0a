/* shared_queue_deaths.c - what becomes of a shared queue when tasks that made it, use it or wait at
 * it die, or write over it. */
#include "pool/sync.h" /* the insides: where to scribble */
#include "support/objects.h"

#include <signal.h>
#include <string.h>

/* A reader dies in its sleep; the items are the others'. */
TEST(sleeping_reader_killed, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    struct caller caller;
    posse_future future = SUBMIT_VALUE(pool, consume_task, belt);
    assert_eventually(atomic_load(&belt->who) != 0);
    await_asleep(atomic_load(&belt->who));
    start_call(&caller, call_consume, belt);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)atomic_load(&belt->who), SIGKILL), 0);
    take_error(future, POSSE_WORKER_LOST);
    for (int i = 0; i < PRODUCERS; i++)
        assert_int_equal(produce(belt), 0);
    assert_ok(posse_queue_close(belt->queue));
    assert_ok(end_call(&caller));
    end_belt(belt);
}

/* A reader was woken, and dies before it can act on it: it was stopped. */
TEST(woken_reader_killed, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    struct caller caller;
    posse_future future = SUBMIT_VALUE(pool, consume_task, belt);
    assert_eventually(atomic_load(&belt->who) != 0);
    await_asleep(atomic_load(&belt->who));
    pid_t reader = (pid_t)atomic_load(&belt->who);
    assert_int_equal(kill(reader, SIGSTOP), 0);
    start_call(&caller, call_get, &belt->queue);
    await_parked(&caller);
    assert_ok(put_long(belt->queue, 1, 0)); /* it may be the one that is woken */
    assert_int_equal(kill(reader, SIGKILL), 0);
    take_error(future, POSSE_WORKER_LOST);
    assert_ok(end_call(&caller));
    assert_int_equal(posse_queue_length(belt->queue), 0);
    memset((void *)belt->came, 1, sizeof belt->came);
    end_belt(belt);
}

static int make_task(posse_task *task, const void *arg, size_t size)
{
    struct belt *belt = *(struct belt *const *)arg;
    atomic_store(&belt->who, identity());
    return (int)posse_queue_create(posse_task_executor(task), 2, sizeof(long), &belt->queue);
}

TEST(made_by_a_task_that_dies, PROCESSES)
{
    look_never();
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    posse_queue own = belt->queue;
    struct caller readers[3];
    take_error(SUBMIT_VALUE(pool, make_task, belt), POSSE_OK);
    posse_queue made = belt->queue;
    start_parked(readers, COUNT(readers), call_get, &made);
    assert_int_equal(kill((pid_t)atomic_load(&belt->who), SIGKILL), 0);
    for (size_t i = 0; i < COUNT(readers); i++)
        assert_status(end_call(&readers[i]), POSSE_INVALID);
    assert_status(put_long(made, 1, 0), POSSE_INVALID);
    belt->queue = own;
    memset((void *)belt->came, 1, sizeof belt->came);
    assert_int_equal(stats_of(pool).memory_blocks, 2);
    end_belt(belt);
}

/* Its maker dies as others use it all the time: no memory of others is written to. */
static posse_status call_use(void *queue)
{
    long value = 0;
    posse_status status;
    do {
        status = put_long(*(posse_queue *)queue, 1, 1);
        if (status == POSSE_OK || status == POSSE_TIMEOUT)
            status = get_long(*(posse_queue *)queue, &value, 1);
    } while (status == POSSE_OK || status == POSSE_TIMEOUT);
    return status;
}

TEST(made_by_a_task_that_dies_as_it_is_used, PROCESSES)
{
    enum { ROUNDS = 20 };
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    posse_queue own = belt->queue;
    for (int round = 0; round < ROUNDS; round++) {
        struct caller users[3];
        take_error(SUBMIT_VALUE(pool, make_task, belt), POSSE_OK);
        posse_queue made = belt->queue;
        for (size_t i = 0; i < COUNT(users); i++)
            start_call(&users[i], call_use, &made);
        pause_ms(3);
        assert_int_equal(kill((pid_t)atomic_load(&belt->who), SIGKILL), 0);
        for (size_t i = 0; i < COUNT(users); i++)
            assert_status(end_call(&users[i]), POSSE_INVALID);
    }
    belt->queue = own;
    memset((void *)belt->came, 1, sizeof belt->came);
    end_belt(belt);
}

/* The supervisor is killed: whoever waits is told. */
TEST(broken_while_somebody_waits, PROCESSES)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller reader;
    pid_t supervisor = (pid_t)take_long(submitted(queue.executor, parent_task, NULL, 0));
    start_parked(&reader, 1, call_get, &queue);
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_status(end_call(&reader), POSSE_BROKEN);
    assert_ok(posse_destroy(queue.executor));
}

/* A task gone wild writes into the queue, at every place, one after another. */
struct spot {
    uint64_t *words;
    size_t at;
    uint64_t value;
};

static int scribble_task(posse_task *task, const void *arg, size_t size)
{
    const struct spot *spot = arg;
    spot->words[spot->at] = spot->value;
    return 0;
}

enum { BLOCK = 4096, WORDS = BLOCK / 8, DENSE = 375 };

/* Where the next queue of that size will lie. */
static uint64_t *next_block(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, BLOCK, &memory));
    assert_ok(posse_free(pool, memory));
    return memory;
}

/* One that nobody can end any more stays until the executor's end. */
static void use_scribbled(posse_executor *pool, struct spot spot)
{
    long value = 1;
    spot.words = next_block(pool);
    posse_queue queue = make_queue(pool, 4, 200);
    take_error(SUBMIT_VALUE(pool, scribble_task, spot), POSSE_OK);
    for (int i = 0; i < 6; i++) {
        (void)put_long(queue, i, 1);
        (void)get_long(queue, &value, 1);
    }
    (void)posse_queue_length(queue);
    (void)posse_queue_close(queue);
    (void)posse_queue_destroy(queue);
}

TEST(scribbled_on, ALL)
{
    static const uint64_t values[] = {0, 1, 4, 1000000, UINT64_MAX / 2, UINT64_MAX};
    posse_executor *pool = make_pool(1);
    struct spot spot = {.at = 0};
    for (; spot.at<WORDS; spot.at += spot.at> 2 && spot.at < DENSE ? 31 : 1) {
        for (size_t i = 0; i < COUNT(values); i++) {
            spot.value = values[i];
            use_scribbled(pool, spot);
        }
    }
    assert_ok(posse_destroy(pool));
}

/* There is no more memory than the block of the queue has: two units. */
POOL_TEST(scribbled_capacity, ALL, 1)
{
    enum { SIZE = 200, MADE = 400, CLAIMED = 700 };
    void *memory = NULL;
    long value = 0;
    assert_ok(posse_alloc(pool, 80000, &memory));
    assert_ok(posse_free(pool, memory));
    posse_queue queue = make_queue(pool, MADE, SIZE); /* it lies there now */
    assert_ok(posse_queue_put(queue, &value, sizeof value, 0));
    struct spot spot = {memory, offsetof(struct pi_queue, capacity) / 8, MADE - 1};
    take_error(SUBMIT_VALUE(pool, scribble_task, spot), POSSE_OK);
    assert_ok(posse_queue_put(queue, &value, sizeof value, 0));
    spot.value = CLAIMED;
    take_error(SUBMIT_VALUE(pool, scribble_task, spot), POSSE_OK);
    assert_status(posse_queue_put(queue, &value, sizeof value, 0), POSSE_BROKEN);
    spot.value = MADE;
    take_error(SUBMIT_VALUE(pool, scribble_task, spot), POSSE_OK);
    assert_int_equal(posse_queue_length(queue), 2);
    assert_ok(posse_queue_destroy(queue));
}
