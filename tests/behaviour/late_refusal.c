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

static bool and_then(posse_executor *pool, bool woken)
{
    if (meanwhile && pi_self_in(pool) == NULL && pool->owner == PI_OWNER_PROGRAM)
        meanwhile(pool);
    return woken;
}

bool __real_pi_wake_or_grow(posse_executor *pool);
bool __wrap_pi_wake_or_grow(posse_executor *pool);
bool __wrap_pi_wake_or_grow(posse_executor *pool)
{
    return and_then(pool, __real_pi_wake_or_grow(pool));
}

bool __real_pi_wake_or_grow_for(posse_executor *pool, unsigned tasks);
bool __wrap_pi_wake_or_grow_for(posse_executor *pool, unsigned tasks);
bool __wrap_pi_wake_or_grow_for(posse_executor *pool, unsigned tasks)
{
    return and_then(pool, __real_pi_wake_or_grow_for(pool, tasks));
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

/* ---- many in one call ---- */

#define MANY 200

static int run_task(posse_task *task, const void *arg, size_t size)
{
    atomic_fetch_add(&story->runs, 1);
    return 0;
}

/* The first, then all that come after it wait behind it. */
static int first_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    atomic_fetch_add(&story->runs, 1);
    return pass_gate(gate) ? 0 : GAVE_UP;
}

static struct gate *the_gate;

static void make_jobs(posse_job *jobs)
{
    for (int i = 0; i < MANY; i++)
        jobs[i] = (posse_job){.struct_size = sizeof *jobs, .fn = run_task};
}

static void stop_meanwhile(posse_executor *pool)
{
    meanwhile = NULL; /* the first batch alone */
    close_it(pool);
}

/* No worker has begun: all are refused. */
static void assert_none(bool observed)
{
    posse_job jobs[MANY];
    posse_future futures[MANY];
    posse_executor *pool = begin(POSSE_CARRY_ON, 0, 0);
    size_t accepted = 7;
    make_jobs(jobs);
    meanwhile = stop_meanwhile;
    posse_status status = posse_submit_many(pool, jobs, MANY, observed ? futures : NULL, &accepted);
    meanwhile = NULL;
    if (observed) { /* what nobody observes was freed, as if it had run */
        assert_status(status, POSSE_SHUT_DOWN);
        assert_int_equal(accepted, 0);
        assert_int_equal(stats_of(pool).cancelled, 0);
    }
    for (int i = 0; observed && i < MANY; i++)
        assert_null(futures[i].executor);
    assert_int_equal(stats_of(pool).futures, 0);
    atomic_store(&story->may_start, LONG_MAX);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&story->runs), 0);
    end_pool(pool);
    end();
}

TEST(many_before_a_run, PARALLEL) { assert_none(true); }

TEST(many_unobserved_before_a_run, PARALLEL) { assert_none(false); }

static void stop_after_the_first(posse_executor *pool)
{
    await_entered(the_gate, 1);
    meanwhile = NULL;
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    open_gate(the_gate);
}

/* A worker has begun the first ones: these are accepted, and run. The others do not. */
TEST(many_of_which_the_first_runs, PARALLEL)
{
    posse_job jobs[MANY];
    posse_future futures[MANY];
    posse_executor *pool = begin(POSSE_CARRY_ON, 0, LONG_MAX);
    size_t accepted = 0;
    make_jobs(jobs);
    the_gate = make_gate(pool);
    jobs[0].fn = first_task;
    jobs[0].arg = &the_gate;
    jobs[0].size = sizeof the_gate;
    meanwhile = stop_after_the_first;
    assert_status(posse_submit_many(pool, jobs, MANY, futures, &accepted), POSSE_SHUT_DOWN);
    meanwhile = NULL;
    assert_in_range(accepted, 1, 64); /* a batch */
    for (size_t i = 0; i < MANY; i++) {
        if (i < accepted)
            (void)take_error(futures[i], POSSE_OK);
        else
            assert_null(futures[i].executor);
    }
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&story->runs), accepted);
    free_gate(pool, the_gate);
    end_pool(pool);
    end();
}

static void fail_all(posse_executor *pool)
{
    meanwhile = NULL;
    await_break(pool);
}

/* The executor breaks on the first one: what was accepted before has its future. */
TEST(many_and_it_breaks, PARALLEL)
{
    posse_job jobs[MANY];
    posse_future futures[MANY];
    posse_executor *pool = begin(POSSE_BREAK, 1, LONG_MAX);
    size_t accepted = 0;
    make_jobs(jobs);
    jobs[0].fn = deadly_task;
    meanwhile = fail_all;
    assert_status(posse_submit_many(pool, jobs, MANY, futures, &accepted), POSSE_BROKEN);
    meanwhile = NULL;
    assert_int_equal(atomic_load(&story->runs), 1);
    assert_int_equal(accepted, 1);
    assert_status(posse_result(futures[0], -1, NULL, NULL), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    end();
}
