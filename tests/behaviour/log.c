/* log.c - options.log: what it is told, by which thread, and what is not told. */
#include "support/support.h"

#include <posse_group.h>
#include <posse_log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS (POSSE_LOG_BROKEN + 1)

struct log {
    _Atomic int told[EVENTS]; /* records of each kind */
    _Atomic int wrong;        /* records that are not as posse_log.h says */
    _Atomic int open;         /* 0: the log waits in its first record, but not for ever */
    _Atomic int inside;
    _Atomic int called_by; /* another thread than the first one */
    pthread_t thread;
    posse_error last;          /* of TASK_FAILED */
    posse_error lost;          /* of WORKER_LOST */
    posse_future lost_task;    /* the same */
    char lost_name[32];        /* the same */
    char message[EVENTS][320]; /* the last one of each kind */
};

static bool is_right(const posse_log_record *record)
{
    static const posse_log_level levels[EVENTS] = {
        [POSSE_LOG_THREADS] = POSSE_LOG_WARNING,      [POSSE_LOG_CALLBACK] = POSSE_LOG_WARNING,
        [POSSE_LOG_TASK_FAILED] = POSSE_LOG_WARNING,  [POSSE_LOG_WORKER_LOST] = POSSE_LOG_WARNING,
        [POSSE_LOG_WORKER_REPLACED] = POSSE_LOG_INFO, [POSSE_LOG_DROPPED] = POSSE_LOG_WARNING,
        [POSSE_LOG_BROKEN] = POSSE_LOG_ERROR,
    };
    bool of_worker =
        record->event == POSSE_LOG_WORKER_LOST || record->event == POSSE_LOG_WORKER_REPLACED;
    bool has_error = record->event == POSSE_LOG_TASK_FAILED ||
                     record->event == POSSE_LOG_WORKER_LOST || record->event == POSSE_LOG_BROKEN;
    return record->struct_size == sizeof *record && record->level == levels[record->event] &&
           (record->executor != NULL) == (record->event != POSSE_LOG_THREADS) && *record->message &&
           !strchr(record->message, '\n') && (record->worker >= 0) == of_worker &&
           (record->error != NULL) == has_error &&
           (record->event == POSSE_LOG_WORKER_LOST || !record->task.executor);
}

static void write_log(void *context, const posse_log_record *record)
{
    struct log *log = context;
    bool before = record->event == POSSE_LOG_THREADS; /* the program's own thread calls it then */
    if (!before && atomic_fetch_add(&log->inside, 1) == 0)
        log->thread = pthread_self();
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&log->open) && now_ms() < end;)
        pause_ms(1);
    if (!before && !pthread_equal(log->thread, pthread_self()))
        atomic_fetch_add(&log->called_by, 1);
    if (!is_right(record))
        atomic_fetch_add(&log->wrong, 1);
    if (record->event == POSSE_LOG_TASK_FAILED)
        log->last = *record->error;
    if (record->event == POSSE_LOG_WORKER_LOST) {
        log->lost = *record->error;
        log->lost_task = record->task;
        memcpy(log->lost_name, record->task_name, sizeof log->lost_name);
    }
    snprintf(log->message[record->event], sizeof log->message[0], "%s", record->message);
    atomic_fetch_add(&log->told[record->event], 1);
}

static int told(struct log *log, posse_log_event event) { return atomic_load(&log->told[event]); }

static struct log open_log(void) { return (struct log){.open = 1}; }

/* The end of the pool waits until all is told. */
static void end_logged(posse_executor *pool, struct log *log)
{
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_destroy(pool));
    assert_int_equal(atomic_load(&log->wrong), 0);
}

static void run_unobserved(posse_executor *pool, posse_fn *fn, long value)
{
    assert_ok(posse_submit(pool, fn, &value, sizeof value, NULL));
}

