/* Runs in: program, worker.
 *
 * Waiting with a progress bar. No thread is started: each call that waits wakes when the bar is
 * due, draws it, and waits on.
 */
#include "bar.h"
#include "base/tuning.h"
#include "completion_iter.h"
#include "internal.h"
#include "map.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/park.h"

/* ---- futures ---- */

/* What running tasks say of themselves, in tasks. A single one is shown in its own units. */
static void add_parts(struct posse_progress_bar *bar, const struct posse_completion_iter *c)
{
    for (size_t i = 0; i < c->n && c->n <= PI_MAX_BAR_PARTS; i++) {
        uint64_t done, total;
        posse_future future = c->subs[i].future;
        bool says = c->subs[i].cq && posse_progress(future, &done, &total) == POSSE_OK && total > 0;
        if (says && c->n == 1)
            pi_bar_show(bar, done, total);
        else if (says && !pi_final(pi_future_word(future)))
            bar->part += done < total ? (double)done / (double)total : 1;
    }
}

/* How many of them have ended. */
static void show_futures(struct posse_progress_bar *bar, const struct posse_completion_iter *c,
                         size_t of)
{
    pi_bar_show(bar, of - c->left, of);
    add_parts(bar, c);
    pi_bar_tick(bar);
}

static posse_status await_all(struct posse_progress_bar *bar, struct posse_completion_iter *c)
{
    posse_status status;
    uint64_t until = c->until;
    size_t of = c->left;
    c->all = true;
    do {
        if (pi_bar_is_due(bar))
            show_futures(bar, c, of);
        c->until = pi_bar_until(bar, until);
    } while (pi_iter_next(c, &status) || (status == POSSE_TIMEOUT && pi_os_now() < until));
    show_futures(bar, c, of);
    if (status != POSSE_END)
        return status;
    return c->stale ? pi_refuse(POSSE_INVALID, PI_STALE) : POSSE_OK;
}

static void end_wait(void *iter)
{
    struct posse_completion_iter *c = iter;
    pi_iter_leave(c);
    posse_completion_iter_close(c);
}

posse_status posse_progress_wait(posse_progress_bar *bar, const posse_future *futures, size_t n,
                                 long timeout_ms)
{
    posse_status status;
    if (!bar)
        return pi_refuse(POSSE_INVALID, "bar is NULL");
    struct posse_completion_iter *c = pi_iter_open(futures, n, timeout_ms, &status);
    if (!c)
        return status;
    pi_iter_enter(c);
    PI_OS_IF_LEFT(end_wait, c); /* by a task that runs here */
    status = await_all(bar, c);
    PI_OS_END_IF_LEFT;
    end_wait(c);
    return status;
}

/* ---- a map ---- */

static void forget(void *map)
{
    posse_map_iter *m = map;
    m->bar = NULL;
}

posse_status posse_progress_map_next(posse_progress_bar *bar, posse_map_iter *m, posse_item *item)
{
    if (!bar || !m) {
        posse_status refused = posse_map_next(NULL, item);
        return bar ? refused : pi_refuse(POSSE_INVALID, "bar is NULL");
    }
    posse_status status;
    uint64_t total = m->job.source ? 0 : m->job.count;
    posse_progress_draw(bar, m->given, total);
    m->bar = bar;
    PI_OS_IF_LEFT(forget, m); /* by the source, or a task that runs here */
    status = posse_map_next(m, item);
    PI_OS_END_IF_LEFT;
    m->bar = NULL;
    posse_progress_draw(bar, m->given, total);
    return status;
}

/* ---- an executor ---- */

/* Tasks of an executor that have ended, and those that have not. */
static uint64_t count_tasks(posse_executor *e, uint64_t *left)
{
    posse_stats stats = {.struct_size = sizeof stats};
    pi_count_tasks(e, &stats);
    *left = stats.queued + stats.running;
    return stats.done + stats.failed + stats.cancelled + stats.timed_out + stats.lost;
}

static void show_tasks(posse_progress_bar *bar)
{
    uint64_t left, ended = count_tasks(bar->executor, &left) - bar->before;
    posse_progress_draw(bar, ended, ended + left);
}

/* Before the wait for an idle executor sleeps. To count takes the longer the more tasks there are:
 * then the bar is drawn the more seldom. */
static uint64_t draw_if_due(void *context, uint64_t until)
{
    posse_progress_bar *bar = context;
    if (pi_bar_is_due(bar)) {
        uint64_t begin = pi_os_now();
        show_tasks(bar);
        uint64_t now = pi_os_now(), rest = PI_BAR_COUNT_SHARE * (now - begin);
        uint64_t next = now + (rest < PI_MAX_BAR_REST_NS ? rest : PI_MAX_BAR_REST_NS);
        bar->next = next > bar->next ? next : bar->next;
    }
    return pi_bar_until(bar, until);
}

posse_status posse_progress_wait_idle(posse_progress_bar *bar, posse_executor *e, long timeout_ms)
{
    struct pi_idle_wait wait = {.executor = e, .look = draw_if_due, .context = bar};
    if (!bar)
        return pi_refuse(POSSE_INVALID, "bar is NULL");
    posse_status status = pi_check(e);
    if (status != POSSE_OK)
        return status;
    uint64_t left;
    if (bar->number != e->number)
        bar->before = count_tasks(e, &left);
    bar->executor = e;
    bar->number = e->number;
    pi_call_enter(e); /* posse_destroy waits for what is drawn, too */
    status = pi_wait_idle(&wait, timeout_ms);
    show_tasks(bar);
    pi_call_exit(e);
    return status;
}
