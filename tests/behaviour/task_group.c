/* task_group.c - posse_group: tasks that are waited for, cancelled and held back together. */
#include "pool/pool.h"
#include "support/support.h"

#include <posse_group.h>

#include <signal.h>
#include <string.h>

static posse_group *make_group(posse_executor *pool, long max_running, long cancel_on_failure)
{
    posse_group *group = NULL;
    posse_group_options options = {.struct_size = sizeof options,
                                   .max_running = max_running,
                                   .cancel_on_failure = cancel_on_failure};
    assert_ok(posse_group_create(pool, &options, &group));
    assert_non_null(group);
    return group;
}

static void end_group(posse_group *group) { assert_ok(posse_group_destroy(group)); }

static posse_status submit_to(posse_executor *pool, posse_group *group, posse_job job,
                              posse_future *future)
{
    job.struct_size = sizeof job;
    job.group = group;
    return posse_submit_with(pool, &job, future);
}

/* How many of its tasks run at a time, and did at most. */
struct load {
    _Atomic int now, most, ended;
};

static struct load *make_load(posse_executor *pool)
{
    void *load;
    assert_ok(posse_alloc(pool, sizeof(struct load), &load));
    memset(load, 0, sizeof(struct load));
    return load;
}

static int load_task(posse_task *task, const void *arg, size_t size)
{
    struct load *load = *(struct load *const *)arg;
    (void)task, (void)size;
    int now = atomic_fetch_add(&load->now, 1) + 1, most = atomic_load(&load->most);
    while (now > most && !atomic_compare_exchange_weak(&load->most, &most, now))
        ;
    for (int i = 0; i < 100; i++)
        (void)identity();
    atomic_fetch_sub(&load->now, 1);
    atomic_fetch_add(&load->ended, 1);
    return 0;
}

static void submit_loads(posse_executor *pool, posse_group *group, struct load **load, int n)
{
    for (int i = 0; i < n; i++)
        assert_ok(submit_to(pool, group,
                            (posse_job){.fn = load_task, .arg = load, .size = sizeof *load}, NULL));
}

static posse_status call_group_wait(void *group) { return posse_group_wait(group, -1); }

POOL_TEST(waits_for_all, ALL, 3)
{
    enum { TASKS = 200 };
    struct load *load = make_load(pool);
    posse_group *group = make_group(pool, 0, 0);
    assert_ok(posse_group_wait(group, 0));
    for (int round = 1; round <= 5; round++) {
        submit_loads(pool, group, &load, TASKS);
        assert_ok(posse_group_wait(group, -1));
        assert_int_equal(posse_group_left(group), 0);
        assert_int_equal(atomic_load(&load->ended), round * TASKS);
    }
    end_group(group);
    assert_ok(posse_free(pool, load));
}

POOL_TEST(an_idle_pool_has_none_that_wait, ALL, 2)
{
    enum { TASKS = 50 };
    struct load *load = make_load(pool);
    posse_group *group = make_group(pool, 1, 0);
    submit_loads(pool, group, &load, TASKS);
    assert_ok(posse_wait_idle(pool, -1));
    assert_int_equal(atomic_load(&load->ended), TASKS);
    assert_ok(posse_group_wait(group, 0));
    end_group(group);
    assert_ok(posse_free(pool, load));
}

/* Nobody looks by itself: the end of one lets the next go, and the last end wakes the caller. */
static void assert_at_most(long workers, long max_running)
{
    enum { TASKS = 300 };
    posse_executor *pool = make_pool(workers);
    struct load *load = make_load(pool);
    posse_group *group = make_group(pool, max_running, 0);
    struct caller caller;
    submit_loads(pool, group, &load, TASKS);
    start_call(&caller, call_group_wait, group);
    assert_ok(end_call(&caller));
    assert_int_equal(atomic_load(&load->ended), TASKS);
    assert_in_range(atomic_load(&load->most), 1, max_running);
    end_group(group);
    assert_ok(posse_free(pool, load));
    end_pool(pool);
}

/* Neither the task's future nor its entry in the queue is there: those that wait for the group
 * find that out. */
POOL_TEST(an_entry_is_overwritten, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    struct pi_ring *ring = &pool->segment.lanes.ring[0];
    posse_group *group = make_group(pool, 0, 0);
    posse_future held = submitted_hold(pool, gate);
    uint64_t head;
    look_every(10);
    await_entered(gate, 1);
    assert_ok(submit_to(
        pool, group, (posse_job){.fn = square_task, .arg = (const long[]){3}, .size = sizeof(long)},
        NULL));
    assert_true(pi_ring_peek(ring, &head) != PI_NO_INDEX);
    pi_ring_advance(ring, head);
    open_gate(gate);
    take_error(held, POSSE_OK);
    assert_ok(posse_group_wait(group, PATIENCE_MS));
    end_group(group);
    free_gate(pool, gate);
}

