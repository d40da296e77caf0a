/* limits.c - what a task may use: memory, processor time, room for its result. */
#include "support/autopsied.h"
#include "support/support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)
#define LIMIT (16 * MB)
#define TOO_MUCH (64 * MB)

enum deed { RETURNS, FAILS, SAYS, CRASHES, ABORTS, EXITS, GOES_ON };

static posse_job limited(posse_fn *fn, const void *arg, size_t size)
{
    return (posse_job){.fn = fn, .arg = arg, .size = size, .max_memory = LIMIT, .name = "limited"};
}

/* Not by malloc, which a sanitizer replaces. NULL: it was refused. */
static char *ask(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void touch(char *memory, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 1024)
        ((volatile char *)memory)[i] = 1;
}

static int do_it(posse_task *task, enum deed deed)
{
    switch (deed) {
    case FAILS: return 7;
    case SAYS: return posse_task_fail(task, 8, "no room for the picture");
    case CRASHES: return raise(SIGSEGV), 0;
    case ABORTS: abort();
    case EXITS: exit(3);
    default: return return_long(task, getpid());
    }
}

/* Asks for too much, and does that. */
static int greedy_task(posse_task *task, const void *arg, size_t size)
{
    return ask(TOO_MUCH) ? WRONG_ARG : do_it(task, *(const enum deed *)arg);
}

/* The same without asking. */
static int modest_task(posse_task *task, const void *arg, size_t size)
{
    char *memory = ask(MB);
    if (!memory)
        return WRONG_ARG;
    touch(memory, MB);
    munmap(memory, MB);
    return do_it(task, *(const enum deed *)arg);
}

static posse_future submitted_deed(posse_executor *pool, posse_fn *fn, enum deed deed)
{
    posse_job job = limited(fn, &deed, sizeof deed);
    job.retries = 3;
    return submitted_job(pool, job);
}

/* ---- memory ---------------------------------------------------------------------------------- */

POOL_TEST(may_go_on_without, PROCESSES, 1)
{
    take_long(submitted_deed(pool, greedy_task, RETURNS));
    take_long(submitted_deed(pool, modest_task, RETURNS));
    assert_int_equal(stats_of(pool).workers_started, 1);
}

POOL_TEST(refused_and_ends_of_it, PROCESSES, 2)
{
    static const enum deed deeds[] = {FAILS, SAYS, CRASHES, ABORTS, EXITS};
    for (size_t i = 0; i < COUNT(deeds); i++) {
        posse_future future = submitted_deed(pool, greedy_task, deeds[i]);
        assert_status(posse_result(future, -1, NULL, NULL), POSSE_OVER_MEMORY);
        posse_error error = take_error(future, POSSE_OVER_MEMORY);
        assert_int_equal(error.attempt, 1);
        assert_string_equal(error.name, "limited");
        assert_non_null(strstr(error.message, "16777216 bytes"));
        if (deeds[i] == SAYS)
            assert_non_null(strstr(error.message, "no room for the picture"));
        assert_true(error.cpu_ns > 0);
    }
    assert_eventually(stats_of(pool).timed_out == COUNT(deeds));
    assert_int_equal(stats_of(pool).lost + stats_of(pool).failed, 0);
}

static int exit_code_of(posse_executor *pool, enum deed deed)
{
    posse_future future = submitted_job(pool, limited(modest_task, &deed, sizeof deed));
    return take_error(future, POSSE_WORKER_LOST).exit_code;
}

/* It has a limit, and ends for another reason. */
POOL_TEST(ends_of_something_else, PROCESSES, 2)
{
    assert_int_equal(take_error(submitted_deed(pool, modest_task, FAILS), POSSE_TASK_FAILED).code,
                     7);
    assert_int_equal(exit_code_of(pool, CRASHES), -1);
    assert_int_equal(exit_code_of(pool, ABORTS), -1);
}

/* Before an exit LeakSanitizer takes more memory than the task may have. */
POOL_TEST(exits_of_itself, UNSANITIZED(PROCESSES), 1)
{
    assert_int_equal(exit_code_of(pool, EXITS), 3);
}

/* A fault of its own, not a signal that it sends: it comes with the address, and kills. */
static int null_task(posse_task *task, const void *arg, size_t size)
{
    char *volatile memory = *(const enum deed *)arg == FAILS ? ask(TOO_MUCH) : NULL;
    *memory = 1;
    return 0;
}

