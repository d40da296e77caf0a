/* Runs in: program.
 *
 * posse_broadcast: a function runs once in every worker. pool/assign.h has the protocol.
 */
#include "broadcast.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/await.h"
#include "pool/backend.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/self.h"
#include "pool/wake.h"
#include "worker/help.h"

#include <errno.h>
#include <stdlib.h>

/* ---- one caller at a time ---- */

static posse_status may_begin(posse_executor *e)
{
    return pi_destroying(e) ? POSSE_SHUT_DOWN : pi_phase_status(pi_phase_of(e));
}

static bool is_free(void *executor, uint32_t parker)
{
    posse_executor *e = executor;
    (void)parker;
    return atomic_load(&e->broadcasting) == 0 || may_begin(e) != POSSE_OK; /* seq: with end_turn */
}

static posse_status await_turn(posse_executor *e, uint64_t until)
{
    posse_status status;
    uint32_t nobody = 0;
    while ((status = may_begin(e)) == POSSE_OK &&
           !atomic_compare_exchange_strong(&e->broadcasting, &nobody, 1)) { /* as above */
        status = pi_await_event(e, is_free, e, until);
        if (status != POSSE_OK)
            break;
        nobody = 0;
    }
    return status;
}

static void end_turn(posse_executor *e)
{
    atomic_store(&e->broadcasting, 0); /* seq: with is_free */
    pi_wake_all_parkers(e);
}

/* ---- the ends ---- */

/* Waits until the task has ended, or until the moment. What it sees of it is in *wait. */
static posse_status await_run(const struct pi_run *run, struct pi_await *wait, uint64_t until)
{
    *wait = (struct pi_await){.future = run->future, .help = pi_help};
    posse_status status = pi_await_final(wait, until);
    if (wait->entered)
        pi_call_exit(run->future.executor);
    return status;
}

/* How a task ended. */
static void note_end(struct pi_run *run, uint64_t word)
{
    posse_executor *e = run->future.executor;
    struct pi_seen seen = {.slot = &e->segment.slots.at[run->future.slot], .word = word};
    run->status = pi_end_or_ok(e, seen);
    run->counts = run->status != POSSE_CANCELLED;
}

/* The call waits no longer. */
static void give_up(const struct pi_broadcast_call *c, struct pi_run *run)
{
    struct pi_await wait;
    run->counts = true;
    run->status = c->status;
    if (posse_cancel(run->future) == POSSE_OK)
        run->status = POSSE_CANCELLED;
    else if (await_run(run, &wait, 0) == POSSE_OK)
        note_end(run, wait.word);
}

static void await_end(struct pi_broadcast_call *c, struct pi_run *run)
{
    struct pi_await wait;
    posse_status status = c->status ? c->status : POSSE_TIMEOUT;
    while (c->status == POSSE_OK && status == POSSE_TIMEOUT) {
        uint64_t now = pi_os_now(), verify = now + pi_verify_interval_ns;
        status = await_run(run, &wait, c->until < verify ? c->until : verify);
        if (status == POSSE_TIMEOUT && pi_os_now() >= c->until)
            c->status = status;
        else if (status == POSSE_TIMEOUT && pi_is_withheld(wait.word))
            pi_broadcast_assign_again(run);
    }
    if (status == POSSE_OK) {
        note_end(run, wait.word);
    } else {
        c->error = c->status ? c->error : errno;
        c->status = c->status ? c->status : status == POSSE_INVALID ? POSSE_BROKEN : status;
        give_up(c, run);
    }
    (void)posse_release(run->future);
}

/* Writes what the caller gets. Returns the first status that is not POSSE_OK. */
static posse_status report(const struct pi_broadcast_call *c, size_t *n)
{
    posse_status first = POSSE_OK;
    bool all = true;
    for (size_t i = 0; i < c->n; i++) {
        const struct pi_run *run = &c->runs[i];
        all &= run->counts;
        if (!run->counts)
            continue;
        if (*n < c->job->capacity)
            c->job->statuses[*n] = run->status;
        ++*n;
        first = first ? first : run->status;
    }
    errno = c->error;
    if (c->status != POSSE_OK)
        return c->status;
    return first || all ? first : pi_phase_status(pi_phase_of(c->executor));
}

