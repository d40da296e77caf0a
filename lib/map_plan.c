/* Runs in: program, worker.
 *
 * What a map is asked to do: whether it can be, what of it is copied, and in what portions.
 */
#include "base/tuning.h"
#include "map.h"
#include "pool/backend.h"
#include "pool/pool.h"

#define MAX_BYTES ((size_t)4 << 30)

/* ---- what is asked for ----------------------------------------------------------------------- */

/* Whether the items of an array would lie over more memory than there can be. */
static bool is_too_long(const posse_map_job *job, size_t size, size_t stride)
{
    return size > MAX_BYTES || (job->count && stride > SIZE_MAX / 2 / job->count);
}

static posse_status check_input(const posse_map_job *job, const posse_input *input)
{
    const struct pi_mistake mistakes[] = {
        {input->size == 0, POSSE_INVALID, "the size of an input is 0"},
        {!job->source && job->count && !input->data, POSSE_INVALID, "the data of an input is NULL"},
        {is_too_long(job, input->size, input->stride ? input->stride : input->size),
         POSSE_TOO_LARGE, "an input is larger than memory can be"},
    };
    return PI_REFUSE_FIRST(mistakes);
}

static posse_status check_job(const posse_map_job *job)
{
    size_t stride = job->result_stride ? job->result_stride : job->result_size;
    const struct pi_mistake mistakes[] = {
        {!job->fn && !job->block_fn, POSSE_INVALID, "job.fn and block_fn are NULL"},
        {job->fn && job->block_fn, POSSE_INVALID, "job.fn and block_fn are both given"},
        {job->chunksize < 0 || job->buffersize < 0, POSSE_INVALID,
         "job.chunksize or buffersize is negative"},
        {job->timeout_ms < 0 || job->item_timeout_ms < 0, POSSE_INVALID,
         "job.timeout_ms or item_timeout_ms is negative"},
        {!pi_is_priority(job->priority), POSSE_INVALID, "job.priority is no posse_priority"},
        {job->on_lost != POSSE_LOSE_CHUNK && job->on_lost != POSSE_SPLIT, POSSE_INVALID,
         "job.on_lost is no posse_on_lost"},
        {job->arg_size && !job->arg, POSSE_INVALID, "job.arg is NULL, but arg_size is not 0"},
        {job->item_timeout_ms > UINT32_MAX, POSSE_TOO_LARGE, "job.item_timeout_ms is over 49 days"},
        {job->arg_size > MAX_BYTES, POSSE_TOO_LARGE, "job.arg_size is over 4 GB"},
        {job->results && job->source, POSSE_INVALID,
         "job.results is given for a source, whose items have no number yet"},
        {job->results && job->result_size == 0, POSSE_INVALID,
         "job.results is given, but result_size is 0"},
        {job->results && stride < job->result_size, POSSE_INVALID,
         "job.result_stride is under result_size: results would overlap"},
        {is_too_long(job, job->result_size, stride), POSSE_TOO_LARGE,
         "the results are larger than memory can be"},
        {job->n_inputs > POSSE_MAX_INPUTS, POSSE_TOO_LARGE,
         "job.n_inputs is over POSSE_MAX_INPUTS"},
    };
    posse_status status = PI_REFUSE_FIRST(mistakes);
    if (status == POSSE_OK && job->n_inputs && !job->inputs)
        return pi_refuse(POSSE_INVALID, "job.inputs is NULL, but n_inputs is not 0");
    for (size_t k = 0; status == POSSE_OK && k < job->n_inputs; k++)
        status = check_input(job, &job->inputs[k]);
    return status;
}

posse_status pi_map_check(posse_executor *e, const posse_map_job *job)
{
    posse_status status = pi_check(e);
    uintptr_t fn = job->fn ? (uintptr_t)job->fn : (uintptr_t)job->block_fn;
    if (status == POSSE_OK)
        status = check_job(job);
    return status == POSSE_OK && !pi_loaded(e, fn) ? POSSE_NOT_LOADED : status;
}

/* ---- what is copied, and in what portions ---------------------------------------------------- */

/* Whether workers may use the program's bytes there. Not a thread that may miss a deadline: it goes
 * on when its item has ended for the program, which may have freed them. */
