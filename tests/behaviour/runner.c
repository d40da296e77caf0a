/* runner.c - options.runner: tasks run elsewhere, here in a child of the worker, through a socket.
 * The child runs each in an inline pool of its own. */
#include "support/support.h"

#include <errno.h>
#include <posse_runner.h>
#include <posse_seal.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the test tells the workers, and they tell it. */
struct scene {
    _Atomic int closed;   /* no place is ready */
    _Atomic int never;    /* nor will be */
    _Atomic int refusals; /* that many runs do not begin */
    _Atomic int asked;    /* calls of ready */
    _Atomic int refused;
    _Atomic int ended; /* calls of ended */
    _Atomic pid_t supervisor, ended_in;
    int wakeup; /* an eventfd: the worker asks again */
};

struct order {
    posse_fn *fn;
    size_t size;
};

struct answer {
    posse_status status;
    int code;
    size_t size;
};

static bool move(int fd, void *bytes, size_t size, bool in)
{
    for (size_t done = 0; done < size;) {
        char *at = (char *)bytes + done;
        ssize_t n = in ? recv(fd, at, size - done, 0) : send(fd, at, size - done, MSG_NOSIGNAL);
        if (n == 0 || (n < 0 && errno != EINTR))
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* ---- the place ---- */

static void answer_from(int fd, posse_future future)
{
    posse_error error = {.struct_size = sizeof error};
    const void *data = NULL;
    struct answer answer = {0};
    if (posse_exception(future, -1, &error) != POSSE_OK)
        _exit(5);
    answer.status = error.status;
    answer.code = error.code;
    if (error.status == POSSE_OK)
        (void)posse_result(future, 0, &data, &answer.size);
    else
        data = error.message, answer.size = strlen(error.message);
    if (!move(fd, &answer, sizeof answer, false) ||
        !move(fd, (void *)(uintptr_t)data, answer.size, false))
        _exit(6);
    (void)posse_release(future);
}

static _Noreturn void place_main(int fd)
{
    posse_options options = {.struct_size = sizeof options, .backend = POSSE_INLINE};
    posse_executor *pool;
    struct order order;
    posse_future future;
    if (posse_create(&options, &pool) != POSSE_OK)
        _exit(2);
    while (move(fd, &order, sizeof order, true)) {
        void *arg = malloc(order.size + 1);
        if (!arg || !move(fd, arg, order.size, true) ||
            posse_submit(pool, order.fn, arg, order.size, &future) != POSSE_OK)
            _exit(3);
        free(arg);
        answer_from(fd, future);
    }
    _exit(0);
}

/* ---- the runner ---- */

static pid_t place;
static int line = -1;

static void start_place(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        _exit(4);
    place = fork();
    if (place == 0) {
        close(ends[0]);
        place_main(ends[1]);
    }
    close(ends[1]);
    line = ends[0];
}

static posse_status is_ready(void *context, posse_place *at)
{
    struct scene *scene = context;
    scene->asked++;
    scene->supervisor = getppid();
    if (scene->never) {
        snprintf(at->message, sizeof at->message, "no node answers");
        return POSSE_BROKEN;
    }
    at->fds[0] = scene->wakeup;
    if (scene->closed)
        return POSSE_TIMEOUT;
    if (line < 0)
        start_place();
    return POSSE_OK;
}

static void take_answer(posse_run *run, const struct answer *answer)
{
    char text[512] = "";
    if (answer->status == POSSE_OK) {
        void *room = answer->size ? posse_task_reserve(run->task, answer->size) : NULL;
        if (answer->size && (!room || !move(line, room, answer->size, true)))
            _exit(7);
    } else if (answer->size < sizeof text && move(line, text, answer->size, true)) {
        run->code = posse_task_fail(run->task, answer->code, "%s", text);
    }
}

static void lose_place(posse_run *run)
{
    int how;
    close(line);
    line = -1;
    while (waitpid(place, &how, 0) < 0 && errno == EINTR)
        ;
    run->end = POSSE_RUN_LOST;
    run->pid = place;
    run->signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
    run->exit_code = WIFSIGNALED(how) ? -1 : WEXITSTATUS(how);
    run->node = "node seven";
}

static void run_there(void *context, posse_run *run)
{
    struct scene *scene = context;
    struct order order = {run->fn, run->size};
    struct answer answer;
    if (scene->refusals > 0) {
        scene->refusals--;
        scene->refused++;
        run->end = POSSE_RUN_NOT_BEGUN;
    } else if (move(line, &order, sizeof order, false) &&
               move(line, (void *)(uintptr_t)run->arg, run->size, false) &&
               move(line, &answer, sizeof answer, true)) {
        take_answer(run, &answer);
    } else {
        lose_place(run);
    }
}

static void note_end(void *context)
{
    struct scene *scene = context;
    scene->ended_in = getpid();
    scene->ended++;
}

/* ---- pools ---- */

static struct scene *make_scene(void)
{
    struct scene *scene = make_shared(sizeof *scene);
    scene->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_true(scene->wakeup >= 0);
    return scene;
}

static void free_scene(struct scene *scene)
{
    close(scene->wakeup);
    free_shared(scene, sizeof *scene);
}

static posse_runner runner_of(struct scene *scene)
{
    return (posse_runner){.struct_size = sizeof(posse_runner),
                          .run = run_there,
                          .ready = is_ready,
                          .context = scene,
                          .ended = note_end};
}

static posse_executor *pool_of(struct scene *scene, long workers, long retries)
{
    posse_runner runner = runner_of(scene);
    return POOL(workers, .runner = &runner, .retries = retries);
}

static void open_places(struct scene *scene)
{
    scene->closed = 0;
    assert_int_equal(eventfd_write(scene->wakeup, 1), 0);
}

/* ---- tests ---- */

TEST(tasks_run_elsewhere, PROCESSES)
{
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 2, 0);
    for (long i = 0; i < 50; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    assert_int_equal(take_error(submitted_long(pool, code_task, 7), POSSE_TASK_FAILED).code, 7);
    posse_error error = take_error(submitted_long(pool, message_task, 9), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 9);
    assert_string_equal(error.message, "failed with 9");
    end_pool(pool);
    free_scene(scene);
}

TEST(its_runner_is_told_that_a_pool_has_ended, PROCESSES)
{
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 2, 0);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    assert_int_equal(scene->ended, 0);
    end_pool(pool);
    assert_int_equal(scene->ended, 1);
    assert_int_equal(scene->ended_in, scene->supervisor);
    free_scene(scene);
}

TEST(its_runner_is_told_that_the_program_has_died, PROCESSES)
{
    struct scene *scene = make_scene();
    pid_t program = fork();
    assert_true(program >= 0);
    if (program == 0) {
        posse_runner runner = runner_of(scene);
        posse_options options = {.struct_size = sizeof options, .runner = &runner};
        posse_executor *pool;
        _exit(posse_create(&options, &pool) == POSSE_OK ? 0 : 1);
    }
    int how = 1;
    assert_int_equal(waitpid(program, &how, 0), program);
    assert_int_equal(how, 0);
    assert_eventually(scene->ended == 1);
    assert_eventually(!process_lives(scene->ended_in));
    free_scene(scene);
}

static int half_fn(posse_task *task, const void *const *items, void *result)
{
    long item = *(const long *)items[0];
    *(long *)result = item / 2;
    return item % 2 ? posse_task_fail(task, 3, "%ld is odd", item) : 0;
}

TEST(maps_run_elsewhere, PROCESSES)
{
    enum { ITEMS = 1000 };
    static long items[ITEMS], results[ITEMS];
    static posse_status statuses[ITEMS];
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 2, 0);
    for (long i = 0; i < ITEMS; i++)
        items[i] = i;
    posse_input input = {.data = items, .size = sizeof *items};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = half_fn,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = ITEMS,
                         .results = results,
                         .result_size = sizeof *results};
    assert_status(posse_map(pool, &job, statuses), POSSE_TASK_FAILED);
    for (long i = 0; i < ITEMS; i++) {
        assert_status(statuses[i], i % 2 ? POSSE_TASK_FAILED : POSSE_OK);
        if (i % 2 == 0)
            assert_int_equal(results[i], i / 2);
    }
    end_pool(pool);
    free_scene(scene);
}

