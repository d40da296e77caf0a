/* completions.c - the completion descriptor: readable exactly while there is something to take. */
#include "support/support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static posse_completion_queue *make_completions(void)
{
    posse_completion_queue *completions = NULL;
    assert_ok(posse_completion_queue_create(&completions));
    assert_non_null(completions);
    return completions;
}

static bool readable(const posse_completion_queue *completions, int timeout_ms)
{
    struct pollfd fd = {.fd = posse_completion_queue_fd(completions), .events = POLLIN};
    return poll(&fd, 1, timeout_ms) == 1 && fd.revents == POLLIN;
}

static posse_completion take_one(posse_completion_queue *completions)
{
    posse_completion taken = {{0}, NULL};
    assert_true(readable(completions, PATIENCE_MS));
    assert_int_equal(posse_completion_queue_take(completions, &taken, 1), 1);
    return taken;
}

static void assert_nothing(posse_completion_queue *completions)
{
    posse_completion taken;
    assert_false(readable(completions, 0));
    assert_int_equal(posse_completion_queue_take(completions, &taken, 1), 0);
}

TEST(descriptor, ALL)
{
    posse_completion_queue *completions = make_completions();
    int fd = posse_completion_queue_fd(completions);
    assert_true(fd > 2);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
    posse_completion_queue_destroy(NULL);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* Also if the program has closed its own stdin. */
TEST(descriptor_is_not_stdio, ALL)
{
    int saved = dup(STDIN_FILENO);
    close(STDIN_FILENO);
    posse_completion_queue *completions = make_completions();
    int fd = posse_completion_queue_fd(completions);
    posse_completion_queue_destroy(completions);
    (void)dup2(saved, STDIN_FILENO);
    close(saved);
    assert_true(fd > 2);
}

POOL_TEST(arguments, ALL, 1)
{
    posse_completion_queue *completions = make_completions();
    posse_future future = submitted_long(pool, square_task, 1);
    posse_completion taken;
    assert_status(posse_completion_queue_create(NULL), POSSE_INVALID);
    assert_status(posse_completion_queue_add(NULL, future, NULL), POSSE_INVALID);
    assert_status(posse_completion_queue_add(completions, (posse_future){0}, NULL), POSSE_INVALID);
    assert_int_equal(posse_completion_queue_take(NULL, &taken, 1), 0);
    assert_int_equal(posse_completion_queue_fd(NULL), -1);
    take_error(future, POSSE_OK);
    assert_status(posse_completion_queue_add(completions, future, NULL), POSSE_INVALID);
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
}

/* IP26: an event loop that waits for other things too. */
POOL_TEST(IP26_poll_loop, ALL, 2)
{
    enum { N = 60 };
    posse_completion_queue *completions = make_completions();
    posse_future futures[N];
    int other[2];
    int ticks = 0, ended = 0;
    assert_int_equal(pipe(other), 0);
    for (long i = 0; i < N; i++) {
        futures[i] = submitted_long(pool, square_task, i);
        assert_ok(posse_completion_queue_add(completions, futures[i], &futures[i]));
    }
    assert_int_equal(write(other[1], "tick", 4), 4);
    for (long end = now_ms() + PATIENCE_MS; ended < N || ticks < 4;) {
        struct pollfd fds[2] = {{.fd = posse_completion_queue_fd(completions), .events = POLLIN},
                                {.fd = other[0], .events = POLLIN}};
        char tick;
        posse_completion taken[7];
        assert_true(now_ms() < end);
        assert_in_range(poll(fds, 2, PATIENCE_MS), 1, 2);
        if (fds[1].revents) {
            assert_int_equal(read(other[0], &tick, 1), 1);
            ticks++;
        }
        size_t n = fds[0].revents ? posse_completion_queue_take(completions, taken, 7) : 0;
        for (size_t i = 0; i < n; i++) {
            long at = (posse_future *)taken[i].context - futures;
            assert_memory_equal(&taken[i].future, &futures[at], sizeof futures[at]);
            assert_int_equal(take_long(taken[i].future), at * at);
        }
        ended += (int)n;
    }
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
    close(other[0]);
    close(other[1]);
}

/* IP27: what was released is heard of no more. */
POOL_TEST(IP27_released_ones_are_left_out, PARALLEL, 1)
{
    posse_completion_queue *completions = make_completions();
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future waiting = submitted_long(pool, square_task, 2);
    posse_future cancelled = submitted_long(pool, square_task, 3);
    posse_future last = submitted_long(pool, square_task, 4);
    posse_future all[4] = {held, waiting, cancelled, last};
    for (size_t i = 0; i < COUNT(all); i++)
        assert_ok(posse_completion_queue_add(completions, all[i], NULL));
    assert_ok(posse_release(held));
    assert_ok(posse_release(waiting));
    assert_nothing(completions);
    assert_ok(posse_cancel(cancelled));
    posse_completion taken = take_one(completions);
    assert_memory_equal(&taken.future, &cancelled, sizeof cancelled);
    take_error(cancelled, POSSE_CANCELLED);
    open_gate(gate);
    taken = take_one(completions); /* the last to end */
    assert_memory_equal(&taken.future, &last, sizeof last);
    take_error(last, POSSE_OK);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
    free_gate(pool, gate);
}

/* In batches, in the order in which they ended; readable until the last is taken. */
POOL_TEST(batches_in_order, PARALLEL, 1)
{
    enum { N = 10 };
    posse_completion_queue *completions = make_completions();
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate), futures[N];
    for (long i = 0; i < N; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (int i = N - 1; i >= 0; i--)
        assert_ok(posse_completion_queue_add(completions, futures[i], &futures[i]));
    assert_nothing(completions);
    open_gate(gate);
    assert_ok(posse_wait(futures, N, POSSE_ALL_COMPLETED, -1, NULL, NULL));
    posse_completion taken[N];
    assert_int_equal(posse_completion_queue_take(completions, taken, 0), 0);
    assert_int_equal(posse_completion_queue_take(completions, NULL, 1), 0);
    for (size_t at = 0; at < N;) {
        assert_true(readable(completions, PATIENCE_MS));
        size_t n = posse_completion_queue_take(completions, &taken[at], at == 0 ? 4 : 3);
        assert_in_range(n, 1, 4);
        at += n;
    }
    assert_nothing(completions);
    for (size_t i = 0; i < N; i++) {
        assert_ptr_equal(taken[i].context, &futures[i]);
        take_error(futures[i], POSSE_OK);
    }
    take_error(held, POSSE_OK);
    posse_completion_queue_destroy(completions);
    free_gate(pool, gate);
}

POOL_TEST(added_after_the_end, ALL, 1)
{
    posse_completion_queue *completions = make_completions();
    posse_future future = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(future, -1, NULL, NULL));
    for (int i = 0; i < 2; i++) /* and twice */
        assert_ok(posse_completion_queue_add(completions, future, &future));
    assert_true(readable(completions, 0));
    for (int i = 0; i < 2; i++)
        assert_ptr_equal(take_one(completions).context, &future);
    assert_nothing(completions);
    take_error(future, POSSE_OK);
    posse_completion_queue_destroy(completions);
}

