/* The supervisor: one thread that starts workers (scale.c), sees them die, repairs what they left
 * (recover.c), and kills those whose task is over its deadline or was killed (deadline.c). With
 * processes it is a process of its own, with threads a thread.
 *
 * Nothing waits for it but the end of tasks whose worker died or is to be killed, and it waits for
 * nobody: each of its steps looks, acts, and goes on.
 */
#include "supervisor/supervisor.h"
#include "os/clock.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/finish.h"
#include "pool/phase.h"
#include "pool/pool.h"
#include "pool/sync.h"
#include "pool/trim.h"
#include "pool/wake.h"
#include "supervisor/deadline.h"
#include "supervisor/recover.h"
#include "supervisor/scale.h"

#include <errno.h>
#include <stdlib.h>

#define GRACE_NS 1000000000u /* between SIGTERM and SIGKILL */

struct pi_supervisor *pi_supervisor_create(posse_executor *e)
{
    struct pi_supervisor *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    if (pi_os_semaphore_init(&s->poked) != 0) {
        free(s);
        return NULL;
    }
    s->executor = e;
    s->target = e->on_demand ? e->min_workers : e->workers;
    s->max = e->workers;
    s->phase_seen = PI_OPEN;
    s->retry_at = s->kill_at = s->trim.at = PI_NEVER;
    s->socket = s->program = -1;
    return s;
}

void pi_supervisor_destroy(struct pi_supervisor *s)
{
    if (!s)
        return;
    pi_os_semaphore_fini(&s->poked);
    free(s);
}

int pi_supervisor_begin(struct pi_supervisor *s)
{
    s->begun =
        !s->executor->backend->kills; /* a thread costs nothing, a fork a copy of page tables */
    pi_scale(s);
    s->begun = true;
    return s->alive > 0 ? 0 : s->error;
}

/* ---- ends ---- */

/* What the initializer has said that failed in a worker, or, if several failed at once, in another.
 * False: nothing. The place is free then for the next one, also if the worker died while it
 * wrote. */
static bool take_reason(struct pi_supervisor *s, unsigned worker, bool others, struct pi_error *why)
{
    struct pi_error_cell *report = &s->executor->segment.header->initializer;
    uint32_t state = pi_load_acquire(&report->state); /* with pi_error_cell_write */
    bool its = state != 0 && (state & 0xffff) == worker;
    struct pi_error said;
    bool whole = (its || others) && pi_error_cell_read(report, &said);
    if (its)
        pi_store_release(&report->state, 0); /* with the CAS of the next that fails */
    if (whole) {
        *why = said;
        why->death = (struct pi_death){.pid = -1};
    }
    return whole;
}

/* Whether somebody else has killed the worker. A process brings these on itself, and would again;
 * the other signals come from a person, a program, or the kernel when memory runs out. */
static bool was_killed(const struct pi_death *death)
{
    static const int own[] = {SIGABRT, SIGALRM, SIGBUS,  SIGFPE,  SIGILL, SIGPIPE,
                              SIGSEGV, SIGSYS,  SIGTRAP, SIGXCPU, SIGXFSZ};
    bool is_own = death->signal == 0; /* it has exited */
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        is_own |= death->signal == own[i];
    return !is_own;
}

/* What a death means for the pool: nobody's loss but its task's, unless it was the start that came
 * to nothing, or POSSE_BREAK says more. */
static void apply_loss_policy(struct pi_supervisor *s, unsigned worker, enum pi_worker_state ready,
                              const struct pi_death *death)
{
    posse_executor *e = s->executor;
    bool by_us = s->children[worker].killed || s->phase_seen >= PI_STOPPING;
    bool goes = ready == PI_WORKER_EXITED || ready == PI_WORKER_EXITING;
    bool failed = ready == PI_WORKER_FAILED;
    if (by_us || goes)
        return;
    struct pi_error why = pi_error_from_death(death);
    if (!failed && e->break_on_loss)
        pi_break(e, &why);
    if (!failed && ready != PI_WORKER_STARTING)
        return;
    bool said = take_reason(s, worker, failed, &why);
    if (!failed && !said && was_killed(death)) {
        pi_delay_starts(s);
        return;
    }
    if (!said && failed)
        why = s->init_failures ? s->why : pi_error_from_words("the initializer failed");
    s->why = why;
    if (e->hooks.initializer.fn)
        s->init_failures++;
    pi_start_failed(s);
}

