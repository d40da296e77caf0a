#include "mapping.h"

#include "os/clock.h"

#include <stdlib.h>
#include <string.h>

/* ---- submitting ------------------------------------------------------------------------------ */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Reads items of the source, up to n in all. */
static void stage(posse_mapping *m, size_t n)
{
    void *elements[POSSE_MAX_INPUTS] = {NULL};
    while (m->n_staged < n && m->end == POSSE_OK) {
        char *at = m->staged;
        for (size_t k = 0; k < m->job.n_inputs; k++) {
            size_t size = m->chunk.inputs[k].size;
            elements[k] = at + m->n_staged * size;
            at += m->chunksize * size;
        }
        m->end = m->job.source(m->job.source_context, elements);
        if (m->end == POSSE_OK)
            m->n_staged++;
    }
}

static bool has_more(const posse_mapping *m)
{
    if (m->job.source)
        return m->n_staged > 0 || m->end == POSSE_OK;
    return m->taken < m->job.count;
}

/* The next chunk: where its items are, and how many; 0: there are no more. */
static size_t prepare(posse_mapping *m, size_t n)
{
    if (m->job.source) {
        stage(m, n);
        const char *at = m->staged;
        for (size_t k = 0; k < m->job.n_inputs; k++) {
            m->from.from[k] = at;
            at += m->chunksize * m->chunk.inputs[k].size;
        }
        return m->n_staged;
    }
    for (size_t k = 0; k < m->job.n_inputs; k++)
        m->from.from[k] = (const char *)m->job.inputs[k].data + m->taken * m->from.strides[k];
    return least(n, m->job.count - m->taken);
}

/* The columns of one chunk. */
static void place(posse_mapping *m, struct pi_chunk *chunk, size_t n)
{
    *chunk = m->chunk;
    chunk->first = m->taken;
    chunk->count = n;
    if (chunk->results.at)
        chunk->results.at += m->taken * chunk->results.stride;
    for (size_t k = 0; k < chunk->n_inputs; k++)
        if (chunk->inputs[k].at)
            chunk->inputs[k].at += m->taken * chunk->inputs[k].stride;
}

/* Submits n items, and waits for room in the queue only if nothing is on its way. */
static posse_status submit(posse_mapping *m, size_t n, posse_future *future)
{
    struct pi_chunk chunk;
    place(m, &chunk, n);
    m->from.chunk = &chunk;
    posse_job job = {.struct_size = sizeof job,
                     .fn = pi_chunk_run,
                     .arg = &m->from,
                     .size = pi_chunk_size(&chunk),
                     .timeout_ms = m->job.item_timeout_ms,
                     .flags = m->n_flights ? POSSE_NO_WAIT : 0};
    if (job.timeout_ms > 0) /* at most what a task can have, which is 49 days */
        job.timeout_ms =
            n > UINT32_MAX / (size_t)job.timeout_ms ? UINT32_MAX : job.timeout_ms * (long)n;
    if (m->until != PI_NEVER)
        job.queue_timeout_ms = pi_os_ms_until(m->until) + 1;
    return pi_submit(m->executor, &job, pi_chunk_write, future);
}

static struct pi_flight *new_flight(posse_mapping *m)
{
    struct pi_flight *flight = m->spare;
    if (!flight)
        return malloc(sizeof *flight);
    m->spare = flight->younger;
    return flight;
}

/* Has the watch told when it ends. */
static void subscribe(posse_mapping *m, struct pi_flight *flight)
{
    pthread_mutex_lock(&m->executor->mail.lock);
    pi_mail_put(&flight->sub);
    pi_mail_name(&flight->sub);
    pthread_mutex_unlock(&m->executor->mail.lock);
}

static posse_status launch(posse_mapping *m, size_t n)
{
    posse_future future;
    struct pi_flight *flight = new_flight(m);
    posse_status status = flight ? submit(m, n, &future) : POSSE_NO_MEMORY;
    if (status != POSSE_OK) {
        free(flight);
        return status;
    }
    *flight = (struct pi_flight){.sub = {.future = future, .watch = &m->watch},
                                 .first = m->taken,
                                 .count = n,
                                 .older = m->youngest};
    *(m->youngest ? &m->youngest->younger : &m->oldest) = flight;
    m->youngest = flight;
    if (!m->to_help)
        m->to_help = flight;
    m->n_flights++;
    m->taken += n;
    m->on_the_way += n;
    m->n_staged = 0;
    if (m->job.unordered)
        subscribe(m, flight);
    return POSSE_OK;
}

/* Why nothing more may begin: POSSE_OK, it may. */
static posse_status too_late(const posse_mapping *m)
{
    if (pi_destroying(m->executor))
        return POSSE_SHUT_DOWN;
    return m->until != PI_NEVER && pi_os_now() >= m->until ? POSSE_TIMEOUT : POSSE_OK;
}

