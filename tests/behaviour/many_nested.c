/* many_nested.c - tasks that wait for many tasks of their own. */
#include "support/support.h"

#include <signal.h>
#include <string.h>

#define INNER 6

static long arg_long(const void *arg) { return *(const long *)arg; }

static int submit_inner(posse_task *task, posse_fn *fn, posse_future *futures)
{
    for (long i = 0; i < INNER; i++)
        if (posse_submit(posse_task_executor(task), fn, &i, sizeof i, &futures[i]) != POSSE_OK)
            return INNER_FAILED;
    return 0;
}

static int wait_task(posse_task *task, const void *arg, size_t size)
{
    posse_future futures[INNER];
    size_t n_done = 0;
    if (submit_inner(task, square_task, futures) != 0 ||
        posse_wait(futures, INNER, POSSE_ALL_COMPLETED, -1, NULL, &n_done) != POSSE_OK)
        return INNER_FAILED;
    for (int i = 0; i < INNER; i++)
        posse_release(futures[i]);
    return return_long(task, (long)n_done);
}

static int iterate_task(posse_task *task, const void *arg, size_t size)
{
    posse_future futures[INNER], future;
    posse_completion_iter *completed;
    long sum = 0, value;
    if (submit_inner(task, square_task, futures) != 0 ||
        posse_as_completed(futures, INNER, -1, &completed) != POSSE_OK)
        return INNER_FAILED;
    while (posse_completion_iter_next(completed, &future, NULL) == POSSE_OK) {
        if (posse_result_into(future, 0, &value, sizeof value, NULL) != POSSE_OK)
            return INNER_FAILED;
        sum += value;
        posse_release(future);
    }
    posse_completion_iter_close(completed);
    return return_long(task, sum);
}

static void assert_nested(posse_fn *fn, long workers, long expected)
{
    posse_executor *pool = make_pool(workers);
    posse_future futures[6];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted(pool, fn, NULL, 0);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_int_equal(take_long(futures[i]), expected);
    end_pool(pool);
}

TEST(wait_with_one_worker, ALL) { assert_nested(wait_task, 1, INNER); }
TEST(wait_with_three_workers, PARALLEL) { assert_nested(wait_task, 3, INNER); }
TEST(iterate_with_one_worker, ALL) { assert_nested(iterate_task, 1, 55); }
TEST(iterate_with_three_workers, PARALLEL) { assert_nested(iterate_task, 3, 55); }

/* As fib_task, by as_completed. */
static int spread_task(posse_task *task, const void *arg, size_t size)
{
    long n = arg_long(arg), sum = 0, value;
    posse_future halves[2], future;
    posse_completion_iter *completed;
    if (n < 2)
        return return_long(task, n);
    for (int i = 0; i < 2; i++) {
        long smaller = n - 1 - i;
        if (posse_submit(posse_task_executor(task), spread_task, &smaller, sizeof smaller,
                         &halves[i]) != POSSE_OK)
            return INNER_FAILED;
    }
    if (posse_as_completed(halves, 2, -1, &completed) != POSSE_OK)
        return INNER_FAILED;
    while (posse_completion_iter_next(completed, &future, NULL) == POSSE_OK) {
        if (posse_result_into(future, 0, &value, sizeof value, NULL) == POSSE_OK)
            sum += value;
        posse_release(future);
    }
    posse_completion_iter_close(completed);
    return return_long(task, sum);
}

TEST(recursion, ALL)
{
    for (long workers = 1; workers <= 3; workers++) {
        posse_executor *pool = make_pool(workers);
        assert_int_equal(take_long(submitted_long(pool, spread_task, 12)), 144);
        end_pool(pool);
    }
}

/* Tasks of the program, handed to a task, which waits for them while others do too. */
struct handed {
    posse_future futures[INNER];
};

static int handed_task(posse_task *task, const void *arg, size_t size)
{
    const struct handed *handed = *(struct handed *const *)arg;
    size_t n_done = 0;
    posse_status status =
        posse_wait(handed->futures, INNER, POSSE_ALL_COMPLETED, PATIENCE_MS, NULL, &n_done);
    return status == POSSE_OK
               ? return_long(task, (long)n_done)
               : posse_task_fail(task, INNER_FAILED, "%s", posse_status_name(status));
}

static posse_status wait_shortly(void *context)
{
    const struct handed *handed = context;
    for (int i = 0; i < PATIENCE_MS; i++)
        if (posse_result(handed->futures[i % INNER], 1, NULL, NULL) == POSSE_OK &&
            i % INNER == INNER - 1)
            return POSSE_OK;
    return POSSE_TIMEOUT;
}

