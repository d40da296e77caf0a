/* staff_points.c - a worker is killed before and after each of its writes to shared memory, while
 * workers come and go: they are recycled, leave for being idle, are sent away by resize, or fail in
 * their initializer.
 *
 * As points.c, with a smaller scene, in which each worker soon has another one in its place. A
 * death in an initializer or finalizer loses no task.
 */
#include "support/support.h"

#include <stdio.h>
#include <string.h>

extern _Atomic int *pi_crash_countdown; /* both belong to the library, see core/atomic.h */
extern char *pi_crash_where;

#ifdef SANITIZED
#define STEP 5 /* a sanitizer makes forking slow, and sees no more at one point than at the next */
#else
#define STEP 1
#endif
#define WHERE_SIZE 128
#define TASKS 6
#define SLOW_MS 900

struct scenery {
    posse_options options;
    long resize; /* to so many workers, and back; 0: not */
};

static int little_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg;
    (void)size;
    void *memory = NULL;
    posse_executor *pool = posse_task_executor(task);
    bool good = posse_alloc(pool, 100, &memory) == POSSE_OK && posse_free(pool, memory) == POSSE_OK;
    return good ? 0 : 1;
}

/* Submits, and changes the number of workers meanwhile. How many tasks were lost. */
static int play(posse_executor *pool, const struct scenery *scenery)
{
    posse_future futures[TASKS];
    int lost = 0;
    for (long i = 0; i < TASKS; i++) {
        futures[i] = submitted_long(pool, i % 3 == 2 ? fib_task : square_task, 3);
        if (scenery->resize && i % 2 == 0) {
            assert_ok(
                posse_resize(pool, i % 4 == 0 ? scenery->resize : scenery->options.max_workers));
        }
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
    if (scenery->options.idle_timeout_ms) {
        assert_eventually(stats_of(pool).workers == 0);
    }
    return lost;
}

struct outcome {
    bool died;
    bool slow;
};

static struct outcome die_at(int k, const struct scenery *scenery)
{
    print_message("\r%d ", k); /* stands there if it fails */
    atomic_store(pi_crash_countdown, k);
    long start = now_ms();
    posse_executor *pool = make_pool_with(scenery->options);
    int lost = play(pool, scenery);
    lost += play(pool, scenery);
    bool slow = now_ms() - start > SLOW_MS;
    bool died = atomic_load(pi_crash_countdown) <= 0;
    assert_in_range(lost, 0, died ? 2 : 0); /* a task, and the one that waits for it */
    atomic_store(pi_crash_countdown, 0);
    assert_int_equal(play(pool, scenery), 0);
    assert_eventually(stats_of(pool).memory_blocks == 0);
    assert_at_rest(pool);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_at_rest(pool);
    assert_in_range(stats_of(pool).workers_lost, 0, died);
    end_pool(pool);
    return (struct outcome){died, slow};
}

/* A busy machine may be slow now and then; who is not woken is slow each time. */
static bool dies_well_at(int k, const struct scenery *scenery)
{
    struct outcome outcome = die_at(k, scenery);
    for (int again = 0; outcome.slow && again < 4; again++) {
        outcome = die_at(k, scenery);
    }
    if (outcome.slow) {
        fail_msg("somebody is not woken: %s", pi_crash_where);
    }
    return outcome.died;
}

static void die_at_all_points(struct scenery scenery)
{
    pi_crash_countdown = make_shared(sizeof *pi_crash_countdown);
    pi_crash_where = make_shared(WHERE_SIZE);
    int k = 1;
    while (dies_well_at(k, &scenery)) {
        k += STEP;
        time_limit(TIME_LIMIT); /* for each */
    }
    print_message("\rkilled at %d points\n", k / STEP);
    free_shared(pi_crash_countdown, sizeof *pi_crash_countdown);
    free_shared(pi_crash_where, WHERE_SIZE);
    pi_crash_countdown = NULL;
    pi_crash_where = NULL;
}

static struct scenery scenery_of(long workers)
{
    struct scenery scenery = {.options = default_options()};
    scenery.options.max_workers = workers;
    return scenery;
}

TEST(recycling)
{
    struct scenery scenery = scenery_of(1);
    scenery.options.max_tasks_per_worker = 2;
    scenery.options.initializer = little_task;
    scenery.options.finalizer = little_task;
    die_at_all_points(scenery);
}

TEST(idle_timeout)
{
    struct scenery scenery = scenery_of(2);
    scenery.options.on_demand = true;
    scenery.options.idle_timeout_ms = 1;
    scenery.options.finalizer = little_task;
    die_at_all_points(scenery);
}

TEST(resize)
{
    struct scenery scenery = scenery_of(1);
    scenery.resize = 2;
    die_at_all_points(scenery);
}

static int failing_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg;
    (void)size;
    return posse_task_fail(task, 8, "no kitchen");
}

/* Whoever dies, and where: the pool breaks with the words of one that did not, or of the death. */
static bool fails_well_at(int k)
{
    posse_error error = {.status = POSSE_OK};
    struct scenery scenery = scenery_of(2);
    scenery.options.initializer = failing_task;
    print_message("\r%d ", k);
    atomic_store(pi_crash_countdown, k);
    posse_executor *pool = make_pool_with(scenery.options);
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    bool died = atomic_load(pi_crash_countdown) <= 0;
    assert_true((error.code == 8 && strcmp(error.message, "no kitchen") == 0) ||
                strcmp(error.message, "the initializer failed") == 0 ||
                (died && error.signal == 9));
    assert_ok(posse_destroy(pool));
    return died;
}

TEST(failing_initializer)
{
    pi_crash_countdown = make_shared(sizeof *pi_crash_countdown);
    int k = 1;
    while (fails_well_at(k)) {
        k++;
    }
    print_message("\rkilled at %d points\n", k);
    free_shared(pi_crash_countdown, sizeof *pi_crash_countdown);
    pi_crash_countdown = NULL;
}

static const struct check checks[] = {
    CHECK(recycling, PROCESSES),
    CHECK(idle_timeout, PROCESSES),
    CHECK(resize, PROCESSES),
    CHECK(failing_initializer, PROCESSES),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
