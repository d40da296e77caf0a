/* shared_queue.c - queues that tasks and the program share, and what becomes of them when tasks
 * die. */
#include "support/support.h"

#include <signal.h>
#include <string.h>

#define SLOW_MS 900 /* later than that nobody was woken, but found out by a look each second */

static posse_queue make_queue(posse_executor *pool, size_t capacity, size_t item_size)
{
    posse_queue queue = {0};
    assert_ok(posse_queue_create(pool, capacity, item_size, &queue));
    return queue;
}

static void end_queue(posse_queue queue)
{
    posse_executor *pool = queue.executor;
    assert_ok(posse_queue_destroy(queue));
    end_pool(pool);
}

static posse_status put_long(posse_queue queue, long value, long timeout_ms)
{
    return posse_queue_put(queue, &value, sizeof value, timeout_ms);
}

static posse_status get_long(posse_queue queue, long *value, long timeout_ms)
{
    return posse_queue_get(queue, value, sizeof *value, NULL, timeout_ms);
}

/* ---- one caller ---- */

TEST(first_in_first_out)
{
    posse_queue queue = make_queue(make_pool(1), 5, sizeof(long));
    long next = 0;
    for (long i = 0; i < 1000; i++) {
        assert_ok(put_long(queue, i, 0));
        for (long value; posse_queue_length(queue) > (size_t)(i % 5); next++) {
            assert_ok(get_long(queue, &value, 0));
            assert_int_equal(value, next);
        }
    }
    end_queue(queue);
}

TEST(sizes)
{
    enum { LARGEST = 300 };
    unsigned char given[LARGEST + 1];
    unsigned char taken[LARGEST + 1];
    posse_queue queue = make_queue(make_pool(1), 3, LARGEST);
    for (size_t size = 0; size <= LARGEST; size++) {
        size_t got = 12345;
        memset(given, (int)(size % 251 + 1), sizeof given);
        memset(taken, 0, sizeof taken);
        assert_ok(posse_queue_put(queue, size ? given : NULL, size, 0));
        assert_ok(posse_queue_get(queue, size ? taken : NULL, size, &got, 0));
        assert_int_equal(got, size);
        assert_memory_equal(given, taken, size);
        assert_int_equal(taken[size], 0);
    }
    end_queue(queue);
}

TEST(too_large)
{
    char bytes[16] = "item";
    size_t size = 0;
    posse_queue queue = make_queue(make_pool(1), 2, 8);
    assert_status(posse_queue_put(queue, bytes, 9, 0), POSSE_TOO_LARGE);
    assert_status(posse_queue_put(queue, bytes, SIZE_MAX, 0), POSSE_TOO_LARGE);
    assert_int_equal(posse_queue_length(queue), 0);
    assert_ok(posse_queue_put(queue, bytes, 8, 0));
    assert_status(posse_queue_get(queue, bytes, 7, &size, 0), POSSE_TOO_LARGE);
    assert_int_equal(size, 8);
    assert_status(posse_queue_get(queue, NULL, 0, NULL, -1), POSSE_TOO_LARGE);
    assert_int_equal(posse_queue_length(queue), 1); /* it stays */
    assert_ok(posse_queue_get(queue, bytes, 8, &size, 0));
    assert_string_equal(bytes, "item");
    end_queue(queue);
}

