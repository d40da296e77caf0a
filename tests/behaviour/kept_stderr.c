/* kept_stderr.c - what a task writes to stderr is kept, and is shown where it was before. */
#include "support/autopsied.h"
#include "support/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KEPT 4096

/* ---- a program whose stderr is elsewhere ----------------------------------------------------- */

static int before = -1; /* the runner's own */

/* From here on stderr is that descriptor, also of workers of pools that are made now. */
static void lead_stderr(int fd)
{
    assert_int_equal(fflush(stderr), 0);
    before = fcntl(2, F_DUPFD_CLOEXEC, 3);
    assert_true(before >= 0);
    assert_int_equal(dup2(fd, 2), 2);
}

static void lead_stderr_back(void)
{
    assert_int_equal(dup2(before, 2), 2);
    close(before);
}

static int open_log(void)
{
    char path[] = "/tmp/posse-stderr-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(unlink(path), 0);
    return fd;
}

/* What is in the log; ends with 0. */
static const char *read_log(int log)
{
    static char text[1 << 21];
    ssize_t size = pread(log, text, sizeof text - 1, 0);
    assert_true(size >= 0);
    text[size] = '\0';
    return text;
}

static posse_executor *keeping_pool(int fd)
{
    lead_stderr(fd);
    posse_executor *pool = POOL(1, .autopsy = 1, .keep_stderr = 1);
    lead_stderr_back();
    return pool;
}

static const char *kept(posse_future future)
{
    static char text[2 * KEPT];
    size_t length = posse_autopsy_stderr(future, text, sizeof text);
    assert_int_equal(length, strlen(text));
    return text;
}

/* ---- tasks ----------------------------------------------------------------------------------- */

static void say(const char *text)
{
    if (write(2, text, strlen(text)) != (ssize_t)strlen(text))
        _exit(99);
}

static int saying_task(posse_task *task, const void *arg, size_t size)
{
    fprintf(stderr, "%s, ", "by stdio");
    say(arg);
    return 0;
}

static int dying_task(posse_task *task, const void *arg, size_t size)
{
    return saying_task(task, arg, size), raise(SIGKILL);
}

static posse_future submitted_text(posse_executor *pool, posse_fn *fn, const char *text)
{
    return submitted(pool, fn, text, strlen(text) + 1);
}

static void say_numbers(long n)
{
    char line[40];
    for (long i = 0; i < n; i++) {
        snprintf(line, sizeof line, "line %07ld\n", i);
        if (write(2, line, 13) < 0)
            return;
    }
}

static int numbers_task(posse_task *task, const void *arg, size_t size)
{
    say_numbers(*(const long *)arg);
    return raise(SIGKILL);
}

static int child_task(posse_task *task, const void *arg, size_t size)
{
    pid_t child = fork();
    if (child == 0) {
        say("of a child\n");
        _exit(0);
    }
    waitpid(child, NULL, 0);
    abort();
}

static int waiting_task(posse_task *task, const void *arg, size_t size)
{
    say("waits\n");
    pause();
    return 0;
}

/* ---- kept ------------------------------------------------------------------------------------ */

TEST(last_words, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    take_error(submitted_text(pool, saying_task, "first\n"), POSSE_OK);
    assert_string_equal(read_log(log), "by stdio, first\n");
    posse_future future = submitted_text(pool, dying_task, "second\n");
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_string_equal(kept(future), "by stdio, second\n");
    char text[1000];
    assert_true(posse_autopsy_text(future, text, sizeof text) < sizeof text);
    assert_non_null(strstr(text, "\n  stderr:\nby stdio, second\n"));
    assert_ok(posse_release(future));
    assert_string_equal(read_log(log), "by stdio, first\nby stdio, second\n");
    take_error(submitted_text(pool, saying_task, "third\n"), POSSE_OK);
    assert_string_equal(read_log(log), "by stdio, first\nby stdio, second\nby stdio, third\n");
    end_autopsied(pool);
    close(log);
}

TEST(only_the_end_is_kept, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    posse_future future = submitted_long(pool, numbers_task, 10000);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    const char *text = kept(future);
    assert_int_equal(strlen(text), KEPT);
    assert_string_equal(text + KEPT - 13, "line 0009999\n");
    char few[10];
    assert_int_equal(posse_autopsy_stderr(future, few, sizeof few), KEPT);
    assert_int_equal(strlen(few), 9);
    assert_int_equal(posse_autopsy_stderr(future, NULL, 0), KEPT);
    assert_ok(posse_release(future));
    assert_int_equal(strlen(read_log(log)), 130000);
    end_autopsied(pool);
    close(log);
}

/* There is room for one MiB; the task goes on without more. */
TEST(too_much, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    posse_future future = submitted_long(pool, numbers_task, 1000000);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_int_equal(strlen(kept(future)), KEPT);
    assert_ok(posse_release(future));
    assert_int_equal(strlen(read_log(log)), 1 << 20);
    take_error(submitted_text(pool, saying_task, "after it\n"), POSSE_OK);
    assert_int_equal(strlen(read_log(log)), (1 << 20) + strlen("by stdio, after it\n"));
    end_autopsied(pool);
    close(log);
}