/* What a dead worker has said of itself last, as far as it is believed: a task gone wild may have
 * written it. Who failed or left was in no task, and who left has ended well. A worker that got
 * through its start once did not die in it. If a leave is not believed that was one, what the
 * worker gave to others is lost; no more. */
static enum pi_worker_state final_state(const struct pi_supervisor *s, unsigned worker,
                                        const struct pi_os_death *how)
{
    const struct pi_worker *at = &s->executor->segment.workers[worker];
    enum pi_worker_state ready =
        (enum pi_worker_state)pi_load_acquire(&at->state); /* with publish_state, in loop.c */
    bool in_task = pi_load_acquire(&at->current) != 0, ended_well = !how->signal && !how->exit_code;
    bool through = s->children[worker].initialized;
    switch (ready) {
    case PI_WORKER_STARTING: return through ? PI_WORKER_READY : ready;
    case PI_WORKER_FAILED: return through || in_task ? PI_WORKER_READY : ready;
    case PI_WORKER_EXITING: return in_task ? PI_WORKER_READY : ready;
    case PI_WORKER_EXITED:
        return in_task ? PI_WORKER_READY : ended_well ? ready : PI_WORKER_EXITING;
    default: return PI_WORKER_READY;
    }
}

/* Takes a dead worker off the books. What it started dies with it:
 * its group is killed while its pid is still its. */
static void reap_worker(struct pi_supervisor *s, unsigned worker, const struct pi_os_death *how)
{
    posse_executor *e = s->executor;
    struct pi_header *header = e->segment.header;
    struct pi_child *child = &s->children[worker];
    struct pi_death death = {how->signal, how->exit_code, child->pid};
    pi_note_initialized(s); /* it may have got through just before */
    enum pi_worker_state ready = final_state(s, worker, how);
    e->backend->signal(s, worker, SIGKILL);
    e->backend->reap(s, worker);
    child->state = PI_CHILD_EMPTY;
    child->exited =
        ready == PI_WORKER_EXITED; /* then it holds nothing but what it gave to others */
    child->escaped = child->exited && pi_load_acquire(&e->segment.workers[worker].escaped) != 0;
    s->alive--;
    pi_store_relaxed(&header->workers, pi_load_relaxed(&header->workers) - 1); /* ours alone */
    if (ready != PI_WORKER_EXITED && ready != PI_WORKER_EXITING && ready != PI_WORKER_FAILED)
        pi_increment(&header->workers_lost);
    if (!child->exited &&
        s->phase_seen < PI_DEAD) /* else all futures were told that they will not end */
        pi_recover(s, worker, &death);
    else if (!child->exited || child->escaped) /* ... or forgot to release */
        pi_recover_sync(e, worker, false);
    apply_loss_policy(s, worker, ready, &death);
}

/* A worker that was stopped must not be relied on; one that goes on looks for itself. */
static void stopped(struct pi_supervisor *s, unsigned worker, bool goes_on)
{
    posse_executor *e = s->executor;
    s->children[worker].stopped = !goes_on;
    if (goes_on) {
        pi_os_semaphore_post(&e->segment.workers[worker].wake);
        return;
    }
    pi_idle_leave(&e->segment.header->idle, worker);
    pi_wake_all_workers(e);
}

