/* other_clock.c - what posse does where another clock has been put in the place of the system's, as
 * by libfaketime: waits end by the clock that the program sees.
 *
 * The linker leads here the calls that ask for the time; the kernel is asked by nobody else.
 */
#include "support/objects.h"
#include "support/support.h"

#include <time.h>

static _Atomic long ahead; /* seconds */
static _Atomic int stands;

int __real_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t, struct timespec *);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = __real_clock_gettime(clock, time);
    time->tv_sec += atomic_load(&ahead);
    if (atomic_load(&stands))
        *time = (struct timespec){.tv_sec = 1000000};
    return result;
}

/* Each kind of wait, for a moment that comes. */
static void assert_waits_end(void)
{
    posse_executor *pool = make_pool(1);
    posse_lock lock;
    posse_queue queue;
    posse_completion_iter *completed;
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate), other;
    long value;
    assert_ok(posse_lock_create(pool, &lock));
    assert_ok(posse_lock_acquire(lock, -1));
    assert_ok(posse_queue_create(pool, 1, sizeof value, &queue));
    assert_status(posse_result(future, 20, NULL, NULL), POSSE_TIMEOUT);
    assert_status(posse_wait(&future, 1, POSSE_ALL_COMPLETED, 20, NULL, NULL), POSSE_TIMEOUT);
    assert_ok(posse_as_completed(&future, 1, 20, &completed));
    assert_status(posse_completion_iter_next(completed, &other, NULL), POSSE_TIMEOUT);
    posse_completion_iter_close(completed);
    assert_status(get_long(queue, &value, 20), POSSE_TIMEOUT);
    assert_status(posse_shutdown(pool, 0, 20), POSSE_TIMEOUT);
    open_gate(gate);
    take_error(future, POSSE_OK);
    assert_ok(posse_queue_destroy(queue));
    assert_ok(posse_lock_release(lock));
    assert_ok(posse_lock_destroy(lock));
    free_gate(pool, gate);
    end_pool(pool);
}

static void assert_deadlines_come(void)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_job(
        pool, (posse_job){.fn = hold_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 50});
    take_error(future, POSSE_DEADLINE);
    open_gate(gate);
    assert_eventually(stats_of(pool).futures == 0);
    free_gate(pool, gate);
    end_pool(pool);
}

static int slow_call(posse_future future, void *gate) { return pass_gate(gate) ? 0 : GAVE_UP; }

static void assert_callbacks_are_waited_for(void)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    struct gate *other = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    assert_ok(posse_add_done_callback(future, slow_call, other));
    open_gate(gate);
    await_entered(other, 1);
    assert_status(posse_shutdown(pool, 0, 50), POSSE_TIMEOUT);
    open_gate(other);
    assert_ok(posse_shutdown(pool, 0, -1));
    take_error(future, POSSE_OK);
    free_gate(pool, gate);
    free_gate(pool, other);
    end_pool(pool);
}

static void assert_all(void)
{
    assert_waits_end();
    assert_deadlines_come();
    assert_callbacks_are_waited_for();
}

TEST(a_day_ahead, PARALLEL)
{
    atomic_store(&ahead, 86400);
    assert_all();
    atomic_store(&ahead, 0);
}

TEST(an_hour_behind, PARALLEL)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_store(&ahead, now.tv_sec > 3600 ? -3600 : -now.tv_sec / 2);
    assert_all();
    atomic_store(&ahead, 0);
}

/* Moments never come; all else goes on. */
TEST(stands_still, ALL)
{
    posse_executor *pool = make_pool(2);
    atomic_store(&stands, 1);
    posse_executor *later = make_pool(2);
    for (long i = 0; i < 10; i++) {
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
        assert_int_equal(take_long(submitted_long(later, square_task, i)), i * i);
        pause_ms(5); /* so that workers rest */
    }
    assert_ok(posse_shutdown(later, 0, -1));
    assert_ok(posse_destroy(later));
    atomic_store(&stands, 0);
    end_pool(pool);
}