posse_status pi_mapping_fill(posse_mapping *m)
{
    while (m->on_the_way < m->buffersize && has_more(m)) {
        posse_status late = too_late(m), status;
        size_t n = least(m->chunksize, m->buffersize - m->on_the_way);
        if (late != POSSE_OK) {
            m->end = late;
            return POSSE_OK;
        }
        if ((n = prepare(m, n)) == 0)
            break;
        if ((status = launch(m, n)) == POSSE_OK)
            continue;
        bool later = status == POSSE_FULL || status == POSSE_NO_MEMORY || status == POSSE_TIMEOUT;
        if (!later || m->n_flights == 0)
            m->end = status;
        return status;
    }
    if (m->end == POSSE_OK && !has_more(m))
        m->end = POSSE_END;
    return POSSE_OK;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static posse_status allocate(posse_mapping *m)
{
    size_t staged = 0;
    for (size_t k = 0; k < m->job.n_inputs && m->job.source; k++)
        staged += m->chunksize * m->chunk.inputs[k].size;
    m->staged = malloc(staged ? staged : 1);
    if (!m->staged)
        return POSSE_NO_MEMORY;
    return m->job.unordered ? pi_mail_open(m->executor) : POSSE_OK;
}

/* False: no memory. */
static bool init(posse_mapping *m, posse_executor *e, const posse_map_job *job)
{
    if (pi_watch_init(&m->watch) != 0)
        return false;
    m->executor = e;
    m->job = *job;
    if (job->n_inputs)
        memcpy(m->inputs, job->inputs, job->n_inputs * sizeof *job->inputs);
    m->job.inputs = m->inputs;
    m->until = job->timeout_ms ? pi_os_after_ms(job->timeout_ms) : PI_NEVER;
    m->place.executor = e;
    m->watch.places = &m->place;
    m->watch.n_places = 1;
    return true;
}

static posse_status open_map(posse_executor *e, const posse_map_job *job, posse_mapping **mapping)
{
    posse_status status = pi_map_check(e, job);
    if (status != POSSE_OK)
        return status;
    posse_mapping *m = calloc(1, sizeof *m);
    if (!m || !init(m, e, job)) {
        free(m);
        return POSSE_NO_MEMORY;
    }
    status = pi_map_plan(m) ? allocate(m) : POSSE_TOO_LARGE;
    if (status == POSSE_OK)
        status = pi_mapping_fill(m);
    if (status == POSSE_OK || m->n_flights > 0) {
        *mapping = m;
        return POSSE_OK;
    }
    (void)posse_map_close(m);
    return status;
}

posse_status posse_map_open(posse_executor *e, const posse_map_job *given, posse_mapping **mapping)
{
    posse_map_job job;
    if (!mapping)
        return POSSE_INVALID;
    *mapping = NULL;
    return pi_map_read(given, &job) ? open_map(e, &job, mapping) : POSSE_INVALID;
}

void pi_mapping_land(posse_mapping *m, struct pi_flight *flight)
{
    pi_mail_remove(&flight->sub);
    (void)posse_release(flight->sub.future);
    *(flight->older ? &flight->older->younger : &m->oldest) = flight->younger;
    *(flight->younger ? &flight->younger->older : &m->youngest) = flight->older;
    if (m->to_help == flight)
        m->to_help = flight->younger;
    m->n_flights--;
    m->on_the_way -= flight->count;
    flight->younger = m->spare;
    m->spare = flight;
}

void pi_mapping_cancel(posse_mapping *m)
{
    /* The youngest first: a worker that stops would begin one of those that are left. */
    for (struct pi_flight *flight = m->youngest; flight; flight = flight->older)
        (void)posse_cancel(flight->sub.future);
}

/* Until nobody uses the program's memory for it any more. A thread goes on whatever has become of
 * the executor, and then nobody tells. */
static void await_end(const posse_mapping *m, posse_future future)
{
    posse_status status;
    while ((status = posse_exception(future, -1, NULL)) != POSSE_OK && posse_running(future)) {
        bool ends =
            !m->executor->backend->shared && (status == POSSE_SHUT_DOWN || status == POSSE_BROKEN);
        if (!ends && status != POSSE_NO_MEMORY)
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

posse_status posse_map_close(posse_mapping *m)
{
    posse_status status = m ? pi_check(m->executor) : POSSE_OK;
    if (!m)
        return POSSE_OK;
    if (status == POSSE_OK)
        pi_mapping_cancel(m);
    while (status == POSSE_OK && m->oldest) {
        if (m->in_place)
            await_end(m, m->oldest->sub.future);
        pi_mapping_land(m, m->oldest);
    }
    free_flights(m->oldest);
    free_flights(m->spare);
    free(m->staged);
    pi_watch_fini(&m->watch);
    free(m);
    return status;
}