/* ---- the call ---- */

static posse_status broadcast(struct pi_broadcast_call *c)
{
    posse_status status = POSSE_OK;
    if (c->job->also_later)
        status = pi_broadcast_later(c);
    if (status != POSSE_OK || !c->job->fn)
        return status;
    c->status = pi_broadcast_assign_all(c);
    for (size_t i = 0; i < c->n; i++)
        await_end(c, &c->runs[i]);
    pi_store_seq(&c->executor->segment.header->assigned, 0); /* with pi_drop_assigned */
    return POSSE_OK;
}

static posse_status broadcast_in_turn(struct pi_broadcast_call *c, size_t *n)
{
    posse_executor *e = c->executor;
    c->runs = calloc(PI_MAX_WORKERS, sizeof *c->runs);
    if (!c->runs)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    pi_call_enter(e);
    (void)pi_check_supervisor(e);
    posse_status status = await_turn(e, c->until);
    if (status == POSSE_OK) {
        status = broadcast(c);
        end_turn(e);
    }
    if (status == POSSE_OK)
        status = report(c, n);
    int error = errno;
    pi_call_exit(e);
    free(c->runs);
    errno = error;
    return status;
}

/* The caller is the only worker. */
static posse_status broadcast_inline(posse_executor *e, const posse_broadcast_job *job, size_t *n)
{
    posse_future future;
    if (!job->fn)
        return POSSE_OK;
    posse_status status = posse_submit(e, job->fn, job->arg, job->size, &future);
    if (status != POSSE_OK)
        return status;
    status = posse_result(future, -1, NULL, NULL);
    (void)posse_release(future);
    if (job->capacity > 0)
        job->statuses[0] = status;
    *n = 1;
    return status;
}

static posse_status check_job(posse_executor *e, const posse_broadcast_job *job)
{
    const struct pi_mistake mistakes[] = {
        {job->also_later != 0 && job->also_later != 1, POSSE_INVALID,
         "job.also_later is neither 0 nor 1"},
        {!job->fn && !job->also_later, POSSE_INVALID, "fn is NULL"},
        {job->size && !job->arg, POSSE_INVALID, "arg is NULL, but size is not 0"},
        {job->timeout_ms < 0, POSSE_INVALID, "job.timeout_ms is negative"},
        {job->capacity && !job->statuses, POSSE_INVALID,
         "job.statuses is NULL, but job.capacity is not 0"},
        {job->size > PI_SIZE_MASK / 2, POSSE_TOO_LARGE,
         "size is over the largest block of shared memory"},
    };
    posse_status status = PI_REFUSE_FIRST(mistakes);
    if (status == POSSE_OK && e->fresh)
        status = pi_refuse(POSSE_NOT_SUPPORTED, "each task has a process of its own");
    if (status == POSSE_OK)
        status = pi_check_shared(e);
    if (status == POSSE_OK && job->fn && !pi_loaded(e, (uintptr_t)job->fn))
        status = POSSE_NOT_LOADED;
    if (status == POSSE_OK && (pi_self_in(e) || e->owner != PI_OWNER_PROGRAM))
        status = POSSE_DEADLOCK;
    return status;
}

posse_status posse_broadcast(posse_executor *e, const posse_broadcast_job *given, size_t *n)
{
    posse_broadcast_job copy;
    size_t own_n = 0;
    n = n ? n : &own_n;
    *n = 0;
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    const posse_broadcast_job *job = pi_sized_read(given, &copy, sizeof copy);
    if (!job)
        return given ? POSSE_INVALID : pi_refuse(POSSE_INVALID, "job is NULL");
    status = check_job(e, job);
    if (status != POSSE_OK)
        return status;
    if (!e->backend->spawn)
        return broadcast_inline(e, job, n);
    struct pi_broadcast_call call = {.executor = e,
                                     .job = job,
                                     .head = {.fn = (uintptr_t)job->fn, .size = job->size},
                                     .until = job->timeout_ms ? pi_os_after_ms(job->timeout_ms)
                                                              : PI_NEVER};
    return broadcast_in_turn(&call, n);
}
