/* Runs in: program, worker.
 *
 * Reading ahead: items become chunks, and chunks are submitted.
 *
 * The items of arrays are submitted as far ahead as buffersize says. A source may block for as long
 * as it likes, so it is called only while no chunk can be given. But if the caller is slower than
 * the workers, a chunk can always be given, and the workers would wait for the caller. So a source
 * that has been quick for many chunks is called without that check.
 */
#include "base/tuning.h"
#include "map.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/park.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdlib.h>

static size_t min(size_t a, size_t b) { return a < b ? a : b; }

/* No more items are read, and those that were staged never begin. */
static void end(posse_map_iter *m, posse_status why)
{
    m->end = why;
    m->n_staged = 0;
}

/* Why nothing more may begin; POSSE_OK: it may. */
static posse_status why_over(const posse_map_iter *m)
{
    bool late = m->until != PI_NEVER && pi_os_now() >= m->until;
    return pi_destroying(m->executor) ? POSSE_SHUT_DOWN : late ? POSSE_TIMEOUT : POSSE_OK;
}

/* Whether anything more may begin. If not, nothing ever does. */
static bool in_time(posse_map_iter *m)
{
    posse_status why = why_over(m);
    if (why != POSSE_OK)
        end(m, why);
    return why == POSSE_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Where input k begins among the staged items. */
static size_t staged_at(const posse_map_iter *m, size_t k)
{
    size_t before = 0;
    for (size_t i = 0; i < k; i++)
        before += m->chunk.inputs[i].size;
    return m->chunksize * before;
}

static bool has_staged(posse_map_iter *m)
{
    size_t size = staged_at(m, m->job.n_inputs);
    if (!m->staged && (m->staged = malloc(sizeof *m->staged + size)))
        m->staged->holders = 1;
    return m->staged != NULL;
}

void pi_map_find_items(posse_map_iter *m, const struct pi_staged *staged, size_t first)
{
    for (size_t k = 0; k < m->job.n_inputs; k++) {
        const char *from = m->job.inputs[k].data;
        size_t skipped = first;
        if (staged) {
            from = staged->items + staged_at(m, k);
            skipped -= staged->first;
        }
        m->from.from[k] = from + skipped * m->from.strides[k];
    }
}

/* Reads an item. The source may leave by an exception of C++ or by pthread_exit: then the item has
 * not been read. */
static void read_item(posse_map_iter *m)
{
    void *elements[POSSE_MAX_INPUTS] = {NULL};
    for (size_t k = 0; k < m->job.n_inputs; k++)
        elements[k] = m->staged->items + staged_at(m, k) + m->n_staged * m->chunk.inputs[k].size;
    m->end = m->job.source(m->job.source_context, elements);
    if (m->end == POSSE_OK)
        m->n_staged++;
}

/* Whether the source may be called, which may take long. */
static bool may_read(posse_map_iter *m)
{
    return m->quick >= PI_QUICK_CHUNKS ||
           (in_time(m) && (!m->oldest || pi_map_wait(m, 0) == POSSE_TIMEOUT));
}

/* Reads items for a chunk of n. Returns how many it has; 0: there are no more, or they are read
 * later. */
static size_t stage(posse_map_iter *m, size_t n)
{
    size_t before = m->n_staged;
    uint64_t begin = pi_os_now();
    bool may = true;
    while (m->n_staged < n && m->end == POSSE_OK && (may = may_read(m)))
        read_item(m);
    if (m->n_staged > before)
        m->quick = pi_os_now() - begin > PI_QUICK_NS ? 0 : m->quick + (m->quick < PI_QUICK_CHUNKS);
    return may ? m->n_staged : 0;
}

static bool has_more(const posse_map_iter *m)
{
    if (m->job.source)
        return m->n_staged > 0 || m->end == POSSE_OK;
    return m->end == POSSE_OK && m->taken < m->job.count;
}

/* Finds the items of the next chunk. Returns how many it has; 0: none is submitted now. */
static size_t prepare(posse_map_iter *m, size_t n)
{
    if (m->job.source) {
        m->staged->first = m->taken;
        n = stage(m, n);
    } else {
        n = min(n, m->job.count - m->taken);
    }
    pi_map_find_items(m, m->staged, m->taken);
    return n;
}

/* ---- submitting ------------------------------------------------------------------------------ */

/* Goes on to item n, if the column is used in place. */
static void advance(struct pi_column *column, size_t n)
{
    if (column->at)
        column->at += n * column->stride;
}

/* Of a chunk of n items; at most what a task can have, which is 49 days. */
static long time_limit(const posse_map_iter *m, size_t n)
{
    long each = m->job.item_timeout_ms;
    return each && n > UINT32_MAX / (size_t)each ? (long)UINT32_MAX : each * (long)n;
}

/* A chunk that can run again in parts has no retries. */
static bool may_split(const posse_map_iter *m, size_t n) { return m->job.on_lost && n > 1; }

/* Of memory. */
static bool is_short(posse_status status)
{
    return status == POSSE_NO_MEMORY || status == POSSE_SYSTEM;
}

posse_status pi_map_submit(posse_map_iter *m, struct pi_flight *flight, unsigned flags)
{
    struct pi_chunk chunk = m->chunk;
    chunk.first = flight->first;
    chunk.count = flight->count;
    chunk.runs = flight->runs;
    advance(&chunk.results, flight->first);
    for (size_t k = 0; k < chunk.n_inputs; k++)
        advance(&chunk.inputs[k], flight->first);
    m->from.chunk = &chunk;
    posse_job job = {.struct_size = sizeof job,
                     .fn = pi_chunk_run,
                     .arg = &m->from,
                     .size = pi_chunk_lay_out(&chunk),
                     .timeout_ms = time_limit(m, flight->count),
                     .retries = may_split(m, flight->count) ? -1 : 0,
                     .flags = flags,
                     .priority = m->job.priority};
    if (m->until != PI_NEVER)
        job.queue_timeout_ms = pi_os_ms_until(m->until) + 1;
    return pi_submit(m->executor, &job, pi_chunk_write, &flight->sub.future);
}

static posse_status submit_until(posse_map_iter *m, struct pi_flight *flight, uint64_t until)
{
    posse_status status = pi_map_submit(m, flight, 0);
    while (is_short(status) && pi_os_now() < until) {
        pi_os_sleep(PI_RETRY_NS);
        posse_status over = why_over(m);
        if (over != POSSE_OK)
            return over;
        status = pi_map_submit(m, flight, 0);
    }
    return status;
}

/* posse_destroy waits until this is over. If it fails in posse_map_open, that touches the executor
 * no more. */
posse_status pi_map_submit_patiently(posse_map_iter *m, struct pi_flight *flight, uint64_t ns)
{
    posse_status status;
    pi_call_enter(m->executor);
    PI_OS_IF_LEFT(pi_call_exit_unwound, m->executor); /* by a task that runs here */
    status = submit_until(m, flight, pi_os_now() + ns);
    PI_OS_END_IF_LEFT;
    pi_call_exit(m->executor);
    return status;
}

/* Submits the next n items. Waits for room in the queue only if no chunk is on its way. The spare
 * flight stays where it is until the chunk is on its way, as a task that runs inside submit may
 * leave. */
static posse_status launch(posse_map_iter *m, size_t n)
{
    if (!m->spare && !(m->spare = malloc(sizeof *m->spare)))
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    *m->spare = (struct pi_flight){.first = m->taken, .count = n, .ran = n};
    posse_status status = m->oldest ? pi_map_submit(m, m->spare, POSSE_NO_WAIT)
                                    : pi_map_submit_patiently(m, m->spare, PI_MAP_PATIENCE_NS);
    if (status != POSSE_OK)
        return status;
    if (m->staged && may_split(m, n)) {
        m->spare->staged = m->staged;
        m->staged = NULL;
    }
    pi_map_depart(m, NULL);
    m->taken += n;
    m->on_the_way += n;
    m->n_staged = 0;
    return POSSE_OK;
}

/* Submits a chunk of at most n items. POSSE_END: it is not time to do so. */
static posse_status send(posse_map_iter *m, size_t n)
{
    posse_status status = pi_accepts(m->executor); /* else an item that was read is lost */
    if (status != POSSE_OK)
        return status;
    if (m->job.source && !has_staged(m))
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    n = prepare(m, n);
    return n ? launch(m, n) : POSSE_END;
}

/* How many items the next chunk may have; 0: none may go yet. The parts of a split chunk end one by
 * one. If each made room for a chunk of its size, all later chunks would be that small. */
static size_t room(const posse_map_iter *m, size_t ahead)
{
    size_t n = m->on_the_way < ahead ? min(m->chunksize, ahead - m->on_the_way) : 0;
    bool too_small = m->job.on_lost && n < m->chunksize && m->oldest;
    return too_small ? 0 : n;
}

posse_status pi_map_fill(posse_map_iter *m, size_t ahead)
{
    posse_status status = POSSE_OK;
    size_t n;
    while (status == POSSE_OK && (n = room(m, ahead)) > 0 && has_more(m) && in_time(m))
        status = send(m, n);
    if (status == POSSE_OK || status == POSSE_END) {
        if (m->end == POSSE_OK && !has_more(m))
            m->end = POSSE_END;
        return POSSE_OK;
    }
    bool later = status == POSSE_FULL || status == POSSE_TIMEOUT || is_short(status);
    if (!later || !m->oldest)
        end(m, status);
    return status;
}
