/* submit_many.c - many jobs in one call: what goes in, what stays out, and who is woken. */
#include "support/support.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MANY 1000 /* several batches */
#define LIMIT 3

static posse_job job_of(posse_fn *fn, const void *arg, size_t size)
{
    return (posse_job){.struct_size = sizeof(posse_job), .fn = fn, .arg = arg, .size = size};
}

/* n jobs that square 0 to n - 1. */
static posse_job *make_squares(long *numbers, size_t n)
{
    posse_job *jobs = calloc(n, sizeof *jobs);
    assert_non_null(jobs);
    for (size_t i = 0; i < n; i++) {
        numbers[i] = (long)i;
        jobs[i] = job_of(square_task, &numbers[i], sizeof numbers[i]);
    }
    return jobs;
}

static void assert_squares(const posse_future *futures, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(take_long(futures[i]), i * i);
}

static void assert_empty(const posse_future *futures, size_t from, size_t to)
{
    static const posse_future none;
    for (size_t i = from; i < to; i++)
        assert_memory_equal(&futures[i], &none, sizeof none);
}

/* As a call must overwrite them. */
static void poison(posse_future *futures, size_t n) { memset(futures, 0xa5, n * sizeof *futures); }

POOL_TEST(all_of_them, ALL, 2)
{
    static const size_t counts[] = {1, 2, 63, 64, 65, 128, MANY};
    long numbers[MANY];
    posse_future futures[MANY];
    posse_job *jobs = make_squares(numbers, MANY);
    for (size_t i = 0; i < COUNT(counts); i++) {
        size_t accepted = SIZE_MAX;
        poison(futures, MANY);
        assert_ok(posse_submit_many(pool, jobs, counts[i], futures, &accepted));
        assert_int_equal(accepted, counts[i]);
        assert_squares(futures, counts[i]);
    }
    free(jobs);
}

POOL_TEST(none_at_all, ALL, 1)
{
    size_t accepted = 7;
    assert_ok(posse_submit_many(pool, NULL, 0, NULL, &accepted));
    assert_int_equal(accepted, 0);
    assert_ok(posse_submit_many(pool, NULL, 0, NULL, NULL));
}

POOL_TEST(unobserved, ALL, 2)
{
    _Atomic long *counter = make_counter(pool);
    posse_job jobs[MANY];
    for (size_t i = 0; i < MANY; i++)
        jobs[i] = job_of(count_task, &counter, sizeof counter);
    assert_ok(posse_submit_many(pool, jobs, MANY, NULL, NULL));
    assert_eventually(atomic_load(counter) == MANY);
    assert_ok(posse_free(pool, (void *)counter));
}

/* A worker that is alone takes them one after the other. */
static int order_task(posse_task *task, const void *arg, size_t size)
{
    _Atomic long *const *counter = arg;
    return return_long(task, atomic_fetch_add(*counter, 1));
}

POOL_TEST(in_their_order, ALL, 1)
{
    posse_job jobs[200];
    posse_future futures[COUNT(jobs)];
    _Atomic long *counter = make_counter(pool);
    for (size_t i = 0; i < COUNT(jobs); i++)
        jobs[i] = job_of(order_task, &counter, sizeof counter);
    assert_ok(posse_submit_many(pool, jobs, COUNT(jobs), futures, NULL));
    for (size_t i = 0; i < COUNT(jobs); i++)
        assert_int_equal(take_long(futures[i]), i);
    assert_ok(posse_free(pool, (void *)counter));
}

/* Some are in the slot, some in blocks; two are more than a batch may copy. */
POOL_TEST(large_arguments, ALL, 2)
{
    static const size_t sizes[] = {0, 1, 16, 17, 64, 65, 100, 5000, 70000, 3000000, 8};
    posse_job jobs[4 * COUNT(sizes)];
    posse_future futures[COUNT(jobs)];
    unsigned char *bytes = malloc(3000000);
    assert_non_null(bytes);
    for (size_t i = 0; i < 3000000; i++)
        bytes[i] = (unsigned char)(i * 31 + i / 251);
    for (size_t i = 0; i < COUNT(jobs); i++)
        jobs[i] = job_of(echo_task, bytes + i % 7, sizes[i % COUNT(sizes)] - (i % 7 && i % 2));
    for (size_t i = 0; i < COUNT(jobs); i++)
        jobs[i].size = jobs[i].size > 2999990 ? 2999990 : jobs[i].size;
    assert_ok(posse_submit_many(pool, jobs, COUNT(jobs), futures, NULL));
    for (size_t i = 0; i < COUNT(jobs); i++) {
        const void *data = NULL;
        size_t size = 0;
        assert_ok(posse_result(futures[i], -1, &data, &size));
        assert_int_equal(size, jobs[i].size);
        assert_true(size == 0 || memcmp(data, jobs[i].arg, size) == 0);
        assert_ok(posse_release(futures[i]));
    }
    free(bytes);
}

