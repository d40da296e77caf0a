/* lock_deaths.c - what becomes of a lock when the task that holds it, made it or waits for it is
 * gone. */
#include "support/objects.h"

#include <signal.h>
#include <string.h>

/* Takes the lock, and holds it until it is told to go on, or dies. */
static int keep_task(posse_task *task, const void *arg, size_t size)
{
    struct board *board = board_of(arg);
    posse_status status = posse_lock_acquire(board->lock, -1);
    atomic_store(&board->who, identity());
    atomic_fetch_add(&board->told, status == POSSE_OWNER_DIED);
    atomic_fetch_add(&board->taken, 1);
    while (!atomic_load(&board->go_on))
        pause_ms(1);
    return posse_lock_release(board->lock) == POSSE_OK ? 0 : GAVE_UP;
}

static posse_future kept(struct board *board)
{
    posse_future future = SUBMIT_VALUE(board->lock.executor, keep_task, board);
    assert_eventually(atomic_load(&board->taken) == 1);
    return future;
}

TEST(told_once_that_the_holder_died, PROCESSES)
{
    struct board *board = make_board(make_pool(2));
    posse_future future = kept(board);
    assert_status(posse_lock_acquire(board->lock, 0), POSSE_TIMEOUT);
    assert_int_equal(kill((pid_t)atomic_load(&board->who), SIGKILL), 0);
    assert_status(posse_lock_acquire(board->lock, PATIENCE_MS), POSSE_OWNER_DIED);
    assert_ok(posse_lock_release(board->lock));
    assert_ok(posse_lock_acquire(board->lock, -1));
    assert_ok(posse_lock_release(board->lock));
    take_error(future, POSSE_WORKER_LOST);
    end_board(board);
}

TEST(one_of_the_waiting_is_told, PROCESSES)
{
    struct board *board = make_board(make_pool(2));
    struct caller callers[6];
    int told = 0;
    posse_future future = kept(board);
    for (size_t i = 0; i < COUNT(callers); i++) {
        start_call(&callers[i], call_acquire, board);
        await_parked(&callers[i]);
    }
    assert_int_equal(kill((pid_t)atomic_load(&board->who), SIGKILL), 0);
    for (size_t i = 0; i < COUNT(callers); i++) {
        posse_status status = end_call(&callers[i]);
        assert_true(status == POSSE_OK || status == POSSE_OWNER_DIED);
        told += status == POSSE_OWNER_DIED;
    }
    assert_int_equal(told, 1);
    take_error(future, POSSE_WORKER_LOST);
    end_board(board);
}

static int acquire_task(posse_task *task, const void *arg, size_t size)
{
    struct board *board = board_of(arg);
    atomic_store(&board->who, identity());
    posse_status status = posse_lock_acquire(board->lock, -1);
    if (status != POSSE_OK)
        return (int)status;
    atomic_fetch_add(&board->taken, 1);
    return (int)posse_lock_release(board->lock);
}

/* Nobody relies on a waiter that has died. */
TEST(waiter_killed, PROCESSES)
{
    look_never();
    struct board *board = make_board(make_pool(2));
    struct caller caller;
    assert_ok(posse_lock_acquire(board->lock, -1));
    posse_future future = SUBMIT_VALUE(board->lock.executor, acquire_task, board);
    assert_eventually(atomic_load(&board->who) != 0);
    await_asleep(atomic_load(&board->who));
    start_call(&caller, call_acquire, board);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)atomic_load(&board->who), SIGKILL), 0);
    take_error(future, POSSE_WORKER_LOST);
    assert_ok(posse_lock_release(board->lock));
    assert_ok(end_call(&caller));
    end_board(board);
}

/* Returns with the lock held: it stays its worker's. */
static int forget_task(posse_task *task, const void *arg, size_t size)
{
    return (int)posse_lock_acquire(board_of(arg)->lock, -1);
}

TEST(forgotten_until_the_worker_leaves, PARALLEL)
{
    struct board *board = make_board(make_pool(1));
    struct caller caller;
    take_error(SUBMIT_VALUE(board->lock.executor, forget_task, board), POSSE_OK);
    start_call(&caller, call_acquire, board);
    await_parked(&caller);
    assert_ok(posse_shutdown(board->lock.executor, 0, -1));
    assert_status(end_call(&caller), POSSE_OWNER_DIED);
    end_board(board);
}

