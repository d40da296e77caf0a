/* many_ends.c - who waits for many futures learns of deaths, and of the executor's own end. */
#include "support/support.h"

#include <signal.h>
#include <string.h>

/* A thread that waits for the next of several futures. */
struct reader {
    posse_completion_iter *completed;
    posse_future given;
    size_t index;
};

static posse_status call_next(void *context)
{
    struct reader *reader = context;
    return posse_completion_iter_next(reader->completed, &reader->given, &reader->index);
}

/* Running tasks of a pool. */
struct held {
    posse_executor *pool;
    struct gate *gate;
    posse_future futures[4];
    size_t n;
};

static struct held hold(posse_executor *pool, size_t n)
{
    struct held held = {.pool = pool, .gate = make_gate(pool), .n = n};
    for (size_t i = 0; i < n; i++)
        held.futures[i] = submitted_hold(pool, held.gate);
    await_entered(held.gate, (int)n);
    return held;
}

static void let_go(struct held *held)
{
    open_gate(held->gate);
    for (size_t i = 0; i < held->n; i++) {
        assert_ok(posse_exception(held->futures[i], -1, NULL));
        assert_ok(posse_release(held->futures[i]));
    }
    free_gate(held->pool, held->gate);
}

static posse_completion_iter *open_over(const posse_future *futures, size_t n)
{
    posse_completion_iter *completed = NULL;
    assert_ok(posse_as_completed(futures, n, -1, &completed));
    return completed;
}

TEST(next_is_woken, PARALLEL)
{
    look_never();
    struct held held = hold(make_pool(2), 2);
    struct reader reader = {.completed = open_over(held.futures, 2)};
    struct caller caller;
    start_call(&caller, call_next, &reader);
    await_parked(&caller);
    open_gate(held.gate);
    assert_ok(end_call(&caller));
    posse_completion_iter_close(reader.completed);
    let_go(&held);
    end_pool(held.pool);
}

TEST(worker_killed, PROCESSES)
{
    struct held held = hold(make_pool(2), 2);
    struct reader reader = {.completed = open_over(held.futures, 2)};
    struct caller caller;
    start_call(&caller, call_next, &reader);
    await_parked(&caller);
    pid_t victim = (pid_t)atomic_load(&held.gate->who[0]);
    kill(victim, SIGKILL);
    assert_ok(end_call(&caller));
    posse_error error = error_of(reader.given);
    assert_status(error.status, POSSE_WORKER_LOST);
    assert_int_equal(error.pid, victim);
    open_gate(held.gate);
    assert_ok(posse_completion_iter_next(reader.completed, &reader.given, NULL));
    assert_status(error_of(reader.given).status, POSSE_OK);
    posse_completion_iter_close(reader.completed);
    let_go(&held);
    end_pool(held.pool);
}

static posse_status call_wait(void *context)
{
    const struct held *held = context;
    return posse_wait(held->futures, held->n, POSSE_ALL_COMPLETED, -1, NULL, NULL);
}

TEST(supervisor_killed, PROCESSES)
{
    look_every(20);
    posse_executor *pool = make_pool(2);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    posse_future ended = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(ended, -1, NULL, NULL));
    struct held held = hold(pool, 2);
    posse_future futures[3] = {held.futures[0], ended, held.futures[1]};
    struct reader reader = {.completed = open_over(futures, 3)};
    struct caller callers[2];
    assert_ok(posse_completion_iter_next(reader.completed, &reader.given, &reader.index));
    assert_int_equal(reader.index, 1);
    start_call(&callers[0], call_next, &reader);
    start_call(&callers[1], call_wait, &held);
    await_parked(&callers[0]);
    await_parked(&callers[1]);
    kill(supervisor, SIGKILL);
    assert_status(end_call(&callers[0]), POSSE_BROKEN);
    assert_status(end_call(&callers[1]), POSSE_BROKEN);
    assert_status(call_next(&reader), POSSE_BROKEN);
    assert_int_equal(posse_completion_iter_left(reader.completed), 2);
    posse_completion_iter_close(reader.completed);
    posse_completion_iter *again = open_over(futures, 3); /* what has ended still comes */
    assert_ok(posse_completion_iter_next(again, &reader.given, &reader.index));
    assert_int_equal(reader.index, 1);
    assert_status(posse_completion_iter_next(again, &reader.given, NULL), POSSE_BROKEN);
    posse_completion_iter_close(again);
    assert_ok(posse_destroy(pool));
}

TEST(destroyed_while_waiting, PARALLEL)
{
    struct held held = hold(make_pool(2), 2);
    struct reader reader = {.completed = open_over(held.futures, 2)};
    struct caller callers[3];
    start_call(&callers[0], call_next, &reader);
    start_call(&callers[1], call_wait, &held);
    await_parked(&callers[0]);
    await_parked(&callers[1]);
    if (backend() == POSSE_THREAD) {
        start_call(&callers[2], call_destroy, held.pool); /* it waits for the tasks */
        assert_status(end_call(&callers[0]), POSSE_SHUT_DOWN);
        assert_status(end_call(&callers[1]), POSSE_SHUT_DOWN);
        open_gate(held.gate);
        assert_ok(end_call(&callers[2]));
    } else {
        assert_ok(posse_destroy(held.pool));
        assert_status(end_call(&callers[0]), POSSE_SHUT_DOWN);
        assert_status(end_call(&callers[1]), POSSE_SHUT_DOWN);
    }
    posse_completion_iter_close(reader.completed);
}

