/* fresh_ends.c - POSSE_FRESH: how tasks end, when their processes die and otherwise. */
#include "support/autopsied.h"
#include "support/sealed.h"
#include "support/support.h"

#include <dirent.h>
#include <errno.h>
#include <posse_trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};

#define MIB ((size_t)1 << 20)

/* A gate in memory of the program, which it shares with all processes that it forks. */
static struct gate *shared_gate(void) { return make_shared(sizeof(struct gate)); }
static void free_shared_gate(struct gate *gate) { free_shared(gate, sizeof *gate); }

/* ---- deaths ---- */

/* The worker lives. */
TEST(deaths, SEALABLE)
{
    const int signals[] = {SIGSEGV, SIGABRT, SIGKILL, SIGTERM, SIGUSR1};
    posse_executor *pool = fresh_pool(1, nothing);
    for (size_t i = 0; i < COUNT(signals); i++) {
        posse_error error =
            take_error(submitted_long(pool, signal_task, signals[i]), POSSE_WORKER_LOST);
        assert_int_equal(error.signal, signals[i]);
        assert_int_equal(error.exit_code, -1);
        assert_int_equal(error.attempt, 1);
    }
    for (int code = 0; code < 3; code++) {
        posse_error error = take_error(submitted_long(pool, exit_task, code), POSSE_WORKER_LOST);
        assert_int_equal(error.signal, 0);
        assert_int_equal(error.exit_code, code);
    }
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    assert_int_equal(stats_of(pool).lost, COUNT(signals) + 3);
    assert_int_equal(stats_of(pool).workers_started, 1);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

TEST(forbidden, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    for (int i = 0; i < 3; i++) {
        posse_error error = take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
        assert_string_equal(error.call_name, "socket");
        assert_int_equal(error.signal, SIGSYS);
    }
    end_pool(pool);
}

static int third_time_task(posse_task *task, const void *arg, size_t size)
{
    if (posse_task_attempt(task) < 3)
        abort();
    return return_long(task, posse_task_attempt(task));
}

TEST(retries, SEALABLE)
{
    posse_executor *pool = fresh_pool(2, nothing);
    posse_job job = {.fn = third_time_task, .retries = 2};
    for (int i = 0; i < 20; i++)
        assert_int_equal(take_long(submitted_job(pool, job)), 3);
    assert_int_equal(stats_of(pool).lost, 0);
    job.retries = 1;
    assert_int_equal(take_error(submitted_job(pool, job), POSSE_WORKER_LOST).attempt, 2);
    job.retries = 2;
    job.priority = POSSE_PRIORITY_LOW;
    assert_int_equal(take_long(submitted_job(pool, job)), 3);
    end_pool(pool);
}

static int late_death_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    if (posse_task_attempt(task) == 1) {
        pause_ms(100);
        abort();
    }
    return 0;
}

static posse_info info_of(posse_future future)
{
    posse_info info = {.struct_size = sizeof info};
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_OK);
    assert_ok(posse_get_info(future, &info));
    assert_ok(posse_release(future));
    return info;
}

/* Its worker goes on at once, and takes the end of one run for the start of the next. */
TEST(stamps_of_the_next_attempt, SEALABLE)
{
    posse_options options = OPTIONS(1, .stamps = 1);
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_future first = submitted_long(pool, sleep_task, 50);
    posse_future second = submitted_job(pool, (posse_job){.fn = late_death_task, .retries = 1});
    posse_info before = info_of(first), info = info_of(second);
    assert_int_equal(info.attempt, 2);
    assert_true(info.started_ns >= before.ended_ns + 100000000);
    end_pool(pool);
}

/* A large argument stays until the last attempt. */
static int large_retry_task(posse_task *task, const void *arg, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (((const char *)arg)[i] != 5)
            return WRONG_ARG;
    if (posse_task_attempt(task) < 3)
        abort();
    return posse_task_return(task, arg, size) == POSSE_OK ? 0 : GAVE_UP;
}

