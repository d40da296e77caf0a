#include "worker/help.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/stack.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/self.h"
#include "pool/wake.h"
#include "worker/run.h"
#include "worker/task_limits.h"
#include "worker/unclaim.h"

#include <errno.h>

enum may { MAY_HELP, MAY_NOT_YET, MAY_NOT };

/* A task with POSSE_TERMINATE that posse_kill names still needs what it waits for, if SIGTERM does
 * not end it. But SIGTERM must not hit what it waits for. So the task first waits until the
 * supervisor has sent it: until a walk of the supervisor that began after the kill has ended. The
 * sleep after the last look is a system call, in which a signal that was sent arrives. */
static enum may may_after_sigterm(posse_executor *e, struct posse_task *task)
{
    struct pi_header *header = e->segment.header;
    if (task->signalled)
        return MAY_HELP;
    /* relaxed: the notifications order the walks */
    uint64_t walks = pi_load_relaxed(&header->supervisor_walks);
    if (!task->waits_for_signal)
        task->walks_before = walks;
    if (!task->waits_for_signal || walks != task->walks_seen)
        e->backend->notify(e);
    task->waits_for_signal = true;
    task->walks_seen = walks;
    pi_os_sleep(PI_SIGTERM_LOOK_NS);
    task->signalled = walks - task->walks_before >= 2;
    return task->signalled ? MAY_HELP : MAY_NOT_YET;
}

/* Whether no task on this stack is about to be killed, which would hit the one that it waits for.
 */
static enum may may_help(const struct pi_self *self)
{
    enum may may = MAY_HELP;
    for (struct posse_task *task = self->task; task && may == MAY_HELP; task = task->outer) {
        uint64_t word = pi_load_seq(&task->slot->word); /* with pi_slot_transition, in posse_kill */
        if (!pi_has_state(word, PI_RUNNING, self->worker))
            may = pi_limits_may_end(task, word) ? may_after_sigterm(self->executor, task) : MAY_NOT;
    }
    return may;
}

/* The task's word was just PENDING. */
static posse_status try_to_help(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_self *self = pi_self_in(e);
    enum may may = self ? may_help(self) : MAY_NOT;
    if (may != MAY_HELP)
        return may == MAY_NOT ? POSSE_TIMEOUT : POSSE_OK;
    if (e->seal && !self->begun)
        return pi_refuse(POSSE_DEADLOCK, "an initializer waits for a task, which it may not run");
    if (!pi_os_stack_has_room())
        return pi_refuse_errno(ENOMEM, "no room on the stack for the task that is waited for");
    pi_slots_touch(&e->segment.slots, self->worker, index);
    if (!pi_slot_claim(&e->segment.slots.at[index], self->worker, &word))
        return POSSE_TIMEOUT;
    if ((may = may_help(self)) != MAY_HELP) { /* posse_kill came meanwhile */
        (void)pi_unclaim(e, index, word);
        return may == MAY_NOT ? POSSE_TIMEOUT : POSSE_OK;
    }
    if (e->queue_limit)
        pi_wake_room(e);
    pi_run(e, self->worker, index, word);
    return POSSE_OK;
}

posse_status pi_help(posse_future future)
{
    if (!pi_self || !future.executor)
        return POSSE_TIMEOUT;
    posse_status status = POSSE_TIMEOUT;
    uint64_t word = pi_word_of(future), seen = 0;
    /* Again: a claim also fails because another caller has just put its parker into the word. */
    while (status == POSSE_TIMEOUT && word != seen && pi_handle_valid(word, future) &&
           pi_state(word) == PI_PENDING) {
        status = try_to_help(future.executor, future.slot, word);
        seen = word;
        word = pi_word_of(future);
    }
    return status;
}
