#include "pool/park.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/phase.h"
#include "pool/tracer.h"

uint64_t pi_verify_interval_ns = PI_VERIFY_NS;

/* ---- sleeping ---- */

uint32_t pi_park_acquire(posse_executor *e, unsigned owner)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index;
    while ((index = pi_parkers_acquire(parkers, owner)) == PI_NO_INDEX)
        if (!pi_grow_parkers(e))
            return PI_NO_INDEX;
    pi_os_semaphore_drain(&parkers->at[index].wake);
    return index;
}

enum pi_park_end pi_park_until(posse_executor *e, uint32_t parker, uint64_t until)
{
    uint64_t verify = pi_os_now() + pi_verify_interval_ns, first = until < verify ? until : verify;
    pi_tracer_count(e);
    if (pi_os_semaphore_wait(&e->segment.parkers.at[parker].wake, first))
        return PI_PARK_WOKEN;
    return first == verify ? PI_PARK_VERIFY : PI_PARK_TIMEOUT;
}

/* ---- spinning ---- */

posse_status pi_spin(pi_probe_fn *probe, void *context)
{
    posse_status status = POSSE_TIMEOUT;
    uint64_t end = pi_os_now() + PI_SPIN_NS;
    for (int n = 0; n < PI_MAX_SPIN_ROUNDS && status == POSSE_TIMEOUT && pi_os_now() < end; n++) {
        for (int i = 0; i < PI_SPIN_PROBES && (status = probe(context)) == POSSE_TIMEOUT; i++)
            pi_pause();
        if (status == POSSE_TIMEOUT)
            pi_os_yield(); /* its bringer may need this processor */
    }
    return status;
}

static bool has_spare_cpu(posse_executor *e)
{
    struct pi_header *header = e->segment.header;
    unsigned idle = pi_idle_count(&header->idle, pi_workers_count(&e->segment));
    /* relaxed: advice only */
    return e->cpus >= 2 && pi_load_relaxed(&header->workers) < idle + e->cpus;
}

posse_status pi_spin_if_spare(posse_executor *e, pi_probe_fn *probe, void *context)
{
    bool spare = has_spare_cpu(e); /* before the probe: a worker is less busy after the end */
    posse_status status = probe(context);
    return status == POSSE_TIMEOUT && spare ? pi_spin(probe, context) : status;
}

/* ---- calls ---- */

/* order: seq. The caller adds, then reads `destroying`. posse_destroy sets it, then reads this. */
void pi_call_enter(posse_executor *e) { (void)atomic_fetch_add(&e->blocked, 1); }

/* order: a caller's last access, with pi_await_callers */
void pi_call_exit(posse_executor *e) { (void)atomic_fetch_sub(&e->blocked, 1); }

void pi_call_exit_unwound(void *executor) { pi_call_exit(executor); }

bool pi_check_supervisor(posse_executor *e)
{
    bool may_end = e->owner == PI_OWNER_PROGRAM && e->backend->ended; /* a worker dies with it */
    const char *how = may_end ? e->backend->ended(e) : NULL;
    if (!how)
        return true;
    struct pi_error why = pi_error_from_words(how);
    if (pi_phase_of(e) != PI_CLOSED)
        pi_break(e, &why);
    return false;
}

bool pi_poll_supervisor(posse_executor *e)
{
    /* relaxed, both: a lost count does no harm */
    uint32_t calls = atomic_load_explicit(&e->calls, memory_order_relaxed);
    atomic_store_explicit(&e->calls, calls + 1, memory_order_relaxed); /* relaxed: as above */
    return calls % PI_CALLS_PER_CHECK != 0 || pi_check_supervisor(e);
}
