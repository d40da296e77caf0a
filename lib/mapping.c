#include "mapping.h"

#include "os/clock.h"

#include <stdlib.h>

#define CHUNKS_A_WORKER 4                /* of the items of an array */
#define AHEAD_A_WORKER 2                 /* chunks on their way, if nothing is said */
#define COPIED_BYTES ((size_t)192 << 10) /* of a chunk: what is copied should stay in the cache */
#define MOST_BYTES ((size_t)4 << 30)

/* ---- what is asked for ----------------------------------------------------------------------- */

static posse_status check_inputs(const posse_map_job *job)
{
    if (job->n_inputs > POSSE_MAX_INPUTS)
        return POSSE_TOO_LARGE;
    if (job->n_inputs && !job->inputs)
        return POSSE_INVALID;
    for (size_t k = 0; k < job->n_inputs; k++) {
        const posse_input *input = &job->inputs[k];
        size_t stride = input->stride ? input->stride : input->size;
        if (input->size == 0 || (!job->source && job->count && !input->data))
            return POSSE_INVALID;
        if (input->size > MOST_BYTES || (job->count && stride > SIZE_MAX / 2 / job->count))
            return POSSE_TOO_LARGE;
    }
    return POSSE_OK;
}

static posse_status check_job(posse_executor *e, const posse_map_job *job)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (!job || job->struct_size != sizeof *job || !job->fn == !job->block_fn)
        return POSSE_INVALID;
    if (job->chunksize < 0 || job->buffersize < 0 || job->timeout_ms < 0 ||
        job->item_timeout_ms < 0 || (job->results && job->result_size == 0))
        return POSSE_INVALID;
    size_t stride = job->result_stride ? job->result_stride : job->result_size;
    if (job->result_size > MOST_BYTES || (job->count && stride > SIZE_MAX / 2 / job->count))
        return POSSE_TOO_LARGE;
    uintptr_t fn = job->fn ? (uintptr_t)job->fn : (uintptr_t)job->block_fn;
    status = check_inputs(job);
    if (status == POSSE_OK && !pi_loaded(e, fn))
        status = POSSE_NOT_LOADED;
    return status;
}

/* Whether workers find the program's bytes there. */
static bool is_shared(posse_executor *e, const void *at, size_t length)
{
    const char *from = at, *base = e->segment.base;
    return !e->backend->shared || (from >= base && from < base + e->segment.size &&
                                   length <= (size_t)(base + e->segment.size - from));
}

/* Lays out what all chunks have in common; the bytes of an item that are copied. */
static size_t lay_out(posse_mapping *m)
{
    const posse_map_job *job = &m->job;
    struct pi_chunk *chunk = &m->chunk;
    size_t copied = 0, stride = job->result_stride ? job->result_stride : job->result_size;
    chunk->fn = job->fn;
    chunk->block_fn = job->block_fn;
    chunk->n_inputs = job->n_inputs;
    chunk->results = (struct pi_column){NULL, job->result_size, job->result_size};
    if (job->results && !job->source && is_shared(m->executor, job->results, job->count * stride))
        chunk->results = (struct pi_column){job->results, job->result_size, stride};
    else
        copied += job->result_size;
    m->in_place = chunk->results.at != NULL;
    for (size_t k = 0; k < job->n_inputs; k++) {
        const posse_input *input = &job->inputs[k];
        stride = input->stride && !job->source ? input->stride : input->size;
        m->from.strides[k] = stride;
        chunk->inputs[k] = (struct pi_column){NULL, input->size, input->size};
        if (!job->source && is_shared(m->executor, input->data, job->count * stride)) {
            chunk->inputs[k] =
                (struct pi_column){(char *)(uintptr_t)input->data, input->size, stride};
            m->in_place = true;
        } else {
            copied += input->size;
        }
    }
    m->from.chunk = chunk;
    return copied;
}

static size_t choose_chunksize(const posse_mapping *m, size_t copied)
{
    const posse_map_job *job = &m->job;
    if (job->chunksize)
        return (size_t)job->chunksize;
    if (job->source || job->item_timeout_ms)
        return 1;
    size_t chunks = (size_t)m->executor->workers * CHUNKS_A_WORKER;
    size_t size = job->count / chunks + (job->count % chunks != 0);
    if (copied && size > COPIED_BYTES / copied)
        size = COPIED_BYTES / copied;
    return size ? size : 1;
}

/* Sizes of chunks, buffer and window. False: a chunk would be too large. */
static bool choose_sizes(posse_mapping *m, size_t copied)
{
    size_t workers = m->executor->workers;
    m->chunksize = choose_chunksize(m, copied);
    m->buffersize = (size_t)m->job.buffersize;
    if (!m->buffersize)
        m->buffersize = m->chunksize > SIZE_MAX / 2 / AHEAD_A_WORKER / workers
                            ? SIZE_MAX / 2
                            : m->chunksize * AHEAD_A_WORKER * workers;
    if (!m->job.source && m->buffersize > m->job.count && m->job.count)
        m->buffersize = m->job.count;
    if (m->chunksize > m->buffersize)
        m->chunksize = m->buffersize;
    m->window = m->buffersize / m->chunksize + 1;
    return !copied || m->chunksize <= MOST_BYTES / copied;
}

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

