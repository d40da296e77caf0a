/* program.c - the program is left alone: signals, children, descriptors, threads, streams are as
 * they were. */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define SIGNALS 64
struct reaction {
    void (*handler)(int);
    int flags;
    uint64_t blocked; /* a bit for each signal: the rest of a sigset_t is undefined */
};

struct snapshot {
    uint64_t blocked;
    struct reaction reactions[SIGNALS + 1];
    struct rlimit limits[RLIM_NLIMITS];
    char **environment;
    char variables[100000];
    char directory[4096];
    pid_t group;
    pid_t session;
    mode_t umask;
};

static uint64_t signals_in(const sigset_t *set)
{
    uint64_t bits = 0;
    for (int i = 1; i <= SIGNALS; i++)
        bits |= sigismember(set, i) == 1 ? (uint64_t)1 << (i - 1) : 0;
    return bits;
}

static void note_signals(struct snapshot *shot)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    shot->blocked = signals_in(&mask);
    for (int i = 1; i <= SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0) {
            shot->reactions[i].handler = action.sa_handler;
            shot->reactions[i].flags = action.sa_flags;
            shot->reactions[i].blocked = signals_in(&action.sa_mask);
        }
    }
}

static void note_environment(struct snapshot *shot)
{
    size_t used = 0;
    shot->environment = environ;
    for (char **variable = environ; *variable != NULL; variable++) {
        size_t length = strlen(*variable) + 1;
        if (used + length < sizeof shot->variables) {
            memcpy(shot->variables + used, *variable, length);
            used += length;
        }
    }
}

static void take_snapshot(struct snapshot *shot)
{
    memset(shot, 0, sizeof *shot); /* they are compared as bytes */
    note_signals(shot);
    note_environment(shot);
    for (int i = 0; i < (int)RLIM_NLIMITS; i++)
        getrlimit((__rlimit_resource_t)i, &shot->limits[i]);
    assert_non_null(getcwd(shot->directory, sizeof shot->directory));
    shot->group = getpgrp();
    shot->session = getsid(0);
    shot->umask = umask(0);
    umask(shot->umask);
}

/* Everything that workers do, and all that can end them. */
static void use_pool(posse_executor *pool)
{
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    if (backend() == POSSE_PROCESS) {
        take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
        take_error(submitted_long(pool, exit_task, 3), POSSE_WORKER_LOST);
    }
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
}

TEST(everything_is_as_it_was, ALL)
{
    static struct snapshot before;
    static struct snapshot now;
    take_snapshot(&before);
    posse_executor *pool = make_pool(2);
    take_snapshot(&now);
    assert_memory_equal(&now, &before, sizeof now);
    use_pool(pool);
    take_snapshot(&now);
    assert_memory_equal(&now, &before, sizeof now);
    end_pool(pool);
    take_snapshot(&now);
    assert_memory_equal(&now, &before, sizeof now);
}

static volatile sig_atomic_t children_ended;

static void count_child(int signal) { children_ended++; }

static void assert_no_child(void)
{
    errno = 0;
    assert_int_equal(waitpid(-1, NULL, WNOHANG | WUNTRACED), -1);
    assert_int_equal(errno, ECHILD);
}

TEST(no_sigchld, ALL)
{
    struct sigaction action = {.sa_handler = count_child};
    struct sigaction before;
    sigaction(SIGCHLD, &action, &before);
    posse_executor *pool = make_pool(2);
    children_ended = 0;
    assert_no_child();
    use_pool(pool);
    assert_no_child();
    end_pool(pool);
    assert_eventually(count_processes() == 0); /* a late one has come by now */
    sigaction(SIGCHLD, &before, NULL);
    assert_no_child();
    assert_int_equal(children_ended, 0);
}

TEST(no_sigchld_is_left_pending, ALL)
{
    sigset_t blocked;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    posse_executor *pool = make_pool(2);
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGCHLD));
    use_pool(pool);
    end_pool(pool);
    assert_eventually(count_processes() == 0);
    sigpending(&pending);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert_false(sigismember(&pending, SIGCHLD));
}

/* Programs that ignore SIGCHLD have no zombies to wait for; that must not confuse create. */
TEST(sigchld_is_ignored, ALL)
{
    void (*before)(int) = signal(SIGCHLD, SIG_IGN);
    posse_executor *pool = make_pool(2);
    use_pool(pool);
    end_pool(pool);
    signal(SIGCHLD, before);
}

/* A pending SIGCHLD of the program's own is still there afterwards, and so is its dead child. */
static int ends_at_once(void *context) { return 5; }

TEST(own_children_are_not_stolen, ALL)
{
    pid_t child = start_child(ends_at_once, NULL);
    posse_executor *pool = make_pool(2);
    use_pool(pool);
    end_pool(pool);
    assert_int_equal(WEXITSTATUS(wait_status(child)), 5);
}

static int count_not_closed_on_exec(void)
{
    int found = 0;
    for (int fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        found += flags >= 0 && !(flags & FD_CLOEXEC);
    }
    return found;
}

TEST(descriptors, ALL)
{
    int before = count_descriptors();
    int open_on_exec = count_not_closed_on_exec();
    posse_executor *pool = make_pool(1);
    int with_one = count_descriptors();
    assert_int_equal(count_not_closed_on_exec(), open_on_exec);
    end_pool(pool);
    assert_int_equal(count_descriptors(), before);
    pool = make_pool(40);
    assert_int_equal(count_descriptors(), with_one);
    for (int i = 0; i < 1000; i++)
        submitted_long(pool, square_task, i);
    assert_int_equal(count_descriptors(), with_one);
    assert_int_equal(count_not_closed_on_exec(), open_on_exec);
    assert_ok(posse_destroy(pool));
}

TEST(no_threads, PROCESSES | INLINE)
{
    int before = count_threads();
    posse_executor *pool = make_pool(4);
    assert_int_equal(count_threads(), before);
    use_pool(pool);
    assert_int_equal(count_threads(), before);
    end_pool(pool);
}

/* What waits in a stream of the program is written once, by the program. */
TEST(streams_are_not_written_twice, ALL)
{
    char text[100] = "";
    FILE *stream = tmpfile();
    assert_non_null(stream);
    fprintf(stream, "once ");
    posse_executor *pool = make_pool(2);
    use_pool(pool);
    end_pool(pool);
    rewind(stream);
    assert_non_null(fgets(text, sizeof text, stream));
    fclose(stream);
    assert_string_equal(text, "once ");
}

static int print_task(posse_task *task, const void *arg, size_t size)
{
    printf("task ");
    return 0;
}

/* In a child with stdout in a file: what was printed before, by a task and after comes out in
 * this order. */
static int prints(void *context)
{
    REQUIRE(dup2(*(int *)context, STDOUT_FILENO) >= 0);
    printf("before ");
    posse_executor *pool = open_pool(1);
    posse_future future;
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, print_task, NULL, 0, &future) == POSSE_OK);
    REQUIRE(posse_result(future, -1, NULL, NULL) == POSSE_OK);
    REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_OK && posse_destroy(pool) == POSSE_OK);
    printf("after");
    return fflush(stdout);
}

TEST(stdout_is_in_order, ALL)
{
    char text[100] = "";
    FILE *file = tmpfile();
    assert_non_null(file);
    int fd = fileno(file);
    fflush(stdout); /* or the child would print this program's own lines */
    assert_child(prints, &fd);
    rewind(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "before task after");
}
