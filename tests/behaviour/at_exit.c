/* at_exit.c - the program exits while tasks are left, with wait_at_exit and without. Each program
 * is a forked child that calls exit. */
#include "support/support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct shared {
    _Atomic long begun;
    _Atomic long ended;
    _Atomic long go_on;
    _Atomic long status; /* 1 + what a call gave */
};

static struct shared *shared;
static posse_executor *kept[3]; /* where a look for leaks finds them */

static int apple_task(posse_task *task, const void *arg, size_t size)
{
    atomic_fetch_add(&shared->begun, 1);
    pause_ms(100);
    printf("apple\n");
    atomic_fetch_add(&shared->ended, 1);
    return 0;
}

static posse_executor *open_waiting(int place, bool wait)
{
    posse_options options = OPTIONS(1, .wait_at_exit = wait);
    return posse_create(&options, &kept[place]) == POSSE_OK ? kept[place] : NULL;
}

static bool submit_apples(posse_executor *pool, int count)
{
    for (int i = 0; i < count; i++)
        if (posse_submit(pool, apple_task, NULL, 0, NULL) != POSSE_OK)
            return false;
    return true;
}

/* Runs a program; what it wrote to stdout and stderr. Asserts its status. */
static void run_program(int (*body)(void *), int expected, char *output, size_t capacity)
{
    int pipe_ends[2];
    ssize_t length;
    size_t used = 0;
    shared = make_shared(sizeof *shared);
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        time_limit(TIME_LIMIT);
        dup2(pipe_ends[1], STDOUT_FILENO);
        dup2(pipe_ends[1], STDERR_FILENO);
        exit(body(NULL));
    }
    close(pipe_ends[1]);
    while ((length = read(pipe_ends[0], output + used, capacity - 1 - used)) > 0)
        used += (size_t)length;
    output[used] = '\0';
    close(pipe_ends[0]);
    int status = wait_status(child);
    assert_false(WIFSIGNALED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void end_program(void) { free_shared(shared, sizeof *shared); }

/* Runs a program that must write just this. What it counted is there until end_program. */
static void assert_program(int (*body)(void *), int expected, const char *text)
{
    char output[200];
    run_program(body, expected, output, sizeof output);
    assert_string_equal(output, text);
}

/* ---- programs ---- */

static int three_apples(void *context)
{
    posse_executor *pool = open_waiting(0, true);
    REQUIRE(pool != NULL && submit_apples(pool, 3));
    return 3;
}

TEST(S02_interpreter_shutdown, FORKED)
{
    assert_program(three_apples, 3, "apple\napple\napple\n");
    assert_int_equal(atomic_load(&shared->ended), 3);
    end_program();
}

static void submit_late(void)
{
    posse_status status = posse_submit(kept[0], apple_task, NULL, 0, NULL);
    atomic_store(&shared->status, 1 + (long)status);
}

/* Its handler runs after ours, as it was there before. */
static int submits_late(void *context)
{
    REQUIRE(atexit(submit_late) == 0);
    posse_executor *pool = open_waiting(0, true);
    REQUIRE(pool != NULL && submit_apples(pool, 1));
    return 0;
}

TEST(S03_submit_after_interpreter_shutdown, FORKED)
{
    assert_program(submits_late, 0, "apple\n");
    assert_int_equal(atomic_load(&shared->status), 1 + POSSE_SHUT_DOWN);
    end_program();
}

static int shuts_down_without_waiting(void *context)
{
    posse_executor *pool = open_waiting(0, true);
    REQUIRE(pool != NULL && submit_apples(pool, 2));
    return posse_shutdown(pool, POSSE_NO_WAIT, -1) == POSSE_OK ? 0 : 1;
}

TEST(S06_hang_gh83386, FORKED)
{
    assert_program(shuts_down_without_waiting, 0, "apple\napple\n");
    end_program();
}

static int cancels(void *context)
{
    posse_executor *pool = open_waiting(0, true);
    REQUIRE(pool != NULL && submit_apples(pool, 5));
    return posse_shutdown(pool, POSSE_NO_WAIT | POSSE_CANCEL_FUTURES, -1) == POSSE_OK ? 0 : 1;
}

TEST(S14_cancel_futures_wait_false, FORKED)
{
    char output[100];
    run_program(cancels, 0, output, sizeof output);
    if (backend() != POSSE_INLINE)
        assert_true(strcmp(output, "apple\n") == 0 || strcmp(output, "") == 0);
    end_program();
}

/* Without the option exit waits for nothing. */
static int does_not_wait(void *context)
{
    posse_executor *pool = open_waiting(0, false);
    REQUIRE(pool != NULL && submit_apples(pool, 50));
    return 0;
}

TEST(not_waited_for, PARALLEL_FORKED)
{
    char output[500];
    run_program(does_not_wait, 0, output, sizeof output);
    assert_in_range(atomic_load(&shared->ended), 0, 10);
    end_program();
}

/* Several, of which one is destroyed before. */
static int several(void *context)
{
    for (int i = 0; i < 3; i++)
        REQUIRE(open_waiting(i, true) != NULL && submit_apples(kept[i], 1));
    REQUIRE(posse_shutdown(kept[1], 0, -1) == POSSE_OK);
    return posse_destroy(kept[1]) == POSSE_OK ? 0 : 1;
}

TEST(several_executors, FORKED)
{
    assert_program(several, 0, "apple\napple\napple\n");
    end_program();
}

static int wait_for_go_task(posse_task *task, const void *arg, size_t size)
{
    atomic_fetch_add(&shared->begun, 1);
    while (atomic_load(&shared->go_on) == 0)
        pause_ms(1);
    atomic_fetch_add(&shared->ended, 1);
    return 0;
}

/* A child of the program that exits does not wait for its parent's tasks, and has its own. */
static int forks(void *context)
{
    int status;
    posse_executor *pool = open_waiting(0, true);
    REQUIRE(pool != NULL && posse_submit(pool, wait_for_go_task, NULL, 0, NULL) == POSSE_OK);
    while (atomic_load(&shared->begun) == 0)
        pause_ms(1);
    for (int i = 0; i < 2; i++) {
        pid_t child = fork();
        REQUIRE(child >= 0);
        if (child == 0)
            exit(i == 0 || (open_waiting(1, true) != NULL && submit_apples(kept[1], 1)) ? 5 : 1);
        REQUIRE(waitpid(child, &status, 0) == child && WIFEXITED(status));
        REQUIRE(WEXITSTATUS(status) == 5 && atomic_load(&shared->ended) == i);
        REQUIRE(i == 1 || atomic_load(&shared->ended) == 0);
    }
    atomic_store(&shared->go_on, 1);
    return 0;
}

#ifdef SANITIZED
#define FORKING PROCESSES /* it looks for leaks in a child that has not all of its threads */
#else
#define FORKING PARALLEL
#endif

TEST(forked_child, FORKED &FORKING)
{
    assert_program(forks, 0, "apple\n");
    assert_int_equal(atomic_load(&shared->ended), 2);
    end_program();
}

static void *destroy_soon(void *context)
{
    pause_ms(50);
    posse_destroy(kept[0]);
    return NULL;
}

static void let_go(void) { atomic_store(&shared->go_on, 1); }

/* Another thread destroys it while exit waits: exit goes on. A thread's task is let go by the
 * program itself, as destroy waits for it. */
static int destroys_meanwhile(void *context)
{
    pthread_t thread;
    REQUIRE(atexit(let_go) == 0);
    posse_executor *pool = open_waiting(0, true);
    REQUIRE(pool != NULL && posse_submit(pool, wait_for_go_task, NULL, 0, NULL) == POSSE_OK);
    REQUIRE(pthread_create(&thread, NULL, destroy_soon, NULL) == 0);
    pthread_detach(thread);
    return 0;
}

TEST(destroyed_while_it_waits, PARALLEL_FORKED)
{
    assert_program(destroys_meanwhile, 0, "");
    end_program();
}