static bool is_shared(const posse_map_iter *m, const char *from, size_t length)
{
    const posse_executor *e = m->executor;
    const char *base = e->segment.base;
    if (e->fresh || e->runner)
        return false;
    if (!e->backend->shared)
        return !e->backend->spawn || !m->job.item_timeout_ms;
    return from >= base && from < base + e->segment.size &&
           length <= (size_t)(base + e->segment.size - from);
}

/* Lays out a column of `count` items. Returns the bytes of an item that are copied. */
static size_t lay_out(posse_map_iter *m, struct pi_column *column, const posse_input *given,
                      size_t count)
{
    size_t stride = given->stride ? given->stride : given->size;
    size_t length = count ? (count - 1) * stride + given->size : 0;
    *column = (struct pi_column){.size = given->size, .stride = given->size};
    if (!given->data || !is_shared(m, given->data, length))
        return given->size;
    column->at = (char *)(uintptr_t)given->data;
    column->stride = stride;
    m->in_place = true;
    return 0;
}

/* Lays out what all chunks have in common. Returns the bytes of an item that are copied; *arg: of
 * the map's argument. */
static size_t lay_out_all(posse_map_iter *m, size_t *arg)
{
    const posse_map_job *job = &m->job;
    struct pi_chunk *chunk = &m->chunk;
    posse_input results = {job->results, job->result_size, job->result_stride},
                shared = {job->arg, job->arg_size, 0};
    *chunk = (struct pi_chunk){
        .fn = job->fn, .block_fn = job->block_fn, .n_inputs = (uint32_t)job->n_inputs};
    *arg = job->arg_size ? lay_out(m, &chunk->arg, &shared, 1) : 0;
    m->from.arg = job->arg;
    size_t copied = lay_out(m, &chunk->results, &results, job->count);
    for (size_t k = 0; k < job->n_inputs; k++) {
        posse_input input = job->inputs[k];
        if (job->source)
            input = (posse_input){.size = input.size};
        copied += lay_out(m, &chunk->inputs[k], &input, job->count);
        m->from.strides[k] = input.stride ? input.stride : input.size;
    }
    return copied;
}

/* How many results a chunk may have, with what may be said of items that fail. There is room for
 * both of one item (PI_SPARE_RESULT). */
static size_t most_results(const posse_map_iter *m)
{
    size_t most = m->executor->max_result / (m->job.result_size + sizeof(struct pi_failure));
    return !m->executor->fresh ? SIZE_MAX : most ? most : 1;
}

/* A chunk copies the argument of the map, and `copied` bytes of each item: at least as many of
 * these. */
static size_t choose_chunksize(const posse_map_iter *m, size_t workers, size_t arg, size_t copied)
{
    const posse_map_job *job = &m->job;
    if (job->chunksize)
        return (size_t)job->chunksize;
    if (job->source || job->item_timeout_ms)
        return 1;
    size_t chunks = workers * PI_CHUNKS_PER_WORKER;
    size_t size = job->count / chunks + (job->count % chunks != 0);
    size_t most = arg > PI_CHUNK_BYTES ? arg : PI_CHUNK_BYTES;
    if (copied && size > most / copied)
        size = most / copied;
    return size ? size : 1;
}

static size_t choose_buffersize(const posse_map_iter *m, size_t workers)
{
    size_t size = (size_t)m->job.buffersize, chunks = PI_AHEAD_PER_WORKER * workers;
    if (!size)
        size = m->chunksize > SIZE_MAX / 2 / chunks ? SIZE_MAX / 2 : m->chunksize * chunks;
    if (!m->job.source && size > m->job.count)
        size = m->job.count;
    return size ? size : 1;
}

posse_status pi_map_plan(posse_map_iter *m)
{
    size_t workers = pi_max_workers(m->executor, m->executor->workers), arg;
    size_t copied = lay_out_all(m, &arg);
    m->chunksize = choose_chunksize(m, workers, arg, copied);
    m->buffersize = choose_buffersize(m, workers);
    if (m->chunksize > m->buffersize)
        m->chunksize = m->buffersize;
    if (m->chunksize > most_results(m))
        m->chunksize = most_results(m);
    if (m->executor->fresh && m->job.result_size > m->executor->max_result)
        return pi_refuse(POSSE_TOO_LARGE, "job.result_size is over options.max_result");
    if (copied && m->chunksize > (MAX_BYTES - arg) / copied)
        return pi_refuse(POSSE_TOO_LARGE, "a chunk is over 4 GB");
    return POSSE_OK;
}
