/* kept_limit.c - workers that are killed while they take and free memory: what the executor may
 * have (options.max_memory) stays the same, though it is never idle.
 */
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)

enum { ROUNDS = 1000000 };
enum { KILLS = 150, MAX_MB = 64, BLOCK_MB = 16, LARGE_MB = 48, STEP_NS = 20000, STEPS = 97 };

/* Takes and frees memory until it is killed; tells who it is. */
static int take_and_free(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    _Atomic long *who;
    void *block;
    memcpy(&who, arg, sizeof who);
    atomic_store(who, (long)getpid());
    for (int i = 0; i < ROUNDS; i++)
        if (posse_alloc(pool, BLOCK_MB * MB, &block) == POSSE_OK)
            (void)posse_free(pool, block);
    return GAVE_UP;
}

/* Whether there is so much memory. */
static int take_large(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    void *block;
    bool given = posse_alloc(pool, LARGE_MB * MB, &block) == POSSE_OK;
    if (given)
        (void)posse_free(pool, block);
    return return_long(task, given);
}

static void kill_one(posse_executor *pool, _Atomic long *who, long wait_ns)
{
    posse_future future;
    atomic_store(who, 0);
    assert_ok(posse_submit(pool, take_and_free, &who, sizeof who, &future));
    assert_eventually(atomic_load(who) != 0);
    nanosleep(&(struct timespec){.tv_nsec = wait_ns}, NULL);
    assert_int_equal(kill((pid_t)atomic_load(who), SIGKILL), 0);
    (void)take_error(future, POSSE_WORKER_LOST);
}

POOL_TEST(killed_while_it_takes_memory, PROCESSES, 2, .max_memory = MAX_MB * MB)
{
    void *who;
    assert_ok(posse_alloc(pool, sizeof(_Atomic long), &who));
    for (int i = 0; i < KILLS; i++)
        kill_one(pool, who, i * 7 % STEPS * STEP_NS);
    /* What the last one held is freed soon; there is no pause meanwhile. */
    assert_eventually(take_long(submitted_long(pool, take_large, 0)) == 1);
    assert_true(stats_of(pool).memory_committed <= MAX_MB * MB);
    assert_ok(posse_free(pool, who));
}
