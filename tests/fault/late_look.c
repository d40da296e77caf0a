/* late_look.c - a queue is destroyed, and its memory is given back, while a call on it is still
 * about to look whom else to wake.
 *
 * The program puts an item for a task that waits. Between the wake of that reader and the look for
 * a writer the queue goes, in a /dev/shm that is filled up: the memory of the queue's block too is
 * asked back. The look must find memory, or it is SIGBUS.
 */
#include "fault/kit/fault.h"
#include "support/shm.h"

#include <sys/wait.h>
#include <unistd.h>

static posse_executor *pool;
static posse_queue queue;
static bool filled;

static int get_task(posse_task *task, const void *arg, size_t size)
{
    long item = 0;
    posse_status status =
        posse_queue_get(*(const posse_queue *)arg, &item, sizeof item, NULL, PATIENCE_MS);
    return status == POSSE_OK || status == POSSE_INVALID ? 0 : GAVE_UP;
}

/* Takes all memory there is, in blocks that are smaller each time, and too small to be put into the
 * queue's own. */
static void destroy_and_fill(void)
{
    void *memory;
    bool destroyed = posse_queue_destroy(queue) == POSSE_OK;
    for (size_t size = (size_t)256 << 10; size >= 64; size /= 2)
        while (posse_alloc(pool, size, &memory) == POSSE_OK)
            ((volatile char *)memory)[0] = 'x';
    filled = destroyed;
}

static int look_late(void)
{
    posse_future future;
    posse_stats stats = {.struct_size = sizeof stats};
    posse_options options = default_options();
    long item = 7;
    options.max_workers = 1;
    REQUIRE(posse_create(&options, &pool) == POSSE_OK);
    REQUIRE(posse_queue_create(pool, 16, 100000, &queue) == POSSE_OK);
    REQUIRE(posse_submit(pool, get_task, &queue, sizeof queue, &future) == POSSE_OK);
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end && !filled; pause_ms(20)) {
        fault_after_wake = destroy_and_fill;
        posse_status status = posse_queue_put(queue, &item, sizeof item, 0);
        fault_after_wake = NULL;
        REQUIRE(status == POSSE_OK || (filled && status == POSSE_INVALID));
        REQUIRE(filled || posse_exception(future, -1, NULL) == POSSE_OK);
        if (!filled) { /* the task had not gone to sleep yet */
            REQUIRE(posse_release(future) == POSSE_OK);
            REQUIRE(posse_submit(pool, get_task, &queue, sizeof queue, &future) == POSSE_OK);
        }
    }
    REQUIRE(filled);
    REQUIRE(posse_get_stats(pool, &stats) == POSSE_OK && stats.workers_lost == 0);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(queue_is_destroyed_meanwhile, PROCESSES)
{
    assert_with_shm((struct shm){"/dev/shm", "size=4m", 0, look_late});
}
