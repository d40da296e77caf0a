/* as_completed.c - posse_as_completed gives futures in the order in which they end. */
#include "support/support.h"

#include <string.h>

static posse_completion_iter *open_over(const posse_future *futures, size_t n, long timeout_ms)
{
    posse_completion_iter *completed = NULL;
    assert_ok(posse_as_completed(futures, n, timeout_ms, &completed));
    assert_non_null(completed);
    return completed;
}

static size_t next_index(posse_completion_iter *completed, const posse_future *futures)
{
    posse_future future = {0};
    size_t index = SIZE_MAX;
    assert_ok(posse_completion_iter_next(completed, &future, &index));
    assert_memory_equal(&future, &futures[index], sizeof future);
    return index;
}

static void assert_end(posse_completion_iter *completed, posse_status how)
{
    posse_future future = {0};
    assert_status(posse_completion_iter_next(completed, &future, NULL), how);
    assert_status(posse_completion_iter_next(completed, &future, NULL), how); /* and it stays so */
    assert_null(future.executor);
}

static void release_all(const posse_future *futures, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_ok(posse_exception(futures[i], -1, NULL));
        assert_ok(posse_release(futures[i]));
    }
}

POOL_TEST(A01_no_timeout, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[5] = {submitted_long(pool, square_task, 1),
                               submitted_long(pool, code_task, 2)};
    assert_ok(posse_wait(futures, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL));
    futures[2] = submitted_hold(pool, gate);
    futures[3] = submitted_hold(pool, gate);
    futures[4] = submitted_long(pool, square_task, 3);
    await_entered(gate, 2);
    assert_ok(posse_cancel(futures[4]));
    posse_completion_iter *completed = open_over(futures, 5, -1);
    bool given[5] = {false};
    for (int i = 0; i < 5; i++) {
        size_t index = next_index(completed, futures);
        assert_false(given[index]);
        given[index] = true;
        if (i == 2) { /* those that had ended came first */
            assert_true(given[0] && given[1] && given[4]);
            open_gate(gate);
        }
    }
    assert_end(completed, POSSE_END);
    posse_completion_iter_close(completed);
    release_all(futures, 5);
    free_gate(pool, gate);
}

static void assert_times_out(long timeout_ms)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future futures[3] = {submitted_long(pool, square_task, 1),
                               submitted_long(pool, square_task, 2), submitted_hold(pool, gate)};
    await_entered(gate, 1);
    posse_completion_iter *completed = open_over(futures, 3, timeout_ms);
    assert_int_equal(next_index(completed, futures), 0);
    assert_int_equal(next_index(completed, futures), 1);
    assert_end(completed, POSSE_TIMEOUT);
    assert_int_equal(posse_completion_iter_left(completed), 1);
    open_gate(gate);
    assert_ok(posse_result(futures[2], -1, NULL, NULL));
    assert_int_equal(next_index(completed, futures), 2); /* ended later, asked again */
    assert_end(completed, POSSE_END);
    posse_completion_iter_close(completed);
    release_all(futures, 3);
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(A02_future_times_out, PARALLEL) { assert_times_out(100); }

TEST(A02_future_times_out_at_once, PARALLEL) { assert_times_out(0); }

/* Whoever has seen that one has ended is given it, though the time is over. */
POOL_TEST(A02_ended_after_the_timeout, PARALLEL, 2)
{
    for (int i = 0; i < 1000; i++) {
        struct gate *gate = i % 100 ? NULL : make_gate(pool);
        posse_future future =
            gate ? submitted_hold(pool, gate) : submitted_long(pool, square_task, i);
        posse_completion_iter *completed = open_over(&future, 1, 0);
        if (gate) {
            assert_end(completed, POSSE_TIMEOUT);
            open_gate(gate);
        }
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_int_equal(next_index(completed, &future), 0);
        assert_end(completed, POSSE_END);
        posse_completion_iter_close(completed);
        assert_ok(posse_release(future));
        if (gate)
            free_gate(pool, gate);
    }
}

POOL_TEST(A03_duplicate_futures, ALL, 1)
{
    posse_future one = submitted_long(pool, square_task, 4);
    posse_future other = submitted_long(pool, square_task, 5);
    posse_future futures[5] = {one, one, other, one, other};
    posse_completion_iter *completed = open_over(futures, 5, -1);
    assert_int_equal(posse_completion_iter_left(completed), 2);
    assert_int_equal(next_index(completed, futures), 0);
    assert_int_equal(next_index(completed, futures), 2); /* the first place of each */
    assert_end(completed, POSSE_END);
    posse_completion_iter_close(completed);
    release_all(&one, 1);
    release_all(&other, 1);
}

/* The slot that was just released is used at once by the next task. */
POOL_TEST(A04_released_at_once, ALL, 2)
{
    for (int round = 0; round < 20; round++) {
        posse_future futures[20], future;
        for (size_t i = 0; i < COUNT(futures); i++)
            futures[i] = submitted_long(pool, square_task, (long)i);
        posse_completion_iter *completed = open_over(futures, COUNT(futures), -1);
        for (size_t i = 0; i < COUNT(futures); i++) {
            size_t index;
            assert_ok(posse_completion_iter_next(completed, &future, &index));
            assert_int_equal(take_long(future), (long)(index * index));
            assert_ok(posse_submit(pool, square_task, &(long){1}, sizeof(long), NULL));
        }
        assert_end(completed, POSSE_END);
        posse_completion_iter_close(completed);
    }
}

