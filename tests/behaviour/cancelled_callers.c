/* cancelled_callers.c - threads that are cancelled (pthread_cancel) while they are in a call: none
 * is a cancellation point, so the call does what it always does, and the cancel waits.
 *
 * A thread that has cancelled itself ends at the first cancellation point that it comes upon, so
 * each call is made by such a one.
 */
#include "support/maps.h"
#include "support/objects.h"
#include "support/support.h"

#include <string.h>

/* What the calls below use. */
struct scene {
    posse_executor *pool;
    posse_future future; /* of a task that is held, where there are workers */
    posse_lock lock;     /* held by the test */
    posse_queue queue;   /* empty */
    struct gate *gate;
    _Atomic int calls; /* of callbacks */
};

struct call {
    const char *name;
    posse_status (*call)(struct scene *scene);
    posse_status expected;
    /* ---- */
    struct scene *scene;
    pthread_t thread;
    posse_status status;
    int returned;
};

static void *cancelled(void *argument)
{
    struct call *call = argument;
    pthread_cancel(pthread_self());
    call->status = call->call(call->scene);
    call->returned = 1;
    pthread_testcancel();
    return NULL;
}

/* Makes all of them at the same time. */
static void make_calls(struct scene *scene, struct call *calls, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        calls[i].scene = scene;
        assert_int_equal(pthread_create(&calls[i].thread, NULL, cancelled, &calls[i]), 0);
    }
    for (size_t i = 0; i < n; i++) {
        void *result;
        assert_int_equal(pthread_join(calls[i].thread, &result), 0);
        if (!calls[i].returned || calls[i].status != calls[i].expected ||
            result != PTHREAD_CANCELED) {
            fail_msg("%s: %s, %s, %s", calls[i].name,
                     calls[i].returned ? "returned" : "did not return",
                     posse_status_name(calls[i].status),
                     result == PTHREAD_CANCELED ? "cancelled later" : "not cancelled");
        }
    }
}
#define MAKE_CALLS(scene, calls) make_calls(scene, calls, COUNT(calls))

/* ---- calls that wait ---- */

#define LONG_MS 1200 /* a caller looks about itself after a second */

static posse_status result(struct scene *scene)
{
    return posse_result(scene->future, LONG_MS, NULL, NULL);
}

static posse_status exception(struct scene *scene)
{
    return posse_exception(scene->future, LONG_MS, NULL);
}

static posse_status wait_for_all(struct scene *scene)
{
    return posse_wait(&scene->future, 1, POSSE_ALL_COMPLETED, LONG_MS, NULL, NULL);
}

static posse_status next(struct scene *scene)
{
    posse_completion_iter *completed;
    posse_future future;
    posse_status status = posse_as_completed(&scene->future, 1, LONG_MS, &completed);
    if (status == POSSE_OK) {
        status = posse_completion_iter_next(completed, &future, NULL);
        posse_completion_iter_close(completed);
    }
    return status;
}

static posse_status get(struct scene *scene)
{
    long value;
    return get_long(scene->queue, &value, LONG_MS);
}

static posse_status acquire(struct scene *scene)
{
    return posse_lock_acquire(scene->lock, LONG_MS);
}

static posse_status submit_to_full_queue(struct scene *scene)
{
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .queue_timeout_ms = LONG_MS};
    posse_status status = POSSE_OK;
    while (status == POSSE_OK)
        status = posse_submit_with(scene->pool, &job, NULL);
    return status;
}

static posse_status map(struct scene *scene)
{
    long numbers[8] = {0};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, COUNT(numbers));
    job.timeout_ms = LONG_MS;
    return posse_map(scene->pool, &job, NULL);
}

static struct scene make_scene(void)
{
    struct scene scene = {.pool = POOL(1, .queue_limit = backend() == POSSE_INLINE ? 0 : 10)};
    assert_ok(posse_lock_create(scene.pool, &scene.lock));
    assert_ok(posse_lock_acquire(scene.lock, -1));
    assert_ok(posse_queue_create(scene.pool, 1, sizeof(long), &scene.queue));
    scene.gate = make_gate(scene.pool);
    scene.future = backend() == POSSE_INLINE ? submitted_long(scene.pool, square_task, 2)
                                             : submitted_hold(scene.pool, scene.gate);
    return scene;
}

