/* timeline.c - posse_trace_start and posse_trace_stop. What readers of the files make of them is
 * tests/trace. */
#include "pool/pool.h"
#include "support/support.h"

#include <errno.h>
#include <posse_trace.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 64

static void make_path(char path[PATH_SIZE])
{
    snprintf(path, PATH_SIZE, "/tmp/posse-timeline-%ld.json", (long)getpid());
}

/* The file, which is removed. The caller frees it. */
static char *take_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &status), 0);
    assert_int_equal(status.st_mode & 077, 0);
    char *text = calloc(1, (size_t)status.st_size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)status.st_size, file), status.st_size);
    fclose(file);
    assert_int_equal(unlink(path), 0);
    return text;
}

static int count_of(const char *text, const char *words)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, words)); at++)
        n++;
    return n;
}

/* Asserts that the trace has these runs, and no others. */
static void assert_runs(const char *text, const char *outcome, int n)
{
    char words[64];
    snprintf(words, sizeof words, "\"outcome\":\"%s\"", outcome);
    assert_int_equal(count_of(text, words), n);
}

static void begin(posse_executor *pool, char path[PATH_SIZE])
{
    make_path(path);
    assert_ok(posse_trace_start(pool, path, POSSE_TRACE_JSON));
}

static char *end(posse_executor *pool, const char *path)
{
    assert_ok(posse_trace_stop(pool));
    return take_file(path);
}

static int late_leaver(posse_task *task, const void *arg, size_t size)
{
    struct gate *gate;
    memcpy(&gate, arg, sizeof gate);
    (void)pass_gate(gate);
    pthread_exit(NULL);
}

