/* encoding.c - arguments and results as bytes: what goes wrong as they are written or read.
 *
 * C has no hooks for that. A program encodes before it submits, a task decodes at its start and
 * encodes its result before it returns, the reader decodes what posse_result shows.
 */
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum fault { NO_FAULT, SPOILT, TOO_LONG, EXITS, CRASHES };

#define EXIT_CODE 3
#define BAD_INPUT 71  /* code of a task that cannot read its argument */
#define BAD_OUTPUT 72 /* code of a task that cannot write its result */

/* What the task is to square, and what goes wrong before and after. */
struct packet {
    long value;
    enum fault decode;
    enum fault encode;
};

/* Reads where nothing may be read. */
static int read_nowhere(void)
{
    void *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return *(volatile char *)nowhere;
}

/* True if the task is to go on. */
static bool gets_over(posse_task *task, enum fault fault, int code)
{
    switch (fault) {
    case NO_FAULT: return true;
    case SPOILT: posse_task_fail(task, code, "spoilt at byte %d", 5); return false;
    case TOO_LONG:
        if (posse_task_reserve(task, SIZE_MAX / 4) == NULL) {
            posse_status status = posse_task_return(task, &fault, SIZE_MAX / 4);
            posse_task_fail(task, code, "%s", posse_status_name(status));
        }
        return false;
    case EXITS:
        if (backend() == POSSE_THREAD)
            pthread_exit(NULL);
        _exit(EXIT_CODE);
    case CRASHES: return read_nowhere() != 0;
    }
    return false;
}

/* The result's room is large, so that it is a block of its own, and is taken before the fault. */
#define ROOM 5000

static int codec_task(posse_task *task, const void *arg, size_t size)
{
    const struct packet *packet = arg;
    if (size != sizeof *packet || !gets_over(task, packet->decode, BAD_INPUT))
        return BAD_INPUT;
    char *room = posse_task_reserve(task, ROOM);
    if (room == NULL || !gets_over(task, packet->encode, BAD_OUTPUT))
        return BAD_OUTPUT;
    long square = packet->value * packet->value;
    memset(room, 0, ROOM);
    memcpy(room, &square, sizeof square);
    return 0;
}

static posse_future sent(posse_executor *pool, struct packet packet)
{
    return SUBMIT_VALUE(pool, codec_task, packet);
}

static void assert_square(posse_future future, long value)
{
    const long *square = NULL;
    size_t size = 0;
    assert_ok(posse_result(future, -1, (const void **)&square, &size));
    assert_int_equal(size, ROOM);
    assert_int_equal(*square, value * value);
    assert_ok(posse_release(future));
}

/* Good ones and a bad one by turns: only the bad one fails, and no worker is lost. */
static void assert_fails_alone(struct packet bad, int code, const char *message)
{
    posse_executor *pool = make_pool(2);
    posse_future futures[30];
    for (long i = 0; i < (long)COUNT(futures); i++)
        futures[i] = sent(pool, i % 3 == 1 ? bad : (struct packet){.value = i});
    for (long i = 0; i < (long)COUNT(futures); i++) {
        if (i % 3 == 1) {
            posse_error error = take_error(futures[i], POSSE_TASK_FAILED);
            assert_int_equal(error.code, code);
            assert_string_equal(error.message, message);
        } else {
            assert_square(futures[i], i);
        }
    }
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_int_equal(stats_of(pool).failed, COUNT(futures) / 3);
    end_pool(pool);
}

/* ---- the argument is written ---- */

/* What cannot be taken is told at once. Nothing of it is queued, and what was queued before is as
 * it was. */