static void end_scene(struct scene *scene)
{
    open_gate(scene->gate);
    take_error(scene->future, POSSE_OK);
    assert_ok(posse_lock_release(scene->lock));
    assert_ok(posse_lock_destroy(scene->lock));
    assert_ok(posse_queue_destroy(scene->queue));
    free_gate(scene->pool, scene->gate);
    end_pool(scene->pool);
}

TEST(calls_that_wait, PARALLEL)
{
    struct call calls[] = {
        {.name = "result", .call = result, .expected = POSSE_TIMEOUT},
        {.name = "exception", .call = exception, .expected = POSSE_TIMEOUT},
        {.name = "wait", .call = wait_for_all, .expected = POSSE_TIMEOUT},
        {.name = "next", .call = next, .expected = POSSE_TIMEOUT},
        {.name = "get", .call = get, .expected = POSSE_TIMEOUT},
        {.name = "acquire", .call = acquire, .expected = POSSE_TIMEOUT},
        {.name = "submit", .call = submit_to_full_queue, .expected = POSSE_TIMEOUT},
        {.name = "map", .call = map, .expected = POSSE_TIMEOUT},
    };
    struct scene scene = make_scene();
    await_entered(scene.gate, 1);
    MAKE_CALLS(&scene, calls);
    end_scene(&scene);
}

static posse_status shut_down(struct scene *scene)
{
    return posse_shutdown(scene->pool, 0, LONG_MS);
}

static int pass(posse_future future, void *context)
{
    struct scene *scene = context;
    atomic_fetch_add(&scene->calls, 1);
    return pass_gate(scene->gate) ? 0 : GAVE_UP;
}

TEST(shutdown_waits, PARALLEL)
{
    struct call before[] = {{.name = "shutdown", .call = shut_down, .expected = POSSE_TIMEOUT}};
    struct call after[] = {{.name = "shutdown", .call = shut_down, .expected = POSSE_OK}};
    struct scene scene = make_scene();
    MAKE_CALLS(&scene, before);
    posse_future future = scene.future;
    open_gate(scene.gate);
    MAKE_CALLS(&scene, after);
    assert_ok(posse_result(future, 0, NULL, NULL));
    end_scene(&scene);
}

TEST(shutdown_waits_for_callbacks, PARALLEL)
{
    struct call calls[] = {{.name = "shutdown", .call = shut_down, .expected = POSSE_TIMEOUT}};
    struct scene scene = make_scene();
    struct gate *task_gate = scene.gate;
    scene.gate = make_gate(scene.pool);
    assert_ok(posse_add_done_callback(scene.future, pass, &scene));
    open_gate(task_gate);
    await_entered(scene.gate, 1);
    MAKE_CALLS(&scene, calls);
    free_gate(scene.pool, task_gate);
    end_scene(&scene);
}

/* ---- the others ---- */

static posse_status create(struct scene *scene)
{
    posse_options options = OPTIONS(2);
    return posse_create(&options, &scene->pool);
}

static posse_status destroy(struct scene *scene) { return posse_destroy(scene->pool); }

TEST(create_and_destroy, ALL)
{
    struct call making[] = {{.name = "create", .call = create}};
    struct call ending[] = {{.name = "destroy", .call = destroy}};
    struct scene scene = {.pool = NULL};
    MAKE_CALLS(&scene, making);
    for (long i = 0; i < 100; i++)
        assert_int_equal(take_long(submitted_long(scene.pool, square_task, i)), i * i);
    assert_int_equal(stats_of(scene.pool).workers_lost, 0);
    MAKE_CALLS(&scene, ending);
}

static posse_status destroy_busy(struct scene *scene)
{
    posse_status status = create(scene);
    for (int i = 0; i < 50 && status == POSSE_OK; i++)
        status = posse_submit(scene->pool, square_task, &(long){3}, sizeof(long), NULL);
    return status == POSSE_OK ? posse_destroy(scene->pool) : status;
}

static int count_call(posse_future future, void *context)
{
    atomic_fetch_add(&((struct scene *)context)->calls, 1);
    return 0;
}

static posse_status use_futures(struct scene *scene)
{
    static const char large[100000];
    posse_future future;
    char text[100];
    posse_status status = posse_submit(scene->pool, echo_task, large, sizeof large, &future);
    if (status != POSSE_OK)
        return status;
    (void)posse_cancel(future);
    (void)posse_kill(future);
    (void)posse_describe(future, text, sizeof text);
    status = posse_add_done_callback(future, count_call, scene);
    status = status == POSSE_OK ? posse_exception(future, -1, NULL) : status;
    status = status == POSSE_OK ? posse_add_done_callback(future, count_call, scene) : status;
    return status == POSSE_OK ? posse_release(future) : status;
}

