/* sealed_memory.c - a sealed worker has no descriptor of the shared memory. It takes memory all the
 * same, and is told when there is none. */
#include "support/sealed.h"
#include "support/shm.h"
#include "support/support.h"

#include <string.h>
#include <unistd.h>

enum { BLOCKS = 16, BYTES = 300000 };

/* Takes blocks until there is no memory; gives their number. */
static int taking_task(posse_task *task, const void *arg, size_t size)
{
    void *blocks[BLOCKS];
    long taken = 0;
    posse_executor *pool = posse_task_executor(task);
    posse_status status = POSSE_OK;
    while (taken < BLOCKS && status == POSSE_OK) {
        status = posse_alloc(pool, BYTES, &blocks[taken]);
        if (status == POSSE_OK)
            memset(blocks[taken++], 0x5a, BYTES);
    }
    for (long i = 0; i < taken; i++)
        (void)posse_free(pool, blocks[i]);
    return status == POSSE_OK || status == POSSE_NO_MEMORY ? return_long(task, taken) : 1;
}

static long taken_by(posse_executor *pool)
{
    long taken = -1;
    posse_future future;
    if (posse_submit(pool, taking_task, NULL, 0, &future) != POSSE_OK)
        return -1;
    if (posse_result_into(future, -1, &taken, sizeof taken, NULL) != POSSE_OK)
        taken = -1;
    (void)posse_release(future);
    return taken;
}

static int fills_up(void)
{
    posse_seal seal = {.struct_size = sizeof seal};
    posse_options options = OPTIONS(1, .seal = &seal);
    posse_executor *pool = NULL;
    int filler = open_filler();
    REQUIRE(filler >= 0);
    REQUIRE(posse_create(&options, &pool) == POSSE_OK);
    REQUIRE(pool_works(pool) == 0);
    fill_up(filler);
    long without = taken_by(pool);
    REQUIRE(without >= 0 && without < 3);
    make_room(filler);
    REQUIRE(taken_by(pool) > 5);
    fill_up(filler);
    REQUIRE(taken_by(pool) >= 0);
    make_room(filler);
    close(filler);
    return ends(pool);
}

TEST(a_full_file_system, SEALABLE)
{
    end_pool(sealed_pool(1, (posse_seal){.allow = 0})); /* or skips */
    assert_with_shm((struct shm){"/dev/shm", "size=4m", 0, fills_up});
}
