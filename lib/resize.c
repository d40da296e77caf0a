#include "internal.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/phase.h"
#include "pool/pool.h"

posse_status posse_resize(posse_executor *e, long max_workers)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (max_workers < 1)
        return pi_refuse(POSSE_INVALID, "max_workers is under 1");
    if (max_workers < (long)e->min_workers)
        return pi_refuse(POSSE_INVALID, "max_workers is under options.min_workers");
    if (max_workers > POSSE_MAX_WORKERS)
        return pi_refuse(POSSE_TOO_LARGE, "max_workers is over POSSE_MAX_WORKERS");
    if (!e->backend->spawn)
        return pi_refuse(POSSE_NOT_SUPPORTED, "inline there are no workers");
    (void)pi_check_supervisor(e);
    enum pi_phase phase = pi_phase_of(e);
    if (phase != PI_OPEN)
        return pi_phase_status(phase);
    uint64_t word = pi_monotonic_word((uint32_t)max_workers);
    pi_store_seq(&e->segment.header->max_workers, word); /* before the poke */
    e->backend->notify(e);
    return POSSE_OK;
}

posse_status posse_why_broken(posse_executor *e, posse_error *error)
{
    posse_error seen;
    posse_status status = pi_sized_check(error);
    if (status != POSSE_OK)
        return status;
    status = pi_check(e);
    if (status == POSSE_OK) {
        (void)pi_check_supervisor(e);
        pi_why_broken(e, &seen);
    } else {
        pi_error_of_call(status, &seen);
    }
    pi_sized_write(error, &seen, sizeof seen);
    return status;
}
