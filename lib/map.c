/* Runs in: program, worker.
 *
 * The iterator of a map: opens it, gives its items one by one, closes it. The results of a chunk
 * stay in the task's own memory until the next chunk begins, unless the program gave an array.
 */
#include "map.h"
#include "bar.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/dispatch.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- opening and closing --------------------------------------------------------------------- */

static posse_status prepare(posse_map_iter *m)
{
    posse_status status = pi_map_plan(m);
    return status == POSSE_OK && m->job.unordered ? pi_dispatch_open(m->executor) : status;
}

/* NULL: the program has no memory. */
static posse_map_iter *make(posse_executor *e, const posse_map_job *job)
{
    posse_map_iter *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->executor = e;
    m->job = *job;
    if (job->n_inputs)
        memcpy(m->inputs, job->inputs, job->n_inputs * sizeof *job->inputs);
    m->job.inputs = m->inputs;
    m->until = job->timeout_ms ? pi_os_after_ms(job->timeout_ms) : PI_NEVER;
    pi_map_wait_init(m);
    return m;
}

static void free_map(posse_map_iter *m)
{
    for (struct pi_flight *flight = m->oldest, *next; flight; flight = next) {
        next = flight->younger;
        pi_map_drop_staged(flight->staged);
        free(flight);
    }
    free(m->spare);
    pi_map_drop_staged(m->staged);
    free(m);
}

void pi_map_close_left(void *map)
{
    posse_map_iter **m = map;
    int error = errno;
    (void)posse_map_close(*m);
    errno = error;
    *m = NULL;
}

/* Frees what stays if nothing is on its way. It does not look at the executor: posse_destroy, which
 * has ended the wait for memory, may be over. */
static void discard(posse_map_iter **map)
{
    int error = errno;
    pi_cq_fini(&(*map)->cq);
    free_map(*map);
    errno = error;
    *map = NULL;
}

static posse_status open_map(posse_executor *e, const posse_map_job *job, posse_map_iter **map)
{
    posse_status status = pi_map_check(e, job);
    if (status != POSSE_OK)
        return status;
    *map = make(e, job);
    if (!*map)
        return pi_refuse_errno(ENOMEM, PI_NO_HEAP);
    status = prepare(*map);
    if (status == POSSE_OK) {
        PI_OS_IF_LEFT(pi_map_close_left, map); /* by the source, or a task that runs here */
        status = pi_map_fill(*map, job->source ? (*map)->chunksize : (*map)->buffersize);
        PI_OS_END_IF_LEFT;
    }
    if (status == POSSE_OK || (*map && (*map)->oldest))
        return POSSE_OK;
    discard(map);
    return status;
}

posse_status posse_map_open(posse_executor *e, const posse_map_job *given, posse_map_iter **map)
{
    posse_map_job copy;
    if (!map)
        return pi_refuse(POSSE_INVALID, "iter is NULL");
    *map = NULL;
    const posse_map_job *job = pi_sized_read(given, &copy, sizeof copy);
    return job ? open_map(e, job, map) : POSSE_INVALID;
}

