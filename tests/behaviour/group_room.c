/* group_room.c - a submit that waits for room in the queue when its group ends. */
#include "pool/pool.h"
#include "support/support.h"

#include <posse_group.h>
#include <string.h>

struct scene {
    posse_executor *pool;
    struct gate *gate;
    posse_future held, queued; /* the first has the worker, the other the one place in the queue */
    posse_group *group;
    struct caller caller;
    posse_future future; /* what the caller gets */
    bool many;           /* it submits by posse_submit_many */
};

static posse_status submit(void *context)
{
    struct scene *scene = context;
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .group = scene->group};
    size_t accepted = 1;
    if (!scene->many)
        return posse_submit_with(scene->pool, &job, &scene->future);
    posse_status status = posse_submit_many(scene->pool, &job, 1, &scene->future, &accepted);
    return accepted == 0 ? status : POSSE_OK;
}

static void await_waiter(posse_executor *pool)
{
    assert_eventually(atomic_load(&pool->segment.header->room_waiter) != 0);
}

static struct scene *begin(posse_group_options options, bool many)
{
    static struct scene scene;
    scene = (struct scene){.pool = POOL(1, .queue_limit = 1), .many = many};
    options.struct_size = sizeof options;
    assert_ok(posse_group_create(scene.pool, &options, &scene.group));
    scene.gate = make_gate(scene.pool);
    scene.held = submitted_hold(scene.pool, scene.gate);
    await_entered(scene.gate, 1);
    scene.queued = submitted(scene.pool, identity_task, NULL, 0);
    start_call(&scene.caller, submit, &scene);
    return &scene;
}

/* The queue is as full as before, so nothing else wakes the caller. */
static void end(struct scene *scene, posse_status status)
{
    assert_status(end_call(&scene->caller), status);
    assert_null(scene->future.executor);
    assert_false(posse_done(scene->queued));
    assert_int_equal(posse_group_left(scene->group), 0);
    open_gate(scene->gate);
    (void)take_long(scene->held);
    (void)take_long(scene->queued);
    assert_ok(posse_group_destroy(scene->group));
    free_gate(scene->pool, scene->gate);
    assert_at_rest(scene->pool);
    end_pool(scene->pool);
}

TEST(cancelled, PARALLEL)
{
    look_never();
    for (int many = 0; many <= 1; many++) {
        struct scene *scene = begin((posse_group_options){0}, many);
        await_waiter(scene->pool);
        assert_ok(posse_group_cancel(scene->group));
        end(scene, POSSE_CANCELLED);
    }
}

TEST(killed, PARALLEL)
{
    look_never();
    struct scene *scene = begin((posse_group_options){0}, false);
    await_waiter(scene->pool);
    assert_ok(posse_group_kill(scene->group));
    end(scene, POSSE_CANCELLED);
}

/* On a busy machine it may be up before the caller waits. */
TEST(its_time_is_up, PARALLEL)
{
    look_never();
    end(begin((posse_group_options){.timeout_ms = 50}, false), POSSE_DEADLINE);
}

static posse_status submit_alone(void *context)
{
    struct scene *scene = context;
    return posse_submit(scene->pool, identity_task, NULL, 0, &scene->future);
}

/* What is queued is of the group. */
static struct scene *begin_own(posse_status (*call)(void *context))
{
    static struct scene scene;
    posse_group_options options = {.struct_size = sizeof options};
    posse_job job = {.struct_size = sizeof job, .fn = identity_task};
    scene = (struct scene){.pool = POOL(1, .queue_limit = 1)};
    assert_ok(posse_group_create(scene.pool, &options, &scene.group));
    scene.gate = make_gate(scene.pool);
    scene.held = submitted_hold(scene.pool, scene.gate);
    await_entered(scene.gate, 1);
    job.group = scene.group;
    assert_ok(posse_submit_with(scene.pool, &job, &scene.queued));
    start_call(&scene.caller, call, &scene);
    await_waiter(scene.pool);
    return &scene;
}

static void end_own(struct scene *scene)
{
    take_error(scene->queued, POSSE_CANCELLED);
    open_gate(scene->gate);
    (void)take_long(scene->held);
    if (scene->future.executor)
        (void)take_long(scene->future);
    free_gate(scene->pool, scene->gate);
    end_pool(scene->pool);
}

/* Another submit, which is of no group, goes on at once. */
TEST(destroyed, PARALLEL)
{
    look_never();
    struct scene *scene = begin_own(submit_alone);
    assert_ok(posse_group_destroy(scene->group));
    assert_ok(end_call(&scene->caller));
    end_own(scene);
}

/* There is room then, but the submit is of the group, too. */
TEST(its_own_tasks_fill_the_queue, PARALLEL)
{
    look_never();
    struct scene *scene = begin_own(submit);
    assert_ok(posse_group_cancel(scene->group));
    assert_status(end_call(&scene->caller), POSSE_CANCELLED);
    assert_ok(posse_group_destroy(scene->group));
    end_own(scene);
}
