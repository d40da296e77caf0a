/* Runs in: program, worker, supervisor.
 *
 * The phase of an executor only rises (core/segment.h). The process that breaks the executor writes
 * why before it raises the phase, so a caller that sees PI_DEAD finds the reason. Then it wakes all
 * callers that sleep; each sees the phase.
 */
#include "pool/phase.h"
#include "pool/error.h"
#include "pool/wake.h"

bool pi_raise_phase(posse_executor *e, enum pi_phase phase)
{
    return pi_monotonic_raise(&e->segment.phase, phase);
}

void pi_break(posse_executor *e, const struct pi_error *why)
{
    pi_error_cell_write(&e->segment.header->broken, 0, why);
    (void)pi_raise_phase(e, PI_DEAD);
    pi_wake_all_parkers(e);
}

void pi_break_queue(posse_executor *e)
{
    struct pi_error why = pi_error_from_words("the queue in shared memory is damaged");
    pi_break(e, &why);
}

posse_status pi_phase_status(enum pi_phase phase)
{
    return phase == PI_OPEN                             ? POSSE_OK
           : phase >= PI_DRAINING && phase <= PI_CLOSED ? POSSE_SHUT_DOWN
                                                        : POSSE_BROKEN;
}
