/* force.c - the end by force: terminate and kill the workers, destroy. */
#include "support/support.h"

#include <signal.h>

typedef posse_status force_fn(posse_executor *pool);

/* A task that runs at a gate, and some that wait behind it. */
#define WAITING 10
struct scene {
    posse_executor *pool;
    struct gate *gate;
    posse_future running;
    posse_future waiting[WAITING];
};

static struct scene make_scene(posse_fn *fn)
{
    struct scene scene = {.pool = make_pool(1)};
    scene.gate = make_gate(scene.pool);
    scene.running = SUBMIT_VALUE(scene.pool, fn, scene.gate);
    await_entered(scene.gate, 1);
    for (size_t i = 0; i < WAITING; i++)
        scene.waiting[i] = submitted_long(scene.pool, square_task, (long)i);
    return scene;
}

static void assert_ended_by_force(struct scene *scene, int signal)
{
    posse_error error = take_error(scene->running, POSSE_WORKER_LOST);
    assert_int_equal(error.signal, signal);
    assert_int_equal(error.exit_code, -1);
    for (size_t i = 0; i < WAITING; i++)
        take_error(scene->waiting[i], POSSE_CANCELLED);
    assert_eventually(stats_of(scene->pool).workers == 0);
    assert_int_equal(atomic_load(&scene->gate->passed), 0);
    assert_status(posse_submit(scene->pool, identity_task, NULL, 0, NULL), POSSE_SHUT_DOWN);
    free_gate(scene->pool, scene->gate);
    end_pool(scene->pool);
}

static int deaf_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    return hold_task(task, arg, size);
}

/* Ends the workers in one way, and then perhaps in another; they die by the signal. */
static void end_by_force(posse_fn *fn, force_fn *first, force_fn *then, int signal)
{
    struct scene scene = make_scene(fn);
    assert_ok(first(scene.pool));
    if (then)
        assert_ok(then(scene.pool));
    assert_ended_by_force(&scene, signal);
}

TEST(P21_terminate_workers, PROCESSES)
{
    end_by_force(hold_task, posse_terminate_workers, NULL, SIGTERM);
}

TEST(P22_kill_workers, PROCESSES) { end_by_force(hold_task, posse_kill_workers, NULL, SIGKILL); }

TEST(P24_ignored_sigterm, PROCESSES)
{
    end_by_force(deaf_task, posse_terminate_workers, NULL, SIGKILL);
}

TEST(P24_kill_after_terminate, PROCESSES)
{
    end_by_force(deaf_task, posse_terminate_workers, posse_kill_workers, SIGKILL);
}

/* Three threads: one waits for the running task, one for a waiting one, one for the end of all. */
static void park_callers(struct caller callers[3], struct scene *scene)
{
    start_call(&callers[0], call_result, &scene->running);
    start_call(&callers[1], call_exception, &scene->waiting[0]);
    start_call(&callers[2], call_shutdown, scene->pool);
    for (int i = 0; i < 3; i++)
        await_parked(&callers[i]);
}

TEST(P17_waiters_are_woken, PROCESSES)
{
    struct scene scene = make_scene(hold_task);
    struct caller callers[3];
    park_callers(callers, &scene);
    assert_ok(posse_kill_workers(scene.pool));
    assert_status(end_call(&callers[0]), POSSE_WORKER_LOST);
    assert_ok(end_call(&callers[1]));
    assert_ok(end_call(&callers[2]));
    assert_ended_by_force(&scene, SIGKILL);
}

TEST(P26_no_task_yet, PROCESSES)
{
    static force_fn *const forces[] = {posse_terminate_workers, posse_kill_workers};
    for (size_t i = 0; i < COUNT(forces); i++) {
        posse_executor *pool = make_pool(3);
        assert_ok(forces[i](pool));
        assert_eventually(stats_of(pool).workers == 0);
        end_pool(pool);
    }
}

POOL_TEST(P27_stops_the_pool, PROCESSES, 2)
{
    long pid = take_long(submitted(pool, identity_task, NULL, 0));
    assert_true(process_lives((pid_t)pid));
    assert_ok(posse_kill_workers(pool));
    assert_status(posse_submit(pool, identity_task, NULL, 0, NULL), POSSE_SHUT_DOWN);
    assert_eventually(!process_lives((pid_t)pid));
    assert_ok(posse_shutdown(pool, 0, -1));
}

/* Once more, after an orderly shutdown too. */
POOL_TEST(P25_already_ended, PROCESSES, 2)
{
    assert_int_equal(take_long(submitted_long(pool, square_task, 2)), 4);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_terminate_workers(pool));
    assert_ok(posse_kill_workers(pool));
    assert_ok(posse_kill_workers(pool));
}

/* Calls posse_terminate_workers and posse_kill_workers on its own executor. */
static int force_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_status status = posse_terminate_workers(pool);
    return status == posse_kill_workers(pool) ? return_long(task, status) : WRONG_ARG;
}

POOL_TEST(by_a_task, ALL, 1)
{
    posse_status expected = backend() == POSSE_PROCESS ? POSSE_WRONG_PROCESS : POSSE_NOT_SUPPORTED;
    assert_int_equal(take_long(submitted(pool, force_task, NULL, 0)), expected);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

POOL_TEST(not_supported, THREADS | INLINE, 1)
{
    assert_status(posse_terminate_workers(pool), POSSE_NOT_SUPPORTED);
    assert_status(posse_kill_workers(pool), POSSE_NOT_SUPPORTED);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

static int destroy_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, posse_destroy(posse_task_executor(task)));
}

POOL_TEST(destroy_by_a_task, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, destroy_task, NULL, 0)), POSSE_DEADLOCK);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

/* With futures, results and memory that nobody has given back. */
TEST(P16_destroy_with_everything_held, ALL)
{
    posse_executor *pool = make_pool(2);
    char large[5000] = "";
    void *memory = NULL;
    assert_ok(posse_alloc(pool, 12345, &memory));
    for (int i = 0; i < 100; i++)
        submitted(pool, echo_task, large, sizeof large);
    assert_ok(posse_destroy(pool));
}

/* Who waits is told before everything is freed; calls that come later are told too, while a
 * thread still runs. */
TEST(P16_destroy_while_others_wait, PARALLEL)
{
    struct scene scene = make_scene(hold_task);
    struct caller callers[3];
    park_callers(callers, &scene);
    struct caller destroyer;
    start_call(&destroyer, call_destroy, scene.pool);
    for (int i = 0; i < 3; i++)
        assert_status(end_call(&callers[i]), POSSE_SHUT_DOWN);
    if (backend() == POSSE_THREAD) { /* destroy waits for the task at the gate */
        assert_status(posse_result(scene.running, -1, NULL, NULL), POSSE_SHUT_DOWN);
        assert_status(posse_submit(scene.pool, identity_task, NULL, 0, NULL), POSSE_SHUT_DOWN);
        open_gate(scene.gate);
    }
    assert_ok(end_call(&destroyer));
}
