/* How many workers there are: who is started, who is sent away, and when. Called by the supervisor
 * each time it looks around, and it looks whenever it is poked and when a worker has ended.
 *
 * The staff are the workers that count: they live, or are starting, and will take another task.
 * `target` is how many there should be:
 *
 *   all at once   max_workers; less one for each that left for being idle, until a task finds
 *                 none free
 *   on demand     those who are there, but at least min_workers; more when a task finds none free
 *   DRAINING      those who are there, unless a task waits; if nobody is there, as on demand
 *   STOPPING      none is started
 *
 * In DRAINING those who are there end once nothing waits, but that is not the end of it: a worker
 * that was sent away, or abandoned, is staff no more and may still submit tasks, or leave its own
 * to be run again. So an executor without staff grows, whatever its options say.
 *
 * A worker that retires is staff no more, so another is started; it may go when nobody is missing.
 *
 * A start that comes to nothing puts the next one off, twice as long each time, up to a second. It
 * breaks the pool only if it fails by itself, again and again:
 *
 *   the worker                                  counts as   the pool breaks
 *   cannot be started                           failure     after ten in a row that took half a
 *   exits, or dies of a signal of its own       failure     second, if no worker works
 *   ... in the initializer, or this fails       stumble     after three in a row
 *   is killed by a signal that others send      nothing     never
 *
 * No task is left without a worker. Each of these steps is seq, so of two that may cross one sees
 * the other:
 *
 *   who          does                                 then
 *   submitter    pushes                               wakes an idle worker; if there is none and
 *                                                     may_grow, pokes
 *   worker       sets `current`, when it has claimed  the ring is not empty: as a submitter
 *                a task or is back from an inner one
 *   ... leaves   clears its idle bits                 the ring is not empty: wakes another, forced;
 *                                                     unless it has woken one, pokes
 *   supervisor   sets may_grow, reads each `current`  counts what is READY in the ring: as many as
 *                                                     are more than the workers that are not busy
 *                                                     are started
 *
 * A task that waits was pushed before the count, or its submitter sees may_grow and pokes. A worker
 * that was not busy when it was looked at and is a moment later looks at the ring itself. One that
 * leaves or dies is looked at no more, and then the tasks are counted again. So each task that is
 * READY has a worker that will look at the ring, or as many as there may be are busy. The model is
 * tests/model/staff.pml, DRAINING included.
 */
#include "supervisor/scale.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "supervisor/backlog.h"
#include "supervisor/recover.h"
#include "supervisor/supervisor.h"

#include <errno.h>

/* Before the pool is broken: see the table. */
#define MAX_START_FAILURES 10
#define MAX_INIT_FAILURES 3
#define MAX_DOUBLINGS 10 /* of pi_retry_ns */
#define MIN_FAILING 500  /* times pi_retry_ns */

uint64_t pi_retry_ns = 1000000u;

/* ---- who is there ---- */

static enum pi_worker_state ready_of(const struct pi_supervisor *s, unsigned worker)
{
    /* with the release of the worker, or of prepare_seat */
    return (enum pi_worker_state)pi_load_acquire(&s->executor->segment.workers[worker].state);
}

bool pi_is_active(const struct pi_supervisor *s, unsigned worker)
{
    const struct pi_child *child = &s->children[worker];
    if (child->state != PI_CHILD_ALIVE || child->told_to_exit || child->retiring)
        return false;
    enum pi_worker_state ready = ready_of(s, worker);
    return ready != PI_WORKER_EXITING && ready != PI_WORKER_EXITED;
}

static bool works(const struct pi_supervisor *s, unsigned worker)
{
    return pi_is_active(s, worker) && s->children[worker].initialized &&
           ready_of(s, worker) != PI_WORKER_FAILED;
}

void pi_note_initialized(struct pi_supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        enum pi_worker_state ready = ready_of(s, i);
        if (s->children[i].state == PI_CHILD_EMPTY || s->children[i].initialized ||
            ready == PI_WORKER_STARTING || ready == PI_WORKER_FAILED)
            continue;
        s->children[i].initialized = true;
        s->put_off = s->start_failures = s->init_failures = 0;
    }
}

