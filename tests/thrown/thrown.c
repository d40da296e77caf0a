/* thrown.c - C++ exceptions that leave what posse calls.
 *
 * What the calling thread calls (inline tasks, callbacks of ended futures, sources of maps, the
 * log) may throw through the call, and costs nothing but itself. On a worker there is nobody to
 * catch: a process dies of it, and with threads the program.
 */
#include "support/maps.h"
#include "thrown/thrower.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the functions that are called by `throws` work on. */
struct scene {
    posse_executor *pool;
    posse_options options;
    posse_future future;
    posse_future *where;
    posse_map_job *job;
    posse_map_iter *mapping;
    posse_callback *callback;
    posse_fn *fn;
    posse_status status;
};

static void submit(void *context)
{
    struct scene *scene = context;
    scene->status = posse_submit(scene->pool, scene->fn, NULL, 0, scene->where);
}

static void create(void *context)
{
    struct scene *scene = context;
    scene->status = posse_create(&scene->options, &scene->pool);
}

static void shut_down(void *context)
{
    struct scene *scene = context;
    scene->status = posse_shutdown(scene->pool, 0, -1);
}

static void destroy(void *context)
{
    struct scene *scene = context;
    scene->status = posse_destroy(scene->pool);
}

static void map(void *context)
{
    struct scene *scene = context;
    scene->status = posse_map(scene->pool, scene->job, NULL);
}

static void map_open(void *context)
{
    struct scene *scene = context;
    scene->status = posse_map_open(scene->pool, scene->job, &scene->mapping);
}

static void map_next(void *context)
{
    struct scene *scene = context;
    posse_item item = {.struct_size = sizeof item};
    while ((scene->status = posse_map_next(scene->mapping, &item)) == POSSE_OK)
        assert_ok(item.status);
}

static void add_callback(void *context)
{
    struct scene *scene = context;
    scene->status = posse_add_done_callback(scene->future, scene->callback, NULL);
}

/* ---- inline tasks ---- */

static void assert_works(posse_executor *pool)
{
    for (long i = 0; i < 5; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
}

TEST(task_throws_through_submit, INLINE)
{
    static const posse_future none;
    posse_future future;
    memset(&future, 0xA5, sizeof future);
    struct scene scene = {.pool = make_pool(1), .fn = throw_task, .where = &future};
    assert_true(throws(submit, &scene));
    assert_memory_equal(&future, &none, sizeof future);
    assert_works(scene.pool);
    scene.where = NULL;
    assert_true(throws(submit, &scene));
    assert_works(scene.pool);
    posse_stats stats = stats_of(scene.pool);
    assert_int_equal(stats.failed, 2);
    assert_int_equal(stats.running, 0);
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    end_pool(scene.pool);
}

/* A task that catches what its own task throws, or does not. */
static int outer_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    struct scene scene = {.pool = posse_task_executor(task), .fn = throw_task, .where = &future};
    return throws(submit, &scene) && size == 0 ? return_long(task, 7) : GAVE_UP;
}

static int open_task(posse_task *task, const void *arg, size_t size)
{
    posse_future future;
    return posse_submit(posse_task_executor(task), throw_task, NULL, 0, &future) == POSSE_OK;
}

TEST(nested_tasks_throw, INLINE)
{
    posse_future future;
    struct scene scene = {.pool = make_pool(1), .fn = open_task, .where = &future};
    assert_int_equal(take_long(submitted(scene.pool, outer_task, NULL, 0)), 7);
    assert_true(throws(submit, &scene));
    assert_int_equal(stats_of(scene.pool).failed, 3);
    assert_works(scene.pool);
    end_pool(scene.pool);
}

static int exit_task_here(posse_task *task, const void *arg, size_t size) { pthread_exit(NULL); }

static int cancelled_task(posse_task *task, const void *arg, size_t size)
{
    pthread_cancel(pthread_self());
    pause_ms(1);
    return 0;
}

static void *submit_in_thread(void *scene)
{
    submit(scene);
    return scene;
}

/* By an exit, or by a cancel, whose way out of a system call AddressSanitizer does not see. */
#ifdef SANITIZED
enum { WAYS_OUT = 1 };
#else
enum { WAYS_OUT = 2 };
#endif

TEST(task_ends_its_thread, INLINE)
{
    posse_future future;
    struct scene scene = {.pool = make_pool(1), .where = &future};
    for (int i = 0; i < WAYS_OUT; i++) {
        pthread_t thread;
        void *result;
        scene.fn = i ? cancelled_task : exit_task_here;
        assert_int_equal(pthread_create(&thread, NULL, submit_in_thread, &scene), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, i ? PTHREAD_CANCELED : NULL);
        assert_works(scene.pool);
    }
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    end_pool(scene.pool);
}

TEST(initializer_throws, INLINE)
{
    struct scene scene = {.options = with_initializer(throw_task, NULL, 0)};
    assert_true(throws(create, &scene));
    assert_null(scene.pool);
    assert_null(posse_task_executor(NULL));
    end_pool(make_pool(1));
}

TEST(finalizer_throws, INLINE)
{
    struct scene scene = {.options = default_options()};
    scene.options.finalizer = throw_task;
    scene.pool = make_pool_with(scene.options);
    assert_works(scene.pool);
    assert_true(throws(shut_down, &scene));
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    assert_ok(posse_destroy(scene.pool));
    scene.pool = make_pool_with(scene.options);
    assert_true(throws(destroy, &scene)); /* it is freed */
}

