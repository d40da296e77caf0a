/* plan.c - which call fails: see fault.h. */
#include "fault/kit/fault.h"

#include <errno.h>

#define MAX_SENDS 150 /* that fail in a row */

struct fault_state *fault_state;

/* Forks, and starts of threads, that lie between the program and here: with processes the first is
 * the one between, the second the supervisor, the third a worker. */
int fault_forks;
_Thread_local int fault_starts;
/* Calls that were interrupted the last time: the next time they are not. */
static _Thread_local bool interrupted[CALLS];

static unsigned class_here(void)
{
    if (backend() == POSSE_PROCESS)
        return fault_forks == 0 ? PROGRAM : fault_forks < 3 ? SUPERVISOR : WORKER;
    return fault_starts == 0 ? PROGRAM : HELPERS;
}

void fault_arm(const struct fault_plan *plan)
{
    fault_state->plan = *plan;
    atomic_store(&fault_state->calls, 0);
    atomic_store(&fault_state->failed, 0);
    atomic_store(&fault_state->call, CALLS);
    atomic_store(&fault_state->error, 0);
    atomic_store(&fault_state->armed, true);
}

void fault_disarm(void) { atomic_store(&fault_state->armed, false); }

bool fault_is_spent(void)
{
    return fault_state->plan.mode == ONCE && atomic_load(&fault_state->failed) > 0;
}

static bool counts(enum fault_call call)
{
    const struct fault_plan *plan = &fault_state->plan;
    return (plan->classes & class_here()) && (plan->only == 0 || plan->only == 1 + (int)call);
}

static bool is_hit(enum fault_call call, long number)
{
    const struct fault_plan *plan = &fault_state->plan;
    if (plan->at == 0 || number < plan->at)
        return false;
    return number == plan->at || plan->mode == EVERYTHING ||
           (plan->mode == ITS_KIND && atomic_load(&fault_state->call) == (int)call);
}

/* Whether the same call, made again, can be expected to do: it was interrupted; or it is a look for
 * what may have come, which needs no memory; or a kill by the supervisor of its own child, first of
 * its group and then of itself. */
static bool passes(enum fault_call call, int error)
{
    return error == EINTR || (error == EAGAIN && call == CALL_madvise) || call == CALL_recv ||
           (call == CALL_kill && class_here() != WORKER);
}

/* Memory for one byte comes back in the end. */
static bool recovers(enum fault_call call)
{
    static _Thread_local unsigned sends;
    return call == CALL_send && ++sends % MAX_SENDS == 0;
}

int fault_error(enum fault_call call, const int *errors)
{
    struct fault_state *state = fault_state;
    if (state == NULL || !atomic_load(&state->armed) || !counts(call))
        return 0;
    if (!is_hit(call, atomic_fetch_add(&state->calls, 1) + 1))
        return 0;
    unsigned n = 0;
    while (n < FAULT_MOST_ERRORS && errors[n] != 0)
        n++;
    int error = errors[state->plan.choice % n];
    bool transient = passes(call, error);
    interrupted[call] = transient && !interrupted[call];
    if ((transient && !interrupted[call]) || recovers(call))
        return 0;
    if (atomic_fetch_add(&state->failed, 1) == 0) {
        atomic_store(&state->error, error);
        atomic_store(&state->call, (int)call);
    }
    return error;
}