TEST(a_failure_that_nobody_observes, ALL)
{
    struct log log = open_log();
    long code = 7;
    posse_executor *pool = POOL(2, .log = write_log, .log_context = &log);
    posse_job job = {.struct_size = sizeof job,
                     .fn = message_task,
                     .arg = &code,
                     .size = sizeof code,
                     .name = "page"};
    assert_ok(posse_submit_with(pool, &job, NULL));
    assert_eventually(told(&log, POSSE_LOG_TASK_FAILED) == 1);
    assert_status(log.last.status, POSSE_TASK_FAILED);
    assert_int_equal(log.last.code, 7);
    assert_string_equal(log.last.name, "page");
    assert_string_equal(log.last.message, "page: failed with 7");
    assert_string_equal(log.message[POSSE_LOG_TASK_FAILED], log.last.message);
    assert_int_equal(stats_of(pool).futures, 0);
    assert_at_rest(pool);
    end_logged(pool, &log);
}

/* When its group has let it go: inline that is in the submit, too. */
TEST(a_failure_in_a_group, ALL)
{
    struct log log = open_log();
    long code = 7;
    posse_group *group;
    posse_executor *pool = POOL(2, .log = write_log, .log_context = &log);
    assert_ok(posse_group_create(pool, NULL, &group));
    posse_job job = {.struct_size = sizeof job,
                     .fn = message_task,
                     .arg = &code,
                     .size = sizeof code,
                     .group = group};
    assert_ok(posse_submit_with(pool, &job, NULL));
    if (backend() == POSSE_INLINE)
        assert_int_equal(told(&log, POSSE_LOG_TASK_FAILED), 1);
    assert_eventually(told(&log, POSSE_LOG_TASK_FAILED) == 1);
    assert_status(posse_group_wait(group, -1), POSSE_TASK_FAILED);
    assert_ok(posse_group_destroy(group));
    assert_at_rest(pool);
    end_logged(pool, &log);
    assert_int_equal(told(&log, POSSE_LOG_TASK_FAILED), 1);
}

static int forging_task(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 1, "x\nposse: all is well\033[2J\xc2\x9b\xff\xc3\xa9");
}

/* The error has what the task has said. */
TEST(a_task_forges_no_lines, ALL)
{
    char text[80];
    struct log log = open_log();
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    assert_ok(posse_submit(pool, forging_task, NULL, 0, NULL));
    assert_eventually(told(&log, POSSE_LOG_TASK_FAILED) == 1);
    assert_string_equal(log.message[POSSE_LOG_TASK_FAILED], "x?posse: all is well?[2J???\xc3\xa9");
    assert_string_equal(log.last.message, "x\nposse: all is well\033[2J\xc2\x9b\xff\xc3\xa9");
    posse_future future = submitted(pool, forging_task, NULL, 0);
    assert_ok(posse_exception(future, -1, NULL));
    (void)posse_describe(future, text, sizeof text);
    assert_string_equal(text, "finished: failed with code 1: x?posse: all is well?[2J???\xc3\xa9");
    assert_ok(posse_release(future));
    end_logged(pool, &log);
}

/* Of results, cancelled tasks, and tasks whose future somebody has. */
TEST(nothing_to_tell, ALL)
{
    struct log log = open_log();
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    take_error(submitted_long(pool, message_task, 7), POSSE_TASK_FAILED);
    run_unobserved(pool, square_task, 3);
    if (backend() != POSSE_INLINE) {
        struct gate *gate = make_gate(pool);
        posse_future held = submitted_hold(pool, gate);
        posse_future cancelled = submitted_long(pool, message_task, 7);
        assert_ok(posse_cancel(cancelled));
        assert_ok(posse_release(cancelled));
        open_gate(gate);
        take_error(held, POSSE_OK);
        free_gate(pool, gate);
    }
    end_logged(pool, &log);
    assert_int_equal(told(&log, POSSE_LOG_TASK_FAILED), 0);
}

