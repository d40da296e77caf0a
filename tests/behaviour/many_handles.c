/* many_handles.c - a hundred threads submit, wait for, cancel, kill and release the same futures. A
 * handle that somebody has released meanwhile is told to be stale; nobody is ever given what
 * another task has given.
 *
 * Every task has a number of its own, which its result, its failure and its name repeat.
 */
#include "support/support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef SANITIZED
#define THREADS_AT_ONCE 20
#else
#define THREADS_AT_ONCE 100
#endif

enum { CELLS = 24, SOME = 4, LARGE = 600, FEW = 1000, MANY = 40000 };

struct handle {
    posse_future future;
    long number;
};

struct crowd {
    posse_executor *pool;
    pthread_mutex_t locks[CELLS];
    struct handle handles[CELLS];
    _Atomic long next_number;
    _Atomic long given, stale, cancelled, released, heard, wrong;
};

static unsigned first_seed;

/* ---- tasks ---- */

static size_t longs_of(long number) { return number % 3 == 0 ? LARGE : 1; }

static bool fails(long number) { return number % 7 == 0; }

/* Gives its number, once or many times, or fails with it. */
static int number_task(posse_task *task, const void *arg, size_t size)
{
    long number = 0;
    memcpy(&number, arg, size < sizeof number ? size : sizeof number);
    if (fails(number))
        return posse_task_fail(task, (int)number, "%ld", number);
    long *result = posse_task_reserve(task, longs_of(number) * sizeof number);
    for (size_t i = 0; result != NULL && i < longs_of(number); i++)
        result[i] = number;
    return result != NULL ? 0 : GAVE_UP;
}

static posse_status submit_one(struct crowd *crowd, struct handle *handle)
{
    char name[32];
    handle->number = atomic_fetch_add(&crowd->next_number, 1);
    snprintf(name, sizeof name, "%ld", handle->number);
    posse_job job = {.struct_size = sizeof job,
                     .fn = number_task,
                     .arg = &handle->number,
                     .size = sizeof handle->number,
                     .name = name};
    return posse_submit_with(crowd->pool, &job, &handle->future);
}

/* ---- what is told ---- */

/* What may be said of a future that others may cancel, kill and release. */
static bool may_be(posse_status status)
{
    return status == POSSE_OK || status == POSSE_TIMEOUT || status == POSSE_INVALID ||
           status == POSSE_CANCELLED || status == POSSE_TASK_FAILED;
}

static void expect(struct crowd *crowd, bool good, const char *what, long number)
{
    if (!good && atomic_fetch_add(&crowd->wrong, 1) == 0)
        fprintf(stderr, "%s of task %ld (seed %u)\n", what, number, first_seed);
}

static void look_at_result(struct crowd *crowd, struct handle handle, long timeout_ms)
{
    long values[LARGE];
    size_t size = 0;
    posse_status status =
        posse_result_into(handle.future, timeout_ms, values, sizeof values, &size);
    expect(crowd, may_be(status), "status", handle.number);
    expect(crowd, status != POSSE_TASK_FAILED || fails(handle.number), "failure", handle.number);
    atomic_fetch_add(&crowd->stale, status == POSSE_INVALID);
    if (status != POSSE_OK)
        return;
    atomic_fetch_add(&crowd->given, 1);
    bool good = !fails(handle.number) && size == longs_of(handle.number) * sizeof *values;
    for (size_t i = 0; good && i < longs_of(handle.number); i++)
        good = values[i] == handle.number;
    expect(crowd, good, "result", handle.number);
}