/* One round of the following test: the task that waits is before those that it waits for. */
static void help_once(posse_executor *pool, struct handed *handed)
{
    struct caller callers[3];
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future outer = SUBMIT_VALUE(pool, handed_task, handed);
    for (int i = 0; i < INNER; i++)
        handed->futures[i] = submitted_long(pool, square_task, i);
    for (size_t i = 0; i < COUNT(callers); i++)
        start_call(&callers[i], wait_shortly, handed);
    open_gate(gate);
    assert_int_equal(take_long(outer), INNER);
    for (size_t i = 0; i < COUNT(callers); i++)
        (void)end_call(&callers[i]);
    for (int i = 0; i < INNER; i++)
        take_error(handed->futures[i], POSSE_OK);
    take_error(held, POSSE_OK);
    free_gate(pool, gate);
}

/* The only worker runs what nobody has begun, whatever other callers do to those futures. */
POOL_TEST(helps_while_others_wait, PARALLEL_CALLERS, 1)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct handed), &memory));
    struct handed *handed = memset(memory, 0, sizeof *handed);
    for (int round = 0; round < 50; round++)
        help_once(pool, handed);
    assert_ok(posse_free(pool, memory));
}

/* A look that does not wait runs nothing. */
static int look_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    if (posse_submit(posse_task_executor(task), count_task, arg, size, &future) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_wait(&future, 1, POSSE_ALL_COMPLETED, 0, NULL, NULL);
    long ran = atomic_load(*(_Atomic long *const *)arg);
    posse_release(future);
    return return_long(task, status == POSSE_TIMEOUT && ran == 0);
}

POOL_TEST(look_runs_nothing, PARALLEL, 1)
{
    _Atomic long *counter = make_counter(pool);
    assert_int_equal(take_long(SUBMIT_VALUE(pool, look_task, counter)), 1);
    assert_eventually(atomic_load(counter) == 1);
    assert_ok(posse_free(pool, (void *)counter));
}

/* Waits for a task that another worker runs; meanwhile it must not begin what it does not wait
 * for. */
struct bystander {
    struct gate *gate;
    _Atomic long *counter;
    posse_future awaited;
};

static int patient_task(posse_task *task, const void *arg, size_t size)
{
    const struct bystander *bystander = arg;
    posse_status status = posse_wait(&bystander->awaited, 1, POSSE_ALL_COMPLETED, 300, NULL, NULL);
    return return_long(task, status == POSSE_TIMEOUT ? atomic_load(bystander->counter) : -1);
}

POOL_TEST(runs_no_stranger, PARALLEL, 2)
{
    struct bystander bystander = {.gate = make_gate(pool), .counter = make_counter(pool)};
    bystander.awaited = submitted_hold(pool, bystander.gate);
    await_entered(bystander.gate, 1);
    posse_future patient = SUBMIT_VALUE(pool, patient_task, bystander);
    assert_eventually(posse_running(patient));
    posse_future stranger = SUBMIT_VALUE(pool, count_task, bystander.counter);
    assert_int_equal(take_long(patient), 0);
    open_gate(bystander.gate);
    take_error(bystander.awaited, POSSE_OK);
    take_error(stranger, POSSE_OK);
    free_gate(pool, bystander.gate);
    assert_ok(posse_free(pool, (void *)bystander.counter));
}

/* ---- ends ---- */

static int endless_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    posse_completion_iter *completed;
    memcpy(&future, arg, sizeof future);
    if (posse_as_completed(&future, 1, 60000, &completed) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_completion_iter_next(completed, &future, NULL);
    posse_completion_iter_close(completed);
    return return_long(task, status);
}

POOL_TEST(deadline_in_next, PROCESSES, 2)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future future = submitted_job(
        pool,
        (posse_job){.fn = endless_task, .arg = &held, .size = sizeof held, .timeout_ms = 100});
    posse_completion_iter *completed;
    posse_future given;
    assert_ok(posse_as_completed(&future, 1, -1, &completed));
    assert_ok(posse_completion_iter_next(completed, &given, NULL));
    posse_completion_iter_close(completed);
    take_error(future, POSSE_DEADLINE);
    open_gate(gate);
    take_error(held, POSSE_OK);
    assert_eventually(stats_of(pool).running == 0);
    free_gate(pool, gate);
}

struct letter {
    _Atomic int sent;
    posse_future self;
};

static int waits_for_itself_task(posse_task *task, const void *arg, size_t size)
{
    struct letter *letter = *(struct letter *const *)arg;
    posse_completion_iter *completed;
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&letter->sent); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    posse_status wait = posse_wait(&letter->self, 1, POSSE_ALL_COMPLETED, -1, NULL, NULL);
    posse_status open = posse_as_completed(&letter->self, 1, -1, &completed);
    return wait == open ? return_long(task, wait) : WRONG_ARG;
}

POOL_TEST(waits_for_itself, PARALLEL, 1)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct letter), &memory));
    struct letter *letter = memset(memory, 0, sizeof *letter);
    posse_future future = SUBMIT_VALUE(pool, waits_for_itself_task, letter);
    letter->self = future;
    atomic_store(&letter->sent, 1);
    assert_int_equal(take_long(future), POSSE_DEADLOCK);
    assert_ok(posse_free(pool, letter));
}
