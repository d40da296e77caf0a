/* refused.c - see refused.h. */
#include "refused.h"

#include "maps.h"
#include "objects.h"

#include <stdlib.h>
#include <string.h>

const char *const free_calls[] = {"posse_status_name",
                                  "posse_status_message",
                                  "posse_last_error",
                                  "posse_version",
                                  "posse_create",
                                  "posse_completion_queue_create",
                                  "posse_completion_queue_fd",
                                  "posse_map_arg",
                                  NULL};

/* ---- in the child ---- */

static posse_status refusal = POSSE_WRONG_PROCESS;

#define REFUSED(call) REQUIRE((call) == refusal)

static int hear(posse_future future, void *context) { abort(); /* nobody may call it in a child */ }

static int refused_futures(struct owned *o, posse_future future)
{
    char text[100];
    posse_error error = {.struct_size = sizeof error};
    bool done[1] = {true};
    posse_completion_iter *completed;
    REFUSED(posse_result(future, -1, NULL, NULL));
    REFUSED(posse_result_into(future, -1, text, sizeof text, NULL));
    REFUSED(posse_exception(future, -1, &error));
    REFUSED(posse_cancel(future));
    REFUSED(posse_kill(future));
    REFUSED(posse_add_done_callback(future, hear, NULL));
    REFUSED(posse_release(future));
    REFUSED(posse_wait(&future, 1, POSSE_ALL_COMPLETED, -1, done, NULL));
    REFUSED(posse_as_completed(&future, 1, -1, &completed));
    REFUSED(posse_completion_queue_add(o->completions, future, NULL));
    REQUIRE(!posse_done(future) && !posse_running(future) && !posse_cancelled(future));
    REQUIRE(posse_describe(future, text, sizeof text) == strlen(text));
    REQUIRE(strcmp(text, posse_status_message(refusal)) == 0);
    return 0;
}

static int refused_submits(posse_executor *pool)
{
    posse_future future;
    posse_map_iter *mapping;
    long numbers[2] = {1, 2};
    posse_job job = {.struct_size = sizeof job, .fn = identity_task};
    posse_input input = {.data = numbers, .size = sizeof *numbers};
    posse_map_job items = map_job(square_item, &input, 1, COUNT(numbers));
    REFUSED(posse_submit(pool, identity_task, NULL, 0, &future));
    REFUSED(posse_submit(pool, identity_task, NULL, 0, NULL));
    REFUSED(posse_submit_with(pool, &job, &future));
    REFUSED(posse_submit_many(pool, &job, 1, &future, NULL));
    posse_broadcast_job all = {.struct_size = sizeof all, .fn = identity_task};
    REFUSED(posse_broadcast(pool, &all, NULL));
    REFUSED(posse_map(pool, &items, NULL));
    REFUSED(posse_map_open(pool, &items, &mapping));
    return 0;
}

static int refused_pool(struct owned *o)
{
    posse_stats stats = {.struct_size = sizeof stats};
    posse_error error = {.struct_size = sizeof error};
    void *memory;
    REFUSED(posse_get_stats(o->pool, &stats));
    REFUSED(posse_why_broken(o->pool, &error));
    REFUSED(posse_resize(o->pool, 3));
    REFUSED(posse_wait_idle(o->pool, -1));
    REFUSED(posse_alloc(o->pool, 8, &memory));
    REFUSED(posse_free(o->pool, o->memory));
    REFUSED(posse_terminate_workers(o->pool));
    REFUSED(posse_kill_workers(o->pool));
    REFUSED(posse_shutdown(o->pool, POSSE_CANCEL_FUTURES, -1));
    REFUSED(posse_shutdown(o->pool, POSSE_NO_WAIT, 0));
    REFUSED(posse_destroy(o->pool));
    return 0;
}

static int refused_tools(struct owned *o)
{
    posse_lock lock;
    posse_queue queue;
    long value = 1;
    REFUSED(posse_lock_create(o->pool, &lock));
    REFUSED(posse_lock_acquire(o->lock, -1));
    REFUSED(posse_lock_release(o->lock));
    REFUSED(posse_lock_destroy(o->lock));
    REFUSED(posse_queue_create(o->pool, 1, 1, &queue));
    REFUSED(posse_queue_put(o->queue, &value, sizeof value, -1));
    REFUSED(posse_queue_get(o->queue, &value, sizeof value, NULL, -1));
    REFUSED(posse_queue_close(o->queue));
    REFUSED(posse_queue_destroy(o->queue));
    REQUIRE(posse_queue_length(o->queue) == 0);
    return 0;
}

/* What the child has copies of it may end; that is the end of its copies alone. */
static int refused_iterations(struct owned *o)
{
    posse_completion taken;
    posse_future future;
    posse_error error = {.struct_size = sizeof error};
    posse_item item = {.struct_size = sizeof item};
    REFUSED(posse_completion_iter_next(o->completed, &future, NULL));
    REQUIRE(posse_completion_iter_left(o->completed) == 2);
    posse_completion_iter_close(o->completed);
    REQUIRE(posse_completion_queue_take(o->completions, &taken, 1) == 0);
    posse_completion_queue_destroy(o->completions);
    REFUSED(posse_map_next(o->mapping, &item));
    REFUSED(posse_map_exception(o->mapping, &error));
    REFUSED(posse_map_close(o->mapping));
    return 0;
}

