/* messages.c - what a task sends before its end: whole, in order, once, bounded. */
#include "support/support.h"

#include <posse_progress.h>
#include <signal.h>
#include <string.h>

#define ROOM 1024 /* message_memory in these tests */

static void assert_over(posse_future future)
{
    char byte;
    size_t size = 1;
    assert_status(posse_next_message(future, -1, &byte, 1, &size), POSSE_END);
    assert_int_equal(size, 0);
}

/* The end of a task that went well, and was heard out. */
static void take_end(posse_future future)
{
    assert_over(future);
    take_error(future, POSSE_OK);
}

/* Sends 0 to n - 1. */
static int counting_task(posse_task *task, const void *arg, size_t size)
{
    long n;
    memcpy(&n, arg, sizeof n);
    for (long i = 0; i < n; i++)
        if (posse_task_emit(task, &i, sizeof i) != POSSE_OK)
            return WRONG_ARG;
    return 0;
}

POOL_TEST(in_order, ALL, 1)
{
    posse_future future = submitted_long(pool, counting_task, 30);
    for (long i = 0; i < 30; i++)
        assert_int_equal(next_long(future), i);
    take_end(future);
}

POOL_TEST(none, ALL, 1)
{
    posse_future future = submitted_long(pool, counting_task, 0);
    take_end(future);
    assert_status(posse_next_message(future, 0, NULL, 0, NULL), POSSE_INVALID);
}

/* What nobody reads goes with the future: the pool is at rest after it. */
POOL_TEST(unread, ALL, 1)
{
    take_error(submitted_long(pool, counting_task, 30), POSSE_OK);
    posse_job job = {.struct_size = sizeof job, .fn = counting_task, .arg = &(long){30}};
    job.size = sizeof(long);
    assert_ok(posse_submit_with(pool, &job, NULL));
    assert_eventually(stats_of(pool).done == 2);
}

/* ---- while it runs ---- */

/* Sends 1, and 2 when the gate opens. */
static int twice_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    if (posse_task_emit(task, &(long){1}, sizeof(long)) != POSSE_OK || !pass_gate(gate))
        return GAVE_UP;
    return posse_task_emit(task, &(long){2}, sizeof(long)) == POSSE_OK ? 0 : WRONG_ARG;
}

static posse_status call_next(void *future)
{
    long value = 0;
    posse_status status =
        posse_next_message(*(posse_future *)future, -1, &value, sizeof value, NULL);
    return status == POSSE_OK && value != 2 ? POSSE_INVALID : status;
}

/* A reader that sleeps is woken by a message, and by the end. */
TEST(wakes_its_reader, PARALLEL_CALLERS)
{
    look_never();
    posse_executor *pool = POOL(1);
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, twice_task, gate);
    struct caller caller;
    assert_int_equal(next_long(future), 1);
    assert_status(posse_next_message(future, 0, NULL, 0, NULL), POSSE_TIMEOUT);
    assert_status(posse_next_message(future, 1, NULL, 0, NULL), POSSE_TIMEOUT);
    start_call(&caller, call_next, &future);
    await_parked(&caller);
    open_gate(gate);
    assert_ok(end_call(&caller));
    take_end(future);
    free_gate(pool, gate);
    end_pool(pool);
}

/* The reader sleeps before the first message, when there is no memory for messages yet. */
static int late_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    bool passed = pass_gate(gate);
    return passed && posse_task_emit(task, &(long){2}, sizeof(long)) == POSSE_OK && pass_gate(gate)
               ? 0
               : GAVE_UP;
}

static void assert_wakes(posse_executor *pool, struct gate *gate, posse_status how)
{
    posse_future future =
        how == POSSE_OK ? SUBMIT_VALUE(pool, late_task, gate) : submitted_hold(pool, gate);
    struct caller caller;
    await_entered(gate, 1);
    start_call(&caller, call_next, &future);
    await_parked(&caller);
    open_gate(gate);
    assert_status(end_call(&caller), how);
    take_end(future);
}

