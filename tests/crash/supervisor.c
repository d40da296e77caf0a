/* supervisor.c - the supervisor dies, or cannot start workers any more: the pool is broken, and
 * says so at once. */
#include "support/support.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* Two tasks that run at a gate, and one that waits. */
struct scene {
    posse_executor *pool;
    struct gate *gate;
    posse_future ended;
    posse_future running[2];
    posse_future waiting;
    pid_t supervisor;
};

static struct scene make_scene(void)
{
    struct scene scene = {.pool = make_pool(2)};
    scene.gate = make_gate(scene.pool);
    scene.supervisor = (pid_t)take_long(submitted(scene.pool, parent_task, NULL, 0));
    scene.ended = submitted_long(scene.pool, square_task, 3);
    assert_ok(posse_result(scene.ended, -1, NULL, NULL));
    for (int i = 0; i < 2; i++)
        scene.running[i] = submitted_hold(scene.pool, scene.gate);
    await_entered(scene.gate, 2);
    scene.waiting = submitted_long(scene.pool, square_task, 4);
    return scene;
}

static void assert_broken(posse_executor *pool)
{
    posse_future future = {0};
    posse_job job = {.struct_size = sizeof job, .fn = identity_task};
    assert_status(posse_submit(pool, identity_task, NULL, 0, &future), POSSE_BROKEN);
    assert_status(posse_submit_with(pool, &job, &future), POSSE_BROKEN);
    assert_status(posse_shutdown(pool, 0, -1), POSSE_BROKEN);
    assert_null(future.executor);
}

TEST(killed_while_others_wait, PROCESSES)
{
    look_every(20);
    struct scene scene = make_scene();
    struct caller callers[4];
    start_call(&callers[0], call_result, &scene.running[0]);
    start_call(&callers[1], call_exception, &scene.running[1]);
    start_call(&callers[2], call_result, &scene.waiting);
    start_call(&callers[3], call_shutdown, scene.pool);
    for (int i = 0; i < 4; i++)
        await_parked(&callers[i]);
    kill(scene.supervisor, SIGKILL);
    for (int i = 0; i < 4; i++)
        assert_status(end_call(&callers[i]), POSSE_BROKEN);
    assert_broken(scene.pool);
    assert_ok(posse_destroy(scene.pool));
}

/* Workers die with it, and results that are there stay. */
TEST(workers_die_with_it, PROCESSES)
{
    struct scene scene = make_scene();
    kill(scene.supervisor, SIGKILL);
    for (int i = 0; i < 2; i++)
        assert_eventually(!process_lives((pid_t)atomic_load(&scene.gate->who[i])));
    assert_status(posse_result(scene.waiting, -1, NULL, NULL), POSSE_BROKEN);
    assert_broken(scene.pool);
    assert_int_equal(take_long(scene.ended), 9);
    assert_ok(posse_release(scene.running[0]));
    assert_ok(posse_destroy(scene.pool));
}

static int become_another_user(posse_task *task, const void *arg, size_t size)
{
    return setuid(54321);
}

/* Also workers that have given up rights, which makes the kernel forget whom they die with. */
TEST(workers_of_another_user_die_with_it, PROCESSES)
{
    if (geteuid() != 0)
        skip();
    posse_executor *pool = make_pool_with(with_initializer(become_another_user, NULL, 0));
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    assert_eventually(stats_of(pool).workers_idle == 3);
    kill(supervisor, SIGKILL);
    assert_eventually(!process_lives(worker));
    assert_eventually(posse_submit(pool, identity_task, NULL, 0, NULL) == POSSE_BROKEN);
    assert_broken(pool);
    assert_ok(posse_destroy(pool));
}

TEST(killed_while_idle, PROCESSES)
{
    posse_executor *pool = make_pool(2);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    kill(supervisor, SIGKILL);
    assert_eventually(posse_submit(pool, identity_task, NULL, 0, NULL) == POSSE_BROKEN);
    assert_broken(pool);
    assert_ok(posse_destroy(pool));
}

TEST(P25_force_on_a_broken_pool, PROCESSES)
{
    struct scene scene = make_scene();
    kill(scene.supervisor, SIGKILL);
    assert_status(posse_result(scene.waiting, -1, NULL, NULL), POSSE_BROKEN);
    assert_ok(posse_terminate_workers(scene.pool));
    assert_ok(posse_kill_workers(scene.pool));
    assert_ok(posse_destroy(scene.pool));
}

TEST(destroyed_at_once, PROCESSES)
{
    for (int i = 0; i < 5; i++) {
        posse_executor *pool = make_pool(2);
        pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
        kill(supervisor, SIGKILL);
        assert_ok(posse_destroy(pool));
    }
}

/* A supervisor that is stopped for a while has only been slow. */
TEST(stopped_and_continued, PROCESSES)
{
    struct scene scene = make_scene();
    kill(scene.supervisor, SIGSTOP);
    kill((pid_t)atomic_load(&scene.gate->who[0]), SIGKILL);
    assert_status(posse_result(scene.running[0], 50, NULL, NULL), POSSE_TIMEOUT);
    kill(scene.supervisor, SIGCONT);
    open_gate(scene.gate);
    posse_error errors[2] = {error_of(scene.running[0]), error_of(scene.running[1])};
    assert_int_equal(errors[0].status + errors[1].status, POSSE_WORKER_LOST + POSSE_OK);
    assert_ok(posse_release(scene.running[0]));
    assert_ok(posse_release(scene.running[1]));
    assert_int_equal(take_long(scene.waiting), 16);
    assert_int_equal(take_long(scene.ended), 9);
    free_gate(scene.pool, scene.gate);
    end_pool(scene.pool);
}

/* In a child of another user, for whom the limit of processes counts: no worker can be replaced,
 * so that the pool breaks instead of trying for ever. */
static int loses_its_last_worker(void *context)
{
    struct rlimit none = {0, 0};
    long pids[2];
    posse_future futures[2];
    REQUIRE(geteuid() != 0 || setuid(54321) == 0);
    posse_executor *pool = open_pool(1);
    REQUIRE(pool != NULL);
    for (int i = 0; i < 2; i++) {
        posse_fn *fn = i == 0 ? identity_task : parent_task;
        REQUIRE(posse_submit(pool, fn, NULL, 0, &futures[i]) == POSSE_OK);
        REQUIRE(posse_result_into(futures[i], -1, &pids[i], sizeof pids[i], NULL) == POSSE_OK);
    }
    REQUIRE(prlimit((pid_t)pids[1], RLIMIT_NPROC, &none, NULL) == 0);
    REQUIRE(kill((pid_t)pids[0], SIGKILL) == 0);
    posse_status status = posse_submit(pool, identity_task, NULL, 0, &futures[0]);
    REQUIRE(status == POSSE_BROKEN ||
            posse_result(futures[0], PATIENCE_MS, NULL, NULL) == POSSE_BROKEN);
    REQUIRE(posse_submit(pool, identity_task, NULL, 0, NULL) == POSSE_BROKEN);
    REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_BROKEN);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(P18_failed_worker_replacement, PROCESSES) { assert_child(loses_its_last_worker, NULL); }