static void look_at_workers(struct pi_supervisor *s)
{
    pi_note_initialized(s); /* before the failures are counted */
    for (unsigned i = 0; i < s->n_workers; i++) {
        struct pi_os_death death;
        if (s->children[i].state == PI_CHILD_EMPTY)
            continue;
        enum pi_os_event event = s->executor->backend->event(s, i, &death);
        if (event == PI_OS_DEAD)
            reap_worker(s, i, &death);
        else if (event != PI_OS_NOTHING)
            stopped(s, i, event == PI_OS_CONTINUED);
    }
}

/* ---- phases ---- */

static void signal_all(struct pi_supervisor *s, int signal)
{
    for (unsigned i = 0; i < s->n_workers; i++)
        if (s->children[i].state != PI_CHILD_EMPTY)
            s->executor->backend->signal(s, i, signal);
}

/* Sends each kind of signal once; those that SIGTERM did not end are killed after a while. */
static void end_workers(struct pi_supervisor *s, int signal)
{
    if (s->kill_at != PI_NEVER && pi_os_now() >= s->kill_at)
        signal = SIGKILL;
    if (signal == s->sent || s->sent == SIGKILL)
        return;
    signal_all(s, signal);
    s->sent = signal;
    s->kill_at = signal == SIGTERM ? pi_os_now() + GRACE_NS : PI_NEVER;
}

static void look_at_phase(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    static const int signals[] = {0, SIGTERM, SIGKILL}; /* of enum pi_stop */
    enum pi_phase phase = pi_phase_of(e);
    if (phase == PI_STOPPING)
        end_workers(s, signals[pi_monotonic_get(&e->segment.stop)]);
    else if (phase >= PI_CLOSED) /* CLOSED only if it is scribbled: it is for us to say */
        end_workers(s, SIGKILL);
    if (s->phase_seen != phase)
        pi_wake_all_workers(e);
    s->phase_seen = phase;
}

/* No worker is left: nobody will run what is left. */
static void close_pool(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    if (s->phase_seen < PI_DEAD)
        pi_cancel_all(e);
    (void)pi_raise_phase(e, PI_CLOSED);
    pi_wake_all_parkers(e);
}

/* ---- sleeping ---- */

/* The next moment when there is something to do. It is published before the deadlines are read, so
 * a worker that sets an earlier one afterwards sees that it must poke us. */
static uint64_t plan(struct pi_supervisor *s)
{
    struct pi_segment *segment = &s->executor->segment;
    uint64_t next = pi_earlier(s->missing ? s->retry_at : PI_NEVER, s->kill_at);
    next = pi_earlier(next, s->trim.at);
    pi_store_seq(&segment->header->next_check_ns, 0);
    for (unsigned i = 0; i < s->n_workers; i++) {
        uint64_t deadline = pi_load_seq(&segment->workers[i].deadline_ns);
        if (s->children[i].state == PI_CHILD_EMPTY || deadline == 0)
            continue;
        next = pi_earlier(next, deadline > s->checked_ns ? deadline : s->children[i].next_deadline);
    }
    pi_store_seq(&segment->header->next_check_ns, next == PI_NEVER ? 0 : next);
    return next;
}

void pi_supervisor_run(struct pi_supervisor *s)
{
    for (;;) {
        if (s->put_off == 0) /* else it sees what waits, and can do nothing about it */
            pi_increment(&s->executor->segment.header->supervisor_rounds);
        look_at_workers(s);
        pi_enforce_deadlines(s);
        look_at_phase(s); /* before the staff: it must not look at the ring before DRAINING */
        pi_scale(s);
        if (pi_phase_of(s->executor) != s->phase_seen)
            continue;
        if (s->alive == 0 && s->missing == 0 && s->phase_seen >= PI_DRAINING)
            break;
        if (s->phase_seen == PI_OPEN)
            pi_trim_when_due(s->executor, &s->trim);
        else
            s->trim.at = PI_NEVER; /* all memory goes soon */
        if (!s->executor->backend->sleep(s, plan(s))) {
            signal_all(s, SIGKILL); /* the program has died: nobody is left to look at anything */
            return;
        }
    }
    close_pool(s);
}
