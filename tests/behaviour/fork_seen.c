/* fork_seen.c - every call of posse_progress.h, posse_trace.h and posse_group.h in a forked child:
 * what is the parent's is refused, with POSSE_WRONG_PROCESS, and stays as it was. */
#include "support/maps.h"
#include "support/support.h"

#include <fcntl.h>
#include <posse_group.h>
#include <posse_progress.h>
#include <posse_trace.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOLD 42 /* the task's progress, and its message */

/* What the parent has. */
struct seen {
    posse_executor *pool;
    posse_future future; /* has ended, and told */
    posse_group *group;
    posse_completion_queue *queue;
    posse_map_iter *map;
    posse_progress_bar *bar;
};

#define REFUSED(call) REQUIRE((call) == POSSE_WRONG_PROCESS)

static int telling_task(posse_task *task, const void *arg, size_t size)
{
    long told = TOLD;
    (void)arg, (void)size;
    posse_task_progress(task, TOLD, TOLD);
    return posse_task_emit(task, &told, sizeof told) == POSSE_OK ? 0 : INNER_FAILED;
}

static int progress_in_child(void *context)
{
    struct seen *seen = context;
    uint64_t done, total;
    long message = 0;
    posse_item item = {.struct_size = sizeof item};
    REFUSED(posse_progress(seen->future, &done, &total));
    REFUSED(posse_next_message(seen->future, 0, &message, sizeof message, NULL));
    REFUSED(posse_next_message(seen->future, -1, &message, sizeof message, NULL));
    REFUSED(posse_completion_queue_listen(seen->queue, seen->future, NULL));
    REFUSED(posse_progress_wait(seen->bar, &seen->future, 1, -1));
    REFUSED(posse_progress_map_next(seen->bar, seen->map, &item));
    REFUSED(posse_progress_wait_idle(seen->bar, seen->pool, -1));
    REFUSED(posse_wait_idle(seen->pool, -1));
    REQUIRE(message == 0);
    return 0;
}

/* A bar of its own the child has like any other program, but no task to draw. */
static int bar_in_child(void *context)
{
    struct seen *seen = context;
    posse_progress_bar *bar;
    REQUIRE(posse_progress_bar_open(NULL, &bar) == POSSE_OK);
    REFUSED(posse_progress_wait_idle(bar, seen->pool, 0));
    posse_progress_draw(bar, 1, 2);
    posse_progress_bar_close(bar);
    posse_progress_bar_close(seen->bar); /* it is a copy */
    return 0;
}

static int trace_in_child(void *context)
{
    struct seen *seen = context;
    posse_info info = {.struct_size = sizeof info};
    posse_times times = {.struct_size = sizeof times};
    REFUSED(posse_get_info(seen->future, &info));
    REFUSED(posse_get_times(seen->pool, &times));
    REFUSED(posse_trace_start(seen->pool, "/dev/null", POSSE_TRACE_JSON));
    REFUSED(posse_trace_stop(seen->pool));
    REQUIRE(posse_quantile(&times.running, 0.5) == 0); /* of nothing */
    return 0;
}

static int group_in_child(void *context)
{
    struct seen *seen = context;
    posse_group *group = NULL;
    posse_job job = {.struct_size = sizeof job, .fn = square_task, .group = seen->group};
    posse_broadcast_job all = {.struct_size = sizeof all, .fn = square_task};
    REFUSED(posse_group_create(seen->pool, NULL, &group));
    REQUIRE(group == NULL);
    REFUSED(posse_submit_with(seen->pool, &job, NULL));
    REFUSED(posse_broadcast(seen->pool, &all, NULL));
    REFUSED(posse_group_wait(seen->group, -1));
    REFUSED(posse_group_cancel(seen->group));
    REFUSED(posse_group_kill(seen->group));
    REQUIRE(posse_group_left(seen->group) == 0);
    REFUSED(posse_group_destroy(seen->group));
    return 0;
}