posse_status posse_map_close(posse_map_iter *m)
{
    if (!m)
        return POSSE_OK;
    posse_status status = pi_check(m->executor);
    if (status == POSSE_OK) { /* in a forked child locks may stay held for ever */
        pi_map_cancel(m);
        pi_map_land_all(m);
        pi_cq_fini(&m->cq);
    }
    free_map(m);
    return status;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* Finds the failures behind the results. A task may have overwritten them. */
static bool find_failures(posse_map_iter *m, const char *data, size_t size, size_t results)
{
    const size_t each = sizeof *m->failures, at = pi_failures_at(results);
    if (size == results)
        return true;
    if (size < at || (size - at) % each != 0 || (size - at) / each > m->current->count)
        return false;
    m->failures = (const void *)(data + at);
    m->n_failures = (size - at) / each;
    return true;
}

/* Finds what a chunk has given, and copies it to the array of results. */
static posse_status read_results(posse_map_iter *m)
{
    const void *data;
    size_t size, results = m->chunk.results.at ? 0 : m->current->count * m->chunk.results.size;
    posse_status status = posse_result(m->current->sub.future, 0, &data, &size);
    if (status != POSSE_OK)
        return status;
    if (!find_failures(m, data, size, results))
        return POSSE_BROKEN;
    m->results = m->job.result_size ? data : NULL; /* else it begins with failures */
    m->stride = m->job.result_size;
    if (!m->job.results)
        return POSSE_OK;
    if (m->job.result_stride)
        m->stride = m->job.result_stride;
    char *array = (char *)m->job.results + m->current->first * m->stride;
    if (results)
        pi_copy_items(array, m->stride, data, m->job.result_size, m->job.result_size,
                      m->current->count);
    m->results = array;
    return POSSE_OK;
}

void pi_map_begin(posse_map_iter *m, struct pi_flight *flight)
{
    m->current = flight;
    m->next = 0;
    m->results = NULL;
    m->n_failures = 0;
    m->status = read_results(m);
}

/* Waits, and draws the bar meanwhile. */
static posse_status await_chunk(posse_map_iter *m)
{
    posse_status status;
    while ((status = pi_map_wait(m, m->bar ? pi_bar_until(m->bar, m->until) : m->until)) ==
               POSSE_TIMEOUT &&
           m->bar && pi_os_now() < m->until)
        pi_bar_tick(m->bar);
    return status;
}

posse_status pi_map_next_chunk(posse_map_iter *m)
{
    posse_status status;
    if (m->current)
        pi_map_land(m, m->current);
    m->current = NULL;
    m->failed = NULL;
    if (m->over)
        return POSSE_END;
    do {
        (void)pi_map_fill(m, m->buffersize);
        status = m->oldest ? await_chunk(m) : m->end;
        if (status == POSSE_OK)
            pi_map_begin(m, m->ready);
    } while (status == POSSE_OK && m->status != POSSE_OK && pi_map_split(m));
    m->over = status != POSSE_OK;
    if (m->over)
        pi_map_cancel(m); /* it may end before its time: what has not begun never will */
    return status;
}

/* ---- items ----------------------------------------------------------------------------------- */

posse_status pi_map_next_item(posse_map_iter *m)
{
    size_t i = m->next++;
    m->failed = NULL;
    if (m->status == POSSE_OK && m->n_failures > 0 && m->failures->item <= i) {
        m->failed = m->failures++;
        m->n_failures--;
        return POSSE_TASK_FAILED;
    }
    return m->status;
}

static posse_status next(posse_map_iter *m, posse_item *item)
{
    posse_status status = POSSE_OK;
    if (!m->current || m->next == m->current->count)
        status = pi_map_next_chunk(m);
    if (status != POSSE_OK)
        return status;
    size_t i = m->next;
    m->given++;
    item->index = m->current->first + i;
    item->status = pi_map_next_item(m);
    if (item->status == POSSE_OK && m->results)
        item->result = m->results + i * m->stride;
    return POSSE_OK;
}

posse_status posse_map_next(posse_map_iter *m, posse_item *item)
{
    posse_item given = {.struct_size = sizeof given};
    if (pi_sized_check(item) != POSSE_OK)
        return POSSE_INVALID;
    posse_status status = m ? pi_check(m->executor) : pi_refuse(POSSE_INVALID, "iter is NULL");
    if (status == POSSE_OK)
        status = next(m, &given);
    if (status == POSSE_OK)
        pi_see_blocks(m->executor); /* the result may name one */
    else
        given.status = status;
    pi_sized_write(item, &given, sizeof given);
    return status;
}

/* The failure of one item, in the place of its chunk's. */
static void describe_item(const struct pi_failure *failed, posse_error *error)
{
    error->status = POSSE_TASK_FAILED;
    error->code = failed->code;
    if (failed->message[0])
        snprintf(error->message, sizeof error->message, "%.*s", PI_MESSAGE_SIZE - 1,
                 failed->message);
    else
        snprintf(error->message, sizeof error->message, "the task returned %d", error->code);
}

static posse_status exception(posse_map_iter *m, posse_error *error)
{
    if (m->status == POSSE_BROKEN) { /* a task has overwritten what it gave */
        snprintf(error->message, sizeof error->message, "the results of the map are damaged");
        return POSSE_BROKEN;
    }
    posse_status status = posse_exception(m->current->sub.future, 0, error);
    if (status == POSSE_OK)
        error->attempt = pi_attempt(error->attempt, m->current->runs);
    if (status == POSSE_OK && m->failed)
        describe_item(m->failed, error);
    return status;
}

posse_status posse_map_exception(posse_map_iter *m, posse_error *error)
{
    posse_error seen = {.struct_size = sizeof seen};
    if (pi_sized_check(error) != POSSE_OK)
        return POSSE_INVALID;
    posse_status status = m && m->current ? exception(m, &seen)
                                          : pi_refuse(POSSE_INVALID, "the map has given no item");
    if (status != POSSE_OK)
        seen.status = status;
    pi_sized_write(error, &seen, sizeof seen);
    return status;
}
