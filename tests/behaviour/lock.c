/* lock.c - locks that tasks and the program share, and what becomes of them when tasks die. */
#include "support/support.h"

#include <signal.h>
#include <string.h>

static posse_lock make_lock(posse_executor *pool)
{
    posse_lock lock = {0};
    assert_ok(posse_lock_create(pool, &lock));
    return lock;
}

static void end_lock(posse_lock lock)
{
    posse_executor *pool = lock.executor;
    assert_ok(posse_lock_destroy(lock));
    end_pool(pool);
}

/* What tasks of this file work on; in shared memory. */
struct board {
    posse_lock lock;
    long plain; /* guarded by the lock */
    _Atomic int taken, told, failed;
    _Atomic int go_on;
    long rounds;
    _Atomic long who;
};

static struct board *make_board(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct board), &memory));
    struct board *board = memory;
    memset(board, 0, sizeof *board);
    board->lock = make_lock(pool);
    return board;
}

static void end_board(struct board *board)
{
    posse_executor *pool = board->lock.executor;
    assert_ok(posse_lock_destroy(board->lock));
    assert_ok(posse_free(pool, board));
    end_pool(pool);
}

static struct board *board_of(const void *arg) { return *(struct board *const *)arg; }

/* ---- one caller ---- */

TEST(taken_and_released)
{
    posse_lock lock = make_lock(make_pool(1));
    for (int i = 0; i < 1000; i++) {
        assert_ok(posse_lock_acquire(lock, i % 2 ? -1 : 0));
        assert_ok(posse_lock_release(lock));
    }
    end_lock(lock);
}

TEST(not_recursive)
{
    posse_lock lock = make_lock(make_pool(1));
    assert_ok(posse_lock_acquire(lock, -1));
    assert_status(posse_lock_acquire(lock, -1), POSSE_DEADLOCK);
    assert_status(posse_lock_acquire(lock, 0), POSSE_DEADLOCK);
    assert_ok(posse_lock_release(lock));
    assert_status(posse_lock_release(lock), POSSE_INVALID);
    end_lock(lock);
}

TEST(bad_arguments)
{
    posse_lock lock = make_lock(make_pool(1));
    posse_lock nothing = {0};
    posse_lock other = {.executor = lock.executor, .id = lock.id ^ 1};
    posse_lock wild = {.executor = lock.executor, .id = UINT64_MAX};
    posse_queue queue = {.executor = lock.executor, .id = lock.id};
    assert_status(posse_lock_create(NULL, &nothing), POSSE_INVALID);
    assert_status(posse_lock_create(lock.executor, NULL), POSSE_INVALID);
    assert_status(posse_lock_acquire(nothing, 0), POSSE_INVALID);
    assert_status(posse_lock_acquire(other, 0), POSSE_INVALID);
    assert_status(posse_lock_release(wild), POSSE_INVALID);
    assert_status(posse_lock_acquire(lock, -2), POSSE_INVALID);
    assert_status(posse_queue_close(queue), POSSE_INVALID);
    end_lock(lock);
}

TEST(stale_after_destroy)
{
    posse_lock lock = make_lock(make_pool(1));
    assert_ok(posse_lock_acquire(lock, 0));
    assert_status(posse_lock_destroy(lock), POSSE_INVALID); /* it is held */
    assert_ok(posse_lock_release(lock));
    assert_ok(posse_lock_destroy(lock));
    posse_lock next = make_lock(lock.executor); /* in the same place */
    assert_status(posse_lock_acquire(lock, -1), POSSE_INVALID);
    assert_status(posse_lock_release(lock), POSSE_INVALID);
    assert_status(posse_lock_destroy(lock), POSSE_INVALID);
    end_lock(next);
}

TEST(posse_free_refuses_it)
{
    posse_executor *pool = make_pool(1);
    void *memory = NULL;
    assert_ok(posse_alloc(pool, 1024, &memory));
    assert_ok(posse_free(pool, memory));
    posse_lock lock = make_lock(pool);
    assert_status(posse_free(pool, memory), POSSE_INVALID); /* it may lie there now */
    assert_int_equal(stats_of(pool).memory_blocks, 1);
    end_lock(lock);
}

/* ---- several ---- */

static int count_locked(struct board *board)
{
    for (long i = 0; i < board->rounds; i++) {
        if (posse_lock_acquire(board->lock, -1) != POSSE_OK) {
            return GAVE_UP;
        }
        board->plain++;
        if (posse_lock_release(board->lock) != POSSE_OK) {
            return GAVE_UP;
        }
    }
    return 0;
}