/* Each job counts for itself. */
POOL_TEST(names_and_limits, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    long code = 5;
    posse_job jobs[3] = {job_of(heed_task, &gate, sizeof gate),
                         job_of(code_task, &code, sizeof code), job_of(identity_task, NULL, 0)};
    posse_future futures[3];
    jobs[0].name = "late";
    jobs[0].timeout_ms = 5;
    jobs[1].name = "failing";
    assert_ok(posse_submit_many(pool, jobs, 3, futures, NULL));
    posse_error late = take_error(futures[0], POSSE_DEADLINE);
    assert_string_equal(late.name, "late");
    posse_error failing = take_error(futures[1], POSSE_TASK_FAILED);
    assert_string_equal(failing.name, "failing");
    assert_int_equal(failing.code, 5);
    take_long(futures[2]);
    open_gate(gate);
    assert_eventually(stats_of(pool).running == 0);
    free_gate(pool, gate);
}

/* ---- what is not valid ---- */

static void assert_refused(posse_executor *pool, const posse_job *jobs, posse_status expected)
{
    posse_future futures[5];
    size_t accepted = 7;
    poison(futures, 5);
    assert_status(posse_submit_many(pool, jobs, 5, futures, &accepted), expected);
    assert_int_equal(accepted, 0);
    assert_empty(futures, 0, 5);
    assert_status(posse_submit_many(pool, jobs, 5, NULL, NULL), expected);
}

POOL_TEST(one_is_not_valid, ALL, 1)
{
    _Atomic long *counter = make_counter(pool);
    posse_job good = job_of(count_task, &counter, sizeof counter);
    for (int i = 0; i < 5; i++) {
        posse_job jobs[5] = {good, good, good, good, good};
        jobs[i].fn = NULL;
        assert_refused(pool, jobs, POSSE_INVALID);
        jobs[i] = good;
        jobs[i].timeout_ms = -1;
        assert_refused(pool, jobs, POSSE_INVALID);
        jobs[i] = good;
        jobs[i].retries = 256;
        assert_refused(pool, jobs, POSSE_TOO_LARGE);
        jobs[i] = good;
        jobs[i].struct_size = 0;
        assert_refused(pool, jobs, POSSE_INVALID);
        assert_refused(NULL, jobs, POSSE_INVALID);
    }
    assert_refused(pool, NULL, POSSE_INVALID);
    assert_string_equal(posse_last_error(), "jobs is NULL");
    assert_int_equal(atomic_load(counter), 0);
    assert_ok(posse_free(pool, (void *)counter));
}

POOL_TEST(one_is_not_loaded, PROCESSES, 1)
{
    posse_job good = job_of(identity_task, NULL, 0), jobs[5] = {good, good, good, good, good};
    jobs[4].fn = (posse_fn *)(uintptr_t)64;
    assert_refused(pool, jobs, POSSE_NOT_LOADED);
}

/* The same with a valid size, but another one. */
POOL_TEST(sizes_that_differ, ALL, 1)
{
    posse_job good = job_of(identity_task, NULL, 0);
    posse_job jobs[5] = {good, good, good, good, good};
    jobs[3].struct_size = offsetof(posse_job, flags);
    assert_refused(pool, jobs, POSSE_INVALID);
    assert_string_equal(posse_last_error(), "struct_size of the jobs is not the same");
}

/* Jobs of a program that was built with another version: the distance is their own size. */
static void assert_version(posse_executor *pool, size_t size, char beyond, posse_status expected)
{
    long numbers[100];
    posse_future futures[COUNT(numbers)];
    char *jobs = calloc(COUNT(numbers), size);
    assert_non_null(jobs);
    for (size_t i = 0; i < COUNT(numbers); i++) {
        numbers[i] = (long)i;
        posse_job job = job_of(square_task, &numbers[i], sizeof numbers[i]);
        job.struct_size = size;
        memcpy(jobs + i * size, &job, size < sizeof job ? size : sizeof job);
    }
    if (beyond)
        jobs[100 * size - 1] = beyond;
    size_t accepted;
    assert_status(posse_submit_many(pool, (const posse_job *)(void *)jobs, 100, futures, &accepted),
                  expected);
    assert_int_equal(accepted, expected == POSSE_OK ? 100 : 0);
    assert_squares(futures, accepted);
    free(jobs);
}

