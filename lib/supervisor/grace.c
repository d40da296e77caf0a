/* Runs in: supervisor.
 *
 * A task with a grace that posse_cancel has asked to stop is killed grace_ms later. The same holds
 * for one with POSSE_TERMINATE after posse_kill, which also sends it SIGTERM.
 *
 *   step                                                  by          a death right after it
 *   1  CANCEL_REQUESTED in the word                       a caller    a worker's: the supervisor
 *                                                                     makes a round then
 *   2  notifies the supervisor                            the caller  the same
 *   3  sees the flag: notes the task, and its time        supervisor  all workers end
 *   4  the time is over: RUNNING -> KILLING, as by        supervisor  all workers end
 *      posse_kill; with threads CANCELLED
 *
 * posse_kill of a task with POSSE_TERMINATE, beside or after that; w is its worker:
 *
 *   step                                                  by          a death right after it
 *   a  RUNNING -> KILLING(w), notifies the supervisor     a caller    w's: CANCELLED
 *   b  sees KILLING: notes the task as in step 3, and     supervisor  w's: CANCELLED
 *      sends w SIGTERM, once for each such task
 *   c  w dies of SIGTERM, or                              w           CANCELLED
 *      its task ends: KILLING -> DONE, FAILED, TIMED_OUT  w           the result stands
 *   d  w takes no task after it, and exits; at once, if   w           those are LOST
 *      a task waits on the same stack
 *   e  the time is over, or the deadline, or the task     supervisor  CANCELLED, unless c
 *      is over a limit: kills w
 *
 * SIGTERM is sent only when the supervisor has seen KILLING(w). From then on w takes nothing but
 * tasks that this one waits for, on the same stack, and these only after step b (worker/help.c). So
 * SIGTERM hits no other task. Step c is not for a task that is late or over a limit (EXPIRED):
 * those end as before.
 *
 * If the task's worker dies before step 4, the task is LOST, as it was asked to stop. What step 3
 * notes is the supervisor's own, and names the task's generation, so no other task is hit. It notes
 * several such tasks on one stack (PI_MAX_ASKED), as an inner one may end before its time. If a
 * task's note was replaced, the supervisor notes the task again later, and its grace begins anew.
 * At most PI_MAX_ASKED tasks on one stack get SIGTERM. Others are killed when their time is over.
 */
#include "supervisor/grace.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/finish.h"
#include "supervisor/child.h"

/* Whether a task that was noted still runs, or has time to end. */
static bool goes_on(const struct pi_supervisor *s, unsigned worker, uint64_t task)
{
    uint64_t word =
        task ? pi_slots_word(&s->executor->segment.slots, (uint32_t)task - 1) : PI_NO_SLOT;
    return pi_is_run_by(word, worker) && pi_generation(word) == task >> 32;
}

static void end_task(posse_executor *e, uint32_t index, uint64_t word)
{
    if (e->backend->kills)
        (void)pi_slot_transition(&e->segment.slots.at[index], &word, PI_KILLING, 0, PI_EXPIRED);
    else
        (void)pi_finish(e, index, &word, (uint64_t)PI_CANCELLED | PI_PINNED,
                        &e->segment.header->cancelled);
}

/* The task may end just now, and its block become another's. Then what is read here counts for
 * nothing, as end_task does nothing. */
__attribute__((no_sanitize("thread"))) static uint64_t grace_of(posse_executor *e,
                                                                struct pi_slot *slot)
{
    const struct pi_details *details = pi_slot_details(e, slot);
    return details ? details->grace_ms * PI_MS : 0;
}

/* The note of a task; if it has none, a new one. NULL: as many others on this stack end first. */
static struct pi_asked *note_of(struct pi_supervisor *s, unsigned worker, uint64_t task,
                                uint64_t kill_at)
{
    struct pi_asked *last = NULL;
    uint64_t latest = 0;
    for (size_t i = 0; i < PI_MAX_ASKED; i++) {
        struct pi_asked *asked = &s->children[worker].asked[i];
        if (asked->task == task)
            return asked;
        uint64_t end = goes_on(s, worker, asked->task) ? asked->kill_at : PI_NEVER;
        if (end > latest) {
            latest = end;
            last = asked;
        }
    }
    if (latest <= kill_at)
        return NULL;
    *last = (struct pi_asked){.task = task, .kill_at = kill_at};
    return last;
}

void pi_check_grace(struct pi_supervisor *s, unsigned worker, uint32_t index)
{
    posse_executor *e = s->executor;
    struct pi_child *child = &s->children[worker];
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word); /* with posse_cancel */
    if (!pi_has_state(word, PI_RUNNING, worker) || !(word & PI_CANCEL_REQUESTED) ||
        !pi_slot_is_graced(slot))
        return;
    const struct pi_asked *asked =
        note_of(s, worker, pi_task_name(index, word), s->checked_ns + grace_of(e, slot));
    if (asked && asked->kill_at > s->checked_ns)
        child->next_deadline = pi_earlier(child->next_deadline, asked->kill_at);
    else if (asked)
        end_task(e, index, word);
}

static bool is_terminated(posse_executor *e, struct pi_slot *slot, uint64_t word)
{
    const struct pi_details *details = pi_slot_is_graced(slot) ? pi_slot_details(e, slot) : NULL;
    return details && details->terminate && !(word & PI_EXPIRED);
}

static void send_once(struct pi_supervisor *s, unsigned worker, uint64_t task)
{
    struct pi_child *child = &s->children[worker];
    uint64_t *unused = NULL;
    for (size_t i = 0; i < PI_MAX_ASKED; i++) {
        if (child->signalled[i] == task)
            return;
        if (!goes_on(s, worker, child->signalled[i]))
            unused = &child->signalled[i];
    }
    if (!unused)
        return;
    *unused = task;
    child->terminated = true;
    s->executor->backend->signal(s, worker, SIGTERM);
}

/* Its deadline holds, also one that the worker has set since the task was noted. */
bool pi_terminate_first(struct pi_supervisor *s, unsigned worker, uint32_t index, uint64_t word)
{
    posse_executor *e = s->executor;
    struct pi_child *child = &s->children[worker];
    struct pi_slot *slot = &e->segment.slots.at[index];
    if (!is_terminated(e, slot, word))
        return false;
    uint64_t task = pi_task_name(index, word);
    const struct pi_asked *asked = note_of(s, worker, task, s->checked_ns + grace_of(e, slot));
    /* relaxed: if the task has just ended, this may be the deadline of the next task in the slot.
     * Then w is killed, which takes no task any more. */
    uint64_t deadline = pi_load_relaxed(&slot->deadline_ns);
    uint64_t kill_at =
        pi_earlier(asked ? asked->kill_at : PI_NEVER, deadline ? deadline : PI_NEVER);
    if (kill_at <= s->checked_ns)
        return false;
    send_once(s, worker, task);
    child->next_deadline = pi_earlier(child->next_deadline, kill_at);
    return true;
}

void pi_end_grace(struct pi_supervisor *s, unsigned worker, uint32_t index, uint64_t word)
{
    struct pi_asked *asked = note_of(s, worker, pi_task_name(index, word), s->checked_ns);
    if (asked) /* else others end it just now */
        asked->kill_at = s->checked_ns;
}
