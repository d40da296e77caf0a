/* soft_stop.c - tasks that posse_kill sends SIGTERM before it kills them. */
#include "support/support.h"

#include <errno.h>
#include <posse_group.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A job with an argument of any type. */
#define SOFT(fn_, value, grace)                                                                    \
    ((posse_job){.fn = (fn_),                                                                      \
                 .arg = &(value),                                                                  \
                 .size = sizeof(value),                                                            \
                 .grace_ms = (grace),                                                              \
                 .flags = POSSE_TERMINATE})

static posse_future submitted_soft(posse_executor *pool, posse_fn *fn, struct gate *gate,
                                   long grace_ms)
{
    return submitted_job(pool, SOFT(fn, gate, grace_ms));
}

/* Kills the task while the supervisor is stopped, for that long. Asserts. */
static void kill_unseen(pid_t supervisor, posse_future future, long ms)
{
    assert_int_equal(kill(supervisor, SIGSTOP), 0);
    posse_status killed = posse_kill(future);
    pause_ms(ms);
    assert_int_equal(kill(supervisor, SIGCONT), 0);
    assert_ok(killed);
}

/* ---- what a task makes of SIGTERM ------------------------------------------------------------ */

static volatile sig_atomic_t terminated;

static void note_signal(int signal) { terminated = signal; }

/* Waits in a call that only a signal ends. */
static int handling_task(posse_task *task, const void *arg, size_t size)
{
    struct sigaction action = {.sa_handler = note_signal};
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    sigaction(SIGTERM, &action, NULL);
    enter_gate(gate);
    sigsuspend(&before);
    return return_long(task, terminated == SIGTERM && posse_task_cancelled(task));
}

static int ignoring_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    return hold_task(task, arg, size);
}

/* Hears of it by posse_task_cancelled alone. */
static int heeding_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    return heed_task(task, arg, size);
}

static int failing_task(posse_task *task, const void *arg, size_t size)
{
    (void)handling_task(task, arg, size);
    return posse_task_fail(task, 9, "stopped");
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void assert_next_ones_work(posse_executor *pool)
{
    for (int i = 0; i < 3; i++)
        take_long(submitted(pool, identity_task, NULL, 0));
}

POOL_TEST(ends_in_time, PROCESSES, 1)
{
    static posse_fn *const fns[] = {handling_task, heeding_task};
    struct gate *gate = make_gate(pool);
    look_never();
    for (size_t i = 0; i < COUNT(fns); i++) {
        posse_future future = submitted_soft(pool, fns[i], gate, 10 * PATIENCE_MS);
        await_entered(gate, (int)i + 1);
        assert_ok(posse_kill(future));
        take_long(future);
        assert_next_ones_work(pool);
    }
    posse_future future = submitted_soft(pool, failing_task, gate, 10 * PATIENCE_MS);
    await_entered(gate, COUNT(fns) + 1);
    assert_ok(posse_kill(future));
    assert_int_equal(take_error(future, POSSE_TASK_FAILED).code, 9);
    assert_next_ones_work(pool);
    assert_int_equal(stats_of(pool).cancelled, 0);
    free_gate(pool, gate);
}

/* SIGTERM ends the worker at once, so the future does not wait for the grace. */
POOL_TEST(no_handler, PROCESSES, 1, .on_worker_lost = POSSE_BREAK)
{
    struct gate *gate = make_gate(pool);
    look_never();
    posse_future future = submitted_soft(pool, hold_task, gate, 10 * PATIENCE_MS);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    posse_status again = posse_kill(future); /* it may have ended by now */
    assert_true(again == POSSE_OK || again == POSSE_TOO_LATE);
    take_error(future, POSSE_CANCELLED);
    assert_next_ones_work(pool);
    free_gate(pool, gate);
}

POOL_TEST(killed_after_the_grace, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    look_never();
    posse_future future = submitted_soft(pool, ignoring_task, gate, 20);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_next_ones_work(pool);
    free_gate(pool, gate);
}

/* The deadline holds in the grace, too. */
POOL_TEST(killed_at_the_deadline, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    posse_job job = {.fn = ignoring_task,
                     .arg = &gate,
                     .size = sizeof gate,
                     .timeout_ms = 300,
                     .grace_ms = 300,
                     .flags = POSSE_TERMINATE};
    posse_future future = submitted_job(pool, job);
    await_entered(gate, 1);
    (void)posse_kill(future);
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_CANCELLED || error.status == POSSE_DEADLINE);
    assert_ok(posse_release(future));
    free_gate(pool, gate);
}