TEST(bad_arguments)
{
    posse_executor *pool = make_pool(1);
    posse_queue queue = {0};
    char byte = 0;
    assert_status(posse_queue_create(NULL, 1, 1, &queue), POSSE_INVALID);
    assert_status(posse_queue_create(pool, 0, 1, &queue), POSSE_INVALID);
    assert_status(posse_queue_create(pool, 1, 0, &queue), POSSE_INVALID);
    assert_status(posse_queue_create(pool, 1, 1, NULL), POSSE_INVALID);
    assert_status(posse_queue_create(pool, SIZE_MAX, 1, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_create(pool, 1, SIZE_MAX, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_create(pool, SIZE_MAX / 16, 8, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_create(pool, (size_t)1 << 40, 8, &queue), POSSE_TOO_LARGE);
    assert_status(posse_queue_put(queue, &byte, 1, 0), POSSE_INVALID);
    assert_status(posse_queue_close(queue), POSSE_INVALID);
    assert_int_equal(posse_queue_length(queue), 0);
    assert_int_equal(stats_of(pool).memory_blocks, 0);
    queue = make_queue(pool, 1, 1);
    assert_status(posse_queue_put(queue, NULL, 1, 0), POSSE_INVALID);
    assert_status(posse_queue_put(queue, &byte, 1, -2), POSSE_INVALID);
    assert_status(posse_queue_get(queue, NULL, 1, NULL, 0), POSSE_INVALID);
    assert_status(posse_queue_get(queue, &byte, 1, NULL, -2), POSSE_INVALID);
    assert_status(posse_lock_acquire((posse_lock){pool, queue.id}, 0), POSSE_INVALID);
    end_queue(queue);
}

TEST(empty_and_full_with_timeout)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    long value = 0;
    long start = now_ms();
    assert_status(get_long(queue, &value, 0), POSSE_TIMEOUT);
    assert_status(get_long(queue, &value, 30), POSSE_TIMEOUT);
    assert_ok(put_long(queue, 1, 0));
    assert_status(put_long(queue, 2, 0), POSSE_TIMEOUT);
    assert_status(put_long(queue, 2, 30), POSSE_TIMEOUT);
    assert_in_range(now_ms() - start, 59, PATIENCE_MS);
    assert_ok(get_long(queue, &value, 0));
    assert_int_equal(value, 1);
    end_queue(queue);
}

TEST(closed)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    long value = 0;
    assert_ok(put_long(queue, 1, 0));
    assert_ok(put_long(queue, 2, 0));
    assert_ok(posse_queue_close(queue));
    assert_ok(posse_queue_close(queue));
    assert_status(put_long(queue, 3, -1), POSSE_CLOSED);
    assert_ok(get_long(queue, &value, -1));
    assert_ok(get_long(queue, &value, -1));
    assert_int_equal(value, 2);
    assert_status(get_long(queue, &value, -1), POSSE_CLOSED);
    end_queue(queue);
}

TEST(stale_after_destroy)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    long value = 0;
    assert_ok(put_long(queue, 1, 0));
    assert_ok(posse_queue_destroy(queue));
    posse_queue next = make_queue(queue.executor, 3, sizeof(long)); /* in the same place */
    assert_status(put_long(queue, 1, -1), POSSE_INVALID);
    assert_status(get_long(queue, &value, -1), POSSE_INVALID);
    assert_status(posse_queue_close(queue), POSSE_INVALID);
    assert_status(posse_queue_destroy(queue), POSSE_INVALID);
    assert_int_equal(posse_queue_length(queue), 0);
    end_queue(next);
}

TEST(usable_after_shutdown)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    long value = 0;
    assert_ok(put_long(queue, 1, 0));
    assert_ok(posse_shutdown(queue.executor, 0, -1));
    assert_ok(get_long(queue, &value, -1));
    assert_ok(put_long(queue, 2, -1));
    end_queue(queue);
}

TEST(large)
{
    enum { ITEM = 100000 };
    static unsigned char bytes[ITEM];
    posse_queue queue = make_queue(make_pool(1), 50, ITEM);
    for (int i = 0; i < 50; i++) {
        memset(bytes, i, ITEM);
        assert_ok(posse_queue_put(queue, bytes, ITEM, 0));
    }
    for (int i = 0; i < 50; i++) {
        assert_ok(posse_queue_get(queue, bytes, ITEM, NULL, 0));
        assert_int_equal(bytes[0], i);
        assert_int_equal(bytes[ITEM - 1], i);
    }
    end_queue(queue);
}

