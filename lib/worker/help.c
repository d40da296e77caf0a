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

/* A task with POSSE_TERMINATE that posse_kill names still needs what it waits for, if SIGTERM does
 * not end it. But that signal must not hit what it waits for. So it waits until SIGTERM was sent:
 * until a round of the supervisor that began after the kill is over. The sleep after the last look
 * is a system call, in which a signal that was sent arrives. False: the task that it waits for has
 * another worker, or the supervisor does not answer. */
static bool await_sigterm(posse_executor *e, struct posse_task *task, uint32_t index)
{
    /* relaxed, both: the supervisor's rounds are ordered by the notifications */
    _Atomic uint64_t *rounds = &e->segment.header->supervisor_rounds;
    uint64_t first = pi_load_relaxed(rounds); /* as said */
    for (unsigned i = 0; !task->signalled && i < PI_SIGTERM_LOOKS; i++) {
        if (pi_state(pi_slots_word(&e->segment.slots, index)) != PI_PENDING)
            break;
        e->backend->notify(e);
        bool over = pi_load_relaxed(rounds) - first >= 2; /* as said */
        pi_os_sleep(PI_SIGTERM_LOOK_NS);
        task->signalled = over;
    }
    return task->signalled;
}

/* Whether no task on this stack is about to be killed, which would hit the one that it waits for.
 */
static bool may_help(const struct pi_self *self, uint32_t index)
{
    for (struct posse_task *task = self->task; task; task = task->outer) {
        uint64_t word = pi_load_seq(&task->slot->word); /* with pi_slot_transition, in posse_kill */
        if (!pi_has_state(word, PI_RUNNING, self->worker) &&
            (!pi_limits_may_end(task, word) || !await_sigterm(self->executor, task, index)))
            return false;
    }
    return true;
}

/* The task's word was just PENDING. */
static posse_status try_to_help(posse_executor *e, uint32_t index, uint64_t word)
{
    struct pi_self *self = pi_self_in(e);
    if (!self || !may_help(self, index))
        return POSSE_TIMEOUT;
    if (e->seal && !self->begun)
        return pi_refuse(POSSE_DEADLOCK, "an initializer waits for a task, which it may not run");
    if (!pi_os_stack_has_room())
        return pi_refuse_errno(ENOMEM, "no room on the stack for the task that is waited for");
    pi_slots_touch(&e->segment.slots, self->worker, index);
    if (!pi_slot_claim(&e->segment.slots.at[index], self->worker, &word))
        return POSSE_TIMEOUT;
    if (!may_help(self, index)) { /* posse_kill came meanwhile */
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
