/* points.c - workers, and the program and the supervisor, are killed before and after each of their
 * writes to shared memory.
 *
 * In the library that this is linked with, every shared write stands between two points
 * (base/crash_point.h). A scene is played once, to count which process passes which point. Then it
 * is played again and again, with a death at one point, or with two. After each death all that the
 * pool promises must hold. Every future ends, and only the task of the dead worker is lost. Each
 * sleeping caller is woken in time. The pool works on, and at the end nothing is left inside.
 *
 * The last test takes account: the list of all points comes from the linker, and if there is one at
 * which no worker died and which is not excused with a reason (points/places.c), it fails.
 */
#include "points/points.h"
#include "support/sealed.h"

#define ALONE(act)                                                                                 \
    TEST(act, PROCESSES) { die_alone(&act_##act); }
#define IN_PAIRS(act)                                                                              \
    TEST(pairs_##act, PROCESSES) { die_in_pairs(&act_##act); }
#define IN_RECOVERY(act)                                                                           \
    TEST(recovery_##act, PROCESSES) { die_in_recovery(&act_##act); }

ALONE(one_worker)
ALONE(two_workers)
ALONE(listeners)
ALONE(objects)
ALONE(recycling)
ALONE(idle_timeout)
ALONE(resize)
ALONE(failing_start)
ALONE(map)
ALONE(calls)
ALONE(growth)
ALONE(batches)
ALONE(retries)
ALONE(killing)
ALONE(asking)
ALONE(draining)
ALONE(cancelling)
ALONE(priorities)
ALONE(limits)
ALONE(descriptors)
ALONE(unobserved)
ALONE(feed)
ALONE(broadcast)
ALONE(groups)
ALONE(autopsy)

IN_PAIRS(one_worker)
IN_PAIRS(two_workers)
IN_PAIRS(listeners)
IN_PAIRS(objects)
IN_PAIRS(recycling)
IN_PAIRS(idle_timeout)
IN_PAIRS(resize)
IN_PAIRS(map)
IN_PAIRS(calls)
IN_PAIRS(batches)
IN_PAIRS(retries)
IN_PAIRS(killing)
IN_PAIRS(asking)
IN_PAIRS(draining)
IN_PAIRS(cancelling)
IN_PAIRS(priorities)
IN_PAIRS(limits)
IN_PAIRS(descriptors)
IN_PAIRS(unobserved)
IN_PAIRS(feed)
IN_PAIRS(broadcast)
IN_PAIRS(groups)
IN_PAIRS(autopsy)

IN_RECOVERY(two_workers)
IN_RECOVERY(listeners)
IN_RECOVERY(objects)
IN_RECOVERY(map)
IN_RECOVERY(calls)
IN_RECOVERY(retries)
IN_RECOVERY(priorities)
IN_RECOVERY(killing)
IN_RECOVERY(limits)
IN_RECOVERY(asking)
IN_RECOVERY(draining)
IN_RECOVERY(cancelling)
IN_RECOVERY(descriptors)
IN_RECOVERY(unobserved)
IN_RECOVERY(feed)
IN_RECOVERY(broadcast)
IN_RECOVERY(groups)
IN_RECOVERY(autopsy)

/* Where the system has it. */
static void require_fresh(void) { end_pool(fresh_pool(1, (posse_seal){.allow = 0})); }

TEST(fresh, SEALABLE)
{
    require_fresh();
    die_alone(&act_fresh);
}

TEST(pairs_fresh, SEALABLE)
{
    require_fresh();
    die_in_pairs(&act_fresh);
}

TEST(recovery_fresh, SEALABLE)
{
    require_fresh();
    die_in_recovery(&act_fresh);
}

TEST(supervisor, PROCESSES) { supervisor_dies(); }

TEST(program, PROCESSES) { program_dies(); }

TEST(account, PROCESSES)
{
    if (!has_anybody_died())
        skip(); /* it was asked for alone */
    assert_all_died_at();
}
