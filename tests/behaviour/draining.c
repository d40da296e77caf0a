/* draining.c - what is accepted while an executor is being shut down ends too, whoever is left to
 * run it. */
#include "pool/pool.h"
#include "internal.h"
#include "support/support.h"

#include <signal.h>
#include <string.h>

/* A task that comes to a gate, then submits another one, and does not end before that has begun. */
struct late {
    struct gate *gate;
    _Atomic long *begun;
    _Atomic long worker; /* 1 + who runs it; 0: nobody yet */
    _Atomic int quiet;   /* it submits nothing */
};

static bool comes_to(_Atomic long *counter, long value)
{
    for (long end = now_ms() + PATIENCE_MS / 2; atomic_load(counter) < value; pause_ms(1))
        if (now_ms() > end)
            return false;
    return true;
}

static int late_task(posse_task *task, const void *arg, size_t size)
{
    struct late *late = *(struct late *const *)arg;
    atomic_store(&late->worker, posse_task_worker(task) + 1);
    if (!pass_gate(late->gate))
        return GAVE_UP;
    if (atomic_load(&late->quiet))
        return 0;
    posse_executor *pool = posse_task_executor(task);
    if (posse_submit(pool, count_task, &late->begun, sizeof(void *), NULL) != POSSE_OK)
        return INNER_FAILED;
    return comes_to(late->begun, 1) ? 0 : GAVE_UP;
}

static struct late *make_late(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct late), &memory));
    memset(memory, 0, sizeof(struct late));
    struct late *late = memory;
    late->gate = make_gate(pool);
    late->begun = make_counter(pool);
    return late;
}

static void free_late(posse_executor *pool, struct late *late)
{
    free_gate(pool, late->gate);
    assert_ok(posse_free(pool, (void *)late->begun));
    assert_ok(posse_free(pool, late));
}

static posse_future submitted_late(posse_executor *pool, struct late *late)
{
    posse_job job = {.fn = late_task, .arg = &late, .size = sizeof(void *), .retries = 1};
    posse_future future = submitted_job(pool, job);
    await_entered(late->gate, 1);
    return future;
}

/* Two tasks, of which that of worker 1, who is to go, is left alone while the executor drains. */
struct pair {
    posse_executor *pool;
    struct late *late[2]; /* by worker */
    posse_future future[2];
};

static struct pair make_pair(posse_options options)
{
    struct pair pair = {.pool = NULL};
    options.max_workers = 2;
    pair.pool = make_pool_with(options);
    for (int i = 0; i < 2; i++) {
        struct late *late = make_late(pair.pool);
        posse_future future = submitted_late(pair.pool, late);
        long worker = atomic_load(&late->worker) - 1;
        assert_in_range(worker, 0, 1);
        assert_null(pair.late[worker]);
        pair.late[worker] = late;
        pair.future[worker] = future;
    }
    assert_ok(posse_resize(pair.pool, 1));
    assert_eventually(pi_load_acquire(&pair.pool->segment.workers[1].exit_requested) == 1);
    assert_ok(posse_shutdown(pair.pool, POSSE_NO_WAIT, 0));
    return pair;
}

static void end_pair(struct pair *pair)
{
    take_error(pair->future[0], POSSE_OK);
    take_error(pair->future[1], POSSE_OK);
    assert_ok(posse_shutdown(pair->pool, 0, -1));
    bool quiet = atomic_load(&pair->late[1]->quiet);
    assert_int_equal(atomic_load(pair->late[1]->begun), quiet ? 0 : 1);
    assert_int_equal(stats_of(pair->pool).cancelled, 0);
    free_late(pair->pool, pair->late[0]);
    free_late(pair->pool, pair->late[1]);
    end_pool(pair->pool);
}

static void let_the_other_end(struct pair *pair)
{
    atomic_store(&pair->late[0]->quiet, 1);
    open_gate(pair->late[0]->gate);
    assert_ok(posse_result(pair->future[0], -1, NULL, NULL));
    assert_eventually(stats_of(pair->pool).workers == 1);
    await_rounds(pair->pool);
}