TEST(retries_with_large_arguments, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    char *bytes = malloc(MIB);
    assert_non_null(bytes);
    memset(bytes, 5, MIB);
    posse_job job = {.fn = large_retry_task, .arg = bytes, .size = MIB, .retries = 2};
    take_error(submitted_job(pool, job), POSSE_OK);
    job.size = 1000;
    take_error(submitted_job(pool, job), POSSE_OK);
    free(bytes);
    end_pool(pool);
}

static int third_time_reading_task(posse_task *task, const void *arg, size_t size)
{
    char text[4];
    if (pread(posse_task_descriptor(task, 0), text, sizeof text, 0) != sizeof text)
        return WRONG_ARG;
    return third_time_task(task, arg, size);
}

/* How many descriptors a process has open; 0 if it does not show. */
static int descriptors_of(pid_t process)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)process);
    DIR *directory = opendir(path);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

/* Each process gets its copies, and none stay in the worker. */
TEST(retries_with_descriptors, SEALABLE)
{
    FILE *file = tmpfile();
    posse_executor *pool = fresh_pool(1, nothing);
    pid_t worker = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    assert_non_null(file);
    assert_true(fputs("text", file) >= 0 && fflush(file) == 0);
    int fd = fileno(file), before = descriptors_of(worker);
    posse_job job = {
        .fn = third_time_reading_task, .retries = 2, .descriptors = &fd, .n_descriptors = 1};
    for (int i = 0; i < 10; i++)
        assert_int_equal(take_long(submitted_job(pool, job)), 3);
    assert_int_equal(descriptors_of(worker), before);
    fclose(file);
    end_pool(pool);
}

TEST(break_on_loss, SEALABLE)
{
    posse_options options = OPTIONS(2, .on_worker_lost = POSSE_BREAK);
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_error why = {.struct_size = sizeof why};
    posse_future future = submitted_long(pool, signal_task, SIGSEGV);
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_WORKER_LOST);
    assert_eventually(posse_why_broken(pool, &why) == POSSE_OK && why.status == POSSE_BROKEN);
    assert_int_equal(why.signal, SIGSEGV);
    assert_ok(posse_destroy(pool));
}

/* ---- ended by others ---- */

TEST(deadline_and_kill, SEALABLE)
{
    struct gate *gate = shared_gate();
    posse_executor *pool = fresh_pool(2, nothing);
    posse_job job = {.fn = hold_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 1};
    for (int i = 0; i < 3; i++)
        take_error(submitted_job(pool, job), POSSE_DEADLINE);
    int before = gate->entered;
    job.timeout_ms = 1000000;
    posse_future killed = submitted_job(pool, job), beside = submitted_hold(pool, gate);
    await_entered(gate, before + 2);
    assert_ok(posse_kill(killed));
    take_error(killed, POSSE_CANCELLED);
    open_gate(gate);
    take_long(beside);
    end_pool(pool);
    free_shared_gate(gate);
}

TEST(cancel, SEALABLE)
{
    struct gate *gate = shared_gate();
    posse_executor *pool = fresh_pool(1, nothing);
    posse_future asked = SUBMIT_VALUE(pool, heed_task, gate);
    await_entered(gate, 1);
    assert_status(posse_cancel(asked), POSSE_TOO_LATE);
    assert_ok(posse_exception(asked, -1, NULL));
    assert_ok(posse_release(asked));
    posse_job job = {.fn = hold_task, .arg = &gate, .size = sizeof gate, .grace_ms = 1};
    posse_future graced = submitted_job(pool, job);
    await_entered(gate, 2);
    assert_status(posse_cancel(graced), POSSE_TOO_LATE);
    take_error(graced, POSSE_CANCELLED);
    job.fn = heed_task;
    job.grace_ms = 1000000;
    posse_future heeds = submitted_job(pool, job);
    await_entered(gate, 3);
    assert_status(posse_cancel(heeds), POSSE_TOO_LATE);
    take_error(heeds, POSSE_OK);
    end_pool(pool);
    free_shared_gate(gate);
}

