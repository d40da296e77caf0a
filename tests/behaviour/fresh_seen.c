/* fresh_seen.c - POSSE_FRESH: what posse_get_info, a trace and the log say of a task's process. */
#include "support/sealed.h"
#include "support/support.h"

#include <posse_log.h>
#include <posse_trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const posse_seal nothing = {.allow = 0};

static posse_info info_of(posse_future future)
{
    posse_info info = {.struct_size = sizeof info};
    assert_ok(posse_get_info(future, &info));
    return info;
}

TEST(info_has_its_pid, SEALABLE)
{
    posse_executor *pool = fresh_pool_with(OPTIONS(1, .stamps = 1), nothing);
    for (int i = 0; i < 3; i++) {
        posse_future future = submitted(pool, process_task, NULL, 0);
        assert_ok(posse_result(future, -1, NULL, NULL));
        long pid = info_of(future).pid;
        assert_int_equal(take_long(future), pid);
    }
    long ms = PATIENCE_MS, signal = SIGSEGV;
    posse_future sleeper = SUBMIT_VALUE(pool, sleep_task, ms), lost;
    assert_eventually(info_of(sleeper).pid != 0 && kill((pid_t)info_of(sleeper).pid, 0) == 0);
    assert_eventually(posse_running(sleeper));
    assert_ok(posse_kill(sleeper));
    take_error(sleeper, POSSE_CANCELLED);
    lost = SUBMIT_VALUE(pool, signal_task, signal);
    posse_error error = error_of(lost);
    assert_true(error.status == POSSE_WORKER_LOST && error.pid > 0);
    assert_int_equal(info_of(lost).pid, error.pid);
    assert_ok(posse_release(lost));
    assert_eventually(stats_of(pool).workers == 1);
    end_pool(pool);
}

static char *read_file(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_int_equal(unlink(path), 0);
    return text;
}

static void assert_has(const char *text, const char *before, long pid, const char *behind)
{
    char words[128];
    snprintf(words, sizeof words, "%s%ld%s", before, pid, behind);
    assert_non_null(strstr(text, words));
}

/* What stands before and behind the pid, and behind that of a process that died. */
static void assert_traced(posse_trace_format format, const char *before, const char *behind,
                          const char *death)
{
    char path[64];
    long signal = SIGSEGV;
    posse_executor *pool = fresh_pool_with(OPTIONS(1, .stamps = 1), nothing);
    snprintf(path, sizeof path, "/tmp/posse-seen-%ld", (long)getpid());
    assert_ok(posse_trace_start(pool, path, format));
    long pid = take_long(submitted(pool, process_task, NULL, 0));
    posse_error error = take_error(SUBMIT_VALUE(pool, signal_task, signal), POSSE_WORKER_LOST);
    assert_ok(posse_trace_stop(pool));
    const char *text = read_file(path);
    assert_has(text, before, pid, behind);
    assert_has(text, before, error.pid, death);
    end_pool(pool);
}

TEST(trace_has_its_pid_and_death, SEALABLE)
{
    assert_traced(POSSE_TRACE_JSON, "\"pid\":", "}}", ",\"signal\":11,\"exit_code\":-1}}");
    assert_traced(POSSE_TRACE_SVG, "pid ", "</title>", ", signal 11, exit code -1</title>");
}

static void keep_pid(void *context, const posse_log_record *record)
{
    char words[64];
    if (record->event != POSSE_LOG_TASK_FAILED)
        return;
    snprintf(words, sizeof words, "%ld", record->error->pid);
    atomic_store((_Atomic long *)context, strstr(record->message, words) ? record->error->pid : -1);
}

static int tell_pid_task(posse_task *task, const void *arg, size_t size)
{
    (void)arg, (void)size;
    long pid = (long)getpid();
    if (write(posse_task_descriptor(task, 0), &pid, sizeof pid) == (ssize_t)sizeof pid)
        (void)raise(SIGSEGV);
    return GAVE_UP;
}

TEST(log_has_its_pid, SEALABLE)
{
    _Atomic long told = 0;
    long pid = 0;
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    posse_executor *pool =
        fresh_pool_with(OPTIONS(1, .log = keep_pid, .log_context = &told), nothing);
    posse_job job = {.struct_size = sizeof job,
                     .fn = tell_pid_task,
                     .descriptors = &pipes[1],
                     .n_descriptors = 1};
    assert_ok(posse_submit_with(pool, &job, NULL));
    assert_int_equal(read(pipes[0], &pid, sizeof pid), sizeof pid);
    assert_eventually(atomic_load(&told) != 0);
    assert_int_equal(atomic_load(&told), pid);
    end_pool(pool);
    close(pipes[0]);
    close(pipes[1]);
}
