/* points.c - workers, and the program and the supervisor, are killed before and after each of their
 * writes to shared memory.
 *
 * In the library that this is linked with, every shared write stands between two points
 * (base/crash_point.h). A scene is played, and it is counted who passes where; then it is played again
 * and again, with a death at one point, or with two. After each all that the pool promises must
 * hold: every future ends, nothing is lost but the task of the dead, whoever sleeps is woken in
 * time, the pool works on as if nothing had been, and at the end nothing is left inside.
 *
 * The last test takes account: the list of all points comes from the linker, and if there is one at
 * which no worker died and which is not excused with a reason (points/places.c), it fails.
 */
#include "points/points.h"

#define ALONE(act)                                                                                 \
    TEST(act) { die_alone(&act_##act); }
#define IN_PAIRS(act)                                                                              \
    TEST(pairs_##act) { die_in_pairs(&act_##act); }
#define IN_RECOVERY(act)                                                                           \
    TEST(recovery_##act) { die_in_recovery(&act_##act); }

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
ALONE(retries)
ALONE(killing)
ALONE(asking)
ALONE(draining)
ALONE(cancelling)

IN_PAIRS(one_worker)
IN_PAIRS(two_workers)
IN_PAIRS(listeners)
IN_PAIRS(objects)
IN_PAIRS(recycling)
IN_PAIRS(idle_timeout)
IN_PAIRS(resize)
IN_PAIRS(map)
IN_PAIRS(calls)
IN_PAIRS(retries)
IN_PAIRS(killing)
IN_PAIRS(asking)
IN_PAIRS(draining)
IN_PAIRS(cancelling)

IN_RECOVERY(two_workers)
IN_RECOVERY(listeners)
IN_RECOVERY(objects)
IN_RECOVERY(map)
IN_RECOVERY(calls)
IN_RECOVERY(retries)
IN_RECOVERY(killing)
IN_RECOVERY(asking)
IN_RECOVERY(draining)
IN_RECOVERY(cancelling)

TEST(supervisor) { supervisor_dies(); }

TEST(program) { program_dies(); }

TEST(account)
{
    if (!has_anybody_died()) {
        skip(); /* it was asked for alone */
    }
    assert_all_died_at();
}

static const struct check checks[] = {
    CHECK(one_worker, PROCESSES),
    CHECK(two_workers, PROCESSES),
    CHECK(listeners, PROCESSES),
    CHECK(objects, PROCESSES),
    CHECK(recycling, PROCESSES),
    CHECK(idle_timeout, PROCESSES),
    CHECK(resize, PROCESSES),
    CHECK(failing_start, PROCESSES),
    CHECK(map, PROCESSES),
    CHECK(calls, PROCESSES),
    CHECK(growth, PROCESSES),
    CHECK(retries, PROCESSES),
    CHECK(killing, PROCESSES),
    CHECK(asking, PROCESSES),
    CHECK(draining, PROCESSES),
    CHECK(cancelling, PROCESSES),
    CHECK(pairs_one_worker, PROCESSES),
    CHECK(pairs_two_workers, PROCESSES),
    CHECK(pairs_listeners, PROCESSES),
    CHECK(pairs_objects, PROCESSES),
    CHECK(pairs_recycling, PROCESSES),
    CHECK(pairs_idle_timeout, PROCESSES),
    CHECK(pairs_resize, PROCESSES),
    CHECK(pairs_map, PROCESSES),
    CHECK(pairs_calls, PROCESSES),
    CHECK(pairs_retries, PROCESSES),
    CHECK(pairs_killing, PROCESSES),
    CHECK(pairs_asking, PROCESSES),
    CHECK(pairs_draining, PROCESSES),
    CHECK(pairs_cancelling, PROCESSES),
    CHECK(recovery_two_workers, PROCESSES),
    CHECK(recovery_listeners, PROCESSES),
    CHECK(recovery_objects, PROCESSES),
    CHECK(recovery_map, PROCESSES),
    CHECK(recovery_calls, PROCESSES),
    CHECK(recovery_retries, PROCESSES),
    CHECK(recovery_killing, PROCESSES),
    CHECK(recovery_asking, PROCESSES),
    CHECK(recovery_draining, PROCESSES),
    CHECK(recovery_cancelling, PROCESSES),
    CHECK(supervisor, PROCESSES),
    CHECK(program, PROCESSES),
    CHECK(account, PROCESSES),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
