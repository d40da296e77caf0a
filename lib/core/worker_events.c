#include "core/worker_events.h"

void pi_worker_events_put(struct pi_worker_events *events, const struct pi_worker_event *event)
{
    uint64_t written = pi_load_relaxed(&events->written); /* relaxed: only this process writes it */
    if (written - pi_load_acquire(&events->taken) >=
        PI_WORKER_EVENTS) {                  /* with the release below */
        pi_add_relaxed(&events->dropped, 1); /* relaxed: a number */
        return;
    }
    events->at[written % PI_WORKER_EVENTS] = *event;
    pi_store_release(&events->written, written + 1); /* with pi_worker_events_take */
}

bool pi_worker_events_take(struct pi_worker_events *events, uint64_t *taken,
                           struct pi_worker_event *event)
{
    uint64_t left = pi_load_acquire(&events->written) - *taken; /* with pi_worker_events_put */
    bool damaged = left > PI_WORKER_EVENTS;                     /* a task has overwritten it */
    if (left == 0)
        return false;
    *event = events->at[*taken % PI_WORKER_EVENTS];
    *taken += damaged ? left : 1;
    pi_store_release(&events->taken, *taken); /* with pi_worker_events_put */
    return !damaged;
}
