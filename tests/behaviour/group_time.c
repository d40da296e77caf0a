/* group_time.c - groups whose time is limited as a whole. */
#include "os/clock.h"
#include "support/sealed.h"
#include "support/support.h"
#include "task_group.h"

#include <signal.h>
#include <string.h>

#define LONG_MS 30000

static posse_group *timed_group(posse_executor *pool, posse_group_options options, long ms)
{
    posse_group *group = NULL;
    options.struct_size = sizeof options;
    options.timeout_ms = ms;
    assert_ok(posse_group_create(pool, &options, &group));
    return group;
}

static void end_group(posse_group *group) { assert_ok(posse_group_destroy(group)); }

/* False: its time was up already, which a busy machine may bring about. */
static bool submit_to(posse_group *group, posse_job job, posse_future *future)
{
    job.struct_size = sizeof job;
    job.group = group;
    posse_status status = posse_submit_with(group->executor, &job, future);
    if (status == POSSE_DEADLINE)
        assert_null(future->executor);
    else
        assert_ok(status);
    return status == POSSE_OK;
}

static posse_job hold(struct gate *const *gate)
{
    return (posse_job){.fn = hold_task, .arg = gate, .size = sizeof *gate};
}

/* One runs, one is queued behind a task of no group, the others are withheld. True: it was so when
 * the time was up. */
static bool ends_all(long ms, posse_group_options options)
{
    enum { TASKS = 5 };
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    posse_future other = submitted_hold(pool, gate), futures[TASKS], late;
    await_entered(gate, 1);
    posse_group *group = timed_group(pool, options, ms);
    int n = 0;
    while (n < TASKS && submit_to(group, hold(&gate), &futures[n]))
        n++;
    assert_status(posse_group_wait(group, -1), n > 0 ? POSSE_DEADLINE : POSSE_OK);
    assert_int_equal(posse_group_left(group), 0);
    assert_int_equal(stats_of(pool).timed_out, n);
    bool began = atomic_load(&gate->entered) == 2;
    assert_in_range(atomic_load(&gate->entered), 1, 2);
    for (int i = 0; i < n; i++) {
        posse_error error = take_error(futures[i], POSSE_DEADLINE);
        assert_string_equal(error.message, "the time of its group was up");
    }
    assert_true(n == 0 || !submit_to(group, hold(&gate), &late));
    open_gate(gate);
    take_error(other, POSSE_OK);
    end_group(group);
    assert_eventually(stats_of(pool).workers == 2 && stats_of(pool).running == 0);
    free_gate(pool, gate);
    end_pool(pool);
    return n == TASKS && began;
}

static void assert_ends_all(posse_group_options options)
{
    long ms = 40;
    look_never();
    while (!ends_all(ms, options))
        assert_true((ms *= 4) < PATIENCE_MS);
}

TEST(all_end, PARALLEL) { assert_ends_all((posse_group_options){.max_running = 2}); }

TEST(all_end_although_a_failure_cancels, PARALLEL)
{
    assert_ends_all((posse_group_options){.max_running = 2, .cancel_on_failure = 1});
}

static int overdue_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    for (long end = now_ms() + PATIENCE_MS; posse_task_time_left(task) > 0; pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    return posse_task_cancelled(task) ? 0 : GAVE_UP;
}

/* Where no kill comes, the task itself sees that the time is up. */
POOL_TEST(seen_by_the_task, THREADS | INLINE, 1)
{
    long ms = 20;
    posse_future future;
    posse_group *group = timed_group(pool, (posse_group_options){0}, ms);
    while (!submit_to(group, (posse_job){.fn = overdue_task}, &future)) {
        end_group(group);
        assert_true((ms *= 4) < PATIENCE_MS);
        group = timed_group(pool, (posse_group_options){0}, ms);
    }
    take_error(future, POSSE_DEADLINE);
    assert_status(posse_group_wait(group, -1), POSSE_DEADLINE);
    end_group(group);
    assert_eventually(stats_of(pool).running == 0);
}

