/* Sleeping until something happens, and never on somebody who may be dead: whoever is blocked for a
 * second looks after what it relies on, see verify.c.
 */
#include "pool/park.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/verify.h"
#include "pool/wake.h"

#include <errno.h>

#define CHECK_EVERY 64u /* calls that do not wait, between looks at the supervisor */
#define SPIN_NS 20000u
#define SPIN_ROUNDS 1000 /* far more, should the clock stand still */

uint64_t pi_verify_interval_ns = 1000000000u;

void pi_call_enter(posse_executor *e) { (void)atomic_fetch_add(&e->blocked, 1); }

void pi_call_exit(posse_executor *e) { (void)atomic_fetch_sub(&e->blocked, 1); }

void pi_call_exit_unwound(void *executor) { pi_call_exit(executor); }

void pi_await_callers(posse_executor *e)
{
    while (atomic_load(&e->blocked) != 0) { /* with pi_call_exit, a caller's last access */
        pi_wake_all_parkers(e);
        pi_dispatch_wake_all(e);
        pi_os_sleep(50000);
    }
}

bool pi_check_supervisor(posse_executor *e)
{
    const char *how = e->owner == PI_OWNER_PROGRAM ? e->backend->ended(e) : NULL;
    if (!how)
        return true; /* a worker dies with its supervisor */
    struct pi_error why = pi_error_from_words(how);
    if (pi_phase_of(e) != PI_CLOSED)
        pi_break(e, &why);
    return false;
}

bool pi_poll_supervisor(posse_executor *e)
{
    uint32_t calls = atomic_load_explicit(&e->calls, memory_order_relaxed);
    /* A lost count does no harm. */
    atomic_store_explicit(&e->calls, calls + 1, memory_order_relaxed);
    return calls % CHECK_EVERY != 0 || pi_check_supervisor(e);
}

uint32_t pi_park_acquire(posse_executor *e, unsigned owner)
{
    struct pi_parkers *parkers = &e->segment.parkers;
    uint32_t index;
    while ((index = pi_parkers_acquire(parkers, owner)) == PI_NO_INDEX)
        if (!pi_grow_parkers(e))
            return PI_NO_INDEX;
    struct pi_parker *parker = &parkers->at[index];
    if (!pi_load_relaxed(&parker->made)) { /* relaxed: the owner before us released the parker */
        int error = pi_os_semaphore_init(&parker->wake);
        if (error) {
            pi_parkers_release(parkers, index);
            errno = error;
            return PI_NO_INDEX;
        }
        pi_store_seq(&parker->made, 1); /* before the look at what we wait for */
    }
    pi_os_semaphore_drain(&parker->wake);
    return index;
}

bool pi_park_until(posse_executor *e, uint32_t parker, uint64_t until)
{
    uint64_t look = pi_os_now() + pi_verify_interval_ns, earlier = until < look ? until : look;
    if (pi_os_semaphore_wait(&e->segment.parkers.at[parker].wake, earlier))
        return true;
    if (earlier == look)
        pi_verify_pool(e);
    return false;
}

posse_status pi_spin(posse_executor *e, pi_probe_fn *look, void *context)
{
    struct pi_header *header = e->segment.header;
    unsigned idle = pi_idle_count(&header->idle, pi_workers_count(&e->segment));
    posse_status status = look(context);
    /* relaxed: advice only */
    if (e->cpus < 2 || pi_load_relaxed(&header->workers) >= idle + e->cpus)
        return status;
    uint64_t end = pi_os_now() + SPIN_NS;
    for (int n = 0; n < SPIN_ROUNDS && status == POSSE_TIMEOUT && pi_os_now() < end; n++) {
        for (int i = 0; i < 16 && status == POSSE_TIMEOUT; i++) {
            pi_pause();
            status = look(context);
        }
        pi_os_yield(); /* whom we wait for may want this very processor */
    }
    return status;
}
