/* Runs in: supervisor.
 *
 * One thread that starts workers (scale.c), sees them die, repairs what they left (recover.c), and
 * ends tasks that are late or that somebody kills (deadline.c). With processes it is a process of
 * its own, with threads a thread.
 *
 * Only the end of a task waits for the supervisor: when its worker has died, or must be killed. The
 * supervisor waits for no other process: in each round it looks, acts, and goes on.
 */
#include "supervisor/supervisor.h"
#include "base/assert.h"
#include "base/probe.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/tracer.h"
#include "pool/finish.h"
#include "pool/phase.h"
#include "pool/report.h"
#include "pool/wake.h"
#include "pool/worker_clock.h"
#include "supervisor/drop_assigned.h"
#include "supervisor/child.h"
#include "supervisor/crash_block.h"
#include "supervisor/deadline.h"
#include "supervisor/recover.h"
#include "supervisor/scale.h"
#include "supervisor/serve.h"

#include <stdlib.h>
#include <string.h>

struct pi_supervisor *pi_supervisor_create(posse_executor *e)
{
    struct pi_supervisor *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->executor = e;
    s->target = e->on_demand ? e->min_workers : e->workers;
    s->max = e->workers;
    s->phase_seen = PI_OPEN;
    s->retry_at = s->kill_at = s->trim.at = PI_NEVER;
    s->socket = s->program = s->requests[0] = s->requests[1] = s->asker = -1;
    return s;
}

void pi_supervisor_destroy(struct pi_supervisor *s) { free(s); }

int pi_supervisor_begin(struct pi_supervisor *s)
{
    s->begun = !s->executor->backend->kills; /* a fork copies page tables, a thread costs little */
    pi_scale(s);
    s->begun = true;
    return s->alive > 0 ? 0 : s->error;
}

/* ---- ends of workers ---- */

/* The error that this worker's initializer wrote. If it failed and wrote none, the error of another
 * worker that failed at the same time. False: there is none. Clears what this worker wrote, also if
 * the worker died while it wrote, so that the next one may write. */
static bool take_error(struct pi_supervisor *s, unsigned worker, enum pi_worker_state state,
                       struct pi_error *why)
{
    struct pi_error_cell *cell = &s->executor->segment.header->initializer;
    uint32_t written = pi_load_acquire(&cell->state); /* with pi_error_cell_write */
    bool its = written != 0 && (written & 0xffff) == worker;
    struct pi_error said;
    bool whole = (its || state == PI_WORKER_FAILED) && pi_error_cell_read(cell, &said);
    if (its)
        pi_store_release(&cell->state, 0); /* with the CAS of the next pi_error_cell_write */
    if (whole) {
        *why = said;
        why->death = (struct pi_death){.pid = -1};
    }
    return whole;
}

/* Whether another process has killed the worker. A process brings these signals on itself, and
 * would again; others come from a person, a program, or the kernel when memory runs out. */
static bool was_killed(const struct pi_death *death)
{
    static const int own[] = {SIGABRT, SIGALRM, SIGBUS,  SIGFPE,  SIGILL, SIGPIPE,
                              SIGSEGV, SIGSYS,  SIGTRAP, SIGXCPU, SIGXFSZ};
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (death->signal == own[i])
            return false;
    return death->signal != 0;
}

/* What a death means for the executor: nothing, unless the worker died in its start, or the options
 * say POSSE_BREAK. */
static void apply_loss_policy(struct pi_supervisor *s, unsigned worker, enum pi_worker_state state,
                              const struct pi_death *death)
{
    posse_executor *e = s->executor;
    bool failed = state == PI_WORKER_FAILED;
    const struct pi_child *child = &s->children[worker];
    /* relaxed: it has died. What a task may have written there only keeps the executor whole. */
    uint32_t exit = pi_load_relaxed(&e->segment.workers[worker].exit_requested); /* as said */
    bool by_us = child->killed || child->terminated || exit == PI_EXIT_AT_ONCE ||
                 s->phase_seen >= PI_STOPPING;
    if (by_us || state == PI_WORKER_EXITED || state == PI_WORKER_EXITING)
        return;
    struct pi_error why = pi_error_from_death(death);
    why.failures = state == PI_WORKER_STARTING && e->hooks.initializer.fn; /* it died in it */
    if (!failed && e->break_on_loss)
        pi_break(e, &why);
    if (!failed && state != PI_WORKER_STARTING)
        return;
    bool said = take_error(s, worker, state, &why);
    if (!failed && !said && was_killed(death)) {
        pi_delay_starts(s);
        return;
    }
    if (failed && !said && s->init_failures > 0) {
        why = s->why;
    } else if (failed && !said) {
        why = pi_error_from_words("the initializer failed");
        why.failures = e->hooks.initializer.fn != NULL;
    }
    s->why = why;
    if (e->hooks.initializer.fn)
        s->init_failures++;
    if (why.failures > 0)
        s->why.failures = (int32_t)s->init_failures;
    pi_start_failed(s);
}