TEST(a_death_elsewhere_costs_its_task, PROCESSES)
{
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 1, 0);
    uint64_t started = stats_of(pool).workers_started;
    posse_error error = take_error(submitted_long(pool, signal_task, SIGSEGV), POSSE_WORKER_LOST);
    assert_int_equal(error.signal, SIGSEGV);
    assert_int_equal(error.exit_code, -1);
    assert_true(error.pid > 0);
    assert_non_null(strstr(error.message, "on node seven"));
    error = take_error(submitted_long(pool, exit_task, 12), POSSE_WORKER_LOST);
    assert_int_equal(error.exit_code, 12);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
    assert_int_equal(stats_of(pool).lost, 2);
    assert_int_equal(stats_of(pool).workers_started, started); /* no worker has died */
    end_pool(pool);
    free_scene(scene);
}

static int dying_once_task(posse_task *task, const void *arg, size_t size)
{
    _Atomic long *runs = *(_Atomic long *const *)arg;
    if (++*runs == 1)
        raise(SIGKILL);
    return 0;
}

TEST(a_lost_task_runs_again, PROCESSES)
{
    struct scene *scene = make_scene();
    _Atomic long *runs = make_shared(sizeof *runs);
    posse_executor *pool = pool_of(scene, 1, 1);
    posse_future future = SUBMIT_VALUE(pool, dying_once_task, runs);
    posse_error error = error_of(future);
    assert_status(error.status, POSSE_OK);
    assert_int_equal(error.attempt, 2);
    assert_ok(posse_release(future));
    assert_int_equal(*runs, 2);
    end_pool(pool);
    free_shared((void *)(uintptr_t)runs, sizeof *runs);
    free_scene(scene);
}

