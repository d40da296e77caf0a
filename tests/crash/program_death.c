/* program_death.c - the program is killed: within a second no worker lives and no shared memory is
 * held.
 *
 * The program is a forked child here. Its workers and its supervisor are found by what they
 * inherited from the runner, so none can hide.
 */
#include "support/support.h"

#include <limits.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What the program tells the runner, in memory that both share. */
struct word {
    _Atomic int ready;
    _Atomic long helper; /* a process that outlives the program */
};

static struct word *word;

static void kill_program(pid_t program)
{
    kill(program, SIGKILL);
    assert_true(WIFSIGNALED(wait_status(program)));
}

static void assert_all_die(int but)
{
    assert_eventually(count_processes() == but);
    assert_eventually(count_new_names() == 0);
}

static void assert_dies_with(int (*program)(void *), void *context)
{
    word = make_shared(sizeof *word);
    pid_t pid = start_child(program, context);
    assert_eventually(atomic_load(&word->ready));
    pause_ms(20);
    assert_true(count_processes() > 1);
    kill_program(pid);
    pid_t helper = (pid_t)atomic_load(&word->helper);
    assert_all_die(helper != 0);
    if (helper != 0)
        kill(helper, SIGKILL);
    free_shared(word, sizeof *word);
}

static _Noreturn void stay(void)
{
    atomic_store(&word->ready, 1);
    for (;;)
        pause();
}

static int idle_program(void *context)
{
    REQUIRE(open_pool(*(int *)context) != NULL);
    stay();
}

TEST(idle, PROCESSES)
{
    int workers = 4;
    assert_dies_with(idle_program, &workers);
    workers = 60;
    assert_dies_with(idle_program, &workers);
}

/* Tasks that sleep, that compute, that are deaf to signals or have children. */
static int sleeping_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    return sleep_task(task, arg, size);
}

static int spinning_task(posse_task *task, const void *arg, size_t size)
{
    while (!posse_task_cancelled(task)) {
    }
    return 0;
}

static int parent_of_sleeper_task(posse_task *task, const void *arg, size_t size)
{
    if (fork() == 0)
        for (;;)
            pause();
    return sleep_task(task, arg, size);
}

static int busy_program(void *context)
{
    static posse_fn *const tasks[] = {sleeping_task, spinning_task, parent_of_sleeper_task};
    posse_executor *pool = open_pool(3);
    long ms = 100000;
    REQUIRE(pool != NULL);
    for (size_t i = 0; i < 30; i++)
        REQUIRE(posse_submit(pool, tasks[i % 3], &ms, sizeof ms, NULL) == POSSE_OK);
    stay();
}

TEST(busy, PROCESSES) { assert_dies_with(busy_program, NULL); }

static int waiting_program(void *context)
{
    posse_executor *pool = open_pool(2);
    posse_future future;
    long ms = 100000;
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, sleep_task, &ms, sizeof ms, &future) == POSSE_OK);
    atomic_store(&word->ready, 1);
    return posse_result(future, -1, NULL, NULL) == POSSE_OK;
}

TEST(waiting, PROCESSES) { assert_dies_with(waiting_program, NULL); }

static int shut_down_program(void *context)
{
    posse_executor *pool = open_pool(2);
    long ms = 100000;
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, sleep_task, &ms, sizeof ms, NULL) == POSSE_OK);
    REQUIRE(posse_shutdown(pool, POSSE_NO_WAIT, 0) == POSSE_OK);
    stay();
}

TEST(shut_down, PROCESSES) { assert_dies_with(shut_down_program, NULL); }

/* A child of the program has copies of all its descriptors, so none of them closes when the
 * program dies. */
static int forking_program(void *context)
{
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL);
    pid_t helper = fork();
    if (helper == 0)
        for (;;)
            pause();
    atomic_store(&word->helper, helper);
    stay();
}

TEST(with_a_child_that_lives_on, PROCESSES) { assert_dies_with(forking_program, NULL); }

/* The same process runs another program: it has not died, and yet all that belonged to the old
 * one must go. */
static int replaced_program(void *context)
{
    REQUIRE(open_pool(2) != NULL);
    execlp("sleep", "sleep", "30", (char *)NULL);
    return 1;
}

TEST(exec, PROCESSES)
{
    pid_t program = start_child(replaced_program, NULL);
    assert_all_die(0);
    assert_true(process_lives(program));
    kill_program(program);
}

/* A kill between making a name in /dev/shm and removing it leaves the name, but no memory. */
static void remove_empty_names(pid_t program)
{
    char prefix[40];
    snprintf(prefix, sizeof prefix, "posse-%ld-", (long)program);
    DIR *names = opendir("/dev/shm");
    for (struct dirent *entry; names != NULL && (entry = readdir(names)) != NULL;) {
        struct stat stat;
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
            fstatat(dirfd(names), entry->d_name, &stat, 0) == 0) {
            assert_int_equal(stat.st_size, 0);
            unlinkat(dirfd(names), entry->d_name, 0);
        }
    }
    if (names != NULL)
        closedir(names);
}

static int creating_program(void *context)
{
    atomic_store(&word->ready, 1);
    for (;;) {
        posse_executor *pool = open_pool(3);
        REQUIRE(pool != NULL);
        REQUIRE(posse_destroy(pool) == POSSE_OK);
    }
}

static void pause_us(long us)
{
    struct timespec left = {us / 1000000, us % 1000000 * 1000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* Killed inside create and destroy, at a different moment each time. */
TEST(inside_create, PROCESSES)
{
    srand((unsigned)test_seed(UINT_MAX));
    word = make_shared(sizeof *word);
    for (int i = 0; i < 150; i++) {
        atomic_store(&word->ready, 0);
        pid_t program = start_child(creating_program, NULL);
        assert_eventually(atomic_load(&word->ready));
        pause_us(rand() % 8000);
        kill_program(program);
        assert_eventually(count_processes() == 0);
        remove_empty_names(program);
        assert_eventually(count_new_names() == 0);
    }
    free_shared(word, sizeof *word);
}