/* The thread ends inside a task that has ended already. */
POOL_TEST(left_by_a_thread_after_its_end, THREADS, 1, .stamps = 1)
{
    char path[PATH_SIZE];
    struct gate *gate = make_gate(pool);
    begin(pool, path);
    posse_future future = SUBMIT_VALUE(pool, late_leaver, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    uint64_t lost = stats_of(pool).workers_lost;
    open_gate(gate);
    assert_eventually(stats_of(pool).workers_lost > lost);
    await_rounds(pool);
    char *text = end(pool, path);
    assert_runs(text, "cancelled", 1);
    free(text);
    free_gate(pool, gate);
}

static int soft_task(posse_task *task, const void *arg, size_t size)
{
    signal(SIGTERM, SIG_IGN);
    return heed_task(task, arg, size);
}

/* One trace after another; what was before one is not in it. */
POOL_TEST(again, ALL, 2, .stamps = 1)
{
    char path[PATH_SIZE];
    for (int round = 1; round < 4; round++) {
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
        begin(pool, path);
        for (int i = 0; i < round; i++)
            assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
        char *text = end(pool, path);
        assert_runs(text, "done", round);
        free(text);
    }
}

/* What waits is also counted when a caller goes to sleep. The end of the first task is the only
 * other count with that many. */
POOL_TEST(counts_while_all_wait, PARALLEL, 1, .stamps = 1)
{
    enum { WAIT = 10 };
    char path[PATH_SIZE];
    struct gate *gate = make_gate(pool);
    posse_future held, waiting[WAIT];
    begin(pool, path);
    held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    for (int i = 0; i < WAIT; i++)
        waiting[i] = submitted_long(pool, square_task, 3);
    struct caller caller;
    start_call(&caller, call_result, &waiting[WAIT - 1]);
    await_parked(&caller);
    open_gate(gate);
    assert_ok(end_call(&caller));
    for (int i = 0; i < WAIT; i++)
        assert_int_equal(take_long(waiting[i]), 9);
    assert_ok(posse_release(held));
    char *text = end(pool, path);
    assert_in_range(count_of(text, "\"args\":{\"tasks\":10}"), 2, 1000);
    free(text);
    free_gate(pool, gate);
}

POOL_TEST(bad_input, ALL, 1, .stamps = 1)
{
    char path[PATH_SIZE];
    assert_status(posse_trace_stop(pool), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "no trace is on");
    assert_status(posse_trace_start(pool, NULL, POSSE_TRACE_JSON), POSSE_INVALID);
    assert_status(posse_trace_start(NULL, "x", POSSE_TRACE_JSON), POSSE_INVALID);
    assert_status(posse_trace_start(pool, "x", (posse_trace_format)2), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "format is unknown");
    begin(pool, path);
    assert_status(posse_trace_start(pool, path, POSSE_TRACE_SVG), POSSE_INVALID);
    assert_string_equal(posse_last_error(), "a trace is on already");
    free(end(pool, path));
    assert_ok(posse_trace_start(pool, "/nowhere/trace", POSSE_TRACE_SVG));
    assert_status(posse_trace_stop(pool), POSSE_SYSTEM);
    assert_int_equal(errno, ENOENT);
    assert_status(posse_trace_stop(pool), POSSE_INVALID);
}

POOL_TEST(without_stamps, ALL, 1)
{
    assert_status(posse_trace_start(pool, "x", POSSE_TRACE_JSON), POSSE_NOT_SUPPORTED);
    assert_string_equal(posse_last_error(), "the executor is without options.stamps");
}

/* A trace that is not stopped leaves no file. */
TEST(dropped, ALL)
{
    char path[PATH_SIZE];
    posse_executor *pool = POOL(1, .stamps = 1);
    begin(pool, path);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    end_pool(pool);
    assert_int_equal(access(path, F_OK), -1);
}

TEST(after_the_end, ALL)
{
    char path[PATH_SIZE];
    posse_executor *pool = POOL(2, .stamps = 1);
    begin(pool, path);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_ok(posse_shutdown(pool, 0, -1));
    char *text = end(pool, path);
    assert_runs(text, "done", 1);
    free(text);
    assert_ok(posse_destroy(pool));
}

/* The last events of a worker that died are there: runs before, and the one that was lost. */
POOL_TEST(lost, PROCESSES, 1, .stamps = 1)
{
    char path[PATH_SIZE];
    long signal = SIGKILL;
    begin(pool, path);
    for (int i = 0; i < 3; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    (void)take_error(SUBMIT_VALUE(pool, signal_task, signal), POSSE_WORKER_LOST);
    assert_eventually(stats_of(pool).workers == 1);
    char *text = end(pool, path);
    assert_runs(text, "done", 3);
    assert_runs(text, "lost", 1);
    assert_non_null(strstr(text, "\"signal\":9"));
    free(text);
}

/* Runs that go on last until the end of the trace, as far as they are in it. */
POOL_TEST(running, PARALLEL, 2, .stamps = 1)
{
    char path[PATH_SIZE];
    struct gate *gate = make_gate(pool);
    posse_future before = submitted_hold(pool, gate);
    await_entered(gate, 1);
    begin(pool, path);
    posse_future during = submitted_hold(pool, gate);
    await_entered(gate, 2);
    char *text = end(pool, path);
    assert_runs(text, "running", 2);
    free(text);
    begin(pool, path);
    open_gate(gate);
    assert_ok(posse_result(before, -1, NULL, NULL));
    assert_ok(posse_result(during, -1, NULL, NULL));
    text = end(pool, path);
    assert_runs(text, "done", 2);
    free(text);
    assert_ok(posse_release(before));
    assert_ok(posse_release(during));
    free_gate(pool, gate);
}

/* A thread goes on with a task that was killed: that run lasts until it leaves it. */
POOL_TEST(left_late, THREADS, 1, .stamps = 1)
{
    char path[PATH_SIZE];
    struct gate *gate = make_gate(pool);
    int threads = count_threads();
    begin(pool, path);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    (void)take_error(future, POSSE_CANCELLED);
    assert_eventually(count_threads() > threads); /* another one has taken its place */
    char *text = end(pool, path);
    assert_runs(text, "running", 1);
    free(text);
    begin(pool, path);
    open_gate(gate);
    assert_eventually(count_threads() == threads);
    text = end(pool, path);
    assert_runs(text, "cancelled", 1);
    assert_runs(text, "running", 0);
    free(text);
    free_gate(pool, gate);
}

/* A task that heeds SIGTERM ends by itself, though it was killed. */
POOL_TEST(ends_in_its_grace, PROCESSES, 1, .stamps = 1)
{
    char path[PATH_SIZE];
    struct gate *gate = make_gate(pool);
    posse_job job = {.fn = soft_task,
                     .arg = &gate,
                     .size = sizeof gate,
                     .grace_ms = 10 * PATIENCE_MS,
                     .flags = POSSE_TERMINATE};
    begin(pool, path);
    posse_future future = submitted_job(pool, job);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_long(future);
    char *text = end(pool, path);
    assert_runs(text, "done", 1);
    free(text);
    free_gate(pool, gate);
}

/* The newest are kept, and the trace says how many are lacking. */
POOL_TEST(full, ALL, 1, .stamps = 1, .max_memory = (size_t)4 << 20)
{
    char path[PATH_SIZE];
    uint32_t capacity = pool->segment.trace.capacity;
    begin(pool, path);
    for (uint32_t i = 0; i < 2 * capacity; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    posse_future last = submitted_job(pool, (posse_job){.fn = echo_task, .name = "the last one"});
    assert_ok(posse_result(last, -1, NULL, NULL));
    assert_ok(posse_release(last));
    char *text = end(pool, path);
    assert_null(strstr(text, "\"dropped\":\"0\""));
    assert_in_range(count_of(text, "\"cat\":\"task\""), 1, capacity);
    assert_int_equal(count_of(text, "the last one"), 1);
    free(text);
}

/* ---- a forked child ---- */

struct forked {
    posse_executor *pool;
    posse_future future;
};

static int calls_in_child(void *context)
{
    const struct forked *forked = context;
    posse_info info = {.struct_size = sizeof info};
    posse_times times = {.struct_size = sizeof times};
    REQUIRE(posse_get_info(forked->future, &info) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_get_times(forked->pool, &times) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_trace_start(forked->pool, "x", POSSE_TRACE_SVG) == POSSE_WRONG_PROCESS);
    REQUIRE(posse_trace_stop(forked->pool) == POSSE_WRONG_PROCESS);
    return 0;
}

/* The trace of the program goes on. */
POOL_TEST(forked, FORKED, 1, .stamps = 1)
{
    char path[PATH_SIZE];
    struct forked forked = {pool, submitted_long(pool, square_task, 3)};
    begin(pool, path);
    assert_child(calls_in_child, &forked);
    assert_int_equal(take_long(forked.future), 9);
    assert_int_equal(take_long(submitted_long(pool, square_task, 4)), 16);
    char *text = end(pool, path);
    assert_non_null(strstr(text, "\"outcome\":\"done\""));
    free(text);
}

/* ---- a task gone wild ---- */

/* Arg: a seed. Writes over the rings: words of any kind, and such as might pass for events. */
static int scribble_task(posse_task *task, const void *arg, size_t size)
{
    struct pi_segment *segment = &posse_task_executor(task)->segment;
    unsigned seed = (unsigned)*(const long *)arg;
    uint64_t *at = (void *)segment->trace.base;
    size_t words = segment->areas[PI_AREA_TRACE].size / sizeof *at;
    for (size_t i = 0; i < words; i++) {
        uint64_t random = (uint64_t)rand_r(&seed) << 32 ^ (uint64_t)rand_r(&seed);
        switch (rand_r(&seed) % 4) {
        case 0: at[i] = random; break;
        case 1: at[i] = random % 8; break;
        case 2: at[i] = i / 12; break;
        default: break;
        }
    }
    return 0;
}

static void scribble_once(long seed, posse_trace_format format)
{
    char path[PATH_SIZE];
    make_path(path);
    posse_executor *pool = POOL(2, .stamps = 1, .max_memory = (size_t)4 << 20);
    assert_ok(posse_trace_start(pool, path, format));
    for (int i = 0; i < 20; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    (void)error_of(submitted_long(pool, scribble_task, seed));
    for (int i = 0; i < 20; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    assert_ok(posse_trace_stop(pool));
    char *text = take_file(path);
    assert_true(text[0] == '{' || text[0] == '<');
    free(text);
    assert_ok(posse_destroy(pool));
}

/* Its trace may be wrong; nothing else is. */
TEST(scribbled, PROCESSES)
{
    for (long seed = 1; seed <= in_long_run(10, 300); seed++)
        scribble_once(seed, seed % 2 ? POSSE_TRACE_JSON : POSSE_TRACE_SVG);
}
