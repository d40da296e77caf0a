/* step_fresh.c - a worker whose tasks have processes of their own, or such a process, is killed
 * after every single instruction of its way through a task: see step.c.
 *
 * The worker takes the process that waits, lets it go, forks the next one, takes the result, and
 * falls asleep. The process begins the task, runs it, says that all is done, and exits. Whatever
 * dies where, the task's future ends: the task ran once with a result, or it is lost with what was
 * killed. The next task runs.
 */
#include "pool/pool.h"
#include "support/sealed.h"
#include "support/trace.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_STEPS 200000L
#define RESULT_SIZE 300 /* in memory of its own */

struct pids {
    long worker, process;
};

/* Which processes ran it. */
static int pids_task(posse_task *task, const void *arg, size_t size)
{
    struct pids *result = posse_task_reserve(task, RESULT_SIZE);
    if (result == NULL)
        return GAVE_UP;
    *result = (struct pids){getppid(), getpid()};
    return 0;
}

enum who { WORKER, PROCESS };

struct scene {
    posse_executor *pool;
    enum who who;
    pid_t victim;
    posse_future future;
    struct caller waiter;
};

/* The process that a worker has forked ahead; 0: the system does not tell. */
static pid_t child_of(pid_t worker)
{
    char path[64];
    int child = 0;
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)worker, (long)worker);
    FILE *children = fopen(path, "re");
    if (children != NULL && fscanf(children, "%d", &child) != 1)
        child = 0;
    if (children != NULL)
        fclose(children);
    return child;
}

static bool is_announced(posse_future future)
{
    return pi_parker(pi_load_seq(&future.executor->segment.slots.at[future.slot].word)) != 0;
}

/* The worker sleeps, and its process waits. A caller goes to sleep until the task has ended. */
static void set(struct scene *scene)
{
    pid_t worker = (pid_t)take_long(submitted(scene->pool, parent_task, NULL, 0));
    assert_at_rest(scene->pool);
    assert_eventually(process_state(worker) == 'S');
    scene->victim = worker;
    if (scene->who == PROCESS)
        assert_eventually((scene->victim = child_of(worker)) != 0);
    assert_eventually(process_state(scene->victim) == 'S');
    trace_sleeper(scene->victim);
    scene->future = submitted(scene->pool, pids_task, NULL, 0);
    start_call(&scene->waiter, call_result, &scene->future);
    assert_eventually(is_announced(scene->future));
}

static bool may_fall_asleep(posse_executor *pool)
{
    struct pi_segment *segment = &pool->segment;
    return pi_idle_any(&segment->header->idle, pi_workers_count(segment));
}

/* It was woken. False: it came to sleep, or to its end, before. */
static bool lead(struct scene *scene, long steps)
{
    bool goes_on = trace_stops(scene->victim);
    for (long made = 0; goes_on && made < steps; made++) {
        if (!trace_steps(scene->victim))
            return false;
        goes_on = scene->who == WORKER && may_fall_asleep(scene->pool)
                      ? comes_to_stop(scene->victim)
                      : trace_stops(scene->victim);
    }
    return goes_on;
}

enum fate { ANOTHER, LOST, STANDS, FATES };

static enum fate fate_of(struct scene *scene)
{
    const void *data = NULL;
    size_t size = 0;
    posse_status status = end_call(&scene->waiter);
    posse_error error = error_of(scene->future);
    assert_status(status, error.status);
    if (status == POSSE_WORKER_LOST) {
        assert_int_equal(error.signal, SIGKILL);
        assert_int_equal(error.pid, scene->victim);
        return LOST;
    }
    assert_ok(posse_result(scene->future, 0, &data, &size));
    assert_int_equal(size, RESULT_SIZE);
    const struct pids *ran = data;
    return (scene->who == WORKER ? ran->worker : ran->process) == scene->victim ? STANDS : ANOTHER;
}

/* False: it came to the end of the way before. */
static bool die_after(struct scene *scene, long steps, long *fates)
{
    time_limit(TIME_LIMIT); /* for each */
    scene_is("%s goes %ld instructions", scene->who == WORKER ? "the worker" : "the process",
             steps);
    set(scene);
    bool whole = lead(scene, steps);
    end_traced(scene->victim);
    fates[fate_of(scene)]++;
    assert_ok(posse_release(scene->future));
    assert_at_rest(scene->pool);
    return whole;
}

static void die_after_instructions(enum who who)
{
    const posse_seal seal = {.allow = POSSE_ALLOW_DUMPS}; /* else it cannot be traced */
    long fates[FATES] = {0}, killed = 0, stride = in_long_run(who == WORKER ? 240 : 40, 1);
    long steps = (long)test_seed((unsigned long)stride);
    if (!may_trace()) {
        print_message("skipped: no process may be traced here\n");
        skip();
    }
    struct scene scene = {.pool = fresh_pool(1, seal), .who = who};
    look_never();
    for (bool whole = true; whole; steps += stride, killed++) {
        again_with("POSSE_TEST_SEED=%ld", steps);
        whole = die_after(&scene, steps, fates);
        assert_in_range(steps, 0, MAX_STEPS);
    }
    print_message("%ld instructions and every %ld: %ld deaths: %ld times another ran the task, "
                  "%ld lost it, %ld results stand\n",
                  steps, stride, killed, fates[ANOTHER], fates[LOST], fates[STANDS]);
    assert_eventually(stats_of(scene.pool).workers_lost == (uint64_t)(who == WORKER ? killed : 0));
    end_pool(scene.pool);
}

TEST(the_worker, SEALABLE) { die_after_instructions(WORKER); }

TEST(the_process, SEALABLE) { die_after_instructions(PROCESS); }
