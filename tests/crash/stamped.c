/* stamped.c - a worker dies at each of its writes to shared memory while it runs a task: the task
 * still has all of its stamps. */
#include "support/support.h"

#include "crash/death/death.h"

#include <posse_trace.h>
#include <string.h>

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

/* False: the worker has ended its task and sleeps, and did not die. */
static bool dies(posse_executor *pool, uint32_t pass, posse_status how)
{
    posse_future first = submitted_long(pool, square_task, 3);
    assert_ok(posse_result(first, -1, NULL, NULL));
    uint64_t before = info_of(first).ended_ns;
    assert_ok(posse_release(first));
    assert_eventually(stats_of(pool).workers_idle == 1);
    arm(pass);
    posse_future future = submitted_long(pool, square_task, 4);
    posse_status status = error_of(future).status;
    assert_eventually(stats_of(pool).workers_idle == 1);
    bool died = disarm();
    posse_info info = info_of(future);
    assert_true(status == POSSE_OK || status == how);
    assert_status(info.status, status);
    check(&info, before);
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
