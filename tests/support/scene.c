/* scene.c - see scene.h. */
#include "scene.h"

#include <string.h>

#define LARGE 5000
#define DETACHED 2 /* tasks without a future, by the program; and by another task */

/* ---- what workers do ---- */

/* Does what a task may do: memory of its own, results that replace each other, inner tasks that
 * nobody observes, that are released early, or cancelled. */
static int versatile_task(posse_task *task, const void *arg, size_t size)
{
    static const char large[LARGE] = "large";
    posse_executor *pool = posse_task_executor(task);
    void *memory = NULL;
    posse_future inner[2] = {{0}};
    bool good = posse_alloc(pool, 300, &memory) == POSSE_OK &&
                posse_task_return(task, large, sizeof large) == POSSE_OK &&
                posse_task_reserve(task, LARGE * 2) != NULL && posse_free(pool, memory) == POSSE_OK;
    for (int i = 0; i < 2; i++) {
        good = good &&
               posse_submit(pool, count_task, arg, size, i == 0 ? NULL : &inner[0]) == POSSE_OK;
    }
    good = good && posse_release(inner[0]) == POSSE_OK &&
           posse_submit(pool, identity_task, NULL, 0, &inner[1]) == POSSE_OK;
    posse_status cancel = posse_cancel(inner[1]);
    good = good && (cancel == POSSE_OK || cancel == POSSE_TOO_LATE) &&
           posse_release(inner[1]) == POSSE_OK;
    return good ? return_long(task, 77) : GAVE_UP;
}

static posse_status submit_and_wait(void *context)
{
    struct scene *scene = context;
    posse_future future;
    posse_status status = posse_submit(scene->pool, identity_task, NULL, 0, &future);
    if (status == POSSE_OK) {
        status = posse_result(future, -1, NULL, NULL);
        posse_release(future);
    }
    return status;
}

/* ---- the scene ---- */

static int count_held(const struct scene *scene)
{
    int held = atomic_load(&scene->gate->entered);
    for (int i = 0; i < scene->workers; i++)
        held += posse_done(scene->held[i]);
    return held;
}

/* Every worker stands at the gate, or has died on the way. */
static void hold_workers(struct scene *scene)
{
    for (int i = 0; i < scene->workers; i++)
        scene->held[i] = submitted_hold(scene->pool, scene->gate);
    assert_eventually(count_held(scene) >= scene->workers);
}

/* As many tasks as may wait: SCENE_QUEUE_LIMIT. */
static void fill_queue(struct scene *scene)
{
    static const char bytes[LARGE] = "bytes";
    long code = 7;
    posse_job failing = {.fn = message_task,
                         .arg = &code,
                         .size = sizeof code,
                         .name = "failing",
                         .timeout_ms = 100000};
    scene->large = submitted(scene->pool, echo_task, bytes, sizeof bytes);
    scene->nested = submitted_long(scene->pool, fib_task, 3);
    scene->versatile = SUBMIT_VALUE(scene->pool, versatile_task, scene->counters[1]);
    scene->failing = submitted_job(scene->pool, failing);
    for (int i = 0; i < DETACHED; i++)
        assert_ok(posse_submit(scene->pool, count_task, &scene->counters[0], sizeof(void *), NULL));
    scene->unwanted = submitted_long(scene->pool, square_task, 5);
}

void play_scene(struct scene *scene)
{
    scene->gate = make_gate(scene->pool);
    scene->counters[0] = make_counter(scene->pool);
    scene->counters[1] = make_counter(scene->pool);
    hold_workers(scene);
    start_call(&scene->waiter, call_result, &scene->held[0]);
    (void)comes_to_park(&scene->waiter);
    fill_queue(scene);
    start_call(&scene->submitter, submit_and_wait, scene);
    (void)comes_to_park(&scene->submitter);
    scene->cancelled = posse_cancel(scene->unwanted) == POSSE_OK;
    open_gate(scene->gate);
}

/* ---- what must hold after it ---- */

/* 1 if the task was lost, 0 if it ended as it should. */
static int lost(posse_future future, posse_status expected)
{
    posse_error error = error_of(future);
    if (error.status == POSSE_WORKER_LOST) {
        assert_int_equal(error.signal, 9);
        return 1;
    }
    assert_status(error.status, expected);
    return 0;
}

static int lost_value(posse_future future, long expected)
{
    int is_lost = lost(future, POSSE_OK);
    if (is_lost) {
        assert_ok(posse_release(future));
    } else {
        long value = take_long(future);
        assert_true(expected == 0 || value == expected);
    }
    return is_lost;
}

static int lost_large(posse_future future)
{
    const void *data = NULL;
    int is_lost = lost(future, POSSE_OK);
    if (!is_lost) {
        assert_ok(posse_result(future, 0, &data, NULL));
        assert_string_equal(data, "bytes");
    }
    assert_ok(posse_release(future));
    return is_lost;
}

/* It may also have lost an inner task that another worker ran. */
static int lost_nested(posse_future future)
{
    posse_error error = error_of(future);
    if (error.status == POSSE_TASK_FAILED) {
        assert_int_equal(error.code, INNER_FAILED);
        assert_ok(posse_release(future));
        return 1;
    }
    return lost_value(future, 2);
}

static int lost_failing(posse_future future)
{
    int is_lost = lost(future, POSSE_TASK_FAILED);
    posse_error error = error_of(future);
    assert_string_equal(error.name, "failing");
    if (!is_lost)
        assert_string_equal(error.message, "failing: failed with 7");
    assert_ok(posse_release(future));
    return is_lost;
}

static int lost_unwanted(struct scene *scene)
{
    if (!scene->cancelled)
        return lost_value(scene->unwanted, 25);
    take_error(scene->unwanted, POSSE_CANCELLED);
    return 0;
}

static int lost_in_callers(struct scene *scene)
{
    posse_status waited = end_call(&scene->waiter);
    posse_status submitted = end_call(&scene->submitter);
    assert_status(waited, posse_result(scene->held[0], 0, NULL, NULL));
    assert_true(submitted == POSSE_OK || submitted == POSSE_WORKER_LOST);
    return submitted == POSSE_WORKER_LOST;
}

static bool is_at_rest(posse_executor *pool)
{
    posse_stats stats = stats_of(pool);
    return stats.running + stats.queued + stats.futures == 0;
}

/* Detached tasks have run once each, unless they were lost, or were never submitted. */
static int lost_detached(struct scene *scene)
{
    assert_eventually(is_at_rest(scene->pool));
    int counts[2];
    for (int i = 0; i < 2; i++) {
        counts[i] = (int)atomic_load(scene->counters[i]);
        assert_in_range(counts[i], 0, DETACHED);
        assert_ok(posse_free(scene->pool, (void *)scene->counters[i]));
    }
    free_gate(scene->pool, scene->gate);
    return DETACHED - counts[0] + (scene->versatile_is_lost ? 0 : DETACHED - counts[1]);
}

/* Checks every end, and gives how many tasks were lost. */
int count_lost(struct scene *scene)
{
    int found = lost_in_callers(scene);
    for (int i = 0; i < scene->workers; i++)
        found += lost_value(scene->held[i], 0);
    scene->versatile_is_lost = lost_value(scene->versatile, 77);
    found += scene->versatile_is_lost + lost_large(scene->large) + lost_nested(scene->nested);
    found += lost_failing(scene->failing) + lost_unwanted(scene);
    return found + lost_detached(scene);
}