static posse_status use_completions(struct scene *scene)
{
    posse_future future;
    posse_completion taken;
    posse_completion_queue *completions;
    posse_status status = posse_completion_queue_create(&completions);
    if (status != POSSE_OK)
        return status;
    status = posse_submit(scene->pool, square_task, &(long){3}, sizeof(long), &future);
    if (status == POSSE_OK)
        status = posse_completion_queue_add(completions, future, NULL);
    while (status == POSSE_OK && posse_completion_queue_take(completions, &taken, 1) == 0)
        status = posse_exception(future, -1, NULL);
    posse_completion_queue_destroy(completions);
    return status == POSSE_OK ? posse_release(future) : status;
}

static posse_status use_memory(struct scene *scene)
{
    void *memory;
    posse_status status = posse_alloc(scene->pool, 3000000, &memory);
    return status == POSSE_OK ? posse_free(scene->pool, memory) : status;
}

static posse_status use_tools(struct scene *scene)
{
    long value = 7;
    posse_lock lock;
    posse_queue queue;
    posse_status status = posse_lock_create(scene->pool, &lock);
    status = status == POSSE_OK ? posse_lock_acquire(lock, -1) : status;
    status = status == POSSE_OK ? posse_lock_release(lock) : status;
    status = status == POSSE_OK ? posse_lock_destroy(lock) : status;
    status = status == POSSE_OK ? posse_queue_create(scene->pool, 2, sizeof(long), &queue) : status;
    status = status == POSSE_OK ? put_long(queue, value, -1) : status;
    status = status == POSSE_OK ? get_long(queue, &value, -1) : status;
    status = status == POSSE_OK ? posse_queue_close(queue) : status;
    return status == POSSE_OK ? posse_queue_destroy(queue) : status;
}

static posse_status map_all(struct scene *scene)
{
    long numbers[50] = {0};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(square_item, &input, 1, COUNT(numbers));
    job.unordered = true;
    return posse_map(scene->pool, &job, NULL);
}

static posse_status look_at_pool(struct scene *scene)
{
    posse_stats stats = {.struct_size = sizeof stats};
    posse_error error = {.struct_size = sizeof error};
    posse_status status = posse_get_stats(scene->pool, &stats);
    (void)posse_resize(scene->pool, 3);
    (void)posse_wait_idle(scene->pool, 1);
    return status == POSSE_OK ? posse_why_broken(scene->pool, &error) : status;
}

/* Among two executors, so that threads of posse's lead. */
static posse_status wait_for_several(struct scene *scene)
{
    struct scene other = *scene;
    posse_future futures[2];
    posse_status status = create(&other);
    if (status != POSSE_OK)
        return status;
    for (int i = 0; i < 2 && status == POSSE_OK; i++) {
        posse_executor *pool = i ? other.pool : scene->pool;
        status = posse_submit(pool, square_task, &(long){3}, sizeof(long), &futures[i]);
    }
    if (status == POSSE_OK) {
        status = posse_wait(futures, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL);
        (void)posse_release(futures[0]);
    }
    (void)posse_destroy(other.pool);
    return status;
}

TEST(other_calls, ALL)
{
    struct call calls[] = {
        {.name = "destroy", .call = destroy_busy},
        {.name = "futures", .call = use_futures},
        {.name = "completions", .call = use_completions},
        {.name = "memory", .call = use_memory},
        {.name = "tools", .call = use_tools},
        {.name = "map", .call = map_all},
        {.name = "stats", .call = look_at_pool},
        {.name = "several", .call = wait_for_several},
    };
    for (size_t i = 0; i < COUNT(calls); i++) {
        struct scene scene = {.pool = make_pool(2)}; /* threads that destroy_busy makes its own */
        posse_executor *pool = scene.pool;
        make_calls(&scene, &calls[i], 1);
        assert_ok(posse_shutdown(pool, 0, -1));
        assert_ok(posse_destroy(pool));
    }
}

static posse_status force(struct scene *scene) { return posse_kill_workers(scene->pool); }

TEST(forced_end, PROCESSES)
{
    struct call calls[] = {{.name = "kill_workers", .call = force}};
    struct scene scene = {.pool = make_pool(2)};
    MAKE_CALLS(&scene, calls);
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    assert_ok(posse_destroy(scene.pool));
}
