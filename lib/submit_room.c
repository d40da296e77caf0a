/* Runs in: program, worker.
 *
 * Submitting where the queue has no room: its ring must grow, or it has as many tasks as
 * queue_limit says.
 */
#include "os/clock.h"
#include "pool/await.h"
#include "pool/grow.h"
#include "pool/phase.h"
#include "submit.h"

/* After a push that has not taken the task at once. The ring grows if it must; at the limit entries
 * whose task was cancelled do not count. */
posse_status pi_submit_push_again(struct pi_submission *s, enum pi_push pushed)
{
    posse_executor *e = s->executor;
    uint64_t limit = s->limit;
    if (pushed == PI_PUSH_LIMIT)
        limit += pi_lanes_count_entries(&e->segment.lanes, &e->segment.slots, UINT32_MAX).stale;
    if (pushed != PI_PUSH_BROKEN)
        pushed = pi_push(e, s->lane, s->index, limit);
    if (pushed == PI_PUSH_BROKEN)
        pi_break_queue(e);
    /* If it cannot be taken back, the supervisor pushed it or it was cancelled: it was accepted. */
    if (pushed == PI_PUSHED || !pi_submit_take_back(s, PI_IN_RING & ~pi_in_ring(s->lane)))
        return POSSE_OK;
    if (pushed == PI_PUSH_NO_CELL)
        return pi_failure(PI_NO_SHARED);
    return pushed == PI_PUSH_LIMIT ? POSSE_FULL : POSSE_BROKEN;
}

/* An entry of the task is there, or there are other lanes, which count, too. */
bool pi_submit_is_full(const struct pi_submission *s)
{
    posse_executor *e = s->executor;
    return ((s->word & pi_in_ring(s->lane)) || pi_lanes_more(&e->segment.lanes)) && pi_is_full(e);
}

static posse_status status_of_group(const struct pi_submission *s)
{
    return s->job->group ? pi_group_status(s->job->group) : POSSE_OK;
}

/* Whether there is room, or the task is not accepted any more. */
static bool need_not_wait(void *submission, uint32_t parker)
{
    const struct pi_submission *s = submission;
    return pi_has_room(s->executor, parker) || status_of_group(s) != POSSE_OK;
}

posse_status pi_submit_await_room(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    long timeout_ms = s->job->queue_timeout_ms;
    if (s->job->flags & POSSE_NO_WAIT)
        return POSSE_FULL;
    if (s->until == 0)
        s->until = timeout_ms ? pi_os_after_ms(timeout_ms) : PI_NEVER;
    if (pi_os_now() >= s->until)
        return POSSE_TIMEOUT;
    posse_status status = pi_await_event(e, need_not_wait, s, s->until);
    if (status == POSSE_OK)
        status = pi_destroying(e) ? POSSE_SHUT_DOWN : pi_phase_status(pi_phase_of(e));
    return status == POSSE_OK ? status_of_group(s) : status;
}