/* A task that runs on the stack of the one that waits for it is the same thread. */
static int outer_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    struct board *board = board_of(arg);
    posse_executor *pool = posse_task_executor(task);
    if (posse_lock_acquire(board->lock, -1) != POSSE_OK ||
        posse_submit(pool, acquire_task, arg, size, &future) != POSSE_OK)
        return GAVE_UP;
    posse_error error = {.struct_size = sizeof error};
    if (posse_exception(future, -1, &error) != POSSE_OK)
        return GAVE_UP;
    posse_release(future);
    return posse_lock_release(board->lock) == POSSE_OK ? error.code : GAVE_UP;
}

TEST(nested_on_one_stack, ALL)
{
    struct board *board = make_board(make_pool(1));
    posse_future future = SUBMIT_VALUE(board->lock.executor, outer_task, board);
    assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, POSSE_DEADLOCK);
    end_board(board);
}

static int make_task(posse_task *task, const void *arg, size_t size)
{
    struct board *board = board_of(arg);
    if (posse_lock_create(posse_task_executor(task), &board->lock) != POSSE_OK)
        return GAVE_UP;
    atomic_store(&board->who, identity());
    return 0;
}

/* A lock that a task made ends as its worker dies, whoever holds it or waits for it. */
TEST(made_by_a_task_that_dies, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    struct board *board = make_board(pool);
    posse_lock own = board->lock;
    struct caller caller;
    take_error(SUBMIT_VALUE(pool, make_task, board), POSSE_OK);
    assert_ok(posse_lock_acquire(board->lock, -1));
    start_call(&caller, call_acquire, board);
    await_parked(&caller);
    assert_int_equal(stats_of(pool).memory_blocks, 3); /* the board, and both locks */
    assert_int_equal(kill((pid_t)atomic_load(&board->who), SIGKILL), 0);
    assert_status(end_call(&caller), POSSE_INVALID);
    assert_status(posse_lock_release(board->lock), POSSE_INVALID);
    assert_eventually(stats_of(pool).memory_blocks == 2);
    board->lock = own;
    end_board(board);
}

/* One that left by itself leaves it to the others. */
TEST(made_by_a_task_whose_worker_left, ALL)
{
    posse_executor *pool = make_pool(1);
    struct board *board = make_board(pool);
    posse_lock own = board->lock;
    take_error(SUBMIT_VALUE(pool, make_task, board), POSSE_OK);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_lock_acquire(board->lock, -1));
    assert_ok(posse_lock_release(board->lock));
    assert_ok(posse_lock_destroy(board->lock));
    board->lock = own;
    end_board(board);
}

static int exit_holding_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_lock_acquire(board_of(arg)->lock, -1) == POSSE_OK)
        pthread_exit(NULL);
    return GAVE_UP;
}

TEST(thread_that_exits_holding_it, THREADS)
{
    struct board *board = make_board(make_pool(1));
    posse_future future = SUBMIT_VALUE(board->lock.executor, exit_holding_task, board);
    take_error(future, POSSE_WORKER_LOST);
    assert_status(posse_lock_acquire(board->lock, PATIENCE_MS), POSSE_OWNER_DIED);
    assert_ok(posse_lock_release(board->lock));
    end_board(board);
}

/* A task gone wild writes over everything: the program is told, and goes on. */
static int scribble_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char *bytes = *(unsigned char *const *)arg;
    memset(bytes, 0xa5, 1024);
    return 0;
}

TEST(scribbled_on, ALL)
{
    posse_executor *pool = make_pool(1);
    void *memory = NULL;
    assert_ok(posse_alloc(pool, 1024, &memory));
    assert_ok(posse_free(pool, memory));
    posse_lock lock = make_lock(pool); /* in the same place */
    take_error(SUBMIT_VALUE(pool, scribble_task, memory), POSSE_OK);
    assert_status(posse_lock_acquire(lock, -1), POSSE_BROKEN);
    assert_status(posse_lock_release(lock), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}
