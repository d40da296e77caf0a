/* step.c - a worker is killed after every single instruction of its way through a task.
 *
 * The test traces the only worker of a pool, which sleeps. A task is submitted, a caller goes to
 * sleep until it ends, and the worker is led through so many instructions, in the library, the C
 * library and the task, and killed there. The task submits two others, waits for one and releases
 * it, so on the way are: the wake-up, a claim, a nested submit, a nested run, the end, the waking
 * of the caller, the next tasks, and falling asleep. After each death every future has ended, at
 * most the one that was claimed is lost, and the replacement, which is the next victim, works.
 *
 * So that the last instructions do not cost the way to them each time, the worker may also run to
 * one of the places where the task raises SIGTRAP, and the instructions are counted from there.
 */
#include "support/support.h"

#include "worker/pool.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST_STEPS 200000L /* more is a loop that does not end under this magnifying glass */
#define SLOW_MS 900        /* who is not woken finds out after a second */
#define RESULT_SIZE 300    /* in memory of its own */

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
    if (atomic_load(&stage->victim) != getpid()) {
        return;
    }
    atomic_store(&stage->reached, (unsigned)mark);
    if (stage->mark == mark) {
        raise(SIGTRAP);
    }
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
    (void)size;
    come_to(stage, FROM_SUBMIT);
    if (!submit_two(posse_task_executor(task), stage, &inner) ||
        posse_result_into(inner, -1, &square, sizeof square, NULL) != POSSE_OK || square != 49 ||
        posse_release(inner) != POSSE_OK) {
        return INNER_FAILED;
    }
    come_to(stage, FROM_END);
    long *result = posse_task_reserve(task, RESULT_SIZE);
    if (result == NULL) {
        return GAVE_UP;
    }
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

static char state_of(pid_t pid)
{
    char path[64];
    char state = 'X';
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *stat = fopen(path, "re");
    if (stat != NULL) {
        if (fscanf(stat, "%*d (%*[^)]) %c", &state) != 1) {
            state = 'X';
        }
        fclose(stat);
    }
    return state;
}

static void require(long result, const char *what)
{
    if (result < 0) {
        fail_msg("%s: %s", what, strerror(errno));
    }
}

static void step(pid_t pid) { require(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), "step"); }

/* The signal that it is stopped with. */
static int await_stop(pid_t pid)
{
    int status = 0;
    require(waitpid(pid, &status, __WALL), "waitpid");
    assert_true(WIFSTOPPED(status));
    return WSTOPSIG(status);
}

static bool may_fall_asleep(const posse_executor *pool)
{
    const struct pi_segment *segment = &pool->segment;
    return pi_idle_any(&segment->header->idle, pi_seats_count(segment));
}

/* After a step. False: it sleeps instead. */
static bool comes_to_stop(const posse_executor *pool, pid_t pid)
{
    int status = 0;
    int flags = may_fall_asleep(pool) ? __WALL | WNOHANG : __WALL;
    pid_t stopped;
    for (long look = now_ms() + 3; (stopped = waitpid(pid, &status, flags)) == 0; sched_yield()) {
        if (now_ms() > look && state_of(pid) == 'S') {
            return false;
        }
    }
    assert_int_equal(stopped, pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(WSTOPSIG(status), SIGTRAP);
    return true;
}

static bool may_trace(void)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    bool may = ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) {
    }
    return may;
}

/* Traces the sleeping worker, and lets it sleep on: its next instruction is the first after it was
 * woken. */
static void attach(pid_t pid)
{
    require(ptrace(PTRACE_SEIZE, pid, NULL, NULL), "trace the worker");
    require(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), "interrupt the worker");
    (void)await_stop(pid);
    step(pid);
    assert_eventually(state_of(pid) == 'S');
}

/* It was woken. Leads it to the mark, and from there through so many instructions, but not beyond
 * the next mark, or its sleep; gives how many they were. */
static long lead(const struct scene *scene, long steps)
{
    struct stage *stage = scene->stage;
    long made = 0;
    assert_int_equal(await_stop(scene->victim), SIGTRAP);
    if (stage->mark != FROM_WAKE) {
        require(ptrace(PTRACE_CONT, scene->victim, NULL, NULL), "go on");
        assert_int_equal(await_stop(scene->victim), SIGTRAP);
    }
    while (made < steps && atomic_load(&stage->reached) == (unsigned)stage->mark) {
        step(scene->victim);
        if (!comes_to_stop(scene->pool, scene->victim)) {
            break;
        }
        made++;
    }
    return made;
}

