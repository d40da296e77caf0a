#include "pool/phase.h"
#include "pool/wake.h"

bool pi_raise_phase(posse_executor *e, enum pi_phase phase)
{
    return pi_monotonic_raise(&e->segment.phase, phase);
}

void pi_break(posse_executor *e, const struct pi_error *why)
{
    pi_error_cell_write(&e->segment.header->broken, 0, why); /* before anybody looks for it */
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
    switch (phase) {
    case PI_OPEN: return POSSE_OK;
    case PI_DRAINING:
    case PI_STOPPING:
    case PI_CLOSED: return POSSE_SHUT_DOWN;
    case PI_DEAD:
    default: return POSSE_BROKEN;
    }
}
