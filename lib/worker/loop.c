/* A worker's life: take, run, and when there is nothing to take, spin for a moment and sleep. See
 * core/idle.h for how it is woken, core/worker_record.h for its states.
 *
 * It leaves when the phase ends, or when the supervisor says so. What it would like itself (it was
 * idle for long, it has run its tasks) it only tells, and the supervisor decides, which alone knows
 * who else is there.
 */
#include "worker/loop.h"
#include "os/clock.h"
#include "os/rss.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/dispatch.h"
#include "pool/error.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/trim.h"
#include "pool/wake.h"
#include "worker/hooks.h"
#include "worker/run.h"

#define SPIN_NS 20000u
#define SPIN_ROUNDS 1000 /* far more, should the clock stand still */
#define SOON_NS 200000u  /* a sleep shorter than this would better have been spun through */

struct worker {
    posse_executor *executor;
    unsigned worker;
    /* Our bit may be set: clear it, and pass the look-out on, when there is work. */
    bool idle;
    bool busy_times;     /* work comes fast: spin before the next sleep */
    bool retiring;       /* takes nothing more */
    bool asked;          /* has told that it is idle, and has not worked since */
    unsigned taken;      /* tasks since the last sleep */
    uint64_t idle_since; /* while `idle` */
    long resident;       /* bytes of memory before its first task, if that is limited */
};

/* Release, with the supervisor, which then finds in shared memory what the worker did before. */
static void publish_state(struct worker *w, enum pi_worker_state ready)
{
    pi_store_release(&w->executor->segment.workers[w->worker].state, (uint32_t)ready);
}

/* A processor would be free for spinning, and nobody spins yet.
 * Advice only, so nothing is ordered. */
static bool may_spin(const struct worker *w)
{
    struct pi_header *header = w->executor->segment.header;
    unsigned workers = pi_workers_count(&w->executor->segment);
    uint64_t alive = pi_load_relaxed(&header->workers);
    return alive < pi_idle_count(&header->idle, workers) + w->executor->cpus &&
           !pi_idle_any_spinner(&header->idle, workers);
}

static bool work_is_there(const struct worker *w)
{
    uint64_t position;
    return pi_ring_peek(&w->executor->segment.ring, &position) != PI_NO_INDEX;
}

static bool spin(struct worker *w)
{
    pi_idle_spin(&w->executor->segment.header->idle, w->worker);
    uint64_t end = pi_os_now() + SPIN_NS;
    for (int n = 0; n < SPIN_ROUNDS && pi_os_now() < end; n++) {
        for (int i = 0; i < 16; i++) {
            if (work_is_there(w))
                return true;
            pi_pause();
        }
        pi_os_yield(); /* whoever brings work may want this very processor */
    }
    return false;
}

/* Sleeps until it is woken. When it has been idle for long it tells the supervisor, once, and
 * sleeps on: whether it may leave is not for it to say. */
static void sleep_idle(struct worker *w)
{
    posse_executor *e = w->executor;
    struct pi_os_semaphore *wake = &e->segment.workers[w->worker].wake;
    uint64_t idle_ns = (uint64_t)e->idle_timeout_ms * 1000000u;
    bool ask = e->idle_timeout_ms > 0 && !w->asked;
    if (!pi_os_semaphore_wait(wake, ask ? w->idle_since + idle_ns : PI_NEVER)) {
        w->asked = true;
        publish_state(w, PI_WORKER_IDLE);
        e->backend->notify(e);
        (void)pi_os_semaphore_wait(wake, PI_NEVER);
    }
}

static void idle(struct worker *w, enum pi_phase phase)
{
    struct pi_idle *idle = &w->executor->segment.header->idle;
    if (!w->idle)
        w->idle_since = pi_os_now();
    w->idle = true;
    if ((w->busy_times || w->taken > 1) && may_spin(w) && spin(w))
        return;
    pi_idle_sleep(idle, w->worker);
    if (work_is_there(w) ||
        pi_phase_of(w->executor) != phase) /* it came in between: see idle.h */
        return;
    uint64_t since = pi_os_now();
    pi_note_freed(w->executor, 0);
    sleep_idle(w);
    w->busy_times = pi_os_now() - since < SOON_NS;
    w->taken = 0;
}

