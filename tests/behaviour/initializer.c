/* initializer.c - what workers run first and last. */
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static _Thread_local long initialized; /* in each worker */
static _Atomic long global = 1;

struct shared {
    _Atomic long initialized;
    _Atomic long finalized;
    _Atomic long failures; /* so many initializers still fail */
};

static struct shared *shared_of(const void *arg)
{
    struct shared *shared;
    memcpy(&shared, arg, sizeof shared);
    return shared;
}

static int mark_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    if (size != sizeof initialized) {
        return WRONG_ARG;
    }
    memcpy(&initialized, arg, sizeof initialized);
    global = initialized;
    return 0;
}

static int initialized_task(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    return pass_gate(*(struct gate *const *)arg) ? return_long(task, initialized) : GAVE_UP;
}

static posse_options with_initializer(posse_fn *fn, const void *arg, size_t size)
{
    posse_options options = default_options();
    options.max_workers = 3;
    options.initializer = fn;
    options.initializer_arg = arg;
    options.initializer_size = size;
    return options;
}

/* Every worker has run it before its first task; its argument was copied. */
TEST(I01_IP03_initializer)
{
    enum { WORKERS = 3 };
    long value = 4711;
    posse_future futures[WORKERS];
    initialized = 0;
    posse_executor *pool = make_pool_with(with_initializer(mark_initializer, &value, sizeof value));
    value = 0;
    struct gate *gate = make_gate(pool);
    if (backend() == POSSE_INLINE) {
        open_gate(gate);
    }
    for (int i = 0; i < WORKERS; i++) {
        futures[i] = SUBMIT_VALUE(pool, initialized_task, gate);
    }
    await_entered(gate, WORKERS);
    open_gate(gate);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(take_long(futures[i]), 4711);
    }
    free_gate(pool, gate);
    end_pool(pool);
}

/* What it changes stays in its worker, or is shared with the program. */
TEST(IP04_initializer_changes_a_global)
{
    long value = 99;
    global = 1;
    posse_executor *pool = make_pool_with(with_initializer(mark_initializer, &value, sizeof value));
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_int_equal(global, backend() == POSSE_PROCESS ? 1 : 99);
    end_pool(pool);
}

/* ---- failing ---- */

static int message_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)arg;
    (void)size;
    return posse_task_fail(task, 13, "no such page: %s", "index");
}

static int code_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)arg;
    (void)size;
    return 21;
}

static int long_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    return posse_task_fail(task, 5, "%s", (const char *)arg);
}

/* A future of it, if it still took one, says why it does not end. */
static void assert_broken(posse_options options, int code, const char *message)
{
    posse_executor *pool = make_pool_with(options);
    posse_error error;
    posse_future future = {0};
    long value = 3;
    posse_status status = posse_submit(pool, square_task, &value, sizeof value, &future);
    assert_true(status == POSSE_OK || status == POSSE_BROKEN);
    if (status == POSSE_OK) {
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_BROKEN);
        memset(&error, 0xff, sizeof error);
        assert_status(posse_exception(future, -1, &error), POSSE_BROKEN);
        assert_string_equal(error.message, message);
    }
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    assert_string_equal(error.message, message);
    assert_int_equal(error.code, code);
    assert_int_equal(error.signal + error.exit_code + error.pid, 0);
    assert_status(posse_submit(pool, square_task, &value, sizeof value, &future), POSSE_BROKEN);
    assert_status(posse_shutdown(pool, 0, -1), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
}

TEST(I02_IP08_failing_initializer)
{
    assert_broken(with_initializer(message_initializer, NULL, 0), 13, "no such page: index");
}

TEST(initializer_returns_a_code)
{
    assert_broken(with_initializer(code_initializer, NULL, 0), 21, "the initializer returned 21");
}

/* Longer than fits into a slot. The runner sees that nothing is left. */
TEST(I03_I04_failing_initializer_leaves_nothing)
{
    char text[200];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < 5; i++) {
        assert_broken(with_initializer(long_initializer, text, sizeof text), 5, text);
    }
}

static int dying_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)arg;
    (void)size;
    raise(SIGKILL);
    return 0;
}

static int exiting_initializer(posse_task *task, const void *arg, size_t size)
{
    (void)task;
    (void)arg;
    (void)size;
    if (backend() == POSSE_THREAD) {
        pthread_exit(NULL);
    }
    _exit(7);
}

