/* lock.c - locks that tasks and the program share. */
#include "support/objects.h"

/* ---- one caller ---- */

TEST(taken_and_released, ALL)
{
    posse_lock lock = make_lock(make_pool(1));
    for (int i = 0; i < 1000; i++) {
        assert_ok(posse_lock_acquire(lock, i % 2 ? -1 : 0));
        assert_ok(posse_lock_release(lock));
    }
    end_lock(lock);
}

TEST(not_recursive, ALL)
{
    posse_lock lock = make_lock(make_pool(1));
    assert_ok(posse_lock_acquire(lock, -1));
    assert_status(posse_lock_acquire(lock, -1), POSSE_DEADLOCK);
    assert_status(posse_lock_acquire(lock, 0), POSSE_DEADLOCK);
    assert_ok(posse_lock_release(lock));
    assert_status(posse_lock_release(lock), POSSE_INVALID);
    end_lock(lock);
}

TEST(bad_arguments, ALL)
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

TEST(stale_after_destroy, ALL)
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

TEST(posse_free_refuses_it, ALL)
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
        if (posse_lock_acquire(board->lock, -1) != POSSE_OK)
            return GAVE_UP;
        board->plain++;
        if (posse_lock_release(board->lock) != POSSE_OK)
            return GAVE_UP;
    }
    return 0;
}

static int count_locked_task(posse_task *task, const void *arg, size_t size)
{
    return count_locked(board_of(arg));
}

static posse_status call_count(void *board)
{
    return count_locked(board) == 0 ? POSSE_OK : POSSE_TASK_FAILED;
}

TEST(one_at_a_time, ALL)
{
    enum { TASKS = 8 };
    struct board *board = make_board(make_pool(4));
    board->rounds = 5000;
    struct caller caller;
    posse_future futures[TASKS];
    start_call(&caller, call_count, board);
    for (int i = 0; i < TASKS; i++)
        futures[i] = SUBMIT_VALUE(board->lock.executor, count_locked_task, board);
    for (int i = 0; i < TASKS; i++)
        take_error(futures[i], POSSE_OK);
    assert_ok(end_call(&caller));
    assert_int_equal(board->plain, (TASKS + 1) * board->rounds);
    end_board(board);
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

TEST(held_by_another, ALL)
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

TEST(all_who_wait_get_it, ALL)
{
    look_never();
    struct board *board = make_board(make_pool(1));
    struct caller callers[40]; /* in more than one word of bits */
    assert_ok(posse_lock_acquire(board->lock, -1));
    for (size_t i = 0; i < COUNT(callers); i++)
        start_call(&callers[i], call_acquire, board);
    await_parked(&callers[0]);
    await_parked(&callers[COUNT(callers) - 1]);
    assert_ok(posse_lock_release(board->lock));
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    end_board(board);
}

TEST(destroy_ends_the_waiting, ALL)
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

TEST(usable_after_shutdown, ALL)
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

TEST(not_in_a_forked_child, ALL)
{
    struct board *board = make_board(make_pool(1));
    assert_child(use_in_child, board);
    end_board(board);
}
