/* destroy.c - the end of the executor, with and without posse_shutdown before it: what becomes of
 * its tasks, and that no worker is left. */
#include "support/support.h"

#include <string.h>

enum { WORKERS = 3, IN_RING = 5 };

/* What the tasks of a test have done. The executor's own memory ends with it, so this lies in
 * other memory that its workers see. */
struct deeds {
    _Atomic int begun;
    _Atomic int finished;
    _Atomic int may_finish;
    _Atomic long who[WORKERS];
    _Atomic int ends[POSSE_DEADLINE + 1]; /* that callbacks were told */
};

static int slow_task(posse_task *task, const void *arg, size_t size)
{
    struct deeds *deeds = *(struct deeds *const *)arg;
    int place = atomic_fetch_add(&deeds->begun, 1);
    atomic_store(&deeds->who[place % WORKERS], identity());
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&deeds->may_finish); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    atomic_fetch_add(&deeds->finished, 1);
    return 0;
}

static int note_end(posse_future future, void *context)
{
    struct deeds *deeds = context;
    posse_error error = {.struct_size = sizeof error};
    if (posse_exception(future, 0, &error) != POSSE_OK || error.status > POSSE_DEADLINE)
        return 1;
    atomic_fetch_add(&deeds->ends[error.status], 1);
    return 0;
}

/* Every worker has a task that may not finish yet, and more are queued; all have a callback. */
static posse_executor *make_busy(struct deeds *deeds)
{
    posse_executor *pool = make_pool(WORKERS);
    for (int i = 0; i < WORKERS + IN_RING; i++) {
        posse_future future = SUBMIT_VALUE(pool, slow_task, deeds);
        assert_ok(posse_add_done_callback(future, note_end, deeds));
    }
    assert_eventually(atomic_load(&deeds->begun) == WORKERS);
    return pool;
}

/* ---- an orderly end: all accepted tasks have ended, and nothing is left ---- */

static void assert_orderly_end(int (*count_workers)(void))
{
    struct deeds *deeds = make_shared(sizeof *deeds);
    int before = count_workers();
    posse_executor *pool = make_busy(deeds);
    assert_true(count_workers() >= before + WORKERS);
    atomic_store(&deeds->may_finish, 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&deeds->finished), WORKERS + IN_RING);
    assert_int_equal(atomic_load(&deeds->ends[POSSE_OK]), WORKERS + IN_RING);
    assert_ok(posse_destroy(pool));
    assert_eventually(count_workers() == before);
    free_shared(deeds, sizeof *deeds);
}

TEST(S09_threads_are_joined, THREADS) { assert_orderly_end(count_threads); }

TEST(S16_processes_are_joined, PROCESSES) { assert_orderly_end(count_processes); }

/* ---- destroyed at once: what was queued is cancelled and never runs ---- */

static void assert_ends(struct deeds *deeds, posse_status of_running)
{
    assert_int_equal(atomic_load(&deeds->begun), WORKERS);
    assert_int_equal(atomic_load(&deeds->ends[POSSE_CANCELLED]), IN_RING);
    assert_int_equal(atomic_load(&deeds->ends[of_running]), WORKERS);
}

/* Threads that run tasks are waited for. */
TEST(S10_destroy_waits_for_threads, THREADS)
{
    struct deeds *deeds = make_shared(sizeof *deeds);
    int before = count_threads();
    struct caller destroyer;
    posse_executor *pool = make_busy(deeds);
    start_call(&destroyer, call_destroy, pool);
    await_parked(&destroyer);
    assert_int_equal(atomic_load(&deeds->finished), 0);
    atomic_store(&deeds->may_finish, 1);
    assert_ok(end_call(&destroyer));
    assert_int_equal(atomic_load(&deeds->finished), WORKERS);
    assert_ends(deeds, POSSE_OK);
    assert_eventually(count_threads() == before);
    free_shared(deeds, sizeof *deeds);
}

/* Processes that run tasks are killed. */
TEST(S17_destroy_kills_processes, PROCESSES)
{
    struct deeds *deeds = make_shared(sizeof *deeds);
    int processes = count_processes();
    int threads = count_threads();
    assert_ok(posse_destroy(make_busy(deeds)));
    for (int i = 0; i < WORKERS; i++)
        assert_eventually(!process_lives((pid_t)atomic_load(&deeds->who[i])));
    atomic_store(&deeds->may_finish, 1);
    assert_ends(deeds, POSSE_WORKER_LOST);
    assert_eventually(count_processes() == processes);
    assert_eventually(count_threads() == threads);
    assert_int_equal(atomic_load(&deeds->finished), 0);
    free_shared(deeds, sizeof *deeds);
}