POOL_TEST(jobs_of_another_version, ALL, 1)
{
    assert_version(pool, offsetof(posse_job, name), 0, POSSE_OK);
    assert_version(pool, sizeof(posse_job) + 24, 0, POSSE_OK);
    assert_version(pool, sizeof(posse_job) + 24, 1, POSSE_INVALID);
}

/* ---- what there is no room for ---- */

TEST(full_without_waiting, PARALLEL)
{
    posse_executor *pool = POOL(1, .queue_limit = LIMIT);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate), futures[MANY];
    long numbers[MANY];
    posse_job *jobs = make_squares(numbers, MANY);
    await_entered(gate, 1);
    for (size_t i = 0; i < MANY; i++)
        jobs[i].flags = POSSE_NO_WAIT;
    size_t accepted = 0;
    poison(futures, MANY);
    assert_status(posse_submit_many(pool, jobs, MANY, futures, &accepted), POSSE_FULL);
    assert_int_equal(accepted, LIMIT);
    assert_empty(futures, LIMIT, MANY);
    assert_int_equal(stats_of(pool).futures, 1 + LIMIT);
    assert_status(posse_submit_many(pool, jobs, MANY, NULL, &accepted), POSSE_FULL);
    assert_int_equal(accepted, 0);
    open_gate(gate);
    take_long(held);
    assert_squares(futures, LIMIT);
    free_gate(pool, gate);
    free(jobs);
    end_pool(pool);
}

TEST(full_with_timeout, PARALLEL)
{
    posse_executor *pool = POOL(1, .queue_limit = LIMIT);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate), futures[10];
    long numbers[10];
    posse_job *jobs = make_squares(numbers, 10);
    await_entered(gate, 1);
    jobs[LIMIT].queue_timeout_ms = 20;
    size_t accepted = 0;
    long start = now_ms();
    assert_status(posse_submit_many(pool, jobs, 10, futures, &accepted), POSSE_TIMEOUT);
    assert_in_range(now_ms() - start, 19, PATIENCE_MS); /* not too early */
    assert_int_equal(accepted, LIMIT);
    assert_empty(futures, LIMIT, 10);
    open_gate(gate);
    take_long(held);
    assert_squares(futures, LIMIT);
    free_gate(pool, gate);
    free(jobs);
    end_pool(pool);
}

/* Each waits for room, which comes as tasks are taken. */
TEST(waits_for_room, PARALLEL)
{
    look_never();
    posse_executor *pool = POOL(2, .queue_limit = LIMIT);
    long numbers[MANY];
    posse_future futures[MANY];
    posse_job *jobs = make_squares(numbers, MANY);
    for (int round = 0; round < 3; round++) {
        size_t accepted = 0;
        assert_ok(posse_submit_many(pool, jobs, MANY, futures, &accepted));
        assert_int_equal(accepted, MANY);
        assert_squares(futures, MANY);
    }
    free(jobs);
    end_pool(pool);
}

/* What is accepted has all its memory; the rest leaves none behind. */
static void assert_short_of_memory(size_t n, size_t size)
{
    posse_executor *pool = POOL(1, .max_memory = 1 << 20);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    posse_future *futures = calloc(n, sizeof *futures);
    posse_job *jobs = calloc(n, sizeof *jobs);
    char *bytes = calloc(1, size + 1);
    size_t accepted = 0;
    await_entered(gate, 1);
    for (size_t i = 0; i < n; i++)
        jobs[i] = job_of(echo_task, bytes, size);
    assert_status(posse_submit_many(pool, jobs, n, futures, &accepted), POSSE_NO_MEMORY);
    assert_in_range(accepted, 1, n - 1);
    assert_empty(futures, accepted, n);
    assert_int_equal(stats_of(pool).futures, 1 + accepted);
    open_gate(gate);
    take_long(held);
    for (size_t i = 0; i < accepted; i++) {
        posse_status status = error_of(futures[i]).status; /* the result may find no memory */
        assert_true(status == POSSE_OK || status == POSSE_TASK_FAILED);
        assert_ok(posse_release(futures[i]));
    }
    free_gate(pool, gate);
    free(futures);
    free(jobs);
    free(bytes);
    end_pool(pool);
}

TEST(no_memory_for_arguments, PARALLEL) { assert_short_of_memory(200, 30000); }

TEST(no_memory_for_futures, PARALLEL) { assert_short_of_memory(5000, 0); }

