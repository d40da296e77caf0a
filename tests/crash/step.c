/* step.c - a worker is killed after every single instruction of its way through a task.
 *
 * The test traces the only worker of a pool, which sleeps. A task is submitted, a caller goes to
 * sleep until it ends, and the worker is led through a number of instructions, in the library,
 * the C library and the task, and killed there. The task submits two others, waits for one and
 * releases it. On the way are the wake-up, a claim, a nested submit, a nested run, the end, the
 * waking of the caller, the next tasks, and falling asleep. After each death every future has
 * ended, and only the claimed one may be lost. The replacement, which is the next victim, works.
 *
 * So that the last instructions do not cost the way to them each time, the worker may also run to
 * one of the places where the task raises SIGTRAP, and the instructions are counted from there.
 */
#include "pool/pool.h"
#include "support/trace.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#ifdef SANITIZED
#define SPARSER 10 /* it makes three instructions of one, and sees no more at each of them */
#else
#define SPARSER 1
#endif
#define MAX_STEPS 200000L /* more is a loop that does not end under this magnifying glass */
#define RESULT_SIZE 300   /* in memory of its own */

/* ---- the worker ---- */

enum mark { FROM_WAKE, FROM_SUBMIT, FROM_END };

struct stage {
    _Atomic pid_t victim;     /* any other worker passes the marks */
    enum mark mark;           /* where it stops */
    _Atomic unsigned reached; /* the last mark that it has come to */
    _Atomic long count;       /* of the task that nobody observes */
};

static void come_to(struct stage *stage, enum mark mark)
{
    if (atomic_load(&stage->victim) != getpid())
        return;
    atomic_store(&stage->reached, (unsigned)mark);
    if (stage->mark == mark)
        raise(SIGTRAP);
}

static bool submit_two(posse_executor *pool, struct stage *stage, posse_future *inner)
{
    long seven = 7;
    _Atomic long *count = &stage->count;
    return posse_submit(pool, square_task, &seven, sizeof seven, inner) == POSSE_OK &&
           posse_submit(pool, count_task, &count, sizeof count, NULL) == POSSE_OK;
}

static int outer_task(posse_task *task, const void *arg, size_t size)
{
    struct stage *stage = *(struct stage *const *)arg;
    posse_future inner;
    long square = 0;
    come_to(stage, FROM_SUBMIT);
    if (!submit_two(posse_task_executor(task), stage, &inner) ||
        posse_result_into(inner, -1, &square, sizeof square, NULL) != POSSE_OK || square != 49 ||
        posse_release(inner) != POSSE_OK)
        return INNER_FAILED;
    come_to(stage, FROM_END);
    long *result = posse_task_reserve(task, RESULT_SIZE);
    if (result == NULL)
        return GAVE_UP;
    *result = getpid();
    return 0;
}

/* ---- leading it ---- */

struct scene {
    posse_executor *pool;
    struct stage *stage;
    posse_future outer, beside;
    struct caller waiter;
    pid_t victim;
};

static void spin_us(long us)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += us * 1000;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - end.tv_sec) * 1000000000 + now.tv_nsec < end.tv_nsec);
}

static bool may_fall_asleep(posse_executor *pool)
{
    struct pi_segment *segment = &pool->segment;
    return pi_idle_any(&segment->header->idle, pi_workers_count(segment));
}

/* How a victim is led to its death. */
struct way {
    enum mark mark; /* it runs to there, */
    long steps;     /* then goes this many instructions, or begins and ends of system calls, */
    bool by_calls;
    long rest_us; /* and runs for so long; -1: it does not */
};

static bool step(const struct scene *scene, const struct way *way)
{
    if (way->by_calls) {
        trace_call(scene->victim);
        return comes_to_stop(scene->victim);
    }
    trace_step(scene->victim);
    if (may_fall_asleep(scene->pool))
        return comes_to_stop(scene->victim);
    await_stop(scene->victim);
    return true;
}

/* It was woken. False: it came to the next mark, or to sleep, before. */
static bool lead(const struct scene *scene, const struct way *way)
{
    long made = 0;
    await_stop(scene->victim);
    if (way->mark != FROM_WAKE) {
        trace_run(scene->victim);
        await_stop(scene->victim);
    }
    while (made < way->steps && (way->by_calls || scene->stage->reached == (unsigned)way->mark) &&
           step(scene, way))
        made++;
    if (made == way->steps && way->rest_us >= 0) {
        trace_run(scene->victim);
        spin_us(way->rest_us);
    }
    return made == way->steps;
}

/* ---- one death ---- */

static bool is_announced(posse_future future)
{
    return pi_parker(pi_load_seq(&future.executor->segment.slots.at[future.slot].word)) != 0;
}

/* The victim sleeps in front of two tasks, and a caller has gone to sleep for the first. */
static void set(struct scene *scene, enum mark mark)
{
    struct stage *stage = scene->stage;
    scene->victim = (pid_t)take_long(submitted(scene->pool, identity_task, NULL, 0));
    *stage = (struct stage){.victim = scene->victim, .mark = mark, .reached = FROM_WAKE};
    assert_at_rest(scene->pool);
    assert_eventually(process_state(scene->victim) == 'S');
    trace_sleeper(scene->victim);
    scene->outer = SUBMIT_VALUE(scene->pool, outer_task, stage);
    scene->beside = submitted_long(scene->pool, square_task, 12);
    start_call(&scene->waiter, call_result, &scene->outer);
    assert_eventually(is_announced(scene->outer));
}