/* The state of a dead worker, as far as it is believed: a task may have overwritten it. A worker
 * that failed or exited was in no task, and one that exited has ended with 0. A worker that once
 * ended its initializer did not die in it. If a true exit is not believed, only what the worker had
 * handed to others is lost. */
static enum pi_worker_state final_state(const struct pi_supervisor *s, unsigned worker,
                                        const struct pi_os_death *how)
{
    enum pi_worker_state state = pi_worker_state(s, worker);
    /* acquire: with pop_task in end.c */
    bool in_task = pi_load_acquire(&s->executor->segment.workers[worker].current) != 0;
    bool started = state == PI_WORKER_STARTING || state == PI_WORKER_FAILED;
    bool exits = state == PI_WORKER_EXITING || state == PI_WORKER_EXITED;
    if (in_task || (started && s->children[worker].initialized) || (!started && !exits))
        return PI_WORKER_READY;
    bool clean = !how->signal && !how->exit_code;
    return state == PI_WORKER_EXITED && !clean ? PI_WORKER_EXITING : state;
}

/* The system call of which a sealed worker has died: see worker/sealed.c. */
static uint32_t forbidden_call(posse_executor *e, unsigned worker, const struct pi_os_death *how)
{
    if (!e->seal || how->signal != SIGSYS)
        return 0;
    /* acquire: with on_forbidden in os/seal.c */
    uint32_t call = pi_load_acquire(&e->segment.workers[worker].forbidden);
    return call ? call : PI_UNKNOWN_CALL;
}

/* The task that it ran, which is not recovered yet. */
static void note_task(const struct pi_supervisor *s, unsigned worker, struct pi_worker_event *event)
{
    posse_executor *e = s->executor;
    uint64_t task = pi_current_task(s, worker);
    event->task = (uint32_t)task;
    event->generation = (uint32_t)(task >> 32);
    if (!task)
        return;
    pi_see_blocks(e); /* the details may lie there */
    const struct pi_details *details = pi_slot_details(e, &e->segment.slots.at[event->task - 1]);
    if (details)
        memcpy(event->name, details->name, sizeof event->name - 1);
}

/* A worker that posse_destroy or its like has ended is not told. */
static void note_loss(struct pi_supervisor *s, unsigned worker, const struct pi_death *death)
{
    pi_increment(&s->executor->segment.header->workers_lost);
    if (s->phase_seen >= PI_STOPPING)
        return;
    struct pi_worker_event event = {PI_WORKER_LOST, worker, .death = *death};
    note_task(s, worker, &event);
    pi_report_worker(s->executor, &event);
    s->unreplaced++;
}

/* The worker's group is killed while its pid is still its own: so dies what its tasks started. */
static void reap_worker(struct pi_supervisor *s, unsigned worker, const struct pi_os_death *how)
{
    posse_executor *e = s->executor;
    struct pi_worker *record = &e->segment.workers[worker];
    struct pi_child *child = &s->children[worker];
    struct pi_death death = {.signal = how->signal,
                             .exit_code = how->exit_code,
                             .pid = child->pid,
                             .forbidden = forbidden_call(e, worker, how)};
    PI_ASSERT(child->state != PI_CHILD_EMPTY && s->alive > 0);
    pi_note_initialized(s); /* it may have ended its initializer just before */
    enum pi_worker_state state = final_state(s, worker, how);
    e->backend->signal(s, worker, SIGKILL);
    pi_tracer_death(e, worker, &death);
    PI_PROBE(loss, e, worker, death.pid, death.signal);
    pi_worker_clock_end(e, worker);
    e->backend->reap(s, worker);
    child->state = PI_CHILD_EMPTY;
    pi_crash_block_keep(e, child->crash_block, &child->output); /* before its task is seen to end */
    bool exited = state == PI_WORKER_EXITED;
    s->alive--;
    pi_publish_alive(s);
    if (state == PI_WORKER_READY || state == PI_WORKER_STARTING)
        note_loss(s, worker, &death);
    if (child->suspect)
        pi_store_relaxed(&record->walk, 1); /* relaxed: the supervisor alone reads it now */
    if (!exited && s->phase_seen < PI_DEAD) /* DEAD: all callers know that no task ends */
        pi_recover(e, worker, &death, child->crash_block);
    else if (!exited || pi_load_acquire(&record->escaped)) /* with pi_mark_escaping */
        pi_reparent(e, worker);
    pi_crash_block_release(e, &child->crash_block);
    apply_loss_policy(s, worker, state, &death);
}

/* No caller may rely on a stopped worker: others are woken for what is queued. */
static void note_stopped(struct pi_supervisor *s, unsigned worker)
{
    s->children[worker].stopped = true;
    pi_idle_leave(&s->executor->segment.header->idle, worker);
    pi_wake_all_workers(s->executor);
}

