/* map_arg_losses.c - the argument that all items of a map share, when workers die, the caller dies,
 * or a thread overstays. */
#include "support/maps.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { N = STAGE_ITEMS };

/* ---- deaths ---------------------------------------------------------------------------------- */

static int dies_first(posse_task *task, const void *const *items, void *result)
{
    if (posse_task_attempt(task) == 1 && *(const long *)items[0] % 2)
        raise(SIGKILL);
    return scale_item(task, items, result);
}

static void assert_after_deaths(long retries, size_t size)
{
    posse_executor *pool = POOL(2, .retries = retries);
    struct factor *factor = new_factor(11, sizeof *factor + size);
    posse_status statuses[N];
    long results[N];
    long values[N];
    for (long i = 0; i < N; i++)
        values[i] = i;
    posse_input input = {.data = values, .size = sizeof(long)};
    posse_map_job job = map_job(dies_first, &input, 1, N);
    set_arg(&job, factor);
    job.chunksize = 1;
    job.results = results;
    assert_status(posse_map(pool, &job, statuses), retries ? POSSE_OK : POSSE_WORKER_LOST);
    for (long i = 0; i < N; i++) {
        assert_status(statuses[i], !retries && i % 2 ? POSSE_WORKER_LOST : POSSE_OK);
        assert_true(statuses[i] != POSSE_OK || results[i] == 11 * i);
    }
    free(factor);
    end_pool(pool);
}

TEST(after_lost_workers, PROCESSES)
{
    assert_after_deaths(0, 100);
    assert_after_deaths(1, 100);
    assert_after_deaths(1, 300000);
}

/* Passes the gate, and says there whether the argument is whole. */
static int held_item(posse_task *task, const void *const *items, void *result)
{
    const struct factor *factor = posse_map_arg(task, NULL);
    struct gate *gate = factor->gate;
    bool passed = pass_gate(gate);
    atomic_fetch_add(&gate->passed, passed && factor_of(task) == factor ? 1000 : 0);
    return 0;
}

/* Begins a map, and dies when its items are held. */
static int dying_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate = *(struct gate *const *)arg;
    struct factor *factor = make_factor(malloc(100000), 1, 100000);
    posse_map_iter *map;
    if (!factor)
        return GAVE_UP;
    factor->gate = gate;
    posse_map_job job = map_job(held_item, NULL, 0, 4);
    job.result_size = 0;
    job.chunksize = 1;
    set_arg(&job, factor);
    if (posse_map_open(posse_task_executor(task), &job, &map) != POSSE_OK)
        return INNER_FAILED;
    for (long end = now_ms() + PATIENCE_MS; atomic_load(&gate->entered) < 1 && now_ms() < end;)
        pause_ms(1);
    raise(SIGKILL);
    return GAVE_UP;
}

/* The items of a dead task's map go on, and keep what they share. */
POOL_TEST(after_the_death_of_the_caller, PROCESSES, 2)
{
    struct gate *gate = make_gate(pool);
    take_error(SUBMIT_VALUE(pool, dying_task, gate), POSSE_WORKER_LOST);
    void *other;
    assert_ok(posse_alloc(pool, 100000, &other)); /* it would be the same memory */
    memset(other, 1, 100000);
    open_gate(gate);
    assert_eventually(stats_of(pool).futures == 0);
    assert_int_equal(atomic_load(&gate->passed), 4004);
    assert_ok(posse_free(pool, other));
    free_gate(pool, gate);
}

/* ---- threads that overstay ------------------------------------------------------------------- */

POOL_TEST(after_the_time_of_an_item, THREADS, 1)
{
    struct gate *gate = make_gate(pool);
    struct factor *factor = new_factor(1, 100000);
    factor->gate = gate;
    posse_map_job job = map_job(held_item, NULL, 0, 1);
    job.result_size = 0;
    job.item_timeout_ms = 30;
    set_arg(&job, factor);
    assert_status(posse_map(pool, &job, NULL), POSSE_DEADLINE);
    memset(factor, 1, 100000);
    free(factor);
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == 1001);
    assert_eventually(stats_of(pool).running == 0);
    free_gate(pool, gate);
}
