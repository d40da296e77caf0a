/* fork_calls.c - every call of posse.h in a forked child, while other threads of the parent are
 * inside of calls: it is refused, and harms nobody.
 *
 * The list of calls is held against the header, so that none is forgotten.
 */
#include "support/header.h"
#include "support/maps.h"
#include "support/objects.h"
#include "support/refused.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the list ---- */

static const char *const calls_of_a_task[] = {"posse_task_*", NULL}; /* see below */

TEST(no_call_is_forgotten, ALL)
{
    assert_all_listed(
        (const char *const *const[]){refused_calls, free_calls, calls_of_a_task, NULL});
}

/* ---- children of a quiet program ---- */

static int refused_deeper(void *owned)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(all_refused(owned));
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    return all_refused(owned);
}

TEST(all_calls_are_refused, ALL)
{
    struct owned *owned = make_owned();
    assert_child(all_refused, owned);
    assert_child(refused_deeper, owned);
    end_owned(owned);
}

/* ---- in a child of a task ---- */

static int refused_of_task(posse_task *task)
{
    posse_executor *pool = posse_task_executor(task);
    REQUIRE(posse_submit(pool, identity_task, NULL, 0, NULL) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_task_return(task, "child", 6) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_task_reserve(task, 6) == NULL && posse_task_reserve(task, 6000) == NULL);
    REQUIRE(posse_task_fail(task, 3, "a child") == 3);
    REQUIRE(!posse_task_cancelled(task) && posse_task_time_left(task) == -1);
    REQUIRE(posse_task_worker(task) >= 0 && posse_task_attempt(task) == 1);
    REQUIRE(posse_map_arg(task, NULL) == NULL);
    REQUIRE(posse_task_descriptor(task, 0) == -1 && posse_task_take_descriptor(task, 0) == -1);
    return 0;
}

static int forking_task(posse_task *task, const void *arg, size_t size)
{
    int status = 1;
    if (return_long(task, 5) != 0)
        return GAVE_UP;
    pid_t child = fork();
    if (child == 0)
        _exit(refused_of_task(task));
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : WRONG_ARG;
}

POOL_TEST(calls_of_a_task_are_refused, ALL, 1)
{
    for (int i = 0; i < 5; i++)
        assert_int_equal(take_long(submitted(pool, forking_task, NULL, 0)), 5);
}

/* ---- children of a busy program ---- */

enum { BATCH = 20, KINDS = 6, FEW = 60, MANY = 3000 };

/* AddressSanitizer (gcc 12, clang 14) does nothing at a fork. If another thread is inside its
 * allocator then, the lock of that size class stays locked in the child. The child's next malloc of
 * such a size sleeps in __sanitizer::Mutex::Lock for ever. Without posse, three threads that call
 * malloc and free, beside children that call malloc, show it within some tens of forks. */
#ifdef SANITIZED
#define MAY_ALLOCATE false
#else
#define MAY_ALLOCATE true
#endif

struct busy {
    posse_executor *pool;
    posse_lock lock;
    posse_queue queue;
    _Atomic int calls; /* of callbacks */
    _Atomic long rounds[KINDS];
    _Atomic int stop;
};

static int note_call(posse_future future, void *busy)
{
    atomic_fetch_add(&((struct busy *)busy)->calls, 1);
    return 0;
}

static posse_status wait_for_batch(struct busy *busy)
{
    posse_future futures[BATCH];
    posse_status status = POSSE_OK;
    for (long i = 0; i < BATCH && status == POSSE_OK; i++) {
        status = posse_submit(busy->pool, square_task, &i, sizeof i, &futures[i]);
        if (status == POSSE_OK && i % 4 == 0)
            status = posse_add_done_callback(futures[i], note_call, busy);
    }
    if (status == POSSE_OK)
        status = posse_wait(futures, BATCH, POSSE_ALL_COMPLETED, -1, NULL, NULL);
    for (int i = 0; i < BATCH && status == POSSE_OK; i++)
        status = posse_release(futures[i]);
    return status;
}

