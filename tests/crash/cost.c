/* cost.c - what a death costs is what the worker has left, however much the pool has seen before:
 * the slots that the recovery looks at are counted, which the supervisor does in the header.
 */
#include "pool/pool.h"
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define PAST 100000
#define FEW 3 /* what it has touched, and the stack */

static uint64_t looked_at(posse_executor *pool)
{
    return pi_load_seq(&pool->segment.header->slots_recovered);
}

/* PAST futures exist at the same time, so each has a slot of its own. */
static void have_a_past(posse_executor *pool)
{
    posse_future *futures = calloc(PAST, sizeof *futures);
    assert_non_null(futures);
    for (long i = 0; i < PAST; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < PAST; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    free(futures);
    assert_in_range(pi_slots_count(&pool->segment.slots), PAST, 2 * PAST);
    assert_int_equal(looked_at(pool), 0);
}

static void end(posse_executor *pool, uint64_t lost)
{
    assert_eventually(stats_of(pool).workers_lost == lost);
    assert_eventually(stats_of(pool).workers == 2);
    assert_at_rest(pool);
    assert_int_equal(take_long(submitted_long(pool, fib_task, 7)), 13);
    end_pool(pool);
}

TEST(worker_that_runs, PROCESSES)
{
    posse_executor *pool = make_pool(2);
    have_a_past(pool);
    for (uint64_t deaths = 1; deaths <= 5; deaths++) {
        posse_error error =
            take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        assert_int_equal(error.signal, SIGKILL);
        assert_eventually(stats_of(pool).workers_lost == deaths);
        assert_in_range(looked_at(pool), deaths, FEW * deaths);
    }
    end(pool, 5);
}

TEST(worker_that_sleeps, PROCESSES)
{
    posse_executor *pool = make_pool(2);
    have_a_past(pool);
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    assert_at_rest(pool); /* it has left its task, too: else that one is on its stack */
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_eventually(stats_of(pool).workers_lost == 1 && stats_of(pool).workers == 2);
    assert_in_range(looked_at(pool), 0, FEW);
    end(pool, 1);
}

/* The ends of such tasks are seen to: nobody holds their handles any more. */
static int submitting_task(posse_task *task, const void *arg, size_t size)
{
    posse_future futures[20];
    for (long i = 0; i < 20; i++)
        if (posse_submit(posse_task_executor(task), square_task, &i, sizeof i, &futures[i]) !=
            POSSE_OK)
            return GAVE_UP;
    return raise(SIGKILL);
}

/* In how many groups it gets slots depends on who else takes some meanwhile. */
TEST(worker_that_has_submitted, PROCESSES)
{
    posse_executor *pool = make_pool(2);
    have_a_past(pool);
    take_error(submitted(pool, submitting_task, NULL, 0), POSSE_WORKER_LOST);
    assert_eventually(stats_of(pool).futures == 0);
    assert_eventually(stats_of(pool).workers == 2); /* then it is over */
    assert_in_range(looked_at(pool), PI_GROUP_SLOTS, FEW + 3 * PI_GROUP_SLOTS);
    end(pool, 1);
}

static void *submit_beside(void *context)
{
    posse_future *future = context;
    long value = 3;
    if (posse_submit(future->executor, square_task, &value, sizeof value, future) != POSSE_OK)
        future->executor = NULL;
    return NULL;
}

/* Its threads may have been anywhere. */
static int threaded_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future = {.executor = posse_task_executor(task)};
    pthread_t thread;
    if (pthread_create(&thread, NULL, submit_beside, &future) != 0 ||
        pthread_join(thread, NULL) != 0 || !future.executor)
        return GAVE_UP;
    return raise(SIGKILL);
}

#ifdef SANITIZED_THREADS /* it gives up when a forked child starts threads */
#define WITH_THREADS 0
#else
#define WITH_THREADS PROCESSES
#endif

TEST(worker_with_threads, WITH_THREADS)
{
    posse_executor *pool = make_pool(2);
    have_a_past(pool);
    take_error(submitted(pool, threaded_task, NULL, 0), POSSE_WORKER_LOST);
    assert_eventually(stats_of(pool).futures == 0);
    assert_eventually(looked_at(pool) >= PAST);
    end(pool, 1);
}