TEST(wakes_by_the_first_and_by_the_end, PARALLEL_CALLERS)
{
    look_never();
    for (int i = 0; i < 2; i++) {
        posse_executor *pool = make_pool(1);
        struct gate *gate = make_gate(pool);
        assert_wakes(pool, gate, i == 0 ? POSSE_OK : POSSE_END);
        free_gate(pool, gate);
        end_pool(pool);
    }
}

/* Others that wait for the task's end sleep on, or look and sleep again. */
POOL_TEST(beside_a_waiter_for_the_end, PARALLEL_CALLERS, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, late_task, gate);
    struct caller result, next;
    start_call(&result, call_result, &future);
    await_parked(&result);
    start_call(&next, call_next, &future);
    await_parked(&next);
    open_gate(gate);
    assert_ok(end_call(&next));
    assert_ok(end_call(&result));
    take_end(future);
    free_gate(pool, gate);
}

/* ---- bounds ---- */

static int sizes_task(posse_task *task, const void *arg, size_t size)
{
    static const char bytes[ROOM] = "x";
    const struct {
        size_t size;
        posse_status status;
    } steps[] = {{ROOM, POSSE_TOO_LARGE},
                 {ROOM - 7, POSSE_TOO_LARGE},
                 {SIZE_MAX, POSSE_TOO_LARGE},
                 {ROOM - 24, POSSE_OK},
                 {1, POSSE_OK},
                 {0, POSSE_FULL},
                 {ROOM - 8, POSSE_FULL}};
    for (size_t i = 0; i < COUNT(steps); i++)
        if (posse_task_emit(task, bytes, steps[i].size) != steps[i].status)
            return (int)(100 + i);
    if (posse_task_emit(task, NULL, 1) != POSSE_INVALID)
        return WRONG_ARG;
    return posse_task_emit(NULL, bytes, 1) == POSSE_INVALID ? 0 : WRONG_ARG;
}

POOL_TEST(of_any_size, ALL, 1, .message_memory = ROOM - 1)
{
    char buffer[ROOM] = "";
    size_t size;
    posse_future future = submitted(pool, sizes_task, NULL, 0);
    assert_int_equal(error_of(future).code, 0);
    assert_status(posse_next_message(future, -1, buffer, ROOM - 25, &size), POSSE_TOO_LARGE);
    assert_int_equal(size, ROOM - 24);
    assert_int_equal(buffer[0], 0);
    assert_ok(posse_next_message(future, -1, buffer, ROOM - 24, &size));
    assert_int_equal(size, ROOM - 24);
    assert_int_equal(buffer[0], 'x');
    assert_status(posse_next_message(future, -1, NULL, 1, &size), POSSE_INVALID);
    assert_status(posse_next_message(future, -2, buffer, 1, &size), POSSE_INVALID);
    assert_ok(posse_next_message(future, -1, buffer, 1, NULL));
    take_end(future);
}

TEST(too_much_memory, ALL)
{
    posse_executor *pool;
    posse_options options = default_options();
    options.message_memory = ((size_t)1 << 30) + 1;
    assert_status(posse_create(&options, &pool), POSSE_TOO_LARGE);
}

/* Sends n messages of many sizes; waits for room. */
static int streaming_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char bytes[200];
    long n;
    memcpy(&n, arg, sizeof n);
    for (long i = 0; i < n; i++) {
        memset(bytes, (int)(i % 251), sizeof bytes);
        if (posse_task_emit_wait(task, bytes, (size_t)(i * 7 % 200), -1) != POSSE_OK)
            return WRONG_ARG;
    }
    return 0;
}

POOL_TEST(round_and_round, PARALLEL, 1, .message_memory = ROOM)
{
    long n = in_long_run(3000, 300000);
    posse_future future = submitted_long(pool, streaming_task, n);
    for (long i = 0; i < n; i++) {
        unsigned char bytes[200] = {0};
        size_t size;
        assert_ok(posse_next_message(future, -1, bytes, sizeof bytes, &size));
        assert_int_equal(size, i * 7 % 200);
        assert_true(size == 0 || (bytes[0] == i % 251 && bytes[size - 1] == i % 251));
    }
    take_end(future);
}