static int time_left_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    return return_long(task, posse_task_time_left(task));
}

static long time_left_in(posse_group *group, long timeout_ms)
{
    posse_future future;
    assert_true(submit_to(
        group, (posse_job){.fn = time_left_task, .timeout_ms = timeout_ms, .name = "left"},
        &future));
    return take_long(future);
}

POOL_TEST(the_earlier_end_counts, ALL, 1)
{
    posse_group *group = timed_group(pool, (posse_group_options){0}, LONG_MS);
    assert_in_range(time_left_in(group, 0), 1, LONG_MS);
    assert_in_range(time_left_in(group, LONG_MS / 3), 1, LONG_MS / 3);
    assert_in_range(time_left_in(group, 10 * LONG_MS), 1, LONG_MS);
    assert_ok(posse_group_wait(group, -1));
    end_group(group);
    group = timed_group(pool, (posse_group_options){0}, 0);
    assert_int_equal(time_left_in(group, 0), -1);
    end_group(group);
}

POOL_TEST(its_own_limit_ends_it_first, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_group *group = timed_group(pool, (posse_group_options){0}, LONG_MS);
    posse_job job = hold(&gate);
    posse_future future;
    job.timeout_ms = 20;
    assert_true(submit_to(group, job, &future));
    posse_error error = take_error(future, POSSE_DEADLINE);
    assert_non_null(strstr(error.message, "ran longer than 20 ms"));
    assert_in_range(time_left_in(group, 0), 1, LONG_MS);
    assert_status(posse_group_wait(group, -1), POSSE_DEADLINE);
    open_gate(gate);
    end_group(group);
    assert_eventually(stats_of(pool).workers == 1 && stats_of(pool).running == 0);
    free_gate(pool, gate);
}

/* The timers of several groups, which come and go in any order. */
TEST(several_groups, PARALLEL)
{
    enum { GROUPS = 7 };
    static const long ms[GROUPS] = {60, 20, LONG_MS, 40, 40, 90, 10};
    look_never();
    posse_executor *pool = make_pool(GROUPS);
    struct gate *gate = make_gate(pool);
    posse_group *groups[GROUPS];
    posse_future futures[GROUPS];
    bool in[GROUPS];
    for (int i = 0; i < GROUPS; i++) {
        groups[i] = timed_group(pool, (posse_group_options){0}, ms[i]);
        in[i] = submit_to(groups[i], hold(&gate), &futures[i]);
    }
    for (int i = 0; i < GROUPS; i++)
        if (in[i] && ms[i] != LONG_MS)
            take_error(futures[i], POSSE_DEADLINE);
    assert_int_equal(posse_group_left(groups[2]), 1);
    open_gate(gate);
    take_error(futures[2], POSSE_OK);
    assert_ok(posse_group_wait(groups[2], -1));
    for (int i = 0; i < GROUPS; i++)
        end_group(groups[i]);
    assert_eventually(stats_of(pool).workers == GROUPS && stats_of(pool).running == 0);
    free_gate(pool, gate);
    end_pool(pool);
}

/* What goes on without it keeps its time. */
POOL_TEST(destroyed_before, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future;
    posse_group *group = timed_group(pool, (posse_group_options){0}, 60);
    bool in = submit_to(group, hold(&gate), &future);
    while (in && atomic_load(&gate->entered) == 0 && !posse_done(future))
        pause_ms(1);
    end_group(group);
    if (in)
        take_error(future, POSSE_DEADLINE);
    open_gate(gate);
    assert_eventually(stats_of(pool).workers == 1 && stats_of(pool).running == 0);
    free_gate(pool, gate);
}

/* Its time is up so much later, and no thread wakes for that. */
static void stop_timer(posse_group *group, long ms)
{
    pthread_mutex_t *lock = &group->executor->dispatcher.lock;
    pthread_mutex_lock(lock);
    pi_dispatch_drop_timer_locked(group->executor, &group->timer);
    group->end_ns = pi_os_after_ms(ms);
    pthread_mutex_unlock(lock);
}

