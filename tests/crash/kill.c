/* kill.c - workers that are killed or stopped from outside: one future is lost, and nothing
 * else. */
#include "support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Workers that stand at a gate. */
#define MOST 8
struct held {
    posse_executor *pool;
    struct gate *gate;
    posse_future futures[MOST];
    int count;
};

static struct held make_held(int workers)
{
    struct held held = {.pool = make_pool(workers), .count = workers};
    held.gate = make_gate(held.pool);
    for (int i = 0; i < workers; i++)
        held.futures[i] = submitted_hold(held.pool, held.gate);
    await_entered(held.gate, workers);
    return held;
}

static void end_held(struct held *held)
{
    assert_eventually(stats_of(held->pool).workers == (uint64_t)held->count);
    assert_int_equal(take_long(submitted_long(held->pool, square_task, 12)), 144);
    free_gate(held->pool, held->gate);
    end_pool(held->pool);
}

static pid_t pid_at(struct held *held, int place)
{
    return (pid_t)atomic_load(&held->gate->who[place]);
}

static void assert_lost_to(posse_future future, int signal)
{
    posse_error error = take_error(future, POSSE_WORKER_LOST);
    assert_int_equal(error.signal, signal);
    assert_int_equal(error.exit_code, -1);
    assert_int_equal(error.attempt, 1);
    assert_true(error.pid > 0);
    assert_true(error.message[0] != '\0');
}

/* Kills one of three busy workers: its future alone is lost, and says who it was. */
static void assert_one_is_lost(int signal)
{
    struct held held = make_held(3);
    pid_t victim = pid_at(&held, 1);
    int lost = 0;
    kill(victim, signal);
    assert_eventually(stats_of(held.pool).workers_lost == 1);
    open_gate(held.gate);
    for (int i = 0; i < held.count; i++) {
        posse_error error = error_of(held.futures[i]);
        if (error.status == POSSE_WORKER_LOST) {
            assert_int_equal(error.pid, victim);
            assert_lost_to(held.futures[i], signal);
            lost++;
        } else {
            assert_int_not_equal(take_long(held.futures[i]), victim);
        }
    }
    assert_int_equal(lost, 1);
    assert_int_equal(stats_of(held.pool).lost, 1);
    end_held(&held);
}

TEST(busy_worker, PROCESSES) { assert_one_is_lost(SIGKILL); }

TEST(P03_terminated_worker, PROCESSES) { assert_one_is_lost(SIGTERM); }

/* A caller that waits is woken, and each error is a value of its own. */
TEST(P04_waiters_are_told, PROCESSES)
{
    struct held held = make_held(2);
    struct caller callers[2];
    for (int i = 0; i < 2; i++) {
        start_call(&callers[i], call_result, &held.futures[i]);
        await_parked(&callers[i]);
    }
    kill(pid_at(&held, 0), SIGKILL);
    kill(pid_at(&held, 1), SIGSEGV);
    assert_status(end_call(&callers[0]), POSSE_WORKER_LOST);
    assert_status(end_call(&callers[1]), POSSE_WORKER_LOST);
    posse_error first = take_error(held.futures[0], POSSE_WORKER_LOST);
    posse_error second = take_error(held.futures[1], POSSE_WORKER_LOST);
    assert_int_equal(first.signal + second.signal, SIGKILL + SIGSEGV);
    assert_int_not_equal(first.pid, second.pid);
    end_held(&held);
}

POOL_TEST(idle_worker, PROCESSES, 1)
{
    for (int i = 0; i < 5; i++) {
        pid_t pid = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
        assert_eventually(stats_of(pool).workers_idle == 1);
        kill(pid, SIGKILL);
        assert_int_not_equal(take_long(submitted(pool, identity_task, NULL, 0)), pid);
    }
    assert_int_equal(stats_of(pool).workers_lost, 5);
    assert_int_equal(stats_of(pool).lost, 0);
}

/* All at the same instant, with more tasks waiting: those run later. */
TEST(all_at_once, PROCESSES)
{
    struct held held = make_held(4);
    posse_future waiting[20];
    for (size_t i = 0; i < COUNT(waiting); i++)
        waiting[i] = submitted_long(held.pool, square_task, (long)i);
    for (int i = 0; i < held.count; i++)
        kill(pid_at(&held, i), SIGKILL);
    for (int i = 0; i < held.count; i++)
        assert_lost_to(held.futures[i], SIGKILL);
    for (size_t i = 0; i < COUNT(waiting); i++)
        assert_int_equal(take_long(waiting[i]), (long)(i * i));
    assert_int_equal(stats_of(held.pool).workers_lost, 4);
    end_held(&held);
}

TEST(all_idle_ones_at_once, PROCESSES)
{
    struct held held = make_held(4);
    open_gate(held.gate);
    for (int i = 0; i < held.count; i++)
        take_long(held.futures[i]);
    assert_eventually(stats_of(held.pool).workers_idle == 4);
    for (int i = 0; i < held.count; i++)
        kill(pid_at(&held, i), SIGKILL);
    assert_eventually(stats_of(held.pool).workers_lost == 4);
    assert_int_equal(stats_of(held.pool).lost, 0);
    end_held(&held);
}