/* The iterator is closed by one thread while another destroys the executor. */
static posse_status close_only(void *completed)
{
    posse_completion_iter_close(completed);
    return POSSE_OK;
}

TEST(closed_beside_destroy, PARALLEL_CALLERS)
{
    for (int round = 0; round < 60; round++) {
        posse_executor *pool = make_pool(1);
        posse_future futures[200];
        struct caller caller;
        for (size_t i = 0; i < COUNT(futures); i++)
            futures[i] = submitted_long(pool, square_task, (long)i);
        posse_completion_iter *completed = open_over(futures, COUNT(futures));
        start_call(&caller, close_only, completed);
        for (int i = 0; i < round * 100; i++)
            (void)posse_done(futures[0]); /* a while that differs */
        assert_ok(posse_destroy(pool));
        assert_ok(end_call(&caller));
    }
}

/* ---- several executors ---- */

static posse_executor *other_pool(posse_backend of)
{
    posse_options options = default_options();
    options.backend = of;
    options.max_workers = 2;
    return make_pool_with(options);
}

static void assert_both_together(posse_executor *a, posse_executor *b)
{
    look_never();
    struct held held[2] = {hold(a, 2), hold(b, 2)};
    posse_future futures[4] = {held[0].futures[0], held[1].futures[0], held[0].futures[1],
                               held[1].futures[1]};
    bool done[4];
    size_t n_done;
    assert_status(posse_wait(futures, 4, POSSE_ALL_COMPLETED, 10, done, &n_done), POSSE_TIMEOUT);
    assert_int_equal(n_done, 0);
    struct reader reader = {.completed = open_over(futures, 4)};
    for (int which = 1; which >= 0; which--) {
        struct caller caller;
        start_call(&caller, call_next, &reader);
        await_parked(&caller);
        open_gate(held[which].gate);
        assert_ok(end_call(&caller));
        assert_int_equal(reader.index % 2, which);
        assert_ok(call_next(&reader));
        assert_int_equal(reader.index % 2, which);
    }
    assert_status(call_next(&reader), POSSE_END);
    posse_completion_iter_close(reader.completed);
    assert_ok(posse_wait(futures, 4, POSSE_ALL_COMPLETED, -1, done, &n_done));
    assert_int_equal(n_done, 4);
    let_go(&held[0]);
    let_go(&held[1]);
    end_pool(a);
    end_pool(b);
}

TEST(two_executors, PARALLEL) { assert_both_together(make_pool(2), make_pool(2)); }

TEST(executors_of_both_kinds, PROCESSES)
{
    assert_both_together(other_pool(POSSE_PROCESS), other_pool(POSSE_THREAD));
}

/* One executor goes while a thread waits for futures of another: that thread is told, though all
 * futures of the first were given. */
TEST(one_of_two_is_destroyed, PARALLEL)
{
    posse_executor *first = make_pool(1);
    struct held held = hold(make_pool(1), 1);
    posse_future futures[2] = {submitted_long(first, square_task, 1), held.futures[0]};
    struct reader reader = {.completed = open_over(futures, 2)};
    struct caller caller;
    assert_ok(call_next(&reader));
    assert_int_equal(reader.index, 0);
    start_call(&caller, call_next, &reader);
    await_parked(&caller);
    assert_ok(posse_destroy(first));
    assert_status(end_call(&caller), POSSE_SHUT_DOWN);
    posse_completion_iter_close(reader.completed);
    let_go(&held);
    end_pool(held.pool);
}

/* What breaks in one does not hide what ends in the other. */
TEST(one_of_two_breaks, PROCESSES)
{
    struct held a = hold(make_pool(1), 1);
    struct held b = hold(make_pool(2), 1);
    pid_t supervisor = (pid_t)take_long(submitted(b.pool, parent_task, NULL, 0));
    posse_future futures[2] = {a.futures[0], b.futures[0]};
    struct reader reader = {.completed = open_over(futures, 2)};
    struct caller caller;
    start_call(&caller, call_next, &reader);
    await_parked(&caller);
    kill(supervisor, SIGKILL);
    assert_status(posse_result(b.futures[0], -1, NULL, NULL), POSSE_BROKEN);
    assert_false(atomic_load(&caller.returned)); /* the other may still end */
    open_gate(a.gate);
    assert_ok(end_call(&caller));
    assert_int_equal(reader.index, 0);
    assert_status(call_next(&reader), POSSE_BROKEN);
    posse_completion_iter_close(reader.completed);
    let_go(&a);
    end_pool(a.pool);
    assert_ok(posse_destroy(b.pool));
}
