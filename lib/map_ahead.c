/* Reading ahead: items become chunks, and chunks are sent on their way.
 *
 * The items of arrays are sent as far ahead as buffersize says. A source may block for as long as
 * it likes, so it is asked only while no chunk can be given. But if the caller is slower than the
 * workers, there always is one, and the workers would wait for the caller. So a source that has
 * been quick for long is asked without that look. */
#include "map.h"
#include "os/clock.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUICK_NS 1000000 /* of a chunk from the source */
#define QUICK_CHUNKS 64  /* in a row: then the source is quick */

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* No more items are read, and those that were staged never begin. */
static void end(posse_map_iter *m, posse_status why)
{
    m->end = why;
    m->n_staged = 0;
}

/* Whether anything more may begin. If not, nothing ever does. */
static bool in_time(posse_map_iter *m)
{
    posse_status status = pi_destroying(m->executor) ? POSSE_SHUT_DOWN : POSSE_OK;
    if (status == POSSE_OK && m->until != PI_NEVER && pi_os_now() >= m->until)
        status = POSSE_TIMEOUT;
    if (status != POSSE_OK)
        end(m, status);
    return status == POSSE_OK;
}

/* ---- the source ------------------------------------------------------------------------------ */

/* Reads an item. The source may leave by an exception of C++ or by pthread_exit: then the item has
 * not been read. */
static void read_item(posse_map_iter *m)
{
    void *elements[POSSE_MAX_INPUTS] = {NULL};
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

/* Whether the source may be asked, which may take long. */
static bool may_read(posse_map_iter *m)
{
    return m->quick >= QUICK_CHUNKS || (in_time(m) && !pi_map_is_ready(m));
}

static void note_speed(posse_map_iter *m, uint64_t begin)
{
    if (pi_os_now() - begin > QUICK_NS)
        m->quick = 0;
    else if (m->quick < QUICK_CHUNKS)
        m->quick++;
}

/* Reads items for a chunk of n. How many it has; 0: there are no more, or they are read later. */
static size_t stage(posse_map_iter *m, size_t n)
{
    size_t before = m->n_staged;
    uint64_t begin = pi_os_now();
    bool may = true;
    while (m->n_staged < n && m->end == POSSE_OK && (may = may_read(m)))
        read_item(m);
    if (m->n_staged > before)
        note_speed(m, begin);
    return may ? m->n_staged : 0;
}

static bool has_more(const posse_map_iter *m)
{
    if (m->job.source)
        return m->n_staged > 0 || m->end == POSSE_OK;
    return m->end == POSSE_OK && m->taken < m->job.count;
}

/* The next chunk: where its items are, and how many; 0: none is sent now. */
static size_t prepare(posse_map_iter *m, size_t n)
{
    if (m->job.source) {
        const char *at = m->staged;
        for (size_t k = 0; k < m->job.n_inputs; k++) {
            m->from.from[k] = at;
            at += m->chunksize * m->chunk.inputs[k].size;
        }
        return stage(m, n);
    }
    for (size_t k = 0; k < m->job.n_inputs; k++)
        m->from.from[k] = (const char *)m->job.inputs[k].data + m->taken * m->from.strides[k];
    return least(n, m->job.count - m->taken);
}

/* ---- submitting ------------------------------------------------------------------------------ */

/* The columns of one chunk. */
static void place(posse_map_iter *m, struct pi_chunk *chunk, size_t n)
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
static posse_status submit(posse_map_iter *m, size_t n, posse_future *future)
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

/* Sees to it that there is a spare one. It stays there until the chunk is on its way, as a task
 * that runs inside submit may not come back. */
static bool provide_flight(posse_map_iter *m)
{
    if (!m->spare) {
        m->spare = malloc(sizeof *m->spare);
        if (m->spare)
            m->spare->younger = NULL;
    }
    return m->spare != NULL;
}

static posse_status launch(posse_map_iter *m, size_t n)
{
    posse_future future;
    posse_status status =
        provide_flight(m) ? submit(m, n, &future) : pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    if (status != POSSE_OK)
        return status;
    struct pi_flight *flight = m->spare;
    m->spare = flight->younger;
    *flight = (struct pi_flight){.sub = {.future = future, .cq = &m->cq},
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
        pi_dispatch_subscribe(&flight->sub);
    return POSSE_OK;
}

posse_status pi_map_fill(posse_map_iter *m, size_t ahead)
{
    while (m->on_the_way < ahead && has_more(m) && in_time(m)) {
        posse_status status = pi_accepts(m->executor); /* else an item that was read is lost */
        size_t n = least(m->chunksize, ahead - m->on_the_way);
        if (status == POSSE_OK && (n = prepare(m, n)) == 0)
            break;
        if (status == POSSE_OK)
            status = launch(m, n);
        if (status == POSSE_OK)
            continue;
        bool later = status == POSSE_FULL || status == POSSE_TIMEOUT || status == POSSE_NO_MEMORY ||
                     status == POSSE_SYSTEM;
        if (!later || m->n_flights == 0)
            end(m, status);
        return status;
    }
    if (m->end == POSSE_OK && !has_more(m))
        m->end = POSSE_END;
    return POSSE_OK;
}
