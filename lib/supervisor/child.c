/* Runs in: supervisor.
 *
 * One worker, as the supervisor sees it: its state, its start, the request to exit.
 *
 * A failed start puts the next one off, twice as long each time, up to a second. The executor
 * breaks only if starts fail by themselves, again and again:
 *
 *   the worker                                counts as      the executor breaks
 *   cannot be started                         start failure  after ten in a row, if they took half
 *   exits, or dies of a signal of its own     start failure  a second and no worker works
 *   ... in the initializer, or this fails     init failure   after three in a row
 *   is killed by a signal that others send    nothing        never
 */
#include "supervisor/child.h"
#include "base/assert.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/fd_wait.h"
#include "os/kept_output.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/tracer.h"
#include "pool/grow.h"
#include "pool/phase.h"
#include "pool/report.h"
#include "supervisor/crash_block.h"

#include <errno.h>

uint64_t pi_retry_ns = PI_FIRST_RETRY_NS;

/* ---- what it does ---- */

enum pi_worker_state pi_worker_state(const struct pi_supervisor *s, unsigned worker)
{
    /* acquire: with publish_state in loop.c, and with prepare */
    return (enum pi_worker_state)pi_load_acquire(&s->executor->segment.workers[worker].state);
}

bool pi_is_active(const struct pi_supervisor *s, unsigned worker)
{
    const struct pi_child *child = &s->children[worker];
    if (child->state != PI_CHILD_ALIVE || child->told_to_exit || child->retiring)
        return false;
    enum pi_worker_state state = pi_worker_state(s, worker);
    return state != PI_WORKER_EXITING && state != PI_WORKER_EXITED;
}

uint64_t pi_current_task(const struct pi_supervisor *s, unsigned worker)
{
    struct pi_slots *slots = &s->executor->segment.slots;
    uint32_t current = pi_load_seq(&s->executor->segment.workers[worker].current); /* see scale.c */
    uint64_t word = current ? pi_slots_word(slots, current - 1) : 0;
    if (!pi_is_run_by(word, worker))
        return 0; /* the task has ended: the worker is about to look at the ring */
    return pi_task_name(current - 1, word);
}

void pi_note_initialized(struct pi_supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_child *child = &s->children[i];
        enum pi_worker_state state = pi_worker_state(s, i);
        if (child->state == PI_CHILD_EMPTY || child->initialized || state == PI_WORKER_STARTING ||
            state == PI_WORKER_FAILED)
            continue;
        child->initialized = true;
        s->put_off = s->start_failures = s->init_failures = 0;
    }
}

/* ---- failed starts ---- */

void pi_delay_starts(struct pi_supervisor *s)
{
    uint64_t now = pi_os_now();
    if (s->retry_at != PI_NEVER && now < s->retry_at)
        return; /* another start of the same round has failed, too */
    unsigned doublings = s->put_off < PI_MAX_DOUBLINGS ? s->put_off : PI_MAX_DOUBLINGS;
    s->retry_at = now + (pi_retry_ns << doublings);
    s->put_off++;
}

static bool anyone_works(const struct pi_supervisor *s)
{
    for (unsigned i = 0; i < s->n_workers; i++)
        if (pi_is_active(s, i) && s->children[i].initialized &&
            pi_worker_state(s, i) != PI_WORKER_FAILED)
            return true;
    return false;
}

void pi_start_failed(struct pi_supervisor *s)
{
    uint64_t now = pi_os_now();
    if (s->start_failures++ == 0)
        s->failing_since = now;
    pi_delay_starts(s);
    bool again_and_again = s->start_failures >= PI_MAX_START_FAILURES &&
                           now - s->failing_since >= PI_MIN_FAILING * pi_retry_ns;
    if (s->init_failures >= PI_MAX_INIT_FAILURES || (again_and_again && !anyone_works(s)))
        pi_break(s->executor, &s->why);
}

/* ---- start and exit ---- */

static unsigned empty_child(const struct pi_supervisor *s)
{
    unsigned worker = 0;
    while (worker < PI_MAX_WORKERS && s->children[worker].state != PI_CHILD_EMPTY)
        worker++;
    return worker;
}

bool pi_can_start(const struct pi_supervisor *s) { return empty_child(s) < PI_MAX_WORKERS; }

/* Makes a record ready for a new worker. No worker has it, so nobody else writes there. 0 or an
 * errno. */