enum fate { UNTOUCHED, LOST, STANDS, FATES };

static enum fate fate_of_outer(struct scene *scene)
{
    const void *data = NULL;
    size_t size = 0;
    posse_status status = end_call(&scene->waiter);
    posse_error error = error_of(scene->outer);
    assert_status(status, error.status);
    if (status == POSSE_WORKER_LOST) {
        assert_int_equal(error.signal, SIGKILL);
        assert_int_equal(error.pid, scene->victim);
        return LOST;
    }
    assert_ok(posse_result(scene->outer, 0, &data, &size));
    assert_int_equal(size, RESULT_SIZE);
    return *(const long *)data == scene->victim ? STANDS : UNTOUCHED;
}

/* The square of 12. */
static bool is_lost(posse_future future)
{
    long value = 0;
    posse_status status = posse_result_into(future, -1, &value, sizeof value, NULL);
    assert_true(status == POSSE_WORKER_LOST || value == 144);
    return status == POSSE_WORKER_LOST;
}

/* What holds after the death, wherever it was: everything has ended, and one task at most is lost,
 * with what it waits for on the same stack. What was not claimed runs once. */
static enum fate settle(struct scene *scene, uint64_t lost_before)
{
    enum fate fate = fate_of_outer(scene);
    bool beside_lost = is_lost(scene->beside);
    assert_ok(posse_release(scene->beside));
    assert_ok(posse_release(scene->outer));
    assert_at_rest(scene->pool);
    long lost = (long)(stats_of(scene->pool).lost - lost_before);
    long count = atomic_load(&scene->stage->count); /* of the third */
    assert_in_range(lost, fate == LOST, fate == LOST ? 2 : fate == STANDS);
    assert_true(!beside_lost || fate == STANDS);
    assert_in_range(count, fate == UNTOUCHED || lost == 0 || beside_lost, 1);
    return fate;
}

/* ---- all deaths ---- */

struct tally {
    long killed;
    long fates[FATES];
};

/* False: it came to the end of the way before. */
static bool die_on(struct scene *scene, const struct way *way, struct tally *tally)
{
    uint64_t lost_before = stats_of(scene->pool).lost;
    time_limit(TIME_LIMIT); /* for each */
    scene_is("from mark %d it goes %ld %s, and runs %ld us more", (int)way->mark, way->steps,
             way->by_calls ? "begins and ends of system calls" : "instructions", way->rest_us);
    set(scene, way->mark);
    bool whole = lead(scene, way);
    kill_traced(scene->victim);
    tally->fates[settle(scene, lost_before)]++;
    tally->killed++;
    return whole;
}

static struct scene open_scene(void)
{
    if (!may_trace()) {
        print_message("skipped: no process may be traced here\n");
        skip();
    }
    struct stage *stage = make_shared(sizeof *stage);
    look_never();
    return (struct scene){.pool = make_pool(1), .stage = stage};
}

static void close_scene(struct scene *scene, const struct tally *tally)
{
    print_message("%ld deaths: %ld before the task was claimed, %ld lost it, after %ld its result "
                  "stands\n",
                  tally->killed, tally->fates[UNTOUCHED], tally->fates[LOST], tally->fates[STANDS]);
    assert_eventually(stats_of(scene->pool).workers_lost == (uint64_t)tally->killed);
    end_pool(scene->pool);
    free_shared(scene->stage, sizeof *scene->stage);
}

static void die_after_instructions(enum mark mark)
{
    struct scene scene = open_scene();
    struct tally tally = {0};
    long stride = in_long_run(120, 1) * SPARSER;
    struct way way = {.mark = mark, .rest_us = -1};
    way.steps = (long)test_seed((unsigned long)stride);
    while (die_on(&scene, &way, &tally)) {
        way.steps += stride;
        assert_in_range(way.steps, 0, MAX_STEPS);
        again_with("POSSE_TEST_SEED=%ld", way.steps);
    }
    print_message("%ld instructions and every %ld%s: ", way.steps, stride, stride == 1 ? "" : "th");
    close_scene(&scene, &tally);
}

TEST(from_the_wake_up, PROCESSES) { die_after_instructions(FROM_WAKE); }

TEST(from_the_nested_submit, PROCESSES) { die_after_instructions(FROM_SUBMIT); }

TEST(from_the_end, PROCESSES) { die_after_instructions(FROM_END); }

/* At the begin and end of each system call, and at some moment after, in it if it takes its
 * time. */
TEST(in_system_calls, PROCESSES)
{
    struct scene scene = open_scene();
    struct tally tally = {0};
    long moments = in_long_run(4, 200);
    unsigned random = (unsigned)test_seed(UINT_MAX);
    struct way way = {.mark = FROM_WAKE, .by_calls = true};
    for (bool more = true; more; way.steps++) {
        for (long moment = 0; moment < moments && more; moment++) {
            way.rest_us = moment == 0 ? -1 : rand_r(&random) % 50;
            more = die_on(&scene, &way, &tally);
        }
    }
    print_message("%ld begins and ends of system calls: ", way.steps - 1);
    close_scene(&scene, &tally);
}
