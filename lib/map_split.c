/* Runs in: program, worker.
 *
 * posse_map_job.on_lost = POSSE_SPLIT: of a chunk that is lost, only the guilty item is lost.
 *
 * When a lost chunk of several items is next to be given, the map does not give it. It submits the
 * two halves as chunks of their own, which take its place, and goes on. A half that is lost is
 * split in turn. An item that is lost in a chunk of its own is guilty: it is given as lost. All of
 * this is private memory of the process that has the map open.
 *
 *   a chunk is   items of its future's task   meaning                      on to
 *   on its way   the same                     not ended, or not given yet  given; if lost, split
 *   a rest       more                         the lost half of a split     the same, but runs again
 *                                             that was not accepted        as a whole
 *
 * A half is not accepted if memory is short, the executor is closed or broken, or time is up. If
 * that is the first one, the chunk is given as lost. If that is the second one, it is a rest: an
 * ordered map gives the first half, and what was before it, and then tries again. An unordered map
 * waits for the end of the first half, and tries again. What is not accepted then is given as lost.
 * So each split makes a chunk smaller, and the map ends.
 *
 * The bound. A chunk of n items, g of them guilty, is level 0; its halves are level 1, and so on. A
 * chunk of level k has at most n / 2^k items, rounded up. So only the first ceil(log2 n) levels
 * have chunks of several items. Chunks of one level share no items, so at most g of them are lost.
 * Each lost chunk of several items costs two more tasks: at most 2 g ceil(log2 n) in all. An item
 * runs at most 1 + ceil(log2 n) times, and once more for each retry when it is alone. A chunk of
 * several items has no retries, because its halves are the second try.
 *
 * A chunk is also lost if its worker was killed because the chunk was over its time. A thread that
 * is over its time goes on with its items, so they do not run again. Under POSSE_BREAK a worker
 * that dies breaks the executor, so nothing is split: the supervisor makes the task LOST before it
 * breaks the executor, and a half might be accepted in between.
 *
 * An ordered map finds a loss when the chunk is its oldest. Other chunks behind it may be lost by
 * then. They are split at the same time, so that all halves run side by side.
 *
 * The model is tests/model/split.pml.
 */
#include "base/tuning.h"
#include "map.h"
#include "os/clock.h"
#include "pool/backend.h"

#include <stdlib.h>

/* Whether a chunk that ended so may run again. */
static bool may_run_again(const posse_map_iter *m, posse_status status)
{
    if (m->until != PI_NEVER && pi_os_now() >= m->until)
        return false;
    bool lost = status == POSSE_WORKER_LOST || status == POSSE_FORBIDDEN;
    return (lost && !m->executor->break_on_loss) ||
           (status == POSSE_DEADLINE && m->executor->backend->kills);
}

/* Submits the first n items of a lost chunk as a chunk of their own, which comes before the rest.
 * False: it was not accepted, and nothing has changed. */
static bool run_first(posse_map_iter *m, struct pi_flight *lost, size_t n)
{
    if (!m->spare && !(m->spare = malloc(sizeof *m->spare)))
        return false;
    struct pi_flight *part = m->spare;
    *part = (struct pi_flight){.first = lost->first, .count = n, .ran = n, .runs = lost->runs + 1};
    pi_map_find_items(m, lost->staged, lost->first);
    if (pi_map_submit_patiently(m, part, PI_SPLIT_PATIENCE_NS) != POSSE_OK)
        return false;
    if (n > 1 && lost->staged) {
        part->staged = lost->staged;
        part->staged->holders++;
    }
    pi_map_depart(m, lost);
    lost->first += n;
    lost->count -= n;
    return true;
}

/* Submits the second half. False: it was not accepted. */
static bool run_second(posse_map_iter *m, struct pi_flight *lost)
{
    if (run_first(m, lost, lost->count))
        return true;
    if (!m->job.unordered)
        return false;
    /* The end of the first half frees memory. */
    (void)posse_exception(lost->older->sub.future, pi_os_ms_until(m->until), NULL);
    return run_first(m, lost, lost->count);
}

/* Puts parts of a lost chunk in its place. False: what is left of it is given as lost. */
static bool split(posse_map_iter *m, struct pi_flight *lost, posse_status status)
{
    bool is_rest = lost->ran > lost->count;
    if (lost->ran == 1 || !may_run_again(m, status))
        return false;
    if (!run_first(m, lost, is_rest ? lost->count : lost->count / 2))
        return false;
    if (lost->count > 0 && !run_second(m, lost))
        return !m->job.unordered; /* an ordered map comes to it again */
    pi_map_land(m, lost);
    return true;
}

/* How a chunk has ended; POSSE_INVALID: it has not. */
static posse_status end_of(const struct pi_flight *flight)
{
    struct pi_seen seen;
    posse_status status = pi_future_look(flight->sub.future, &seen);
    return status == POSSE_OK ? pi_end_of(flight->sub.future.executor, &seen) : status;
}

/* Splits those chunks that are lost by now, from one on. */
static void split_more(posse_map_iter *m, struct pi_flight *flight)
{
    for (int i = 0; flight && i < PI_SPLIT_AHEAD; i++) {
        struct pi_flight *younger = flight->younger;
        (void)split(m, flight, end_of(flight));
        flight = younger;
    }
}

bool pi_map_split(posse_map_iter *m)
{
    struct pi_flight *lost = m->current, *younger = lost->younger;
    if (!m->job.on_lost || !split(m, lost, m->status))
        return false;
    m->current = m->ready = NULL;
    if (!m->job.unordered)
        split_more(m, younger);
    return true;
}
