/* Runs in: program, worker.
 *
 * The chunks on their way. An ordered map waits for its oldest chunk by posse_exception. An
 * unordered map has a completion queue of its own (pool/cq.h), as no call of posse.h serves here:
 * posse_as_completed takes all futures at once, while a map adds one for each that it gives;
 * posse_completion_queue starts a thread, and refuses tasks in worker processes.
 */
#include "map.h"
#include "base/container_of.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/park.h"
#include "worker/help.h"

#include <stdlib.h>

static posse_status help(struct pi_cq *cq)
{
    posse_map_iter *m = PI_CONTAINER_OF(cq, posse_map_iter, cq);
    posse_status status = POSSE_TIMEOUT;
    for (; m->to_help; m->to_help = m->to_help->younger)
        if ((status = pi_help(m->to_help->sub.future)) != POSSE_TIMEOUT)
            break;
    return status;
}

void pi_map_wait_init(posse_map_iter *m)
{
    pi_cq_init(&m->cq);
    m->cq.help = help;
    (void)pi_cq_join(&m->cq, m->executor); /* the first: it cannot fail */
}

void pi_map_depart(posse_map_iter *m, struct pi_flight *before)
{
    struct pi_flight *flight = m->spare;
    m->spare = NULL;
    flight->sub.cq = &m->cq;
    flight->younger = before;
    flight->older = before ? before->older : m->youngest;
    *(flight->older ? &flight->older->younger : &m->oldest) = flight;
    *(before ? &before->older : &m->youngest) = flight;
    if (before)
        m->to_help = m->oldest; /* those before it may be left, too */
    else if (!m->to_help)
        m->to_help = flight;
    if (m->job.unordered)
        pi_dispatch_subscribe(&flight->sub);
}

void pi_map_drop_staged(struct pi_staged *staged)
{
    if (staged && --staged->holders == 0)
        free(staged);
}

void pi_map_land(posse_map_iter *m, struct pi_flight *flight)
{
    if (m->job.unordered)
        pi_dispatch_unlink(flight->sub.cq, &flight->sub, 1);
    (void)posse_release(flight->sub.future);
    *(flight->older ? &flight->older->younger : &m->oldest) = flight->younger;
    *(flight->younger ? &flight->younger->older : &m->youngest) = flight->older;
    if (m->ready == flight)
        m->ready = NULL;
    if (m->to_help == flight)
        m->to_help = flight->younger;
    m->on_the_way -= flight->count;
    pi_map_drop_staged(flight->staged);
    free(m->spare);
    m->spare = flight;
}

/* ---- waiting --------------------------------------------------------------------------------- */

/* Takes the next chunk that has ended, or can end no more. NULL: *status tells why. */
static struct pi_flight *take(posse_map_iter *m, uint64_t until, posse_status *status)
{
    struct pi_subscription *sub = pi_cq_next(&m->cq, until, status);
    return sub ? PI_CONTAINER_OF(sub, struct pi_flight, sub) : NULL;
}

posse_status pi_map_wait(posse_map_iter *m, uint64_t until)
{
    posse_status status = POSSE_OK;
    if (!m->job.unordered) {
        m->ready = m->oldest;
    } else if (!m->ready) {
        pi_call_enter(m->executor);
        PI_OS_IF_LEFT(pi_call_exit_unwound, m->executor); /* by a task that runs here */
        m->ready = take(m, until, &status);
        PI_OS_END_IF_LEFT;
        pi_call_exit(m->executor);
        until = 0; /* it has ended, or never will */
    }
    if (!m->ready)
        return status;
    do /* again, as pi_os_ms_until gives 24 days at most */
        status = posse_exception(m->ready->sub.future, until ? pi_os_ms_until(until) : 0, NULL);
    while (status == POSSE_TIMEOUT && until && pi_os_now() < until);
    return status;
}

/* ---- the end --------------------------------------------------------------------------------- */

void pi_map_cancel(posse_map_iter *m)
{
    /* The youngest first: a worker that stops would begin one of those that are left. */
    for (struct pi_flight *flight = m->youngest; flight; flight = flight->older)
        (void)posse_cancel(flight->sub.future);
}

/* Waits until no worker uses the program's memory for it. A thread goes on whatever has become of
 * the executor, and a call that has no memory cannot wait: then only time helps. */
static void await_end(const posse_map_iter *m, posse_future future)
{
    posse_status status;
    while ((status = posse_exception(future, -1, NULL)) != POSSE_OK && posse_running(future)) {
        bool ends =
            !m->executor->backend->shared && (status == POSSE_SHUT_DOWN || status == POSSE_BROKEN);
        if (!ends && status != POSSE_NO_MEMORY && status != POSSE_SYSTEM)
            return;
        pi_os_sleep(PI_RETRY_NS);
    }
}

void pi_map_land_all(posse_map_iter *m)
{
    for (struct pi_flight *flight = m->oldest, *younger; flight; flight = younger) {
        younger = flight->younger;
        if (m->in_place)
            await_end(m, flight->sub.future);
        pi_map_land(m, flight);
    }
}