static _Noreturn int burning_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    enter_gate(*(struct gate *const *)arg);
    while (!posse_task_cancelled(task))
        pause_ms(1);
    for (;;)
        (void)now_ms();
}

/* It has time to end, but not more processor time than its limit. */
POOL_TEST(killed_over_its_limit, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    posse_job job = {.fn = burning_task,
                     .arg = &gate,
                     .size = sizeof gate,
                     .max_cpu_ms = 300,
                     .grace_ms = 10 * PATIENCE_MS,
                     .flags = POSSE_TERMINATE};
    posse_future future = submitted_job(pool, job);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    free_gate(pool, gate);
}

/* A grace that posse_cancel has begun ends with the time of the group, too. */
POOL_TEST(killed_with_its_group, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    posse_group *group;
    posse_group_options options = {.struct_size = sizeof options, .timeout_ms = 500};
    assert_ok(posse_group_create(pool, &options, &group));
    posse_job job = {.fn = ignoring_task,
                     .arg = &gate,
                     .size = sizeof gate,
                     .grace_ms = 10 * PATIENCE_MS,
                     .group = group,
                     .flags = POSSE_TERMINATE};
    posse_future future = submitted_job(pool, job);
    assert_eventually(atomic_load(&gate->entered) == 1 || posse_done(future));
    (void)posse_cancel(future);
    await_rounds(pool);
    (void)posse_kill(future);
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_CANCELLED || error.status == POSSE_DEADLINE);
    assert_ok(posse_release(future));
    assert_ok(posse_group_destroy(group));
    free_gate(pool, gate);
}

/* posse_cancel has begun the grace: SIGTERM comes all the same. */
POOL_TEST(after_a_cancel, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    look_never();
    posse_future future = submitted_soft(pool, handling_task, gate, 10 * PATIENCE_MS);
    await_entered(gate, 1);
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    await_rounds(pool);
    assert_true(posse_running(future));
    assert_ok(posse_kill(future));
    assert_int_equal(take_long(future), 1);
    free_gate(pool, gate);
}

/* Without the flag a kill is a kill. */
POOL_TEST(not_asked_for, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    posse_job job = {
        .fn = handling_task, .arg = &gate, .size = sizeof gate, .grace_ms = 10 * PATIENCE_MS};
    posse_future future = submitted_job(pool, job);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    free_gate(pool, gate);
}

/* ---- others ---------------------------------------------------------------------------------- */

/* It waits for a task that posse_kill asks to stop. */
static int wait_for(posse_task *task, const void *arg, posse_fn *inner)
{
    posse_job job = {.fn = inner, .grace_ms = 10 * PATIENCE_MS, .flags = POSSE_TERMINATE};
    return wait_in_nest(task, nest_of(arg), job);
}

static int nesting_task(posse_task *task, const void *arg, size_t size)
{
    return wait_for(task, arg, handling_task);
}

static int heeding_nest(posse_task *task, const void *arg, size_t size)
{
    return wait_for(task, arg, heeding_task);
}

/* The task that waits for it on the same worker is lost, as by any posse_kill: SIGTERM may come
 * late. That is no loss that breaks the executor. */
POOL_TEST(on_top_of_another, PROCESSES, 1, .on_worker_lost = POSSE_BREAK)
{
    struct nest *nest = make_nest(pool);
    posse_future outer = SUBMIT_VALUE(pool, nesting_task, nest);
    await_entered(nest->gate, 1);
    assert_ok(posse_kill(nest->inner));
    take_error(outer, POSSE_WORKER_LOST);
    assert_next_ones_work(pool);
    free_nest(pool, nest);
}

