/* cgroup.c - a program in a memory cgroup, as in a container: a task that asks for more than there
 * is costs its one future, and too large a backlog is refused. The program lives. So it is with
 * sealed workers, and with POSSE_FRESH, where the worker lives, too.
 */
#include "kit/kit.h"
#include "support/sealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL (64 * MB)
#define LARGER (96 * MB)
#define TOO_MUCH_MB 100
#define NO_MEMORY_CODE 11 /* of a task that was told that there is no memory */

/* ---- one task asks for too much ---- */

static int result_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = (size_t) * (const long *)arg * MB;
    void *room = posse_task_reserve(task, bytes);
    if (room == NULL)
        return NO_MEMORY_CODE;
    memset(room, 1, bytes);
    return 0;
}

static int alloc_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = (size_t) * (const long *)arg * MB;
    void *memory;
    if (posse_alloc(posse_task_executor(task), bytes, &memory) != POSSE_OK)
        return NO_MEMORY_CODE;
    memset(memory, 1, bytes);
    return 0;
}

/* Its worker ends by the kernel's hand. */
static int malloc_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = (size_t) * (const long *)arg * MB;
    volatile char *memory = malloc(bytes);
    if (memory == NULL)
        return NO_MEMORY_CODE;
    for (size_t i = 0; i < bytes; i += 1024)
        memory[i] = 1;
    free((void *)memory);
    return 0;
}

/* The task must have failed, or its worker or process was lost. */
static int asks_for_too_much(posse_executor *pool, posse_fn *fn)
{
    long megabytes = TOO_MUCH_MB;
    posse_future future;
    posse_error error = {.struct_size = sizeof error};
    REQUIRE(posse_submit(pool, fn, &megabytes, sizeof megabytes, &future) == POSSE_OK);
    REQUIRE(posse_exception(future, 30000, &error) == POSSE_OK);
    dprintf(STDOUT_FILENO, "%s: %s\n", posse_status_name(error.status), error.message);
    REQUIRE(error.status == POSSE_WORKER_LOST ||
            (error.status == POSSE_TASK_FAILED &&
             (error.code == NO_MEMORY_CODE || strstr(error.message, "no memory") != NULL)));
    REQUIRE(posse_release(future) == POSSE_OK);
    return pool_works(pool);
}

/* A task, and the pool that it runs in. */
struct asking {
    posse_fn *fn;
    const posse_seal *seal;
    posse_isolation isolation;
    long times;
};

static posse_executor *open_for(const struct asking *asking)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(2, .seal = asking->seal, .isolation = asking->isolation,
                                    .max_result = 2 * TOO_MUCH_MB * MB);
    return posse_create(&options, &pool) == POSSE_OK ? pool : NULL;
}

static int costs_one_future(void *context)
{
    const struct asking *asking = context;
    posse_executor *pool = open_for(asking);
    posse_stats stats = {.struct_size = sizeof stats};
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    for (long i = 0; i < asking->times; i++)
        REQUIRE(asks_for_too_much(pool, asking->fn) == 0);
    REQUIRE(posse_get_stats(pool, &stats) == POSSE_OK && stats.futures == 0);
    REQUIRE((long)(stats.lost + stats.failed) == asking->times);
    REQUIRE(asking->isolation != POSSE_FRESH || stats.workers_lost == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

static void assert_asking(struct asking asking)
{
    assert_guarded((struct guard){.limit = SMALL, .body = costs_one_future, .context = &asking});
}

static void assert_costs_one_future(posse_fn *fn)
{
    assert_asking((struct asking){.fn = fn, .times = 3});
}

TEST(result_over_the_limit, UNSANITIZED(ALL)) { assert_costs_one_future(result_task); }

TEST(posse_alloc_over_the_limit, UNSANITIZED(ALL)) { assert_costs_one_future(alloc_task); }

TEST(malloc_over_the_limit, UNSANITIZED(PROCESSES)) { assert_costs_one_future(malloc_task); }

static const posse_seal nothing = {.struct_size = sizeof nothing};

TEST(in_a_sealed_worker, SEALABLE)
{
    static posse_fn *const tasks[] = {result_task, alloc_task, malloc_task};
    end_pool(sealed_pool(1, nothing)); /* or it cannot be sealed here */
    for (size_t i = 0; i < COUNT(tasks); i++)
        assert_asking((struct asking){tasks[i], &nothing, POSSE_SHARED, 1});
}

/* What fits into the cgroup once, but not twice. */
static int half_task(posse_task *task, const void *arg, size_t size)
{
    long half = *(const long *)arg * 2 / 5;
    return result_task(task, &half, sizeof half);
}

/* The task memory has room for each result. The first one dies of its pages; of the second one the
 * worker has no memory for a copy. */
TEST(in_a_process_of_its_own, SEALABLE)
{
    static posse_fn *const tasks[] = {result_task, half_task, malloc_task};
    end_pool(fresh_pool(1, nothing));
    for (size_t i = 0; i < COUNT(tasks); i++)
        assert_asking((struct asking){tasks[i], NULL, POSSE_FRESH, 1});
}

/* ---- the program itself does ---- */

static bool is_refusal(posse_status status)
{
    return status == POSSE_NO_MEMORY || status == POSSE_TOO_LARGE;
}

static int program_asks(void *context)
{
    void *memory;
    posse_future future;
    char *arg = calloc(TOO_MUCH_MB, MB); /* pages of zeros that nobody touches */
    posse_executor *pool = open_pool(2);
    REQUIRE(arg != NULL && pool != NULL);
    REQUIRE(is_refusal(posse_alloc(pool, TOO_MUCH_MB * MB, &memory)));
    REQUIRE(is_refusal(posse_submit(pool, echo_task, arg, TOO_MUCH_MB * MB, &future)));
    REQUIRE(pool_works(pool) == 0);
    free(arg);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

TEST(program_over_the_limit, UNSANITIZED(ALL))
{
    assert_guarded((struct guard){.limit = SMALL, .body = program_asks});
}

/* ---- a backlog that is larger than the cgroup ---- */

static int large_backlog(void *context)
{
    struct load load;
    REQUIRE(hold_workers(&load, default_options()) == 0);
    submit_many(&load, 1000, 1000000);
    dprintf(STDOUT_FILENO, "%ld tasks accepted, then %s\n", load.accepted,
            posse_status_name(load.status));
    REQUIRE(load.status == POSSE_NO_MEMORY && load.accepted > 1000);
    REQUIRE(let_go(&load) == 0 && pool_works(load.pool) == 0);
    return end_load(&load);
}

TEST(backlog_over_the_limit, UNSANITIZED(PARALLEL))
{
    assert_guarded((struct guard){.limit = LARGER, .body = large_backlog});
}
