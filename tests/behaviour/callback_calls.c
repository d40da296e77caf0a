/* callback_calls.c - what callbacks may do, and what becomes of them when the executor ends. */
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int count_call(posse_future future, void *context)
{
    (void)future;
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

TEST(submit_from_callback)
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
    if (status == POSSE_OK) {
        status = posse_result(stage->other, -1, NULL, NULL);
    }
    atomic_store(&stage->status, (int)status);
    return 0;
}

TEST(callback_crash_on_submit)
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

TEST(callback_adds_callbacks)
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
TEST(callback_releases)
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

TEST(callback_shuts_down) { assert_shuts_down(false); }

TEST(callback_at_once_shuts_down) { assert_shuts_down(true); }

static int destroys(posse_future future, void *context)
{
    struct stage *stage = context;
    atomic_store(&stage->status, (int)posse_destroy(future.executor));
    return 0;
}

TEST(callback_destroys)
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
    (void)future;
    posse_status status = posse_shutdown(stage->pool, 0, -1);
    posse_status destroy = posse_destroy(stage->pool);
    atomic_store(&stage->status, (int)(destroy == POSSE_DEADLOCK ? status : destroy));
    return 0;
}

static int adds_to_other(posse_future future, void *context)
{
    struct stage *stage = context;
    (void)future;
    if (posse_add_done_callback(stage->other, shuts_down_other, stage) != POSSE_OK) {
        atomic_store(&stage->status, -2);
    }
    return 0;
}

TEST(callback_inside_a_callback)
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

/* ---- ends of the executor ---- */

static int slow_call(posse_future future, void *context)
{
    (void)future;
    pause_ms(50);
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

TEST(shutdown_waits_for_callbacks)
{
    posse_executor *pool = make_pool(2);
    _Atomic int calls = 0;
    posse_future futures[4];
    struct gate *gate = make_gate(pool);
    for (int i = 0; i < 4; i++) {
        futures[i] = submitted_hold(pool, gate);
        assert_ok(posse_add_done_callback(futures[i], slow_call, &calls));
    }
    assert_status(posse_shutdown(pool, 0, 20), POSSE_TIMEOUT);
    open_gate(gate);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&calls), 4);
    for (int i = 0; i < 4; i++) {
        take_error(futures[i], POSSE_OK);
    }
    free_gate(pool, gate);
    end_pool(pool);
}

struct ended {
    _Atomic int calls;
    _Atomic int undone; /* calls whose future had not ended */
};

static int see_end(posse_future future, void *context)
{
    struct ended *ended = context;
    atomic_fetch_add(&ended->undone, !posse_done(future));
    atomic_fetch_add(&ended->calls, 1);
    return 0;
}

TEST(destroy_calls_those_that_are_left)
{
    posse_executor *pool = make_pool(2);
    struct ended ended = {0};
    for (int i = 0; i < 40; i++) {
        posse_future future = submitted_long(pool, sleep_task, 5);
        assert_ok(posse_add_done_callback(future, see_end, &ended));
    }
    assert_ok(posse_destroy(pool));
    assert_int_equal(atomic_load(&ended.calls), 40);
    assert_int_equal(atomic_load(&ended.undone), 0);
}

/* Who waits in posse_shutdown for callbacks that cannot come yet is told too. */
TEST(destroyed_while_shutdown_waits)
{
    posse_executor *pool = make_pool(1);
    struct ended ended = {0};
    struct caller caller;
    /* A thread must end by itself. */
    long ms = backend() == POSSE_PROCESS ? 10 * PATIENCE_MS : 300;
    posse_future future = submitted_long(pool, sleep_task, ms);
    assert_ok(posse_add_done_callback(future, see_end, &ended));
    assert_eventually(posse_running(future));
    start_call(&caller, call_shutdown, pool);
    await_parked(&caller);
    long start = now_ms();
    assert_ok(posse_destroy(pool));
    assert_in_range(now_ms() - start, 0, PATIENCE_MS);
    assert_status(end_call(&caller), POSSE_SHUT_DOWN);
    assert_int_equal(atomic_load(&ended.calls), 1);
}

TEST(supervisor_killed)
{
    struct ended ended = {0};
    posse_executor *pool = make_pool(1);
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    posse_future future = submitted_long(pool, sleep_task, 60000);
    assert_ok(posse_add_done_callback(future, see_end, &ended));
    assert_ok(posse_add_done_callback(future, see_end, &ended));
    kill(supervisor, SIGKILL);
    assert_eventually(atomic_load(&ended.calls) == 2);
    assert_int_equal(atomic_load(&ended.undone), 2); /* it cannot end any more */
    assert_status(posse_exception(future, 0, NULL), POSSE_BROKEN);
    assert_ok(posse_add_done_callback(future, see_end, &ended));
    assert_eventually(atomic_load(&ended.calls) == 3);
    assert_status(posse_shutdown(pool, 0, -1), POSSE_BROKEN);
    assert_ok(posse_destroy(pool));
    assert_int_equal(atomic_load(&ended.calls), 3);
}

