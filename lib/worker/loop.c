/* Runs in: worker.
 *
 * A worker's life: it claims a task, runs it (run.c), and when the queue is empty it spins for a
 * moment and sleeps. core/idle.h tells how it is woken, core/worker_record.h its states.
 *
 * A worker exits when the phase ends, or when the supervisor tells it to. After its idle timeout,
 * and when it has run all its tasks, it only notifies the supervisor. The supervisor decides, as it
 * alone knows the other workers.
 */
#include "worker/loop.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/rss.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/descriptors.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/tracer.h"
#include "pool/park.h"
#include "pool/self.h"
#include "pool/trim.h"
#include "pool/wake.h"
#include "pool/worker_clock.h"
#include "worker/fresh.h"
#include "worker/run_assigned.h"
#include "worker/help.h"
#include "worker/hooks.h"
#include "worker/place.h"
#include "worker/run.h"
#include "worker/sealed.h"
#include "worker/task_limits.h"
#include "worker/unclaim.h"

struct worker {
    posse_executor *executor;
    unsigned worker;
    bool idle;           /* its idle bit may be set: cleared, and passed on, when it has a task */
    bool busy_times;     /* the last sleep was short: spin before the next one */
    bool retiring;       /* it has run all its tasks, and takes nothing more */
    bool asked;          /* it has notified of its idle timeout, and run no task since */
    unsigned taken;      /* tasks since the last sleep */
    uint64_t idle_since; /* while `idle` */
    long resident;       /* bytes of private memory before its first task, if that is limited */
    unsigned begun;      /* workers before it */
};

static void publish_state(struct worker *w, enum pi_worker_state state)
{
    /* release: with pi_worker_state in child.c, which then finds all that the worker did before */
    pi_store_release(&w->executor->segment.workers[w->worker].state, (uint32_t)state);
}

static bool queue_has_task(const struct worker *w)
{
    return pi_lanes_any(&w->executor->segment.lanes);
}

/* ---- without a task ---- */

/* Whether a processor is free for spinning, and no worker spins yet. */
static bool may_spin(const struct worker *w)
{
    struct pi_header *header = w->executor->segment.header;
    unsigned workers = pi_workers_count(&w->executor->segment);
    uint64_t alive = pi_load_relaxed(&header->workers); /* relaxed: advice only */
    return alive < pi_idle_count(&header->idle, workers) + w->executor->cpus &&
           !pi_idle_any_spinner(&header->idle, workers);
}

static posse_status probe_queue(void *worker)
{
    return queue_has_task(worker) ? POSSE_OK : POSSE_TIMEOUT;
}

/* Sleeps until it is woken. When its idle timeout is over it notifies the supervisor, once, and
 * sleeps on. */
static void sleep_idle(struct worker *w)
{
    posse_executor *e = w->executor;
    struct pi_os_semaphore *wake = &e->segment.workers[w->worker].wake;
    uint64_t idle_ns = (uint64_t)e->idle_timeout_ms * PI_MS;
    bool ask = e->idle_timeout_ms > 0 && !w->asked;
    if (pi_os_semaphore_wait(wake, ask ? w->idle_since + idle_ns : PI_NEVER))
        return;
    w->asked = true;
    publish_state(w, PI_WORKER_IDLE);
    e->backend->notify(e);
    (void)pi_os_semaphore_wait(wake, PI_NEVER);
}

static void idle(struct worker *w, enum pi_phase phase)
{
    struct pi_idle *idle_mask = &w->executor->segment.header->idle;
    if (!w->idle)
        w->idle_since = pi_os_now();
    w->idle = true;
    pi_self->ended_ns = 0;
    if ((w->busy_times || w->taken > 1) && may_spin(w)) {
        pi_idle_spin(idle_mask, w->worker);
        if (pi_spin(probe_queue, w) == POSSE_OK)
            return;
    }
    pi_idle_sleep(idle_mask, w->worker);
    if (queue_has_task(w) || pi_phase_of(w->executor) != phase)
        return; /* it came in between: see core/idle.h */
    uint64_t since = pi_os_now();
    pi_note_freed(w->executor, 0);
    pi_tracer_count(w->executor);
    sleep_idle(w);
    uint64_t now = pi_os_now();
    w->busy_times = now - since < PI_SHORT_SLEEP_NS;
    pi_tracer_slept(w->executor, since, now);
    w->taken = 0;
}

/* The worker has a task: if more are queued it wakes another worker, as submitters relied on it. */
static void stop_idling(struct worker *w)
{
    w->idle = false;
    pi_idle_leave(&w->executor->segment.header->idle, w->worker);
    if (queue_has_task(w))
        pi_wake_worker(w->executor);
    if (w->asked)
        publish_state(w, PI_WORKER_READY);
    w->asked = false;
    pi_tracer_claimed(w->executor);
}

/* ---- with tasks ---- */

static bool must_exit(const struct worker *w)
{
    /* acquire: with pi_retire, which stores before its post, so a worker that this wakes sees it */
    return pi_load_acquire(&w->executor->segment.workers[w->worker].exit_requested);
}

/* After a task: retires if it was the last one. */
static void check_limits(struct worker *w)
{
    posse_executor *e = w->executor;
    bool ran_all = e->max_tasks && pi_self->ran - pi_self->ran_assigned >= e->max_tasks;
    bool has_grown = e->max_rss && pi_os_rss() - w->resident > (long)e->max_rss;
    w->retiring = ran_all || has_grown;
}