static int use_in_child(void *context)
{
    posse_queue queue = *(posse_queue *)context;
    long value = 0;
    REQUIRE(put_long(queue, 1, 0) == POSSE_WRONG_PROCESS);
    REQUIRE(get_long(queue, &value, 0) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_queue_close(queue) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_queue_length(queue) == 0);
    REQUIRE(posse_queue_destroy(queue) == POSSE_WRONG_PROCESS);
    return 0;
}

TEST(not_in_a_forked_child)
{
    posse_queue queue = make_queue(make_pool(1), 3, sizeof(long));
    assert_child(use_in_child, &queue);
    end_queue(queue);
}

/* ---- several ---- */

/* A caller that takes or brings one item, without a limit. */
static posse_status call_get(void *queue)
{
    long value;
    return get_long(*(posse_queue *)queue, &value, -1);
}

static posse_status call_put(void *queue) { return put_long(*(posse_queue *)queue, 1, -1); }

static void start_parked(struct caller *callers, size_t count, posse_status (*call)(void *),
                         posse_queue *queue)
{
    for (size_t i = 0; i < count; i++) {
        start_call(&callers[i], call, queue);
        await_parked(&callers[i]);
    }
}

TEST(close_wakes_readers)
{
    posse_queue queue = make_queue(make_pool(1), 2, sizeof(long));
    struct caller readers[4];
    start_parked(readers, COUNT(readers), call_get, &queue);
    long start = now_ms();
    assert_ok(posse_queue_close(queue));
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_status(end_call(&readers[i]), POSSE_CLOSED);
    }
    assert_in_range(now_ms() - start, 0, SLOW_MS);
    end_queue(queue);
}

TEST(close_wakes_writers)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller writers[4];
    assert_ok(put_long(queue, 1, 0));
    start_parked(writers, COUNT(writers), call_put, &queue);
    long start = now_ms();
    assert_ok(posse_queue_close(queue));
    for (size_t i = 0; i < COUNT(writers); i++) {
        assert_status(end_call(&writers[i]), POSSE_CLOSED);
    }
    assert_in_range(now_ms() - start, 0, SLOW_MS);
    assert_int_equal(posse_queue_length(queue), 1);
    end_queue(queue);
}

TEST(destroyed_while_somebody_waits)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller readers[3];
    start_parked(readers, COUNT(readers), call_get, &queue);
    long start = now_ms();
    assert_ok(posse_queue_destroy(queue));
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_status(end_call(&readers[i]), POSSE_INVALID);
    }
    assert_in_range(now_ms() - start, 0, SLOW_MS);
    end_pool(queue.executor);
}

TEST(executor_destroyed_while_somebody_waits)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller reader;
    struct caller destroyer;
    start_parked(&reader, 1, call_get, &queue);
    start_call(&destroyer, call_destroy, queue.executor);
    assert_status(end_call(&reader), POSSE_SHUT_DOWN);
    assert_ok(end_call(&destroyer));
}

TEST(one_item_wakes_one_reader)
{
    posse_queue queue = make_queue(make_pool(1), 10, sizeof(long));
    struct caller readers[5];
    start_parked(readers, COUNT(readers), call_get, &queue);
    long start = now_ms();
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_ok(put_long(queue, 1, 0));
    }
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_ok(end_call(&readers[i]));
    }
    assert_in_range(now_ms() - start, 0, SLOW_MS);
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

TEST(impatient_readers)
{
    posse_queue queue = make_queue(make_pool(1), 1, sizeof(long));
    struct caller readers[4];
    for (size_t i = 0; i < COUNT(readers); i++) {
        start_call(&readers[i], call_get_briefly, &queue);
    }
    for (long i = 0; i < 2000; i++) {
        assert_ok(put_long(queue, i, -1));
    }
    assert_ok(posse_queue_close(queue));
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_status(end_call(&readers[i]), POSSE_CLOSED);
    }
    end_queue(queue);
}