POOL_TEST(D01_error_at_task_encode, ALL, 1)
{
    static const struct {
        const char *arg;
        size_t size;
        posse_status expected;
    } bad[] = {{NULL, 1, POSSE_INVALID},
               {NULL, SIZE_MAX, POSSE_INVALID},
               {"x", SIZE_MAX, POSSE_TOO_LARGE},
               {"x", SIZE_MAX / 4, POSSE_TOO_LARGE},
               {"x", (size_t)1 << 46, POSSE_TOO_LARGE}};
    struct gate *gate = make_gate(pool);
    if (backend() == POSSE_INLINE)
        open_gate(gate);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future before = sent(pool, (struct packet){.value = 4});
    posse_stats stats = stats_of(pool);
    for (size_t i = 0; i < COUNT(bad); i++) {
        posse_future future = {0};
        posse_job job = {
            .struct_size = sizeof job, .fn = codec_task, .arg = bad[i].arg, .size = bad[i].size};
        assert_status(posse_submit(pool, codec_task, bad[i].arg, bad[i].size, &future),
                      bad[i].expected);
        assert_status(posse_submit_with(pool, &job, &future), bad[i].expected);
        assert_null(future.executor);
    }
    assert_int_equal(stats_of(pool).queued, stats.queued);
    assert_int_equal(stats_of(pool).futures, stats.futures);
    assert_int_equal(stats_of(pool).memory_blocks, stats.memory_blocks);
    posse_future after = sent(pool, (struct packet){.value = 5});
    open_gate(gate);
    take_long(held);
    assert_square(before, 4);
    assert_square(after, 5);
    free_gate(pool, gate);
}

/* ---- the function is not one that workers have ---- */

static posse_map_fn *map_fn_at(const void *address)
{
    posse_map_fn *fn;
    memcpy(&fn, &address, sizeof fn); /* ISO C has no cast from an object to a function */
    return fn;
}

/* Such as a closure that was put together in memory: told at once, nobody waits for ever. */
TEST(IP10_submit_closure, PROCESSES)
{
    static long closure[8];
    posse_map_fn *map_fn = map_fn_at(closure);
    posse_fn *fn;
    memcpy(&fn, &map_fn, sizeof fn);
    posse_executor *pool = make_pool(1);
    posse_future future = {0};
    posse_input input = {.data = closure, .size = sizeof closure[0]};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = map_fn,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = COUNT(closure)};
    posse_status statuses[COUNT(closure)];
    assert_status(posse_submit(pool, fn, "x", 1, &future), POSSE_NOT_LOADED);
    assert_status(posse_submit(pool, fn, "x", 1, NULL), POSSE_NOT_LOADED);
    assert_null(future.executor);
    assert_status(posse_map(pool, &job, statuses), POSSE_NOT_LOADED);
    assert_square(sent(pool, (struct packet){.value = 6}), 6);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

/* ---- the argument is read ---- */

static posse_error lost_by_packet(struct packet packet)
{
    return lost_by(codec_task, &packet, sizeof packet);
}

static void assert_exited(posse_error error)
{
    assert_int_equal(error.signal, 0);
    assert_int_equal(error.exit_code, backend() == POSSE_THREAD ? 0 : EXIT_CODE);
}

static void assert_crashed(posse_error error)
{
    assert_int_equal(error.signal, SIGSEGV);
    assert_int_equal(error.exit_code, -1);
}

TEST(D02_exit_at_task_decode, PARALLEL)
{
    assert_exited(lost_by_packet((struct packet){.decode = EXITS}));
}

TEST(D03_error_at_task_decode, ALL)
{
    assert_fails_alone((struct packet){.decode = SPOILT}, BAD_INPUT, "spoilt at byte 5");
}

TEST(D04_crash_at_task_decode, PROCESSES)
{
    assert_crashed(lost_by_packet((struct packet){.decode = CRASHES}));
}

static int pass_and_decode_task(posse_task *task, const void *arg, size_t size)
{
    struct packet bad = {.decode = SPOILT};
    return pass_gate(*(struct gate *const *)arg) ? codec_task(task, &bad, sizeof bad) : GAVE_UP;
}

/* It comes to those who were waiting for it before: by one future, and by all of them. */
POOL_TEST(IP20_decode_errors_propagate, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future futures[2] = {SUBMIT_VALUE(pool, pass_and_decode_task, gate),
                               sent(pool, (struct packet){.decode = SPOILT})};
    posse_completion_iter *completed;
    posse_future next;
    struct caller callers[COUNT(futures)];
    for (size_t i = 0; i < COUNT(futures); i++) {
        start_call(&callers[i], call_result, &futures[i]);
        await_parked(&callers[i]);
    }
    assert_ok(posse_as_completed(futures, COUNT(futures), -1, &completed));
    open_gate(gate);
    for (size_t i = 0; i < COUNT(futures); i++) {
        assert_ok(posse_completion_iter_next(completed, &next, NULL));
        assert_status(end_call(&callers[i]), POSSE_TASK_FAILED);
    }
    assert_status(posse_completion_iter_next(completed, &next, NULL), POSSE_END);
    posse_completion_iter_close(completed);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_int_equal(take_error(futures[i], POSSE_TASK_FAILED).code, BAD_INPUT);
    free_gate(pool, gate);
}