/* The thread that ends those that wait is late: a worker that claims one does not begin it, and is
 * not ended for it. */
POOL_TEST(claimed_after_the_end, PARALLEL, 1)
{
    long ms = 20, worker = take_long(submitted(pool, identity_task, NULL, 0));
    _Atomic long *counter = make_counter(pool);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate), future;
    bool in = false;
    for (; !in; ms *= 4) {
        posse_group *group = timed_group(pool, (posse_group_options){0}, LONG_MS);
        stop_timer(group, ms);
        in = submit_to(
            group, (posse_job){.fn = count_task, .arg = &counter, .size = sizeof counter}, &future);
        while (pi_os_now() < group->end_ns)
            pause_ms(1);
        if (in) {
            assert_false(posse_done(future));
            open_gate(gate);
            take_error(future, POSSE_DEADLINE);
            assert_status(posse_group_wait(group, -1), POSSE_DEADLINE);
        }
        end_group(group);
    }
    assert_int_equal(atomic_load(counter), 0);
    assert_int_equal(take_long(held), worker);
    assert_int_equal(take_long(submitted(pool, identity_task, NULL, 0)), worker);
    free_gate(pool, gate);
    assert_ok(posse_free(pool, (void *)counter));
}

static bool is_late(posse_group *group)
{
    pthread_mutex_t *lock = &group->executor->dispatcher.lock;
    pthread_mutex_lock(lock);
    bool late = group->late;
    pthread_mutex_unlock(lock);
    return late;
}

/* Its worker dies before the end, which the supervisor sees after the end: the task would run again
 * behind one that runs long. True: it was so. */
static bool lost_before(long ms)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    posse_group *group = timed_group(pool, (posse_group_options){0}, ms);
    posse_job job = hold(&gate);
    posse_future future;
    job.retries = 1;
    bool in = submit_to(group, job, &future);
    while (in && atomic_load(&gate->entered) == 0 && !posse_done(future))
        pause_ms(1);
    posse_future held = submitted_hold(pool, gate);
    assert_int_equal(kill(supervisor, SIGSTOP), 0);
    if (in && !posse_done(future))
        assert_int_equal(kill(worker, SIGKILL), 0);
    assert_eventually(is_late(group));
    bool shown = in && !posse_done(future);
    assert_int_equal(kill(supervisor, SIGCONT), 0);
    if (in)
        take_error(future, POSSE_DEADLINE);
    assert_false(posse_done(held));
    open_gate(gate);
    (void)take_long(held);
    end_group(group);
    free_gate(pool, gate);
    end_pool(pool);
    return shown;
}

TEST(runs_not_again_behind_the_end, PROCESSES)
{
    long ms = 40;
    while (!lost_before(ms))
        assert_true((ms *= 4) < PATIENCE_MS);
}

/* Each task in a process of its own. */
TEST(fresh, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, (posse_seal){.allow = 0});
    posse_group *group = timed_group(pool, (posse_group_options){.max_running = 1}, 100);
    long ms = PATIENCE_MS;
    posse_future futures[2];
    int n = 0;
    while (n < 2 && submit_to(group, (posse_job){.fn = sleep_task, .arg = &ms, .size = sizeof ms},
                              &futures[n]))
        n++;
    assert_status(posse_group_wait(group, -1), n > 0 ? POSSE_DEADLINE : POSSE_OK);
    for (int i = 0; i < n; i++)
        take_error(futures[i], POSSE_DEADLINE);
    end_group(group);
    assert_eventually(stats_of(pool).workers == 1 && stats_of(pool).running == 0);
    end_pool(pool);
}

POOL_TEST(bad_arguments, ALL, 1)
{
    posse_group *group = (posse_group *)pool;
    posse_group_options options = {.struct_size = sizeof options, .timeout_ms = -1};
    assert_status(posse_group_create(pool, &options, &group), POSSE_INVALID);
    assert_null(group);
    assert_string_equal(posse_last_error(), "options.timeout_ms is negative");
}