static int count_locked_task(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)size;
    return count_locked(board_of(arg));
}

static posse_status call_count(void *board)
{
    return count_locked(board) == 0 ? POSSE_OK : POSSE_TASK_FAILED;
}

TEST(one_at_a_time)
{
    enum { TASKS = 8 };
    struct board *board = make_board(make_pool(4));
    board->rounds = 5000;
    struct caller caller;
    posse_future futures[TASKS];
    start_call(&caller, call_count, board);
    for (int i = 0; i < TASKS; i++) {
        futures[i] = SUBMIT_VALUE(board->lock.executor, count_locked_task, board);
    }
    for (int i = 0; i < TASKS; i++) {
        take_error(futures[i], POSSE_OK);
    }
    assert_ok(end_call(&caller));
    assert_int_equal(board->plain, (TASKS + 1) * board->rounds);
    end_board(board);
}

static posse_status call_acquire(void *board)
{
    posse_status status = posse_lock_acquire(((struct board *)board)->lock, -1);
    if (status == POSSE_OK || status == POSSE_OWNER_DIED) {
        posse_lock_release(((struct board *)board)->lock);
    }
    return status;
}

static posse_status call_acquire_briefly(void *board)
{
    return posse_lock_acquire(((struct board *)board)->lock, 30);
}

static posse_status call_release(void *board)
{
    return posse_lock_release(((struct board *)board)->lock);
}

static posse_status called(posse_status (*call)(void *), void *context)
{
    struct caller caller;
    start_call(&caller, call, context);
    return end_call(&caller);
}

TEST(held_by_another)
{
    struct board *board = make_board(make_pool(1));
    assert_ok(posse_lock_acquire(board->lock, -1));
    long start = now_ms();
    assert_status(called(call_acquire_briefly, board), POSSE_TIMEOUT);
    assert_in_range(now_ms() - start, 29, PATIENCE_MS);
    assert_status(called(call_release, board), POSSE_INVALID);
    assert_status(posse_lock_acquire(board->lock, 0), POSSE_DEADLOCK);
    assert_ok(posse_lock_release(board->lock));
    assert_ok(called(call_acquire, board));
    end_board(board);
}

TEST(all_who_wait_get_it)
{
    struct board *board = make_board(make_pool(1));
    struct caller callers[40]; /* in more than one word of bits */
    assert_ok(posse_lock_acquire(board->lock, -1));
    for (size_t i = 0; i < COUNT(callers); i++) {
        start_call(&callers[i], call_acquire, board);
    }
    await_parked(&callers[0]);
    await_parked(&callers[COUNT(callers) - 1]);
    long start = now_ms();
    assert_ok(posse_lock_release(board->lock));
    for (size_t i = 0; i < COUNT(callers); i++) {
        assert_ok(end_call(&callers[i]));
    }
    assert_in_range(now_ms() - start, 0, 900); /* woken, not found out by the look each second */
    end_board(board);
}

TEST(destroy_ends_the_waiting)
{
    struct board *board = make_board(make_pool(1));
    struct caller caller;
    struct caller destroyer;
    assert_ok(posse_lock_acquire(board->lock, -1));
    start_call(&caller, call_acquire, board);
    await_parked(&caller);
    start_call(&destroyer, call_destroy, board->lock.executor);
    assert_status(end_call(&caller), POSSE_SHUT_DOWN);
    assert_ok(end_call(&destroyer));
}

TEST(usable_after_shutdown)
{
    posse_lock lock = make_lock(make_pool(1));
    assert_ok(posse_shutdown(lock.executor, 0, -1));
    assert_ok(posse_lock_acquire(lock, -1));
    assert_ok(posse_lock_release(lock));
    end_lock(lock);
}

static int use_in_child(void *board)
{
    REQUIRE(posse_lock_acquire(((struct board *)board)->lock, 0) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_lock_release(((struct board *)board)->lock) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_lock_destroy(((struct board *)board)->lock) == POSSE_WRONG_PROCESS);
    return 0;
}

TEST(not_in_a_forked_child)
{
    struct board *board = make_board(make_pool(1));
    assert_child(use_in_child, board);
    end_board(board);
}

/* ---- deaths ---- */

/* Takes the lock, and holds it until it is told to go on, or dies. */
static int keep_task(posse_task *task, const void *arg, size_t size)
{
    struct board *board = board_of(arg);
    (void)task;
    (void)size;
    posse_status status = posse_lock_acquire(board->lock, -1);
    atomic_store(&board->who, identity());
    atomic_fetch_add(&board->told, status == POSSE_OWNER_DIED);
    atomic_fetch_add(&board->taken, 1);
    while (!atomic_load(&board->go_on)) {
        pause_ms(1);
    }
    return posse_lock_release(board->lock) == POSSE_OK ? 0 : GAVE_UP;
}

