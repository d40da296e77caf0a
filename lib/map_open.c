#include "map.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening and closing --------------------------------------------------------------------- */

static posse_status allocate(posse_map_iter *m)
{
    size_t staged = 0;
    for (size_t k = 0; k < m->job.n_inputs && m->job.source; k++)
        staged += m->chunksize * m->chunk.inputs[k].size;
    m->staged = malloc(staged ? staged : 1);
    if (!m->staged)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    return m->job.unordered ? pi_dispatch_open(m->executor) : POSSE_OK;
}

/* 0 or an errno. */
static int init(posse_map_iter *m, posse_executor *e, const posse_map_job *job)
{
    int error = pi_cq_init(&m->cq);
    if (error)
        return error;
    m->executor = e;
    m->job = *job;
    if (job->n_inputs)
        memcpy(m->inputs, job->inputs, job->n_inputs * sizeof *job->inputs);
    m->job.inputs = m->inputs;
    m->until = job->timeout_ms ? pi_os_after_ms(job->timeout_ms) : PI_NEVER;
    m->place.executor = e;
    m->cq.memberships = &m->place;
    m->cq.n_memberships = 1;
    return 0;
}

void pi_map_close_unwound(void *mapping)
{
    posse_map_iter **m = mapping;
    (void)posse_map_close(*m);
    *m = NULL;
}

static posse_status open_map(posse_executor *e, const posse_map_job *job, posse_map_iter **mapping)
{
    posse_status status = pi_map_check(e, job);
    if (status != POSSE_OK)
        return status;
    posse_map_iter *m = calloc(1, sizeof *m);
    int error = m ? init(m, e, job) : ENOMEM;
    if (error) {
        free(m);
        return pi_refuse_errno(error, PI_NO_HEAP);
    }
    status = pi_map_plan(m) ? allocate(m) : pi_refuse(POSSE_TOO_LARGE, "a chunk is over 4 GB");
    *mapping = m;
    if (status == POSSE_OK) {
        PI_OS_IF_LEFT(pi_map_close_unwound, mapping); /* by the source, or a task that runs here */
        status = pi_map_fill(m, job->source ? m->chunksize : m->buffersize);
        PI_OS_END_IF_LEFT;
    }
    if (status == POSSE_OK || m->n_flights > 0)
        return POSSE_OK;
    error = errno;
    pi_map_close_unwound(mapping);
    errno = error;
    return status;
}

posse_status posse_map_open(posse_executor *e, const posse_map_job *given, posse_map_iter **mapping)
{
    posse_map_job job;
    if (!mapping)
        return pi_refuse(POSSE_INVALID, "mapping is NULL");
    *mapping = NULL;
    return pi_map_read(given, &job) ? open_map(e, &job, mapping) : POSSE_INVALID;
}

void pi_map_land(posse_map_iter *m, struct pi_flight *flight)
{
    pi_dispatch_unlink(&flight->sub);
    (void)posse_release(flight->sub.future);
    *(flight->older ? &flight->older->younger : &m->oldest) = flight->younger;
    *(flight->younger ? &flight->younger->older : &m->youngest) = flight->older;
    if (m->ready == flight)
        m->ready = NULL;
    if (m->to_help == flight)
        m->to_help = flight->younger;
    m->n_flights--;
    m->on_the_way -= flight->count;
    flight->younger = m->spare;
    m->spare = flight;
}

void pi_map_cancel(posse_map_iter *m)
{
    /* The youngest first: a worker that stops would begin one of those that are left. */
    for (struct pi_flight *flight = m->youngest; flight; flight = flight->older)
        (void)posse_cancel(flight->sub.future);
}

/* Until nobody uses the program's memory for it any more. A thread goes on whatever has become of
 * the executor, and then nobody tells. */
static void await_end(const posse_map_iter *m, posse_future future)
{
    posse_status status;
    while ((status = posse_exception(future, -1, NULL)) != POSSE_OK && posse_running(future)) {
        bool ends =
            !m->executor->backend->shared && (status == POSSE_SHUT_DOWN || status == POSSE_BROKEN);
        if (!ends && status != POSSE_NO_MEMORY && status != POSSE_SYSTEM)
            return;
        pi_os_sleep(1000000);
    }
}

static void free_flights(struct pi_flight *flight)
{
    while (flight) {
        struct pi_flight *next = flight->younger;
        free(flight);
        flight = next;
    }
}

posse_status posse_map_close(posse_map_iter *m)
{
    posse_status status = m ? pi_check(m->executor) : POSSE_OK;
    if (!m)
        return POSSE_OK;
    if (status == POSSE_OK)
        pi_map_cancel(m);
    while (status == POSSE_OK && m->oldest) {
        if (m->in_place)
            await_end(m, m->oldest->sub.future);
        pi_map_land(m, m->oldest);
    }
    free_flights(m->oldest);
    free_flights(m->spare);
    free(m->staged);
    if (status == POSSE_OK) /* in a forked child the lock may stay held for ever */
        pi_cq_fini(&m->cq);
    free(m);
    return status;
}
