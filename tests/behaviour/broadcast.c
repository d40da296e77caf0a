/* broadcast.c - posse_broadcast: a function runs once in every worker. */
#include "support/support.h"

#include <signal.h>
#include <string.h>

#define PLACES 16

static _Thread_local long version; /* in each worker */

struct order {
    long version;
    _Atomic long *runs;
};

static int order_task(posse_task *task, const void *arg, size_t size)
{
    const struct order *order = arg;
    (void)task;
    if (size < sizeof *order)
        return WRONG_ARG;
    version = order->version;
    atomic_fetch_add(order->runs, 1);
    return 0;
}

static int version_task(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    return pass_gate(*(struct gate *const *)arg) ? return_long(task, version) : GAVE_UP;
}

struct broadcast {
    posse_executor *pool;
    posse_broadcast_job job;
    posse_status statuses[PLACES];
    size_t n;
};

static void set_up(struct broadcast *b, posse_executor *pool, posse_fn *fn)
{
    *b = (struct broadcast){.pool = pool};
    b->job = (posse_broadcast_job){.struct_size = sizeof b->job,
                                   .fn = fn,
                                   .statuses = b->statuses,
                                   .capacity = COUNT(b->statuses)};
}

static struct broadcast *with_arg(struct broadcast *b, const void *arg, size_t size)
{
    b->job.arg = arg;
    b->job.size = size;
    return b;
}

static posse_status call_broadcast(void *context)
{
    struct broadcast *b = context;
    return posse_broadcast(b->pool, &b->job, &b->n);
}

/* Asserts that all have started. */
static size_t await_workers(posse_executor *pool, size_t workers)
{
    if (backend() == POSSE_INLINE)
        return 1;
    assert_eventually(stats_of(pool).workers == workers);
    return workers;
}

/* Asserts that each of n workers has the version. */
static void assert_version(posse_executor *pool, int workers, long expected)
{
    posse_future futures[PLACES];
    struct gate *gate = make_gate(pool);
    if (backend() == POSSE_INLINE)
        open_gate(gate);
    for (int i = 0; i < workers; i++)
        futures[i] = SUBMIT_VALUE(pool, version_task, gate);
    await_entered(gate, workers);
    open_gate(gate);
    for (int i = 0; i < workers; i++)
        assert_int_equal(take_long(futures[i]), expected);
    free_gate(pool, gate);
}

static void assert_all(const struct broadcast *b, size_t n, posse_status status)
{
    assert_int_equal(b->n, n);
    for (size_t i = 0; i < n; i++)
        assert_status(b->statuses[i], status);
}

POOL_TEST(once_in_each_worker, ALL, 3)
{
    struct broadcast b;
    struct order order = {0, make_counter(pool)};
    size_t workers = await_workers(pool, 3);
    set_up(&b, pool, order_task);
    for (order.version = 1; order.version <= 50; order.version++) {
        assert_ok(call_broadcast(with_arg(&b, &order, sizeof order)));
        assert_all(&b, workers, POSSE_OK);
        assert_int_equal(atomic_load(order.runs), order.version * (long)b.n);
    }
    assert_version(pool, (int)workers, 50);
    assert_ok(posse_free(pool, (void *)order.runs));
}

static int bytes_task(posse_task *task, const void *arg, size_t size)
{
    const unsigned char *bytes = arg;
    (void)task;
    if ((size == 0) != (arg == NULL) || (uintptr_t)arg % 16 != 0)
        return WRONG_ARG;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(i * 7 + size))
            return WRONG_ARG;
    return 0;
}

/* Small ones lie in the slot, others in a block; with and without later workers. */
POOL_TEST(arguments_of_any_size, ALL, 3)
{
    static const size_t sizes[] = {0, 1, 16, 32, 33, 64, 100, 5000, 200000};
    static unsigned char bytes[200000];
    struct broadcast b;
    size_t workers = await_workers(pool, 3);
    set_up(&b, pool, bytes_task);
    for (size_t k = 0; k < 2 * COUNT(sizes); k++) {
        size_t size = sizes[k / 2];
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(i * 7 + size);
        b.job.also_later = k % 2;
        assert_ok(call_broadcast(with_arg(&b, size ? bytes : NULL, size)));
        assert_all(&b, workers, POSSE_OK);
    }
    set_up(&b, pool, NULL);
    b.job.also_later = 1;
    assert_ok(call_broadcast(&b));
    assert_int_equal(b.n, 0);
}

