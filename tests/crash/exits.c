/* exits.c - tasks that end their worker, or go wild in it: each costs its one future at most. */
#include "support/support.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void assert_goes_on(posse_executor *pool)
{
    assert_int_equal(take_long(submitted_long(pool, square_task, 9)), 81);
}

static void assert_lost_by_signal(posse_fn *fn, long signal)
{
    posse_error error = lost_by(fn, &signal, sizeof signal);
    assert_int_equal(error.signal, signal);
    assert_int_equal(error.exit_code, -1);
}

static void assert_lost_by_exit(posse_fn *fn, long code)
{
    posse_error error = lost_by(fn, &code, sizeof code);
    assert_int_equal(error.signal, 0);
    assert_int_equal(error.exit_code, code);
}

/* The runner itself handles some of these signals, so a worker that kept its handlers would not
 * die. */
TEST(D05_crash_during_run, PROCESSES)
{
    static const int signals[] = {SIGSEGV, SIGBUS,  SIGFPE, SIGILL,
                                  SIGABRT, SIGKILL, SIGSYS, SIGTRAP};
    for (size_t i = 0; i < COUNT(signals); i++)
        assert_lost_by_signal(signal_task, signals[i]);
}

/* Signals that end a program by default end a worker too. */
TEST(other_deadly_signals, PROCESSES)
{
    static const int signals[] = {SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGXFSZ};
    for (size_t i = 0; i < COUNT(signals); i++)
        assert_lost_by_signal(signal_task, signals[i]);
}

/* Ctrl-C in the terminal reaches all; it is for the program to decide. */
POOL_TEST(terminal_signals_are_ignored, PROCESSES, 1)
{
    static const int signals[] = {SIGINT, SIGQUIT};
    for (size_t i = 0; i < COUNT(signals); i++) {
        posse_error error =
            take_error(submitted_long(pool, signal_task, signals[i]), POSSE_TASK_FAILED);
        assert_int_equal(error.code, GAVE_UP);
    }
    assert_int_equal(stats_of(pool).workers_lost, 0);
}

TEST(P07_exit_code, PROCESSES)
{
    assert_lost_by_exit(exit_task, 99);
    assert_lost_by_exit(exit_task, 0);
}

static int libc_exit_task(posse_task *task, const void *arg, size_t size)
{
    exit((int)*(const long *)arg);
}

TEST(D06_exit_during_run, PROCESSES) { assert_lost_by_exit(libc_exit_task, 1); }

#ifndef SANITIZED /* whose own thread would go on, or who would see a leak */
static int pthread_exit_task(posse_task *task, const void *arg, size_t size) { pthread_exit(NULL); }

TEST(D06_thread_exit_during_run, PROCESSES) { assert_lost_by_exit(pthread_exit_task, 0); }
#endif

static int abort_task(posse_task *task, const void *arg, size_t size) { abort(); }

/* These two do what sanitizers are there to prevent. */
#define WILD __attribute__((no_sanitize("undefined", "address")))

WILD static int null_pointer_task(posse_task *task, const void *arg, size_t size)
{
    int *volatile nowhere = NULL;
    return *nowhere;
}

static volatile int bottomless = 1;

WILD static int dig(volatile char *above)
{
    volatile char frame[4096];
    frame[0] = *above;
    return bottomless ? dig(frame) + frame[0] : 0;
}

static int overflow_task(posse_task *task, const void *arg, size_t size)
{
    volatile char start = 0;
    return dig(&start);
}

TEST(crashes_of_all_kinds, PROCESSES)
{
    assert_lost_by_signal(abort_task, SIGABRT);
    assert_lost_by_signal(null_pointer_task, SIGSEGV);
    assert_lost_by_signal(overflow_task, SIGSEGV);
}

static int closing_task(posse_task *task, const void *arg, size_t size)
{
    for (int fd = 0; fd < 1024; fd++)
        close(fd);
    return return_long(task, 1);
}

