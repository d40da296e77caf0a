/* hostile.c - tasks that misuse the library, or their thread, on every backend: the pool is none
 * the worse for it. crash/hostile.c and its neighbours have what only a process can survive. */
#include "support/hostile.h"

#include <signal.h>

static void assert_goes_on(posse_executor *pool)
{
    assert_int_equal(take_long(submitted_long(pool, fib_task, 5)), 5);
}

/* ---- jumping out of a task ---- */

static _Thread_local jmp_buf outside;

HOSTILE(jumping_task) { longjmp(outside, 1); }

/* Its inner task, which runs on its stack when it waits for it, jumps out over the library. */
static int jumped_over_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *pool = posse_task_executor(task);
    static _Thread_local posse_future inner;
    if (setjmp(outside) == 0) {
        if (posse_submit(pool, jumping_task, NULL, 0, &inner) == POSSE_OK)
            (void)posse_result(inner, -1, NULL, NULL);
        return GAVE_UP;
    }
    return return_long(task, 5);
}

/* The inner one cannot be ended any more, so it and the other are lost with their worker. */
POOL_TEST(jumps_out_into_the_task_that_waits, PROCESSES, 1)
{
    for (int i = 0; i < 5; i++) {
        posse_error error =
            take_error(submitted(pool, jumped_over_task, NULL, 0), POSSE_WORKER_LOST);
        assert_int_equal(error.exit_code, 1);
        assert_goes_on(pool);
    }
    assert_int_equal(stats_of(pool).lost, 5 * 2);
}

/* ---- submitting for ever ---- */

struct flood {
    _Atomic long run; /* by count_task */
    _Atomic long accepted;
};

/* Its own end may be told to it; one in a worker process is killed. */
HOSTILE(flooding_task)
{
    struct flood *flood;
    memcpy(&flood, arg, sizeof flood);
    _Atomic long *run = &flood->run;
    posse_status status = POSSE_OK;
    while (status == POSSE_OK && !posse_task_cancelled(task)) {
        status = posse_submit(posse_task_executor(task), count_task, &run, sizeof run, NULL);
        atomic_fetch_add(&flood->accepted, status == POSSE_OK);
    }
    return status == POSSE_OK ? 0 : posse_task_fail(task, INNER_FAILED, "%d", (int)status);
}

/* What was accepted runs once each, also when who has submitted it is dead. */
POOL_TEST(submits_for_ever, PARALLEL, 2)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct flood), &memory));
    struct flood *flood = memset(memory, 0, sizeof *flood);
    for (int i = 0; i < 3; i++) {
        posse_job job = {
            .fn = flooding_task, .arg = &flood, .size = sizeof flood, .timeout_ms = 20};
        take_error(submitted_job(pool, job), POSSE_DEADLINE);
        assert_goes_on(pool);
    }
    assert_eventually(stats_of(pool).queued + stats_of(pool).running == 0);
    /* A worker process may die between a submit and its count; a thread that missed its deadline
     * comes to the count later. */
    long most = backend() == POSSE_PROCESS ? 3 : 0, more;
    assert_eventually((more = atomic_load(&flood->run) - atomic_load(&flood->accepted)) >= 0 &&
                      more <= most);
    print_message("%ld tasks\n", atomic_load(&flood->run));
    assert_ok(posse_free(pool, flood));
}

/* ---- other executors ---- */

static int strange_executor_task(posse_task *task, const void *arg, size_t size)
{
    posse_executor *strange;
    memcpy(&strange, arg, size);
    return return_long(task, posse_submit(strange, square_task, &(long){3}, sizeof(long), NULL));
}

#ifdef SANITIZED
#define STRANGERS (THREADS | INLINE) /* a worker that looks there is rightly told off */
#else
#define STRANGERS ALL
#endif

/* One that was made when the workers were there already: where it is, they have something else, or
 * nothing at all. */
TEST(uses_a_younger_executor, STRANGERS)
{
    posse_executor *pool = make_pool(1);
    posse_executor *younger = make_pool(1);
    posse_future future = SUBMIT_VALUE(pool, strange_executor_task, younger);
    posse_error error = error_of(future);
    if (backend() == POSSE_PROCESS)
        assert_true(error.status == POSSE_WORKER_LOST || take_long(future) == POSSE_WRONG_PROCESS);
    else
        assert_int_equal(take_long(future), POSSE_OK);
    if (error.status == POSSE_WORKER_LOST)
        assert_ok(posse_release(future));
    assert_goes_on(pool);
    assert_goes_on(younger);
    end_pool(younger);
    end_pool(pool);
}

/* ---- threads of its own ---- */

struct errand {
    posse_executor *pool;
    struct gate *gate;
    _Atomic long sum;
};

static void *run_errand(void *context)
{
    struct errand *errand = context;
    for (long i = 1; pass_gate(errand->gate) && i <= 20; i++) {
        posse_future future;
        long square = 0;
        if (posse_submit(errand->pool, square_task, &i, sizeof i, &future) == POSSE_OK) {
            (void)posse_result_into(future, -1, &square, sizeof square, NULL);
            (void)posse_release(future);
        }
        atomic_fetch_add(&errand->sum, square);
    }
    enter_gate(errand->gate);
    return NULL;
}

HOSTILE(delegating_task)
{
    struct errand *errand;
    pthread_t thread;
    memcpy(&errand, arg, sizeof errand);
    errand->pool = posse_task_executor(task);
    int error = pthread_create(&thread, NULL, run_errand, errand);
    return error != 0 ? error : pthread_detach(thread);
}

/* A thread that a task has started uses the pool when the task has returned long ago. */
POOL_TEST(leaves_a_thread_that_submits, PARALLEL_CALLERS, 2)
{
    void *memory = NULL;
    int threads = count_threads();
    assert_ok(posse_alloc(pool, sizeof(struct errand), &memory));
    struct errand *errand = memset(memory, 0, sizeof *errand);
    errand->gate = make_gate(pool);
    take_error(SUBMIT_VALUE(pool, delegating_task, errand), POSSE_OK);
    open_gate(errand->gate);
    assert_goes_on(pool);
    await_entered(errand->gate, 22);
    assert_int_equal(atomic_load(&errand->sum), 20 * 21 * 41 / 6);
    assert_eventually(count_threads() <= threads);
    free_gate(pool, errand->gate);
    assert_ok(posse_free(pool, errand));
}

/* ---- signals ---- */

HOSTILE(deaf_task)
{
    sigset_t all;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, NULL) != 0)
        return GAVE_UP;
    return arg == NULL ? 0 : heed_task(task, arg, size);
}

/* Its thread hears of no signal any more, and has deadlines, works and ends as any other. */
POOL_TEST(blocks_all_signals, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    take_error(submitted(pool, deaf_task, NULL, 0), POSSE_OK);
    assert_goes_on(pool);
    posse_job job = {.fn = deaf_task, .arg = &gate, .size = sizeof gate, .timeout_ms = 20};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    assert_goes_on(pool);
    assert_eventually(backend() == POSSE_PROCESS || atomic_load(&gate->passed) == 1);
    free_gate(pool, gate);
}