/* ---- the result is written ---- */

/* The room that was taken for the result is given back too: lost_by sees that. */
TEST(D08_crash_during_result_encode, PROCESSES)
{
    assert_crashed(lost_by_packet((struct packet){.encode = CRASHES}));
}

TEST(D09_exit_during_result_encode, PARALLEL)
{
    assert_exited(lost_by_packet((struct packet){.encode = EXITS}));
}

TEST(D10_error_during_result_encode, ALL)
{
    assert_fails_alone((struct packet){.encode = SPOILT}, BAD_OUTPUT, "spoilt at byte 5");
    assert_fails_alone((struct packet){.encode = TOO_LONG}, BAD_OUTPUT, "POSSE_TOO_LARGE");
}

/* ---- the result is read ---- */

struct reader {
    posse_future future;
    size_t capacity;
    size_t size;
    char bytes[ROOM];
};

static posse_status call_read(void *context)
{
    struct reader *reader = context;
    return posse_result_into(reader->future, -1, reader->bytes, reader->capacity, &reader->size);
}

/* Two wait for one result: it does not fit for the first, which is its own affair. */
POOL_TEST(D11_error_during_result_decode, PARALLEL_CALLERS, 1)
{
    static struct reader readers[2];
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    posse_future future = sent(pool, (struct packet){.value = 7});
    struct caller callers[2];
    for (size_t i = 0; i < COUNT(readers); i++) {
        readers[i] = (struct reader){.future = future, .capacity = i == 0 ? ROOM - 1 : ROOM};
        start_call(&callers[i], call_read, &readers[i]);
        await_parked(&callers[i]);
    }
    open_gate(gate);
    assert_status(end_call(&callers[0]), POSSE_TOO_LARGE);
    assert_ok(end_call(&callers[1]));
    for (size_t i = 0; i < COUNT(readers); i++) {
        assert_int_equal(readers[i].size, ROOM);
        assert_int_equal(readers[i].bytes[0], i * 7 * 7);
    }
    assert_status(error_of(future).status, POSSE_OK);
    assert_square(future, 7);
    take_long(held);
    assert_int_equal(stats_of(pool).failed + stats_of(pool).workers_lost, 0);
    free_gate(pool, gate);
}

/* ---- while the executor ends ---- */

/* Submits what cannot be taken, once the gate is open; the status is its result. */
static int submit_unreadable_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    if (!pass_gate(*(struct gate *const *)arg))
        return GAVE_UP;
    return return_long(task, posse_submit(posse_task_executor(task), codec_task, NULL, 8, &future));
}

/* Each failure after posse_shutdown is told as before, and the workers leave all the same. */
POOL_TEST(D14_shutdown_deadlock_encode, PARALLEL, 1)
{
    static const struct packet bad[] = {
        {.decode = SPOILT}, {.encode = TOO_LONG}, {.decode = EXITS}, {.encode = EXITS}};
    struct gate *gate = make_gate(pool);
    posse_future futures[COUNT(bad)];
    posse_future submitter = SUBMIT_VALUE(pool, submit_unreadable_task, gate);
    await_entered(gate, 1);
    for (size_t i = 0; i < COUNT(bad); i++)
        futures[i] = sent(pool, bad[i]);
    posse_future last = sent(pool, (struct packet){.value = 8});
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(stats_of(pool).workers, 0);
    assert_int_equal(take_long(submitter), POSSE_INVALID);
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_true(posse_done(futures[i]));
        take_error(futures[i], i < 2 ? POSSE_TASK_FAILED : POSSE_WORKER_LOST);
    }
    assert_square(last, 8);
    free_gate(pool, gate);
}