static int prepare(struct pi_supervisor *s, unsigned number)
{
    posse_executor *e = s->executor;
    struct pi_worker *worker = &e->segment.workers[number];
    if (number >= e->workers && number >= s->n_workers && !pi_grow_workers(e, number, number + 1))
        return errno;
    pi_os_semaphore_drain(&worker->wake); /* a post that comes late only makes the worker look */
    _Atomic uint32_t *const cleared[] = {&worker->exit_requested, &worker->escaped,
                                         &worker->suspect,        &worker->touched,
                                         &worker->walk,           &worker->forbidden};
    for (size_t i = 0; i < sizeof cleared / sizeof cleared[0]; i++)
        pi_store_relaxed(cleared[i], 0); /* relaxed: published by the start of the worker */
    pi_store_release(&worker->state, PI_WORKER_STARTING); /* with pi_worker_state */
    s->children[number] =
        (struct pi_child){.executor = e, .worker = number, .next_deadline = PI_NEVER, .output = -1};
    if (number < s->n_workers)
        return 0;
    s->n_workers = number + 1;
    (void)pi_monotonic_raise(&e->segment.workers_count, s->n_workers); /* before its first sleep */
    return 0;
}

void pi_publish_alive(struct pi_supervisor *s)
{
    pi_store_relaxed(&s->executor->segment.header->workers, s->alive); /* relaxed: only counts */
}

static void count_start(struct pi_supervisor *s, int change)
{
    _Atomic uint64_t *started = &s->executor->segment.header->workers_started;
    s->alive += (unsigned)change;
    pi_publish_alive(s);
    /* relaxed: statistics, which the supervisor alone writes */
    pi_store_relaxed(started, pi_load_relaxed(started) + (uint64_t)change);
}

/* If another worker has the same block, a task has freed it. */
static void acquire_record(struct pi_supervisor *s, unsigned worker)
{
    pi_block_ref ref = pi_crash_block_acquire(s->executor);
    for (unsigned i = 0; ref && i < s->n_workers; i++)
        if (s->children[i].crash_block == ref)
            s->children[i].crash_block = 0;
    s->children[worker].crash_block = ref;
}

static void report_start(struct pi_supervisor *s, unsigned worker)
{
    const struct pi_worker_event event = {.kind = PI_WORKER_REPLACED, .worker = worker};
    if (s->unreplaced == 0)
        return;
    s->unreplaced--;
    pi_report_worker(s->executor, &event);
}

bool pi_start_worker(struct pi_supervisor *s)
{
    unsigned worker = empty_child(s);
    if (worker >= PI_MAX_WORKERS)
        return false;  /* threads that do not return have all records; one of them ends first */
    count_start(s, 1); /* before anyone can see it work */
    s->error = prepare(s, worker);
    if (s->error == 0) {
        acquire_record(s, worker);
        if (s->executor->keep_stderr)
            s->children[worker].output = pi_os_output_create();
        s->error = s->executor->backend->spawn(s, worker);
    }
    if (s->error) {
        pi_crash_block_release(s->executor, &s->children[worker].crash_block);
        pi_os_close(s->children[worker].output);
        count_start(s, -1);
        s->why = pi_error_from_errno("workers could not be started", s->error);
        pi_start_failed(s);
        return false;
    }
    struct pi_trace_mark started = {PI_TRACE_START, worker, {(uint64_t)s->children[worker].pid}};
    pi_tracer_mark(s->executor, &started);
    s->children[worker].state = PI_CHILD_ALIVE;
    s->active++;
    report_start(s, worker);
    return true;
}

void pi_end_place_wait(struct pi_supervisor *s, unsigned worker)
{
    if (s->executor->runner && s->children[worker].state != PI_CHILD_EMPTY)
        s->executor->backend->signal(s, worker, PI_OS_LOOK_AGAIN);
}

void pi_retire(struct pi_supervisor *s, unsigned worker)
{
    struct pi_worker *at = &s->executor->segment.workers[worker];
    PI_ASSERT(s->children[worker].state != PI_CHILD_EMPTY);
    s->active -= pi_is_active(s, worker);
    s->children[worker].told_to_exit = true;
    uint32_t none = 0;
    (void)pi_cas(&at->exit_requested, &none, PI_EXIT_AFTER_TASK); /* with must_exit in loop.c */
    pi_os_semaphore_post(&at->wake);
    pi_end_place_wait(s, worker);
}