static int fail_at_gate(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    return pass_gate(gate) ? posse_task_fail(task, 5, "behind the gate") : GAVE_UP;
}

/* Also while something waits for it: then its place in a list is taken. */
TEST(released_before_its_end, PARALLEL)
{
    struct log log = open_log();
    posse_executor *pool = POOL(2, .log = write_log, .log_context = &log);
    for (int waited = 0; waited < 2; waited++) {
        posse_completion_queue *queue = NULL;
        struct gate *gate = make_gate(pool);
        posse_future future = SUBMIT_VALUE(pool, fail_at_gate, gate);
        if (waited) {
            assert_ok(posse_completion_queue_create(&queue));
            assert_ok(posse_completion_queue_add(queue, future, NULL));
        }
        await_entered(gate, 1);
        assert_ok(posse_release(future));
        open_gate(gate);
        assert_eventually(told(&log, POSSE_LOG_TASK_FAILED) == waited + 1);
        assert_int_equal(log.last.code, 5);
        posse_completion_queue_destroy(queue);
        free_gate(pool, gate);
    }
    assert_at_rest(pool);
    end_logged(pool, &log);
}

/* By the program, and by tasks, which go on meanwhile. */
static int submit_failing(posse_task *task, const void *arg, size_t size)
{
    for (long i = 0; i < 10; i++)
        if (posse_submit(posse_task_executor(task), code_task, &(long){i + 1}, sizeof i, NULL))
            return INNER_FAILED;
    return 0;
}

TEST(many, ALL)
{
    enum { N = 500 };
    struct log log = open_log();
    posse_executor *pool = POOL(3, .log = write_log, .log_context = &log);
    for (int i = 0; i < N; i++) {
        run_unobserved(pool, submit_failing, 0);
        run_unobserved(pool, square_task, i);
    }
    end_logged(pool, &log);
    assert_int_equal(told(&log, POSSE_LOG_TASK_FAILED), 10 * N);
    assert_int_equal(atomic_load(&log.called_by), 0);
}

TEST(a_late_task, PARALLEL)
{
    struct log log = open_log();
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    struct gate *gate = make_gate(pool);
    posse_job job = {.struct_size = sizeof job,
                     .fn = hold_task,
                     .arg = &gate,
                     .size = sizeof gate,
                     .timeout_ms = 20};
    assert_ok(posse_submit_with(pool, &job, NULL));
    /* A thread still has it after its end, and then leaves it. */
    assert_eventually(stats_of(pool).timed_out == 1);
    open_gate(gate);
    assert_eventually(told(&log, POSSE_LOG_TASK_FAILED) == 1);
    assert_status(log.last.status, POSSE_DEADLINE);
    assert_int_equal(told(&log, POSSE_LOG_WORKER_LOST), backend() == POSSE_PROCESS);
    free_gate(pool, gate);
    end_logged(pool, &log);
}

/* Its record names the task, also one that is run again. */
TEST(the_task_of_a_lost_worker, PROCESSES)
{
    char words[64];
    long signal = SIGKILL;
    struct log log = open_log();
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    posse_future named = submitted_job(pool, (posse_job){.fn = signal_task,
                                                         .arg = &signal,
                                                         .size = sizeof signal,
                                                         .name = "a\nname",
                                                         .retries = 1});
    take_error(named, POSSE_WORKER_LOST);
    assert_eventually(told(&log, POSSE_LOG_WORKER_LOST) == 2);
    assert_memory_equal(&log.lost_task, &named, sizeof named);
    assert_string_equal(log.lost_name, "a\nname");
    snprintf(words, sizeof words, "; it ran task a?name (slot %u, generation %u)", named.slot,
             named.generation);
    assert_non_null(strstr(log.message[POSSE_LOG_WORKER_LOST], words));
    posse_future other = submitted_long(pool, signal_task, SIGTERM);
    take_error(other, POSSE_WORKER_LOST);
    assert_eventually(told(&log, POSSE_LOG_WORKER_LOST) == 3);
    assert_memory_equal(&log.lost_task, &other, sizeof other);
    assert_string_equal(log.lost_name, "");
    assert_non_null(strstr(log.message[POSSE_LOG_WORKER_LOST], "; it ran task (slot "));
    end_logged(pool, &log);
}

