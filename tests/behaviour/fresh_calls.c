/* fresh_calls.c - POSSE_FRESH: which calls a task may make. */
#include "support/autopsied.h"
#include "support/maps.h"
#include "support/objects.h"
#include "support/refused.h"
#include "support/sealed.h"

#include <posse_autopsy.h>
#include <posse_progress.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};

static struct owned *owned_before; /* by the program, when the pool is made */

/* All calls, with what the program has of another pool. */
static int refused_task(posse_task *task, const void *arg, size_t size)
{
    return all_refused_as(POSSE_NOT_SUPPORTED, owned_before) == 0 ? 0 : WRONG_ARG;
}

static int refused_here(posse_task *task)
{
    posse_executor *pool = posse_task_executor(task), *another;
    posse_future future;
    posse_lock lock;
    posse_stats stats = {.struct_size = sizeof stats};
    void *memory;
    REQUIRE(posse_submit(pool, square_task, NULL, 0, &future) == POSSE_NOT_SUPPORTED);
    REQUIRE(strcmp(posse_last_error(), "a task in a process of its own has no executor") == 0);
    REQUIRE(posse_task_emit(task, "x", 1) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_alloc(pool, 8, &memory) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_free(pool, &future) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_lock_create(pool, &lock) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_get_stats(pool, &stats) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_shutdown(pool, POSSE_NO_WAIT, 0) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_resize(pool, 2) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_destroy(pool) == POSSE_NOT_SUPPORTED);
    REQUIRE(posse_create(NULL, &another) == POSSE_NOT_SUPPORTED);
    return 0;
}

static int refused_here_task(posse_task *task, const void *arg, size_t size)
{
    return refused_here(task) == 0 ? 0 : WRONG_ARG;
}

TEST(refused, SEALABLE)
{
    owned_before = make_owned();
    posse_executor *pool = fresh_pool(1, nothing);
    take_error(submitted(pool, refused_task, NULL, 0), POSSE_OK);
    take_error(submitted(pool, refused_here_task, NULL, 0), POSSE_OK);
    end_pool(pool);
    end_owned(owned_before);
}

/* In a child of the task nothing may be said for it either. */
static int child_of_task(posse_task *task)
{
    REQUIRE(posse_task_return(task, "child", 6) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_task_reserve(task, 6000) == NULL);
    REQUIRE(posse_task_fail(task, 3, "a child") == 3);
    REQUIRE(posse_alloc(posse_task_executor(task), 8, &(void *){NULL}) == POSSE_NOT_SUPPORTED);
    return 0;
}

static int forking_task(posse_task *task, const void *arg, size_t size)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0)
        _exit(child_of_task(task));
    if (waitpid(child, &status, 0) != child || status != 0)
        return WRONG_ARG;
    if (fork() == 0)
        return return_long(task, 6); /* it ends there */
    return return_long(task, 5);
}

TEST(children, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, (posse_seal){.allow = POSSE_ALLOW_PROCESSES});
    for (int i = 0; i < 10; i++)
        assert_int_equal(take_long(submitted(pool, forking_task, NULL, 0)), 5);
    end_pool(pool);
}

/* ---- maps ---- */

static long squares_sum(long n) { return (n - 1) * n * (2 * n - 1) / 6; }

/* posse_alloc memory is copied, too. */
TEST(map, SEALABLE)
{
    enum { NUMBERS = 1000 };
    posse_executor *pool = fresh_pool(2, nothing);
    long *numbers, *results, sum = 0;
    void *memory;
    assert_ok(posse_alloc(pool, 2 * NUMBERS * sizeof *numbers, &memory));
    numbers = memory;
    results = numbers + NUMBERS;
    for (long i = 0; i < NUMBERS; i++)
        numbers[i] = i;
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, NUMBERS);
    job.results = results;
    assert_ok(posse_map(pool, &job, NULL));
    for (long i = 0; i < NUMBERS; i++)
        sum += results[i];
    assert_int_equal(sum, squares_sum(NUMBERS));
    assert_ok(posse_free(pool, memory));
    end_pool(pool);
}