/* We have work: others need not rely on us to look out any more. */
static void stop_idling(struct worker *w)
{
    if (!w->idle)
        return;
    w->idle = false;
    pi_idle_leave(&w->executor->segment.header->idle, w->worker);
    if (work_is_there(w))
        pi_wake_worker(w->executor);
}

static bool is_sent_away(const struct worker *w)
{
    /* with the supervisor's store, which precedes its post: whoever is woken by that sees it */
    return pi_load_acquire(&w->executor->segment.workers[w->worker].exit_requested);
}

static bool has_grown(const struct worker *w)
{
    return w->executor->max_rss && pi_os_rss() - w->resident > (long)w->executor->max_rss;
}

/* After a task: has it been the last one? */
static void look_at_limits(struct worker *w)
{
    posse_executor *e = w->executor;
    if (!(e->max_tasks && pi_self->ran >= e->max_tasks) && !has_grown(w))
        return;
    w->retiring = true;
    publish_state(w, PI_WORKER_RETIRING);
    e->backend->notify(e);
}

static void run(struct worker *w, uint32_t index, uint64_t word)
{
    posse_executor *e = w->executor;
    stop_idling(w);
    if (w->asked)
        publish_state(w, PI_WORKER_READY);
    w->asked = false;
    if (e->queue_limit)
        pi_wake_room(e);
    pi_run(e, w->worker, index, word);
    w->taken++;
    if (e->max_tasks || e->max_rss)
        look_at_limits(w);
}

static void work(struct worker *w)
{
    posse_executor *e = w->executor;
    while (!is_sent_away(w)) {
        uint64_t word;
        /* Before the ring: DRAINING comes after the last push. */
        enum pi_phase phase = pi_phase_of(e);
        if (phase >= PI_STOPPING)
            return;
        if (w->retiring) { /* it is not idle, so it is posted for this alone, or in vain */
            (void)pi_os_semaphore_wait(&e->segment.workers[w->worker].wake, PI_NEVER);
            continue;
        }
        pi_see_blocks(e); /* a worker that cannot open them goes: before it has a task */
        uint32_t index = pi_slots_claim_next(&e->segment.slots, &e->segment.ring, w->worker, &word);
        if (index != PI_NO_INDEX)
            run(w, index, word);
        else if (phase == PI_DRAINING)
            return;
        else
            idle(w, phase);
    }
}

/* Nobody may rely on us any more. A task that came for us goes to somebody else: a worker that is
 * idle, or one that the supervisor starts, as it does not count us from now on. It is told also if
 * no task is there: we may have been the last one, and our finalizer may take its time. If we die
 * first, it looks when it has buried us. */
static void leave(struct worker *w)
{
    posse_executor *e = w->executor;
    publish_state(w, PI_WORKER_EXITING);
    pi_idle_leave(&e->segment.header->idle, w->worker);
    if (!work_is_there(w) || !pi_wake_sleeper(e))
        e->backend->notify(e);
    if (!e->backend->kills || pi_phase_of(e) < PI_STOPPING) /* else the kill is on its way */
        pi_finalize(e, w->worker);
    if (e->owner == w->worker) /* a process has a mail box of its own; threads use the program's */
        pi_dispatch_fini(e);
    publish_state(w, PI_WORKER_EXITED);
}

void pi_worker_loop(posse_executor *e, unsigned worker)
{
    struct pi_self self = {.executor = e, .worker = worker};
    struct worker w = {.executor = e, .worker = worker};
    struct pi_error why;
    pi_self = &self;
    if (pi_initialize(e, worker, &why) && (!e->backend->rearm || e->backend->rearm(e, &why))) {
        w.resident = e->max_rss ? pi_os_rss() : 0;
        publish_state(&w, PI_WORKER_READY);
        work(&w);
        leave(&w);
    } else {
        pi_error_cell_write(&e->segment.header->initializer, worker, &why);
        publish_state(&w, PI_WORKER_FAILED);
    }
    pi_self = NULL;
}
