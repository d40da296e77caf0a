/* Runs in: program, worker.
 *
 * posse_wait: an iterator (completion_iter.h) that is read until the condition holds.
 */
#include "completion_iter.h"
#include "internal.h"
#include "os/unwind.h"

#include <string.h>

/* Whether it ended as an exception would in Python. */
static bool is_exception(posse_future future)
{
    enum pi_state state = pi_state(pi_future_word(future));
    return state == PI_FAILED || state == PI_TIMED_OUT || state == PI_LOST;
}

static posse_status await(struct posse_completion_iter *c, posse_when when)
{
    struct pi_subscription *sub;
    posse_status status;
    c->all = when != POSSE_FIRST_COMPLETED;
    while ((sub = pi_iter_next(c, &status)) != NULL)
        if (when == POSSE_FIRST_COMPLETED ||
            (when == POSSE_FIRST_EXCEPTION && is_exception(sub->future)))
            return POSSE_OK;
    if (status != POSSE_END)
        return status;
    return c->stale ? pi_refuse(POSSE_INVALID, PI_STALE) : POSSE_OK;
}

static void report(const struct posse_completion_iter *c, bool *done, size_t *n_done)
{
    size_t count = 0;
    for (size_t i = 0; i < c->n; i++) {
        const struct pi_subscription *sub = &c->subs[i];
        bool ended = sub->cq && pi_final(pi_future_word(sub->future));
        count += ended;
        if (done)
            done[i] = sub->cq ? ended : done[sub->older - c->subs];
    }
    if (n_done)
        *n_done = count;
}

static void end_wait(void *completed)
{
    struct posse_completion_iter *c = completed;
    pi_iter_leave(c);
    posse_completion_iter_close(c);
}

posse_status posse_wait(const posse_future *futures, size_t n, posse_when when, long timeout_ms,
                        bool *done, size_t *n_done)
{
    posse_status status;
    if (done && n)
        memset(done, 0, n * sizeof *done);
    if (n_done)
        *n_done = 0;
    if (when != POSSE_ALL_COMPLETED && when != POSSE_FIRST_COMPLETED &&
        when != POSSE_FIRST_EXCEPTION)
        return pi_refuse(POSSE_INVALID, "when is unknown");
    struct posse_completion_iter *c = pi_iter_open(futures, n, timeout_ms, &status);
    if (!c)
        return status;
    pi_iter_enter(c);
    PI_OS_IF_LEFT(end_wait, c); /* by a task that runs here */
    status = await(c, when);
    PI_OS_END_IF_LEFT;
    report(c, done, n_done);
    end_wait(c);
    return status;
}