/* A worker that is stopped and goes on later has lost nothing. */
TEST(stopped_and_continued, PROCESSES)
{
    struct held held = make_held(2);
    kill(pid_at(&held, 0), SIGSTOP);
    open_gate(held.gate);
    assert_eventually(posse_done(held.futures[0]) || posse_done(held.futures[1]));
    await_rounds(held.pool);
    assert_false(posse_done(held.futures[0]) && posse_done(held.futures[1]));
    kill(pid_at(&held, 0), SIGCONT);
    take_long(held.futures[0]);
    take_long(held.futures[1]);
    assert_int_equal(stats_of(held.pool).workers_lost, 0);
    end_held(&held);
}

TEST(stopped_and_killed, PROCESSES)
{
    struct held held = make_held(1);
    kill(pid_at(&held, 0), SIGSTOP);
    assert_eventually(process_state(pid_at(&held, 0)) == 'T');
    assert_ok(posse_kill(held.futures[0]));
    take_error(held.futures[0], POSSE_CANCELLED);
    end_held(&held);
}

/* A task that stops itself is ended by its deadline, or by posse_kill. */
POOL_TEST(stops_itself, PROCESSES, 1)
{
    long signal = SIGSTOP;
    posse_job job = {.fn = signal_task, .arg = &signal, .size = sizeof signal, .timeout_ms = 50};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    posse_future future = submitted_long(pool, signal_task, SIGSTOP);
    assert_eventually(posse_running(future));
    pause_ms(20);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_int_equal(take_long(submitted_long(pool, square_task, 12)), 144);
}

/* Starts a child, lets the gate know, and stays. */
static int breeding_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate = *(struct gate *const *)arg;
    pid_t child = fork();
    if (child == 0) {
        atomic_store(&gate->who[10], getpid());
        pause();
        _exit(0);
    }
    for (int looks = 0; looks < PATIENCE_MS && atomic_load(&gate->who[10]) == 0; looks++)
        pause_ms(1);
    return hold_task(task, arg, size);
}

/* What a task has started dies with it, whoever kills it. */
static void assert_children_die(bool from_outside)
{
    posse_executor *pool = make_pool(1);
    struct gate *gate = make_gate(pool);
    posse_future future = SUBMIT_VALUE(pool, breeding_task, gate);
    await_entered(gate, 1);
    pid_t child = (pid_t)atomic_load(&gate->who[10]);
    assert_true(child > 0 && process_lives(child));
    if (from_outside)
        kill((pid_t)atomic_load(&gate->who[0]), SIGKILL);
    else
        assert_ok(posse_kill(future));
    take_error(future, from_outside ? POSSE_WORKER_LOST : POSSE_CANCELLED);
    assert_eventually(!process_lives(child));
    free_gate(pool, gate);
    end_pool(pool);
}

TEST(children_of_a_task, PROCESSES)
{
    assert_children_die(false);
    assert_children_die(true);
}

/* A worker that dies after shutdown was called holds nobody up. */
TEST(D13_shutdown_deadlock, PROCESSES)
{
    struct held held = make_held(2);
    posse_future waiting = submitted_long(held.pool, square_task, 5);
    struct caller caller;
    start_call(&caller, call_shutdown, held.pool);
    await_parked(&caller);
    kill(pid_at(&held, 0), SIGKILL);
    kill(pid_at(&held, 1), SIGKILL);
    assert_lost_to(held.futures[0], SIGKILL);
    assert_lost_to(held.futures[1], SIGKILL);
    assert_ok(end_call(&caller));
    assert_int_equal(take_long(waiting), 25);
    free_gate(held.pool, held.gate);
    end_pool(held.pool);
}

/* The worker dies while it holds large blocks: its argument, its result, memory of its own. */
static int hoarding_task(posse_task *task, const void *arg, size_t size)
{
    void *memory;
    if (posse_task_return(task, arg, size) != POSSE_OK ||
        posse_alloc(posse_task_executor(task), size, &memory) != POSSE_OK)
        return GAVE_UP;
    memset(memory, 1, size);
    raise(SIGKILL);
    return GAVE_UP;
}

TEST(D15_crash_with_big_data, PROCESSES)
{
    enum { SIZE = 1 << 20 };
    char *bytes = calloc(1, SIZE);
    posse_executor *pool = make_pool(2);
    posse_future futures[10];
    assert_non_null(bytes);
    for (size_t i = 0; i < COUNT(futures); i++)
        futures[i] = submitted(pool, i % 2 == 0 ? hoarding_task : echo_task, bytes, SIZE);
    for (size_t i = 0; i < COUNT(futures); i++)
        take_error(futures[i], i % 2 == 0 ? POSSE_WORKER_LOST : POSSE_OK);
    free(bytes);
    end_pool(pool); /* which also asserts that no block is left */
}