POOL_TEST(writes_to_null, UNSANITIZED(PROCESSES), 1)
{
    enum deed deed = FAILS;
    take_error(submitted_job(pool, limited(null_task, &deed, sizeof deed)), POSSE_OVER_MEMORY);
    deed = RETURNS;
    assert_int_equal(
        take_error(submitted_job(pool, limited(null_task, &deed, sizeof deed)), POSSE_WORKER_LOST)
            .signal,
        SIGSEGV);
}

/* The handler of posse_autopsy.h tells both. */
TEST(refused_with_autopsy, UNSANITIZED(PROCESSES))
{
    posse_executor *pool = AUTOPSIED(1);
    enum deed deed = FAILS;
    posse_future future = submitted_job(pool, limited(null_task, &deed, sizeof deed));
    assert_int_equal(report_of(future, POSSE_OVER_MEMORY).signal, SIGSEGV);
    assert_string_equal(take_error(future, POSSE_OVER_MEMORY).message,
                        "limited: the task needed over 16777216 bytes of memory");
    end_autopsied(pool);
}

/* Keeps as many MB as it is told. */
static int keep_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = (size_t) * (const long *)arg * MB;
    char *memory = ask(bytes);
    if (!memory)
        return GAVE_UP;
    touch(memory, bytes);
    return return_long(task, getpid());
}

static posse_job limited_keep(const long *megabytes)
{
    return limited(keep_task, megabytes, sizeof *megabytes);
}

/* What the worker has from tasks before does not count, and the limit ends with its task. */
POOL_TEST(is_its_own, PROCESSES, 1)
{
    long much = 3 * LIMIT / MB, some = LIMIT / MB / 2,
         worker = take_long(submitted_long(pool, keep_task, much));
    for (int i = 0; i < 4; i++)
        assert_int_equal(take_long(submitted_job(pool, limited_keep(&some))), worker);
    take_error(submitted_deed(pool, greedy_task, FAILS), POSSE_OVER_MEMORY);
    assert_int_equal(take_long(submitted_long(pool, keep_task, much)), worker);
}

/* Memory of the program that no task has touched yet. */
static char unused[TOO_MUCH];

static int stays_task(posse_task *task, const void *arg, size_t size)
{
    touch(unused, sizeof unused);
    for (long end = now_ms() + PATIENCE_MS; now_ms() < end;)
        pause_ms(1);
    return 0;
}

/* It asks the system for nothing. */
POOL_TEST(changes_too_much, PROCESSES, 1)
{
    posse_error error =
        take_error(submitted_job(pool, limited(stays_task, NULL, 0)), POSSE_OVER_MEMORY);
    assert_true(error.peak_memory > LIMIT);
}

static void set_data_limit(bool hard)
{
    struct rlimit limit;
    (void)getrlimit(RLIMIT_DATA, &limit);
    if (hard)
        limit.rlim_max = limit.rlim_cur;
    else
        limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_DATA, &limit);
}

static int raising_task(posse_task *task, const void *arg, size_t size)
{
    set_data_limit(false);
    return ask(TOO_MUCH) ? stays_task(task, arg, size) : WRONG_ARG;
}

POOL_TEST(raises_its_limit, PROCESSES, 1)
{
    take_error(submitted_job(pool, limited(raising_task, NULL, 0)), POSSE_OVER_MEMORY);
}

static int lowering_task(posse_task *task, const void *arg, size_t size)
{
    set_data_limit(true);
    return return_long(task, getpid());
}

/* Nobody can set that back: the worker is replaced. */
POOL_TEST(lowers_the_hard_limit, PROCESSES, 1)
{
    long much = TOO_MUCH / MB;
    long worker = take_long(submitted_job(pool, limited(lowering_task, NULL, 0)));
    assert_int_not_equal(take_long(submitted_long(pool, keep_task, much)), worker);
    assert_int_equal(stats_of(pool).workers_lost, 0);
}

static int shared_task(posse_task *task, const void *arg, size_t size)
{
    char *room = posse_task_reserve(task, TOO_MUCH);
    if (room)
        touch(room, TOO_MUCH);
    return room ? 0 : GAVE_UP;
}

POOL_TEST(does_not_count_results, PROCESSES, 1)
{
    posse_future future = submitted_job(pool, limited(shared_task, NULL, 0));
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_true(take_error(future, POSSE_OK).peak_memory > LIMIT);
}

/* ---- processor time -------------------------------------------------------------------------- */

static long used_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Uses so much processor time, in ms, or goes on until it is ended. */
static int burn_task(posse_task *task, const void *arg, size_t size)
{
    long begin = used_ms(), ms = size ? *(const long *)arg : PATIENCE_MS;
    while (used_ms() - begin < ms)
        ;
    return return_long(task, getpid());
}