POOL_TEST(A05_how_many_are_left, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[4];
    for (long i = 0; i < 4; i++)
        futures[i] = i < 2 ? submitted_long(pool, square_task, i) : submitted_hold(pool, gate);
    posse_completion_iter *completed = open_over(futures, 4, 50);
    assert_int_equal(posse_completion_iter_left(completed), 4);
    posse_future future;
    posse_status status;
    for (int i = 0;
         i < 4 && (status = posse_completion_iter_next(completed, &future, NULL)) == POSSE_OK;
         i++) {
    }
    assert_status(status, POSSE_TIMEOUT);
    assert_ok(posse_wait(futures, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL));
    while (posse_completion_iter_next(completed, &future, NULL) == POSSE_OK) {
    }
    assert_int_equal(posse_completion_iter_left(completed), 2); /* "2 (of 4) futures unfinished" */
    open_gate(gate);
    posse_completion_iter_close(completed);
    release_all(futures, 4);
    free_gate(pool, gate);
}

/* One worker ends them in the order of submission; the array has them in another. */
POOL_TEST(order_of_ending, PARALLEL, 1)
{
    enum { N = 40 };
    struct gate *gate = make_gate(pool);
    posse_future hold = submitted_hold(pool, gate), futures[N];
    await_entered(gate, 1);
    for (size_t i = 0; i < N; i++)
        futures[i * 7 % N] = submitted_long(pool, square_task, (long)i);
    posse_completion_iter *completed = open_over(futures, N, -1);
    open_gate(gate);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(next_index(completed, futures), i * 7 % N);
    posse_completion_iter_close(completed);
    release_all(futures, N);
    release_all(&hold, 1);
    free_gate(pool, gate);
}

POOL_TEST(released_ones_are_left_out, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[4] = {submitted_hold(pool, gate), submitted_hold(pool, gate)};
    await_entered(gate, 2);
    futures[2] = submitted_long(pool, square_task, 2);
    futures[3] = submitted_long(pool, square_task, 3);
    posse_completion_iter *completed = open_over(futures, 4, -1);
    assert_ok(posse_release(futures[1])); /* running */
    assert_ok(posse_release(futures[2])); /* waiting */
    open_gate(gate);
    bool given[4] = {false};
    for (int i = 0; i < 2; i++)
        given[next_index(completed, futures)] = true;
    assert_true(given[0] && given[3]);
    assert_end(completed, POSSE_END);
    posse_completion_iter_close(completed);
    release_all(&futures[0], 1);
    release_all(&futures[3], 1);
    assert_eventually(stats_of(pool).futures == 0);
    free_gate(pool, gate);
}

POOL_TEST(arguments, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 1), zero = {0};
    posse_completion_iter *completed = NULL;
    posse_completion_iter *empty = open_over(NULL, 0, -1);
    assert_end(empty, POSSE_END);
    assert_int_equal(posse_completion_iter_left(empty), 0);
    posse_completion_iter_close(empty);
    posse_completion_iter_close(NULL);
    assert_status(posse_as_completed(&future, 1, -1, NULL), POSSE_INVALID);
    assert_status(posse_as_completed(NULL, 1, -1, &completed), POSSE_INVALID);
    assert_status(posse_as_completed(&future, 1, -2, &completed), POSSE_INVALID);
    assert_status(posse_as_completed(&zero, 1, -1, &completed), POSSE_INVALID);
    assert_status(posse_completion_iter_next(NULL, &zero, NULL), POSSE_INVALID);
    completed = open_over(&future, 1, -1);
    assert_status(posse_completion_iter_next(completed, NULL, NULL), POSSE_INVALID);
    assert_int_equal(posse_completion_iter_left(completed), 1);
    posse_completion_iter_close(completed);
    release_all(&future, 1);
    assert_status(posse_as_completed(&future, 1, -1, &completed), POSSE_INVALID);
}

/* What was closed early hears of nothing any more. */
POOL_TEST(closed_early, ALL, 2)
{
    posse_future futures[30];
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < COUNT(futures); i++)
            futures[i] = submitted_long(pool, square_task, (long)i);
        posse_completion_iter *completed = open_over(futures, COUNT(futures), -1);
        for (int i = 0; i < round; i++)
            (void)next_index(completed, futures);
        posse_completion_iter_close(completed);
        release_all(futures, COUNT(futures));
    }
}

TEST(closed_after_destroy, ALL)
{
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    posse_future futures[3] = {submitted_long(pool, square_task, 1)};
    size_t n = 1;
    for (; backend() == POSSE_PROCESS && n < 3; n++)
        futures[n] = submitted_hold(pool, gate);
    posse_completion_iter *completed = open_over(futures, n, -1);
    posse_completion_iter *used = open_over(futures, n, -1);
    (void)next_index(used, futures);
    assert_ok(posse_destroy(pool));
    posse_completion_iter_close(completed);
    posse_completion_iter_close(used);
}

POOL_TEST(two_over_the_same, ALL, 2)
{
    posse_future futures[20];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_long(pool, square_task, (long)i);
    posse_completion_iter *a = open_over(futures, COUNT(futures), -1);
    posse_completion_iter *b = open_over(futures, COUNT(futures), -1);
    bool given[2][COUNT(futures)] = {{false}};
    for (size_t i = 0; i < COUNT(futures); i++) {
        given[0][next_index(a, futures)] = true;
        given[1][next_index(b, futures)] = true;
    }
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_true(given[0][i] && given[1][i]);
    assert_end(a, POSSE_END);
    assert_end(b, POSSE_END);
    posse_completion_iter_close(b);
    posse_completion_iter_close(a);
    release_all(futures, COUNT(futures));
}