/* A worker that dies as it sleeps has none. */
TEST(a_lost_worker_without_a_task, PROCESSES)
{
    struct log log = open_log();
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    assert_eventually(stats_of(pool).workers_idle == 1);
    assert_int_equal(kill(worker, SIGKILL), 0);
    assert_eventually(told(&log, POSSE_LOG_WORKER_LOST) == 1);
    assert_null(log.lost_task.executor);
    assert_null(strstr(log.message[POSSE_LOG_WORKER_LOST], "it ran"));
    end_logged(pool, &log);
}

TEST(a_lost_worker, PROCESSES)
{
    struct log log = open_log();
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    run_unobserved(pool, signal_task, SIGTERM);
    assert_eventually(told(&log, POSSE_LOG_WORKER_REPLACED) == 1);
    assert_eventually(told(&log, POSSE_LOG_TASK_FAILED) == 1);
    assert_int_equal(told(&log, POSSE_LOG_WORKER_LOST), 1);
    assert_status(log.last.status, POSSE_WORKER_LOST);
    assert_status(log.lost.status, POSSE_WORKER_LOST);
    assert_int_equal(log.lost.signal, SIGTERM);
    assert_int_equal(log.lost.pid, log.last.pid);
    assert_non_null(strstr(log.lost.message, "signal 15"));
    assert_at_rest(pool);
    end_logged(pool, &log);
    assert_int_equal(told(&log, POSSE_LOG_WORKER_LOST), 1); /* not those that the end ends */
}

/* The log counts what it had no room for. */
TEST(a_slow_log, PROCESSES)
{
    enum { DEATHS = 40 };
    struct log log = {.open = 0};
    posse_executor *pool = POOL(1, .log = write_log, .log_context = &log);
    for (int i = 0; i < DEATHS; i++)
        take_error(submitted_long(pool, signal_task, SIGKILL), POSSE_WORKER_LOST);
    assert_eventually(stats_of(pool).workers_lost == DEATHS);
    atomic_store(&log.open, 1);
    assert_eventually(told(&log, POSSE_LOG_DROPPED) == 1);
    int dropped = (int)strtol(log.message[POSSE_LOG_DROPPED], NULL, 10);
    end_logged(pool, &log);
    int workers = told(&log, POSSE_LOG_WORKER_LOST) + told(&log, POSSE_LOG_WORKER_REPLACED);
    assert_in_range(workers, 32, 2 * DEATHS - 1);
    assert_in_range(dropped, 1, 2 * DEATHS - workers);
}

static int fail_to_start(posse_task *task, const void *arg, size_t size)
{
    return posse_task_fail(task, 3, "no licence");
}

TEST(a_pool_that_breaks, ALL)
{
    struct log log = open_log();
    posse_executor *pool =
        POOL(1, .initializer = fail_to_start, .log = write_log, .log_context = &log);
    if (backend() != POSSE_INLINE)
        assert_eventually(told(&log, POSSE_LOG_BROKEN) == 1);
    assert_ok(posse_destroy(pool));
    assert_int_equal(told(&log, POSSE_LOG_BROKEN), 1);
    assert_int_equal(atomic_load(&log.wrong), 0);
    assert_non_null(strstr(log.message[POSSE_LOG_BROKEN], "no licence"));
}

/* ---- what the log itself does ---- */

struct doer {
    _Atomic int calls;
    _Atomic posse_status destroyed;
};

