/* autopsy.c - where a worker crashed, as posse_autopsy tells it. */
#include "support/autopsied.h"

#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- functions to crash in: the report must name them ---- */

#ifdef __clang__
#define NAMED __attribute__((noinline, no_sanitize("address")))
#else
#define NAMED __attribute__((noipa, no_sanitize("address")))
#endif

NAMED static int write_there(volatile int *at)
{
    *at = 1;
    return *at;
}

int exported_crash(volatile int *at);
NAMED int exported_crash(volatile int *at) { return write_there(at) + 1; }

#define NOWHERE ((uintptr_t)0x10)

static int null_task(posse_task *task, const void *arg, size_t size)
{
    return exported_crash((volatile int *)NOWHERE) + 1;
}

NAMED static int aborting_task(posse_task *task, const void *arg, size_t size) { abort(); }

/* Whether a frame is in the function. */
static bool has_frame(posse_future future, const char *function)
{
    posse_frame frame = {.struct_size = sizeof frame};
    for (size_t i = 0; posse_autopsy_frame(future, i, &frame) == POSSE_OK; i++)
        if (strcmp(frame.function, function) == 0)
            return true;
    return false;
}

static void show(posse_future future)
{
    static char text[32768];
    size_t length = posse_autopsy_text(future, text, sizeof text);
    assert_int_equal(length, strlen(text));
    print_message("%s", text);
}

#ifndef __GLIBC__
static const char *const no_functions[] = {NULL};
#endif

/* Runs a task that crashes by the signal, and asserts that it dies as it would without a handler,
 * and that the report names the functions (up to NULL). Not released. */
static posse_future crashed(posse_executor *pool, posse_fn *fn, int signal,
                            const char *const *functions)
{
    posse_future future = submitted(pool, fn, NULL, 0);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    show(future);
    assert_int_equal(error_of(future).signal, signal);
    assert_int_equal(report.signal, signal);
    assert_true(report.n_frames >= 1);
#ifndef __GLIBC__
    functions = no_functions; /* not all keep frame pointers */
#endif
    for (; *functions; functions++)
        if (!has_frame(future, *functions))
            fail_msg("no frame is in %s", *functions);
    return future;
}

AUTOPSY_TEST(null_write, 1)
{
    static const char *const functions[] = {"write_there", "exported_crash", "null_task", NULL};
    posse_future future = crashed(pool, null_task, SIGSEGV, functions);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    posse_frame frame = {.struct_size = sizeof frame};
    assert_int_equal(report.address, NOWHERE);
    assert_int_equal(report.code, SEGV_MAPERR);
    assert_ok(posse_autopsy_frame(future, 0, &frame));
    assert_string_equal(frame.function, "write_there");
    assert_int_equal(frame.address - frame.in_function, (uintptr_t)write_there);
    assert_non_null(strstr(frame.module, "test_autopsy"));
    assert_int_equal(frame.address, report.frames[0]);
    assert_status(posse_autopsy_frame(future, report.n_frames, &frame), POSSE_END);
    assert_string_equal(frame.function, "");
    assert_ok(posse_release(future));
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

AUTOPSY_TEST(abort_is_no_fault, 1)
{
    static const char *const functions[] = {"aborting_task", NULL};
    posse_future future = crashed(pool, aborting_task, SIGABRT, functions);
    assert_int_equal(report_of(future, POSSE_WORKER_LOST).address, 0);
    assert_ok(posse_release(future));
}

#ifdef __x86_64__
NAMED static int divide(volatile int by) { return 7 / by; }

static int dividing_task(posse_task *task, const void *arg, size_t size) { return divide(0) + 1; }

AUTOPSY_TEST(division, 1)
{
    static const char *const functions[] = {"divide", "dividing_task", NULL};
    posse_future future = crashed(pool, dividing_task, SIGFPE, functions);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_int_equal(report.address, report.frames[0]);
    assert_ok(posse_release(future));
}
#endif

/* ---- the stack ---- */

NAMED static long dive(volatile long depth)
{
    volatile char room[512];
    room[0] = (char)depth;
    return depth < 0 ? 0 : dive(depth + 1) + room[0];
}

static int diving_task(posse_task *task, const void *arg, size_t size) { return dive(0) != 0; }

AUTOPSY_TEST(stack_overflow, 1)
{
    static const char *const functions[] = {"dive", NULL};
    posse_future future = crashed(pool, diving_task, SIGSEGV, functions);
    assert_int_equal(report_of(future, POSSE_WORKER_LOST).n_frames, POSSE_MAX_FRAMES);
    assert_ok(posse_release(future));
}

NAMED static int call_nothing(void)
{
    int (*volatile nothing)(void) = NULL;
    return nothing() + 1;
}

static int calling_task(posse_task *task, const void *arg, size_t size)
{
    return call_nothing() + 1;
}

AUTOPSY_TEST(call_of_null, 1)
{
    static const char *const functions[] = {"call_nothing", "calling_task", NULL};
    posse_future future = crashed(pool, calling_task, SIGSEGV, functions);
    assert_int_equal(report_of(future, POSSE_WORKER_LOST).frames[0], 0);
    assert_ok(posse_release(future));
}

NAMED static int overwrite_stack(void)
{
    volatile unsigned char *at = __builtin_frame_address(0);
    for (int i = 0; i < 1024; i++)
        at[i] = 0x41;
    return write_there((volatile int *)NOWHERE);
}

static int overwriting_task(posse_task *task, const void *arg, size_t size)
{
    return overwrite_stack() + 1;
}

AUTOPSY_TEST(overwritten_stack, 1)
{
    static const char *const functions[] = {"write_there", NULL};
    assert_ok(posse_release(crashed(pool, overwriting_task, SIGSEGV, functions)));
}

/* ---- what could hold the handler up ---- */

static _Atomic int holds;

static int hold_list(struct dl_phdr_info *module, size_t size, void *context)
{
    atomic_store(&holds, 1);
    while (pause() != 0)
        ;
    return 1;
}

static void *hold(void *context)
{
    dl_iterate_phdr(hold_list, NULL);
    return NULL;
}

/* Another thread holds the lock that an unwinder may need. */
static int held_up_task(posse_task *task, const void *arg, size_t size)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, hold, NULL) != 0)
        return GAVE_UP;
    while (!atomic_load(&holds))
        pause_ms(1);
    return write_there((volatile int *)NOWHERE);
}