/* Also the descriptors that the library needs: the worker may be lost, the pool not. */
POOL_TEST(closes_all_descriptors, PROCESSES, 1)
{
    for (int i = 0; i < 3; i++) {
        posse_future future = submitted(pool, closing_task, NULL, 0);
        posse_status status = posse_result(future, -1, NULL, NULL);
        assert_true(status == POSSE_OK || status == POSSE_WORKER_LOST);
        assert_ok(posse_release(future));
        assert_goes_on(pool);
    }
    take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_goes_on(pool);
}

/* Returns in two processes; only the first is the worker. The second could end the task a second
 * time. */
static int twice_returning_task(posse_task *task, const void *arg, size_t size)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        return return_long(task, -1);
    if (child < 0 || waitpid(child, &status, 0) != child)
        return GAVE_UP;
    return return_long(task, 5);
}

POOL_TEST(returns_in_a_forked_child, PROCESSES, 1)
{
    for (int i = 0; i < 20; i++)
        assert_int_equal(take_long(submitted(pool, twice_returning_task, NULL, 0)), 5);
    assert_int_equal(stats_of(pool).done, 20);
}

/* Dies in all runs before the one that is given; then gives its number. */
static int unlucky_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_attempt(task) < *(const long *)arg)
        raise(SIGKILL);
    return return_long(task, posse_task_attempt(task));
}

static posse_future submitted_unlucky(posse_executor *pool, long lucky_run, long retries)
{
    posse_job job = {
        .fn = unlucky_task, .arg = &lucky_run, .size = sizeof lucky_run, .retries = retries};
    return submitted_job(pool, job);
}

POOL_TEST(retries, PROCESSES, 2)
{
    for (long run = 1; run <= 4; run++) {
        posse_future future = submitted_unlucky(pool, run, 3);
        assert_int_equal(error_of(future).attempt, run);
        assert_int_equal(take_long(future), run);
    }
    assert_int_equal(take_error(submitted_unlucky(pool, 5, 3), POSSE_WORKER_LOST).attempt, 4);
    assert_int_equal(take_error(submitted_unlucky(pool, 2, 0), POSSE_WORKER_LOST).attempt, 1);
    assert_int_equal(stats_of(pool).workers_lost, 0 + 1 + 2 + 3 + 4 + 1);
    assert_int_equal(stats_of(pool).lost, 2);
}

POOL_TEST(retries_of_the_executor, PROCESSES, 1, .retries = 2)
{
    assert_int_equal(take_long(submitted_long(pool, unlucky_task, 3)), 3);
    assert_int_equal(take_long(submitted_unlucky(pool, 3, 0)), 3);
    assert_int_equal(take_error(submitted_unlucky(pool, 2, -1), POSSE_WORKER_LOST).attempt, 1);
    assert_int_equal(take_error(submitted_unlucky(pool, 9, 1), POSSE_WORKER_LOST).attempt, 2);
}

/* The argument is there in each run; what an earlier run returned, or said of its failure, is
 * gone. */
static int half_done_task(posse_task *task, const void *arg, size_t size)
{
    if (size != 5000 || strcmp(arg, "bytes") != 0)
        return WRONG_ARG;
    if (posse_task_attempt(task) < 4) {
        posse_task_return(task, arg, posse_task_attempt(task) == 1 ? 10 : size);
        posse_task_fail(task, 1, "half done");
        raise(SIGKILL);
    }
    return 0;
}

POOL_TEST(retry_starts_anew, PROCESSES, 1)
{
    static char bytes[5000] = "bytes";
    posse_job job = {.fn = half_done_task, .arg = bytes, .size = sizeof bytes, .retries = 3};
    posse_future future = submitted_job(pool, job);
    size_t size = 99;
    assert_ok(posse_result(future, -1, NULL, &size));
    assert_int_equal(size, 0);
    assert_ok(posse_release(future));
}