/* Nobody looks by itself: sleeping workers are woken, and so is the caller. */
TEST(busy_workers_run_it_after_their_task, PARALLEL)
{
    look_never();
    posse_executor *pool = make_pool(3);
    (void)await_workers(pool, 3);
    struct gate *gate = make_gate(pool);
    struct order order = {7, make_counter(pool)};
    struct broadcast b;
    struct caller caller;
    posse_future held[2] = {submitted_hold(pool, gate), submitted_hold(pool, gate)};
    await_entered(gate, 2);
    posse_future behind[2] = {submitted_long(pool, square_task, 2), submitted_hold(pool, gate)};
    set_up(&b, pool, order_task);
    start_call(&caller, call_broadcast, with_arg(&b, &order, sizeof order));
    await_parked(&caller);
    open_gate(gate);
    assert_ok(end_call(&caller));
    assert_all(&b, 3, POSSE_OK);
    assert_int_equal(atomic_load(order.runs), 3);
    for (int i = 0; i < 2; i++)
        (void)take_long(held[i]), (void)take_long(behind[i]);
    assert_version(pool, 3, 7);
    free_gate(pool, gate);
    assert_ok(posse_free(pool, (void *)order.runs));
    end_pool(pool);
}

POOL_TEST(time_is_up_before_it_began, PARALLEL, 3)
{
    (void)await_workers(pool, 3);
    struct gate *gate = make_gate(pool);
    struct order order = {1, make_counter(pool)};
    struct broadcast b;
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    set_up(&b, pool, order_task);
    b.job.timeout_ms = 50;
    assert_status(call_broadcast(with_arg(&b, &order, sizeof order)), POSSE_TIMEOUT);
    int cancelled = 0;
    assert_int_equal(b.n, 3);
    for (size_t i = 0; i < b.n; i++)
        cancelled += b.statuses[i] == POSSE_CANCELLED;
    assert_true(cancelled >= 1);
    open_gate(gate);
    (void)take_long(held);
    b.job.timeout_ms = 0;
    assert_ok(call_broadcast(&b)); /* the next one finds the worker free */
    assert_int_equal(atomic_load(order.runs), 3 - cancelled + 3);
    free_gate(pool, gate);
    assert_ok(posse_free(pool, (void *)order.runs));
}

static int gate_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)size;
    return pass_gate(*(struct gate *const *)arg) ? 0 : GAVE_UP;
}

POOL_TEST(time_is_up_while_it_runs, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    struct broadcast b;
    struct caller caller;
    (void)await_workers(pool, 2);
    set_up(&b, pool, gate_task);
    b.job.timeout_ms = 1000;
    start_call(&caller, call_broadcast, with_arg(&b, &gate, sizeof gate));
    await_entered(gate, 2);
    assert_status(end_call(&caller), POSSE_TIMEOUT);
    assert_all(&b, 2, POSSE_TIMEOUT);
    open_gate(gate);
    assert_ok(posse_wait_idle(pool, -1));
    assert_int_equal(atomic_load(&gate->passed), 2);
    free_gate(pool, gate);
}

static int nth_task(posse_task *task, const void *arg, size_t size)
{
    const struct order *order = arg;
    (void)size;
    long run = atomic_fetch_add(order->runs, 1);
    if (run == 1 && order->version == SIGKILL)
        raise(SIGKILL);
    return run == 1 ? posse_task_fail(task, 5, "not here") : 0;
}

