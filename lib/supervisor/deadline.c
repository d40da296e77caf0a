/* Runs in: supervisor.
 *
 * Ends running tasks that are over their deadline, or that posse_kill names. Also those that are
 * over a limit (limit_check.c) or their grace (grace.c). The supervisor walks the tasks on each
 * worker's stack. A kill hits no other task: the task's word says KILLING first, and a worker that
 * then ends the task takes nothing more.
 *
 * A slot's deadline is 0 except while a task with a time limit is RUNNING or KILLING. So a deadline
 * that is read after such a word is that task's, or the compare-and-swap from the word fails. The
 * model is tests/model/kill.pml.
 */
#include "supervisor/deadline.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/tracer.h"
#include "pool/finish.h"
#include "pool/verify.h"
#include "supervisor/child.h"
#include "supervisor/grace.h"
#include "supervisor/limit_check.h"

static void kill_worker(struct pi_supervisor *s, unsigned worker)
{
    struct pi_trace_mark killed = {PI_TRACE_KILL, worker, {(uint64_t)s->children[worker].pid}};
    if (!s->children[worker].killed) {
        pi_tracer_mark(s->executor, &killed);
        s->executor->backend->signal(s, worker, SIGKILL);
    }
    s->children[worker].killed = true;
}

/* A thread cannot be killed. Another one takes its place; this one exits when its task returns. */
static void abandon(struct pi_supervisor *s, unsigned worker)
{
    struct pi_child *child = &s->children[worker];
    if (child->state != PI_CHILD_ALIVE)
        return;
    child->state = PI_CHILD_ABANDONED;
    pi_retire(s, worker); /* it is not active any more, so another one is started */
}

static void expire(posse_executor *e, uint32_t index, uint64_t word)
{
    pi_tracer_mark(e, &(struct pi_trace_mark){PI_TRACE_DEADLINE, pi_owner(word), {0}});
    if (e->backend->kills)
        (void)pi_slot_transition(&e->segment.slots.at[index], &word, PI_KILLING, PI_EXPIRED, 0);
    else
        (void)pi_finish(e, index, &word, (uint64_t)PI_TIMED_OUT | PI_PINNED,
                        &e->segment.header->timed_out);
}

/* Acts on one task of a worker's stack, if its word names the worker. */
static void check_task(struct pi_supervisor *s, unsigned worker, uint32_t index)
{
    posse_executor *e = s->executor;
    struct pi_slot *slot = &e->segment.slots.at[index];
    pi_check_limits(s, worker, index);
    pi_check_grace(s, worker, index);
    uint64_t word = pi_load_seq(&slot->word); /* with pi_slot_transition */
    uint64_t deadline =
        pi_load_relaxed(&slot->deadline_ns); /* relaxed: the CAS from word checks it */
    if (pi_has_state(word, PI_RUNNING, worker) && deadline > s->checked_ns)
        s->children[worker].next_deadline = pi_earlier(s->children[worker].next_deadline, deadline);
    else if (pi_has_state(word, PI_RUNNING, worker) && deadline != 0)
        expire(e, index, word);
    word = pi_load_seq(&slot->word); /* with the change just now, or posse_kill's */
    if (pi_has_state(word, PI_KILLING, worker) && !pi_terminate_first(s, worker, index, word))
        kill_worker(s, worker);
    else if (pi_final(word) && (word & PI_PINNED) && pi_owner(word) == worker)
        abandon(s, worker);
}

/* If the worker goes on meanwhile, the links may lead to other stacks. That does no harm, as each
 * word is checked; the stack is walked once more. */
static void check_stack(struct pi_supervisor *s, unsigned worker)
{
    struct pi_segment *segment = &s->executor->segment;
    unsigned tries = 0;
    uint32_t current;
    do {
        current = pi_load_seq(&segment->workers[worker].current); /* with push_task in run.c */
        uint32_t next = current;
        s->children[worker].next_deadline = PI_NEVER;
        for (uint32_t step = 0; step < PI_MAX_NESTED; step++) {
            if (next == 0 || !pi_slots_has(&segment->slots, next - 1))
                break;
            check_task(s, worker, next - 1);
            /* relaxed: checked as said */
            next = pi_load_relaxed(&segment->slots.at[next - 1].outer);
        }
        /* acquire: with pop_task in end.c */
    } while (pi_load_acquire(&segment->workers[worker].current) != current &&
             ++tries < PI_MAX_STACK_WALKS);
}

/* A caller has found a task that names the worker and is not on its stack: a task has overwritten
 * memory (pool/verify.c). Only a dead worker surely does not have it. A worker that is stopped may
 * have claimed it just before. */
static void check_suspect(struct pi_supervisor *s, unsigned worker)
{
    posse_executor *e = s->executor;
    struct pi_child *child = &s->children[worker];
    uint32_t index = pi_exchange_seq(&e->segment.workers[worker].suspect, 0); /* with verify.c */
    if (index == 0 || !e->backend->kills)
        return;
    uint64_t word = pi_slots_word(&e->segment.slots, index - 1);
    if (!pi_is_run_by(word, worker) || pi_is_on_stack(e, worker, index - 1))
        return;
    if (child->state == PI_CHILD_EMPTY) {
        pi_finish_ownerless(e, index - 1, word);
    } else if (!child->stopped) {
        child->suspect = true;
        kill_worker(s, worker);
    }
}

void pi_enforce_deadlines(struct pi_supervisor *s)
{
    s->checked_ns = pi_os_now();
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->children[i].state != PI_CHILD_EMPTY)
            check_stack(s, i);
        if (pi_load_seq(&s->executor->segment.workers[i].suspect) != 0) /* with verify.c */
            check_suspect(s, i);
    }
}
