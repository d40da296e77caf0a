/* What a map is asked to do: whether it can be, what of it is copied, and in what portions. */
#include "map.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/pool.h"

#define CHUNKS_A_WORKER 4                /* of the items of an array */
#define AHEAD_A_WORKER 2                 /* chunks on their way, if nothing is said */
#define COPIED_BYTES ((size_t)192 << 10) /* of a chunk: what is copied should stay in the cache */
#define MAX_BYTES ((size_t)4 << 30)

/* Whether the items of an array would lie over more memory than there can be. */
static bool is_too_long(const posse_map_job *job, size_t size, size_t stride)
{
    return size > MAX_BYTES || (job->count && stride > SIZE_MAX / 2 / job->count);
}

/* What is wrong with an input, and its status; NULL: nothing. The same for all of these. */
static const char *find_wrong_input(const posse_map_job *job, const posse_input *input,
                                    posse_status *status)
{
    *status = POSSE_INVALID;
    if (input->size == 0)
        return "the size of an input is 0";
    if (!job->source && job->count && !input->data)
        return "the data of an input is NULL";
    *status = POSSE_TOO_LARGE;
    return is_too_long(job, input->size, input->stride ? input->stride : input->size)
               ? "an input is larger than memory can be"
               : NULL;
}

static const char *find_wrong_inputs(const posse_map_job *job, posse_status *status)
{
    const char *wrong = NULL;
    *status = POSSE_TOO_LARGE;
    if (job->n_inputs > POSSE_MAX_INPUTS)
        return "job.n_inputs is over POSSE_MAX_INPUTS";
    *status = POSSE_INVALID;
    if (job->n_inputs && !job->inputs)
        return "job.inputs is NULL, but n_inputs is not 0";
    for (size_t k = 0; k < job->n_inputs && !wrong; k++)
        wrong = find_wrong_input(job, &job->inputs[k], status);
    return wrong;
}

/* With a source nobody knows how long an array of results would have to be. */
static const char *find_wrong_results(const posse_map_job *job, posse_status *status)
{
    size_t stride = job->result_stride ? job->result_stride : job->result_size;
    *status = POSSE_INVALID;
    if (job->results && job->source)
        return "job.results is given for a source, whose items have no number yet";
    if (job->results && job->result_size == 0)
        return "job.results is given, but result_size is 0";
    if (job->results && stride < job->result_size)
        return "job.result_stride is under result_size: results would overlap";
    *status = POSSE_TOO_LARGE;
    return is_too_long(job, job->result_size, stride) ? "the results are larger than memory can be"
                                                      : NULL;
}

static const char *find_wrong(const posse_map_job *job, posse_status *status)
{
    *status = POSSE_INVALID;
    if (!job->fn == !job->block_fn)
        return job->fn ? "job.fn and block_fn are both given" : "job.fn and block_fn are NULL";
    if (job->chunksize < 0 || job->buffersize < 0)
        return "job.chunksize or buffersize is negative";
    if (job->timeout_ms < 0 || job->item_timeout_ms < 0)
        return "job.timeout_ms or item_timeout_ms is negative";
    if (job->arg_size && !job->arg)
        return "job.arg is NULL, but arg_size is not 0";
    *status = POSSE_TOO_LARGE;
    if (job->item_timeout_ms > UINT32_MAX)
        return "job.item_timeout_ms is over 49 days";
    if (job->arg_size > MAX_BYTES)
        return "job.arg_size is over 4 GB";
    const char *wrong = find_wrong_results(job, status);
    return wrong ? wrong : find_wrong_inputs(job, status);
}

bool pi_map_read(const posse_map_job *given, posse_map_job *job)
{
    const posse_map_job *known = pi_sized_read(given, job, sizeof *job);
    if (known && known != job)
        *job = *known;
    return known;
}

posse_status pi_map_check(posse_executor *e, const posse_map_job *job)
{
    posse_status wrong_status, status = pi_check(e);
    const char *wrong = find_wrong(job, &wrong_status);
    if (status != POSSE_OK)
        return status;
    if (wrong)
        return pi_refuse(wrong_status, wrong);
    uintptr_t fn = job->fn ? (uintptr_t)job->fn : (uintptr_t)job->block_fn;
    return pi_loaded(e, fn) ? POSSE_OK : POSSE_NOT_LOADED;
}

/* Whether workers may use the program's bytes there. Not a thread that may miss a deadline: it goes
 * on when its item has ended for the program, which may have freed them. */
static bool is_shared(const posse_map_iter *m, const void *at, size_t length)
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
static size_t lay_out_column(posse_map_iter *m, struct pi_column *column, const void *at,
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
static size_t lay_out(posse_map_iter *m)
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
static size_t lay_out_arg(posse_map_iter *m)
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
static size_t choose_chunksize(const posse_map_iter *m, size_t arg, size_t copied)
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

bool pi_map_plan(posse_map_iter *m)
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
    return !copied || m->chunksize <= (MAX_BYTES - arg) / copied;
}
