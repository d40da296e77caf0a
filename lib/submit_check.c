/* Runs in: program, worker.
 *
 * Whether a task may be submitted: what submit.c, submit_inline.c and maps ask before they do so.
 */
#include "internal.h"
#include "base/tuning.h"
#include "core/slot.h"
#include "os/usage.h"
#include "pool/backend.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/self.h"

#define MAX_BYTES (PI_SIZE_MASK / 2) /* of an argument: far more than there can be */

/* order: relaxed: only the value counts, as the code was there before posse_create. */
bool pi_loaded(posse_executor *e, uintptr_t address)
{
    if (atomic_load_explicit(&e->functions.last, memory_order_relaxed) == address)
        return true;
    if (!pi_os_code_has(&e->functions.code, address))
        return false;
    atomic_store_explicit(&e->functions.last, address, memory_order_relaxed);
    return true;
}

/* order: relaxed: it does not change once there are workers */
static bool hides_memory(const posse_executor *e)
{
    return pi_load_relaxed(&e->segment.header->hides_memory);
}

/* What few jobs have. */
__attribute__((noinline)) static posse_status check_limits(const posse_executor *e,
                                                           const posse_job *job)
{
    bool limited = job->max_memory || job->max_cpu_ms;
    const struct pi_mistake mistakes[] = {
        {job->timeout_ms < 0, POSSE_INVALID, "job.timeout_ms is negative"},
        {job->timeout_ms > UINT32_MAX, POSSE_TOO_LARGE, "job.timeout_ms is over 49 days"},
        {job->max_cpu_ms < 0 || job->grace_ms < 0, POSSE_INVALID,
         "job.max_cpu_ms or job.grace_ms is negative"},
        {job->max_memory && job->max_memory < PI_MIN_TASK_MEMORY, POSSE_INVALID,
         "job.max_memory is under 1 MiB"},
        {job->max_cpu_ms > UINT32_MAX || job->grace_ms > UINT32_MAX, POSSE_TOO_LARGE,
         "job.max_cpu_ms or job.grace_ms is over 49 days"},
        {job->timeout_ms && job->grace_ms > job->timeout_ms, POSSE_INVALID,
         "job.grace_ms is over job.timeout_ms"},
        {limited && (!e->backend->kills || !pi_os_usage_is_known()), POSSE_NOT_SUPPORTED,
         "job.max_memory or max_cpu_ms: a task can be limited only in a process of Linux"},
        {job->max_memory && hides_memory(e), POSSE_NOT_SUPPORTED,
         "job.max_memory: /proc does not show the memory of these workers, as with hidepid"},
    };
    return PI_REFUSE_FIRST(mistakes);
}

/* Recovery counts on it that a task which a worker has submitted begins with 0, and stamps that any
 * task does. */
__attribute__((noinline)) static posse_status check_runs(const posse_executor *e,
                                                         const posse_job *job)
{
    const struct pi_mistake mistakes[] = {
        {job->runs_before < 0, POSSE_INVALID, "job.runs_before is negative"},
        {job->runs_before > 254, POSSE_TOO_LARGE, "job.runs_before is over 254"},
        {e->owner != PI_OWNER_PROGRAM || e->stamps, POSSE_NOT_SUPPORTED,
         "job.runs_before: only the program may set it, without options.stamps"},
    };
    return PI_REFUSE_FIRST(mistakes);
}

posse_status pi_check_job(posse_executor *e, const posse_job *job)
{
    if (!job->fn)
        return pi_refuse(POSSE_INVALID, "fn is NULL");
    if (job->size && !job->arg)
        return pi_refuse(POSSE_INVALID, "arg is NULL, but size is not 0");
    if (job->flags & ~(POSSE_NO_WAIT | POSSE_TERMINATE))
        return pi_refuse(POSSE_INVALID, "job.flags has an unknown bit");
    if ((job->flags & POSSE_TERMINATE) && (e->fresh || e->runner))
        return pi_refuse(POSSE_NOT_SUPPORTED,
                         "POSSE_TERMINATE: with POSSE_FRESH or a runner a worker dies of it");
    if ((job->flags & POSSE_TERMINATE) && job->grace_ms == 0)
        return pi_refuse(POSSE_INVALID, "job.flags has POSSE_TERMINATE, but job.grace_ms is 0");
    if (job->queue_timeout_ms < 0)
        return pi_refuse(POSSE_INVALID, "job.queue_timeout_ms is negative");
    if (job->runs_before) {
        posse_status status = check_runs(e, job);
        if (status != POSSE_OK)
            return status;
    }
    if (job->retries < -1)
        return pi_refuse(POSSE_INVALID, "job.retries is under -1");
    if (!pi_is_priority(job->priority))
        return pi_refuse(POSSE_INVALID, "job.priority is no posse_priority");
    if (job->size > MAX_BYTES)
        return pi_refuse(POSSE_TOO_LARGE, "size is over the largest block of shared memory");
    if (job->retries > 255)
        return pi_refuse(POSSE_TOO_LARGE, "job.retries is over 255");
    if (job->n_descriptors > POSSE_MAX_DESCRIPTORS)
        return pi_refuse(POSSE_TOO_LARGE, "job.n_descriptors is over POSSE_MAX_DESCRIPTORS");
    if (job->n_descriptors && !job->descriptors)
        return pi_refuse(POSSE_INVALID, "job.descriptors is NULL, but job.n_descriptors is not 0");
    if (job->n_descriptors && pi_check_shared(e) != POSSE_OK)
        return POSSE_NOT_SUPPORTED;
    posse_status status = pi_job_is_limited(job) ? check_limits(e, job) : POSSE_OK;
    if (status == POSSE_OK && job->n_memory)
        status = pi_check_memory(e, job);
    if (status != POSSE_OK)
        return status;
    return pi_loaded(e, (uintptr_t)job->fn) ? POSSE_OK : POSSE_NOT_LOADED;
}

/* A task may submit while the executor drains; the program may not. */
posse_status pi_accepts(posse_executor *e)
{
    enum pi_phase phase = pi_phase_of(e);
    if (phase == PI_OPEN)
        return POSSE_OK;
    if (phase == PI_DRAINING && (pi_self_in(e) || e->owner != PI_OWNER_PROGRAM))
        return POSSE_OK;
    return pi_phase_status(phase);
}
