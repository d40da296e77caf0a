/* many_broken.c - waiting for many futures when the pool of some of them ends, and callbacks while
 * their pool is being destroyed. */
#include "pool/pool.h"
#include "support/support.h"

#include <signal.h>
#include <unistd.h>

/* ---- pools that break ------------------------------------------------------------------------ */

/* Who asks again and again, each time for less than the second after which a sleeper looks. */
TEST(polls_see_a_broken_pool, PROCESSES)
{
    posse_executor *pool = make_pool(1);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate), given;
    posse_completion_iter *completed;
    await_entered(gate, 1);
    assert_ok(posse_as_completed(&future, 1, 20, &completed));
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_eventually(!process_lives(supervisor));
    posse_status status = POSSE_TIMEOUT;
    for (int i = 0; i < 100 && status == POSSE_TIMEOUT; i++)
        status = posse_wait(&future, 1, POSSE_ALL_COMPLETED, 20, NULL, NULL);
    assert_status(status, POSSE_BROKEN);
    assert_status(posse_completion_iter_next(completed, &given, NULL), POSSE_BROKEN);
    posse_completion_iter_close(completed);
    assert_ok(posse_destroy(pool));
}

/* Fails once it may. */
static int fail_then(posse_task *task, const void *arg, size_t size)
{
    _Atomic int *may_fail = *(_Atomic int *const *)arg;
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(may_fail) && now_ms() < end; pause_ms(1)) {
    }
    return 9;
}

/* Its initializer never succeeds, so its futures never end. */
static posse_executor *make_hopeless_pool(_Atomic int *const *may_fail)
{
    return POOL(1, .initializer = fail_then, .initializer_arg = may_fail,
                .initializer_size = sizeof *may_fail);
}

/* One that breaks does not end the wait for another that goes on. */
TEST(one_of_two_pools_breaks, PARALLEL)
{
    _Atomic int *may_fail = make_shared(sizeof *may_fail);
    posse_executor *broken = make_hopeless_pool(&may_fail), *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future futures[2] = {submitted_hold(pool, gate), submitted_long(broken, square_task, 1)};
    posse_future given;
    posse_completion_iter *completed;
    size_t index;
    assert_ok(posse_as_completed(futures, 2, -1, &completed));
    atomic_store(may_fail, 1);
    assert_status(posse_exception(futures[1], -1, NULL), POSSE_BROKEN);
    assert_status(posse_wait(futures, 2, POSSE_ALL_COMPLETED, -1, NULL, NULL), POSSE_BROKEN);
    assert_status(posse_wait(futures, 2, POSSE_FIRST_COMPLETED, 20, NULL, NULL), POSSE_TIMEOUT);
    open_gate(gate);
    assert_ok(posse_wait(futures, 2, POSSE_FIRST_COMPLETED, -1, NULL, NULL));
    assert_ok(posse_completion_iter_next(completed, &given, &index));
    assert_int_equal(index, 0);
    assert_status(posse_completion_iter_next(completed, &given, NULL), POSSE_BROKEN);
    assert_int_equal(posse_completion_iter_left(completed), 1);
    posse_completion_iter_close(completed);
    take_error(futures[0], POSSE_OK);
    free_gate(pool, gate);
    end_pool(pool);
    assert_ok(posse_destroy(broken));
    free_shared(may_fail, sizeof *may_fail);
}

/* A count in shared memory that a task has made smaller hides no future, and leaves none behind. */
TEST(scribbled_count, PARALLEL)
{
    posse_executor *pool = make_pool(3);
    struct gate *gate = make_gate(pool);
    posse_future futures[3], given;
    posse_completion_iter *completed;
    for (int i = 0; i < 3; i++)
        futures[i] = submitted_hold(pool, gate);
    await_entered(gate, 3);
    assert_ok(posse_as_completed(futures, 3, PATIENCE_MS, &completed));
    uint64_t count = atomic_exchange(&pool->segment.header->slots_count, 1);
    open_gate(gate);
    posse_status status = posse_completion_iter_next(completed, &given, NULL);
    for (int i = 1; i < 3 && status != POSSE_TIMEOUT; i++)
        status = posse_completion_iter_next(completed, &given, NULL);
    atomic_store(&pool->segment.header->slots_count, count);
    assert_true(status != POSSE_TIMEOUT);
    posse_completion_iter_close(completed);
    for (int i = 0; i < 3; i++)
        assert_ok(posse_release(futures[i]));
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- callbacks of a pool that ends ----------------------------------------------------------- */

struct door {
    _Atomic int inside, calls, open;
    posse_status status;
};

static int stand_in_the_door(posse_future future, void *context)
{
    struct door *door = context;
    atomic_fetch_add(&door->inside, 1);
    for (int i = 0; i < PATIENCE_MS && !atomic_load(&door->open); i++)
        pause_ms(1);
    atomic_fetch_sub(&door->inside, 1);
    return 0;
}

/* What it does goes to the supervisor, which has ended. */
static int shut_down_late(posse_future future, void *context)
{
    struct door *door = context;
    (void)stand_in_the_door(future, context);
    door->status = posse_shutdown(future.executor, POSSE_NO_WAIT, 0);
    atomic_fetch_add(&door->calls, 1);
    return 0;
}

static struct door *awaited;

/* Opens the door once the pool's workers have been told to end. */
static posse_status open_when_destroying(void *context)
{
    posse_executor *pool = context;
    for (int i = 0; i < PATIENCE_MS && pi_phase_of(pool) < PI_CLOSED; i++)
        pause_ms(1);
    atomic_store(&awaited->open, 1);
    return POSSE_OK;
}

TEST(callback_pokes_while_destroyed, PARALLEL)
{
    struct door door = {.status = POSSE_SYSTEM};
    struct caller opener;
    posse_executor *pool = make_pool(1);
    posse_future future = submitted_long(pool, sleep_task, 20);
    assert_ok(posse_add_done_callback(future, shut_down_late, &door));
    assert_eventually(atomic_load(&door.inside) == 1);
    awaited = &door;
    start_call(&opener, open_when_destroying, pool);
    assert_ok(posse_destroy(pool));
    (void)end_call(&opener);
    assert_int_equal(atomic_load(&door.calls), 1);
    assert_int_equal(door.status, POSSE_SHUT_DOWN);
}

static posse_future ended;

static posse_status add_to_ended(void *door)
{
    return posse_add_done_callback(ended, stand_in_the_door, door);
}

/* A callback that another thread calls at once is waited for too. */
POOL_TEST(callback_at_once_is_waited_for, PARALLEL_CALLERS, 1)
{
    struct door door = {0};
    struct caller adder;
    ended = submitted_long(pool, square_task, 3);
    assert_ok(posse_exception(ended, -1, NULL));
    start_call(&adder, add_to_ended, &door);
    assert_eventually(atomic_load(&door.inside) == 1);
    assert_status(posse_shutdown(pool, 0, 100), POSSE_TIMEOUT);
    atomic_store(&door.open, 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&door.inside), 0);
    assert_ok(end_call(&adder));
    assert_ok(posse_release(ended));
}