/* The inner one ends before the supervisor knows. */
POOL_TEST(on_top_of_another_and_first, PROCESSES, 1, .on_worker_lost = POSSE_BREAK)
{
    struct nest *nest = make_nest(pool);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    pid_t worker = (pid_t)take_long(submitted(pool, process_task, NULL, 0));
    posse_future outer = SUBMIT_VALUE(pool, heeding_nest, nest);
    await_entered(nest->gate, 1);
    assert_int_equal(kill(supervisor, SIGSTOP), 0);
    assert_eventually(process_state(supervisor) == 'T');
    posse_status killed = posse_kill(nest->inner);
    for (long end = now_ms() + PATIENCE_MS / 2; process_state(worker) != 'Z' && now_ms() < end;)
        pause_ms(1);
    char state = process_state(worker);
    assert_int_equal(kill(supervisor, SIGCONT), 0);
    assert_ok(killed);
    assert_int_equal(state, 'Z');
    take_error(outer, POSSE_WORKER_LOST);
    assert_next_ones_work(pool);
    free_nest(pool, nest);
}

static int run_another(posse_task *task)
{
    posse_future inner;
    if (posse_submit(posse_task_executor(task), identity_task, NULL, 0, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, PATIENCE_MS / 10, NULL, NULL);
    (void)posse_release(inner);
    return return_long(task, status);
}

/* Three tasks that do not die of SIGTERM, and wait for a task that nobody else can run. */
static int recursive_task(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    signal(SIGTERM, SIG_IGN);
    enter_gate(*(struct gate *const *)arg);
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task) && now_ms() < end;)
        pause_ms(1);
    return run_another(task);
}

static int blocking_task(posse_task *task, const void *arg, size_t size)
{
    sigset_t blocked;
    int signal;
    (void)size;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    enter_gate(*(struct gate *const *)arg);
    return sigwait(&blocked, &signal) == 0 ? run_another(task) : INNER_FAILED;
}

/* A second SIGTERM would end it. */
static int handling_once_task(posse_task *task, const void *arg, size_t size)
{
    struct sigaction action = {.sa_handler = note_signal, .sa_flags = (int)SA_RESETHAND};
    (void)size;
    terminated = 0;
    sigaction(SIGTERM, &action, NULL);
    enter_gate(*(struct gate *const *)arg);
    for (long end = now_ms() + PATIENCE_MS; !terminated && now_ms() < end;)
        continue; /* any call could hide the second signal */
    return run_another(task);
}

POOL_TEST(goes_on_with_others, PROCESSES, 1)
{
    static posse_fn *const fns[] = {recursive_task, blocking_task, handling_once_task};
    struct gate *gate = make_gate(pool);
    int entered = 0;
    for (size_t i = 0; i < 30; i++) {
        posse_future future = submitted_soft(pool, fns[i % COUNT(fns)], gate, 10 * PATIENCE_MS);
        await_entered(gate, ++entered);
        assert_ok(posse_kill(future));
        assert_int_equal(take_long(future), POSSE_OK);
    }
    assert_next_ones_work(pool);
    free_gate(pool, gate);
}

/* It bears SIGTERM, and runs two others by posse_wait, or by a map. */
struct late {
    struct gate *gate;
    bool maps;
};

static int one_item(posse_task *task, const void *const *items, void *result)
{
    (void)task, (void)items;
    memset(result, 1, 1);
    return 0;
}

static posse_status map_two(posse_executor *pool)
{
    char items[2] = {0}, results[2];
    posse_input input = {.data = items, .size = 1};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = one_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = 2,
                         .chunksize = 1,
                         .unordered = true,
                         .results = results,
                         .result_size = 1};
    return posse_map(pool, &job, NULL);
}