static void count_staff(struct pi_supervisor *s)
{
    s->active = 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->children[i].state == PI_CHILD_ALIVE && ready_of(s, i) == PI_WORKER_RETIRING)
            s->children[i].retiring = true;
        s->active += pi_is_active(s, i);
    }
}

/* ---- starting ---- */

static unsigned free_seat(const struct pi_supervisor *s)
{
    unsigned worker = 0;
    while (worker < PI_MAX_WORKERS && s->children[worker].state != PI_CHILD_EMPTY)
        worker++;
    return worker;
}

/* The semaphore of the last worker may count a sleeper that died, if it is the C library's. If that
 * worker left on purpose somebody may be about to post it, which does no harm. 0 or an errno. */
static int prepare_semaphore(struct pi_child *last, struct pi_worker *worker)
{
    if (last->used && last->exited)
        return 0;
    if (last->used)
        pi_os_semaphore_fini(&worker->wake);
    last->used = false; /* until there is one again */
    return pi_os_semaphore_init(&worker->wake);
}

/* Makes a worker ready for a new worker: as no worker has it, nobody else writes there. 0 or an
 * errno. */
static int prepare_seat(struct pi_supervisor *s, unsigned number)
{
    posse_executor *e = s->executor;
    struct pi_worker *worker = &e->segment.workers[number];
    struct pi_child *child = &s->children[number];
    if (number >= e->workers && number >= s->n_workers && !pi_grow_workers(e, number, number + 1))
        return errno;
    if (child->escaped)
        pi_reparent(s, number);
    child->escaped = false;
    int error = prepare_semaphore(child, worker);
    if (error)
        return error;
    pi_store_relaxed(&worker->exit_requested,
                     0); /* relaxed, all: the worker is started after this */
    pi_store_relaxed(&worker->escaped, 0);
    pi_store_relaxed(&worker->suspect, 0);
    pi_store_relaxed(&worker->touched, 0);
    pi_store_relaxed(&worker->walk, 0);
    pi_store_release(&worker->state, PI_WORKER_STARTING);
    *child = (struct pi_child){.used = true, .executor = e, .worker = number};
    if (number >= s->n_workers) {
        s->n_workers = number + 1;
        (void)pi_monotonic_raise(&e->segment.workers_count,
                                 s->n_workers); /* before its first sleep */
    }
    return 0;
}

void pi_delay_starts(struct pi_supervisor *s)
{
    uint64_t now = pi_os_now();
    if (s->retry_at != PI_NEVER && now < s->retry_at)
        return; /* another start of the same round did */
    unsigned doublings = s->put_off < MAX_DOUBLINGS ? s->put_off : MAX_DOUBLINGS;
    s->retry_at = now + (pi_retry_ns << doublings);
    s->put_off++;
}

static bool anyone_works(const struct pi_supervisor *s)
{
    bool anyone = false;
    for (unsigned i = 0; i < s->n_workers && !anyone; i++)
        anyone = works(s, i);
    return anyone;
}

void pi_start_failed(struct pi_supervisor *s)
{
    uint64_t now = pi_os_now();
    if (s->start_failures++ == 0)
        s->failing_since = now;
    pi_delay_starts(s);
    bool again_and_again = s->start_failures >= MAX_START_FAILURES &&
                           now - s->failing_since >= MIN_FAILING * pi_retry_ns;
    if (s->init_failures >= MAX_INIT_FAILURES || (again_and_again && !anyone_works(s)))
        pi_break(s->executor, &s->why);
}

/* Relaxed: counts for statistics, which we alone write. */
static void count_worker(struct pi_header *header, int change)
{
    pi_store_relaxed(&header->workers, pi_load_relaxed(&header->workers) + (uint64_t)change);
    pi_store_relaxed(&header->workers_started,
                     pi_load_relaxed(&header->workers_started) + (uint64_t)change);
}

/* Starts one worker. False: it could not, now. */
static bool start_one(struct pi_supervisor *s)
{
    struct pi_header *header = s->executor->segment.header;
    unsigned worker = free_seat(s);
    if (worker >= PI_MAX_WORKERS)
        return false; /* all are held by threads that do not return; one of them ends first */
    count_worker(header, 1); /* before it can be seen to work */
    s->error = prepare_seat(s, worker);
    if (s->error == 0)
        s->error = s->executor->backend->spawn(s, worker);
    if (s->error) {
        count_worker(header, -1);
        s->why = pi_error_from_errno("workers could not be started", s->error);
        pi_start_failed(s);
        return false;
    }
    s->children[worker].state = PI_CHILD_ALIVE;
    s->alive++;
    s->active++;
    return true;
}