/* Producers put ITEMS numbers each; consumers count how often each came. */
enum { PRODUCERS = 2, CONSUMERS = 2, ITEMS = 3000 };
struct belt {
    posse_queue queue;
    _Atomic unsigned char came[PRODUCERS * ITEMS];
    _Atomic int next_producer;
    _Atomic long who;
};

static int produce(struct belt *belt)
{
    long first = atomic_fetch_add(&belt->next_producer, 1) * (long)ITEMS;
    for (long i = 0; i < ITEMS; i++) {
        posse_status status = put_long(belt->queue, first + i, -1);
        if (status != POSSE_OK) {
            return (int)status;
        }
    }
    return 0;
}

static int consume(struct belt *belt)
{
    long value;
    posse_status status;
    while ((status = get_long(belt->queue, &value, -1)) == POSSE_OK) {
        atomic_fetch_add(&belt->came[value], 1);
    }
    return status == POSSE_CLOSED ? 0 : (int)status;
}

static int produce_task(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)size;
    return produce(*(struct belt *const *)arg);
}

static int consume_task(posse_task *task, const void *arg, size_t size)
{
    struct belt *belt = *(struct belt *const *)arg;
    (void)task;
    (void)size;
    atomic_store(&belt->who, identity());
    return consume(belt);
}

static posse_status call_consume(void *belt) { return (posse_status)consume(belt); }

static struct belt *make_belt(posse_executor *pool, size_t capacity)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct belt), &memory));
    struct belt *belt = memory;
    memset(memory, 0, sizeof *belt);
    belt->queue = make_queue(pool, capacity, sizeof(long));
    return belt;
}

static void end_belt(struct belt *belt)
{
    posse_executor *pool = belt->queue.executor;
    for (size_t i = 0; i < COUNT(belt->came); i++) {
        if (belt->came[i] != 1) {
            fail_msg("item %zu came %d times", i, belt->came[i]);
        }
    }
    assert_ok(posse_queue_destroy(belt->queue));
    assert_ok(posse_free(pool, belt));
    end_pool(pool);
}

static void every_item_once(size_t capacity)
{
    posse_executor *pool = make_pool(PRODUCERS + CONSUMERS);
    struct belt *belt = make_belt(pool, capacity);
    struct caller caller;
    posse_future consumers[CONSUMERS];
    posse_future producers[PRODUCERS];
    start_call(&caller, call_consume, belt);
    for (int i = 0; i < CONSUMERS; i++) {
        consumers[i] = SUBMIT_VALUE(pool, consume_task, belt);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        producers[i] = SUBMIT_VALUE(pool, produce_task, belt);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        take_error(producers[i], POSSE_OK);
    }
    assert_ok(posse_queue_close(belt->queue));
    for (int i = 0; i < CONSUMERS; i++) {
        take_error(consumers[i], POSSE_OK);
    }
    assert_ok(end_call(&caller));
    end_belt(belt);
}

TEST(through_a_queue_of_one) { every_item_once(1); }

TEST(through_a_queue_of_two) { every_item_once(2); }

TEST(through_a_queue_of_many) { every_item_once(100); }

/* ---- deaths ---- */

/* A reader dies in its sleep; the items are the others'. */
TEST(sleeping_reader_killed)
{
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    struct caller caller;
    posse_future future = SUBMIT_VALUE(pool, consume_task, belt);
    assert_eventually(atomic_load(&belt->who) != 0);
    pause_ms(20);
    start_call(&caller, call_consume, belt);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)atomic_load(&belt->who), SIGKILL), 0);
    take_error(future, POSSE_WORKER_LOST);
    long start = now_ms();
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(produce(belt), 0);
    }
    assert_ok(posse_queue_close(belt->queue));
    assert_ok(end_call(&caller));
    assert_in_range(now_ms() - start, 0, PATIENCE_MS);
    end_belt(belt);
}