static void leave(void *context, const posse_log_record *record)
{
    struct doer *doer = context;
    if (record->event == POSSE_LOG_TASK_FAILED && atomic_fetch_add(&doer->calls, 1) < 3)
        pthread_exit(NULL);
}

TEST(it_leaves, PARALLEL)
{
    struct doer doer = {.calls = 0};
    posse_executor *pool = POOL(1, .log = leave, .log_context = &doer);
    for (int i = 0; i < 5; i++)
        run_unobserved(pool, code_task, 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_destroy(pool));
    assert_int_equal(atomic_load(&doer.calls), 5);
}

static void use_pool(void *context, const posse_log_record *record)
{
    struct doer *doer = context;
    if (record->event != POSSE_LOG_TASK_FAILED)
        return;
    if (atomic_fetch_add(&doer->calls, 1) < 10 && /* each brings about the next */
        posse_submit(record->executor, code_task, &(long){1}, sizeof(long), NULL) != POSSE_OK)
        atomic_store(&doer->calls, 100);
    atomic_store(&doer->destroyed, posse_destroy(record->executor));
}

TEST(it_uses_its_pool, ALL)
{
    struct doer doer = {.calls = 0};
    posse_executor *pool = POOL(1, .log = use_pool, .log_context = &doer);
    run_unobserved(pool, code_task, 1);
    assert_eventually(atomic_load(&doer.calls) == 11);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_ok(posse_destroy(pool));
    assert_status(atomic_load(&doer.destroyed), POSSE_DEADLOCK);
}

static void destroy_pool(void *context, const posse_log_record *record)
{
    struct doer *doer = context;
    if (record->event == POSSE_LOG_THREADS)
        return; /* there is no pool yet */
    atomic_store(&doer->destroyed, posse_destroy(record->executor));
    atomic_fetch_add(&doer->calls, 1);
}

/* Inline it is told in posse_submit_with, when its group has let it go. */
TEST(it_cannot_end_its_pool_for_a_task_of_a_group, ALL)
{
    struct doer doer = {.calls = 0};
    posse_group *group;
    posse_executor *pool = POOL(1, .log = destroy_pool, .log_context = &doer);
    assert_ok(posse_group_create(pool, NULL, &group));
    posse_job job = {.struct_size = sizeof job,
                     .fn = code_task,
                     .arg = &(long){1},
                     .size = sizeof(long),
                     .group = group};
    assert_ok(posse_submit_with(pool, &job, NULL));
    assert_eventually(atomic_load(&doer.calls) == 1);
    assert_status(atomic_load(&doer.destroyed), POSSE_DEADLOCK);
    assert_ok(posse_group_destroy(group));
    assert_ok(posse_destroy(pool));
}

/* Inline it is told in posse_destroy. */
TEST(it_cannot_end_its_pool_that_breaks, ALL)
{
    struct doer doer = {.calls = 0};
    posse_executor *pool =
        POOL(1, .initializer = fail_to_start, .log = destroy_pool, .log_context = &doer);
    if (backend() != POSSE_INLINE)
        assert_eventually(atomic_load(&doer.calls) > 0);
    assert_ok(posse_destroy(pool));
    assert_in_range(atomic_load(&doer.calls), 1, 1000);
    assert_status(atomic_load(&doer.destroyed), POSSE_DEADLOCK);
}

static void leave_destroy(void *context, const posse_log_record *record)
{
    struct doer *doer = context;
    if (record->event == POSSE_LOG_THREADS)
        return; /* it would be the test's thread */
    atomic_fetch_add(&doer->calls, 1);
    pthread_exit(NULL);
}

static void *destroy(void *pool)
{
    (void)!posse_destroy(pool);
    return pool; /* not reached inline */
}

