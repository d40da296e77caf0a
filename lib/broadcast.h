/* broadcast.h - a call of posse_broadcast; pool/assign.h has the protocol.
 *
 * Runs in: program.
 */
#pragma once

#include "internal.h"
#include "pool/assign.h"

/* One worker that was active. */
struct pi_run {
    posse_future future;
    unsigned worker;
    posse_status status;
    bool counts; /* it was still active when it came to it */
};

struct pi_broadcast_call {
    posse_executor *executor;
    const posse_broadcast_job *job;
    struct pi_broadcast head;
    uint64_t until;
    posse_status status; /* why it waits no longer; POSSE_OK: it has waited for all */
    int error;           /* errno of that */
    struct pi_run *runs;
    size_t n;
};

/* ---- broadcast_tasks.c ---- */

/* Steps 1 and 2. Without a function: what was left for later workers is forgotten. */
posse_status pi_broadcast_later(struct pi_broadcast_call *call);
/* Steps 3 to 5, for all workers that are active. */
posse_status pi_broadcast_assign_all(struct pi_broadcast_call *call);
/* Step 5 of one again, as a task may have overwritten it. */
void pi_broadcast_assign_again(const struct pi_run *run);
