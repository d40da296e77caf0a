/* map_split_ends.c - maps that split lost chunks (POSSE_SPLIT), and what may come between: time,
 * the end of the map or of the pool; several lost chunks; maps in tasks. */
#include "support/mortal.h"

#include <signal.h>
#include <string.h>

enum { N = 4 };

static void expect_statuses(const posse_status *statuses, posse_status expected)
{
    for (size_t i = 0; i < N; i++)
        assert_status(statuses[i], expected);
}

static void expect_runs(const struct mortals *m, int first, int others)
{
    for (size_t i = 0; i < N; i++)
        assert_int_equal(atomic_load(&m->tally->runs[i]), i == 0 ? first : others);
}

/* ---- time ------------------------------------------------------------------------------------ */

/* A thread goes on with its items, and inline nothing ends them: both of the chunk are lost. */
TEST(item_over_its_time, ALL)
{
    struct mortals m;
    long results[N];
    posse_status statuses[N];
    make_mortals(&m, make_pool(2), N);
    m.job.chunksize = 2;
    m.job.item_timeout_ms = 1500; /* the others need microseconds */
    m.job.results = results;
    m.tally->heeds[2] = EACH_RUN;
    assert_status(posse_map(m.pool, &m.job, statuses), POSSE_DEADLINE);
    assert_ok(statuses[0]);
    assert_ok(statuses[1]);
    assert_status(statuses[2], POSSE_DEADLINE);
    assert_status(statuses[3], backend() == POSSE_PROCESS ? POSSE_OK : POSSE_DEADLINE);
    assert_int_equal(atomic_load(&m.tally->runs[2]), backend() == POSSE_PROCESS ? 2 : 1);
    assert_eventually(stats_of(m.pool).running == 0);
    end_mortals(&m);
}

/* The time of the map is up while the first half runs again. On a busy machine it may be up before
 * that. */
TEST(time_is_up, PARALLEL)
{
    struct mortals m;
    posse_status statuses[N];
    long results[N];
    make_mortals(&m, make_pool(2), N);
    m.job.timeout_ms = 1000;
    m.job.results = results;
    m.tally->deaths[0] = 1;
    m.tally->heeds[0] = 2;
    posse_status status = posse_map(m.pool, &m.job, statuses);
    if (atomic_load(&m.tally->runs[0]) > 1)
        assert_status(status, POSSE_TIMEOUT);
    else
        assert_true(status == POSSE_TIMEOUT || status == POSSE_WORKER_LOST);
    assert_eventually(stats_of(m.pool).running == 0);
    end_mortals(&m);
}

/* ---- the end --------------------------------------------------------------------------------- */

TEST(closed_while_a_half_runs_again, PARALLEL)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), N);
    m.job.unordered = true;
    m.tally->deaths[0] = 1;
    m.tally->heeds[0] = 2;
    posse_map_iter *map = open_map(m.pool, m.job);
    assert_int_equal(next_value(map), 2 * 2);
    await_entered(m.tally->gate, 1);
    close_map(map);
    assert_eventually(stats_of(m.pool).running == 0);
    assert_int_equal(atomic_load(&m.tally->runs[0]), 2);
    end_mortals(&m);
}

struct whole {
    struct mortals *mortals;
    posse_status statuses[N];
    long results[N];
};

static posse_status call_map(void *context)
{
    struct whole *whole = context;
    posse_map_job job = whole->mortals->job;
    job.results = whole->results;
    return posse_map(whole->mortals->pool, &job, whole->statuses);
}

/* Item 0 waits in this run, and dies after it. */
static void begin_map(struct whole *whole, struct caller *caller, int run)
{
    whole->mortals->tally->deaths[0] = run;
    whole->mortals->tally->waits[0] = run;
    start_call(caller, call_map, whole);
    await_entered(whole->mortals->tally->gate, 1);
}

/* What is lost after the shutdown stays lost. */
TEST(shut_down_meanwhile, PARALLEL)
{
    struct mortals m;
    struct whole whole = {.mortals = &m};
    struct caller caller;
    make_mortals(&m, make_pool(2), N);
    begin_map(&whole, &caller, 1);
    assert_ok(posse_shutdown(m.pool, POSSE_NO_WAIT, 0));
    open_gate(m.tally->gate);
    assert_status(end_call(&caller), POSSE_WORKER_LOST);
    expect_statuses(whole.statuses, POSSE_WORKER_LOST);
    expect_runs(&m, 1, 0);
    free_mortals(&m);
    assert_ok(posse_destroy(m.pool));
}