static struct pi_flight *free_flight(posse_mapping *m)
{
    if (!m->job.unordered)
        return &m->flights[(m->head + m->n_flights) % m->window];
    size_t i = 0;
    while (m->flights[i].used)
        i++;
    return &m->flights[i];
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
    if (job.timeout_ms > 0)
        job.timeout_ms =
            n > UINT32_MAX / (size_t)job.timeout_ms ? UINT32_MAX : job.timeout_ms * (long)n;
    if (m->until != OS_NEVER)
        job.queue_timeout_ms = os_ms_until(m->until) + 1;
    return pi_submit(m->executor, &job, pi_chunk_write, future);
}

static void launch(posse_mapping *m, posse_future future, size_t n)
{
    struct pi_flight *flight = free_flight(m);
    struct pi_sub *sub = &m->subs[flight - m->flights];
    *flight = (struct pi_flight){future, m->taken, n, true};
    *sub = (struct pi_sub){.future = future, .watch = &m->watch};
    m->n_flights++;
    m->taken += n;
    m->on_the_way += n;
    m->n_staged = 0;
    if (!m->job.unordered)
        return;
    m->watch.next_help = 0;
    pthread_mutex_lock(&m->executor->mail.lock);
    pi_mail_put(sub);
    pi_mail_name(sub);
    pthread_mutex_unlock(&m->executor->mail.lock);
}

void pi_mapping_fill(posse_mapping *m)
{
    while (m->on_the_way < m->buffersize && m->n_flights < m->window) {
        posse_future future;
        size_t n = prepare(m, least(m->chunksize, m->buffersize - m->on_the_way));
        if (n == 0) {
            m->end = m->end == POSSE_OK ? POSSE_END : m->end;
            return;
        }
        posse_status status = submit(m, n, &future);
        if (status == POSSE_OK) {
            launch(m, future, n);
            continue;
        }
        bool later = status == POSSE_FULL || status == POSSE_NO_MEMORY || status == POSSE_TIMEOUT;
        if (!later || m->n_flights == 0)
            m->end = status;
        return;
    }
}

/* ---- opening and closing --------------------------------------------------------------------- */

static posse_status allocate(posse_mapping *m)
{
    size_t staged = 0;
    for (size_t k = 0; k < m->job.n_inputs && m->job.source; k++)
        staged += m->chunksize * m->chunk.inputs[k].size;
    m->flights = calloc(m->window, sizeof *m->flights);
    m->subs = calloc(m->window, sizeof *m->subs);
    m->staged = malloc(staged ? staged : 1);
    if (!m->flights || !m->subs || !m->staged)
        return POSSE_NO_MEMORY;
    m->watch.subs = m->subs;
    m->watch.n_subs = m->window;
    return m->job.unordered ? pi_mail_open(m->executor) : POSSE_OK;
}

posse_status posse_map_open(posse_executor *e, const posse_map_job *job, posse_mapping **mapping)
{
    posse_status status = mapping ? check_job(e, job) : POSSE_INVALID;
    if (status != POSSE_OK)
        return status;
    posse_mapping *m = calloc(1, sizeof *m);
    if (!m)
        return POSSE_NO_MEMORY;
    m->executor = e;
    m->job = *job;
    m->until = job->timeout_ms ? os_after_ms(job->timeout_ms) : OS_NEVER;
    pi_watch_init(&m->watch);
    m->place.executor = e;
    m->watch.places = &m->place;
    m->watch.n_places = 1;
    status = choose_sizes(m, lay_out(m)) ? allocate(m) : POSSE_TOO_LARGE;
    if (status == POSSE_OK)
        pi_mapping_fill(m);
    if (status == POSSE_OK && m->n_flights == 0 && m->end != POSSE_END && !job->source)
        status = m->end;
    if (status == POSSE_OK)
        *mapping = m;
    else
        (void)posse_map_close(m);
    return status;
}

void pi_mapping_land(posse_mapping *m, struct pi_flight *flight)
{
    pi_mail_remove(&m->subs[flight - m->flights]);
    (void)posse_release(flight->future);
    flight->used = false;
    m->n_flights--;
    m->on_the_way -= flight->count;
    if (!m->job.unordered)
        m->head = (m->head + 1) % m->window;
}

posse_status posse_map_close(posse_mapping *m)
{
    if (!m)
        return POSSE_OK;
    for (size_t i = 0; m->n_flights && i < m->window; i++)
        if (m->flights[i].used)
            (void)posse_cancel(m->flights[i].future);
    for (size_t i = 0; m->n_flights && i < m->window; i++) {
        struct pi_flight *flight = &m->flights[m->job.unordered ? i : m->head];
        if (m->in_place && flight->used)
            (void)posse_exception(flight->future, -1, NULL);
        if (flight->used)
            pi_mapping_land(m, flight);
    }
    free(m->flights);
    free(m->subs);
    free(m->staged);
    pi_watch_fini(&m->watch);
    free(m);
    return POSSE_OK;
}
