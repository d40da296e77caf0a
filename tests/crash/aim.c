/* aim.c - deadlines and kills hit the task that they are meant for, and never the one that the
 * worker took next. */
#include "support/support.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static posse_future submitted_for(posse_executor *pool, long ms, long timeout_ms)
{
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .timeout_ms = timeout_ms};
    return submitted_job(pool, job);
}

/* Tasks that end just when their time is up, each with one behind it that has no deadline. */
POOL_TEST(deadlines_beside_the_end, PROCESSES, 2)
{
    enum { ROUNDS = 200 };
    int late = 0;
    for (long i = 0; i < ROUNDS; i++) {
        posse_future close_call = submitted_for(pool, 2, 2);
        posse_future next[2] = {submitted_long(pool, square_task, i),
                                submitted_long(pool, sleep_task, 1)};
        posse_error error = error_of(close_call);
        assert_true(error.status == POSSE_OK || error.status == POSSE_DEADLINE);
        late += error.status == POSSE_DEADLINE;
        assert_ok(posse_release(close_call));
        assert_int_equal(take_long(next[0]), i * i);
        assert_int_equal(take_long(next[1]), 1);
    }
    print_message("%d of %d were late\n", late, ROUNDS);
    assert_int_equal(stats_of(pool).timed_out, late);
    assert_int_equal(stats_of(pool).lost, 0);
}

static void spin_us(long us)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    for (long start = now.tv_nsec; (now.tv_nsec - start + 1000000000) % 1000000000 < us * 1000;)
        clock_gettime(CLOCK_MONOTONIC, &now);
}

/* The same with kills that come from another side at the end of the task. */
POOL_TEST(kills_beside_the_end, PROCESSES, 1)
{
    enum { ROUNDS = 300 };
    int hit = 0;
    for (long i = 0; i < ROUNDS; i++) {
        posse_future target = submitted_long(pool, square_task, i);
        posse_future next = submitted_long(pool, square_task, i);
        spin_us(rand() % 200);
        posse_status kill = posse_kill(target);
        assert_true(kill == POSSE_OK || kill == POSSE_TOO_LATE);
        posse_error error = error_of(target);
        assert_true(error.status == POSSE_CANCELLED || error.status == POSSE_OK);
        assert_true(kill == POSSE_OK || error.status == POSSE_OK);
        hit += error.status == POSSE_CANCELLED;
        assert_ok(posse_release(target));
        assert_int_equal(take_long(next), i * i);
    }
    print_message("%d of %d were hit\n", hit, ROUNDS);
    assert_int_equal(stats_of(pool).lost, 0);
}

/* Many tasks with and without deadlines in one queue: exactly the slow ones with a deadline end
 * by it. */
POOL_TEST(mixed, PROCESSES, 4)
{
    enum { TASKS = 200 };
    posse_future futures[TASKS];
    for (long i = 0; i < TASKS; i++) {
        bool slow = i % 10 == 0;
        futures[i] = submitted_for(pool, slow ? 20000 : 1, slow ? 15 : i % 2 == 0 ? 0 : 20000);
    }
    for (long i = 0; i < TASKS; i++)
        take_error(futures[i], i % 10 == 0 ? POSSE_DEADLINE : POSSE_OK);
    assert_int_equal(stats_of(pool).timed_out, TASKS / 10);
    assert_int_equal(stats_of(pool).workers_lost, TASKS / 10);
}

static posse_status call_kill(void *future) { return posse_kill(*(posse_future *)future); }

/* Several threads kill the same task: it dies once, and the next one lives. */
POOL_TEST(killed_by_many, PROCESSES, 1)
{
    struct gate *gate = make_gate(pool);
    for (int round = 1; round <= 30; round++) {
        struct caller callers[3];
        posse_future target = submitted_hold(pool, gate);
        posse_future next = submitted_long(pool, square_task, round);
        await_entered(gate, round);
        for (int i = 0; i < 3; i++)
            start_call(&callers[i], call_kill, &target);
        take_error(target, POSSE_CANCELLED);
        assert_int_equal(take_long(next), (long)round * round);
        for (int i = 0; i < 3; i++)
            end_call(&callers[i]); /* which of them came in time, nobody can say */
    }
    assert_int_equal(stats_of(pool).workers_lost, 30);
    free_gate(pool, gate);
}

/* Each task writes down who runs it, so that somebody can kill workers while they are busy. */
enum { WORKERS = 4 };
struct roster {
    _Atomic long pids[WORKERS];
    _Atomic int stop;
    _Atomic int kills;
};

struct order {
    struct roster *roster;
    long value;
};

static int listed_task(posse_task *task, const void *arg, size_t size)
{
    struct order order = *(const struct order *)arg;
    atomic_store(&order.roster->pids[posse_task_worker(task)], identity());
    return order.value % 9 == 0 ? fib_task(task, &(long){order.value % 6}, sizeof(long))
                                : return_long(task, order.value);
}

static posse_status kill_at_random(void *context)
{
    struct roster *roster = context;
    unsigned seed = (unsigned)now_ms();
    while (!atomic_load(&roster->stop)) {
        long pid = atomic_exchange(&roster->pids[(unsigned)rand_r(&seed) % WORKERS], 0);
        if (pid != 0)
            atomic_fetch_add(&roster->kills, kill((pid_t)pid, SIGKILL) == 0);
        pause_ms(rand_r(&seed) % 5);
    }
    return POSSE_OK;
}

static const long fibs[] = {0, 1, 1, 2, 3, 5};

/* How a listed task ended, lost or right. A task may also have lost one of its inner tasks. */
static bool is_lost(posse_future future, long value)
{
    posse_error error = error_of(future);
    if (error.status == POSSE_OK) {
        assert_int_equal(take_long(future), value % 9 == 0 ? fibs[value % 6] : value);
        return false;
    }
    assert_true(error.status == POSSE_WORKER_LOST || error.code == INNER_FAILED);
    assert_ok(posse_release(future));
    return true;
}

/* Random workers are killed while thousands of tasks run: every future is accounted for, and no
 * kill costs more than one of the program's tasks. */
POOL_TEST(chaos, PROCESSES, WORKERS)
{
    enum { TASKS = 20000 };
    static posse_future futures[TASKS];
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct roster), &memory));
    struct roster *roster = memset(memory, 0, sizeof *roster);
    struct caller killer;
    int lost = 0;
    start_call(&killer, kill_at_random, roster);
    for (long i = 0; i < TASKS; i++) {
        struct order order = {roster, i};
        futures[i] = SUBMIT_VALUE(pool, listed_task, order);
    }
    for (long i = 0; i < TASKS; i++)
        lost += is_lost(futures[i], i);
    atomic_store(&roster->stop, 1);
    end_call(&killer);
    print_message("%d kills, %d tasks lost\n", atomic_load(&roster->kills), lost);
    assert_in_range(lost, 0, atomic_load(&roster->kills));
    assert_eventually(stats_of(pool).workers == WORKERS);
    assert_eventually(stats_of(pool).queued + stats_of(pool).running == 0);
    assert_ok(posse_free(pool, memory));
}