TEST(of_children, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    posse_future future = submitted(pool, child_task, NULL, 0);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_string_equal(kept(future), "of a child\n");
    assert_ok(posse_release(future));
    end_autopsied(pool);
    close(log);
}

TEST(of_a_late_task, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    const char *text = "";
    for (int i = 0; i < 100 && text[0] == '\0'; i++) { /* it may not even come to that */
        posse_future future =
            submitted_job(pool, (posse_job){.fn = waiting_task, .timeout_ms = 20});
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_DEADLINE);
        text = kept(future);
        assert_ok(posse_release(future));
    }
    assert_string_equal(text, "waits\n");
    end_autopsied(pool);
    close(log);
}

TEST(control_characters, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    posse_future future = submitted_text(pool, dying_task, "a\tb\033[2Jc\n");
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_string_equal(kept(future), "by stdio, a\tb?[2Jc\n");
    assert_ok(posse_release(future));
    end_autopsied(pool);
    close(log);
}

static int initializer(posse_task *task, const void *arg, size_t size)
{
    say("begins\n");
    return 0;
}

static int finalizer(posse_task *task, const void *arg, size_t size)
{
    say("ends\n");
    return 0;
}

TEST(of_the_hooks, PROCESSES)
{
    int log = open_log();
    lead_stderr(log);
    posse_executor *pool =
        POOL(1, .autopsy = 1, .keep_stderr = 1, .initializer = initializer, .finalizer = finalizer);
    lead_stderr_back();
    take_error(submitted_text(pool, saying_task, "works\n"), POSSE_OK);
    assert_string_equal(read_log(log), "begins\nby stdio, works\n");
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_string_equal(read_log(log), "begins\nby stdio, works\nends\n");
    end_autopsied(pool);
    close(log);
}

TEST(in_a_sealed_worker, SEALABLE)
{
    int log = open_log();
    posse_options options = OPTIONS(1, .autopsy = 1, .keep_stderr = 1);
    lead_stderr(log);
    posse_executor *pool = sealed_pool_with(options, (posse_seal){.allow = 0});
    lead_stderr_back();
    take_error(submitted_text(pool, saying_task, "first\n"), POSSE_OK);
    posse_future future = submitted_text(pool, dying_task, "second\n");
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_string_equal(kept(future), "by stdio, second\n");
    assert_ok(posse_release(future));
    assert_string_equal(read_log(log), "by stdio, first\nby stdio, second\n");
    end_autopsied(pool);
    close(log);
}

/* ---- where nobody reads ---------------------------------------------------------------------- */

/* The supervisor shows what the pipe takes at once, and goes on. */
TEST(a_full_pipe_blocks_nobody, PROCESSES)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    posse_executor *pool = keeping_pool(ends[1]);
    for (int i = 0; i < 3; i++) {
        posse_future future = submitted_long(pool, numbers_task, 10000);
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
        assert_int_equal(strlen(kept(future)), KEPT);
        assert_ok(posse_release(future));
    }
    assert_false(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    struct pollfd full = {.fd = ends[1], .events = POLLOUT};
    assert_int_equal(poll(&full, 1, 0), 0);
    end_autopsied(pool);
    close(ends[0]);
    close(ends[1]);
}

static int close_task(posse_task *task, const void *arg, size_t size)
{
    for (int fd = 2; fd < 2048; fd++)
        close(fd);
    return 0;
}

/* It harms itself, or what its worker shows later. */
TEST(a_task_that_closes_it, PROCESSES)
{
    int log = open_log();
    posse_executor *pool = keeping_pool(log);
    take_error(submitted(pool, close_task, NULL, 0), POSSE_OK);
    take_long(submitted(pool, identity_task, NULL, 0));
    end_autopsied(pool);
    close(log);
}

/* ---- without --------------------------------------------------------------------------------- */

TEST(without_the_option, PROCESSES)
{
    posse_executor *pool = AUTOPSIED(1);
    posse_future future = submitted(pool, numbers_task, &(long){0}, sizeof(long));
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_string_equal(kept(future), "");
    assert_ok(posse_release(future));
    end_autopsied(pool);
    assert_int_equal(posse_autopsy_stderr((posse_future){0}, NULL, 0), 0);
}

TEST(refused, ALL)
{
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(1, .keep_stderr = 2);
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "options.keep_stderr is neither 0 nor 1");
    options.keep_stderr = 1;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "options.keep_stderr without options.autopsy");
    options.autopsy = 1;
    posse_status expected = backend() == POSSE_PROCESS ? POSSE_OK : POSSE_NOT_SUPPORTED;
    assert_status(posse_create(&options, &pool), expected);
    assert_ok(posse_destroy(pool));
}