POOL_TEST(one_is_too_large, ALL, 1, .max_memory = 1 << 20)
{
    posse_future futures[3];
    size_t accepted = 0, large = (size_t)8 << 20;
    char *bytes = calloc(1, large);
    posse_job jobs[3] = {job_of(echo_task, bytes, 8), job_of(echo_task, bytes, large),
                         job_of(echo_task, bytes, 8)};
    assert_status(posse_submit_many(pool, jobs, 3, futures, &accepted), POSSE_TOO_LARGE);
    assert_int_equal(accepted, 1);
    assert_empty(futures, 1, 3);
    take_error(futures[0], POSSE_OK);
    free(bytes);
}

TEST(shut_down, ALL)
{
    posse_executor *pool = make_pool(1);
    posse_job job = job_of(identity_task, NULL, 0), jobs[5] = {job, job, job, job, job};
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_refused(pool, jobs, POSSE_SHUT_DOWN);
    end_pool(pool);
}

/* ---- who is woken ---- */

/* All sleep, and nobody looks by itself: a task that wakes nobody never comes to the gate. */
TEST(wakes_a_worker_for_each, PARALLEL)
{
    look_never();
    posse_executor *pool = make_pool(4);
    for (int n = 1; n <= 4; n++) {
        assert_at_rest(pool);
        struct gate *gate = make_gate(pool);
        posse_job job = job_of(hold_task, &gate, sizeof gate), jobs[4] = {job, job, job, job};
        posse_future futures[4];
        assert_ok(posse_submit_many(pool, jobs, (size_t)n, futures, NULL));
        await_entered(gate, n);
        open_gate(gate);
        for (int i = 0; i < n; i++)
            take_long(futures[i]);
        free_gate(pool, gate);
    }
    end_pool(pool);
}

TEST(starts_workers_on_demand, PARALLEL)
{
    posse_executor *pool = POOL(4, .on_demand = true);
    struct gate *gate = make_gate(pool);
    posse_job job = job_of(hold_task, &gate, sizeof gate), jobs[4] = {job, job, job, job};
    posse_future futures[4];
    assert_ok(posse_submit_many(pool, jobs, 4, futures, NULL));
    await_entered(gate, 4);
    open_gate(gate);
    for (int i = 0; i < 4; i++)
        take_long(futures[i]);
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- in tasks, and side by side ---- */

/* Adds up the squares below n, by tasks of its own. */
static int sum_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    long numbers[300], sum = 0, square = 0;
    posse_job jobs[COUNT(numbers)];
    posse_future futures[COUNT(numbers)];
    size_t n = (size_t) * (const long *)arg, accepted;
    for (size_t i = 0; i < n; i++) {
        numbers[i] = (long)i;
        jobs[i] = job_of(square_task, &numbers[i], sizeof numbers[i]);
    }
    if (posse_submit_many(pool, jobs, n, futures, &accepted) != POSSE_OK || accepted != n)
        return INNER_FAILED;
    for (size_t i = 0; i < n; i++) {
        if (posse_result_into(futures[i], -1, &square, sizeof square, NULL) != POSSE_OK)
            return INNER_FAILED;
        (void)posse_release(futures[i]);
        sum += square;
    }
    return return_long(task, sum);
}

static void assert_sums(posse_executor *pool)
{
    posse_future futures[10];
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted_long(pool, sum_task, 300);
    for (size_t i = 0; i < COUNT(futures); i++)
        assert_int_equal(take_long(futures[i]), 299 * 300 * 599 / 6);
}

POOL_TEST(nested_with_one_worker, ALL, 1) { assert_sums(pool); }

POOL_TEST(nested_with_three_workers, PARALLEL, 3, .queue_limit = LIMIT) { assert_sums(pool); }

struct crowd {
    posse_executor *pool;
    _Atomic long *counter;
};

static void *submit_crowd(void *context)
{
    const struct crowd *crowd = context;
    posse_job jobs[150];
    for (size_t i = 0; i < COUNT(jobs); i++)
        jobs[i] = job_of(count_task, &crowd->counter, sizeof crowd->counter);
    for (int round = 0; round < 50; round++)
        if (posse_submit_many(crowd->pool, jobs, 1 + (size_t)round * 3, NULL, NULL) != POSSE_OK)
            return context;
    return NULL;
}

POOL_TEST(threads_side_by_side, PARALLEL_CALLERS, 2)
{
    struct crowd crowd = {pool, make_counter(pool)};
    pthread_t threads[4];
    void *failed;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, submit_crowd, &crowd), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    long all = 4 * (50 + 3 * 49 * 50 / 2);
    assert_eventually(atomic_load(crowd.counter) == all);
    assert_ok(posse_free(pool, (void *)crowd.counter));
}