TEST(at_most_so_many_run, ALL)
{
    look_never();
    assert_at_most(4, 1);
    assert_at_most(4, 3);
    assert_at_most(1, 2);
}

/* Those that wait hold nothing up: neither workers, nor the queue, nor its limit. */
POOL_TEST(others_pass_by, PARALLEL, 3, .queue_limit = 2)
{
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 1, 0);
    posse_future held[6];
    for (int i = 0; i < 6; i++)
        assert_ok(submit_to(pool, group,
                            (posse_job){.fn = hold_task, .arg = &gate, .size = sizeof gate},
                            &held[i]));
    await_entered(gate, 1);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    assert_int_equal(posse_group_left(group), 6);
    assert_status(posse_group_wait(group, 5), POSSE_TIMEOUT);
    assert_int_equal(atomic_load(&gate->entered), 1);
    open_gate(gate);
    assert_ok(posse_group_wait(group, -1));
    for (int i = 0; i < 6; i++)
        (void)take_long(held[i]);
    end_group(group);
    free_gate(pool, gate);
}

struct order {
    _Atomic int next;
    int wrong;
};

static int in_order_task(posse_task *task, const void *arg, size_t size)
{
    struct order *order;
    long number;
    (void)task, (void)size;
    memcpy(&order, arg, sizeof order);
    memcpy(&number, (const char *)arg + sizeof order, sizeof number);
    if (atomic_fetch_add(&order->next, 1) != number)
        order->wrong++;
    return 0;
}

/* One at a time, they run in the order of their submits. */
POOL_TEST(in_order, ALL, 3)
{
    void *order;
    assert_ok(posse_alloc(pool, sizeof(struct order), &order));
    memset(order, 0, sizeof(struct order));
    posse_group *group = make_group(pool, 1, 0);
    for (long i = 0; i < 200; i++) {
        char arg[sizeof order + sizeof i];
        memcpy(arg, &order, sizeof order);
        memcpy(arg + sizeof order, &i, sizeof i);
        assert_ok(submit_to(
            pool, group, (posse_job){.fn = in_order_task, .arg = arg, .size = sizeof arg}, NULL));
    }
    assert_ok(posse_group_wait(group, -1));
    assert_int_equal(((struct order *)order)->wrong, 0);
    assert_int_equal(atomic_load(&((struct order *)order)->next), 200);
    end_group(group);
    assert_ok(posse_free(pool, order));
}

static long code = 5;

POOL_TEST(the_first_failure_is_told, ALL, 2)
{
    posse_group *group = make_group(pool, 1, 0);
    struct load *load = make_load(pool);
    submit_loads(pool, group, &load, 2);
    assert_ok(submit_to(pool, group,
                        (posse_job){.fn = code_task, .arg = &code, .size = sizeof code}, NULL));
    submit_loads(pool, group, &load, 2);
    assert_status(posse_group_wait(group, -1), POSSE_TASK_FAILED);
    assert_int_equal(atomic_load(&load->ended), 4);
    end_group(group);
    assert_ok(posse_free(pool, load));
}

/* Those that wait and those that are queued are cancelled, those that run are asked to stop. */
TEST(the_first_failure_cancels_the_rest, PARALLEL)
{
    look_never();
    posse_executor *pool = make_pool(3);
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 3, 1);
    posse_future heeds[2], later[4];
    posse_job heed = {.fn = heed_task, .arg = &gate, .size = sizeof gate};
    for (int i = 0; i < 2; i++)
        assert_ok(submit_to(pool, group, heed, &heeds[i]));
    await_entered(gate, 2);
    posse_future held = submitted_hold(pool, gate); /* of no group: it keeps the third worker */
    await_entered(gate, 3);
    assert_ok(submit_to(pool, group,
                        (posse_job){.fn = code_task, .arg = &code, .size = sizeof code}, NULL));
    for (int i = 0; i < 4; i++)
        assert_ok(submit_to(pool, group, heed, &later[i]));
    open_gate(gate);
    assert_status(posse_group_wait(group, -1), POSSE_TASK_FAILED);
    for (int i = 0; i < 4; i++)
        take_error(later[i], POSSE_CANCELLED);
    for (int i = 0; i < 2; i++) {
        assert_true(posse_done(heeds[i]));
        assert_ok(posse_release(heeds[i]));
    }
    assert_status(submit_to(pool, group, heed, &later[0]), POSSE_CANCELLED);
    assert_null(later[0].executor);
    (void)take_long(held);
    end_group(group);
    free_gate(pool, gate);
    end_pool(pool);
}