/* posse_task_cancelled turns true before the deadline. */
static int graced_task(posse_task *task, const void *arg, size_t size)
{
    while (!posse_task_cancelled(task))
        pause_ms(1);
    return return_long(task, posse_task_time_left(task) > 0);
}

TEST(grace_before_the_deadline, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    posse_job job = {.fn = graced_task, .timeout_ms = 1000000, .grace_ms = 999990};
    assert_int_equal(take_long(submitted_job(pool, job)), 1);
    end_pool(pool);
}

/* ---- limits ---- */

static int greedy_task(posse_task *task, const void *arg, size_t size)
{
    size_t much = 64 * MIB;
    void *memory = mmap(NULL, much, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED)
        return WRONG_ARG;
    switch (size) {
    case 1: return 3;
    case 2: abort();
    case 3: exit(4);
    default: return return_long(task, 5);
    }
}

static int deep(int depth)
{
    volatile char room[4096];
    memset((char *)room, depth, sizeof room);
    return depth ? deep(depth - 1) + room[5] : room[7];
}

static int deep_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, deep(1500));
}

static int busy_task(posse_task *task, const void *arg, size_t size)
{
    while (!posse_task_cancelled(task))
        ;
    return 0;
}

static volatile char changed[MIB * 32];

/* It asks for nothing, and touches what the program had. */
static int touching_task(posse_task *task, const void *arg, size_t size)
{
    while (!posse_task_cancelled(task))
        for (size_t i = 0; i < sizeof changed; i += 1024)
            changed[i]++;
    return 0;
}

TEST(memory_limit, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    posse_job job = {.fn = greedy_task, .max_memory = 16 * MIB, .arg = "xxxx"};
    assert_int_equal(take_long(submitted_job(pool, job)), 5);
    for (job.size = 1; job.size <= 3; job.size++) {
        posse_error error = take_error(submitted_job(pool, job), POSSE_OVER_MEMORY);
        assert_true(error.cpu_ns > 0);
        assert_int_equal(error.attempt, 1);
    }
    job = (posse_job){.fn = touching_task, .max_memory = 4 * MIB, .retries = 2};
    posse_error error = take_error(submitted_job(pool, job), POSSE_OVER_MEMORY);
    assert_true(error.peak_memory > 4 * MIB);
    job = (posse_job){.fn = deep_task, .max_memory = 64 * MIB};
    take_error(submitted_job(pool, job), POSSE_OK);
    assert_int_equal(stats_of(pool).workers_started, 1);
    end_pool(pool);
}

TEST(time_limit_of_the_processor, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    posse_job job = {.fn = busy_task, .max_cpu_ms = 20, .retries = 2};
    posse_error error = take_error(submitted_job(pool, job), POSSE_OVER_CPU);
    assert_true(error.cpu_ns >= 20000000);
    job = (posse_job){.fn = identity_task, .max_cpu_ms = 100000};
    take_long(submitted_job(pool, job));
    assert_int_equal(stats_of(pool).workers_started, 1);
    assert_int_equal(stats_of(pool).timed_out, 1);
    end_pool(pool);
}

/* A process cannot lift its limit, as a worker can. */
static int lifting_task(posse_task *task, const void *arg, size_t size)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    return return_long(task, setrlimit(RLIMIT_DATA, &limit));
}

TEST(a_limit_that_cannot_be_lifted, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    posse_job job = {.fn = lifting_task, .max_memory = 16 * MIB};
    take_error(submitted_job(pool, job), POSSE_FORBIDDEN);
    end_pool(pool);
}

static void *wait_for_ever(void *context)
{
    for (;;)
        pause();
    return context;
}

/* Nobody can tell how much memory the process uses without its first thread. */
static int hiding_task(posse_task *task, const void *arg, size_t size)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, wait_for_ever, NULL) != 0)
        return GAVE_UP;
    (void)syscall(SYS_exit, 0);
    return WRONG_ARG;
}