static void assert_one_ends_so(posse_executor *pool, long kind, posse_status how)
{
    struct order order = {kind, make_counter(pool)};
    struct broadcast b;
    int bad = 0;
    (void)await_workers(pool, 3);
    set_up(&b, pool, nth_task);
    assert_status(call_broadcast(with_arg(&b, &order, sizeof order)), how);
    assert_int_equal(b.n, 3);
    for (size_t i = 0; i < b.n; i++)
        bad += b.statuses[i] == how;
    assert_int_equal(bad, 1);
    assert_int_equal(atomic_load(order.runs), 3);
    assert_ok(posse_free(pool, (void *)order.runs));
}

POOL_TEST(fails_in_one, PARALLEL, 3) { assert_one_ends_so(pool, 0, POSSE_TASK_FAILED); }

POOL_TEST(a_worker_dies_in_it, PROCESSES, 3, .retries = 5)
{
    assert_one_ends_so(pool, SIGKILL, POSSE_WORKER_LOST);
    assert_eventually(stats_of(pool).workers == 3);
    assert_int_equal(stats_of(pool).workers_lost, 1);
    assert_version(pool, 3, 0);
}

static void forget_later(posse_executor *pool)
{
    struct broadcast b;
    set_up(&b, pool, NULL);
    b.job.also_later = 1;
    assert_ok(call_broadcast(&b));
}

POOL_TEST(workers_that_start_later, PARALLEL, 1, .max_memory = 64 << 20)
{
    struct order order = {3, make_counter(pool)};
    struct broadcast b;
    set_up(&b, pool, order_task);
    b.job.also_later = 1;
    assert_ok(call_broadcast(with_arg(&b, &order, sizeof order)));
    assert_int_equal(b.n, 1);
    assert_ok(posse_resize(pool, 4));
    assert_version(pool, 4, 3);
    assert_int_equal(atomic_load(order.runs), 4);
    if (backend() == POSSE_PROCESS) {
        take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        assert_version(pool, 4, 3);
        assert_int_equal(atomic_load(order.runs), 5);
    }
    forget_later(pool);
    assert_ok(posse_resize(pool, 6));
    assert_eventually(stats_of(pool).workers == 6);
    assert_true(atomic_load(order.runs) <= 5);
    assert_ok(posse_free(pool, (void *)order.runs));
}

POOL_TEST(without_it_they_do_not, PARALLEL, 1)
{
    struct order order = {3, make_counter(pool)};
    struct broadcast b;
    set_up(&b, pool, order_task);
    assert_ok(call_broadcast(with_arg(&b, &order, sizeof order)));
    assert_ok(posse_resize(pool, 3));
    posse_stats stats;
    assert_eventually((stats = stats_of(pool), stats.workers == 3 && stats.workers_idle == 3));
    assert_int_equal(atomic_load(order.runs), 1);
    assert_ok(posse_free(pool, (void *)order.runs));
}

/* ---- while workers come and go ---- */

struct changes {
    posse_executor *pool;
    _Atomic int stop;
};

static posse_status keep_changing(void *context)
{
    struct changes *changes = context;
    static const long sizes[] = {5, 1, 3, 8, 2, 6};
    posse_status status = POSSE_OK;
    for (size_t i = 0; status == POSSE_OK && !atomic_load(&changes->stop); i++) {
        status = posse_resize(changes->pool, sizes[i % COUNT(sizes)]);
        pause_ms(1);
    }
    return status;
}

static int is_version_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)size;
    return version >= *(const long *)arg ? 0 : WRONG_ARG;
}

/* After each call no task finds a worker that has not run it, and none has run it twice. */
static int ordered_task(posse_task *task, const void *arg, size_t size)
{
    const struct order *order = arg;
    (void)task, (void)size;
    if (version >= order->version)
        return WRONG_ARG;
    version = order->version;
    return 0;
}

