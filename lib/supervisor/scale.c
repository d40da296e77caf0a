/* Runs in: supervisor.
 *
 * How many workers there are: which are started, which are told to exit, and when. The supervisor
 * calls this in each of its rounds. A worker is active if it lives, or starts, and will take
 * another task. `target` is how many there should be:
 *
 *   all at once   max_workers; one less for each that left after its idle timeout, until a task
 *                 finds no free worker
 *   on demand     the active ones, but at least min_workers; more when a task finds no free worker
 *   DRAINING      the active ones, unless a task is pending; without active ones, as on demand
 *   STOPPING      none is started
 *
 * In DRAINING active workers exit once no task is queued. A retiring worker may still submit tasks,
 * so an executor without active workers starts one again, whatever its options say. A retiring
 * worker is not active, so another one is started; it may exit when no worker is missing.
 *
 * Each pending task has a worker that will look at the queue, or as many workers as there may be
 * are busy. Each step is seq, so of two that cross one sees the other:
 *
 *   actor        does                               then
 *   submitter    pushes                             wakes an idle worker; if there is none and
 *                                                   grow_on_demand is set, notifies
 *   worker       sets `current`, after a claim or   if a task is queued: as a submitter
 *                after an inner task
 *   ... exits    clears its idle bits               if a task is queued: wakes a sleeper, even
 *                                                   if another spins; if it wakes none, notifies
 *   supervisor   sets grow_on_demand, reads each    counts the pending tasks in the queue; starts a
 *                `current`                          worker for each beyond the free workers
 *
 * So a pending task was pushed before the count, or its submitter notifies. A worker that becomes
 * free after the supervisor has read its `current` looks at the queue itself. When a worker exits
 * or dies, the supervisor counts again. The model is tests/model/scale.pml.
 */
#include "supervisor/scale.h"
#include "base/assert.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "supervisor/child.h"

static void count_active(struct pi_supervisor *s)
{
    s->active = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_child *child = &s->children[i];
        if (child->state == PI_CHILD_ALIVE && pi_worker_state(s, i) == PI_WORKER_RETIRING)
            child->retiring = true;
        s->active += pi_is_active(s, i);
    }
}

/* ---- the backlog: pending tasks ---- */

static unsigned count_free(struct pi_supervisor *s)
{
    unsigned free = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_child *child = &s->children[i];
        bool active = pi_is_active(s, i);
        child->current_task = active ? pi_current_task(s, i) : 0;
        free += active && !child->current_task && !child->stopped;
    }
    return free;
}

/* Whether nothing has happened since the count began: no entry was passed, and every worker that
 * was busy is still busy with the same task. */
static bool is_the_same(const struct pi_supervisor *s, uint64_t passed)
{
    if (pi_lanes_passed(&s->executor->segment.lanes) != passed)
        return false;
    for (unsigned i = 0; i < s->n_workers; i++)
        if (s->children[i].current_task && pi_current_task(s, i) != s->children[i].current_task)
            return false;
    return true;
}

/* How many more workers the pending tasks could use. A worker that ends its task during the count
 * is free for a pending one, and a slot may be counted twice if its entry is passed and its next
 * task has another one. Then all is counted again. */
static unsigned backlog(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    unsigned pending, free, walks = 0;
    uint64_t passed;
    do {
        passed = pi_lanes_passed(&segment->lanes);
        free = count_free(s);
        pending = pi_lanes_count_entries(&segment->lanes, &segment->slots, free + s->max).pending;
    } while (pending > free && !is_the_same(s, passed) && ++walks < PI_MAX_BACKLOG_WALKS);
    return pending > free ? pending - free : 0;
}

static bool has_backlog(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    return pi_lanes_count_entries(&segment->lanes, &segment->slots, 1).pending > 0;
}

/* ---- the target ---- */

/* posse_resize writes the maximum into shared memory. */
static void read_max(struct pi_supervisor *s)
{
    unsigned max = pi_max_workers(s->executor, s->max);
    if (max > s->max && !s->executor->on_demand)
        s->target = max;
    s->max = max;
    PI_ASSERT(max >= 1 && max <= PI_MAX_WORKERS);
}

static void set_target(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    _Atomic uint32_t *grow_on_demand = &e->segment.header->grow_on_demand;
    bool draining = s->phase_seen == PI_DRAINING;
    bool elastic = e->on_demand || e->idle_timeout_ms > 0 || (draining && s->active == 0);
    bool grows = elastic && s->active < s->max;
    if (e->on_demand)
        s->target = s->active > e->min_workers ? s->active : e->min_workers;
    if (pi_load_relaxed(grow_on_demand) != grows) /* relaxed: the supervisor alone writes it */
        pi_store_seq(grow_on_demand, grows);      /* before the count: see the table */
    unsigned more = grows ? backlog(s) : 0;
    if (more > 0 && s->active + more > s->target)
        s->target = s->active + more;
    if (draining && s->target > s->active && !(grows ? more > 0 : has_backlog(s)))
        s->target = s->active;
    if (s->target > s->max)
        s->target = s->max;
}

static void start_missing(struct pi_supervisor *s)
{
    bool now = s->retry_at == PI_NEVER || pi_os_now() >= s->retry_at;
    if (now)
        s->retry_at = PI_NEVER;
    while (now && s->active < s->target && pi_start_worker(s) && s->begun)
        ;
    s->missing = s->target > s->active ? s->target - s->active : 0;
}

/* ---- who exits ---- */

/* Those beyond the maximum: first workers without a task, then others. */
static void shrink(struct pi_supervisor *s)
{
    for (unsigned i = 2 * s->n_workers; i-- > 0 && s->active > s->max;) {
        unsigned worker = i % s->n_workers;
        if (pi_is_active(s, worker) && (i < s->n_workers || !pi_current_task(s, worker)))
            pi_retire(s, worker);
    }
}

/* Those whose idle timeout is over, if enough stay and no task is pending. What is pushed meanwhile
 * is counted when they are not active any more. */
static void retire_idle(struct pi_supervisor *s)
{
    bool looked = false;
    for (unsigned i = s->n_workers; i-- > 0 && s->active > s->executor->min_workers;) {
        if (!pi_is_active(s, i) || pi_worker_state(s, i) != PI_WORKER_IDLE)
            continue;
        if (!looked && has_backlog(s))
            return;
        looked = true;
        pi_retire(s, i);
        s->target = s->target < s->active ? s->target : s->active;
    }
}

/* Those that have run all their tasks: each when another is in its place, or cannot be. One that
 * still waits after that is told again: a task has overwritten what it was told. */
static void let_retire(struct pi_supervisor *s)
{
    unsigned keep = pi_can_start(s) ? s->missing : 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_child *child = &s->children[i];
        bool told = child->told_to_exit;
        if (child->state != PI_CHILD_ALIVE || !child->retiring ||
            (told && pi_worker_state(s, i) != PI_WORKER_RETIRING))
            continue;
        if (!told && keep > 0)
            keep--;
        else
            pi_retire(s, i);
    }
}

/* Exits come first: the backlog is counted after them, and grow_on_demand tells of them. */
void pi_scale(struct pi_supervisor *s)
{
    (void)pi_workers_count(&s->executor->segment); /* repairs it, if a task overwrote it */
    count_active(s);
    if (s->phase_seen >= PI_STOPPING) {
        s->missing = 0;
        return;
    }
    read_max(s);
    shrink(s);
    if (s->executor->idle_timeout_ms > 0 && s->phase_seen == PI_OPEN)
        retire_idle(s);
    set_target(s);
    start_missing(s);
    let_retire(s);
}