static void assert_ends(posse_executor *pool, posse_status (*end)(posse_group *), bool running_too)
{
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 2, 0);
    posse_future futures[6];
    posse_job hold = {.fn = hold_task, .arg = &gate, .size = sizeof gate};
    for (int i = 0; i < 6; i++)
        assert_ok(submit_to(pool, group, hold, &futures[i]));
    await_entered(gate, 2);
    assert_ok(end(group));
    assert_ok(end(group));
    if (!running_too)
        open_gate(gate);
    assert_status(posse_group_wait(group, -1), POSSE_CANCELLED);
    open_gate(gate);
    for (int i = 0; i < 6; i++)
        take_error(futures[i], i < 2 && !running_too ? POSSE_OK : POSSE_CANCELLED);
    end_group(group);
    assert_eventually(stats_of(pool).workers == 2);
    free_gate(pool, gate);
}

POOL_TEST(cancels_all, PARALLEL, 2) { assert_ends(pool, posse_group_cancel, false); }

POOL_TEST(kills_all, PARALLEL, 2) { assert_ends(pool, posse_group_kill, true); }

/* Released before, after or never; observed or not: the group sees each end, and nothing stays. */
POOL_TEST(futures_come_and_go, ALL, 3)
{
    enum { TASKS = 400 };
    posse_group *group = make_group(pool, 2, 0);
    static posse_future futures[TASKS];
    for (long i = 0; i < TASKS; i++) {
        posse_job job = {.fn = square_task, .arg = &i, .size = sizeof i};
        assert_ok(submit_to(pool, group, job, i % 3 ? &futures[i] : NULL));
        if (i % 3 == 1)
            assert_ok(posse_release(futures[i]));
    }
    for (long i = 2; i < TASKS; i += 3)
        assert_int_equal(take_long(futures[i]), i * i);
    assert_ok(posse_group_wait(group, -1));
    end_group(group);
}

POOL_TEST(destroyed_before_its_tasks_end, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 1, 0);
    posse_future futures[3];
    posse_job hold = {.fn = hold_task, .arg = &gate, .size = sizeof gate};
    for (int i = 0; i < 3; i++)
        assert_ok(submit_to(pool, group, hold, &futures[i]));
    assert_ok(submit_to(pool, group, hold, NULL));
    await_entered(gate, 1);
    end_group(group);
    open_gate(gate);
    (void)take_long(futures[0]);
    for (int i = 1; i < 3; i++)
        take_error(futures[i], POSSE_CANCELLED);
    assert_int_equal(atomic_load(&gate->entered), 1);
    free_gate(pool, gate);
}

/* What was accepted ends, although it is not in the queue yet. */
TEST(shutdown_waits_for_those_that_wait, ALL)
{
    enum { TASKS = 60 };
    look_never();
    posse_executor *pool = make_pool(3);
    posse_group *group = make_group(pool, 1, 0);
    struct load *load = make_load(pool);
    submit_loads(pool, group, &load, TASKS);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&load->ended), TASKS);
    assert_ok(posse_group_wait(group, -1));
    assert_status(submit_to(pool, group,
                            (posse_job){.fn = load_task, .arg = &load, .size = sizeof load}, NULL),
                  POSSE_SHUT_DOWN);
    end_group(group);
    assert_ok(posse_free(pool, load));
    end_pool(pool);
}

TEST(shutdown_cancels_those_that_wait, PARALLEL)
{
    posse_executor *pool = make_pool(2);
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 1, 0);
    posse_job hold = {.fn = hold_task, .arg = &gate, .size = sizeof gate};
    for (int i = 0; i < 4; i++)
        assert_ok(submit_to(pool, group, hold, NULL));
    await_entered(gate, 1);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT | POSSE_CANCEL_FUTURES, 0));
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_status(posse_group_wait(group, -1), POSSE_CANCELLED);
    assert_int_equal(atomic_load(&gate->entered), 1);
    end_group(group);
    free_gate(pool, gate);
    end_pool(pool);
}

