/* act_ends.c - tasks that are tried again, that are ended while they run, and executors that are
 * shut down while tasks wait.
 */
#include "points.h"

#define TASKS 6

posse_error take_either(posse_future future)
{
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST);
    assert_ok(posse_release(future));
    return error;
}

/* ---- tried again ---- */

/* Nothing is lost: a task is run once more for each death. */
static int play_retries(posse_executor *pool, int deaths)
{
    static const char large[3000] = "large";
    posse_future futures[TASKS];
    for (long i = 0; i < TASKS; i++) {
        posse_job job = {
            .fn = fib_task, .arg = &i, .size = sizeof i, .retries = 2, .name = "again"};
        futures[i] = submitted_job(pool, job);
    }
    posse_future echo = submitted(pool, echo_task, large, sizeof large);
    for (long i = 0; i < TASKS; i++) {
        static const long fib[TASKS] = {0, 1, 1, 2, 3, 5};
        assert_in_range(error_of(futures[i]).attempt, 1, 1 + deaths);
        assert_int_equal(take_long(futures[i]), fib[i]);
    }
    assert_ok(take_either(echo).status);
    return 0;
}

static void twice_more(posse_options *options) { options->retries = 2; }

/* ---- ended as they run ---- */

static int stubborn_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *const *gate = arg;
    return pass_gate(*gate) ? 0 : GAVE_UP;
}

/* One is killed, and one overstays its time: two workers end for it. */
static int play_killing(posse_executor *pool, int deaths)
{
    int lost = 0;
    struct gate *gate = make_gate(pool);
    posse_job job = {.fn = stubborn_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 5};
    posse_future late = submitted_job(pool, job), killed = submitted_hold(pool, gate);
    posse_future beside = submitted_long(pool, fib_task, 3);
    assert_eventually(posse_running(killed) || posse_done(killed));
    posse_status status = posse_kill(killed);
    assert_true(status == POSSE_OK || status == POSSE_TOO_LATE);
    posse_status ends[] = {error_of(late).status, error_of(killed).status};
    assert_true(ends[0] == POSSE_DEADLINE || ends[0] == POSSE_WORKER_LOST);
    assert_true(ends[1] == POSSE_CANCELLED || ends[1] == POSSE_WORKER_LOST);
    lost += (ends[0] == POSSE_WORKER_LOST) + (ends[1] == POSSE_WORKER_LOST);
    posse_status end = error_of(beside).status;
    assert_true(end == POSSE_OK || end == POSSE_WORKER_LOST || end == POSSE_TASK_FAILED);
    lost += end != POSSE_OK;
    assert_ok(posse_release(late));
    assert_ok(posse_release(killed));
    assert_ok(posse_release(beside));
    free_gate(pool, gate);
    return lost;
}

/* ---- asked to stop ---- */

/* Runs until it is asked, or the test says that nobody will. */
static int patient_task(posse_task *task, const void *arg, size_t size)
{
    struct gate *const *gate = arg;
    for (long end = now_ms() + PATIENCE_MS; !posse_task_cancelled(task); pause_ms(1))
        if (atomic_load(&(*gate)->open) || now_ms() > end)
            return GAVE_UP;
    return 0;
}

/* Starts a task, waits for it without effect, and asks it to stop. */
static int asking_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    posse_job job = {
        .struct_size = sizeof job, .fn = patient_task, .arg = arg, .size = size, .name = "inner"};
    posse_future inner;
    if (posse_resize(pool, 2) != POSSE_OK || posse_submit_with(pool, &job, &inner) != POSSE_OK)
        return INNER_FAILED;
    while (!posse_running(inner) && !posse_done(inner))
        pause_ms(1);
    posse_status status = posse_result(inner, 2, NULL, NULL);
    bool good = status == POSSE_TIMEOUT && posse_cancel(inner) == POSSE_TOO_LATE;
    good = good && posse_result(inner, -1, NULL, NULL) == POSSE_OK;
    return posse_release(inner) == POSSE_OK && good ? 0 : INNER_FAILED;
}

/* An inner task whose outer one has died was asked by nobody: the gate ends it. */
static int play_asking(posse_executor *pool, int deaths)
{
    int lost = 0;
    for (int i = 0; i < 2; i++) {
        struct gate *gate = make_gate(pool);
        posse_future future = SUBMIT_VALUE(pool, asking_task, gate);
        posse_error error = error_of(future);
        assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST ||
                    (error.status == POSSE_TASK_FAILED && error.code == INNER_FAILED));
        lost += error.status != POSSE_OK;
        assert_ok(posse_release(future));
        open_gate(gate);
        assert_eventually(stats_of(pool).futures == 0);
        free_gate(pool, gate);
    }
    return lost;
}

/* ---- shut down ---- */

static int closing_task(posse_task *task, const void *arg, size_t size)
{
    return posse_shutdown(posse_task_executor(task), POSSE_NO_WAIT, 0) == POSSE_OK ? 0 : 1;
}

static int end_with(posse_executor *pool, unsigned flags)
{
    posse_future futures[TASKS];
    int lost = 0;
    struct gate *gate = make_gate(pool);
    for (long i = 0; i < TASKS; i++) {
        futures[i] = i < 2    ? submitted_hold(pool, gate)
                     : i == 2 ? submitted(pool, closing_task, NULL, 0)
                              : submitted_long(pool, fib_task, 3);
    }
    struct caller caller;
    if (!flags) { /* the task is the first to close it */
        open_gate(gate);
        assert_eventually(posse_done(futures[2]));
    }
    assert_ok(posse_shutdown(pool, POSSE_NO_WAIT | flags, 0));
    start_call(&caller, call_shutdown, pool);
    (void)comes_to_park(&caller);
    open_gate(gate);
    for (long i = 0; i < TASKS; i++) {
        posse_error error = error_of(futures[i]);
        bool inner = error.status == POSSE_TASK_FAILED && error.code == INNER_FAILED;
        bool cancelled = flags && error.status == POSSE_CANCELLED;
        assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST || inner ||
                    cancelled);
        lost += error.status != POSSE_OK && !cancelled;
        assert_ok(posse_release(futures[i]));
    }
    assert_ok(end_call(&caller));
    free_gate(pool, gate);
    return lost;
}

static int play_draining(posse_executor *pool, int deaths) { return end_with(pool, 0); }

static int play_cancelling(posse_executor *pool, int deaths)
{
    return end_with(pool, POSSE_CANCEL_FUTURES);
}

const struct act act_retries = {.name = "retries", .set = twice_more, .play = play_retries};
const struct act act_killing = {
    .name = "killing", .play = play_killing, .costs = 2, .leaves = true, .kills = 2};
const struct act act_asking = {.name = "asking", .play = play_asking, .costs = 2};
const struct act act_draining = {
    .name = "draining", .play = play_draining, .costs = 2, .leaves = true, .ends = true};
const struct act act_cancelling = {
    .name = "cancelling", .play = play_cancelling, .costs = 2, .leaves = true, .ends = true};
