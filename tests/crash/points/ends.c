/* ends.c - the supervisor or the program dies at a point: see points.h.
 *
 * Without its supervisor a pool is broken: every call says so, or gives what was there before, and
 * nobody hangs. Without the program nothing goes on: soon no worker lives.
 */
#include "points.h"

#include <signal.h>
#include <sys/wait.h>

#define TASKS 8

/* ---- a program that takes what comes ---- */

static int locked_task(posse_task *task, const void *arg, size_t size)
{
    const posse_lock *lock = arg;
    void *memory = NULL;
    posse_status locked = posse_lock_acquire(*lock, -1);
    bool good = locked == POSSE_OK || locked == POSSE_OWNER_DIED;
    good = good && posse_alloc(posse_task_executor(task), 500, &memory) == POSSE_OK;
    return good && posse_lock_release(*lock) == POSSE_OK ? 0 : 1;
}

struct run {
    posse_executor *pool;
    posse_lock lock;
    posse_future futures[TASKS];
    int n;
};

static int count_call(posse_future future, void *context)
{
    atomic_fetch_add((_Atomic int *)context, 1);
    return 0;
}

/* All kinds of tasks; as many as are accepted. */
static void submit_all(struct run *run)
{
    static const char bytes[3000] = "bytes";
    static _Atomic int calls;
    for (long i = 0; i < TASKS; i++) {
        posse_job job = {.struct_size = sizeof job, .retries = 1, .name = "one"};
        job.fn = i % 4 == 0   ? fib_task
                 : i % 4 == 1 ? echo_task
                 : i % 4 == 2 ? locked_task
                              : count_task;
        job.fn = i % 4 == 3 ? square_task : job.fn;
        job.arg = i % 4 == 1 ? (const void *)bytes : i % 4 == 2 ? (const void *)&run->lock : &i;
        job.size = i % 4 == 1 ? sizeof bytes : i % 4 == 2 ? sizeof run->lock : sizeof i;
        if (posse_submit_with(run->pool, &job, &run->futures[run->n]) == POSSE_OK)
            run->n++;
    }
    if (run->n > 0) {
        (void)posse_cancel(run->futures[run->n - 1]);
        (void)posse_add_done_callback(run->futures[0], count_call, &calls);
    }
}

static bool is_an_end(posse_status status)
{
    return status == POSSE_OK || status == POSSE_BROKEN || status == POSSE_CANCELLED ||
           status == POSSE_WORKER_LOST || status == POSSE_TASK_FAILED;
}

/* Uses a pool from its beginning to its end. False: a call said what it must not, or hung. */
static bool use_pool(void)
{
    posse_options options = default_options();
    struct run run = {.n = 0};
    posse_completion_iter *completed = NULL;
    void *memory = NULL;
    bool good = true;
    options.max_workers = 2;
    if (posse_create(&options, &run.pool) != POSSE_OK)
        return true;
    posse_status status = posse_alloc(run.pool, 100000, &memory);
    if (status == POSSE_OK)
        status = posse_lock_create(run.pool, &run.lock);
    good = status == POSSE_OK || status == POSSE_BROKEN;
    submit_all(&run);
    status = posse_as_completed(run.futures, (size_t)run.n, PATIENCE_MS, &completed);
    for (posse_future future; status == POSSE_OK;)
        status = posse_completion_iter_next(completed, &future, NULL);
    posse_completion_iter_close(completed);
    good = good && (status == POSSE_END || status == POSSE_BROKEN || status == POSSE_INVALID);
    for (int i = 0; i < run.n; i++) {
        good = good && is_an_end(posse_result(run.futures[i], PATIENCE_MS, NULL, NULL)) &&
               posse_release(run.futures[i]) == POSSE_OK;
    }
    (void)posse_free(run.pool, memory);
    status = posse_shutdown(run.pool, 0, PATIENCE_MS);
    good = good && (status == POSSE_OK || status == POSSE_BROKEN);
    return posse_destroy(run.pool) == POSSE_OK && good;
}

