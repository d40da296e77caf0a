#include "map.h"
#include "os/unwind.h"
#include "pool/error.h"
#include "pool/park.h"
#include "pool/pool.h"

#include <errno.h>
#include <stdio.h>

/* ---- chunks ---------------------------------------------------------------------------------- */

/* The failures behind the results, which lie in shared memory and may be scribbled. */
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

/* Finds what a chunk has given, and brings it to where it shall be. */
static posse_status open_chunk(posse_map_iter *m)
{
    const void *data;
    size_t size, results = m->chunk.results.at ? 0 : m->current->count * m->chunk.results.size;
    posse_status status = posse_result(m->current->sub.future, 0, &data, &size);
    m->results = NULL;
    m->n_failures = 0;
    if (status != POSSE_OK)
        return status;
    if (!find_failures(m, data, size, results))
        return POSSE_BROKEN;
    m->results = data;
    m->stride = m->chunk.results.size;
    if (!m->job.results)
        return POSSE_OK;
    m->stride = m->job.result_stride ? m->job.result_stride : m->job.result_size;
    char *array = (char *)m->job.results + m->current->first * m->stride;
    if (results)
        pi_copy_items(array, m->stride, data, m->job.result_size, m->job.result_size,
                      m->current->count);
    m->results = array;
    return POSSE_OK;
}

static void begin(posse_map_iter *m, struct pi_flight *flight)
{
    m->current = flight;
    m->next = 0;
    m->status = open_chunk(m);
}

/* Goes on to the next chunk that has ended. */
static posse_status next_chunk(posse_map_iter *m)
{
    if (m->current)
        pi_map_land(m, m->current);
    m->current = NULL;
    m->failed = NULL;
    if (m->over)
        return POSSE_END;
    (void)pi_map_fill(m, m->buffersize);
    m->over = m->n_flights == 0;
    if (m->over)
        return m->end;
    struct pi_flight *flight = NULL;
    posse_status status = pi_map_await(m, &flight);
    if (status != POSSE_OK) { /* it ends before its time: what has not begun never will */
        m->over = true;
        pi_map_cancel(m);
        return status;
    }
    begin(m, flight);
    return POSSE_OK;
}

/* ---- items ----------------------------------------------------------------------------------- */

/* Goes on to the next item of the chunk: how it ended. */
static posse_status next_item(posse_map_iter *m)
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
        status = next_chunk(m);
    if (status != POSSE_OK)
        return status;
    size_t i = m->next;
    item->index = m->current->first + i;
    item->status = next_item(m);
    if (item->status == POSSE_OK && m->results)
        item->result = m->results + i * m->stride;
    return POSSE_OK;
}

posse_status posse_map_next(posse_map_iter *m, posse_item *item)
{
    posse_item given = {.struct_size = sizeof given};
    if (pi_sized_check(item) != POSSE_OK)
        return POSSE_INVALID;
    posse_status status = m ? pi_check(m->executor) : pi_refuse(POSSE_INVALID, "mapping is NULL");
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
    if (m->status == POSSE_BROKEN) { /* what it gave was scribbled on */
        snprintf(error->message, sizeof error->message, "the results of the map are damaged");
        return POSSE_BROKEN;
    }
    posse_status status = posse_exception(m->current->sub.future, 0, error);
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

/* ---- the whole ------------------------------------------------------------------------------- */

/* Where posse_map notes how items ended. */
struct outcome {
    posse_status *statuses; /* or NULL */
    posse_status first;     /* of those that did not end well */
    size_t first_index;
};

static void note(struct outcome *outcome, size_t index, posse_status status)
{
    if (outcome->statuses)
        outcome->statuses[index] = status;
    if (status != POSSE_OK && index < outcome->first_index) {
        outcome->first = status;
        outcome->first_index = index;
    }
}

static void note_chunk(posse_map_iter *m, struct outcome *outcome)
{
    if (m->status == POSSE_OK && m->n_failures == 0 && !outcome->statuses)
        return;
    for (size_t i = 0; i < m->current->count; i++)
        note(outcome, m->current->first + i, next_item(m));
}

/* The map has ended early: how, for the items that were on their way. */
static void note_rest(posse_map_iter *m, struct outcome *outcome, posse_status status)
{
    for (struct pi_flight *flight = m->oldest; flight; flight = flight->younger) {
        begin(m, flight);
        bool stopped =
            m->job.fn && m->status == POSSE_TASK_FAILED; /* its items fail by themselves */
        if (stopped || !posse_done(flight->sub.future))
            m->status = status;
        note_chunk(m, outcome);
    }
    m->current = NULL;
}

static posse_status map(posse_executor *e, const posse_map_job *job, posse_status *statuses)
{
    posse_map_iter *m;
    posse_status status = posse_map_open(e, job, &m);
    if (status != POSSE_OK)
        return status;
    struct outcome outcome = {statuses, POSSE_OK, SIZE_MAX};
    PI_OS_IF_LEFT(pi_map_close_unwound, &m); /* by a task that runs here */
    while ((status = next_chunk(m)) == POSSE_OK)
        note_chunk(m, &outcome);
    PI_OS_END_IF_LEFT;
    if (status != POSSE_END)
        note_rest(m, &outcome, status);
    int error = errno;
    (void)posse_map_close(m);
    errno = error;
    return status == POSSE_END ? outcome.first : status;
}

posse_status posse_map(posse_executor *e, const posse_map_job *given, posse_status *statuses)
{
    posse_map_job job;
    if (!pi_map_read(given, &job))
        return POSSE_INVALID;
    if (statuses && job.count > PTRDIFF_MAX / sizeof *statuses)
        return pi_refuse(POSSE_TOO_LARGE, "job.count is larger than an array can be");
    for (size_t i = 0; statuses && i < job.count; i++)
        statuses[i] = POSSE_CANCELLED; /* so do those end that never begin */
    posse_status status = pi_check(e);
    if (status == POSSE_OK && job.source)
        status = pi_refuse(POSSE_INVALID, "job.source is for posse_map_open");
    if (status != POSSE_OK)
        return status;
    pi_call_enter(e); /* destroy waits until all of it is over */
    PI_OS_IF_LEFT(pi_call_exit_unwound, e);
    status = map(e, &job, statuses);
    PI_OS_END_IF_LEFT;
    pi_call_exit(e);
    return status;
}