/* A reader was woken, and dies before it can act on it: it was stopped. */
TEST(woken_reader_killed)
{
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    struct caller caller;
    posse_future future = SUBMIT_VALUE(pool, consume_task, belt);
    assert_eventually(atomic_load(&belt->who) != 0);
    pause_ms(20);
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
    (void)size;
    atomic_store(&belt->who, identity());
    return (int)posse_queue_create(posse_task_executor(task), 2, sizeof(long), &belt->queue);
}

TEST(made_by_a_task_that_dies)
{
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    posse_queue own = belt->queue;
    struct caller readers[3];
    take_error(SUBMIT_VALUE(pool, make_task, belt), POSSE_OK);
    posse_queue made = belt->queue;
    start_parked(readers, COUNT(readers), call_get, &made);
    long start = now_ms();
    assert_int_equal(kill((pid_t)atomic_load(&belt->who), SIGKILL), 0);
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_status(end_call(&readers[i]), POSSE_INVALID);
    }
    assert_in_range(now_ms() - start, 0, SLOW_MS);
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
        if (status == POSSE_OK || status == POSSE_TIMEOUT) {
            status = get_long(*(posse_queue *)queue, &value, 1);
        }
    } while (status == POSSE_OK || status == POSSE_TIMEOUT);
    return status;
}

TEST(made_by_a_task_that_dies_as_it_is_used)
{
    enum { ROUNDS = 20 };
    posse_executor *pool = make_pool(1);
    struct belt *belt = make_belt(pool, 2);
    posse_queue own = belt->queue;
    for (int round = 0; round < ROUNDS; round++) {
        struct caller users[3];
        take_error(SUBMIT_VALUE(pool, make_task, belt), POSSE_OK);
        posse_queue made = belt->queue;
        for (size_t i = 0; i < COUNT(users); i++) {
            start_call(&users[i], call_use, &made);
        }
        pause_ms(3);
        assert_int_equal(kill((pid_t)atomic_load(&belt->who), SIGKILL), 0);
        for (size_t i = 0; i < COUNT(users); i++) {
            assert_status(end_call(&users[i]), POSSE_INVALID);
        }
    }
    belt->queue = own;
    memset((void *)belt->came, 1, sizeof belt->came);
    end_belt(belt);
}

/* The supervisor is killed: whoever waits is told. */
TEST(broken_while_somebody_waits)
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
    (void)task;
    (void)size;
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

TEST(scribbled_on)
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

static const struct check checks[] = {
    CHECK(first_in_first_out, ALL),
    CHECK(sizes, ALL),
    CHECK(too_large, ALL),
    CHECK(bad_arguments, ALL),
    CHECK(empty_and_full_with_timeout, ALL),
    CHECK(closed, ALL),
    CHECK(stale_after_destroy, ALL),
    CHECK(usable_after_shutdown, ALL),
    CHECK(large, ALL),
    CHECK(not_in_a_forked_child, ALL),
    CHECK(close_wakes_readers, ALL),
    CHECK(close_wakes_writers, ALL),
    CHECK(destroyed_while_somebody_waits, ALL),
    CHECK(executor_destroyed_while_somebody_waits, ALL),
    CHECK(one_item_wakes_one_reader, ALL),
    CHECK(impatient_readers, ALL),
    CHECK(through_a_queue_of_one, PARALLEL),
    CHECK(through_a_queue_of_two, PARALLEL),
    CHECK(through_a_queue_of_many, PARALLEL),
    CHECK(sleeping_reader_killed, PROCESSES),
    CHECK(woken_reader_killed, PROCESSES),
    CHECK(made_by_a_task_that_dies, PROCESSES),
    CHECK(made_by_a_task_that_dies_as_it_is_used, PROCESSES),
    CHECK(broken_while_somebody_waits, PROCESSES),
    CHECK(scribbled_on, ALL),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
