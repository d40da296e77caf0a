/* Dying at a point, in builds with POSSE_CRASH_POINTS: see base/crash_point.h. */
#include "base/crash_point.h"

#ifdef POSSE_CRASH_POINTS
#include "os/clock.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>

#define FROZEN_NS 80000000u /* then whoever should have killed it never came there */
#define LOOK_NS 1000000u

struct pi_crash *pi_crash;
enum pi_role pi_crash_role;

static void die(void)
{
    for (;;)
        kill(getpid(), SIGKILL);
}

static void freeze(void)
{
    atomic_store(&pi_crash->frozen, (long)getpid());
    for (uint64_t end = pi_os_now() + FROZEN_NS; pi_os_now() < end;)
        pi_os_sleep(LOOK_NS);
    die();
}

static void meet(enum pi_fate fate)
{
    if (fate == PI_DIE)
        die();
    if (fate == PI_FREEZE)
        freeze();
    long frozen = atomic_load(&pi_crash->frozen);
    if (frozen)
        kill((pid_t)frozen, SIGKILL);
}

static bool is_meant(const struct pi_step *step, uint32_t number)
{
    return step->role == pi_crash_role && (step->point == PI_ANYWHERE || step->point == number);
}

void pi_crash_point(const struct pi_point *point)
{
    uint32_t number = (uint32_t)(point - pi_points);
    if (!pi_crash || number >= PI_MAX_POINTS)
        return;
    atomic_fetch_add(&pi_crash->passed[pi_crash_role][number], 1);
    uint32_t due = atomic_load(&pi_crash->due);
    struct pi_step *step = &pi_crash->steps[due];
    if (due >= pi_crash->n_steps || !is_meant(step, number) ||
        atomic_fetch_sub(&step->left, 1) != 1)
        return;
    step->done_at = number;
    /* Unless the steps have been called off just now: a death would not be counted any more. */
    if (atomic_compare_exchange_strong(&pi_crash->due, &due, due + 1))
        meet(step->fate);
}
#else
typedef int pi_no_crash_points; /* an empty file is not C */
#endif