static struct seen make_seen(void)
{
    static long numbers[3] = {3, 4, 5};
    static posse_input input = {.data = numbers, .size = sizeof numbers[0]};
    struct seen seen = {.pool = POOL(1, .stamps = 1)};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = square_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = COUNT(numbers),
                         .result_size = sizeof(long)};
    posse_progress_bar_options look = {.struct_size = sizeof look, .fd = 2};
    assert_ok(posse_progress_bar_open(&look, &seen.bar));
    seen.future = submitted(seen.pool, telling_task, NULL, 0);
    assert_ok(posse_result(seen.future, -1, NULL, NULL));
    assert_ok(posse_group_create(seen.pool, NULL, &seen.group));
    assert_ok(posse_completion_queue_create(&seen.queue));
    assert_ok(posse_map_open(seen.pool, &job, &seen.map));
    assert_ok(posse_trace_start(seen.pool, "/dev/null", POSSE_TRACE_JSON));
    return seen;
}

/* All is as it was: no message was taken, nothing cancelled, and the trace is on. */
static void end_seen(struct seen *seen)
{
    uint64_t done, total;
    posse_item item = {.struct_size = sizeof item};
    assert_ok(posse_progress(seen->future, &done, &total));
    assert_int_equal(done, TOLD);
    assert_int_equal(total, TOLD);
    assert_int_equal(next_long(seen->future), TOLD);
    for (long i = 3; i <= 5; i++) {
        assert_ok(posse_map_next(seen->map, &item));
        assert_ok(item.status);
        assert_int_equal(*(const long *)item.result, i * i);
    }
    posse_map_close(seen->map);
    assert_ok(posse_trace_stop(seen->pool));
    assert_ok(posse_group_wait(seen->group, -1));
    assert_ok(posse_group_destroy(seen->group));
    posse_completion_queue_destroy(seen->queue);
    posse_progress_bar_close(seen->bar);
    assert_ok(posse_release(seen->future));
    end_pool(seen->pool);
}

static int deeper(void *seen)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0)
        _exit(progress_in_child(seen) | trace_in_child(seen) | group_in_child(seen));
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : 1;
}

TEST(all_calls_are_refused, FORKED)
{
    static int (*const bodies[])(void *) = {progress_in_child, bar_in_child, trace_in_child,
                                            group_in_child, deeper};
    struct seen seen = make_seen();
    for (size_t i = 0; i < COUNT(bodies); i++)
        assert_child(bodies[i], &seen);
    end_seen(&seen);
}

/* ---- in a child of a task ---- */

static int calls_of_task(posse_task *task)
{
    long told = 1;
    posse_task_progress(task, 1, 2); /* does nothing */
    REFUSED(posse_task_emit(task, &told, sizeof told));
    REFUSED(posse_task_emit_wait(task, &told, sizeof told, -1));
    REFUSED(posse_wait_idle(posse_task_executor(task), -1));
    return 0;
}

/* Arg: whether it tells before it forks. */
static int forking_task(posse_task *task, const void *arg, size_t size)
{
    int status = 1;
    if (*(const long *)arg && telling_task(task, arg, size) != 0)
        return INNER_FAILED;
    pid_t child = fork();
    if (child == 0)
        _exit(calls_of_task(task));
    return child > 0 && waitpid(child, &status, 0) == child && status == 0 ? 0 : WRONG_ARG;
}

POOL_TEST(calls_of_a_task_are_refused, FORKED, 1)
{
    for (long tells = 0; tells < 2; tells++) {
        uint64_t done, total;
        long message;
        posse_future future = submitted_long(pool, forking_task, tells);
        assert_ok(posse_result(future, -1, NULL, NULL));
        assert_ok(posse_progress(future, &done, &total));
        assert_int_equal(done, tells ? TOLD : 0);
        if (tells)
            assert_int_equal(next_long(future), TOLD);
        assert_status(posse_next_message(future, 0, &message, sizeof message, NULL), POSSE_END);
        assert_ok(posse_release(future));
    }
}
