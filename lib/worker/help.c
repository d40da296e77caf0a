#include "worker/help.h"
#include "os/signals.h"
#include "os/stack.h"
#include "pool/error.h"
#include "pool/grow.h"
#include "pool/self.h"
#include "pool/wake.h"
#include "worker/run.h"
#include "worker/task_limits.h"
#include "worker/unclaim.h"

#include <errno.h>

/* Whether no task on this stack is about to be killed, which would hit what else runs on it. One
 * that may end by itself, and does not die of SIGTERM, still needs what it waits for. */
static bool may_help(const struct pi_self *self)
{
    for (struct posse_task *task = self->task; task; task = task->outer) {
        uint64_t word = pi_load_seq(&task->slot->word); /* with pi_slot_transition, in posse_kill */
        if (!pi_has_state(word, PI_RUNNING, self->worker) &&
            (!pi_limits_may_end(task, word) || pi_os_signals_is_default(SIGTERM)))
            return false;
    }
    return true;
}

/* The task's word was just PENDING. */
static posse_status try_to_help(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_self *self = pi_self_in(e);
    if (!self || !may_help(self))
        return POSSE_TIMEOUT;
    if (e->seal && !self->begun)
        return pi_refuse(POSSE_DEADLOCK, "an initializer waits for a task, which it may not run");
    if (!pi_os_stack_has_room())
        return pi_refuse_errno(ENOMEM, "no room on the stack for the task that is waited for");
    pi_slots_touch(&e->segment.slots, self->worker, index);
    if (!pi_slot_claim(&e->segment.slots.at[index], self->worker, &word))
        return POSSE_TIMEOUT;
    if (!may_help(self)) { /* posse_kill came meanwhile */
        (void)pi_unclaim(e, index, word);
        return POSSE_TIMEOUT;
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