AUTOPSY_TEST(lock_of_the_unwinder, 1)
{
    static const char *const functions[] = {"write_there", NULL};
    assert_ok(posse_release(crashed(pool, held_up_task, SIGSEGV, functions)));
}

#ifdef __GLIBC__
static _Atomic int hangs;

int __wrap_backtrace(void **frames, int count);
int __real_backtrace(void **frames, int count);
int __wrap_backtrace(void **frames, int count)
{
    while (atomic_load(&hangs))
        (void)pause();
    return __real_backtrace(frames, count);
}

static int hanging_task(posse_task *task, const void *arg, size_t size)
{
    atomic_store(&hangs, 1);
    return write_there((volatile int *)NOWHERE);
}

/* The first frame needs no unwinder. */
AUTOPSY_TEST(unwinder_that_hangs, 1)
{
    static const char *const functions[] = {"write_there", NULL};
    assert_ok(posse_release(crashed(pool, hanging_task, SIGSEGV, functions)));
}
#endif

/* A signal that somebody sends. */
AUTOPSY_TEST(sent_signal, 1)
{
    posse_future future = submitted_long(pool, signal_task, SIGBUS);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_int_equal(report.signal, SIGBUS);
    assert_int_equal(report.address, 0);
#ifdef __GLIBC__
    assert_true(has_frame(future, "signal_task"));
#endif
    assert_ok(posse_release(future));
}

/* ---- handlers of the program's own ---- */

static void leave(int signal) { _exit(7); }

static int handling_initializer(posse_task *task, const void *arg, size_t size)
{
    struct sigaction action = {.sa_handler = leave};
    return sigaction(SIGSEGV, &action, NULL);
}

AUTOPSY_TEST(own_handler_is_left_alone, 1, .initializer = handling_initializer)
{
    posse_future future = submitted(pool, null_task, NULL, 0);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_int_equal(error_of(future).exit_code, 7);
    assert_int_equal(report.signal, 0);
    assert_int_equal(report.n_frames, 0);
    assert_ok(posse_release(future));
    static const char *const functions[] = {"aborting_task", NULL};
    assert_ok(posse_release(crashed(pool, aborting_task, SIGABRT, functions)));
}

/* ---- processes that the task has forked ---- */

static int forking_task(posse_task *task, const void *arg, size_t size)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(exported_crash((volatile int *)NOWHERE));
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFSIGNALED(status))
        return GAVE_UP;
    return raise(SIGKILL);
}

AUTOPSY_TEST(crash_of_a_child, 1)
{
    posse_future future = submitted(pool, forking_task, NULL, 0);
    posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
    assert_int_equal(error_of(future).signal, SIGKILL);
    assert_int_equal(report.signal, 0);
    assert_int_equal(report.n_frames, 0);
    assert_ok(posse_release(future));
}

/* ---- tasks on one stack ---- */

static int outer_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    memcpy(&inner, arg, sizeof inner);
    return posse_result(inner, -1, NULL, NULL) == POSSE_OK ? 0 : INNER_FAILED;
}

static int waiting_task(posse_task *task, const void *arg, size_t size)
{
    posse_future inner;
    if (posse_submit(posse_task_executor(task), null_task, NULL, 0, &inner) != POSSE_OK)
        return GAVE_UP;
    return outer_task(task, &inner, sizeof inner);
}

AUTOPSY_TEST(innermost_task_has_the_report, 1)
{
    posse_autopsy_report report = {.struct_size = sizeof report};
    posse_future future = submitted(pool, waiting_task, NULL, 0);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_status(posse_autopsy(future, &report), POSSE_END);
    assert_int_equal(report.signal, 0);
    assert_ok(posse_release(future));
}

/* ---- many ---- */

AUTOPSY_TEST(a_thousand_crashes_leave_nothing, 2)
{
    enum { TOGETHER = 20 };
    posse_future futures[TOGETHER];
    uint64_t after_first = 0;
    for (int round = 0; round < 1000 / TOGETHER; round++) {
        for (int i = 0; i < TOGETHER; i++)
            futures[i] = submitted(pool, i % 2 ? null_task : aborting_task, NULL, 0);
        for (int i = 0; i < TOGETHER; i++) {
            if (i % 4 < 2) /* else it is released before it ends, or without a look */
                assert_int_not_equal(report_of(futures[i], POSSE_WORKER_LOST).n_frames, 0);
            assert_ok(posse_release(futures[i]));
        }
        assert_eventually(stats_of(pool).futures == 0);
        after_first = round == 0 ? stats_of(pool).memory_committed : after_first;
    }
    assert_int_equal(stats_of(pool).lost, 1000);
    assert_in_range(stats_of(pool).memory_committed, 1, after_first + (128u << 10));
}