static int close_task(posse_task *task, const void *arg, size_t size)
{
    return posse_shutdown(posse_task_executor(task), POSSE_NO_WAIT, 0) != POSSE_OK;
}

TEST(finalizer_throws_after_the_last_task, INLINE)
{
    posse_future future = {.executor = NULL};
    struct scene scene = {.options = default_options(), .fn = close_task, .where = &future};
    scene.options.finalizer = throw_task;
    scene.pool = make_pool_with(scene.options);
    assert_true(throws(submit, &scene));
    assert_null(future.executor);
    posse_stats stats = stats_of(scene.pool);
    assert_int_equal(stats.done, 1);
    assert_int_equal(stats.futures, 0);
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    assert_ok(posse_destroy(scene.pool)); /* waits for those who are inside */
}

TEST(item_throws_through_map, INLINE)
{
    long numbers[6] = {0};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job job = map_job(throw_item, &input, 1, COUNT(numbers));
    struct scene scene = {.pool = make_pool(1), .job = &job};
    assert_true(throws(map, &scene));
    assert_true(throws(map_open, &scene));
    assert_works(scene.pool);
    end_pool(scene.pool);
}

/* ---- wherever tasks run ---- */

static posse_status give_some(void *context, void *const *elements)
{
    struct numbers *numbers = context;
    return numbers->next == numbers->end ? throw_source(NULL, NULL)
                                         : give_numbers(context, elements);
}

TEST(source_throws, ALL)
{
    struct numbers numbers = {.next = 0, .end = 5, .last = POSSE_END, .n_inputs = 1};
    posse_input input = {.size = sizeof(long)};
    posse_map_job job = source_job(&numbers, &input);
    struct scene scene = {.pool = make_pool(2), .job = &job};
    job.source = give_some;
    job.buffersize = 3;
    job.unordered = true;
    map_open(&scene);
    assert_ok(scene.status);
    assert_true(throws(map_next, &scene));
    close_map(scene.mapping);
    job.source = throw_source;
    assert_true(throws(map_open, &scene));
    assert_works(scene.pool);
    end_pool(scene.pool);
}

static int complain(posse_future future, void *context) { return 1; }

TEST(callback_throws_through_add, ALL)
{
    struct scene scene = {.options = default_options(), .callback = throw_call};
    scene.options.log = throw_log;
    scene.pool = make_pool_with(scene.options);
    scene.future = submitted_long(scene.pool, square_task, 2);
    assert_ok(posse_result(scene.future, -1, NULL, NULL));
    assert_true(throws(add_callback, &scene));
    scene.callback = complain; /* and the log throws */
    assert_true(throws(add_callback, &scene));
    take_error(scene.future, POSSE_OK);
    assert_ok(posse_shutdown(scene.pool, 0, -1));
    end_pool(scene.pool);
}

/* ---- workers ---- */

/* Workers are copies of a thread that would catch: they do not go on as the program. */
TEST(task_throws_in_a_process, PROCESSES)
{
    struct scene scene = {.options = default_options()};
    pid_t self = getpid();
    scene.options.max_workers = 1;
    bool thrown = throws(create, &scene);
    if (getpid() != self)
        _exit(99);
    assert_false(thrown);
    for (int i = 0; i < 2; i++) { /* the second worker is a copy of the supervisor */
        posse_future future = submitted(scene.pool, throw_task, NULL, 0);
        posse_error error = take_error(future, POSSE_WORKER_LOST);
        assert_int_equal(error.signal, SIGABRT);
    }
    assert_works(scene.pool);
    end_pool(scene.pool);
}

static void await(void *context)
{
    struct scene *scene = context;
    scene->status = posse_result(scene->future, -1, NULL, NULL);
}

/* Catches what its own task throws, which ran on its stack: the only worker is this one. */
static int catching_task(posse_task *task, const void *arg, size_t size)
{
    struct scene scene = {.pool = posse_task_executor(task)};
    posse_error error = {.struct_size = sizeof error};
    if (posse_submit(scene.pool, throw_task, NULL, 0, &scene.future) != POSSE_OK)
        return GAVE_UP;
    bool thrown = throws(await, &scene);
    posse_status status = posse_exception(scene.future, 0, &error);
    (void)posse_release(scene.future);
    return status == POSSE_OK && error.status == POSSE_TASK_FAILED ? return_long(task, thrown)
                                                                   : GAVE_UP;
}

POOL_TEST(task_throws_through_a_wait, PROCESSES | THREADS, 1)
{
    assert_int_equal(take_long(submitted(pool, catching_task, NULL, 0)), true);
    assert_works(pool);
    posse_stats stats = stats_of(pool);
    assert_int_equal(stats.futures, 0);
    assert_int_equal(stats.running, 0);
    assert_int_equal(stats.failed, 1);
}

static int thread_throws(void *unused)
{
    posse_executor *pool = open_pool(1);
    posse_future future;
    REQUIRE(pool != NULL);
    REQUIRE(posse_submit(pool, throw_task, NULL, 0, &future) == POSSE_OK);
    (void)posse_result(future, PATIENCE_MS, NULL, NULL);
    return 1;
}

TEST(task_throws_in_a_thread, THREADS &FORKED)
{
    int status = wait_status(start_child(thread_throws, NULL));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}