/* How many bytes of address space this process has. */
static size_t mapped(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    assert_non_null(statm);
    assert_int_equal(fscanf(statm, "%lu", &pages), 1);
    assert_int_equal(fclose(statm), 0);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* It ends the thread that destroys the executor: nothing is left of that. */
TEST(it_leaves_destroy, ALL)
{
    struct doer doer = {.calls = 0};
    void *result;
    posse_executor *pool =
        POOL(1, .initializer = fail_to_start, .log = leave_destroy, .log_context = &doer);
    if (backend() != POSSE_INLINE)
        assert_eventually(atomic_load(&doer.calls) > 0);
    pthread_t thread;
    size_t before = mapped();
    assert_int_equal(pthread_create(&thread, NULL, destroy, pool), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_true(result == (backend() == POSSE_INLINE ? NULL : pool));
    assert_true(mapped() < before); /* the executor's is gone */
    assert_in_range(atomic_load(&doer.calls), 1, 1000);
}

/* ---- what it may call ---- */

struct waiter {
    _Atomic posse_status idle, shut;
    _Atomic int told;
};

static void wait_there(void *context, const posse_log_record *record)
{
    struct waiter *waiter = context;
    if (record->event != POSSE_LOG_TASK_FAILED)
        return;
    atomic_store(&waiter->idle, posse_wait_idle(record->executor, PATIENCE_MS));
    atomic_store(&waiter->shut, posse_shutdown(record->executor, 0, PATIENCE_MS));
    atomic_store(&waiter->told, 1);
}

TEST(it_waits_for_its_pool, ALL)
{
    struct waiter waiter = {.told = 0};
    posse_executor *pool = POOL(1, .log = wait_there, .log_context = &waiter);
    run_unobserved(pool, code_task, 1);
    assert_eventually(atomic_load(&waiter.told));
    assert_ok(atomic_load(&waiter.idle));
    assert_ok(atomic_load(&waiter.shut));
    assert_ok(posse_destroy(pool));
}

/* ---- what it may call while its pool ends ---- */

struct late {
    posse_future future; /* of a task that has ended */
    _Atomic int told, ends;
    _Atomic posse_status idle, added;
};

static int nothing(posse_future future, void *context) { return 0; }

static void call_late(void *context, const posse_log_record *record)
{
    struct late *late = context;
    if (record->event != POSSE_LOG_TASK_FAILED)
        return;
    atomic_store(&late->told, 1);
    while (!atomic_load(&late->ends))
        sched_yield();
    posse_status added = POSSE_OK; /* until its callbacks are gone */
    for (long end = now_ms() + PATIENCE_MS; added == POSSE_OK && now_ms() < end; pause_ms(1))
        added = posse_add_done_callback(late->future, nothing, NULL);
    atomic_store(&late->idle, posse_wait_idle(record->executor, 0));
    atomic_store(&late->added, added);
}

TEST(it_adds_no_callback_to_a_pool_that_ends, PARALLEL)
{
    struct late late = {.told = 0};
    posse_executor *pool = POOL(1, .log = call_late, .log_context = &late);
    late.future = submitted_long(pool, square_task, 3);
    assert_ok(posse_add_done_callback(late.future, nothing, NULL));
    assert_ok(posse_wait_idle(pool, -1));
    run_unobserved(pool, code_task, 1);
    assert_eventually(atomic_load(&late.told) == 1);
    atomic_store(&late.ends, 1);
    assert_ok(posse_destroy(pool));
    assert_true(atomic_load(&late.idle) == POSSE_OK || atomic_load(&late.idle) == POSSE_SHUT_DOWN);
    assert_status(atomic_load(&late.added), POSSE_SHUT_DOWN);
}

/* No other pool has a thread for it. */
TEST(its_thread, PARALLEL)
{
    struct log log = open_log();
    int before = count_threads();
    posse_executor *pool = POOL(1);
    int without = count_threads() - before;
    end_pool(pool);
    pool = POOL(1, .log = write_log, .log_context = &log);
    assert_eventually(count_threads() - before == without + 1);
    end_logged(pool, &log);
    assert_eventually(count_threads() == before);
}
