/* late_refusal.c - the executor closes or breaks after a submitter has queued its task and before
 * the submitter looks at the executor again: the task is accepted or refused, never both.
 *
 * The linker leads the call that lies between the two here.
 */
#include "pool/self.h"
#include "support/support.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void (*meanwhile)(posse_executor *pool); /* NULL: nothing happens */

bool __real_pi_wake_or_grow(posse_executor *pool);
bool __wrap_pi_wake_or_grow(posse_executor *pool);
bool __wrap_pi_wake_or_grow(posse_executor *pool)
{
    bool woken = __real_pi_wake_or_grow(pool);
    if (meanwhile && pi_self_in(pool) == NULL && pool->owner == PI_OWNER_PROGRAM)
        meanwhile(pool);
    return woken;
}

/* In memory that the runner and the workers share. */
struct story {
    _Atomic int runs;
    _Atomic int starts;      /* of workers */
    _Atomic long may_start;  /* workers that may start; further ones wait */
    _Atomic int deaths_left; /* runs that take their worker with them */
};
static struct story *story;

static int start_task(posse_task *task, const void *arg, size_t size)
{
    int start = atomic_fetch_add(&story->starts, 1);
    for (long end = now_ms() + PATIENCE_MS; start >= atomic_load(&story->may_start); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    return 0;
}

/* Kills its worker while there are deaths left. */
static int deadly_task(posse_task *task, const void *arg, size_t size)
{
    atomic_fetch_add(&story->runs, 1);
    if (atomic_fetch_sub(&story->deaths_left, 1) <= 0)
        return 0;
    if (backend() == POSSE_THREAD)
        pthread_exit(NULL);
    kill(getpid(), SIGKILL);
    return GAVE_UP;
}

static bool is_broken(posse_executor *pool)
{
    posse_error error = {.struct_size = sizeof error};
    return posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN;
}

static void await_break(posse_executor *pool) { assert_eventually(is_broken(pool)); }

/* The next worker is starting, so what the last one left was repaired. */
static void await_second_start(posse_executor *pool)
{
    assert_eventually(atomic_load(&story->starts) > 1);
}

static void close_it(posse_executor *pool)
{
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT | POSSE_CANCEL_FUTURES, 0));
}

static void lose_one_and_close(posse_executor *pool)
{
    await_second_start(pool);
    close_it(pool);
}

static posse_executor *begin(posse_on_worker_lost on_worker_lost, int deaths, long may_start)
{
    story = make_shared(sizeof *story);
    atomic_store(&story->deaths_left, deaths);
    atomic_store(&story->may_start, may_start);
    return POOL(1, .retries = 1, .on_worker_lost = on_worker_lost, .initializer = start_task);
}

static posse_status submit_while(posse_executor *pool, void (*what)(posse_executor *),
                                 posse_future *future)
{
    meanwhile = what;
    posse_status status = posse_submit(pool, deadly_task, NULL, 0, future);
    meanwhile = NULL;
    return status;
}

static void end(void)
{
    free_shared(story, sizeof *story);
    story = NULL;
}

/* It has run, its worker died of it, and the pool broke: it waits to be run again. */
TEST(breaks_after_a_run, PARALLEL)
{
    posse_future future = {0};
    posse_executor *pool = begin(POSSE_BREAK, 1, LONG_MAX);
    assert_ok(submit_while(pool, await_break, &future));
    assert_int_equal(atomic_load(&story->runs), 1);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    end();
}

/* It waits to be run again when it is cancelled: it is not the submitter's any more. */
TEST(is_cancelled_after_a_run, PARALLEL)
{
    posse_future future = {0};
    posse_executor *pool = begin(POSSE_CARRY_ON, 1, 1);
    assert_ok(submit_while(pool, lose_one_and_close, &future));
    assert_int_equal(atomic_load(&story->runs), 1);
    (void)take_error(future, POSSE_CANCELLED);
    assert_int_equal(stats_of(pool).cancelled, 1);
    atomic_store(&story->may_start, LONG_MAX);
    assert_ok(posse_shutdown(pool, 0, -1));
    end_pool(pool);
    end();
}

/* Nobody has begun it: it is refused, and never runs. */
TEST(is_cancelled_before_a_run, PARALLEL)
{
    posse_future future = {0};
    posse_executor *pool = begin(POSSE_CARRY_ON, 0, 0);
    assert_status(submit_while(pool, close_it, &future), POSSE_SHUT_DOWN);
    assert_null(future.executor);
    assert_int_equal(stats_of(pool).cancelled, 0);
    assert_int_equal(stats_of(pool).futures, 0);
    atomic_store(&story->may_start, LONG_MAX);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&story->runs), 0);
    end_pool(pool);
    end();
}
