/* Which chunk is given next: the oldest, or if order does not matter, the first that ends. */
#include "map.h"
#include "os/unwind.h"
#include "pool/dispatch.h"
#include "pool/park.h"
#include "pool/pool.h"
#include "worker/help.h"

/* A task runs one of its chunks itself: as pi_help. */
static posse_status help(posse_map_iter *m)
{
    posse_status status = POSSE_TIMEOUT;
    for (; m->to_help; m->to_help = m->to_help->younger) {
        posse_future future = m->to_help->sub.future;
        uint64_t word = pi_word_of(future);
        if (pi_handle_valid(word, future))
            status = pi_help(m->executor, future.slot, word);
        if (status != POSSE_TIMEOUT)
            return status;
    }
    return status;
}

/* Takes one that has ended, if there is none yet, and waits for it until the moment. */
static posse_status take(posse_map_iter *m, uint64_t until)
{
    posse_status status = POSSE_OK;
    if (!m->ready)
        m->ready = (struct pi_flight *)pi_cq_next(&m->cq, until, &status);
    return m->ready ? POSSE_OK : status;
}

bool pi_map_is_ready(posse_map_iter *m)
{
    uint64_t word;
    bool slow;
    if (!m->oldest)
        return false;
    if (m->job.unordered)
        return take(m, 0) != POSSE_TIMEOUT;
    return pi_await_final(m->oldest->sub.future, 0, &word, &slow) != POSSE_TIMEOUT;
}

static posse_status await_oldest(posse_map_iter *m, struct pi_flight **flight)
{
    uint64_t word;
    bool slow;
    *flight = m->oldest;
    posse_status status = pi_await_final(m->oldest->sub.future, m->until, &word, &slow);
    if (slow)
        pi_call_exit(m->executor);
    return status;
}

static posse_status await_any(posse_map_iter *m, struct pi_flight **flight)
{
    posse_status status, helped = POSSE_OK;
    pi_call_enter(m->executor);
    PI_OS_IF_LEFT(pi_call_exit_unwound, m->executor); /* by a task that runs here */
    while ((status = take(m, 0)) == POSSE_TIMEOUT && helped == POSSE_OK)
        helped = help(m);
    PI_OS_END_IF_LEFT;
    if (helped == POSSE_NO_MEMORY)
        status = helped;
    else if (status == POSSE_TIMEOUT)
        status = take(m, m->until);
    *flight = m->ready;
    m->ready = NULL;
    if (*flight)
        status = posse_exception((*flight)->sub.future, 0, NULL);
    pi_call_exit(m->executor);
    return status;
}

posse_status pi_map_await(posse_map_iter *m, struct pi_flight **flight)
{
    return m->job.unordered ? await_any(m, flight) : await_oldest(m, flight);
}
