/* callbacks.c - posse_add_done_callback: called once, in order, however the future ends. */
#include "support/support.h"

#include <posse_log.h>

#include <stdio.h>
#include <string.h>

/* What callbacks have seen, in the order of their calls. */
struct record {
    _Atomic int calls;
    struct {
        posse_future future;
        posse_status how;
        long value;
        long thread;
        int number;
    } call[64];
};

struct note {
    struct record *record;
    int number;
    int code; /* that the callback returns */
};

static int take_note(posse_future future, void *context)
{
    const struct note *note = context;
    struct record *record = note->record;
    int at = atomic_load(&record->calls); /* callbacks of a test are called one after another */
    posse_error error = {.struct_size = sizeof error, .status = POSSE_BROKEN};
    if (at < (int)COUNT(record->call)) {
        record->call[at].value = 0;
        (void)posse_result_into(future, 0, &record->call[at].value, sizeof(long), NULL);
        (void)posse_exception(future, 0, &error);
        record->call[at].future = future;
        record->call[at].how = error.status;
        record->call[at].thread = identity();
        record->call[at].number = note->number;
    }
    atomic_fetch_add(&record->calls, 1);
    return note->code;
}

static void add(posse_future future, struct note *note)
{
    assert_ok(posse_add_done_callback(future, take_note, note));
}

static void assert_called(struct record *record, int calls)
{
    assert_eventually(atomic_load(&record->calls) >= calls);
    assert_int_equal(atomic_load(&record->calls), calls);
}

/* A future at a gate, with a callback. */
struct pending {
    posse_executor *pool;
    struct gate *gate;
    posse_future future;
    struct record record;
    struct note notes[4];
};

static void make_pending(struct pending *pending, posse_options options, int callbacks)
{
    memset(pending, 0, sizeof *pending);
    options.max_workers = 1;
    pending->pool = make_pool_with(options);
    pending->gate = make_gate(pending->pool);
    pending->future = submitted_hold(pending->pool, pending->gate);
    await_entered(pending->gate, 1);
    for (int i = 0; i < callbacks; i++) {
        pending->notes[i] = (struct note){&pending->record, i, 0};
        add(pending->future, &pending->notes[i]);
    }
}

static void end_pending(struct pending *pending)
{
    open_gate(pending->gate);
    assert_ok(posse_exception(pending->future, -1, NULL));
    assert_ok(posse_release(pending->future));
    assert_eventually(stats_of(pending->pool).running == 0);
    free_gate(pending->pool, pending->gate);
    end_pool(pending->pool);
}

TEST(F_01_done_callback_with_result, PARALLEL)
{
    static struct pending p;
    make_pending(&p, default_options(), 1);
    posse_future square = submitted_long(p.pool, square_task, 5);
    add(square, &p.notes[0]);
    open_gate(p.gate);
    assert_called(&p.record, 2);
    assert_status(p.record.call[1].how, POSSE_OK);
    assert_int_equal(p.record.call[1].value, 25);
    assert_memory_equal(&p.record.call[1].future, &square, sizeof square);
    take_error(square, POSSE_OK);
    end_pending(&p);
}

TEST(F_02_done_callback_with_exception, PARALLEL)
{
    static struct pending p;
    make_pending(&p, default_options(), 0);
    struct note note = {&p.record, 0, 0};
    posse_future failing = submitted_long(p.pool, message_task, 5);
    add(failing, &note);
    open_gate(p.gate);
    assert_called(&p.record, 1);
    assert_status(p.record.call[0].how, POSSE_TASK_FAILED);
    take_error(failing, POSSE_TASK_FAILED);
    end_pending(&p);
}

TEST(F_03_done_callback_with_cancel, PARALLEL)
{
    static struct pending p;
    make_pending(&p, default_options(), 0);
    struct note note = {&p.record, 0, 0};
    posse_future cancelled = submitted_long(p.pool, square_task, 5);
    add(cancelled, &note);
    assert_ok(posse_cancel(cancelled));
    assert_called(&p.record, 1);
    assert_status(p.record.call[0].how, POSSE_CANCELLED);
    take_error(cancelled, POSSE_CANCELLED);
    end_pending(&p);
}

/* ---- callbacks that fail are told to the log ---- */

struct log {
    _Atomic int messages;
    char last[256];
};

static void write_log(void *context, const posse_log_record *record)
{
    struct log *log = context;
    if (record->event != POSSE_LOG_CALLBACK || record->level != POSSE_LOG_WARNING)
        return;
    snprintf(log->last, sizeof log->last, "%s", record->message);
    atomic_fetch_add(&log->messages, 1);
}

static posse_options logged_options(struct log *log)
{
    posse_options options = OPTIONS(0, .log = write_log, .log_context = log);
    return options;
}

TEST(F_04_done_callback_raises, PARALLEL)
{
    static struct pending p;
    struct log log = {0};
    make_pending(&p, logged_options(&log), 0);
    struct note notes[2] = {{&p.record, 0, 77}, {&p.record, 1, 0}};
    add(p.future, &notes[0]);
    add(p.future, &notes[1]);
    open_gate(p.gate);
    assert_called(&p.record, 2);
    assert_eventually(atomic_load(&log.messages) == 1);
    assert_non_null(strstr(log.last, "77"));
    end_pending(&p);
}