static posse_future kept(struct board *board)
{
    posse_future future = SUBMIT_VALUE(board->lock.executor, keep_task, board);
    assert_eventually(atomic_load(&board->taken) == 1);
    return future;
}

TEST(told_once_that_the_holder_died)
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

TEST(one_of_the_waiting_is_told)
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
    (void)task;
    (void)size;
    atomic_store(&board->who, identity());
    posse_status status = posse_lock_acquire(board->lock, -1);
    if (status != POSSE_OK) {
        return (int)status;
    }
    atomic_fetch_add(&board->taken, 1);
    return (int)posse_lock_release(board->lock);
}

/* Nobody relies on a waiter that has died. */
TEST(waiter_killed)
{
    struct board *board = make_board(make_pool(2));
    struct caller caller;
    assert_ok(posse_lock_acquire(board->lock, -1));
    posse_future future = SUBMIT_VALUE(board->lock.executor, acquire_task, board);
    assert_eventually(atomic_load(&board->who) != 0);
    pause_ms(20);
    start_call(&caller, call_acquire, board);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)atomic_load(&board->who), SIGKILL), 0);
    take_error(future, POSSE_WORKER_LOST);
    long start = now_ms();
    assert_ok(posse_lock_release(board->lock));
    assert_ok(end_call(&caller));
    assert_in_range(now_ms() - start, 0, 900);
    end_board(board);
}

/* Returns with the lock held: it stays its worker's. */
static int forget_task(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)size;
    return (int)posse_lock_acquire(board_of(arg)->lock, -1);
}

TEST(forgotten_until_the_worker_leaves)
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
        posse_submit(pool, acquire_task, arg, size, &future) != POSSE_OK) {
        return GAVE_UP;
    }
    posse_error error;
    if (posse_exception(future, -1, &error) != POSSE_OK) {
        return GAVE_UP;
    }
    posse_release(future);
    return posse_lock_release(board->lock) == POSSE_OK ? error.code : GAVE_UP;
}

TEST(nested_on_one_stack)
{
    struct board *board = make_board(make_pool(1));
    posse_future future = SUBMIT_VALUE(board->lock.executor, outer_task, board);
    assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, POSSE_DEADLOCK);
    end_board(board);
}

static int make_task(posse_task *task, const void *arg, size_t size)
{
    struct board *board = board_of(arg);
    (void)size;
    if (posse_lock_create(posse_task_executor(task), &board->lock) != POSSE_OK) {
        return GAVE_UP;
    }
    atomic_store(&board->who, identity());
    return 0;
}

/* A lock that a task made ends as its worker dies, whoever holds it or waits for it. */
TEST(made_by_a_task_that_dies)
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
TEST(made_by_a_task_whose_worker_left)
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
    (void)task;
    (void)size;
    if (posse_lock_acquire(board_of(arg)->lock, -1) == POSSE_OK) {
        pthread_exit(NULL);
    }
    return GAVE_UP;
}

TEST(thread_that_exits_holding_it)
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
    (void)task;
    (void)size;
    memset(bytes, 0xa5, 1024);
    return 0;
}

TEST(scribbled_on)
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

static const struct check checks[] = {
    CHECK(taken_and_released, ALL),
    CHECK(not_recursive, ALL),
    CHECK(bad_arguments, ALL),
    CHECK(stale_after_destroy, ALL),
    CHECK(posse_free_refuses_it, ALL),
    CHECK(one_at_a_time, ALL),
    CHECK(held_by_another, ALL),
    CHECK(all_who_wait_get_it, ALL),
    CHECK(destroy_ends_the_waiting, ALL),
    CHECK(usable_after_shutdown, ALL),
    CHECK(not_in_a_forked_child, ALL),
    CHECK(told_once_that_the_holder_died, PROCESSES),
    CHECK(one_of_the_waiting_is_told, PROCESSES),
    CHECK(waiter_killed, PROCESSES),
    CHECK(forgotten_until_the_worker_leaves, PARALLEL),
    CHECK(nested_on_one_stack, ALL),
    CHECK(made_by_a_task_that_dies, PROCESSES),
    CHECK(made_by_a_task_whose_worker_left, ALL),
    CHECK(thread_that_exits_holding_it, THREADS),
    CHECK(scribbled_on, ALL),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