/* Deaths are failures of their tasks alone; the next in the group goes on. */
POOL_TEST(workers_die, PROCESSES, 2, .retries = 1)
{
    enum { TASKS = 40 };
    posse_group *group = make_group(pool, 1, 0);
    static posse_future futures[TASKS];
    for (long i = 0; i < TASKS; i++) {
        long value = i % 4 == 0 ? SIGKILL : i;
        posse_job job = {
            .fn = i % 4 == 0 ? signal_task : square_task, .arg = &value, .size = sizeof value};
        assert_ok(submit_to(pool, group, job, i % 8 == 0 ? NULL : &futures[i]));
    }
    assert_status(posse_group_wait(group, -1), POSSE_WORKER_LOST);
    for (long i = 0; i < TASKS; i++) {
        if (i % 4 != 0)
            assert_int_equal(take_long(futures[i]), i * i);
        else if (i % 8 != 0)
            take_error(futures[i], POSSE_WORKER_LOST);
    }
    end_group(group);
}

static int take_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    long value = 0;
    (void)size;
    memcpy(&future, arg, sizeof future);
    if (posse_result_into(future, -1, &value, sizeof value, NULL) != POSSE_OK)
        return INNER_FAILED;
    return return_long(task, value);
}

/* A task that waits for one that waits in its group runs it itself. */
POOL_TEST(claimed_out_of_turn, PARALLEL, 2)
{
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 1, 0);
    posse_future held, waits;
    long value = 6;
    assert_ok(submit_to(pool, group,
                        (posse_job){.fn = hold_task, .arg = &gate, .size = sizeof gate}, &held));
    await_entered(gate, 1);
    assert_ok(submit_to(
        pool, group, (posse_job){.fn = square_task, .arg = &value, .size = sizeof value}, &waits));
    assert_int_equal(take_long(SUBMIT_VALUE(pool, take_task, waits)), 36);
    assert_int_equal(take_long(waits), 36);
    open_gate(gate);
    assert_ok(posse_group_wait(group, -1));
    (void)take_long(held);
    end_group(group);
    free_gate(pool, gate);
}