/* Waits for a post: for its exit, or by a blocked caller or the supervisor, as its state may have
 * been overwritten. It has no idle bit. */
static void await_exit(struct worker *w)
{
    posse_executor *e = w->executor;
    publish_state(w, PI_WORKER_RETIRING);
    e->backend->notify(e);
    (void)pi_os_semaphore_wait(&e->segment.workers[w->worker].wake, PI_NEVER);
}

/* An earlier task has closed the socket on which this worker asks for descriptors, or lowered its
 * limits: this task would fail here, but not in another worker. If no task has run here, it would
 * fail in another worker, too. */
static bool is_unfit(const struct worker *w, uint32_t index)
{
    posse_executor *e = w->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    return pi_self->ran > 0 && ((pi_slot_has_descriptors(slot) && !pi_descriptors_in_reach(e)) ||
                                (pi_slot_is_limited(slot) && !pi_limits_can_hold(e, slot)));
}

/* Runs what posse_broadcast has assigned to this worker. */
__attribute__((noinline)) static void run_assigned(struct worker *w, uint64_t assigned)
{
    if (w->idle)
        stop_idling(w);
    pi_run_assigned(w->executor, w->worker, assigned);
}

static bool has_pending(struct worker *w)
{
    struct pi_segment *segment = &w->executor->segment;
    return pi_lanes_count_entries(&segment->lanes, &segment->slots, 1).pending > 0;
}

/* Of a worker that needs a place (place.c): whether it may take a task. */
static bool has_place(struct worker *w, enum pi_phase phase)
{
    return (phase != PI_DRAINING || has_pending(w)) && pi_place_ready(w->executor, w->worker);
}

static void work(struct worker *w)
{
    posse_executor *e = w->executor;
    struct pi_segment *segment = &e->segment;
    while (!must_exit(w)) {
        uint64_t word;
        enum pi_phase phase = pi_phase_of(e); /* before the ring: DRAINING follows the last push */
        if (phase >= PI_STOPPING)
            return;
        if (w->retiring) {
            await_exit(w);
            continue;
        }
        if (e->runner && !has_place(w, phase)) {
            if (phase == PI_DRAINING && !has_pending(w))
                return;
            continue;
        }
        pi_see_blocks(e); /* a worker that cannot open them ends: before it has a task */
        /* acquire: with posse_broadcast */
        uint64_t assigned = pi_load_acquire(&segment->workers[w->worker].assigned);
        if (assigned != 0) {
            run_assigned(w, assigned);
            continue;
        }
        struct pi_taker taker = {w->worker, w->begun, (unsigned)pi_self->ran};
        uint32_t index = pi_lanes_claim_next(&segment->lanes, &segment->slots, &taker, &word);
        if (index == PI_NO_INDEX && phase == PI_DRAINING)
            return;
        if (index == PI_NO_INDEX) {
            idle(w, phase);
            continue;
        }
        if (w->idle)
            stop_idling(w);
        if (e->queue_limit)
            pi_wake_room(e);
        if (is_unfit(w, index)) {
            w->retiring = true; /* first: it claims no more */
            (void)pi_unclaim(e, index, word);
            continue;
        }
        pi_run(e, w->worker, index, word);
        w->taken++;
        if (e->fresh)
            pi_fresh_prepare(e);
        if (e->max_tasks || e->max_rss)
            check_limits(w);
    }
}

/* The worker is not active from EXITING on. A task for which it was woken goes to a sleeping
 * worker, or the supervisor starts one. The supervisor is notified also if no task is queued: this
 * may be the last worker, and its finalizer may take long. If the worker dies first, the supervisor
 * looks when it has reaped it. */
static void leave(struct worker *w)
{
    posse_executor *e = w->executor;
    publish_state(w, PI_WORKER_EXITING);
    pi_idle_leave(&e->segment.header->idle, w->worker);
    if (!queue_has_task(w) || !pi_wake_sleeper(e))
        e->backend->notify(e);
    if (!e->backend->kills || pi_phase_of(e) < PI_STOPPING) /* else a kill is on its way */
        pi_finalize(e, w->worker);
    if (e->owner == w->worker) /* a process has a dispatcher of its own; threads share one */
        pi_dispatch_fini(e);
    publish_state(w, PI_WORKER_EXITED);
}

/* False: the worker cannot begin, and *why says so. */
static bool begin(posse_executor *e, unsigned worker, struct pi_error *why)
{
    return pi_seal_begin(e, why) && pi_initialize(e, worker, why) &&
           (!e->backend->rearm || e->backend->rearm(e, why)) && pi_seal_worker(e, worker, why) &&
           pi_run_for_later(e, worker, why);
}

void pi_worker_loop(posse_executor *e, unsigned worker)
{
    struct pi_self self = {.executor = e, .worker = worker};
    struct worker w = {.executor = e, .worker = worker};
    w.begun = pi_add_relaxed(&e->segment.header->workers_begun, 1); /* relaxed: a number */
    struct pi_error why;
    pi_self = &self;
    pi_worker_clock_begin(e, worker);
    if (begin(e, worker, &why)) {
        self.begun = true;
        w.resident = e->max_rss ? pi_os_rss() : 0;
        if (e->backend->kills)
            pi_os_fitness_note();
        pi_place_begin(e);
        publish_state(&w, PI_WORKER_READY);
        work(&w);
        leave(&w);
    } else {
        pi_error_cell_write(&e->segment.header->initializer, worker, &why);
        publish_state(&w, PI_WORKER_FAILED);
    }
    pi_self = NULL;
}
