/* wait.c - posse_wait: for the first, the first exception, or all of many futures. */
#include "support/support.h"

#include <string.h>

#define MOST 8

/* Futures of which some have ended; those at the gate have not. */
struct set {
    posse_executor *pool;
    struct gate *gate;
    posse_future futures[MOST];
    size_t n;
    bool done[MOST];
    size_t n_done;
};

static struct set make_set(long workers)
{
    struct set set = {.pool = make_pool(workers)};
    set.gate = make_gate(set.pool);
    return set;
}

static void end_set(struct set *set)
{
    open_gate(set->gate);
    for (size_t i = 0; i < set->n; i++) {
        (void)posse_exception(set->futures[i], -1, NULL);
        assert_ok(posse_release(set->futures[i]));
    }
    free_gate(set->pool, set->gate);
    end_pool(set->pool);
}

static size_t add(struct set *set, posse_future future)
{
    set->futures[set->n] = future;
    return set->n++;
}

static size_t add_ended(struct set *set, posse_fn *fn, long value)
{
    size_t at = add(set, submitted_long(set->pool, fn, value));
    assert_ok(posse_exception(set->futures[at], -1, NULL));
    return at;
}

/* It runs until the gate opens. */
static size_t add_held(struct set *set)
{
    int before = atomic_load(&set->gate->entered);
    size_t at = add(set, submitted_hold(set->pool, set->gate));
    await_entered(set->gate, before + 1);
    return at;
}

/* Cancelled before it could run: every worker is at the gate. */
static size_t add_cancelled(struct set *set)
{
    size_t at = add(set, submitted_long(set->pool, square_task, 1));
    assert_ok(posse_cancel(set->futures[at]));
    return at;
}

static posse_status wait_set(struct set *set, posse_when when, long timeout_ms)
{
    memset(set->done, 0xff, sizeof set->done); /* what is not filled in shows */
    set->n_done = MOST + 1;
    return posse_wait(set->futures, set->n, when, timeout_ms, set->done, &set->n_done);
}

/* `done` is a picture with a letter for each: + it has ended, - it has not. */
static void assert_done(const struct set *set, const char *picture)
{
    size_t count = 0;
    for (size_t i = 0; i < set->n; i++) {
        assert_int_equal(set->done[i], picture[i] == '+');
        count += picture[i] == '+';
    }
    assert_int_equal(set->n_done, count);
}

TEST(W01_same_future_twice, ALL)
{
    struct set set = make_set(1);
    add_ended(&set, square_task, 2);
    posse_future twice[3] = {set.futures[0], set.futures[0], set.futures[0]};
    bool done[3] = {false};
    size_t n_done = 0;
    assert_ok(posse_wait(twice, 3, POSSE_ALL_COMPLETED, -1, done, &n_done));
    assert_int_equal(n_done, 1);
    assert_true(done[0] && done[1] && done[2]);
    end_set(&set);
}

TEST(W01_same_pending_future_twice, PARALLEL)
{
    struct set set = make_set(1);
    add_held(&set);
    posse_future twice[2] = {set.futures[0], set.futures[0]};
    bool done[2] = {true, true};
    size_t n_done = 9;
    assert_status(posse_wait(twice, 2, POSSE_ALL_COMPLETED, 5, done, &n_done), POSSE_TIMEOUT);
    assert_true(n_done == 0 && !done[0] && !done[1]);
    open_gate(set.gate);
    assert_ok(posse_wait(twice, 2, POSSE_ALL_COMPLETED, -1, done, &n_done));
    assert_true(n_done == 1 && done[0] && done[1]);
    end_set(&set);
}

static posse_status wait_first(void *context)
{
    return wait_set(context, POSSE_FIRST_COMPLETED, -1);
}

static posse_status wait_exception(void *context)
{
    return wait_set(context, POSSE_FIRST_EXCEPTION, -1);
}

static posse_status wait_all(void *context) { return wait_set(context, POSSE_ALL_COMPLETED, -1); }

