/* attached.c - a worker dies just when it has given a slot a block: an argument, a name or a
 * result. The block goes with that life of the slot, whichever it is.
 *
 * The linker leads pi_block_attach here.
 */
#include "pool/pool.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { LARGE = 1000, BLOCKS = 4 };

struct fuse {
    atomic_int left; /* blocks until a worker dies; below 0: none does */
};
static struct fuse *fuse;

void __real_pi_block_attach(posse_executor *, pi_block_ref, uint32_t, uint32_t);
void __wrap_pi_block_attach(posse_executor *, pi_block_ref, uint32_t, uint32_t);
void __wrap_pi_block_attach(posse_executor *e, pi_block_ref ref, uint32_t slot, uint32_t generation)
{
    __real_pi_block_attach(e, ref, slot, generation);
    if (fuse && e->owner < PI_MAX_WORKERS && atomic_fetch_sub(&fuse->left, 1) == 0)
        kill(getpid(), SIGKILL);
}

static int large_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_return(task, arg, size) == POSSE_OK ? 0 : 1;
}

/* Submits a task with an argument, a name and a result that need blocks, and returns its result. */
static int outer_task(posse_task *task, const void *arg, size_t size)
{
    posse_job job = {
        .struct_size = sizeof job, .fn = large_task, .arg = arg, .size = size, .name = "inner"};
    posse_future inner;
    const void *data;
    if (posse_submit_with(posse_task_executor(task), &job, &inner) != POSSE_OK ||
        posse_result(inner, -1, &data, &size) != POSSE_OK ||
        posse_task_return(task, data, size) != POSSE_OK)
        return 1;
    return posse_release(inner) == POSSE_OK ? 0 : 1;
}

TEST(after_each_block, PROCESSES)
{
    static const char arg[LARGE];
    posse_executor *pool;
    fuse = make_shared(sizeof *fuse);
    for (int i = 0; i < BLOCKS; i++) {
        posse_future future;
        atomic_store(&fuse->left, i);
        pool = make_pool(1);
        assert_ok(posse_submit(pool, outer_task, arg, sizeof arg, &future));
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
        assert_ok(posse_release(future));
        assert_at_rest(pool);
        assert_int_equal(stats_of(pool).memory_blocks, 0);
        end_pool(pool);
    }
    free_shared(fuse, sizeof *fuse);
    fuse = NULL;
}
