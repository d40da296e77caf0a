/* death.c - dying at a point. It makes system calls itself: what lies in lib/os has points of its
 * own. */
#include "death.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define FROZEN_MS 80 /* after that, the process that should kill it does not come there */

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
    for (int i = 0; i < FROZEN_MS; i++)
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
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
    /* If the test has just called the steps off, it would not count a death any more. */
    if (atomic_compare_exchange_strong(&pi_crash->due, &due, due + 1))
        meet(step->fate);
}