static posse_error broken_by(posse_fn *initializer)
{
    posse_executor *pool = make_pool_with(with_initializer(initializer, NULL, 0));
    posse_error error;
    char text[256];
    assert_eventually(posse_why_broken(pool, &error) == POSSE_OK && error.status == POSSE_BROKEN);
    snprintf(text, sizeof text, "worker %ld ", error.pid);
    assert_memory_equal(error.message, text, strlen(text));
    assert_status(posse_resize(pool, 2), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    return error;
}

TEST(initializer_dies)
{
    posse_error error = broken_by(dying_initializer);
    assert_int_equal(error.signal, SIGKILL);
    assert_non_null(strstr(error.message, "was killed by signal 9"));
}

TEST(initializer_exits)
{
    posse_error error = broken_by(exiting_initializer);
    assert_int_equal(error.exit_code, backend() == POSSE_THREAD ? 0 : 7);
    assert_non_null(strstr(error.message, "terminated abruptly with exit code"));
}

static int fails_at_first(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    (void)task;
    return atomic_fetch_sub(&shared_of(arg)->failures, 1) > 0 ? 1 : 0;
}

/* Two that fail are replaced. */
TEST(initializer_fails_at_first)
{
    struct shared *shared = make_shared(sizeof *shared);
    atomic_store(&shared->failures, 2);
    posse_executor *pool = make_pool_with(with_initializer(fails_at_first, &shared, sizeof shared));
    posse_error error = {.status = POSSE_BROKEN};
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_eventually(stats_of(pool).workers_idle == 3);
    assert_int_equal(stats_of(pool).workers_started, 5);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_ok(posse_why_broken(pool, &error));
    assert_status(error.status, POSSE_OK);
    end_pool(pool);
    free_shared(shared, sizeof *shared);
}

/* ---- what it may do ---- */

static int busy_initializer(posse_task *task, const void *arg, size_t size)
{
    static const char large[5000] = "large";
    posse_future inner;
    long value = 6;
    long result = 0;
    void *memory = NULL;
    posse_executor *pool = posse_task_executor(task);
    bool good = size == sizeof(struct shared *) && posse_task_worker(task) >= 0 &&
                posse_task_attempt(task) == 1 && !posse_task_cancelled(task) &&
                posse_task_time_left(task) == -1 &&
                posse_task_return(task, large, sizeof large) == POSSE_OK &&
                posse_task_reserve(task, 9000) != NULL &&
                posse_alloc(pool, 100, &memory) == POSSE_OK && posse_free(pool, memory) == POSSE_OK;
    good = good && posse_submit(pool, square_task, &value, sizeof value, &inner) == POSSE_OK;
    good = good && posse_result_into(inner, -1, &result, sizeof result, NULL) == POSSE_OK;
    good = good && posse_release(inner) == POSSE_OK && result == 36;
    atomic_fetch_add(&shared_of(arg)->initialized, 1);
    return good ? 0 : posse_task_fail(task, 1, "it may not");
}

static int counting_finalizer(posse_task *task, const void *arg, size_t size)
{
    (void)size;
    atomic_fetch_add(&shared_of(arg)->finalized, 1);
    return posse_task_fail(task, 3, "nobody hears this");
}

static posse_options with_both(struct shared **shared)
{
    posse_options options = with_initializer(busy_initializer, shared, sizeof *shared);
    options.finalizer = counting_finalizer;
    options.finalizer_arg = shared;
    options.finalizer_size = sizeof *shared;
    return options;
}

/* Once in each worker; its failure is nobody's. */
TEST(initializer_and_finalizer)
{
    int workers = backend() == POSSE_INLINE ? 1 : 3;
    struct shared *shared = make_shared(sizeof *shared);
    posse_executor *pool = make_pool_with(with_both(&shared));
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_eventually(atomic_load(&shared->initialized) == workers);
    assert_int_equal(atomic_load(&shared->finalized), 0);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&shared->finalized), workers);
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
    assert_int_equal(atomic_load(&shared->finalized), workers);
    free_shared(shared, sizeof *shared);
}

/* Processes are killed by it, and a worker that is killed runs nothing more. */
TEST(finalizer_after_destroy)
{
    struct shared *shared = make_shared(sizeof *shared);
    posse_executor *pool = make_pool_with(with_both(&shared));
    assert_eventually(atomic_load(&shared->initialized) == (backend() == POSSE_INLINE ? 1 : 3));
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_ok(posse_destroy(pool));
    int expected = backend() == POSSE_PROCESS ? 0 : backend() == POSSE_THREAD ? 3 : 1;
    assert_int_equal(atomic_load(&shared->finalized), expected);
    free_shared(shared, sizeof *shared);
}

/* One that dies in it has lost nothing, and is not replaced. */
TEST(finalizer_dies)
{
    posse_options options = default_options();
    options.max_workers = 2;
    options.finalizer = dying_initializer;
    options.on_worker_lost = POSSE_BREAK;
    posse_executor *pool = make_pool_with(options);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(stats_of(pool).workers_lost, 0);
    assert_int_equal(stats_of(pool).workers_started, 2);
    end_pool(pool);
}

static void assert_refused(posse_options options)
{
    posse_executor *pool = NULL;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    assert_null(pool);
}

TEST(invalid_options)
{
    long value = 1;
    assert_refused(with_initializer(code_initializer, NULL, 1));
    assert_refused(with_initializer(NULL, &value, sizeof value));
    posse_options options = default_options();
    options.finalizer = code_initializer;
    options.finalizer_size = 8;
    assert_refused(options);
    options = default_options();
    options.finalizer_arg = &value;
    assert_refused(options);
    options = default_options();
    options.on_worker_lost = (posse_on_worker_lost)2;
    assert_refused(options);
    assert_status(posse_why_broken(NULL, NULL), POSSE_INVALID);
}

static const struct check checks[] = {
    CHECK(I01_IP03_initializer, ALL),
    CHECK(IP04_initializer_changes_a_global, ALL),
    CHECK(I02_IP08_failing_initializer, ALL),
    CHECK(initializer_returns_a_code, ALL),
    CHECK(I03_I04_failing_initializer_leaves_nothing, ALL),
    CHECK(initializer_dies, PROCESSES),
    CHECK(initializer_exits, PARALLEL),
    CHECK(initializer_fails_at_first, PARALLEL),
    CHECK(initializer_and_finalizer, ALL),
    CHECK(finalizer_after_destroy, ALL),
    CHECK(finalizer_dies, PROCESSES),
    CHECK(invalid_options, ALL),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
