/* fork.c - programs and tasks that fork: the child is told that nothing here is its own, and
 * harms nothing. See also fork_calls.c. */
#include "support/refused.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's own pools are its own. */
static int makes_own_pool(void *owned)
{
    posse_executor *pool = open_pool(1);
    posse_future future;
    long value = 0;
    REQUIRE(all_refused(owned) == 0);
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, identity_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result_into(future, -1, &value, sizeof value, NULL) == POSSE_OK && value > 0);
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

TEST(child_makes_its_own_pool, FORKED)
{
    struct owned *owned = make_owned();
    assert_child(makes_own_pool, owned);
    end_owned(owned);
}

static int sleeps(void *context)
{
    pause(); /* until it is killed */
    return 1;
}

/* A child that lives longer than the pool, with copies of all descriptors, is no hindrance. */
TEST(child_outlives_the_pool, ALL)
{
    posse_executor *pool = make_pool(2);
    pid_t child = start_child(sleeps, NULL);
    assert_int_equal(take_long(submitted_long(pool, square_task, 7)), 49);
    end_pool(pool);
    assert_eventually(count_processes() == 1); /* the child alone */
    kill(child, SIGKILL);
    assert_true(WIFSIGNALED(wait_status(child)));
}

/* Forks in the task; the child leaves as a program does. */
static int forking_task(posse_task *task, const void *arg, size_t size)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return GAVE_UP;
    return return_long(task, status);
}

POOL_TEST(T06_fork_in_a_task, ALL, 2)
{
    for (int i = 0; i < 20; i++)
        assert_int_equal(take_long(submitted(pool, forking_task, NULL, 0)), 0);
}

/* In the child of a task: the executor that the task may use is not the child's. */
static int forked_submit_task(posse_task *task, const void *arg, size_t size)
{
    int status = 0;
    posse_executor *pool = posse_task_executor(task);
    pid_t child = fork();
    if (child == 0) {
        bool refused = posse_submit(pool, identity_task, NULL, 0, NULL) == POSSE_WRONG_PROCESS &&
                       posse_task_return(task, "child", 6) == POSSE_WRONG_PROCESS;
        _exit(refused ? 0 : 1);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return GAVE_UP;
    return return_long(task, status);
}

POOL_TEST(T06_fork_in_a_task_is_refused, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, forked_submit_task, NULL, 0)), 0);
}

/* A pool that never stops submitting, while pools of processes are forked from the same program. */
struct churn {
    posse_executor *pool;
    _Atomic int stop;
};

static posse_status keep_busy(void *context)
{
    struct churn *churn = context;
    posse_status status = POSSE_OK;
    while (status == POSSE_OK && !atomic_load(&churn->stop)) {
        posse_future future;
        status = posse_submit(churn->pool, identity_task, NULL, 0, &future);
        if (status == POSSE_OK) {
            status = posse_result(future, -1, NULL, NULL);
            posse_release(future);
        }
    }
    return status;
}

TEST(T05_pools_beside_a_busy_pool, ALL)
{
    struct churn churn = {.pool = make_pool(2)};
    struct caller callers[2];
    for (size_t i = 0; i < COUNT(callers); i++)
        start_call(&callers[i], keep_busy, &churn);
    for (long i = 0; i < 50; i++) {
        posse_options options = {.struct_size = sizeof options, .max_workers = 1};
        posse_executor *pool = make_pool_with(options);
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
        end_pool(pool);
    }
    atomic_store(&churn.stop, 1);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    end_pool(churn.pool);
}

/* The program ends with a pool that was shut down without waiting, or was not shut down at all. */
static int leaves_by_exit(void *context)
{
    posse_executor *pool = open_pool(2);
    long ms = 20;
    REQUIRE(pool != NULL);
    for (int i = 0; i < 10; i++)
        REQUIRE(posse_submit(pool, sleep_task, &ms, sizeof ms, NULL) == POSSE_OK);
    if (context != NULL)
        REQUIRE(posse_shutdown(pool, *(unsigned *)context, 0) == POSSE_OK);
    exit(0);
}

TEST(S06_exit_after_shutdown_without_waiting, FORKED)
{
    unsigned flags[] = {POSSE_NO_WAIT, POSSE_NO_WAIT | POSSE_CANCEL_FUTURES};
    fflush(NULL); /* the child exits as a program does, and must not print this again */
    assert_child(leaves_by_exit, &flags[0]);
    assert_child(leaves_by_exit, &flags[1]);
    assert_child(leaves_by_exit, NULL);
}
