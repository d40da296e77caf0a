/* sealed_ends.c - how tasks of sealed workers end: by a forbidden call, and otherwise. */
#include "support/autopsied.h"
#include "support/sealed.h"
#include "support/support.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const posse_seal nothing = {.allow = 0};

/* ---- how it is told ---- */

TEST(words, SEALABLE)
{
    char text[200];
    posse_executor *pool = sealed_pool(1, nothing);
    posse_future future = submitted_job(pool, (posse_job){.fn = socket_task, .name = "thumbnail"});
    posse_error error = error_of(future);
    assert_status(error.status, POSSE_FORBIDDEN);
    assert_string_equal(error.name, "thumbnail");
    assert_int_equal(error.exit_code, -1);
    assert_int_equal(error.attempt, 1);
    char expected[200];
    snprintf(expected, sizeof expected,
             "thumbnail: worker %ld made a system call that its seal forbids: socket (%ld)",
             error.pid, error.call);
    assert_string_equal(error.message, expected);
    posse_describe(future, text, sizeof text);
    assert_non_null(strstr(text, "thumbnail: finished: worker "));
    assert_non_null(strstr(text, "socket"));
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_FORBIDDEN);
    assert_status(posse_result_into(future, -1, text, sizeof text, NULL), POSSE_FORBIDDEN);
    assert_ok(posse_release(future));
    error = take_error(submitted_long(pool, signal_task, SIGSEGV), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGSEGV);
    assert_int_equal(error.call, 0);
    assert_null(error.call_name);
    take_error(submitted_long(pool, signal_task, SIGABRT), POSSE_WORKER_LOST);
    take_error(submitted_long(pool, exit_task, 3), POSSE_WORKER_LOST);
    end_pool(pool);
}

static int blocked_task(posse_task *task, const void *arg, size_t size)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGSYS);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return socket_task(task, arg, size);
}

static int ignoring_task(posse_task *task, const void *arg, size_t size)
{
    (void)signal(SIGSYS, SIG_IGN);
    return socket_task(task, arg, size);
}

static volatile sig_atomic_t caught;

static void catch_it(int number) { caught = number; }

/* The call is not made: no socket comes of it. */
static int catching_task(posse_task *task, const void *arg, size_t size)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof name;
    (void)signal(SIGSYS, catch_it);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return return_long(task, caught == SIGSYS && getsockname(fd, (void *)&name, &length) != 0);
}

TEST(tasks_that_hide_the_signal, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, nothing);
    posse_fn *const tasks[] = {blocked_task, ignoring_task};
    for (size_t i = 0; i < COUNT(tasks); i++) {
        posse_error error = take_error(submitted(pool, tasks[i], NULL, 0), POSSE_FORBIDDEN);
        assert_int_equal(error.call, -1);
        assert_string_equal(error.call_name, "unknown");
    }
    assert_int_equal(take_long(submitted(pool, catching_task, NULL, 0)), 1);
    end_pool(pool);
}

/* ---- ends of all kinds ---- */

static int third_time_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_attempt(task) < 3 ? socket_task(task, arg, size)
                                        : return_long(task, posse_task_attempt(task));
}

TEST(retries, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, nothing);
    posse_job job = {.fn = third_time_task, .retries = 2};
    assert_int_equal(take_long(submitted_job(pool, job)), 3);
    job.retries = 1;
    assert_int_equal(take_error(submitted_job(pool, job), POSSE_FORBIDDEN).attempt, 2);
    end_pool(pool);
}

TEST(break_on_loss, SEALABLE)
{
    posse_options options = OPTIONS(1, .on_worker_lost = POSSE_BREAK);
    posse_executor *pool = sealed_pool_with(options, nothing);
    posse_error why = {.struct_size = sizeof why};
    posse_future future = submitted(pool, socket_task, NULL, 0);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_FORBIDDEN);
    assert_eventually(posse_why_broken(pool, &why) == POSSE_OK && why.status == POSSE_BROKEN);
    assert_non_null(strstr(why.message, "socket"));
    assert_ok(posse_destroy(pool));
}

TEST(deadline_kill_and_cancel, SEALABLE)
{
    posse_executor *pool = sealed_pool(2, nothing);
    struct gate *closed = make_gate(pool), *gate = make_gate(pool);
    posse_job job = {.fn = hold_task, .arg = &closed, .size = sizeof closed, .timeout_ms = 1};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    job.arg = &gate;
    job.timeout_ms = 1000000;
    posse_future killed = submitted_job(pool, job), asked = SUBMIT_VALUE(pool, heed_task, gate);
    await_entered(gate, 2);
    assert_ok(posse_kill(killed));
    take_error(killed, POSSE_CANCELLED);
    assert_status(posse_cancel(asked), POSSE_TOO_LATE);
    assert_ok(posse_exception(asked, -1, NULL));
    assert_ok(posse_release(asked));
    free_gate(pool, closed);
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- the supervisor dies ---- */

TEST(workers_end_with_their_supervisor, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, nothing);
    pid_t worker = (pid_t)take_long(submitted(pool, process_task, NULL, 0));
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    assert_eventually(!process_lives(worker));
    assert_ok(posse_destroy(pool));
}

/* ---- with an autopsy ---- */

static int noted_crash_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "about to crash");
    volatile int *nowhere = NULL;
    return *nowhere; /* NOLINT */
}

/* The handler of crashes makes no forbidden call. A forbidden call is no crash, but has a note. */
TEST(autopsy, SEALABLE)
{
    posse_options options = OPTIONS(1, .autopsy = 1);
    posse_executor *pool = sealed_pool_with(options, nothing);
    posse_future future = submitted(pool, noted_crash_task, NULL, 0);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_int_equal(error_of(future).signal, SIGSEGV);
    assert_int_equal(report.signal, SIGSEGV);
    assert_true(report.n_frames > 0);
    assert_string_equal(report.note, "about to crash");
    assert_ok(posse_release(future));
    future = submitted(pool, noted_socket_task, NULL, 0);
    report = report_of(future, POSSE_FORBIDDEN);
    assert_string_equal(error_of(future).call_name, "socket");
    assert_int_equal(report.signal, 0);
    assert_string_equal(report.note, "about to ask");
    assert_ok(posse_release(future));
    end_autopsied(pool);
}