TEST(several_executors, ALL)
{
    posse_executor *pools[3] = {make_pool(1), make_pool(1), make_pool(1)};
    posse_completion_queue *completions = make_completions();
    posse_future futures[30];
    bool taken[30] = {false};
    for (long i = 0; i < 30; i++) {
        futures[i] = submitted_long(pools[i % 3], square_task, i);
        assert_ok(posse_completion_queue_add(completions, futures[i], &futures[i]));
    }
    for (int i = 0; i < 30; i++)
        taken[(posse_future *)take_one(completions).context - futures] = true;
    for (int i = 0; i < 30; i++) {
        assert_true(taken[i]);
        take_error(futures[i], POSSE_OK);
    }
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
    for (int i = 0; i < 3; i++)
        end_pool(pools[i]);
}

static posse_future add_held(posse_completion_queue *completions, posse_executor *pool,
                             struct gate *gate)
{
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_completion_queue_add(completions, held, NULL));
    return held;
}

POOL_TEST(destroyed_with_pending_ones, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_completion_queue *completions = make_completions();
    posse_future ended = submitted_long(pool, square_task, 1);
    assert_ok(posse_completion_queue_add(completions, ended, NULL));
    assert_true(readable(completions, PATIENCE_MS));
    posse_future held = add_held(completions, pool, gate);
    posse_completion_queue_destroy(completions);
    open_gate(gate);
    take_error(held, POSSE_OK);
    take_error(ended, POSSE_OK);
    free_gate(pool, gate);
}

TEST(executor_destroyed_first, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    posse_completion_queue *completions = make_completions();
    posse_future ended = submitted_long(pool, square_task, 1);
    assert_ok(posse_completion_queue_add(completions, ended, &ended));
    assert_true(readable(completions, PATIENCE_MS));
    for (int i = 0; i < 5; i++) {
        posse_future pending = submitted_long(pool, sleep_task, 50);
        assert_ok(posse_completion_queue_add(completions, pending, NULL));
    }
    assert_ok(posse_destroy(pool));
    assert_ptr_equal(take_one(completions).context, &ended); /* it had ended before */
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
}

