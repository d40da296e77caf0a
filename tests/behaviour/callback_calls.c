/* callback_calls.c - what callbacks may do. */
#include "pool/pool.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>

static int count_call(posse_future future, void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

/* A worker at a gate, and a future behind it that ends when the gate opens. */
struct stage {
    posse_executor *pool;
    struct gate *gate;
    posse_future held;
    posse_future next;
    _Atomic int calls;
    posse_future other; /* that a callback has got */
    _Atomic int status; /* that a callback has got, -1: not yet */
};

static void set_stage(struct stage *stage)
{
    memset(stage, 0, sizeof *stage);
    stage->status = -1;
    stage->pool = make_pool(1);
    stage->gate = make_gate(stage->pool);
    stage->held = submitted_hold(stage->pool, stage->gate);
    await_entered(stage->gate, 1);
    stage->next = submitted_long(stage->pool, square_task, 3);
}

static void end_stage(struct stage *stage)
{
    take_error(stage->held, POSSE_OK);
    assert_ok(posse_exception(stage->next, -1, NULL));
    assert_ok(posse_release(stage->next));
    free_gate(stage->pool, stage->gate);
    end_pool(stage->pool);
}

static int get_status(struct stage *stage)
{
    assert_eventually(atomic_load(&stage->status) != -1);
    return atomic_load(&stage->status);
}

static int submits(posse_future future, void *context)
{
    struct stage *stage = context;
    long value = 7;
    atomic_store(&stage->status, (int)posse_submit(future.executor, square_task, &value,
                                                   sizeof value, &stage->other));
    return 0;
}

TEST(submit_from_callback, PARALLEL)
{
    static struct stage stage;
    set_stage(&stage);
    assert_ok(posse_add_done_callback(stage.next, submits, &stage));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_OK);
    assert_int_equal(take_long(stage.other), 49);
    end_stage(&stage);
}

/* Submits a task that dies, and waits for it. */
static int submits_crash(posse_future future, void *context)
{
    struct stage *stage = context;
    long signal = SIGSEGV;
    posse_status status =
        posse_submit(future.executor, signal_task, &signal, sizeof signal, &stage->other);
    if (status == POSSE_OK)
        status = posse_result(stage->other, -1, NULL, NULL);
    atomic_store(&stage->status, (int)status);
    return 0;
}

TEST(callback_crash_on_submit, PROCESSES)
{
    static struct stage stage;
    set_stage(&stage);
    assert_ok(posse_add_done_callback(stage.next, submits_crash, &stage));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_WORKER_LOST);
    assert_int_equal(take_error(stage.other, POSSE_WORKER_LOST).signal, SIGSEGV);
    end_stage(&stage);
}

static int adds_more(posse_future future, void *context)
{
    struct stage *stage = context;
    posse_status status = posse_add_done_callback(future, count_call, &stage->calls);
    /* This one has not returned, so that one is still to come. */
    bool early = atomic_load(&stage->calls) != 0;
    atomic_store(&stage->status, early ? -2 : (int)status);
    return 0;
}

TEST(callback_adds_callbacks, PARALLEL)
{
    static struct stage stage;
    set_stage(&stage);
    assert_ok(posse_add_done_callback(stage.next, adds_more, &stage));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_OK);
    assert_eventually(atomic_load(&stage.calls) == 1);
    end_stage(&stage);
}

static int releases(posse_future future, void *context)
{
    struct stage *stage = context;
    atomic_store(&stage->status, (int)posse_release(future));
    return 0;
}

/* The others of that future are not called then. */
TEST(callback_releases, PARALLEL)
{
    static struct stage stage;
    set_stage(&stage);
    posse_future future = submitted_long(stage.pool, square_task, 4);
    assert_ok(posse_add_done_callback(future, releases, &stage));
    assert_ok(posse_add_done_callback(future, count_call, &stage.calls));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_OK);
    assert_ok(posse_shutdown(stage.pool, 0, -1));
    assert_int_equal(atomic_load(&stage.calls), 0);
    end_stage(&stage);
}

static int shuts_down(posse_future future, void *context)
{
    struct stage *stage = context;
    posse_status first = posse_shutdown(future.executor, POSSE_NO_WAIT, 0);
    posse_status then = posse_shutdown(future.executor, 0, -1);
    atomic_store(&stage->status, (int)(first == POSSE_OK ? then : first));
    return 0;
}

static void assert_shuts_down(bool at_once)
{
    static struct stage stage;
    set_stage(&stage);
    if (at_once) {
        open_gate(stage.gate);
        assert_ok(posse_result(stage.next, -1, NULL, NULL));
    }
    assert_ok(posse_add_done_callback(stage.next, shuts_down, &stage));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_OK);
    assert_ok(posse_shutdown(stage.pool, 0, -1));
    end_stage(&stage);
}

TEST(callback_shuts_down, PARALLEL) { assert_shuts_down(false); }

TEST(callback_at_once_shuts_down, PARALLEL) { assert_shuts_down(true); }

static int destroys(posse_future future, void *context)
{
    struct stage *stage = context;
    atomic_store(&stage->status, (int)posse_destroy(future.executor));
    return 0;
}

TEST(callback_destroys, PARALLEL)
{
    static struct stage stage;
    set_stage(&stage);
    assert_ok(posse_add_done_callback(stage.next, destroys, &stage));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_DEADLOCK);
    end_stage(&stage);
}

/* A callback inside a callback of another executor is in both. */
static int shuts_down_other(posse_future future, void *context)
{
    struct stage *stage = context;
    posse_status status = posse_shutdown(stage->pool, 0, -1);
    posse_status destroy = posse_destroy(stage->pool);
    atomic_store(&stage->status, (int)(destroy == POSSE_DEADLOCK ? status : destroy));
    return 0;
}

static int adds_to_other(posse_future future, void *context)
{
    struct stage *stage = context;
    if (posse_add_done_callback(stage->other, shuts_down_other, stage) != POSSE_OK)
        atomic_store(&stage->status, -2);
    return 0;
}

TEST(callback_inside_a_callback, PARALLEL)
{
    static struct stage stage;
    posse_executor *other = make_pool(1);
    posse_future ended = submitted_long(other, square_task, 2);
    assert_ok(posse_result(ended, -1, NULL, NULL));
    set_stage(&stage);
    stage.other = ended;
    assert_ok(posse_add_done_callback(stage.next, adds_to_other, &stage));
    open_gate(stage.gate);
    assert_status((posse_status)get_status(&stage), POSSE_OK);
    assert_ok(posse_shutdown(stage.pool, 0, -1));
    end_stage(&stage);
    take_error(ended, POSSE_OK);
    end_pool(other);
}

/* A descriptor needs a thread of the executor's, also when that is about to go. */
static int adds_late(posse_future future, void *queue)
{
    while (!atomic_load(&future.executor->dispatcher.closing))
        pause_ms(1);
    pause_ms(20); /* destroy waits for this callback now */
    (void)posse_completion_queue_add(queue, future, NULL);
    return 0;
}

TEST(descriptor_during_destroy, PARALLEL)
{
    for (int i = 0; i < 5; i++) {
        posse_completion_queue *queue;
        assert_ok(posse_completion_queue_create(&queue));
        posse_executor *pool = make_pool(1);
        struct gate *gate = make_gate(pool);
        posse_future future = submitted_hold(pool, gate);
        /* The future has not ended: else the callback would wait here for the destroy below. */
        assert_ok(posse_add_done_callback(future, adds_late, queue));
        open_gate(gate);
        assert_ok(posse_destroy(pool));
        posse_completion_queue_destroy(queue);
    }
}