static int failing_item(posse_task *task, const void *const *items, void *result)
{
    long value = *(const long *)items[0];
    *(long *)result = value;
    return posse_task_fail(task, (int)value, "item %ld", value);
}

/* Each item fails, in chunks as large as they may be. */
TEST(all_items_fail, SEALABLE)
{
    enum { NUMBERS = 5000 };
    static long numbers[NUMBERS];
    posse_executor *pool = fresh_pool(2, nothing);
    for (long i = 0; i < NUMBERS; i++)
        numbers[i] = i + 1;
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(failing_item, &input, 1, NUMBERS);
    job.chunksize = NUMBERS;
    job.buffersize = NUMBERS;
    posse_map_iter *map = open_map(pool, job);
    for (int i = 0; i < NUMBERS; i++) {
        posse_error error = {.struct_size = sizeof error};
        posse_item item = next_item(map);
        assert_status(item.status, POSSE_TASK_FAILED);
        assert_ok(posse_map_exception(map, &error));
        assert_int_equal(error.code, i + 1);
    }
    close_map(map);
    end_pool(pool);
}

TEST(small_max_result, SEALABLE)
{
    long numbers[4] = {1, 2, 3, 4}, results[4] = {0};
    posse_options options = OPTIONS(1, .max_result = sizeof(long));
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, COUNT(numbers));
    job.results = results;
    job.chunksize = 4;
    assert_ok(posse_map(pool, &job, NULL));
    assert_int_equal(results[3], 16);
    posse_status statuses[4];
    job.fn = failing_item;
    assert_status(posse_map(pool, &job, statuses), POSSE_TASK_FAILED);
    job.fn = square_item;
    job.result_size = 9;
    job.results = NULL;
    assert_status(posse_map(pool, &job, NULL), POSSE_TOO_LARGE);
    end_pool(pool);
}

static int crashing_item(posse_task *task, const void *const *items, void *result)
{
    long value = *(const long *)items[0];
    if (value == 37)
        abort();
    *(long *)result = value * value;
    return 0;
}

TEST(split, SEALABLE)
{
    enum { NUMBERS = 64 };
    long numbers[NUMBERS], results[NUMBERS];
    posse_status statuses[NUMBERS];
    posse_executor *pool = fresh_pool(2, nothing);
    for (long i = 0; i < NUMBERS; i++)
        numbers[i] = i;
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(crashing_item, &input, 1, NUMBERS);
    job.results = results;
    job.chunksize = NUMBERS;
    job.buffersize = NUMBERS;
    job.on_lost = POSSE_SPLIT;
    assert_status(posse_map(pool, &job, statuses), POSSE_WORKER_LOST);
    for (long i = 0; i < NUMBERS; i++)
        assert_status(statuses[i], i == 37 ? POSSE_WORKER_LOST : POSSE_OK);
    end_pool(pool);
}

/* ---- progress ---- */

static int progress_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    posse_task_progress(task, 3, 10);
    gate->entered++;
    while (!gate->open)
        if (gate->coming)
            abort();
    posse_task_progress(task, 9, 10);
    return 0;
}

static bool progress_is(posse_future future, uint64_t done, uint64_t total)
{
    uint64_t numbers[2];
    return posse_progress(future, &numbers[0], &numbers[1]) == POSSE_OK && numbers[0] == done &&
           numbers[1] == total;
}

/* While it runs, when it has ended, and when it was lost. */
TEST(progress, SEALABLE)
{
    struct gate *gate = make_shared(sizeof *gate);
    posse_executor *pool = fresh_pool(1, nothing);
    posse_future future = SUBMIT_VALUE(pool, progress_task, gate);
    assert_eventually(progress_is(future, 3, 10));
    open_gate(gate);
    assert_ok(posse_exception(future, -1, NULL));
    assert_true(progress_is(future, 9, 10));
    assert_ok(posse_release(future));
    gate->open = 0;
    gate->coming = 1;
    future = SUBMIT_VALUE(pool, progress_task, gate);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_true(progress_is(future, 3, 10));
    assert_ok(posse_release(future));
    end_pool(pool);
    free_shared(gate, sizeof *gate);
}