/* The supervisor gets the corpse when its tracer has seen it. */
static void kill_traced(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    do {
        require(waitpid(pid, &status, __WALL), "waitpid");
    } while (WIFSTOPPED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* ---- one death ---- */

static bool is_announced(posse_future future)
{
    return pi_parker(pi_load_seq(&future.executor->segment.slots.at[future.slot].word)) != 0;
}

static bool is_idle(struct scene *scene)
{
    posse_stats stats = stats_of(scene->pool);
    return stats.workers == 1 && stats.workers_idle == 1 && state_of(scene->victim) == 'S';
}

/* The victim sleeps in front of two tasks, and a caller has gone to sleep for the first. */
static void set(struct scene *scene)
{
    atomic_store(&scene->stage->count, 0);
    atomic_store(&scene->stage->reached, FROM_WAKE);
    scene->victim = (pid_t)take_long(submitted(scene->pool, identity_task, NULL, 0));
    assert_eventually(is_idle(scene));
    atomic_store(&scene->stage->victim, scene->victim);
    attach(scene->victim);
    scene->outer = SUBMIT_VALUE(scene->pool, outer_task, scene->stage);
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

static bool is_at_rest(struct scene *scene)
{
    posse_stats stats = stats_of(scene->pool);
    return stats.running + stats.queued + stats.futures == 0 && stats.memory_blocks == 1;
}

static bool is_lost(posse_future future)
{
    posse_error error = error_of(future);
    assert_true(error.status == POSSE_OK || error.status == POSSE_WORKER_LOST);
    return error.status != POSSE_OK;
}

/* What holds after the death, wherever it was: everything has ended, and one task at most is lost,
 * with what it waits for on the same stack. What was not claimed runs once. */
static enum fate settle(struct scene *scene, uint64_t lost_before)
{
    enum fate fate = fate_of_outer(scene);
    bool beside_lost = is_lost(scene->beside);
    if (!beside_lost) {
        assert_int_equal(take_long(scene->beside), 144);
    } else {
        assert_ok(posse_release(scene->beside));
    }
    assert_ok(posse_release(scene->outer));
    assert_eventually(is_at_rest(scene));
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
    long length; /* instructions to where it sleeps again, when last seen */
    long fates[FATES];
};

/* Kills it after so many instructions from the mark. False: it slept before. */
static bool die_after(struct scene *scene, enum mark mark, long steps, struct tally *tally)
{
    long start = 0;
    enum fate fate = UNTOUCHED;
    long made = 0;
    for (int tries = 0; tries < 5 && (tries == 0 || now_ms() - start > SLOW_MS); tries++) {
        uint64_t lost_before = stats_of(scene->pool).lost;
        scene->stage->mark = mark;
        set(scene);
        made = lead(scene, steps);
        start = now_ms();
        kill_traced(scene->victim);
        fate = settle(scene, lost_before);
        tally->killed++;
        tally->fates[fate]++;
        assert_true(tries < 4 || now_ms() - start <= SLOW_MS); /* somebody is not woken */
    }
    return made == steps;
}

static long number_of(const char *variable, long otherwise)
{
    const char *set = getenv(variable);
    return set != NULL ? atol(set) : otherwise;
}

static void die_everywhere(enum mark mark, const char *name)
{
    if (!may_trace()) {
        print_message("skipped: no process may be traced here\n");
        skip();
    }
    struct scene scene = {.pool = make_pool(1)};
    struct tally tally = {0};
    void *memory = NULL;
    long stride = in_long_run(16, 1);
    long offset = number_of("POSSE_TEST_SEED", now_ms()) % stride;
    assert_ok(posse_alloc(scene.pool, sizeof *scene.stage, &memory));
    scene.stage = memset(memory, 0, sizeof *scene.stage);
    print_message("%s: every %ld instructions, POSSE_TEST_SEED=%ld\n", name, stride, offset);
    for (long steps = offset; die_after(&scene, mark, steps, &tally); steps += stride) {
        assert_in_range(steps, 0, MOST_STEPS);
        tally.length = steps;
        time_limit(TIME_LIMIT); /* for each */
    }
    print_message("%s: %ld instructions, %ld deaths: %ld before it was claimed, %ld lost it, "
                  "after %ld its result stands\n",
                  name, tally.length, tally.killed, tally.fates[UNTOUCHED], tally.fates[LOST],
                  tally.fates[STANDS]);
    assert_eventually(stats_of(scene.pool).workers_lost == (uint64_t)tally.killed);
    assert_ok(posse_free(scene.pool, scene.stage));
    end_pool(scene.pool);
}

TEST(from_the_wake_up) { die_everywhere(FROM_WAKE, "from the wake-up"); }

TEST(from_the_nested_submit) { die_everywhere(FROM_SUBMIT, "from the nested submit"); }

TEST(from_the_end) { die_everywhere(FROM_END, "from the end"); }

static const struct check checks[] = {
    CHECK(from_the_wake_up, PROCESSES),
    CHECK(from_the_nested_submit, PROCESSES),
    CHECK(from_the_end, PROCESSES),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
