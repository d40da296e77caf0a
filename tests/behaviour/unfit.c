/* unfit.c - what a task does to its worker's process does not fail the next task. */
#include "support/support.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)
#define LIMIT (16 * MB)

/* Takes most of the memory that it may gain. */
static int taking_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = LIMIT - 4 * MB;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return GAVE_UP;
    munmap(memory, bytes);
    return return_long(task, getpid());
}

static long taken(posse_executor *pool)
{
    posse_job job = {.fn = taking_task, .max_memory = LIMIT, .max_cpu_ms = PATIENCE_MS};
    return take_long(submitted_job(pool, job));
}

/* ---- what makes a worker unfit --------------------------------------------------------------- */

/* Sets both limits, or one. Keeps what is there if it is lower. */
static int lower(__rlimit_resource_t which, rlim_t soft, rlim_t hard)
{
    struct rlimit limit;
    if (getrlimit(which, &limit) != 0)
        return GAVE_UP;
    limit.rlim_max = hard < limit.rlim_max ? hard : limit.rlim_max;
    limit.rlim_cur = soft < limit.rlim_cur ? soft : limit.rlim_cur;
    return setrlimit(which, &limit) == 0 ? 0 : GAVE_UP;
}

static int hard_data_task(posse_task *task, const void *arg, size_t size)
{
    return lower(RLIMIT_DATA, 4 * MB, 4 * MB);
}

static int soft_data_task(posse_task *task, const void *arg, size_t size)
{
    return lower(RLIMIT_DATA, 4 * MB, RLIM_INFINITY);
}

static int space_task(posse_task *task, const void *arg, size_t size)
{
    return lower(RLIMIT_AS, 4 * MB, RLIM_INFINITY);
}

static int files_task(posse_task *task, const void *arg, size_t size)
{
    return lower(RLIMIT_NOFILE, 0, RLIM_INFINITY);
}

static int no_descriptors_task(posse_task *task, const void *arg, size_t size)
{
    if (lower(RLIMIT_NOFILE, 64, RLIM_INFINITY) != 0)
        return GAVE_UP;
    while (dup(1) >= 0)
        continue;
    return 0;
}

static int close_all_task(posse_task *task, const void *arg, size_t size)
{
    for (int fd = 3; fd < 2048; fd++)
        close(fd);
    return 0;
}

static posse_fn *const deeds[] = {hard_data_task, soft_data_task,      space_task,
                                  files_task,     no_descriptors_task, close_all_task};

POOL_TEST(harms_itself, UNSANITIZED(PROCESSES), 1)
{
    for (size_t i = 0; i < COUNT(deeds); i++) {
        take_error(submitted(pool, deeds[i], NULL, 0), POSSE_OK);
        taken(pool);
        take_long(submitted(pool, identity_task, NULL, 0));
        taken(pool);
    }
    posse_stats stats = stats_of(pool);
    assert_int_equal(stats.lost + stats.failed + stats.timed_out, 0);
    assert_int_equal(stats.workers_lost, 0);
}

/* Nothing has changed, so the worker stays. */
POOL_TEST(a_fit_worker_stays, PROCESSES, 1)
{
    long worker = taken(pool);
    for (int i = 0; i < 5; i++)
        assert_int_equal(taken(pool), worker);
}

/* ---- what the initializer has set ------------------------------------------------------------ */

/* It has less from its start, and its successor would have, too. */
TEST(what_the_initializer_sets_stays, UNSANITIZED(PROCESSES))
{
    static posse_fn *const sets[] = {hard_data_task, files_task};
    for (size_t i = 0; i < COUNT(sets); i++) {
        posse_executor *pool = POOL(1, .initializer = sets[i]);
        posse_job job = {.fn = taking_task, .max_memory = LIMIT};
        for (int n = 0; n < 2; n++) {
            posse_error error = error_of(submitted_job(pool, job));
            assert_int_not_equal(error.status, POSSE_OK);
        }
        assert_int_equal(stats_of(pool).workers_started, 1);
        assert_ok(posse_destroy(pool));
    }
}

/* A task of a broadcast is an earlier task, too. */
POOL_TEST(after_a_broadcast, PROCESSES, 1)
{
    posse_broadcast_job job = {.struct_size = sizeof job, .fn = hard_data_task};
    size_t n = 0;
    assert_eventually(stats_of(pool).workers == 1);
    assert_ok(posse_broadcast(pool, &job, &n));
    assert_int_equal(n, 1);
    assert_true(taken(pool) > 0);
}