const char *const refused_calls[] = {"posse_result",
                                     "posse_result_into",
                                     "posse_exception",
                                     "posse_cancel",
                                     "posse_kill",
                                     "posse_add_done_callback",
                                     "posse_release",
                                     "posse_wait",
                                     "posse_as_completed",
                                     "posse_completion_queue_add",
                                     "posse_done",
                                     "posse_running",
                                     "posse_cancelled",
                                     "posse_describe",
                                     "posse_submit",
                                     "posse_submit_with",
                                     "posse_submit_many",
                                     "posse_map",
                                     "posse_map_open",
                                     "posse_get_stats",
                                     "posse_why_broken",
                                     "posse_resize",
                                     "posse_wait_idle",
                                     "posse_broadcast",
                                     "posse_alloc",
                                     "posse_free",
                                     "posse_terminate_workers",
                                     "posse_kill_workers",
                                     "posse_shutdown",
                                     "posse_destroy",
                                     "posse_lock_create",
                                     "posse_lock_acquire",
                                     "posse_lock_release",
                                     "posse_lock_destroy",
                                     "posse_queue_create",
                                     "posse_queue_put",
                                     "posse_queue_get",
                                     "posse_queue_close",
                                     "posse_queue_length",
                                     "posse_queue_destroy",
                                     "posse_completion_iter_next",
                                     "posse_completion_iter_left",
                                     "posse_completion_iter_close",
                                     "posse_completion_queue_take",
                                     "posse_completion_queue_destroy",
                                     "posse_map_next",
                                     "posse_map_exception",
                                     "posse_map_close",
                                     NULL};

int all_refused(void *owned)
{
    struct owned *o = owned;
    return refused_futures(o, o->ended) || refused_futures(o, o->waiting) ||
           refused_submits(o->pool) || refused_pool(o) || refused_tools(o) || refused_iterations(o);
}

int all_refused_as(posse_status status, struct owned *owned)
{
    refusal = status;
    return all_refused(owned);
}

/* ---- in the parent ---- */

static void make_iterations(struct owned *o)
{
    const posse_future both[2] = {o->ended, o->waiting};
    for (long i = 0; i < (long)COUNT(o->numbers); i++)
        o->numbers[i] = i;
    posse_input input = {.data = o->numbers, .size = sizeof *o->numbers};
    posse_map_job job = map_job(square_item, &input, 1, COUNT(o->numbers));
    job.chunksize = 1;
    job.unordered = true;
    o->mapping = open_map(o->pool, job);
    next_item(o->mapping);
    assert_ok(posse_as_completed(both, COUNT(both), -1, &o->completed));
    assert_ok(posse_completion_queue_create(&o->completions));
    assert_ok(posse_completion_queue_add(o->completions, o->ended, o));
}

struct owned *make_owned(void)
{
    struct owned *o = calloc(1, sizeof *o);
    assert_non_null(o);
    o->pool = make_pool(2);
    o->gate = make_gate(o->pool);
    assert_ok(posse_alloc(o->pool, 100, &o->memory));
    o->ended = submitted_long(o->pool, square_task, 7);
    assert_ok(posse_result(o->ended, -1, NULL, NULL));
    if (backend() != POSSE_INLINE) {
        o->waiting = submitted_hold(o->pool, o->gate);
        await_entered(o->gate, 1);
    } else {
        o->waiting = submitted_long(o->pool, square_task, 8);
    }
    o->lock = make_lock(o->pool);
    assert_ok(posse_lock_acquire(o->lock, -1));
    o->queue = make_queue(o->pool, 2, sizeof(long));
    assert_ok(put_long(o->queue, 9, 0));
    make_iterations(o);
    await_other_threads(); /* its user forks */
    return o;
}

static void end_iterations(struct owned *o)
{
    posse_completion taken = {.context = NULL};
    posse_future future;
    int items = 1;
    for (posse_item item = {.struct_size = sizeof item};
         posse_map_next(o->mapping, &item) == POSSE_OK; items++) {
        assert_status(item.status, POSSE_OK);
        assert_int_equal(*(const long *)item.result, item.index * item.index);
    }
    assert_int_equal(items, COUNT(o->numbers));
    assert_ok(posse_map_close(o->mapping));
    for (int i = 0; i < 2; i++)
        assert_ok(posse_completion_iter_next(o->completed, &future, NULL));
    assert_status(posse_completion_iter_next(o->completed, &future, NULL), POSSE_END);
    posse_completion_iter_close(o->completed);
    assert_eventually(posse_completion_queue_take(o->completions, &taken, 1) == 1);
    assert_ptr_equal(taken.context, o);
    posse_completion_queue_destroy(o->completions);
}

void end_owned(struct owned *o)
{
    long value = 0;
    assert_status(posse_lock_acquire(o->lock, 0), POSSE_DEADLOCK);
    assert_ok(posse_lock_release(o->lock));
    assert_ok(posse_lock_destroy(o->lock));
    assert_int_equal(posse_queue_length(o->queue), 1);
    assert_ok(get_long(o->queue, &value, 0));
    assert_int_equal(value, 9);
    assert_ok(posse_queue_destroy(o->queue));
    open_gate(o->gate);
    end_iterations(o);
    take_long(o->waiting);
    assert_int_equal(take_long(o->ended), 49);
    assert_int_equal(take_long(submitted_long(o->pool, square_task, 9)), 81);
    assert_ok(posse_free(o->pool, o->memory));
    free_gate(o->pool, o->gate);
    assert_int_equal(stats_of(o->pool).workers_lost, 0);
    end_pool(o->pool);
    free(o);
}