POOL_TEST(many_at_once, ALL, 3)
{
    enum { TASKS = 100 };
    static posse_job jobs[TASKS];
    static long values[TASKS];
    static posse_future futures[TASKS];
    size_t accepted;
    posse_group *group = make_group(pool, 2, 0);
    for (long i = 0; i < TASKS; i++) {
        values[i] = i;
        jobs[i] = (posse_job){.struct_size = sizeof *jobs,
                              .fn = square_task,
                              .arg = &values[i],
                              .size = sizeof *values,
                              .group = i % 2 ? group : NULL};
    }
    assert_ok(posse_submit_many(pool, jobs, TASKS, futures, &accepted));
    assert_int_equal(accepted, TASKS);
    assert_ok(posse_group_wait(group, -1));
    for (long i = 0; i < TASKS; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    end_group(group);
}

/* ---- threads side by side ---- */

struct user {
    posse_executor *pool;
    posse_group *group;
    struct load *load;
};

static posse_status use_group(void *context)
{
    struct user *user = context;
    posse_status status = POSSE_OK;
    for (int i = 0; i < 150 && status == POSSE_OK; i++) {
        posse_future future;
        posse_job job = {.fn = load_task, .arg = &user->load, .size = sizeof user->load};
        status = submit_to(user->pool, user->group, job, i % 2 ? &future : NULL);
        if (status == POSSE_OK && i % 4 == 1)
            (void)posse_cancel(future);
        if (status == POSSE_OK && i % 8 == 3)
            status = posse_result(future, -1, NULL, NULL);
        if (status == POSSE_CANCELLED)
            status = POSSE_OK;
        if (status == POSSE_OK && i % 2)
            status = posse_release(future);
        if (status == POSSE_OK && i % 50 == 0)
            (void)posse_group_wait(user->group, 1);
    }
    return status;
}

POOL_TEST(several_threads, ALL &CALLERS, 3)
{
    struct user user = {pool, make_group(pool, 2, 0), make_load(pool)};
    struct caller callers[3];
    for (int i = 0; i < 3; i++)
        start_call(&callers[i], use_group, &user);
    for (int i = 0; i < 3; i++)
        assert_ok(end_call(&callers[i]));
    posse_status status = posse_group_wait(user.group, -1);
    assert_true(status == POSSE_OK || status == POSSE_CANCELLED);
    if (backend() != POSSE_INLINE)
        assert_in_range(atomic_load(&user.load->most), 1, 2);
    end_group(user.group);
    assert_ok(posse_free(pool, user.load));
}

/* ---- refused ---- */

struct inside {
    posse_group *group;
};

static int in_task(posse_task *task, const void *arg, size_t size)
{
    const struct inside *inside = arg;
    posse_group *group;
    (void)size;
    posse_status created = posse_group_create(posse_task_executor(task), NULL, &group);
    posse_job job = {.fn = identity_task};
    if (backend() == POSSE_PROCESS) /* the group's memory is not here */
        return created == POSSE_NOT_SUPPORTED && submit_to(posse_task_executor(task), inside->group,
                                                           job, NULL) == POSSE_NOT_SUPPORTED
                   ? 0
                   : GAVE_UP;
    posse_status waited = posse_group_wait(inside->group, 0);
    return created == POSSE_OK && waited == POSSE_DEADLOCK ? (int)posse_group_destroy(group)
                                                           : GAVE_UP;
}

POOL_TEST(in_a_task, ALL, 1)
{
    struct inside inside = {make_group(pool, 0, 0)};
    take_error(SUBMIT_VALUE(pool, in_task, inside), POSSE_OK);
    end_group(inside.group);
}

POOL_TEST(bad_arguments, ALL, 1)
{
    posse_group *group = (posse_group *)pool;
    posse_group_options options = {.struct_size = sizeof options, .max_running = -1};
    assert_status(posse_group_create(pool, &options, &group), POSSE_INVALID);
    assert_null(group);
    options = (posse_group_options){.struct_size = sizeof options, .cancel_on_failure = 2};
    assert_status(posse_group_create(pool, &options, &group), POSSE_INVALID);
    options.struct_size = 1;
    assert_status(posse_group_create(pool, &options, &group), POSSE_INVALID);
    assert_status(posse_group_create(pool, NULL, NULL), POSSE_INVALID);
    assert_status(posse_group_create(NULL, NULL, &group), POSSE_INVALID);
    assert_status(posse_group_wait(NULL, 0), POSSE_INVALID);
    assert_status(posse_group_cancel(NULL), POSSE_INVALID);
    assert_status(posse_group_kill(NULL), POSSE_INVALID);
    assert_int_equal(posse_group_left(NULL), 0);
    assert_ok(posse_group_destroy(NULL));
    group = make_group(pool, 0, 0);
    assert_status(posse_group_wait(group, -2), POSSE_INVALID);
    posse_executor *other = make_pool(1);
    assert_status(submit_to(other, group, (posse_job){.fn = identity_task}, NULL), POSSE_INVALID);
    end_pool(other);
    end_group(group);
}

static int refused_in_child(void *group)
{
    REQUIRE(posse_group_wait(group, 0) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_group_cancel(group) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_group_kill(group) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_group_left(group) == 0);
    REQUIRE(posse_group_destroy(group) == POSSE_WRONG_PROCESS);
    return 0;
}

POOL_TEST(wrong_process, FORKED, 1)
{
    posse_group *group = make_group(pool, 0, 0);
    await_other_threads();
    assert_child(refused_in_child, group);
    end_group(group);
}

/* The program made the group after the workers were forked: its memory is not there, or another's.
 */
static int foreign_task(posse_task *task, const void *arg, size_t size)
{
    posse_group *group;
    (void)task, (void)size;
    memcpy(&group, arg, sizeof group);
    return posse_group_wait(group, 0) == POSSE_WRONG_PROCESS &&
                   posse_group_cancel(group) == POSSE_WRONG_PROCESS &&
                   posse_group_kill(group) == POSSE_WRONG_PROCESS && posse_group_left(group) == 0 &&
                   posse_group_destroy(group) == POSSE_WRONG_PROCESS
               ? 0
               : GAVE_UP;
}

POOL_TEST(in_a_worker_process, PROCESSES, 1)
{
    void *nowhere = (void *)16;
    posse_group *group = make_group(pool, 0, 0);
    take_error(SUBMIT_VALUE(pool, foreign_task, group), POSSE_OK);
    take_error(SUBMIT_VALUE(pool, foreign_task, nowhere), POSSE_OK);
    end_group(group);
}

TEST(broken, PROCESSES)
{
    posse_executor *pool = POOL(1, .on_worker_lost = POSSE_BREAK);
    struct gate *gate = make_gate(pool);
    posse_group *group = make_group(pool, 1, 0);
    struct caller caller;
    posse_job hold = {.fn = hold_task, .arg = &gate, .size = sizeof gate};
    for (int i = 0; i < 3; i++)
        assert_ok(submit_to(pool, group, hold, NULL));
    await_entered(gate, 1);
    start_call(&caller, call_group_wait, group);
    await_parked(&caller);
    assert_int_equal(kill((pid_t)atomic_load(&gate->who[0]), SIGKILL), 0);
    posse_status status = end_call(&caller);
    assert_true(status == POSSE_BROKEN || status == POSSE_WORKER_LOST);
    end_group(group);
    assert_ok(posse_destroy(pool));
}