/* It cannot end any more, and that is told. */
TEST(supervisor_killed, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    posse_completion_queue *completions = make_completions();
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    posse_future future = submitted_long(pool, sleep_task, 10 * PATIENCE_MS);
    assert_ok(posse_completion_queue_add(completions, future, &future));
    assert_nothing(completions);
    kill(supervisor, SIGKILL);
    assert_ptr_equal(take_one(completions).context, &future);
    assert_status(posse_result(future, 0, NULL, NULL), POSSE_BROKEN);
    assert_nothing(completions);
    posse_completion_queue_destroy(completions);
    assert_ok(posse_destroy(pool));
}

/* Nobody reads: nobody waits for that. */
POOL_TEST(nobody_reads, ALL, 2)
{
    enum { N = 3000 };
    static posse_future futures[N];
    posse_completion_queue *completions = make_completions();
    posse_completion taken[100];
    size_t n, all = 0;
    for (long i = 0; i < N; i++) {
        futures[i] = submitted_long(pool, square_task, i);
        assert_ok(posse_completion_queue_add(completions, futures[i], NULL));
    }
    assert_ok(posse_wait(futures, N, POSSE_ALL_COMPLETED, -1, NULL, NULL));
    for (long end = now_ms() + PATIENCE_MS; all < N && now_ms() < end;) {
        n = readable(completions, 1000) ? posse_completion_queue_take(completions, taken, 100) : 0;
        all += n;
    }
    assert_int_equal(all, N);
    assert_nothing(completions);
    for (int i = 0; i < N; i++)
        assert_ok(posse_release(futures[i]));
    posse_completion_queue_destroy(completions);
}

struct owned {
    posse_completion_queue *completions;
    posse_completion_iter *completed;
    posse_future future;
};

/* A forked child takes nothing from the program, and may close what it has. */
static int child_takes_nothing(void *context)
{
    const struct owned *owned = context;
    posse_completion taken;
    posse_future future;
    REQUIRE(posse_completion_queue_take(owned->completions, &taken, 1) == 0);
    REQUIRE(posse_completion_queue_add(owned->completions, owned->future, NULL) ==
            POSSE_WRONG_PROCESS);
    REQUIRE(posse_completion_iter_next(owned->completed, &future, NULL) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_wait(&owned->future, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL) ==
            POSSE_WRONG_PROCESS);
    posse_completion_iter_close(owned->completed);
    posse_completion_queue_destroy(owned->completions);
    return 0;
}

POOL_TEST(forked_child, ALL, 1)
{
    struct owned owned = {make_completions(), NULL, submitted_long(pool, square_task, 1)};
    assert_ok(posse_completion_queue_add(owned.completions, owned.future, &owned));
    assert_ok(posse_as_completed(&owned.future, 1, -1, &owned.completed));
    assert_true(readable(owned.completions, PATIENCE_MS));
    assert_child(child_takes_nothing, &owned);
    posse_future future;
    assert_ok(posse_completion_iter_next(owned.completed, &future, NULL));
    posse_completion_iter_close(owned.completed);
    assert_ptr_equal(take_one(owned.completions).context, &owned);
    posse_completion_queue_destroy(owned.completions);
    take_error(future, POSSE_OK);
}

struct bustle {
    posse_executor *pool;
    _Atomic int over;
};

/* Keeps the dispatcher busy. */
static posse_status bustle(void *context)
{
    struct bustle *bustle = context;
    posse_status status = POSSE_OK;
    while (!atomic_load(&bustle->over) && status == POSSE_OK) {
        posse_future future;
        status = posse_submit(bustle->pool, identity_task, NULL, 0, &future);
        if (status == POSSE_OK) {
            status = posse_wait(&future, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL);
            (void)posse_release(future);
        }
    }
    return status;
}

/* Some have ended and are not taken, some end meanwhile. */
TEST(destroyed_while_they_end, ALL)
{
    enum { N = 32 };
    struct bustle other = {.pool = make_pool(2)};
    struct caller caller;
    posse_future futures[N];
    start_call(&caller, bustle, &other);
    for (long rounds = in_long_run(300, 10000); rounds > 0; rounds--) {
        posse_completion_queue *completions = make_completions();
        for (long i = 0; i < N; i++)
            futures[i] = submitted_long(other.pool, square_task, i);
        for (long i = N - 1; i >= 0; i--) /* those that were added first are forgotten last */
            assert_ok(posse_completion_queue_add(completions, futures[i], NULL));
        posse_completion_queue_destroy(completions);
        for (long i = 0; i < N; i++)
            assert_int_equal(take_long(futures[i]), i * i);
    }
    atomic_store(&other.over, 1);
    assert_ok(end_call(&caller));
    end_pool(other.pool);
}
