/* sealed_life.c - the whole life of sealed workers, with nothing allowed: whatever posse needs must
 * be on its list of calls. A call that posse makes and the list lacks costs a task here.
 */
#include "support/maps.h"
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};

/* ---- forbidden tasks among others ---- */

TEST(forty_of_two_thousand, SEALABLE)
{
    posse_executor *pool = sealed_pool(4, nothing);
    assert_forty_of_two_thousand(pool);
    end_pool(pool);
}

TEST(a_neighbour_does_not_notice, SEALABLE)
{
    posse_executor *pool = sealed_pool(2, nothing);
    struct gate *gate = make_gate(pool);
    posse_future beside = submitted_hold(pool, gate);
    await_entered(gate, 1);
    for (int i = 0; i < 3; i++)
        take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    open_gate(gate);
    take_long(beside);
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- what posse does for tasks ---- */

#define LARGE ((size_t)8 << 20)

static int large_task(posse_task *task, const void *arg, size_t size)
{
    void *memory;
    posse_executor *pool = posse_task_executor(task);
    if (posse_alloc(pool, LARGE, &memory) != POSSE_OK)
        return INNER_FAILED;
    memset(memory, 1, LARGE);
    if (posse_free(pool, memory) != POSSE_OK)
        return INNER_FAILED;
    char *result = posse_task_reserve(task, LARGE);
    if (!result)
        return INNER_FAILED;
    memset(result, 7, LARGE);
    return 0;
}

TEST(memory_grows, SEALABLE)
{
    posse_executor *pool = sealed_pool(2, nothing);
    const void *data = NULL;
    size_t size = 0;
    for (int i = 0; i < 3; i++) {
        posse_future future = submitted(pool, large_task, NULL, 0);
        assert_ok(posse_result(future, -1, &data, &size));
        assert_int_equal(size, LARGE);
        assert_int_equal(((const char *)data)[LARGE - 1], 7);
        assert_ok(posse_release(future));
    }
    end_pool(pool);
}

/* Tables grow as well: submits by a task, thousands of them at a time. */
static int crowd_task(posse_task *task, const void *arg, size_t size)
{
    enum { CROWD = 3000 };
    static posse_future futures[CROWD];
    posse_executor *pool = posse_task_executor(task);
    long sum = 0, one;
    for (long i = 0; i < CROWD; i++)
        if (posse_submit(pool, square_task, &i, sizeof i, &futures[i]) != POSSE_OK)
            return INNER_FAILED;
    for (long i = 0; i < CROWD; i++) {
        if (posse_result_into(futures[i], -1, &one, sizeof one, NULL) != POSSE_OK)
            return INNER_FAILED;
        sum += one == i * i;
        (void)posse_release(futures[i]);
    }
    return return_long(task, sum);
}

TEST(nested, SEALABLE)
{
    posse_executor *pool = sealed_pool(2, nothing);
    assert_int_equal(take_long(submitted_long(pool, fib_task, 12)), 144);
    assert_int_equal(take_long(submitted(pool, crowd_task, NULL, 0)), 3000);
    end_pool(pool);
}

static int nested_forbidden_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    posse_executor *pool = posse_task_executor(task);
    if (posse_submit(pool, socket_task, NULL, 0, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    (void)posse_release(inner);
    return return_long(task, status);
}

/* The task that waits runs the other one itself, or another worker does. */
TEST(nested_and_forbidden, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, nothing);
    take_error(submitted(pool, nested_forbidden_task, NULL, 0), POSSE_FORBIDDEN);
    end_pool(pool);
}

static int forbidden_item(posse_task *task, const void *const *items, void *result)
{
    long number = *(const long *)items[0];
    *(long *)result = number;
    return number % 50 == 7 ? socket_task(task, NULL, 0) : 0;
}

/* Of chunks of twenty items, those are lost that make the call. */
TEST(map_that_splits, SEALABLE)
{
    posse_executor *pool = sealed_pool(2, nothing);
    long numbers[200], results[200];
    posse_status statuses[200];
    for (long i = 0; i < 200; i++)
        numbers[i] = i;
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(forbidden_item, &input, 1, 200);
    job.results = results;
    job.chunksize = 20;
    job.on_lost = POSSE_SPLIT;
    assert_status(posse_map(pool, &job, statuses), POSSE_FORBIDDEN);
    for (long i = 0; i < 200; i++) {
        assert_status(statuses[i], i % 50 == 7 ? POSSE_FORBIDDEN : POSSE_OK);
        assert_true(i % 50 == 7 || results[i] == i);
    }
    end_pool(pool);
}

static int locking_task(posse_task *task, const void *arg, size_t size)
{
    posse_lock lock;
    posse_queue queue;
    long value = 0;
    posse_executor *pool = posse_task_executor(task);
    bool good = posse_lock_create(pool, &lock) == POSSE_OK &&
                posse_lock_acquire(lock, -1) == POSSE_OK && posse_lock_release(lock) == POSSE_OK &&
                posse_lock_destroy(lock) == POSSE_OK &&
                posse_queue_create(pool, 2, sizeof value, &queue) == POSSE_OK &&
                posse_queue_put(queue, &value, sizeof value, -1) == POSSE_OK &&
                posse_queue_get(queue, &value, sizeof value, NULL, -1) == POSSE_OK &&
                posse_queue_get(queue, &value, sizeof value, NULL, 1) == POSSE_TIMEOUT &&
                posse_queue_destroy(queue) == POSSE_OK;
    return good ? 0 : INNER_FAILED;
}

TEST(locks_queues_and_maps, SEALABLE)
{
    posse_executor *pool = sealed_pool(2, nothing);
    long numbers[100], results[100];
    for (long i = 0; i < 100; i++)
        numbers[i] = i;
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, 100);
    job.results = results;
    assert_ok(posse_map(pool, &job, NULL));
    assert_int_equal(results[99], 99 * 99);
    posse_future future = submitted(pool, locking_task, NULL, 0);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_ok(posse_release(future));
    end_pool(pool);
}