TEST(what_has_not_begun_runs_elsewhere, PROCESSES)
{
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 2, 0);
    scene->refusals = 5;
    posse_future future = submitted_long(pool, square_task, 4);
    assert_int_equal(error_of(future).attempt, 1);
    assert_int_equal(take_long(future), 16);
    assert_int_equal(scene->refused, 5);
    end_pool(pool);
    free_scene(scene);
}

TEST(without_a_place_tasks_wait, PROCESSES)
{
    struct scene *scene = make_scene();
    scene->closed = 1;
    posse_executor *pool = pool_of(scene, 2, 0);
    posse_future future = submitted_long(pool, square_task, 4);
    posse_future other = submitted_long(pool, square_task, 5);
    assert_status(posse_result(future, 50, NULL, NULL), POSSE_TIMEOUT);
    assert_false(posse_running(future));
    assert_ok(posse_cancel(other));
    assert_ok(posse_release(other));
    await_rounds(pool);
    int asked = scene->asked;
    await_rounds(pool);
    assert_int_equal(scene->asked, asked); /* it sleeps */
    open_places(scene);
    assert_int_equal(take_long(future), 16);
    end_pool(pool);
    free_scene(scene);
}

TEST(a_pool_without_places_shuts_down, PROCESSES)
{
    struct scene *scene = make_scene();
    scene->closed = 1;
    posse_executor *pool = pool_of(scene, 3, 0);
    posse_future future = submitted_long(pool, square_task, 4);
    assert_status(posse_shutdown(pool, 0, 50), POSSE_TIMEOUT); /* a task waits for a place */
    assert_ok(posse_shutdown(pool, POSSE_CANCEL_FUTURES, -1));
    take_error(future, POSSE_CANCELLED);
    assert_ok(posse_destroy(pool));
    free_scene(scene);
}

TEST(a_pool_without_places_shrinks, PROCESSES)
{
    struct scene *scene = make_scene();
    scene->closed = 1;
    posse_executor *pool = pool_of(scene, 3, 0);
    assert_eventually(stats_of(pool).workers == 3 && scene->asked >= 3);
    assert_ok(posse_resize(pool, 1));
    assert_eventually(stats_of(pool).workers == 1);
    assert_ok(posse_destroy(pool));
    free_scene(scene);
}

TEST(no_place_ever_breaks_the_pool, PROCESSES)
{
    struct scene *scene = make_scene();
    scene->closed = 1;
    posse_executor *pool = pool_of(scene, 1, 0);
    posse_future future = submitted_long(pool, square_task, 4);
    scene->never = 1;
    open_places(scene);
    posse_error error = {.struct_size = sizeof error};
    assert_status(posse_result(future, -1, NULL, NULL), POSSE_BROKEN);
    assert_ok(posse_why_broken(pool, &error));
    assert_string_equal(error.message, "no node answers");
    assert_ok(posse_destroy(pool));
    free_scene(scene);
}

TEST(deadlines_and_kills_end_what_runs_elsewhere, PROCESSES)
{
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 1, 0);
    long ms = PATIENCE_MS;
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .timeout_ms = 20};
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    posse_future future = submitted_long(pool, sleep_task, PATIENCE_MS);
    assert_eventually(posse_running(future));
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_pool(pool);
    free_scene(scene);
}