/* Several threads read: each message comes to one of them. */
struct readers {
    posse_future future;
    _Atomic long taken, wrong;
};

static posse_status read_all(void *context)
{
    struct readers *readers = context;
    unsigned char bytes[200];
    size_t size;
    posse_status status;
    while ((status = posse_next_message(readers->future, -1, bytes, sizeof bytes, &size)) ==
           POSSE_OK) {
        atomic_fetch_add(&readers->taken, 1);
        for (size_t i = 1; i < size; i++)
            atomic_fetch_add(&readers->wrong, bytes[i] != bytes[0]);
    }
    return status;
}

POOL_TEST(to_several_readers, PARALLEL_CALLERS, 1, .message_memory = ROOM)
{
    long n = in_long_run(3000, 300000);
    struct readers readers = {.future = submitted_long(pool, streaming_task, n)};
    struct caller callers[3];
    for (size_t i = 0; i < COUNT(callers); i++)
        start_call(&callers[i], read_all, &readers);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_status(end_call(&callers[i]), POSSE_END);
    assert_int_equal(readers.taken, n);
    assert_int_equal(readers.wrong, 0);
    take_end(readers.future);
}

/* The future is released while others read. */
POOL_TEST(released_meanwhile, PARALLEL_CALLERS, 1, .message_memory = ROOM)
{
    for (int i = 0; i < 20; i++) {
        struct readers readers = {.future = submitted_long(pool, streaming_task, 10)};
        struct caller callers[2];
        for (size_t k = 0; k < COUNT(callers); k++)
            start_call(&callers[k], read_all, &readers);
        assert_ok(posse_release(readers.future));
        for (size_t k = 0; k < COUNT(callers); k++) {
            posse_status status = end_call(&callers[k]);
            assert_true(status == POSSE_INVALID || status == POSSE_END);
        }
        assert_int_equal(readers.wrong, 0);
    }
}

/* ---- waiting for room ---- */

/* Fills the ring; then sends one more, with the timeout, and returns how that went. */
static int filling_task(posse_task *task, const void *arg, size_t size)
{
    static const char bytes[ROOM - 8];
    long timeout;
    memcpy(&timeout, arg, sizeof timeout);
    if (posse_task_emit_wait(task, bytes, sizeof bytes, timeout) != POSSE_OK)
        return WRONG_ARG;
    return return_long(task, posse_task_emit_wait(task, bytes, 3, timeout));
}

POOL_TEST(no_room_in_time, PARALLEL, 1, .message_memory = ROOM)
{
    assert_int_equal(take_long(submitted_long(pool, filling_task, 0)), POSSE_TIMEOUT);
    assert_int_equal(take_long(submitted_long(pool, filling_task, 5)), POSSE_TIMEOUT);
    assert_int_equal(take_error(submitted_long(pool, filling_task, -2), POSSE_TASK_FAILED).code,
                     WRONG_ARG);
}

/* The task sleeps until a message is read, which alone wakes it. */
TEST(reading_makes_room, PARALLEL)
{
    static char bytes[ROOM];
    size_t size;
    look_never();
    posse_executor *pool = POOL(1, .message_memory = ROOM);
    posse_future future = submitted_long(pool, filling_task, -1);
    assert_ok(posse_next_message(future, -1, bytes, sizeof bytes, &size));
    assert_int_equal(size, ROOM - 8);
    assert_ok(posse_next_message(future, -1, bytes, sizeof bytes, &size));
    assert_int_equal(size, 3);
    assert_over(future);
    assert_int_equal(take_long(future), POSSE_OK);
    end_pool(pool);
}