/* ---- what tasks do that only compute ---- */

static void *add_one(void *number)
{
    void *memory = malloc(100000);
    *(long *)number += memory != NULL;
    free(memory);
    return NULL;
}

static int computing_task(posse_task *task, const void *arg, size_t size)
{
    pthread_t threads[3];
    long sum = 0;
    for (int i = 0; i < 3; i++)
        if (pthread_create(&threads[i], NULL, add_one, &sum) != 0 ||
            pthread_join(threads[i], NULL) != 0)
            return INNER_FAILED;
    char *memory = malloc((size_t)64 << 20);
    if (!memory)
        return INNER_FAILED;
    memset(memory, 1, (size_t)64 << 20);
    memory = realloc(memory, (size_t)1 << 20);
    free(memory);
    fprintf(stderr, "%s", ""); /* nothing, but what stdio does for it */
    printf("a sealed task prints %ld\n", sum);
    struct timespec time = {0, 1000};
    nanosleep(&time, NULL);
    sigset_t pending;
    sigpending(&pending);
    (void)kill(getpid(), 0);
    return return_long(task, sum);
}

TEST(computing, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, nothing);
    assert_int_equal(take_long(submitted(pool, computing_task, NULL, 0)), 3);
    end_pool(pool);
}

/* ---- workers come and go ---- */

static int giving_task(posse_task *task, const void *arg, size_t size)
{
    void *memory;
    if (posse_alloc(posse_task_executor(task), 100, &memory) != POSSE_OK)
        return INNER_FAILED;
    return return_long(task, (long)memory);
}

/* A worker that leaves does so without a forbidden call: it would lose what it gave to others. */
TEST(what_a_worker_gave_stays, SEALABLE)
{
    posse_options options = OPTIONS(1, .max_tasks_per_worker = 1);
    posse_executor *pool = sealed_pool_with(options, nothing);
    void *memory = (void *)take_long(submitted(pool, giving_task, NULL, 0));
    for (long i = 0; i < 3; i++) /* by others */
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    assert_eventually(stats_of(pool).workers == 1);
    assert_int_equal(stats_of(pool).memory_blocks, 1);
    assert_ok(posse_free(pool, memory));
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(replaced_workers, SEALABLE)
{
    posse_options options =
        OPTIONS(2, .max_tasks_per_worker = 3, .max_rss_per_worker = (size_t)1 << 30,
                .on_demand = true, .idle_timeout_ms = 1);
    posse_executor *pool = sealed_pool_with(options, nothing);
    for (long i = 0; i < 50; i++) {
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
        if (i % 10 == 0)
            take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    }
    assert_ok(posse_resize(pool, 1));
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_destroy(pool));
}
