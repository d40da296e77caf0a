/* histograms.c - how long tasks wait and run, and what the workers use: posse_get_times,
 * posse_quantile, and the processor time of posse_get_stats. */
#include "support/support.h"

#include <posse_trace.h>
#include <signal.h>
#include <string.h>
#include <time.h>

static posse_times times_of(posse_executor *pool)
{
    posse_times times;
    memset(&times, 0xee, sizeof times);
    times.struct_size = sizeof times;
    assert_ok(posse_get_times(pool, &times));
    return times;
}

static uint64_t sum_of(const posse_histogram *histogram)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < COUNT(histogram->counts); i++)
        sum += histogram->counts[i];
    return sum;
}

POOL_TEST(counted, ALL, 2, .stamps = 1)
{
    posse_times times = times_of(pool);
    assert_int_equal(sum_of(&times.waiting) + sum_of(&times.running), 0);
    for (long i = 0; i < 100; i++)
        assert_int_equal(take_long(submitted_long(pool, square_task, i)), i * i);
    long ms = 20;
    assert_int_equal(take_long(SUBMIT_VALUE(pool, sleep_task, ms)), ms);
    times = times_of(pool);
    assert_int_equal(sum_of(&times.waiting), 101);
    assert_int_equal(sum_of(&times.running), 101);
    assert_true(posse_quantile(&times.running, 1) >= (uint64_t)1 << 24);
    assert_true(posse_quantile(&times.running, 0) <= posse_quantile(&times.running, 1));
}

/* The supervisor counts for a worker that has died. A cancelled task has not run. */
POOL_TEST(ends, PROCESSES, 1, .stamps = 1)
{
    long signal = SIGKILL;
    (void)take_error(SUBMIT_VALUE(pool, signal_task, signal), POSSE_WORKER_LOST);
    struct gate *closed = make_gate(pool), *gate = make_gate(pool);
    posse_job job = {.fn = hold_task, .arg = &closed, .size = sizeof closed, .timeout_ms = 40};
    (void)take_error(submitted_job(pool, job), POSSE_DEADLINE);
    posse_future running = submitted_hold(pool, gate);
    posse_future cancelled = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_cancel(cancelled));
    assert_ok(posse_release(cancelled));
    open_gate(gate);
    assert_ok(posse_result(running, -1, NULL, NULL));
    assert_ok(posse_release(running));
    posse_times times = times_of(pool);
    assert_int_equal(sum_of(&times.waiting), 3);
    assert_int_equal(sum_of(&times.running), 3);
    assert_true(posse_quantile(&times.running, 1) >= (uint64_t)1 << 25);
    free_gate(pool, gate);
    free_gate(pool, closed);
}

static bool all_counted(posse_executor *pool)
{
    posse_times times = times_of(pool);
    return sum_of(&times.waiting) == sum_of(&times.running);
}

/* Each run counts once, whoever ends the task first. */
POOL_TEST(killed_as_they_end, THREADS, 2, .stamps = 1)
{
    for (int i = 0; i < 300000; i++) {
        posse_future future = submitted(pool, identity_task, NULL, 0);
        for (volatile int wait = i % 2 ? i % 1024 : 0; wait > 0; wait--)
            ;
        (void)posse_kill(future);
        (void)error_of(future);
        assert_ok(posse_release(future));
    }
    assert_eventually(all_counted(pool)); /* threads may be about to leave their tasks */
}

struct self_kill {
    posse_future self;
    _Atomic int known;
};

static int self_killing_task(posse_task *task, const void *arg, size_t size)
{
    struct self_kill *kill = *(struct self_kill *const *)arg;
    (void)task, (void)size;
    while (!atomic_load(&kill->known))
        pause_ms(1);
    return posse_kill(kill->self) == POSSE_OK ? 0 : GAVE_UP;
}

POOL_TEST(killed_by_itself, THREADS, 1, .stamps = 1)
{
    struct self_kill kill = {.known = 0}, *arg = &kill;
    kill.self = SUBMIT_VALUE(pool, self_killing_task, arg);
    atomic_store(&kill.known, 1);
    take_error(kill.self, POSSE_CANCELLED);
    assert_ok(posse_shutdown(pool, 0, -1)); /* its thread has left it */
    posse_times times = times_of(pool);
    assert_int_equal(sum_of(&times.waiting), 1);
    assert_int_equal(sum_of(&times.running), 1);
}

POOL_TEST(without_stamps, ALL, 1)
{
    posse_times times = {.struct_size = sizeof times, .waiting.counts = {1}};
    assert_status(posse_get_times(pool, &times), POSSE_NOT_SUPPORTED);
    assert_int_equal(times.waiting.counts[0], 0);
    assert_string_equal(posse_last_error(), "the executor is without options.stamps");
    assert_status(posse_get_times(NULL, &times), POSSE_INVALID);
    assert_status(posse_get_times(pool, NULL), POSSE_INVALID);
}

TEST(quantiles, ALL)
{
    posse_histogram none = {{0}}, first = {{4}}, last = {.counts[63] = 1}, two = {{0}};
    assert_int_equal(posse_quantile(NULL, 0.5), 0);
    assert_int_equal(posse_quantile(&none, 0.5), 0);
    assert_int_equal(posse_quantile(&first, 0), 0);
    assert_int_equal(posse_quantile(&first, 1), 1);
    assert_int_equal(posse_quantile(&last, 0), (uint64_t)1 << 63);
    assert_int_equal(posse_quantile(&last, 1), UINT64_MAX);
    two.counts[10] = 99;
    two.counts[20] = 1;
    assert_in_range(posse_quantile(&two, 0.5), 1024 + 500, 1024 + 530);
    assert_in_range(posse_quantile(&two, 0.99), 2047, 2047);
    assert_in_range(posse_quantile(&two, 0.999), 1u << 20, (1u << 21) - 1);
    assert_int_equal(posse_quantile(&two, 1), (1u << 21) - 1);
    assert_int_equal(posse_quantile(&two, 7), (1u << 21) - 1);
    assert_int_equal(posse_quantile(&two, -1), 1024);
}

/* ---- processor time ---- */

static int burn_task(posse_task *task, const void *arg, size_t size)
{
    struct timespec used;
    long ms = *(const long *)arg;
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < ms);
    return ms < 0 ? raise(SIGKILL) : 0;
}

static void burn(posse_executor *pool, long ms)
{
    posse_future future = SUBMIT_VALUE(pool, burn_task, ms);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_ok(posse_release(future));
}

/* The time of workers that have ended counts on. */
POOL_TEST(processor_time, PARALLEL, 1, .max_tasks_per_worker = 2)
{
    long ms = 30, die = -1;
    for (int i = 0; i < 2; i++)
        burn(pool, ms);
    assert_true(stats_of(pool).cpu_ns >= 30000000);
    for (int i = 0; i < 2; i++)
        burn(pool, ms);
    assert_true(stats_of(pool).cpu_ns >= 60000000);
    if (backend() == POSSE_PROCESS) {
        (void)take_error(SUBMIT_VALUE(pool, burn_task, die), POSSE_WORKER_LOST);
        assert_true(stats_of(pool).cpu_ns >= 60000000);
    }
}
