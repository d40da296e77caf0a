/* fresh.c - calls fail where each task has a process of its own: no task runs in one that is sealed
 * less than it should be, or that has the memory of the executor.
 */
#include "fault/kit/fault.h"
#include "pool/pool.h"
#include "support/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOTHING 0 /* is reached */

/* Descriptors and mappings of posse that are left. */
static int reaching_task(posse_task *task, const void *arg, size_t size)
{
    unsigned char pages[1];
    const posse_executor *e = posse_task_executor(task);
    long reached = mincore(e->segment.base, 1, pages) == 0 || errno != ENOMEM;
    for (int fd = 3; fd < 1200; fd++)
        reached += fcntl(fd, F_GETFD) != -1;
    return return_long(task, reached);
}

static int crashing_task(posse_task *task, const void *arg, size_t size) { _exit(5); }

/* What a task gives that must reach nothing. */
static int run(posse_executor *pool, posse_job job)
{
    long result = NOTHING;
    posse_future future;
    job.struct_size = sizeof job;
    posse_status status = posse_submit_with(pool, &job, &future);
    /* without an object of shared memory no block can be passed; /proc may hide the workers */
    ALLOW(status, ACCEPTED | (job.n_memory || job.max_memory ? AS(POSSE_NOT_SUPPORTED) : 0));
    if (status != POSSE_OK)
        return 0;
    status = posse_result_into(future, -1, &result, sizeof result, NULL);
    ALLOW(status, ENDED | AS(POSSE_FORBIDDEN) | AS(POSSE_WORKER_LOST) | AS(POSSE_TASK_FAILED) |
                      AS(POSSE_TOO_LARGE));
    REQUIRE(status != POSSE_OK || result == NOTHING);
    REQUIRE(job.fn != socket_task || status != POSSE_OK);
    REQUIRE(posse_release(future) == POSSE_OK);
    return 0;
}

/* A task that gets a block reaches nothing else. */
static int run_with_block(posse_executor *pool)
{
    posse_memory block = {.writable = true};
    posse_status status = posse_alloc(pool, 100, &block.block);
    ALLOW(status, ACCEPTED);
    if (status != POSSE_OK)
        return 0;
    int wrong = run(pool, (posse_job){.fn = reaching_task, .memory = &block, .n_memory = 1});
    block.writable = false;
    wrong |= run(pool, (posse_job){.fn = reaching_task, .memory = &block, .n_memory = 1});
    REQUIRE(posse_free(pool, block.block) == POSSE_OK);
    return wrong;
}

static int fresh_life(void)
{
    static char large[100000];
    posse_options options = OPTIONS(1, .isolation = POSSE_FRESH);
    posse_executor *pool = NULL;
    fault_begin();
    posse_status status = posse_create(&options, &pool);
    ALLOW(status, CREATED);
    if (status == POSSE_OK) {
        REQUIRE(run(pool, (posse_job){.fn = reaching_task}) == 0);
        REQUIRE(run(pool, (posse_job){.fn = socket_task}) == 0);
        REQUIRE(run(pool, (posse_job){.fn = crashing_task, .retries = 1}) == 0);
        REQUIRE(run(pool, (posse_job){.fn = reaching_task, .max_memory = 1 << 24}) == 0);
        REQUIRE(run(pool, (posse_job){.fn = reaching_task, .arg = large, .size = sizeof large}) ==
                0);
        REQUIRE(run_with_block(pool) == 0);
    }
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(fresh, SEALABLE)
{
    end_pool(fresh_pool(1, (posse_seal){.allow = 0})); /* or skips */
    sweep_all("a process for each task", fresh_life);
}