static void assert_exact_while_changing(posse_options options, bool kill_some)
{
    enum { ROUNDS = 60, TASKS = 8 };
    posse_executor *pool = make_pool_with(options);
    struct changes changes = {.pool = pool};
    struct caller caller;
    start_call(&caller, keep_changing, &changes);
    for (long round = 1; round <= ROUNDS; round++) {
        struct order order = {.version = round};
        struct broadcast b;
        if (kill_some && round % 4 == 0)
            assert_ok(posse_submit(pool, signal_task, &(long){SIGKILL}, sizeof(long), NULL));
        set_up(&b, pool, ordered_task);
        b.job.also_later = 1;
        assert_ok(call_broadcast(with_arg(&b, &order, sizeof order)));
        posse_future futures[TASKS];
        for (int i = 0; i < TASKS; i++)
            futures[i] = submitted_long(pool, is_version_task, round);
        for (int i = 0; i < TASKS; i++)
            take_error(futures[i], POSSE_OK);
    }
    atomic_store(&changes.stop, 1);
    assert_ok(end_call(&caller));
    assert_eventually(stats_of(pool).workers_lost == (kill_some ? ROUNDS / 4 : 0));
    forget_later(pool);
    end_pool(pool);
}

TEST(exact_while_resized, PARALLEL_CALLERS) { assert_exact_while_changing(OPTIONS(2), false); }

TEST(exact_while_recycled, PARALLEL_CALLERS)
{
    assert_exact_while_changing(OPTIONS(2, .max_tasks_per_worker = 3), false);
}

TEST(exact_while_idle_ones_leave, PARALLEL_CALLERS)
{
    assert_exact_while_changing(OPTIONS(2, .on_demand = true, .idle_timeout_ms = 1), false);
}

TEST(exact_while_killed, PROCESSES &CALLERS) { assert_exact_while_changing(OPTIONS(3), true); }

/* ---- by several threads ---- */

struct sender {
    posse_executor *pool;
    _Atomic long *last;
};

static int next_task(posse_task *task, const void *arg, size_t size)
{
    (void)task, (void)size;
    version = (version * 31 + *(const long *)arg) % 1000003;
    return 0;
}

static posse_status send_some(void *context)
{
    struct sender *sender = context;
    posse_status status = POSSE_OK;
    for (int i = 0; i < 20 && status == POSSE_OK; i++) {
        long number = atomic_fetch_add(sender->last, 1);
        struct broadcast b;
        set_up(&b, sender->pool, next_task);
        status = call_broadcast(with_arg(&b, &number, sizeof number));
    }
    return status;
}

POOL_TEST(one_order_in_all_workers, PARALLEL_CALLERS, 4)
{
    struct sender sender = {pool, make_counter(pool)};
    struct caller callers[3];
    (void)await_workers(pool, 4);
    for (int i = 0; i < 3; i++)
        start_call(&callers[i], send_some, &sender);
    for (int i = 0; i < 3; i++)
        assert_ok(end_call(&callers[i]));
    struct gate *gate = make_gate(pool);
    posse_future futures[4];
    for (int i = 0; i < 4; i++)
        futures[i] = SUBMIT_VALUE(pool, version_task, gate);
    await_entered(gate, 4);
    open_gate(gate);
    long first = take_long(futures[0]);
    for (int i = 1; i < 4; i++)
        assert_int_equal(take_long(futures[i]), first);
    free_gate(pool, gate);
    assert_ok(posse_free(pool, (void *)sender.last));
}

/* ---- refused ---- */

static int broadcast_in_task(posse_task *task, const void *arg, size_t size)
{
    struct broadcast b;
    (void)arg, (void)size;
    set_up(&b, posse_task_executor(task), bytes_task);
    return call_broadcast(&b) == POSSE_DEADLOCK && b.n == 0 ? 0 : GAVE_UP;
}

POOL_TEST(deadlock_in_a_task, ALL, 2)
{
    take_error(submitted(pool, broadcast_in_task, NULL, 0), POSSE_OK);
}