static void look_at_error(struct crowd *crowd, struct handle handle)
{
    posse_error error = {.struct_size = sizeof error};
    char number[32], message[64];
    posse_status status = posse_exception(handle.future, 1, &error);
    expect(crowd, may_be(status), "status", handle.number);
    if (status != POSSE_OK)
        return;
    snprintf(number, sizeof number, "%ld", handle.number);
    snprintf(message, sizeof message, "%ld: %ld", handle.number, handle.number);
    expect(crowd, strcmp(error.name, number) == 0, "name", handle.number);
    expect(crowd,
           error.status == POSSE_CANCELLED ||
               (error.status == POSSE_TASK_FAILED) == fails(handle.number),
           "end", handle.number);
    if (error.status == POSSE_TASK_FAILED) {
        expect(crowd, error.code == (int)handle.number && strcmp(error.message, message) == 0,
               "message", handle.number);
    }
}

static void look_at_state(struct crowd *crowd, struct handle handle)
{
    char text[300];
    char number[32];
    (void)posse_running(handle.future);
    (void)posse_done(handle.future);
    (void)posse_cancelled(handle.future);
    (void)posse_describe(handle.future, text, sizeof text);
    snprintf(number, sizeof number, "code %d:", (int)handle.number);
    expect(crowd, strstr(text, "failed with") == NULL || strstr(text, number) != NULL, text,
           handle.number);
}

/* ---- what is done ---- */

static struct handle any_handle(struct crowd *crowd, unsigned *seed)
{
    int i = rand_r(seed) % CELLS;
    pthread_mutex_lock(&crowd->locks[i]);
    struct handle handle = crowd->handles[i];
    pthread_mutex_unlock(&crowd->locks[i]);
    return handle;
}

/* Puts another task in the place of one, which only we release. */
static void renew(struct crowd *crowd, unsigned *seed)
{
    int i = rand_r(seed) % CELLS;
    struct handle fresh;
    posse_status status = submit_one(crowd, &fresh);
    expect(crowd, status == POSSE_OK, posse_status_name(status), fresh.number);
    if (status != POSSE_OK)
        return;
    pthread_mutex_lock(&crowd->locks[i]);
    struct handle old = crowd->handles[i];
    crowd->handles[i] = fresh;
    pthread_mutex_unlock(&crowd->locks[i]);
    expect(crowd, posse_release(old.future) == POSSE_OK, "release", old.number);
    expect(crowd, posse_release(old.future) == POSSE_INVALID, "second release", old.number);
    expect(crowd, posse_result(old.future, -1, NULL, NULL) == POSSE_INVALID, "result after release",
           old.number);
    atomic_fetch_add(&crowd->released, 1);
}

static void wait_for_some(struct crowd *crowd, unsigned *seed)
{
    posse_future futures[SOME];
    for (int i = 0; i < SOME; i++)
        futures[i] = any_handle(crowd, seed).future;
    posse_when when = (posse_when)(rand_r(seed) % 3);
    posse_status status = posse_wait(futures, SOME, when, 2, NULL, NULL);
    expect(crowd, may_be(status), "wait", 0);
}

static void iterate(struct crowd *crowd, unsigned *seed)
{
    struct handle handles[SOME];
    posse_future futures[SOME];
    posse_completion_iter *completed;
    posse_future future;
    size_t index;
    for (int i = 0; i < SOME; i++) {
        handles[i] = any_handle(crowd, seed);
        futures[i] = handles[i].future;
    }
    posse_status status = posse_as_completed(futures, SOME, 5, &completed);
    expect(crowd, may_be(status), "as_completed", 0);
    if (status != POSSE_OK)
        return;
    while ((status = posse_completion_iter_next(completed, &future, &index)) == POSSE_OK)
        look_at_result(crowd, handles[index], 0);
    expect(crowd, status == POSSE_END || status == POSSE_TIMEOUT, "next", 0);
    posse_completion_iter_close(completed);
}

struct listener {
    struct crowd *crowd;
    long number;
};

static int hear(posse_future future, void *context)
{
    struct listener *listener = context;
    look_at_result(listener->crowd, (struct handle){future, listener->number}, 0);
    atomic_fetch_add(&listener->crowd->heard, 1);
    return 0;
}