TEST(nobody_can_read, ALL)
{
    look_every(10);
    posse_executor *pool = POOL(1, .message_memory = ROOM);
    posse_future future = submitted_long(pool, filling_task, -1);
    if (backend() == POSSE_INLINE) {
        assert_int_equal(take_long(future), POSSE_DEADLOCK);
    } else {
        assert_ok(posse_release(future)); /* the task goes on */
        assert_eventually(stats_of(pool).done == 1);
    }
    end_pool(pool);
}

/* It is killed as it waits, or the executor is destroyed. */
TEST(ends_as_it_waits, PARALLEL)
{
    look_every(10);
    posse_executor *pool = POOL(1, .message_memory = ROOM);
    posse_future future = submitted_long(pool, filling_task, -1);
    char byte;
    size_t size;
    assert_status(posse_next_message(future, -1, &byte, 1, &size), POSSE_TOO_LARGE);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    future = submitted_long(pool, filling_task, -1);
    assert_status(posse_next_message(future, -1, &byte, 1, &size), POSSE_TOO_LARGE);
    assert_ok(posse_destroy(pool));
}

/* ---- ends ---- */

/* Sends its attempt, and dies in the first. */
static int dying_task(posse_task *task, const void *arg, size_t size)
{
    long attempt = posse_task_attempt(task);
    if (posse_task_emit(task, &attempt, sizeof attempt) != POSSE_OK)
        return WRONG_ARG;
    return attempt == 1 ? raise(SIGKILL) : 0;
}

POOL_TEST(of_a_lost_task, PROCESSES, 1)
{
    posse_future future = submitted(pool, dying_task, NULL, 0);
    assert_int_equal(next_long(future), 1);
    assert_over(future);
    take_error(future, POSSE_WORKER_LOST);
}

POOL_TEST(of_both_runs, PROCESSES, 1, .retries = 1)
{
    posse_future future = submitted(pool, dying_task, NULL, 0);
    assert_int_equal(next_long(future), 1);
    assert_int_equal(next_long(future), 2);
    take_end(future);
}

/* Stays after its future has ended, and sends. */
static int pinned_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    if (posse_task_emit(task, &(long){1}, sizeof(long)) != POSSE_OK || !pass_gate(gate))
        return GAVE_UP;
    long status = posse_task_emit(task, &(long){2}, sizeof(long));
    atomic_store(&gate->who[9], 1 + status);
    return 0;
}

POOL_TEST(too_late, THREADS, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, pinned_task, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    assert_int_equal(next_long(future), 1);
    assert_over(future);
    open_gate(gate);
    assert_eventually(atomic_load(&gate->who[9]) == 1 + POSSE_TOO_LATE);
    assert_over(future);
    take_error(future, POSSE_CANCELLED);
    free_gate(pool, gate);
}

POOL_TEST(of_a_cancelled_task, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future before = submitted_hold(pool, gate);
    posse_future future = submitted_long(pool, counting_task, 3);
    assert_ok(posse_cancel(future));
    assert_over(future);
    take_error(future, POSSE_CANCELLED);
    open_gate(gate);
    take_error(before, POSSE_OK);
    free_gate(pool, gate);
}

/* A task hears its own task out, which it runs itself. */
static int hearing_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    long sum = 0, value = 0, n = 5;
    if (posse_submit(posse_task_executor(task), counting_task, &n, sizeof n, &inner) != POSSE_OK)
        return INNER_FAILED;
    while (posse_next_message(inner, -1, &value, sizeof value, NULL) == POSSE_OK)
        sum += value;
    return posse_release(inner) == POSSE_OK ? return_long(task, sum) : INNER_FAILED;
}

POOL_TEST(of_a_task_of_a_task, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, hearing_task, NULL, 0)), 10);
}

static int item_task(posse_task *task, const void *const *items, void *result)
{
    return posse_task_emit(task, NULL, 0) == POSSE_INVALID ? 0 : WRONG_ARG;
}

POOL_TEST(not_in_a_map, ALL, 1)
{
    long number = 3;
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = item_task,
                         .inputs = &(posse_input){.data = &number, .size = sizeof number},
                         .n_inputs = 1,
                         .count = 1};
    assert_ok(posse_map(pool, &job, NULL));
}