static posse_status wait_for_two(posse_executor *pool)
{
    posse_future futures[2];
    for (int i = 0; i < 2; i++)
        if (posse_submit(pool, identity_task, NULL, 0, &futures[i]) != POSSE_OK)
            return POSSE_BROKEN;
    posse_status status = posse_wait(futures, 2, POSSE_ALL_COMPLETED, PATIENCE_MS / 10, NULL, NULL);
    for (int i = 0; i < 2; i++)
        (void)posse_release(futures[i]);
    return status;
}

static int late_task(posse_task *task, const void *arg, size_t size)
{
    struct late late;
    memcpy(&late, arg, sizeof late);
    (void)size;
    signal(SIGTERM, SIG_IGN);
    enter_gate(late.gate);
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task) && now_ms() < end;)
        pause_ms(1);
    posse_executor *pool = posse_task_executor(task);
    return return_long(task, late.maps ? map_two(pool) : wait_for_two(pool));
}

POOL_TEST(goes_on_with_others_though_the_supervisor_is_late, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    for (int i = 0; i < 2; i++) {
        struct late late = {.gate = gate, .maps = i == 1};
        posse_future future = submitted_job(pool, SOFT(late_task, late, 10 * PATIENCE_MS));
        await_entered(gate, i + 1);
        kill_unseen(supervisor, future, 300);
        assert_int_equal(take_long(future), POSSE_OK);
    }
    free_gate(pool, gate);
}

static int stubborn_nest(posse_task *task, const void *arg, size_t size)
{
    struct nest *nest = nest_of(arg);
    signal(SIGTERM, SIG_IGN);
    enter_gate(nest->gate);
    while (!posse_task_cancelled(task))
        pause_ms(1);
    return nesting_task(task, arg, size);
}

/* Each task that is killed gets SIGTERM, also on top of one that got it before; and none that is
 * for another one, though the supervisor is late. */
POOL_TEST(one_after_the_other, PROCESSES, 1)
{
    struct nest *nest = make_nest(pool);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    posse_future outer = submitted_job(pool, SOFT(stubborn_nest, nest, 10 * PATIENCE_MS));
    await_entered(nest->gate, 1);
    kill_unseen(supervisor, outer, 20);
    await_entered(nest->gate, 2);
    pause_ms(20); /* in which a late SIGTERM would end it */
    assert_ok(posse_kill(nest->inner));
    take_error(outer, POSSE_CANCELLED); /* it was on the same stack */
    assert_next_ones_work(pool);
    free_nest(pool, nest);
}

static int short_task(posse_task *task, const void *arg, size_t size)
{
    for (volatile long i = *(const long *)arg; i > 0; i--)
        continue;
    return return_long(task, getpid());
}

/* SIGTERM comes as the task ends: it never hits the one that is next. */
POOL_TEST(hits_no_other, PROCESSES, 1)
{
    int hit = 0;
    for (int i = 0; i < 300; i++) {
        long steps = rand() % 400000;
        posse_future target = submitted_job(pool, SOFT(short_task, steps, PATIENCE_MS));
        posse_future next[2] = {submitted_long(pool, short_task, 50000),
                                submitted_long(pool, short_task, 50000)};
        while (!posse_running(target) && !posse_done(target))
            ;
        posse_status kill = posse_kill(target);
        posse_status end = error_of(target).status;
        assert_true(end == POSSE_OK || (kill == POSSE_OK && end == POSSE_CANCELLED));
        hit += end == POSSE_CANCELLED;
        assert_ok(posse_release(target));
        take_long(next[0]);
        take_long(next[1]);
    }
    print_message("%d of 300 were hit\n", hit);
    assert_int_equal(stats_of(pool).lost, 0);
}

/* ---- other backends, bad input --------------------------------------------------------------- */

POOL_TEST(threads, THREADS, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_soft(pool, hold_task, gate, PATIENCE_MS);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    open_gate(gate);
    assert_eventually(atomic_load(&gate->passed) == 1);
    free_gate(pool, gate);
}

POOL_TEST(without_a_grace, ALL, 1)
{
    posse_future future;
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .flags = POSSE_TERMINATE};
    assert_status(posse_submit_with(pool, &job, &future), POSSE_INVALID);
    assert_non_null(strstr(posse_last_error(), "grace_ms"));
}