TEST(all_workers_are_killed, PROCESSES)
{
    struct mortals m;
    struct whole whole = {.mortals = &m};
    struct caller caller;
    make_mortals(&m, make_pool(2), N);
    begin_map(&whole, &caller, 1);
    assert_ok(posse_kill_workers(m.pool));
    assert_status(end_call(&caller), POSSE_WORKER_LOST);
    expect_statuses(whole.statuses, POSSE_WORKER_LOST);
    expect_runs(&m, 1, 0);
    assert_ok(posse_destroy(m.pool));
}

/* ---- a broken pool --------------------------------------------------------------------------- */

TEST(a_death_breaks_the_pool, PARALLEL)
{
    for (int i = 0; i < 20; i++) {
        struct mortals m;
        struct whole whole = {.mortals = &m};
        make_mortals(&m, POOL(2, .on_worker_lost = POSSE_BREAK), N);
        m.tally->deaths[0] = 1;
        assert_status(call_map(&whole), POSSE_WORKER_LOST);
        expect_statuses(whole.statuses, POSSE_WORKER_LOST);
        expect_runs(&m, 1, 0);
        assert_ok(posse_destroy(m.pool));
    }
}

/* The supervisor dies while the first half runs again. */
TEST(broken_while_a_half_runs_again, PROCESSES)
{
    struct mortals m;
    struct whole whole = {.mortals = &m};
    struct caller caller;
    make_mortals(&m, make_pool(1), N);
    pid_t supervisor = (pid_t)take_long(submitted(m.pool, parent_task, NULL, 0));
    m.tally->deaths[0] = 1;
    m.tally->waits[0] = 2;
    start_call(&caller, call_map, &whole);
    await_entered(m.tally->gate, 1);
    kill(supervisor, SIGKILL);
    assert_status(end_call(&caller), POSSE_BROKEN);
    assert_status(whole.statuses[0], POSSE_BROKEN);
    assert_ok(posse_destroy(m.pool));
}

/* ---- several chunks, and maps in tasks ------------------------------------------------------- */

static posse_status call_next(void *map)
{
    posse_item item = {.struct_size = sizeof item};
    posse_status status = posse_map_next(map, &item);
    return status == POSSE_OK ? item.status : status;
}

/* Two chunks are lost before the first one is given: both run again side by side. */
TEST(chunks_behind_it_are_split, PARALLEL)
{
    struct mortals m;
    struct caller caller;
    make_mortals(&m, make_pool(2), N);
    m.job.chunksize = 2;
    for (size_t i = 0; i < N; i += 2) {
        m.tally->deaths[i] = 1;
        m.tally->waits[i] = 2;
    }
    posse_map_iter *map = open_map(m.pool, m.job);
    assert_eventually(stats_of(m.pool).lost == 2);
    start_call(&caller, call_next, map);
    await_entered(m.tally->gate, 2);
    open_gate(m.tally->gate);
    assert_ok(end_call(&caller));
    assert_squares(map, 1, N);
    assert_map_ends(map);
    end_mortals(&m);
}

/* A task that has a map open. Another worker runs the chunk; its worker dies. */
static int map_task(posse_task *task, const void *arg, size_t size)
{
    struct mortals m;
    long sum = 0;
    if (size != sizeof m)
        return WRONG_ARG;
    memcpy(&m, arg, sizeof m);
    m.input.data = m.items;
    m.job.inputs = &m.input;
    posse_map_iter *map;
    if (posse_map_open(posse_task_executor(task), &m.job, &map) != POSSE_OK)
        return INNER_FAILED;
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&m.tally->gate->entered); pause_ms(1))
        if (now_ms() > end)
            return GAVE_UP;
    posse_item item = {.struct_size = sizeof item};
    while (posse_map_next(map, &item) == POSSE_OK && item.status == POSSE_OK)
        sum += *(const long *)item.result;
    return posse_map_close(map) == POSSE_OK ? return_long(task, sum) : INNER_FAILED;
}

/* The only other worker gets a task that does not end, so the task must run the halves itself. */
static void assert_map_in_a_task(bool unordered)
{
    struct mortals m;
    make_mortals(&m, make_pool(2), N);
    struct gate *other = make_gate(m.pool);
    m.job.unordered = unordered;
    m.tally->deaths[0] = m.tally->waits[0] = 1;
    posse_future outer = SUBMIT_VALUE(m.pool, map_task, m);
    await_entered(m.tally->gate, 1);
    posse_future held = submitted_hold(m.pool, other);
    open_gate(m.tally->gate);
    assert_int_equal(take_long(outer), 0 + 1 + 4 + 9);
    open_gate(other);
    (void)take_long(held);
    free_gate(m.pool, other);
    end_mortals(&m);
}

TEST(in_a_task, PARALLEL)
{
    assert_map_in_a_task(false);
    assert_map_in_a_task(true);
}
