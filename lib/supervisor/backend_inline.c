/* Runs in: program.
 *
 * The inline backend has no workers and no supervisor: a task runs inside submit, on the stack of
 * the caller.
 */
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/wake.h"
#include "worker/hooks.h"

static unsigned default_workers(unsigned cpus)
{
    (void)cpus;
    return 1;
}

static void restore_self(void *outer) { pi_self = outer; }

/* The caller is the only worker. If its initializer fails, the executor breaks, as one with workers
 * does after a few tries. */
static posse_status start(posse_executor *e)
{
    struct pi_self self = {.executor = e, .worker = PI_OWNER_PROGRAM}, *outer = pi_self;
    struct pi_error why;
    pi_self = &self;
    PI_OS_IF_LEFT(restore_self, outer);
    if (!pi_initialize(e, PI_OWNER_PROGRAM, &why))
        pi_break(e, &why);
    PI_OS_END_IF_LEFT;
    pi_self = outer;
    return POSSE_OK;
}

static void do_nothing(posse_executor *e) { (void)e; }

struct finalizing {
    posse_executor *executor;
    struct pi_self *outer;
};

static void close_after(void *context)
{
    const struct finalizing *call = context;
    pi_self = call->outer;
    if (pi_raise_phase(call->executor, PI_CLOSED))
        pi_wake_all_parkers(call->executor);
}

static void finalize_and_close(posse_executor *e)
{
    struct pi_self self = {.executor = e, .worker = PI_OWNER_PROGRAM};
    struct finalizing call = {e, pi_self};
    pi_self = &self;
    PI_OS_IF_LEFT(close_after, &call);
    pi_finalize(e, PI_OWNER_PROGRAM);
    PI_OS_END_IF_LEFT;
    close_after(&call);
}

/* After the phase was raised, or a submit has run a task: closes the executor, once no task
 * runs. */
static void notify(posse_executor *e)
{
    struct pi_inline *own = &e->without_workers;
    enum pi_phase phase = pi_phase_of(e);
    /* seq: after the phase, as submit_inline.c counts its task, then looks at the phase */
    if (phase < PI_DRAINING || phase >= PI_CLOSED || atomic_load(&own->running) > 0)
        return;
    if (atomic_exchange(&own->ending, 1) == 0) /* the first of several callers */
        finalize_and_close(e);
}

const struct pi_backend pi_inline_backend = {
    .default_workers = default_workers,
    .start = start,
    .join = do_nothing,
    .fini = do_nothing,
    .notify = notify,
};
