/* The inline backend: no workers and no supervisor;
 * a task runs inside submit, on the caller's stack. */
#include "worker/backend.h"

static unsigned default_workers(unsigned cpus)
{
    (void)cpus;
    return 1;
}

static int start(posse_executor *e)
{
    (void)e;
    return 0;
}

static bool alive(posse_executor *e)
{
    (void)e;
    return true;
}

static void join(posse_executor *e) { (void)e; }

/* Where a supervisor would act on a phase: all is over when no submit runs a task. */
static void poke(posse_executor *e)
{
    if (pi_phase_of(e) < PI_DRAINING || atomic_load(&e->inline_running) > 0)
        return;
    if (pi_raise_phase(e, PI_CLOSED))
        pi_wake_all_parkers(e);
}

const struct pi_backend pi_inline_backend = {
    .default_workers = default_workers,
    .start = start,
    .alive = alive,
    .join = join,
    .poke = poke,
};
