/* callback_leaves.c - callbacks that end the thread that they run on: it costs nobody else's. */
#include "support/support.h"

#include <posse_log.h>

#include <errno.h>

/* The linker leads the library's starts of threads here. */
static _Atomic int no_threads;

int __real_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*body)(void *), void *context)
{
    return atomic_load(&no_threads) ? EAGAIN
                                    : __real_pthread_create(thread, attributes, body, context);
}

static int count_call(posse_future future, void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
    return 0;
}

static int exit_thread(posse_future future, void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
    pthread_exit(NULL);
}

static int cancel_thread(posse_future future, void *calls)
{
    atomic_fetch_add((_Atomic int *)calls, 1);
    pthread_cancel(pthread_self());
    pause_ms(1);
    return 0;
}

/* By an exit, or by a cancel, whose way out of a system call AddressSanitizer does not see. */
#ifdef SANITIZED
enum { WAYS_OUT = 1 };
#else
enum { WAYS_OUT = 2 };
#endif

enum { N = 12 };

/* Some of the callbacks leave. All are called, each once, in this order for each future. */
static void add_all(posse_executor *pool, struct gate *gate, posse_future *futures,
                    _Atomic int *calls)
{
    for (int i = 0; i < N; i++) {
        futures[i] = submitted_hold(pool, gate);
        assert_ok(posse_add_done_callback(futures[i], count_call, calls));
        assert_ok(
            posse_add_done_callback(futures[i], i % WAYS_OUT ? cancel_thread : exit_thread, calls));
        assert_ok(posse_add_done_callback(futures[i], exit_thread, calls));
        assert_ok(posse_add_done_callback(futures[i], count_call, calls));
    }
}

static void release_all(posse_future *futures)
{
    for (int i = 0; i < N; i++)
        take_error(futures[i], POSSE_OK);
}

POOL_TEST(others_are_called, PARALLEL, 2)
{
    posse_future futures[N];
    _Atomic int calls = 0;
    struct gate *gate = make_gate(pool);
    add_all(pool, gate, futures, &calls);
    open_gate(gate);
    assert_eventually(atomic_load(&calls) == 4 * N);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&calls), 4 * N);
    release_all(futures);
    free_gate(pool, gate);
}

POOL_TEST(without_another_thread, PARALLEL, 1)
{
    posse_future futures[N];
    _Atomic int calls = 0;
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    assert_ok(posse_add_done_callback(held, count_call, &calls)); /* starts the thread */
    for (int i = 0; i < N; i++) {
        futures[i] = submitted_hold(pool, gate);
        assert_ok(posse_add_done_callback(futures[i], i == 3 ? exit_thread : count_call, &calls));
    }
    atomic_store(&no_threads, 1);
    open_gate(gate);
    assert_eventually(atomic_load(&calls) == N + 1);
    atomic_store(&no_threads, 0);
    assert_ok(posse_shutdown(pool, 0, -1));
    take_error(held, POSSE_OK);
    release_all(futures);
    free_gate(pool, gate);
}

TEST(destroyed_meanwhile, PARALLEL)
{
    posse_executor *pool = make_pool(2);
    posse_future futures[N];
    _Atomic int calls = 0;
    struct gate *gate = make_gate(pool);
    add_all(pool, gate, futures, &calls);
    open_gate(gate);
    assert_ok(posse_destroy(pool));
    assert_int_equal(atomic_load(&calls), 4 * N);
}

struct adding {
    posse_future future;
    posse_callback *callback;
    _Atomic int calls;
};

static void *add(void *context)
{
    struct adding *adding = context;
    (void)posse_add_done_callback(adding->future, adding->callback, &adding->calls);
    return adding;
}

/* The caller itself calls it. */
POOL_TEST(of_an_ended_future, ALL, 1)
{
    struct adding adding = {.future = submitted_long(pool, square_task, 3)};
    assert_ok(posse_result(adding.future, -1, NULL, NULL));
    for (int i = 0; i < WAYS_OUT; i++) {
        pthread_t thread;
        void *result;
        adding.callback = i ? cancel_thread : exit_thread;
        assert_int_equal(pthread_create(&thread, NULL, add, &adding), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, i ? PTHREAD_CANCELED : NULL);
    }
    assert_ok(posse_add_done_callback(adding.future, count_call, &adding.calls));
    assert_int_equal(atomic_load(&adding.calls), WAYS_OUT + 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    take_error(adding.future, POSSE_OK);
}

static void leave_log(void *context, const posse_log_record *record) { pthread_exit(NULL); }

static int complain(posse_future future, void *calls)
{
    return 1 + atomic_fetch_add((_Atomic int *)calls, 1);
}

POOL_TEST(by_the_log, PARALLEL, 1, .log = leave_log)
{
    _Atomic int calls = 0;
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    for (int i = 0; i < 4; i++)
        assert_ok(posse_add_done_callback(future, complain, &calls));
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&calls), 4);
    take_error(future, POSSE_OK);
    free_gate(pool, gate);
}