TEST(a_use_that_cannot_be_seen, SEALABLE)
{
    posse_executor *pool = fresh_pool(1, nothing);
    posse_job job = {.fn = hiding_task, .max_memory = 64 * MIB, .retries = 2};
    assert_int_equal(take_error(submitted_job(pool, job), POSSE_OVER_MEMORY).attempt, 1);
    assert_int_equal(stats_of(pool).workers_started, 1);
    end_pool(pool);
}

/* ---- with an autopsy ---- */

static int noted_crash_task(posse_task *task, const void *arg, size_t size)
{
    posse_task_note(task, "about to crash %d", 5);
    volatile int *nowhere = NULL;
    return *nowhere; /* NOLINT */
}

TEST(autopsy, SEALABLE)
{
    posse_options options = OPTIONS(1, .autopsy = 1);
    posse_executor *pool = fresh_pool_with(options, nothing);
    for (int i = 0; i < 3; i++) {
        posse_future future = submitted(pool, noted_crash_task, NULL, 0);
        posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
        assert_int_equal(error_of(future).signal, SIGSEGV);
        assert_int_equal(report.signal, SIGSEGV);
        assert_true(report.n_frames > 0);
        assert_string_equal(report.note, "about to crash 5");
        assert_ok(posse_release(future));
    }
    posse_future future = submitted(pool, noted_socket_task, NULL, 0);
    posse_autopsy_report report = report_of(future, POSSE_FORBIDDEN);
    assert_int_equal(report.signal, 0);
    assert_string_equal(report.note, "about to ask");
    assert_ok(posse_release(future));
    end_autopsied(pool);
}

static int noted_task(posse_task *task, const void *arg, size_t size)
{
    if (size)
        posse_task_note(task, "late");
    while (pause() != 0)
        ;
    return 0;
}

/* The worker is killed, too, but has looked before that, if it had the time. */
TEST(autopsy_of_a_late_task, SEALABLE)
{
    posse_options options = OPTIONS(1, .autopsy = 1);
    posse_executor *pool = fresh_pool_with(options, nothing);
    posse_job job = {.fn = noted_task, .arg = "x", .size = 1, .timeout_ms = 200};
    for (bool found = false; !found; job.timeout_ms *= 2) {
        posse_future future = submitted_job(pool, job);
        found = strcmp(report_of(future, POSSE_DEADLINE).note, "late") == 0;
        assert_ok(posse_release(future));
        assert_true(found || job.timeout_ms < 20000);
    }
    job.size = 0;
    posse_future future = submitted_job(pool, job);
    assert_string_equal(report_of(future, POSSE_DEADLINE).note, "");
    assert_ok(posse_release(future));
    end_autopsied(pool);
}

/* ---- the worker dies ---- */

static int kill_worker_of(pid_t process)
{
    char path[64], text[400] = "";
    int parent = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)process);
    FILE *file = fopen(path, "re");
    if (!file)
        return -1;
    if (fgets(text, sizeof text, file) && strrchr(text, ')'))
        (void)sscanf(strrchr(text, ')'), ") %*c %d", &parent);
    (void)fclose(file);
    return parent > 1 ? kill(parent, SIGKILL) : -1;
}

/* The process dies with it, and the task runs again if it may. */
TEST(the_worker_is_killed, SEALABLE)
{
    struct gate *gate = shared_gate();
    posse_executor *pool = fresh_pool(1, nothing);
    posse_job job = {.fn = hold_task, .arg = &gate, .size = sizeof gate, .retries = 1};
    posse_future future = submitted_job(pool, job);
    for (int i = 1; i <= 2; i++) {
        await_entered(gate, i);
        pid_t process = (pid_t)gate->who[i - 1];
        assert_int_equal(kill_worker_of(process), 0);
        assert_eventually(!process_lives(process));
    }
    take_error(future, POSSE_WORKER_LOST);
    assert_int_equal(stats_of(pool).workers_lost, 2);
    end_pool(pool);
    free_shared_gate(gate);
}
