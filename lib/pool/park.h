/* park.h - how a caller sleeps on a parker, and spins before.
 *
 * Runs in: program, worker.
 *
 * A caller takes a parker (core/parker.h), puts its number where the wake will come from, looks
 * once more, and sleeps. It relies on memory that a task may have overwritten. So a sleep ends
 * after a second at the most, and the caller then verifies what it waits for: see verify.h.
 */
#pragma once

#include "pool/pool.h"

/* How long a sleep lasts before the caller must verify. A constant, but for tests: a long time
 * shows that a wake is lost. */
extern uint64_t pi_verify_interval_ns;

/* A parker for that owner, its semaphore empty. PI_NO_INDEX: there is none, errno tells why. */
uint32_t pi_park_acquire(posse_executor *executor, unsigned owner);

/* PI_PARK_VERIFY: pi_verify_interval_ns has passed, so the caller must verify the pool. */
enum pi_park_end { PI_PARK_WOKEN, PI_PARK_TIMEOUT, PI_PARK_VERIFY };
/* Sleeps on the parker, at most until the moment. */
enum pi_park_end pi_park_until(posse_executor *executor, uint32_t parker, uint64_t until);

/* A probe answers POSSE_TIMEOUT if what the caller waits for has not happened yet. */
typedef posse_status pi_probe_fn(void *context);
/* Probes for up to 20 microseconds, or until the answer is another. */
posse_status pi_spin(pi_probe_fn *probe, void *context);
/* The same while there are processors to spare: that is cheaper than to sleep and be woken. Else
 * probes once. */
posse_status pi_spin_if_spare(posse_executor *executor, pi_probe_fn *probe, void *context);

/* A call that may sleep is between these two: posse_destroy waits until it has left. */
void pi_call_enter(posse_executor *executor);
void pi_call_exit(posse_executor *executor);
/* The same for os/unwind.h. */
void pi_call_exit_unwound(void *executor);

/* Whether the supervisor lives; if not, the executor is marked broken. Two system calls. */
bool pi_check_supervisor(posse_executor *executor);
/* The same at each 64th call: for calls that do not wait. */
bool pi_poll_supervisor(posse_executor *executor);