TEST(F_08_done_callback_raises_already_succeeded, ALL)
{
    struct log log = {0};
    struct record record = {0};
    struct note note = {&record, 0, -3};
    posse_executor *pool = make_pool_with(logged_options(&log));
    atomic_store(&log.messages, 0);
    posse_future future = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(future, -1, NULL, NULL));
    add(future, &note);
    assert_called(&record, 1);
    assert_int_equal(atomic_load(&log.messages), 1);
    assert_non_null(strstr(log.last, "-3"));
    take_error(future, POSSE_OK);
    end_pool(pool);
}

/* ---- late ones are called at once, by the caller ---- */

static void assert_called_at_once(posse_fn *fn, posse_status how)
{
    static struct record record;
    memset(&record, 0, sizeof record);
    struct note note = {&record, 0, 0};
    posse_executor *pool = make_pool(1);
    posse_future future = submitted_long(pool, fn, 5);
    assert_ok(posse_exception(future, -1, NULL));
    int threads = count_threads();
    add(future, &note);
    assert_int_equal(atomic_load(&record.calls), 1);
    assert_int_equal(record.call[0].thread, identity());
    assert_status(record.call[0].how, how);
    assert_int_equal(count_threads(), threads);
    take_error(future, how);
    end_pool(pool);
}

TEST(F_05_done_callback_already_successful, ALL) { assert_called_at_once(square_task, POSSE_OK); }

TEST(F_06_done_callback_already_failed, ALL)
{
    assert_called_at_once(code_task, POSSE_TASK_FAILED);
}

TEST(F_07_done_callback_already_cancelled, PARALLEL)
{
    static struct pending p;
    make_pending(&p, default_options(), 0);
    struct note note = {&p.record, 0, 0};
    posse_future cancelled = submitted_long(p.pool, square_task, 5);
    assert_ok(posse_cancel(cancelled));
    add(cancelled, &note);
    assert_int_equal(atomic_load(&p.record.calls), 1);
    assert_status(p.record.call[0].how, POSSE_CANCELLED);
    assert_int_equal(p.record.call[0].thread, identity());
    take_error(cancelled, POSSE_CANCELLED);
    end_pending(&p);
}

/* ---- order, number, thread ---- */

TEST(in_order_on_one_thread, PARALLEL)
{
    static struct pending p;
    int threads = count_threads();
    make_pending(&p, default_options(), 4);
    int with_one = count_threads();
    open_gate(p.gate);
    assert_called(&p.record, 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(p.record.call[i].number, i);
        assert_int_equal(p.record.call[i].thread, p.record.call[0].thread);
    }
    assert_true(p.record.call[0].thread != identity());
    if (backend() == POSSE_PROCESS)
        assert_int_equal(with_one, threads + 1);
    end_pending(&p);
}

static int nothing(posse_future future, void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

TEST(released_ones_are_not_called, PARALLEL)
{
    static struct pending p;
    _Atomic int calls = 0;
    make_pending(&p, default_options(), 0);
    posse_future waiting = submitted_long(p.pool, square_task, 1);
    posse_future kept = submitted_long(p.pool, square_task, 2);
    assert_ok(posse_add_done_callback(waiting, nothing, &calls));
    struct note note = {&p.record, 0, 0};
    add(kept, &note);
    assert_ok(posse_release(waiting));
    open_gate(p.gate);
    assert_called(&p.record, 1); /* the other one ended before */
    assert_ok(posse_shutdown(p.pool, 0, -1));
    assert_int_equal(atomic_load(&calls), 0);
    take_error(kept, POSSE_OK);
    end_pending(&p);
}

POOL_TEST(arguments, ALL, 1)
{
    _Atomic int calls = 0;
    posse_future future = submitted_long(pool, square_task, 2);
    assert_status(posse_add_done_callback(future, NULL, NULL), POSSE_INVALID);
    assert_status(posse_add_done_callback((posse_future){0}, nothing, &calls), POSSE_INVALID);
    take_error(future, POSSE_OK);
    assert_status(posse_add_done_callback(future, nothing, &calls), POSSE_INVALID);
    assert_int_equal(atomic_load(&calls), 0);
}

static int adds_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    _Atomic int calls = 0;
    if (posse_submit(posse_task_executor(task), identity_task, NULL, 0, &future) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_add_done_callback(future, nothing, &calls);
    (void)posse_result(future, -1, NULL, NULL);
    for (long end = now_ms() + PATIENCE_MS;
         status == POSSE_OK && !atomic_load(&calls) && now_ms() < end;)
        pause_ms(1);
    posse_release(future);
    return return_long(task, status);
}

POOL_TEST(added_by_a_task, ALL, 1)
{
    assert_int_equal(take_long(submitted(pool, adds_task, NULL, 0)),
                     backend() == POSSE_PROCESS ? POSSE_NOT_SUPPORTED : POSSE_OK);
}