static posse_status is_always_ready(void *context, posse_place *at) { return POSSE_OK; }

/* The argument says how each ends. */
static void end_as_told(void *context, posse_run *run)
{
    long end;
    memcpy(&end, run->arg, sizeof end);
    run->end = (posse_run_end)end;
}

static void assert_ends(posse_executor *pool, posse_job job, long end, posse_status status)
{
    job.fn = square_task;
    job.arg = &end;
    job.size = sizeof end;
    take_error(submitted_job(pool, job), status);
}

TEST(only_a_limit_can_be_passed, PROCESSES)
{
    posse_runner runner = {.struct_size = sizeof runner};
    runner.run = end_as_told;
    runner.ready = is_always_ready;
    posse_executor *pool = POOL(1, .runner = &runner);
    const posse_job plain = {.name = NULL}, named = {.name = "named"};
    const posse_job memory = {.max_memory = (size_t)64 << 20}, cpu = {.max_cpu_ms = 1000};
    assert_ends(pool, plain, POSSE_RUN_RETURNED, POSSE_OK);
    assert_ends(pool, memory, POSSE_RUN_OVER_MEMORY, POSSE_OVER_MEMORY);
    assert_ends(pool, cpu, POSSE_RUN_OVER_CPU, POSSE_OVER_CPU);
    assert_ends(pool, plain, POSSE_RUN_OVER_MEMORY, POSSE_WORKER_LOST);
    assert_ends(pool, named, POSSE_RUN_OVER_CPU, POSSE_WORKER_LOST);
    assert_ends(pool, cpu, POSSE_RUN_OVER_MEMORY, POSSE_WORKER_LOST);
    assert_ends(pool, plain, 77, POSSE_WORKER_LOST);
    end_pool(pool);
}

static void assert_job_refused(posse_executor *pool, posse_job job)
{
    posse_future future;
    job.struct_size = sizeof job;
    job.fn = square_task;
    assert_status(posse_submit_with(pool, &job, &future), POSSE_NOT_SUPPORTED);
    assert_null(future.executor);
}

TEST(nothing_is_shared, PROCESSES)
{
    static char here[8];
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 1, 0);
    void *memory;
    posse_lock lock;
    posse_queue queue;
    const posse_memory block = {.block = here};
    const int fd = 0;
    assert_status(posse_alloc(pool, 8, &memory), POSSE_NOT_SUPPORTED);
    assert_status(posse_lock_create(pool, &lock), POSSE_NOT_SUPPORTED);
    assert_status(posse_queue_create(pool, 1, 8, &queue), POSSE_NOT_SUPPORTED);
    assert_job_refused(pool, (posse_job){.descriptors = &fd, .n_descriptors = 1});
    assert_job_refused(pool, (posse_job){.memory = &block, .n_memory = 1});
    end_pool(pool);
    free_scene(scene);
}

/* The worker stands for a place: it runs no function of the program, and lives on. */
TEST(what_its_workers_would_do_is_refused, PROCESSES)
{
    struct scene *scene = make_scene();
    posse_executor *pool = pool_of(scene, 1, 0);
    posse_broadcast_job all = {.struct_size = sizeof all, .fn = process_task};
    size_t n = 7;
    assert_status(posse_broadcast(pool, &all, &n), POSSE_NOT_SUPPORTED);
    assert_int_equal(n, 0);
    all.also_later = 1;
    assert_status(posse_broadcast(pool, &all, NULL), POSSE_NOT_SUPPORTED);
    assert_job_refused(pool, (posse_job){.flags = POSSE_TERMINATE, .grace_ms = 10});
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    end_pool(pool);
    free_scene(scene);
}

TEST(what_a_runner_must_be, ALL)
{
    posse_runner runner = {.struct_size = sizeof runner, .run = run_there, .ready = is_ready};
    posse_options options = OPTIONS(1, .runner = &runner);
    posse_executor *pool;
    if (backend() != POSSE_PROCESS) {
        assert_status(posse_create(&options, &pool), POSSE_NOT_SUPPORTED);
        return;
    }
    options.autopsy = 1;
    assert_status(posse_create(&options, &pool), POSSE_NOT_SUPPORTED);
    options.autopsy = 0;
    runner.ready = NULL;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
    runner.ready = is_ready;
    runner.struct_size = 0;
    assert_status(posse_create(&options, &pool), POSSE_INVALID);
}