static posse_status wait_for_one(struct busy *busy)
{
    posse_future future;
    posse_status status = posse_submit(busy->pool, identity_task, NULL, 0, &future);
    if (status == POSSE_OK) {
        status = posse_result(future, -1, NULL, NULL);
        (void)posse_release(future);
    }
    return status;
}

static posse_status map_some(struct busy *busy)
{
    long numbers[BATCH] = {0};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, BATCH);
    job.chunksize = 2;
    job.unordered = atomic_load(&busy->rounds[2]) % 2 == 1;
    return posse_map(busy->pool, &job, NULL);
}

static posse_status create_and_destroy(struct busy *busy)
{
    posse_executor *pool = open_pool(1);
    return pool == NULL ? POSSE_SYSTEM : posse_destroy(pool);
}

static posse_status use_tools(struct busy *busy)
{
    void *memory;
    long value = 1;
    posse_status status = posse_lock_acquire(busy->lock, -1);
    status = status == POSSE_OK ? posse_lock_release(busy->lock) : status;
    status = status == POSSE_OK ? put_long(busy->queue, value, -1) : status;
    status = status == POSSE_OK ? get_long(busy->queue, &value, -1) : status;
    status = status == POSSE_OK ? posse_alloc(busy->pool, 100000, &memory) : status;
    return status == POSSE_OK ? posse_free(busy->pool, memory) : status;
}

static posse_status (*const kinds[KINDS])(struct busy *) = {
    wait_for_one, wait_for_batch, map_some, create_and_destroy, use_tools, use_tools};

static posse_status keep_on(void *context)
{
    static _Atomic int number;
    struct busy *busy = context;
    int kind = atomic_fetch_add(&number, 1) % KINDS;
    posse_status status = POSSE_OK;
    while (status == POSSE_OK && !atomic_load(&busy->stop)) {
        status = kinds[kind](busy);
        atomic_fetch_add(&busy->rounds[kind], 1);
    }
    return status;
}

/* What a child may do: nothing with what is not its own, all with what is. */
static int lives_its_own_life(void *owned)
{
    REQUIRE(all_refused(owned) == 0);
    posse_executor *pool = open_pool(1);
    posse_future future;
    long value = 12;
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, square_task, &value, sizeof value, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &value, sizeof value, NULL) == POSSE_OK);
    REQUIRE(value == 144 && posse_destroy(pool) == POSSE_OK);
    return 0;
}

static long total(const struct busy *busy)
{
    long sum = 0;
    for (int i = 0; i < KINDS; i++) {
        sum += atomic_load(&busy->rounds[i]);
        assert_true(atomic_load(&busy->rounds[i]) > 0);
    }
    return sum;
}

TEST(children_of_a_busy_program, FORKED &CALLERS)
{
    struct owned *owned = make_owned();
    static struct busy busy;
    struct caller callers[KINDS];
    busy = (struct busy){.pool = make_pool(2)};
    busy.lock = make_lock(busy.pool);
    busy.queue = make_queue(busy.pool, 4, sizeof(long));
    for (int i = 0; i < KINDS; i++)
        start_call(&callers[i], keep_on, &busy);
    long children = in_long_run(FEW, MANY);
    for (long i = 0; i < children; i++) {
        time_limit(TIME_LIMIT);
        assert_child(MAY_ALLOCATE && i % 3 == 0 ? lives_its_own_life : all_refused, owned);
    }
    atomic_store(&busy.stop, 1);
    for (int i = 0; i < KINDS; i++)
        assert_ok(end_call(&callers[i]));
    print_message("%ld children, %ld rounds of calls, %d callbacks\n", children, total(&busy),
                  atomic_load(&busy.calls));
    assert_ok(posse_lock_destroy(busy.lock));
    assert_ok(posse_queue_destroy(busy.queue));
    assert_int_equal(stats_of(busy.pool).workers_lost, 0);
    end_pool(busy.pool);
    end_owned(owned);
}