TEST(submitted_by_one_who_is_sent_away, PARALLEL)
{
    struct pair pair = make_pair(default_options());
    let_the_other_end(&pair);
    open_gate(pair.late[1]->gate);
    end_pair(&pair);
}

/* The retiring worker is killed, and its task runs once more. */
TEST(retried_for_one_who_is_sent_away, PROCESSES)
{
    struct pair pair = make_pair(default_options());
    let_the_other_end(&pair);
    atomic_store(&pair.late[1]->quiet, 1);
    assert_int_equal(kill((pid_t)atomic_load(&pair.late[1]->gate->who[0]), SIGKILL), 0);
    open_gate(pair.late[1]->gate);
    end_pair(&pair);
}

/* A finalizer that lasts until what the other worker submits has begun. */
struct end {
    _Atomic long *begun;
    _Atomic long come;
};

static int end_task(posse_task *task, const void *arg, size_t size)
{
    struct end *end = *(struct end *const *)arg;
    if (posse_task_worker(task) == 0 && atomic_fetch_add(&end->come, 1) == 0)
        (void)(comes_to(end->begun, 1) || comes_to(end->begun, 1)); /* longer than that one waits */
    return 0;
}

/* The other one is not gone yet, but takes nothing more: nobody may rely on the finalizer's end. */
TEST(submitted_while_the_last_one_leaves, PARALLEL)
{
    struct end *end = make_shared(sizeof *end);
    posse_options options =
        OPTIONS(0, .finalizer = end_task, .finalizer_arg = &end, .finalizer_size = sizeof(void *));
    struct pair pair = make_pair(options);
    end->begun = pair.late[1]->begun;
    atomic_store(&pair.late[0]->quiet, 1);
    open_gate(pair.late[0]->gate);
    assert_eventually(atomic_load(&end->come) == 1);
    await_rounds(pair.pool);
    open_gate(pair.late[1]->gate);
    end_pair(&pair);
    free_shared(end, sizeof *end);
}

/* A thread whose task is over its deadline, and goes on. */
POOL_TEST(submitted_by_an_abandoned_thread, THREADS, 1)
{
    struct late *late = make_late(pool);
    posse_job job = {.fn = late_task, .arg = &late, .size = sizeof(void *), .timeout_ms = 5};
    posse_future future = submitted_job(pool, job);
    await_entered(late->gate, 1);
    take_error(future, POSSE_DEADLINE);
    assert_eventually(stats_of(pool).workers == 2);
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT, 0));
    assert_eventually(stats_of(pool).workers == 1);
    await_rounds(pool);
    open_gate(late->gate);
    assert_eventually(atomic_load(late->begun) == 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    free_late(pool, late);
}

/* ---- inline ---- */

static _Atomic long writing, let_go, order;

/* Copies an argument, some day. */
static void *slow_copy(void *to, const void *from, size_t size)
{
    atomic_store(&writing, 1);
    (void)comes_to(&let_go, 1);
    return memcpy(to, from, size);
}

static posse_status call_submit(void *context)
{
    posse_executor *pool = context;
    long value = 3;
    posse_job job = {
        .struct_size = sizeof job, .fn = square_task, .arg = &value, .size = sizeof value};
    return pi_submit(pool, &job, slow_copy, NULL);
}

static int finalizer(posse_task *task, const void *arg, size_t size)
{
    atomic_store(&order, 1);
    return 0;
}

/* The finalizer is the last to run: a task that was on its way to a caller's thread is refused. */
POOL_TEST(on_its_way_as_the_executor_closes, INLINE, 0, .finalizer = finalizer)
{
    struct caller submitter;
    atomic_store(&writing, 0);
    atomic_store(&let_go, 0);
    atomic_store(&order, 0);
    start_call(&submitter, call_submit, pool);
    assert_eventually(atomic_load(&writing) == 1);
    assert_ok(posse_shutdown(pool, 0, -1));
    assert_int_equal(atomic_load(&order), 1);
    atomic_store(&let_go, 1);
    assert_status(end_call(&submitter), POSSE_SHUT_DOWN);
    assert_int_equal(stats_of(pool).done, 0);
}
