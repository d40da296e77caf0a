/* callback_ends.c - callbacks and the end of the executor or of its workers; many of them; none. */
#include "support/support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static int slow_call(posse_future future, void *context)
{
    pause_ms(50);
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

POOL_TEST(shutdown_waits_for_callbacks, PARALLEL, 2)
{
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
    for (int i = 0; i < 4; i++)
        take_error(futures[i], POSSE_OK);
    free_gate(pool, gate);
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

TEST(destroy_calls_those_that_are_left, PARALLEL)
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
TEST(destroyed_while_shutdown_waits, PARALLEL)
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
    assert_ok(posse_destroy(pool));
    assert_status(end_call(&caller), POSSE_SHUT_DOWN);
    assert_int_equal(atomic_load(&ended.calls), 1);
}

TEST(supervisor_killed, PROCESSES)
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
POOL_TEST(hard_ends, PARALLEL, 3)
{
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
    if (backend() == POSSE_PROCESS)
        kill((pid_t)atomic_load(&gate->who[0]), SIGKILL);
    assert_eventually(atomic_load(&ended.calls) == (backend() == POSSE_PROCESS ? 3 : 2));
    open_gate(gate);
    assert_eventually(atomic_load(&ended.calls) == 3);
    assert_int_equal(atomic_load(&ended.undone), 0);
    take_error(futures[0], backend() == POSSE_PROCESS ? POSSE_WORKER_LOST : POSSE_OK);
    take_error(futures[1], POSSE_CANCELLED);
    take_error(futures[2], POSSE_DEADLINE);
    assert_eventually(stats_of(pool).running == 0 && stats_of(pool).futures == 0);
    free_gate(pool, gate);
}

#ifdef SANITIZED
#define MANY 2000
#else
#define MANY 10000
#endif

POOL_TEST(ten_thousand_futures, ALL, 2)
{
    static posse_future futures[MANY];
    struct ended ended = {0};
    for (int i = 0; i < MANY; i++) {
        futures[i] = submitted_long(pool, square_task, i);
        assert_ok(posse_add_done_callback(futures[i], see_end, &ended));
        assert_ok(posse_add_done_callback(futures[i], see_end, &ended));
    }
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&ended.calls), 2 * MANY);
    assert_int_equal(atomic_load(&ended.undone), 0);
    for (int i = 0; i < MANY; i++)
        assert_ok(posse_release(futures[i]));
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
                sscanf(line, "voluntary_ctxt_switches: %ld", &count) == 1)
                naps = count;
        }
        if (status != NULL)
            fclose(status);
    }
    if (list != NULL)
        pclose(list);
    return naps;
}

/* What looks at something each second would be seen. */
static bool sleeps_on(const char *thread)
{
    long before = naps_of(thread);
    assert_true(before >= 0);
    pause_ms(SECOND_MS + 100);
    return naps_of(thread) == before;
}

POOL_TEST(idle_thread_sleeps, PARALLEL, 1)
{
    struct ended ended = {0};
    struct gate *gate = make_gate(pool);
    posse_future future = submitted_hold(pool, gate);
    assert_ok(posse_add_done_callback(future, see_end, &ended));
    open_gate(gate);
    assert_eventually(atomic_load(&ended.calls) == 1);
    take_error(future, POSSE_OK);
    assert_eventually(sleeps_on("posse-callbacks")); /* at first it is on its way to sleep */
    free_gate(pool, gate);
}