TEST(W02_first_completed, PARALLEL)
{
    struct set set = make_set(2);
    struct gate *other = make_gate(set.pool);
    struct caller caller;
    add_held(&set);
    add(&set, submitted_hold(set.pool, other));
    await_entered(other, 1);
    start_call(&caller, wait_first, &set);
    await_parked(&caller);
    open_gate(other);
    assert_ok(end_call(&caller));
    assert_done(&set, "-+");
    free_gate(set.pool, other);
    end_set(&set);
}

/* Unlike in Python, a cancelled future has ended. */
TEST(W02_cancelled_is_first, PARALLEL)
{
    struct set set = make_set(1);
    struct caller caller;
    add_held(&set);
    add(&set, submitted_long(set.pool, square_task, 1));
    start_call(&caller, wait_first, &set);
    await_parked(&caller);
    assert_ok(posse_cancel(set.futures[1]));
    assert_ok(end_call(&caller));
    assert_done(&set, "-+");
    end_set(&set);
}

TEST(W03_first_completed_some_already_completed, PARALLEL)
{
    struct set set = make_set(1);
    add_ended(&set, square_task, 3);
    add_held(&set);
    add_cancelled(&set);
    assert_ok(wait_set(&set, POSSE_FIRST_COMPLETED, -1));
    assert_done(&set, "+-+");
    end_set(&set);
}

TEST(W04_first_exception, PARALLEL)
{
    struct set set = make_set(2);
    struct caller caller;
    add_held(&set);
    posse_future first = submitted_hold(set.pool, set.gate);
    await_entered(set.gate, 2);
    add(&set, submitted_long(set.pool, square_task, 2));
    add(&set, submitted_long(set.pool, code_task, 5));
    struct gate *last = make_gate(set.pool);
    add(&set, submitted_hold(set.pool, last));
    start_call(&caller, wait_exception, &set);
    await_parked(&caller);
    open_gate(set.gate); /* success, success, the exception; and one that is held */
    assert_ok(end_call(&caller));
    assert_true(set.done[2]);
    assert_false(set.done[3]);
    open_gate(last);
    assert_ok(posse_exception(first, -1, NULL));
    assert_ok(posse_release(first));
    assert_ok(posse_exception(set.futures[3], -1, NULL));
    assert_ok(posse_free(set.pool, last));
    end_set(&set);
}

TEST(W05_first_exception_some_already_complete, PARALLEL)
{
    struct set set = make_set(2);
    struct gate *failing = make_gate(set.pool);
    struct caller caller;
    add_ended(&set, square_task, 3);
    add_held(&set);
    posse_future running = submitted_hold(set.pool, failing);
    await_entered(failing, 1);
    add_cancelled(&set);
    add(&set, submitted_long(set.pool, message_task, 8));
    start_call(&caller, wait_exception, &set);
    await_parked(&caller); /* neither the result nor the cancelled one was enough */
    open_gate(failing);
    assert_ok(end_call(&caller));
    assert_done(&set, "+-++");
    take_error(running, POSSE_OK);
    assert_ok(posse_free(set.pool, failing));
    end_set(&set);
}

TEST(W06_first_exception_one_already_failed, ALL)
{
    struct set set = make_set(1);
    add_ended(&set, code_task, 6);
    if (backend() != POSSE_INLINE)
        add_held(&set);
    assert_ok(wait_set(&set, POSSE_FIRST_EXCEPTION, -1));
    assert_done(&set, "+-");
    end_set(&set);
}

TEST(first_exception_without_any, ALL)
{
    struct set set = make_set(1);
    for (long i = 0; i < 3; i++)
        add(&set, submitted_long(set.pool, square_task, i));
    assert_ok(wait_set(&set, POSSE_FIRST_EXCEPTION, -1));
    assert_done(&set, "+++");
    end_set(&set);
}

TEST(W07_all_completed, PARALLEL)
{
    struct set set = make_set(2);
    struct caller caller;
    add_ended(&set, square_task, 3);
    add_ended(&set, code_task, 3);
    add_held(&set);
    add_held(&set);
    add_cancelled(&set);
    add(&set, submitted_long(set.pool, message_task, 4));
    add(&set, submitted_long(set.pool, square_task, 4));
    start_call(&caller, wait_all, &set);
    await_parked(&caller);
    open_gate(set.gate);
    assert_ok(end_call(&caller));
    assert_done(&set, "+++++++");
    end_set(&set);
}