static void one_run(void)
{
    assert_true(use_pool());
    disarm();
}

static const struct act act_any_end = {.name = "any end", .whole = one_run};

/* ---- the supervisor ---- */

/* Of those that it passes at its starts and ends, and when a worker has died. */
void supervisor_dies(void)
{
    uint32_t stride = (uint32_t)in_long_run(5, 1);
    int died = 0, tried;
    begin_points();
    seed_points();
    tried = (int)below(stride);
    stage(&act_any_end, &(struct plan){.n = 0});
    for (int i = 0; i < 10; i++) {
        struct pi_step first =
            step_of(PI_ROLE_WORKER, PI_DIE, PI_ANYWHERE, 1 + (uint32_t)below(100));
        stage(&act_any_end, &(struct plan){.steps = {first}, .n = 1});
    }
    for (uint32_t i = 0; i < count_points(); i++) {
        if (passes_at(PI_ROLE_SUPERVISOR, i) == 0 || (uint32_t)tried++ % stride != 0)
            continue;
        for (int times = 0; times < (int)in_long_run(2, 4);
             times++) { /* undisturbed, then as it repairs something */
            struct plan plan = {.n = 1};
            if (times > 0) {
                plan.steps[0] =
                    step_of(PI_ROLE_WORKER, PI_DIE, PI_ANYWHERE, 1 + (uint32_t)below(100));
            }
            plan.steps[plan.n - (times == 0)] =
                step_of(PI_ROLE_SUPERVISOR, PI_DIE, i, 1 + (uint32_t)below(2));
            plan.n += times > 0;
            died += stage(&act_any_end, &plan);
        }
    }
    print_message("the supervisor died %d times, at every %u. of %d points\n", died,
                  (unsigned)stride, tried);
    assert_true(died > 10);
    end_points();
}

/* ---- the program ---- */

static int program(void *context) { return use_pool() ? 0 : 1; }

/* The program dies at a point, if it comes there. How long the rest has lived, in ms; -1: it did
 * not. */
static long kill_program(uint32_t point, uint32_t pass)
{
    struct plan plan = {.steps = {step_of(PI_ROLE_PROGRAM, PI_DIE, point, pass)}, .n = 1};
    char place[100];
    scene_is("the program dies (pass %u) %s", pass, place_text(point, place, sizeof place));
    time_limit(TIME_LIMIT);
    arm(&plan);
    int status = wait_status(start_child(program, NULL));
    long start = now_ms();
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    assert_eventually(count_processes() == 0);
    long ms = now_ms() - start;
    assert_eventually(count_new_names() == 0);
    if (steps_done() > 0)
        note_death(PI_ROLE_PROGRAM, point);
    bool died = steps_done() > 0;
    disarm();
    return died ? ms : -1;
}

void program_dies(void)
{
    uint32_t stride = (uint32_t)in_long_run(5, 1);
    uint32_t few = (uint32_t)in_long_run(1, 4);
    int died = 0, tried;
    long longest = 0;
    begin_points();
    seed_points();
    tried = (int)below(stride);
    stage(&act_any_end, &(struct plan){.n = 0});
    for (uint32_t i = 0; i < count_points(); i++) {
        uint32_t passes = passes_at(PI_ROLE_PROGRAM, i);
        if (passes == 0 || (uint32_t)tried++ % stride != 0)
            continue;
        for (uint32_t k = 0; k < few && k < passes; k++) {
            long ms = kill_program(i, 1 + (uint32_t)below(passes));
            died += ms >= 0;
            longest = ms > longest ? ms : longest;
        }
    }
    print_message("the program died %d times, at every %u. of %d points; the last worker lived "
                  "%ld ms longer\n",
                  died, (unsigned)stride, tried, longest);
    assert_true(died > 10);
    end_points();
}