static void start_missing(struct pi_supervisor *s)
{
    bool now = s->retry_at == PI_NEVER || pi_os_now() >= s->retry_at;
    if (now)
        s->retry_at = PI_NEVER;
    while (now && s->active < s->target && start_one(s) && s->begun)
        ;
    s->missing = s->target > s->active ? s->target - s->active : 0;
}

/* ---- how many ---- */

/* The program may have asked for another number. What it says is in shared memory. */
static void look_at_max(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    unsigned max = pi_max_workers(e, s->max);
    if (max > s->max && !e->on_demand)
        s->target = max;
    s->max = max;
}

static void look_at_demand(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    bool draining = s->phase_seen == PI_DRAINING;
    bool elastic = e->on_demand || e->idle_timeout_ms > 0 || (draining && s->active == 0);
    bool grows = elastic && s->active < s->max;
    if (e->on_demand)
        s->target = s->active > e->min_workers ? s->active : e->min_workers;
    if (pi_load_relaxed(&e->segment.header->grow_on_demand) !=
        grows)                                                   /* relaxed: only we write it */
        pi_store_seq(&e->segment.header->grow_on_demand, grows); /* before the count */
    unsigned more = grows ? pi_backlog(s) : 0;
    if (more > 0 && s->active + more > s->target)
        s->target = s->active + more;
    if (draining && s->target > s->active && !(grows ? more > 0 : pi_has_backlog(s)))
        s->target = s->active;
    if (s->target > s->max)
        s->target = s->max;
}

/* ---- sending away ---- */

void pi_retire(struct pi_supervisor *s, unsigned worker)
{
    struct pi_worker *at = &s->executor->segment.workers[worker];
    s->active -= pi_is_active(s, worker);
    s->children[worker].told_to_exit = true;
    pi_store_release(&at->exit_requested, 1); /* with the worker's look before each task */
    pi_os_semaphore_post(&at->wake);
}

/* Those that retire may go when others are in their place, or there is no worker for these. */
static void let_retire(struct pi_supervisor *s)
{
    unsigned keep = free_seat(s) < PI_MAX_WORKERS ? s->missing : 0;
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_child *child = &s->children[i];
        if (child->state != PI_CHILD_ALIVE || !child->retiring || child->told_to_exit)
            continue;
        if (keep > 0)
            keep--;
        else
            pi_retire(s, i);
    }
}

/* Those that asked to, as long as enough stay and nothing waits. What comes meanwhile is counted
 * when they do not count any more. */
static void let_idle_go(struct pi_supervisor *s)
{
    bool looked = false;
    for (unsigned i = s->n_workers; i-- > 0 && s->active > s->executor->min_workers;) {
        if (!pi_is_active(s, i) || ready_of(s, i) != PI_WORKER_IDLE)
            continue;
        if (!looked && pi_has_backlog(s))
            return;
        looked = true;
        pi_retire(s, i);
        s->target = s->target < s->active ? s->target : s->active;
    }
}

/* More than there may be, those without a task first. */
static void shrink(struct pi_supervisor *s, bool busy_too)
{
    for (unsigned i = s->n_workers; i-- > 0 && s->active > s->max;)
        if (pi_is_active(s, i) && (busy_too || !pi_task_of(s, i)))
            pi_retire(s, i);
}

/* First those who go, so that the count of what waits is after that, and may_grow says so. */
void pi_scale(struct pi_supervisor *s)
{
    (void)pi_workers_count(&s->executor->segment); /* puts it right, should a task have scribbled */
    count_staff(s);
    if (s->phase_seen >= PI_STOPPING) {
        s->missing = 0;
        return;
    }
    look_at_max(s);
    shrink(s, false);
    shrink(s, true);
    if (s->executor->idle_timeout_ms > 0 && s->phase_seen == PI_OPEN)
        let_idle_go(s);
    look_at_demand(s);
    start_missing(s);
    let_retire(s);
}
