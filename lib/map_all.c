/* Runs in: program, worker.
 *
 * posse_map: all items, chunk by chunk. It reads the items of a chunk only if some have failed or
 * the caller wants to know.
 */
#include "map.h"
#include "os/unwind.h"
#include "pool/park.h"

/* Where posse_map notes how items ended. */
struct outcome {
    posse_status *statuses; /* or NULL */
    posse_status first;     /* of the first item, in their order, that did not end well */
    size_t first_index;
};

static void note_chunk(posse_map_iter *m, struct outcome *outcome)
{
    if (m->status == POSSE_OK && m->n_failures == 0 && !outcome->statuses)
        return;
    for (size_t i = 0; i < m->current->count; i++) {
        size_t index = m->current->first + i;
        posse_status status = pi_map_next_item(m);
        if (outcome->statuses)
            outcome->statuses[index] = status;
        if (status != POSSE_OK && index < outcome->first_index) {
            outcome->first = status;
            outcome->first_index = index;
        }
    }
}

/* The map has ended early: how, for the items that were on their way. */
static void note_rest(posse_map_iter *m, struct outcome *outcome, posse_status status)
{
    for (struct pi_flight *flight = m->oldest; flight; flight = flight->younger) {
        pi_map_begin(m, flight);
        /* the task itself fails only if it was stopped: its items fail by themselves */
        bool stopped = m->job.fn && m->status == POSSE_TASK_FAILED;
        if (stopped || !posse_done(flight->sub.future))
            m->status = status;
        note_chunk(m, outcome);
    }
    m->current = NULL;
}

static posse_status map_all(posse_executor *e, const posse_map_job *job, posse_status *statuses)
{
    posse_map_iter *m;
    posse_status status = posse_map_open(e, job, &m);
    if (status != POSSE_OK)
        return status;
    struct outcome outcome = {statuses, POSSE_OK, SIZE_MAX};
    PI_OS_IF_LEFT(pi_map_close_left, &m); /* by a task that runs here */
    while ((status = pi_map_next_chunk(m)) == POSSE_OK)
        note_chunk(m, &outcome);
    PI_OS_END_IF_LEFT;
    if (status != POSSE_END)
        note_rest(m, &outcome, status);
    pi_map_close_left(&m);
    return status == POSSE_END ? outcome.first : status;
}

posse_status posse_map(posse_executor *e, const posse_map_job *given, posse_status *statuses)
{
    posse_map_job copy;
    const posse_map_job *job = pi_sized_read(given, &copy, sizeof copy);
    if (!job)
        return POSSE_INVALID;
    if (statuses && job->count > PTRDIFF_MAX / sizeof *statuses)
        return pi_refuse(POSSE_TOO_LARGE, "job.count is larger than an array can be");
    for (size_t i = 0; statuses && i < job->count; i++)
        statuses[i] = POSSE_CANCELLED; /* so do those end that never begin */
    posse_status status = pi_check(e);
    if (status == POSSE_OK && job->source)
        status = pi_refuse(POSSE_INVALID, "job.source is for posse_map_open");
    if (status != POSSE_OK)
        return status;
    pi_call_enter(e); /* destroy waits until all of it is over */
    PI_OS_IF_LEFT(pi_call_exit_unwound, e);
    status = map_all(e, job, statuses);
    PI_OS_END_IF_LEFT;
    pi_call_exit(e);
    return status;
}
