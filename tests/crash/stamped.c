/* stamped.c - a worker dies at each of its writes to shared memory while it runs a task: the task
 * still has all of its stamps, and a trace shows each of its runs once. */
#include "support/support.h"

#include "crash/death/death.h"

#include <posse_trace.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PASSES 300 /* more than the writes that a worker makes for one task */

/* The worker dies at its pass of a point that comes so late; false: it has no more. */
static void arm(uint32_t pass)
{
    memset(pi_crash, 0, sizeof *pi_crash);
    pi_crash->steps[0] =
        (struct pi_step){.role = PI_ROLE_WORKER, .point = PI_ANYWHERE, .left = pass};
    pi_crash->n_steps = 1;
}

/* Whether it died. Nobody dies any more. */
static bool disarm(void) { return atomic_exchange(&pi_crash->due, PI_MAX_STEPS) == 1; }

static posse_info info_of(posse_future future)
{
    posse_info info = {.struct_size = sizeof info};
    assert_ok(posse_get_info(future, &info));
    return info;
}

static void check(const posse_info *info, uint64_t after)
{
    assert_int_equal(info->state, POSSE_STATE_ENDED);
    assert_true(info->submitted_ns >= after);
    assert_true(info->ended_ns >= info->submitted_ns);
    assert_true(info->worker == 0);
    assert_true(info->pid > 0);
    assert_true(info->started_ns || info->attempt == 0);
    if (info->started_ns)
        assert_in_range(info->started_ns, info->submitted_ns, info->ended_ns);
}

/* ---- the trace ---- */

static char trace_path[64];

static void begin_trace(posse_executor *pool)
{
    snprintf(trace_path, sizeof trace_path, "/tmp/posse-stamped-%ld.json", (long)getpid());
    assert_ok(posse_trace_start(pool, trace_path, POSSE_TRACE_JSON));
}

static int count_of(const char *text, const char *words)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, words)); at++)
        n++;
    return n;
}

/* Asserts that it has one run that ended so, and at most one that was lost before. */
static void end_trace(posse_executor *pool, const char *outcome, const posse_info *info)
{
    static char text[1 << 16];
    char words[64];
    assert_ok(posse_trace_stop(pool));
    FILE *file = fopen(trace_path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    assert_int_equal(unlink(trace_path), 0);
    text[size] = '\0';
    snprintf(words, sizeof words, "\"outcome\":\"%s\"", outcome);
    assert_int_equal(count_of(text, words), 1);
    int again = count_of(text, "\"outcome\":\"lost, runs again\"");
    assert_in_range(again, info->attempt == 2, 1);
    assert_int_equal(count_of(text, "\"cat\":\"task\""), 1 + again);
}

/* ---- deaths ---- */

/* False: the worker has ended its task and sleeps, and did not die. */
static bool dies(posse_executor *pool, uint32_t pass, posse_status how)
{
    posse_future first = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(first, -1, NULL, NULL));
    uint64_t before = info_of(first).ended_ns;
    assert_ok(posse_release(first));
    assert_eventually(stats_of(pool).workers_idle == 1);
    begin_trace(pool);
    arm(pass);
    posse_future future = submitted_long(pool, square_task, 4);
    posse_status status = error_of(future).status;
    assert_eventually(stats_of(pool).workers_idle == 1);
    bool died = disarm();
    posse_info info = info_of(future);
    assert_true(status == POSSE_OK || status == how);
    assert_status(info.status, status);
    check(&info, before);
    end_trace(pool, status == POSSE_OK ? "done" : "lost", &info);
    assert_ok(posse_release(future));
    return died;
}

static void die_at_each(long retries, posse_status how)
{
    uint32_t pass = 0;
    bool died = true;
    pi_crash = make_shared(sizeof *pi_crash);
    while (died && pass < MAX_PASSES) {
        posse_executor *pool = POOL(1, .stamps = 1, .retries = retries);
        died = dies(pool, ++pass, how);
        end_pool(pool);
    }
    assert_in_range(pass, 20, MAX_PASSES - 1);
    free_shared(pi_crash, sizeof *pi_crash);
    pi_crash = NULL;
}

TEST(lost, PROCESSES) { die_at_each(0, POSSE_WORKER_LOST); }

TEST(tried_again, PROCESSES) { die_at_each(1, POSSE_OK); }
