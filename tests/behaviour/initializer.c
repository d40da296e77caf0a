/* initializer.c - what workers run first and last. */
#include "support/support.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static _Thread_local long initialized; /* in each worker */
static _Atomic long global = 1;

struct shared {
    _Atomic long initialized;
    _Atomic long finalized;
};

static struct shared *shared_of(const void *arg)
{
    struct shared *shared;
    memcpy(&shared, arg, sizeof shared);
    return shared;
}

static int mark_initializer(posse_task *task, const void *arg, size_t size)
{
    if (size != sizeof initialized)
        return WRONG_ARG;
    memcpy(&initialized, arg, sizeof initialized);
    global = initialized;
    return 0;
}

static int initialized_task(posse_task *task, const void *arg, size_t size)
{
    return pass_gate(*(struct gate *const *)arg) ? return_long(task, initialized) : GAVE_UP;
}

/* Every worker has run it before its first task; its argument was copied. */
TEST(I01_initializer, ALL)
{
    enum { WORKERS = 3 };
    long value = 4711;
    posse_future futures[WORKERS];
    initialized = 0;
    posse_executor *pool = make_pool_with(with_initializer(mark_initializer, &value, sizeof value));
    value = 0;
    struct gate *gate = make_gate(pool);
    if (backend() == POSSE_INLINE)
        open_gate(gate);
    for (int i = 0; i < WORKERS; i++)
        futures[i] = SUBMIT_VALUE(pool, initialized_task, gate);
    await_entered(gate, WORKERS);
    open_gate(gate);
    for (int i = 0; i < WORKERS; i++)
        assert_int_equal(take_long(futures[i]), 4711);
    free_gate(pool, gate);
    end_pool(pool);
}

/* One letter for each thing that a worker does, in the order in which they are done. */
struct letter {
    long who;
    long letter;
};

static int write_letter(long letter, const void *fd)
{
    struct letter it = {identity(), letter};
    return write(*(const int *)fd, &it, sizeof it) == (ssize_t)sizeof it ? 0 : GAVE_UP;
}

static int writing_initializer(posse_task *task, const void *arg, size_t size)
{
    return write_letter('i', arg);
}

static int writing_task(posse_task *task, const void *arg, size_t size)
{
    return write_letter('t', arg);
}

/* In what was written no task comes before the initializer of its worker, nor an initializer
 * twice. */
static void assert_initialized_first(const struct letter *letters, int count)
{
    for (int i = 0; i < count; i++) {
        int initializers = 0;
        for (int k = 0; k <= i; k++)
            initializers += letters[k].who == letters[i].who && letters[k].letter == 'i';
        assert_int_equal(initializers, 1);
    }
}

TEST(IP03_initializer_before_tasks, ALL)
{
    enum { TASKS = 50, MOST = TASKS + 3 };
    int fds[2];
    struct letter letters[MOST] = {{0, 0}};
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    posse_options options = with_initializer(writing_initializer, &fds[1], sizeof fds[1]);
    posse_executor *pool = make_pool_with(options);
    for (int i = 0; i < TASKS; i++)
        assert_ok(posse_submit(pool, writing_task, &fds[1], sizeof fds[1], NULL));
    assert_ok(posse_shutdown(pool, 0, -1));
    int workers = backend() == POSSE_INLINE ? 1 : (int)stats_of(pool).workers_started;
    ssize_t bytes = (TASKS + workers) * (ssize_t)sizeof letters[0];
    assert_int_equal(read(fds[0], letters, sizeof letters), bytes); /* each write was a whole one */
    assert_initialized_first(letters, TASKS + workers);
    end_pool(pool);
    close(fds[0]);
    close(fds[1]);
}

/* What it changes stays in its worker, or is shared with the program. */
TEST(IP04_initializer_changes_a_global, ALL)
{
    long value = 99;
    global = 1;
    posse_executor *pool = make_pool_with(with_initializer(mark_initializer, &value, sizeof value));
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_int_equal(global, backend() == POSSE_PROCESS ? 1 : 99);
    end_pool(pool);
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
TEST(initializer_and_finalizer, ALL)
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
TEST(finalizer_after_destroy, ALL)
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
TEST(finalizer_dies, PROCESSES)
{
    long signal = SIGKILL;
    posse_executor *pool = POOL(2, .finalizer = signal_task, .finalizer_arg = &signal,
                                .finalizer_size = sizeof signal, .on_worker_lost = POSSE_BREAK);
    assert_eventually(stats_of(pool).workers_started == 2);
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

TEST(invalid_options, ALL)
{
    long value = 1;
    assert_refused(with_initializer(code_task, NULL, 1));
    assert_refused(with_initializer(NULL, &value, sizeof value));
    posse_options options = OPTIONS(0, .finalizer = code_task, .finalizer_size = 8);
    assert_refused(options);
    options = default_options();
    options.finalizer_arg = &value;
    assert_refused(options);
    options = default_options();
    options.on_worker_lost = (posse_on_worker_lost)2;
    assert_refused(options);
    assert_status(posse_why_broken(NULL, NULL), POSSE_INVALID);
}