POOL_TEST(bad_arguments, ALL, 1)
{
    struct broadcast b;
    size_t n = 7;
    assert_status(posse_broadcast(pool, NULL, &n), POSSE_INVALID);
    assert_int_equal(n, 0);
    set_up(&b, pool, NULL);
    assert_status(call_broadcast(&b), POSSE_INVALID);
    set_up(&b, pool, bytes_task);
    assert_status(call_broadcast(with_arg(&b, NULL, 5)), POSSE_INVALID);
    set_up(&b, pool, bytes_task);
    b.job.timeout_ms = -1;
    assert_status(call_broadcast(&b), POSSE_INVALID);
    set_up(&b, pool, bytes_task);
    b.job.also_later = 2;
    assert_status(call_broadcast(&b), POSSE_INVALID);
    set_up(&b, pool, bytes_task);
    b.job.statuses = NULL;
    assert_status(call_broadcast(&b), POSSE_INVALID);
    set_up(&b, pool, bytes_task);
    b.job.struct_size = 3;
    assert_status(call_broadcast(&b), POSSE_INVALID);
    set_up(&b, NULL, bytes_task);
    assert_status(call_broadcast(&b), POSSE_INVALID);
    set_up(&b, pool, bytes_task);
    b.job.capacity = 0;
    b.job.statuses = NULL;
    assert_ok(posse_broadcast(pool, &b.job, NULL));
}

POOL_TEST(no_room_for_the_argument, PARALLEL, 2, .max_memory = 4 << 20)
{
    static char bytes[3 << 20];
    struct broadcast b;
    void *memory;
    assert_ok(posse_alloc(pool, 2 << 20, &memory));
    set_up(&b, pool, bytes_task);
    assert_status(call_broadcast(with_arg(&b, bytes, sizeof bytes)), POSSE_NO_MEMORY);
    assert_int_equal(b.n, 0);
    b.job.also_later = 1;
    assert_status(call_broadcast(&b), POSSE_NO_MEMORY);
    assert_ok(posse_free(pool, memory));
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
}

POOL_TEST(after_shutdown, ALL, 2)
{
    struct broadcast b;
    set_up(&b, pool, bytes_task);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_status(call_broadcast(&b), POSSE_SHUT_DOWN);
}

/* Workers still run it, or the call says that they do not. */
TEST(shut_down_meanwhile, PARALLEL)
{
    posse_executor *pool = make_pool(2);
    (void)await_workers(pool, 2);
    struct gate *gate = make_gate(pool);
    struct order order = {1, make_counter(pool)};
    struct broadcast b;
    struct caller caller;
    posse_future held[2] = {submitted_hold(pool, gate), submitted_hold(pool, gate)};
    await_entered(gate, 2);
    set_up(&b, pool, order_task);
    start_call(&caller, call_broadcast, with_arg(&b, &order, sizeof order));
    await_parked(&caller);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    open_gate(gate);
    posse_status status = end_call(&caller);
    assert_true(status == POSSE_OK || status == POSSE_SHUT_DOWN);
    assert_int_equal(atomic_load(order.runs), b.n);
    for (int i = 0; i < 2; i++)
        (void)take_long(held[i]);
    free_gate(pool, gate);
    assert_ok(posse_free(pool, (void *)order.runs));
    end_pool(pool);
}

TEST(destroyed_meanwhile, PARALLEL)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    struct broadcast b[2];
    struct caller waits[2], destroys;
    (void)submitted_hold(pool, gate);
    await_entered(gate, 1);
    for (int i = 0; i < 2; i++) {
        set_up(&b[i], pool, bytes_task);
        start_call(&waits[i], call_broadcast, &b[i]);
        await_parked(&waits[i]);
    }
    start_call(&destroys, call_destroy, pool);
    for (int i = 0; i < 2; i++)
        assert_status(end_call(&waits[i]), POSSE_SHUT_DOWN);
    if (backend() == POSSE_THREAD)
        open_gate(gate);
    assert_ok(end_call(&destroys));
}

TEST(not_with_fresh_processes, PROCESSES)
{
    posse_executor *pool = POOL(1, .isolation = POSSE_FRESH);
    struct broadcast b;
    set_up(&b, pool, bytes_task);
    assert_status(call_broadcast(&b), POSSE_NOT_SUPPORTED);
    assert_int_equal(b.n, 0);
    end_pool(pool);
}

TEST(broken, PROCESSES)
{
    posse_executor *pool = POOL(1, .on_worker_lost = POSSE_BREAK);
    struct broadcast b;
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_eventually(posse_wait_idle(pool, 0) == POSSE_BROKEN);
    set_up(&b, pool, bytes_task);
    assert_status(call_broadcast(&b), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}
