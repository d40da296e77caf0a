/* What a map is asked to do: whether it can be, what of it is copied, and in what portions. */
#include "mapping.h"

#define CHUNKS_A_WORKER 4                /* of the items of an array */
#define AHEAD_A_WORKER 2                 /* chunks on their way, if nothing is said */
#define COPIED_BYTES ((size_t)192 << 10) /* of a chunk: what is copied should stay in the cache */
#define MOST_BYTES ((size_t)4 << 30)

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

/* With a source nobody knows how long an array of results would have to be. */
static posse_status check_results(const posse_map_job *job)
{
    size_t stride = job->result_stride ? job->result_stride : job->result_size;
    if (job->results && (job->source || job->result_size == 0 || stride < job->result_size))
        return POSSE_INVALID;
    if (job->result_size > MOST_BYTES || (job->count && stride > SIZE_MAX / 2 / job->count))
        return POSSE_TOO_LARGE;
    return POSSE_OK;
}

bool pi_map_read(const posse_map_job *given, posse_map_job *job)
{
    if (!given || given->struct_size != sizeof *given)
        return false;
    *job = *given;
    return true;
}

posse_status pi_map_check(posse_executor *e, const posse_map_job *job)
{
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    if (!job->fn == !job->block_fn || job->chunksize < 0 || job->buffersize < 0 ||
        job->timeout_ms < 0 || job->item_timeout_ms < 0)
        return POSSE_INVALID;
    uintptr_t fn = job->fn ? (uintptr_t)job->fn : (uintptr_t)job->block_fn;
    status = check_results(job);
    if (status == POSSE_OK)
        status = check_inputs(job);
    if (status == POSSE_OK && job->arg_size && !job->arg)
        status = POSSE_INVALID;
    if (status == POSSE_OK && (job->item_timeout_ms > UINT32_MAX || job->arg_size > MOST_BYTES))
        status = POSSE_TOO_LARGE;
    if (status == POSSE_OK && !pi_loaded(e, fn))
        status = POSSE_NOT_LOADED;
    return status;
}

/* Whether workers may use the program's bytes there. Not a thread that may miss a deadline: it goes
 * on when its item has ended for the program, which may have freed them. */
static bool is_shared(const posse_mapping *m, const void *at, size_t length)
{
    const posse_executor *e = m->executor;
    const char *from = at, *base = e->segment.base;
    if (!at)
        return false;
    if (!e->backend->shared)
        return !e->backend->spawn || !m->job.item_timeout_ms;
    return from >= base && from < base + e->segment.size &&
           length <= (size_t)(base + e->segment.size - from);
}

/* Lays out a column of all chunks; the bytes of an item that are copied. */
static size_t lay_out_column(posse_mapping *m, struct pi_column *column, const void *at,
                             size_t stride)
{
    stride = stride ? stride : column->size;
    size_t length = m->job.count ? (m->job.count - 1) * stride + column->size : 0;
    if (m->job.source || !is_shared(m, at, length)) {
        column->stride = column->size;
        return column->size;
    }
    column->at = (char *)(uintptr_t)at;
    column->stride = stride;
    m->in_place = true;
    return 0;
}

/* Lays out what all chunks have in common; the bytes of an item that are copied. */
static size_t lay_out(posse_mapping *m)
{
    const posse_map_job *job = &m->job;
    struct pi_chunk *chunk = &m->chunk;
    *chunk = (struct pi_chunk){.fn = job->fn, .block_fn = job->block_fn, .n_inputs = job->n_inputs};
    chunk->results.size = job->result_size;
    size_t copied = lay_out_column(m, &chunk->results, job->results, job->result_stride);
    for (size_t k = 0; k < job->n_inputs; k++) {
        const posse_input *input = &job->inputs[k];
        chunk->inputs[k].size = input->size;
        copied += lay_out_column(m, &chunk->inputs[k], input->data, input->stride);
        m->from.strides[k] = input->stride && !job->source ? input->stride : input->size;
    }
    return copied;
}

/* Lays out the argument of the map; its bytes, if it is copied. */
static size_t lay_out_arg(posse_mapping *m)
{
    const posse_map_job *job = &m->job;
    m->chunk.arg_size = job->arg_size;
    m->from.arg = job->arg;
    if (!job->arg_size || !is_shared(m, job->arg, job->arg_size))
        return job->arg_size;
    m->chunk.arg = job->arg;
    m->in_place = true;
    return 0;
}

/* A chunk copies the argument of the map, and `copied` bytes of each item: at least as many of
 * these. */
static size_t choose_chunksize(const posse_mapping *m, size_t arg, size_t copied)
{
    const posse_map_job *job = &m->job;
    if (job->chunksize)
        return (size_t)job->chunksize;
    if (job->source || job->item_timeout_ms)
        return 1;
    size_t chunks = (size_t)pi_max_workers(m->executor, m->executor->workers) * CHUNKS_A_WORKER;
    size_t size = job->count / chunks + (job->count % chunks != 0);
    size_t most = arg > COPIED_BYTES ? arg : COPIED_BYTES;
    if (copied && size > most / copied)
        size = most / copied;
    return size ? size : 1;
}

bool pi_map_plan(posse_mapping *m)
{
    size_t workers = pi_max_workers(m->executor, m->executor->workers), copied = lay_out(m),
           arg = lay_out_arg(m), count = m->job.count;
    m->chunksize = choose_chunksize(m, arg, copied);
    m->buffersize = (size_t)m->job.buffersize;
    if (!m->buffersize)
        m->buffersize = m->chunksize > SIZE_MAX / 2 / AHEAD_A_WORKER / workers
                            ? SIZE_MAX / 2
                            : m->chunksize * AHEAD_A_WORKER * workers;
    if (!m->job.source && m->buffersize > count)
        m->buffersize = count ? count : 1;
    if (m->chunksize > m->buffersize)
        m->chunksize = m->buffersize;
    return !copied || m->chunksize <= (MOST_BYTES - arg) / copied;
}