POOL_TEST(burns_until_it_is_ended, PROCESSES, 1)
{
    posse_job job = {.fn = burn_task, .max_cpu_ms = 30, .retries = 3};
    posse_error error = take_error(submitted_job(pool, job), POSSE_OVER_CPU);
    assert_non_null(strstr(error.message, "30 ms"));
    assert_true(error.cpu_ns >= 30000000);
    assert_int_equal(error.attempt, 1);
    assert_int_equal(error.peak_memory, 0);
    take_long(submitted(pool, identity_task, NULL, 0));
}

/* It returns before the supervisor looks, or is killed: its end is the same. */
POOL_TEST(has_burnt_too_much, PROCESSES, 1)
{
    long ms = 3;
    posse_job job = {.fn = burn_task, .arg = &ms, .size = sizeof ms, .max_cpu_ms = 2};
    for (int i = 0; i < 10; i++)
        take_error(submitted_job(pool, job), POSSE_OVER_CPU);
}

static void *burn(void *unused_argument)
{
    for (;;)
        (void)used_ms();
    return NULL;
}

static int threads_task(posse_task *task, const void *arg, size_t size)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, burn, NULL) != 0)
        return GAVE_UP;
    pthread_join(thread, NULL);
    return 0;
}

POOL_TEST(counts_its_threads, PROCESSES, 1)
{
    take_error(submitted_job(pool, (posse_job){.fn = threads_task, .max_cpu_ms = 20}),
               POSSE_OVER_CPU);
}

POOL_TEST(sleep_is_no_use, PROCESSES, 1)
{
    long ms = 300, burnt = 150;
    take_long(submitted_long(pool, burn_task, burnt)); /* nor is what others have used */
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .max_cpu_ms = 100};
    assert_int_equal(take_long(submitted_job(pool, job)), ms);
}

/* ---- a task on top of another ---------------------------------------------------------------- */

struct nested {
    posse_fn *fn;
    long arg;
    posse_job inner; /* its limits */
};

static int nesting_task(posse_task *task, const void *arg, size_t size)
{
    struct nested nest;
    memcpy(&nest, arg, sizeof nest);
    posse_future inner;
    nest.inner.struct_size = sizeof nest.inner;
    nest.inner.fn = nest.fn;
    nest.inner.arg = &nest.arg;
    nest.inner.size = sizeof nest.arg;
    if (posse_submit_with(posse_task_executor(task), &nest.inner, &inner) != POSSE_OK)
        return INNER_FAILED;
    posse_status status = posse_result(inner, -1, NULL, NULL);
    posse_release(inner);
    if (ask(TOO_MUCH)) /* its own limit holds again */
        return WRONG_ARG;
    errno = 0;
    return return_long(task, status);
}

static long nested_end(posse_executor *pool, const struct nested *nest)
{
    posse_job job = limited(nesting_task, nest, sizeof *nest);
    job.max_cpu_ms = 100;
    return take_long(submitted_job(pool, job));
}

POOL_TEST(inner_task_is_not_limited, PROCESSES, 1)
{
    struct nested takes = {.fn = keep_task, .arg = 3 * LIMIT / MB};
    assert_int_equal(nested_end(pool, &takes), POSSE_OK);
    struct nested burns = {.fn = burn_task, .arg = 300};
    assert_int_equal(nested_end(pool, &burns), POSSE_OK);
    assert_int_equal(stats_of(pool).workers_started, 1);
}

POOL_TEST(inner_task_has_its_own, PROCESSES, 1)
{
    struct nested takes = {
        .fn = keep_task, .arg = 3 * LIMIT / MB, .inner = {.max_memory = 4 * LIMIT}};
    assert_int_equal(nested_end(pool, &takes), POSSE_OK);
    takes.inner.max_memory = LIMIT / 2;
    takes.arg = LIMIT / MB;
    assert_int_equal(nested_end(pool, &takes), POSSE_OVER_MEMORY);
    assert_int_equal(stats_of(pool).workers_started, 1);
}

/* ---- refused --------------------------------------------------------------------------------- */

POOL_TEST(not_supported, THREADS | INLINE, 1)
{
    posse_future future;
    posse_job job = {.struct_size = sizeof job, .fn = identity_task, .max_memory = LIMIT};
    assert_status(posse_submit_with(pool, &job, &future), POSSE_NOT_SUPPORTED);
    assert_non_null(strstr(posse_last_error(), "max_memory"));
    job.max_memory = 0;
    job.max_cpu_ms = 1000;
    assert_status(posse_submit_with(pool, &job, &future), POSSE_NOT_SUPPORTED);
}