TEST(W08_timeout, PARALLEL)
{
    struct set set = make_set(1);
    add_ended(&set, square_task, 3);
    add_held(&set);
    long start = now_ms();
    assert_status(wait_set(&set, POSSE_ALL_COMPLETED, 50), POSSE_TIMEOUT);
    assert_in_range(now_ms() - start, 50, PATIENCE_MS);
    assert_done(&set, "+-");
    assert_status(wait_set(&set, POSSE_ALL_COMPLETED, 0), POSSE_TIMEOUT);
    assert_done(&set, "+-");
    end_set(&set);
}

#define MANY 100

POOL_TEST(W09_pending_calls_race, PARALLEL, 4)
{
    static posse_future futures[MANY];
    for (int round = 0; round < 10; round++) {
        struct gate *gate = make_gate(pool);
        size_t n_done = 0;
        for (int i = 0; i < MANY; i++)
            futures[i] = i < 4 ? submitted_hold(pool, gate) : submitted_long(pool, square_task, i);
        await_entered(gate, 4);
        open_gate(gate);
        assert_ok(posse_wait(futures, MANY, POSSE_ALL_COMPLETED, PATIENCE_MS, NULL, &n_done));
        assert_int_equal(n_done, MANY);
        for (int i = 0; i < MANY; i++)
            assert_ok(posse_release(futures[i]));
        free_gate(pool, gate);
    }
}

/* The usual loop: each round leaves out those that have ended. */
POOL_TEST(shrinking_set, ALL, 2)
{
    posse_future left[50];
    size_t n = COUNT(left);
    for (size_t i = 0; i < n; i++)
        left[i] = submitted_long(pool, square_task, (long)i);
    for (int rounds = 0; n > 0; rounds++) {
        bool done[COUNT(left)];
        size_t n_done, kept = 0;
        assert_in_range(rounds, 0, COUNT(left));
        assert_ok(posse_wait(left, n, POSSE_FIRST_COMPLETED, -1, done, &n_done));
        assert_in_range(n_done, 1, n);
        for (size_t i = 0; i < n; i++)
            if (done[i])
                assert_ok(posse_release(left[i]));
            else
                left[kept++] = left[i];
        assert_int_equal(kept, n - n_done);
        n = kept;
    }
}

POOL_TEST(arguments, ALL, 1)
{
    posse_future futures[2] = {submitted_long(pool, square_task, 1), {0}};
    size_t n_done = 7;
    assert_ok(posse_wait(NULL, 0, POSSE_ALL_COMPLETED, -1, NULL, &n_done));
    assert_int_equal(n_done, 0);
    assert_ok(posse_wait(NULL, 0, POSSE_FIRST_COMPLETED, 0, NULL, NULL));
    assert_status(posse_wait(NULL, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL), POSSE_INVALID);
    assert_status(posse_wait(futures, 1, (posse_when)3, -1, NULL, NULL), POSSE_INVALID);
    assert_status(posse_wait(futures, 1, POSSE_ALL_COMPLETED, -2, NULL, NULL), POSSE_INVALID);
    assert_status(posse_wait(futures, 2, POSSE_FIRST_COMPLETED, -1, NULL, NULL), POSSE_INVALID);
    assert_ok(posse_wait(futures, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL));
    assert_ok(posse_release(futures[0]));
    assert_status(posse_wait(futures, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL), POSSE_INVALID);
}

/* One that is released while it is waited for is stale: this is told when the others have ended. */
TEST(released_meanwhile, PARALLEL)
{
    struct set set = make_set(2);
    struct caller caller;
    add_held(&set);
    add_held(&set);
    start_call(&caller, wait_all, &set);
    await_parked(&caller);
    assert_ok(posse_release(set.futures[1]));
    open_gate(set.gate);
    assert_status(end_call(&caller), POSSE_INVALID);
    set.n = 1;
    end_set(&set);
}