/* A callback of a future that is released is never called: so it has its context to the end. */
static void listen_to(struct crowd *crowd, struct handle handle)
{
    static struct listener listeners[1 << 16];
    static _Atomic size_t used;
    size_t i = atomic_fetch_add(&used, 1);
    if (i < COUNT(listeners)) {
        listeners[i] = (struct listener){crowd, handle.number};
        posse_status status = posse_add_done_callback(handle.future, hear, &listeners[i]);
        expect(crowd, status == POSSE_OK || status == POSSE_INVALID, "callback", handle.number);
    }
}

static void stop_one(struct crowd *crowd, struct handle handle, bool by_force)
{
    posse_status status = by_force ? posse_kill(handle.future) : posse_cancel(handle.future);
    expect(crowd, status == POSSE_OK || status == POSSE_TOO_LATE || status == POSSE_INVALID,
           "cancel", handle.number);
    atomic_fetch_add(&crowd->cancelled, status == POSSE_OK);
}

static void act(struct crowd *crowd, unsigned *seed)
{
    struct handle handle = any_handle(crowd, seed);
    switch (rand_r(seed) % 12) {
    case 0:
    case 1: look_at_result(crowd, handle, 0); break;
    case 2: look_at_result(crowd, handle, -1); break;
    case 3: look_at_error(crowd, handle); break;
    case 4: look_at_state(crowd, handle); break;
    case 5: stop_one(crowd, handle, rand_r(seed) % 20 == 0); break;
    case 6: wait_for_some(crowd, seed); break;
    case 7: iterate(crowd, seed); break;
    case 8: listen_to(crowd, handle); break;
    default: renew(crowd, seed); break;
    }
}

static posse_status take_part(void *context)
{
    static _Atomic unsigned number;
    struct crowd *crowd = context;
    unsigned seed = first_seed + atomic_fetch_add(&number, 1);
    long rounds = in_long_run(FEW, MANY);
    for (long i = 0; i < rounds && atomic_load(&crowd->wrong) == 0; i++)
        act(crowd, &seed);
    return POSSE_OK;
}

/* The thread sanitizer rightly sees that a result is read while its slot is used anew. What was
 * read is then thrown away: that is the point. */
#ifdef SANITIZED_THREADS
#define WHERE PROCESSES
#else
#define WHERE ALL
#endif

TEST(same_futures, WHERE)
{
    static struct crowd crowd;
    static struct caller callers[THREADS_AT_ONCE];
    first_seed = (unsigned)test_seed(UINT_MAX);
    crowd = (struct crowd){.pool = make_pool(3), .next_number = 1};
    for (int i = 0; i < CELLS; i++) {
        pthread_mutex_init(&crowd.locks[i], NULL);
        assert_ok(submit_one(&crowd, &crowd.handles[i]));
    }
    time_limit((unsigned)in_long_run(TIME_LIMIT, 600));
    for (int i = 0; i < THREADS_AT_ONCE; i++)
        start_call(&callers[i], take_part, &crowd);
    for (int i = 0; i < THREADS_AT_ONCE; i++)
        assert_ok(end_call(&callers[i]));
    print_message("%ld tasks, %ld results, %ld stale, %ld cancelled, %ld heard, %ld wrong\n",
                  atomic_load(&crowd.next_number), atomic_load(&crowd.given),
                  atomic_load(&crowd.stale), atomic_load(&crowd.cancelled),
                  atomic_load(&crowd.heard), atomic_load(&crowd.wrong));
    assert_int_equal(atomic_load(&crowd.wrong), 0);
    assert_true(atomic_load(&crowd.given) > 0 && atomic_load(&crowd.released) > 0);
    for (int i = 0; i < CELLS; i++) {
        assert_ok(posse_release(crowd.handles[i].future));
        pthread_mutex_destroy(&crowd.locks[i]);
    }
    end_pool(crowd.pool);
}
