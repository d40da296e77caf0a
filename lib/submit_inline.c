/* Runs in: program.
 *
 * Submitting without workers: posse_submit runs the task itself, on the stack of its caller. If an
 * exception or the end of its thread leaves the task, it leaves the submit too: then the task has
 * failed, and nobody gets its future.
 *
 * order: `without_workers.running` is seq. A submit adds to it, then reads the phase. A caller
 * that closes the executor raises the phase, then reads the count. So one of the two sees the
 * other, and the finalizer runs after the last task.
 */
#include "base/probe.h"
#include "internal.h"
#include "log.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/finish.h"
#include "pool/park.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "worker/run.h"

/* A submit that runs its task. */
struct visit {
    posse_future future;
    struct pi_self *outer; /* what this thread was before, and is again after it */
};

/* The submit does not return, so the task's handle is lost: frees its slot. */
static void forget(const struct visit *visit)
{
    uint64_t word = pi_word_of(visit->future);
    if (pi_handle_valid(word, visit->future))
        (void)pi_discard(visit->future.executor, visit->future.slot, word);
}

static void leave_end(void *context)
{
    const struct visit *visit = context;
    forget(visit);
    pi_call_exit(visit->future.executor);
}

/* The last task of an executor that was shut down closes it. The caller is still inside. */
static void end_visit(struct visit *visit)
{
    posse_executor *e = visit->future.executor;
    pi_self = visit->outer;
    if (atomic_fetch_sub(&e->without_workers.running, 1) == 1) {
        PI_OS_IF_LEFT(leave_end, visit); /* by a finalizer that runs here */
        e->backend->notify(e);
        PI_OS_END_IF_LEFT;
    }
}

/* The task was left, and so is its submit. */
static void leave_visit(void *context)
{
    struct visit *visit = context;
    forget(visit);
    end_visit(visit);
    pi_call_exit(visit->future.executor);
}

/* FILLING -> RUNNING, here and now. */
static void run_inline(struct visit *visit, uint64_t word, uint64_t flags)
{
    posse_executor *e = visit->future.executor;
    uint32_t index = visit->future.slot;
    struct pi_self self = {.executor = e, .worker = PI_OWNER_PROGRAM};
    uint64_t run = pi_with_state(word, PI_RUNNING) | flags;
    PI_ASSERT_ARROW(word, run);
    PI_PROBE(submit, e, index, pi_generation(word),
             pi_load_relaxed(&e->segment.slots.at[index].fn)); /* its own */
    pi_store_release(&e->segment.slots.at[index].word, run);   /* with pi_word_of */
    if (!pi_self_in(e))
        pi_self = &self;
    PI_OS_IF_LEFT(leave_visit, visit);
    pi_run(e, PI_OWNER_PROGRAM, index, run);
    PI_OS_END_IF_LEFT;
    pi_self = visit->outer; /* before self is gone */
}

posse_status pi_submit_inline(posse_executor *e, uint32_t index, uint64_t word, uint64_t flags)
{
    struct visit visit = {{e, index, pi_generation(word)}, pi_self};
    bool grouped = pi_slot_is_grouped(&e->segment.slots.at[index]);
    pi_call_enter(e);
    atomic_fetch_add(&e->without_workers.running, 1);
    posse_status status = pi_accepts(e);
    if (status == POSSE_OK)
        run_inline(&visit, word, flags);
    else
        (void)pi_discard(e, index, word);
    end_visit(&visit);
    PI_OS_IF_LEFT(leave_end, &visit); /* by options.log, which may wait for what ends here */
    if (!grouped)                     /* else tell_log does it, when the group has let it go */
        pi_log_deliver(e);
    PI_OS_END_IF_LEFT;
    pi_call_exit(e);
    return status;
}