POOL_TEST(wrong_numbers, ALL, 1)
{
    posse_future future;
    static const struct {
        size_t max_memory;
        long max_cpu_ms;
        posse_status status;
    } wrong[] = {{1, 0, POSSE_INVALID},
                 {MB - 1, 0, POSSE_INVALID},
                 {0, -1, POSSE_INVALID},
                 {0, (long)UINT32_MAX + 1, POSSE_TOO_LARGE}};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        posse_job job = {.struct_size = sizeof job,
                         .fn = identity_task,
                         .max_memory = wrong[i].max_memory,
                         .max_cpu_ms = wrong[i].max_cpu_ms};
        assert_status(posse_submit_with(pool, &job, &future), wrong[i].status);
        assert_non_null(strstr(posse_last_error(), "job.max_"));
    }
}

/* ---- results --------------------------------------------------------------------------------- */

struct wish {
    size_t first, then; /* bytes; 0: nothing */
    bool in_place;
};

static posse_status give(posse_task *task, size_t bytes, bool in_place)
{
    static const char data[4096];
    if (!in_place)
        return posse_task_return(task, data, bytes);
    return posse_task_reserve(task, bytes) ? POSSE_OK : POSSE_TOO_LARGE;
}

static int result_task(posse_task *task, const void *arg, size_t size)
{
    const struct wish *wish = arg;
    posse_status expected = wish->first > 1000 ? POSSE_TOO_LARGE : POSSE_OK;
    if (give(task, wish->first, wish->in_place) != expected)
        return GAVE_UP;
    return wish->then && give(task, wish->then, wish->in_place) != POSSE_OK ? GAVE_UP : 0;
}

POOL_TEST(max_result, ALL, 1, .max_result = 1000)
{
    for (int in_place = 0; in_place < 2; in_place++) {
        struct wish wish = {1000, 0, in_place};
        take_error(SUBMIT_VALUE(pool, result_task, wish), POSSE_OK);
        wish.first = 1001;
        posse_error error = take_error(SUBMIT_VALUE(pool, result_task, wish), POSSE_TASK_FAILED);
        assert_int_equal(error.code, 0);
        assert_non_null(strstr(error.message, "max_result"));
        wish.then = 1000; /* the last call counts */
        posse_future future = SUBMIT_VALUE(pool, result_task, wish);
        size_t size;
        assert_ok(posse_result(future, -1, NULL, &size));
        assert_int_equal(size, 1000);
        assert_ok(posse_release(future));
    }
}

static int square_item(posse_task *task, const void *const *items, void *result)
{
    long value = *(const long *)items[0];
    *(long *)result = value * value;
    return value == 7 ? posse_task_fail(task, 1, "seven") : 0;
}

/* Its results are as large as it says. */
POOL_TEST(max_result_is_not_of_maps, ALL, 1, .max_result = 8)
{
    long numbers[100], squares[100];
    posse_status statuses[100];
    for (long i = 0; i < 100; i++)
        numbers[i] = i;
    posse_input input = {.data = numbers, .size = sizeof numbers[0]};
    posse_map_job job = {.struct_size = sizeof job,
                         .fn = square_item,
                         .inputs = &input,
                         .n_inputs = 1,
                         .count = 100,
                         .result_size = sizeof squares[0],
                         .results = squares};
    assert_status(posse_map(pool, &job, statuses), POSSE_TASK_FAILED);
    for (long i = 0; i < 100; i++)
        assert_true(i == 7 ? statuses[i] == POSSE_TASK_FAILED : squares[i] == i * i);
}

/* ---- when the machine has no memory left ----------------------------------------------------- */

static long oom_score(long pid)
{
    char path[64];
    long score = -1;
    snprintf(path, sizeof path, "/proc/%ld/oom_score_adj", pid);
    FILE *file = fopen(path, "re");
    if (file) {
        if (fscanf(file, "%ld", &score) != 1)
            score = -1;
        fclose(file);
    }
    return score;
}

/* The kernel's choice is a worker, not the supervisor. */
POOL_TEST(worker_goes_first, PROCESSES, 1)
{
    long worker = take_long(submitted(pool, process_task, NULL, 0));
    long supervisor = take_long(submitted(pool, parent_task, NULL, 0));
    if (oom_score(getpid()) < 0)
        skip();
    assert_int_equal(oom_score(worker), 1000);
    assert_int_equal(oom_score(supervisor), oom_score(getpid()));
}
