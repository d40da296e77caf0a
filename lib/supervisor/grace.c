/* Runs in: supervisor.
 *
 * A task with a grace that posse_cancel has asked to stop is killed grace_ms later.
 *
 *   step                                                  by          a death right after it
 *   1  CANCEL_REQUESTED in the word                       a caller    a worker's: the supervisor
 *                                                                     makes a round then
 *   2  notifies the supervisor                            the caller  the same
 *   3  sees the flag: notes the task, and its time        supervisor  all workers end
 *   4  the time is over: RUNNING -> KILLING, as by        supervisor  all workers end
 *      posse_kill; with threads CANCELLED
 *
 * If the task's worker dies before step 4, the task is LOST, as it was asked to stop. What step 3
 * notes is the supervisor's own, and names the task's generation, so no other task is hit. Of
 * several such tasks on one stack it notes the one whose time comes first: with that they all end.
 */
#include "supervisor/grace.h"
#include "base/tuning.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/finish.h"

/* Whether the task that was noted still runs. */
static bool goes_on(const struct pi_supervisor *s, unsigned worker)
{
    uint64_t task = s->children[worker].asked_task;
    uint64_t word =
        task ? pi_slots_word(&s->executor->segment.slots, (uint32_t)task - 1) : PI_NO_SLOT;
    return pi_has_state(word, PI_RUNNING, worker) && pi_generation(word) == task >> 32;
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

/* Notes a task. False: another one on this stack ends first. */
static bool note(struct pi_supervisor *s, unsigned worker, uint64_t task, uint64_t kill_at)
{
    struct pi_child *child = &s->children[worker];
    if (goes_on(s, worker) && child->kill_at <= kill_at)
        return false;
    child->asked_task = task;
    child->kill_at = kill_at;
    return true;
}

void pi_check_grace(struct pi_supervisor *s, unsigned worker, uint32_t index)
{
    posse_executor *e = s->executor;
    struct pi_child *child = &s->children[worker];
    struct pi_slot *slot = &e->segment.slots.at[index];
    uint64_t word = pi_load_seq(&slot->word); /* with posse_cancel */
    uint64_t task = (uint64_t)pi_generation(word) << 32 | (index + 1);
    if (!pi_has_state(word, PI_RUNNING, worker) || !(word & PI_CANCEL_REQUESTED) ||
        !pi_slot_is_graced(slot))
        return;
    if (child->asked_task != task && !note(s, worker, task, s->checked_ns + grace_of(e, slot)))
        return;
    if (child->kill_at > s->checked_ns)
        child->next_deadline = pi_earlier(child->next_deadline, child->kill_at);
    else
        end_task(e, index, word);
}
