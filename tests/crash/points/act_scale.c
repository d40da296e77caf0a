/* act_scale.c - workers come and go: posse recycles them, they exit after the idle timeout, a
 * resize retires them, or their initializer fails.
 *
 * In a smaller scene each worker soon has another one in its place. A death in an initializer or
 * finalizer loses no task.
 */
#include "points.h"

#include <string.h>

#define TASKS 6
#define COSTS 2 /* a task, and the one that waits for it */

static int little_task(posse_task *task, const void *arg, size_t size)
{
    void *memory = NULL;
    posse_executor *pool = posse_task_executor(task);
    bool good = posse_alloc(pool, 100, &memory) == POSSE_OK && posse_free(pool, memory) == POSSE_OK;
    return good ? 0 : 1;
}

/* Submits, and changes the number of workers meanwhile if there is another. How many tasks were
 * lost. */
static int play_tasks(posse_executor *pool, long workers, long other)
{
    posse_future futures[TASKS];
    int lost = 0;
    for (long i = 0; i < TASKS; i++) {
        futures[i] = submitted_long(pool, i % 3 == 2 ? fib_task : square_task, 3);
        if (other && i % 2 == 0)
            assert_ok(posse_resize(pool, i % 4 == 0 ? other : workers));
    }
    for (long i = 0; i < TASKS; i++) {
        posse_error error = error_of(futures[i]);
        bool inner = error.status == POSSE_TASK_FAILED && error.code == INNER_FAILED;
        if (error.status != POSSE_OK) {
            assert_true(inner || error.status == POSSE_WORKER_LOST);
            lost++;
            assert_ok(posse_release(futures[i]));
        } else {
            assert_int_equal(take_long(futures[i]), i % 3 == 2 ? 2 : 9);
        }
    }
    return lost;
}

static int play_recycling(posse_executor *pool, int deaths)
{
    return play_tasks(pool, 1, 0) + play_tasks(pool, 1, 0);
}

static int play_idle(posse_executor *pool, int deaths)
{
    int lost = 0;
    for (int i = 0; i < 2; i++) {
        lost += play_tasks(pool, 2, 0);
        assert_eventually(stats_of(pool).workers == 0);
    }
    return lost;
}

static int play_resize(posse_executor *pool, int deaths)
{
    return play_tasks(pool, 1, 2) + play_tasks(pool, 1, 2);
}

static void recycling(posse_options *options)
{
    options->max_workers = 1;
    options->max_tasks_per_worker = 2;
    options->initializer = little_task;
    options->finalizer = little_task;
}

static void idle_timeout(posse_options *options)
{
    options->on_demand = true;
    options->idle_timeout_ms = 1;
    options->finalizer = little_task;
}

static void one(posse_options *options) { options->max_workers = 1; }

static int failing_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 8, "no kitchen");
}

/* Whoever dies, and where: the pool breaks with the words of one that did not, or of the death. */
static void fail_to_start(void)
{
    posse_error error = {.struct_size = sizeof error};
    posse_options options = with_initializer(failing_task, NULL, 0);
    options.max_workers = 2;
    posse_executor *pool = make_pool_with(options);
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    disarm();
    assert_true((error.code == 8 && strcmp(error.message, "no kitchen") == 0) ||
                strcmp(error.message, "the initializer failed") == 0 ||
                (count_deaths() > 0 && error.signal == 9));
    assert_ok(posse_destroy(pool));
}

const struct act act_recycling = {
    .name = "recycling", .set = recycling, .play = play_recycling, .costs = COSTS, .leaves = true};
const struct act act_idle_timeout = {
    .name = "idle timeout", .set = idle_timeout, .play = play_idle, .costs = COSTS, .leaves = true};
const struct act act_resize = {
    .name = "resize", .set = one, .play = play_resize, .costs = COSTS, .leaves = true};
const struct act act_failing_start = {.name = "failing start", .whole = fail_to_start};