static void note_continued(struct pi_supervisor *s, unsigned worker)
{
    s->children[worker].stopped = false;
    pi_os_semaphore_post(&s->executor->segment.workers[worker].wake); /* it looks at the ring */
}

static void check_workers(struct pi_supervisor *s)
{
    pi_note_initialized(s); /* before failures are counted */
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_os_death death;
        if (s->children[i].state == PI_CHILD_EMPTY)
            continue;
        switch (s->executor->backend->event(s, i, &death)) {
        case PI_OS_DEAD: reap_worker(s, i, &death); break;
        case PI_OS_STOPPED: note_stopped(s, i); break;
        case PI_OS_CONTINUED: note_continued(s, i); break;
        default: break;
        }
    }
}

/* ---- phases ---- */

static void signal_all(struct pi_supervisor *s, int signal)
{
    for (unsigned i = 0; i < s->n_workers; i++)
        if (s->children[i].state != PI_CHILD_EMPTY)
            s->executor->backend->signal(s, i, signal);
}

/* Sends each signal once. Workers that SIGTERM did not end are killed after PI_GRACE_NS. */
static void end_workers(struct pi_supervisor *s, int signal)
{
    if (s->kill_at != PI_NEVER && pi_os_now() >= s->kill_at)
        signal = SIGKILL;
    if (signal == s->sent || s->sent == SIGKILL)
        return;
    signal_all(s, signal);
    s->sent = signal;
    s->kill_at = signal == SIGTERM ? pi_os_now() + PI_GRACE_NS : PI_NEVER;
}

static void check_phase(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    static const int signals[] = {0, SIGTERM, SIGKILL}; /* of enum pi_stop */
    enum pi_phase phase = pi_phase_of(e);
    if (phase == PI_STOPPING)
        end_workers(s, signals[pi_monotonic_get(&e->segment.stop)]);
    else if (phase >= PI_CLOSED) /* CLOSED only if it is damaged: the supervisor alone sets it */
        end_workers(s, SIGKILL);
    for (unsigned i = 0; s->phase_seen != phase && i < s->n_workers; i++)
        pi_end_place_wait(s, i);
    if (s->phase_seen != phase)
        pi_wake_all_workers(e);
    s->phase_seen = phase;
}

/* No worker is left, so nobody will run what is pending. */
static void close_pool(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    if (s->phase_seen < PI_DEAD)
        pi_cancel_all(e);
    (void)pi_raise_phase(e, PI_CLOSED);
    pi_wake_all_parkers(e);
}

/* ---- rounds ---- */

/* When the next round is due. It is published before the deadlines are read, so a worker that sets
 * an earlier one afterwards sees that it must notify (core/worker_record.h). */
static uint64_t plan(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    uint64_t next = pi_earlier(s->missing ? s->retry_at : PI_NEVER, s->kill_at);
    next = pi_earlier(next, s->trim.at);
    pi_store_seq(&segment->header->next_check_ns, 0);
    for (unsigned i = 0; i < s->n_workers; i++) {
        uint64_t deadline = pi_load_seq(&segment->workers[i].deadline_ns);
        if (s->children[i].state == PI_CHILD_EMPTY)
            continue;
        next = pi_earlier(next, s->children[i].next_deadline);
        if (deadline > s->checked_ns)
            next = pi_earlier(next, deadline);
    }
    pi_store_seq(&segment->header->next_check_ns, next == PI_NEVER ? 0 : next);
    return next;
}

/* Tasks that wait in their groups come into the queue later. */
static bool is_awaited(const struct pi_supervisor *s)
{
    /* seq: after the phase; with count_withheld_locked, in task_member.c */
    uint32_t withheld = pi_load_seq(&s->executor->segment.header->withheld);
    return s->phase_seen == PI_DRAINING && withheld > 0;
}

void pi_supervisor_run(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    for (;;) {
        if (s->put_off == 0) /* else it sees pending tasks, and can start no worker for them */
            pi_increment(&e->segment.header->supervisor_rounds);
        check_workers(s);
        pi_publish_alive(s); /* a task may have overwritten it */
        pi_increment(&e->segment.header->supervisor_walks);
        pi_enforce_deadlines(s);
        check_phase(s); /* before pi_scale: that must not look at the ring before DRAINING */
        pi_scale(s);
        pi_drop_assigned(s); /* after it: workers may be inactive now */
        if (pi_phase_of(e) != s->phase_seen)
            continue;
        if (s->alive == 0 && s->missing == 0 && s->phase_seen >= PI_DRAINING && !is_awaited(s))
            break;
        if (s->phase_seen == PI_OPEN)
            pi_trim_when_due(e, &s->trim);
        else
            s->trim.at = PI_NEVER; /* all memory goes soon */
        pi_serve_sweep(s);         /* after all that may end tasks */
        if (!e->backend->sleep(s, plan(s))) {
            signal_all(s, SIGKILL); /* the program has died: nobody is left that reads anything */
            return;
        }
    }
    close_pool(s);
}
