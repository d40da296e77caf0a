/* own_word.c - a task gone wild writes into state words that it waits to run again, and its worker
 * dies of it: it does not run again and again, and nobody waits for ever. */
#include "core/slot.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/verify.h"
#include "support/support.h"

#include <string.h>

#define MAX_RUNS 2 /* its entry is still in the ring if the task first ran out of turn */
/* Then a task does as it should. A blocked caller needs a few looks in a row that find it PENDING,
 * and may find it running in between. */
#define FEW_RUNS 1000

/* What the tasks of one test are told: the innermost, at depth 0, overwrites the word of the one
 * that is so far out. */
struct orders {
    _Atomic long *runs; /* of the one whose word is overwritten */
    int depth, aim;
    uint64_t flags; /* beside PENDING */
};

static void overwrite(posse_task *task, const struct orders *orders)
{
    for (int i = 0; i < orders->aim && task; i++)
        task = task->outer;
    if (!task) /* it runs again, without the one that waited for it */
        return;
    uint64_t word = pi_load_seq(&task->slot->word) & PI_GENERATION_MASK;
    word = pi_with_owner(word, PI_OWNER_NONE) | orders->flags;
    pi_store_seq(&task->slot->word, pi_with_state(word, PI_PENDING));
}

static int wild_task(posse_task *task, const void *arg, size_t size)
{
    struct orders orders;
    memcpy(&orders, arg, size);
    if (orders.depth == orders.aim && atomic_fetch_add(orders.runs, 1) >= FEW_RUNS)
        return 0;
    if (orders.depth-- == 0) {
        overwrite(task, &orders);
        return 0;
    }
    posse_future inner;
    posse_executor *pool = posse_task_executor(task);
    if (posse_submit(pool, wild_task, &orders, sizeof orders, &inner) != POSSE_OK)
        return INNER_FAILED;
    return (int)posse_result(inner, -1, NULL, NULL); /* it runs here */
}

/* How often the task ran whose word was overwritten, until no task is pending any more. */
static long runs_until_shutdown(struct orders orders, posse_options options)
{
    posse_executor *pool = make_pool_with(options);
    orders.runs = make_counter(pool);
    assert_ok(posse_submit(pool, wild_task, &orders, sizeof orders, NULL));
    assert_status(posse_shutdown(pool, 0, PATIENCE_MS), POSSE_OK);
    long runs = atomic_load(orders.runs);
    assert_ok(posse_destroy(pool)); /* it is not at rest */
    return runs;
}

TEST(shutdown_comes_to_its_end, PROCESSES)
{
    for (int depth = 0; depth < 3; depth++) {
        for (int aim = 0; aim <= depth; aim++) {
            struct orders orders = {.depth = depth, .aim = aim};
            assert_int_equal(runs_until_shutdown(orders, OPTIONS(1)), 1);
            orders.flags = pi_in_ring(PI_LANE_NORMAL);
            assert_in_range(runs_until_shutdown(orders, OPTIONS(1)), 1, MAX_RUNS);
        }
    }
}

/* The retries are for a task that is still RUNNING when its worker dies. */
TEST(it_has_no_retries, PROCESSES)
{
    struct orders orders = {.flags = pi_in_ring(PI_LANE_NORMAL)};
    assert_int_equal(runs_until_shutdown(orders, OPTIONS(1, .retries = 3)), 1);
}

/* Such a caller pushes the task again: a lost entry looks the same. */
static void assert_broken(uint64_t flags)
{
    look_every(1);
    posse_executor *pool = POOL(1);
    struct orders orders = {.runs = make_counter(pool), .flags = flags};
    posse_future future = SUBMIT_VALUE(pool, wild_task, orders);
    assert_status(posse_result(future, PATIENCE_MS, NULL, NULL), POSSE_BROKEN);
    assert_in_range(atomic_load(orders.runs), 2, FEW_RUNS);
    assert_ok(posse_destroy(pool));
}

TEST(blocked_caller_comes_back, PROCESSES)
{
    assert_broken(0);
    assert_broken(pi_in_ring(PI_LANE_NORMAL));
}