/* However it ends: its worker killed, itself killed, over its deadline. */
TEST(hard_ends)
{
    posse_executor *pool = make_pool(3);
    struct ended ended = {0};
    struct gate *gate = make_gate(pool);
    posse_future futures[3];
    for (int i = 0; i < 3; i++) {
        futures[i] = submitted_job(pool, (posse_job){.fn = hold_task,
                                                     .arg = &gate,
                                                     .size = sizeof gate,
                                                     .timeout_ms = i == 2 ? 100 : 0});
        await_entered(gate, i + 1);
        assert_ok(posse_add_done_callback(futures[i], see_end, &ended));
    }
    assert_ok(posse_kill(futures[1]));
    if (backend() == POSSE_PROCESS) {
        kill((pid_t)atomic_load(&gate->who[0]), SIGKILL);
    }
    assert_eventually(atomic_load(&ended.calls) == (backend() == POSSE_PROCESS ? 3 : 2));
    open_gate(gate);
    assert_eventually(atomic_load(&ended.calls) == 3);
    assert_int_equal(atomic_load(&ended.undone), 0);
    take_error(futures[0], backend() == POSSE_PROCESS ? POSSE_WORKER_LOST : POSSE_OK);
    take_error(futures[1], POSSE_CANCELLED);
    take_error(futures[2], POSSE_DEADLINE);
    assert_eventually(stats_of(pool).running == 0 && stats_of(pool).futures == 0);
    free_gate(pool, gate);
    end_pool(pool);
}

#ifdef SANITIZED
#define MANY 2000
#else
#define MANY 10000
#endif

TEST(ten_thousand_futures)
{
    static posse_future futures[MANY];
    struct ended ended = {0};
    posse_executor *pool = make_pool(2);
    for (int i = 0; i < MANY; i++) {
        futures[i] = submitted_long(pool, square_task, i);
        assert_ok(posse_add_done_callback(futures[i], see_end, &ended));
        assert_ok(posse_add_done_callback(futures[i], see_end, &ended));
    }
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&ended.calls), 2 * MANY);
    assert_int_equal(atomic_load(&ended.undone), 0);
    for (int i = 0; i < MANY; i++) {
        assert_ok(posse_release(futures[i]));
    }
    end_pool(pool);
}

/* How often the thread has gone to sleep by itself; -1: there is none of that name. */
static long naps_of(const char *thread)
{
    char path[80], name[40] = "";
    FILE *list = popen("ls /proc/$PPID/task", "re");
    long naps = -1, tid;
    while (list != NULL && naps < 0 && fscanf(list, "%ld", &tid) == 1) {
        snprintf(path, sizeof path, "/proc/self/task/%ld/status", tid);
        FILE *status = fopen(path, "re");
        char line[160];
        long count;
        while (status != NULL && fgets(line, sizeof line, status) != NULL) {
            (void)sscanf(line, "Name: %39s", name);
            if (strcmp(name, thread) == 0 &&
                sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1) {
                naps = count;
            }
        }
        if (status != NULL) {
            fclose(status);
        }
    }
    if (list != NULL) {
        pclose(list);
    }
    return naps;
}

TEST(idle_thread_sleeps)
{
    posse_executor *pool = make_pool(1);
    struct ended ended = {0};
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    assert_ok(posse_add_done_callback(future, see_end, &ended));
    open_gate(gate);
    assert_eventually(atomic_load(&ended.calls) == 1);
    take_error(future, POSSE_OK);
    pause_ms(100); /* on its way to sleep */
    long before = naps_of("posse-callbacks");
    assert_true(before >= 0);
    pause_ms(2500);
    assert_in_range(naps_of("posse-callbacks") - before, 0, 1);
    free_gate(pool, gate);
    end_pool(pool);
}

static const struct check checks[] = {
    CHECK(submit_from_callback, PARALLEL),
    CHECK(callback_crash_on_submit, PROCESSES),
    CHECK(callback_adds_callbacks, PARALLEL),
    CHECK(callback_releases, PARALLEL),
    CHECK(callback_shuts_down, PARALLEL),
    CHECK(callback_at_once_shuts_down, PARALLEL),
    CHECK(callback_destroys, PARALLEL),
    CHECK(callback_inside_a_callback, PARALLEL),
    CHECK(shutdown_waits_for_callbacks, PARALLEL),
    CHECK(destroy_calls_those_that_are_left, PARALLEL),
    CHECK(destroyed_while_shutdown_waits, PARALLEL),
    CHECK(supervisor_killed, PROCESSES),
    CHECK(hard_ends, PARALLEL),
    CHECK(ten_thousand_futures, ALL),
    CHECK(idle_thread_sleeps, PARALLEL),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
