/* Runs in: worker; inline and with threads in the program.
 *
 * Ends the task that a worker has run: writes its result into the slot, makes it final, and takes
 * it off the worker's stack. The supervisor may end it meanwhile: then with processes the worker
 * waits for its own end, and with threads it frees what the task has left. A task that was lost
 * with a process of its own may go back into the queue.
 *
 *   pi_end_task   looks at what the task has left
 *   finish        counts the end
 *   pi_finish     in pool/finish.c: one compare-and-swap makes it final; wakes the waiter
 *   pop_task      takes it off the stack
 */
#include "worker/end.h"
#include "base/tuning.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/stdio.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/error.h"
#include "pool/finish.h"
#include "pool/phase.h"
#include "pool/report.h"
#include "pool/self.h"
#include "pool/stamp.h"
#include "pool/wake.h"
#include "worker/result.h"
#include "worker/task_limits.h"
#include "worker/unclaim.h"

static void pop_task(const struct posse_task *task)
{
    if (task->worker == PI_OWNER_PROGRAM)
        return;
    struct pi_worker *worker = &task->executor->segment.workers[task->worker];
    pi_store_release(&worker->current, task->outer_index); /* with check_stack in deadline.c */
    if (task->deadline != PI_NEVER) /* relaxed: read late, it costs the supervisor a round */
        pi_store_relaxed(&worker->deadline_ns, task->earliest);
}

/* ---- the result ---- */

/* Writes the result, or the message of a failure, into the slot, and clears its deadline for its
 * next life. Returns the state in which the task ends. If it ends after its deadline, or over
 * another limit, the supervisor has not killed it yet. */
static enum pi_state compute_outcome(struct posse_task *task, int code)
{
    struct pi_slot *slot = task->slot;
    bool ok = code == 0 && !task->failed;
    bool late = task->deadline != PI_NEVER && pi_os_now() >= task->deadline && !task->lost;
    if (late || (!ok && !task->failed))
        pi_drop_result(task);
    if (!ok)
        slot->code = task->failed ? task->code : code;
    if (task->deadline != PI_NEVER)
        pi_store_relaxed(&slot->deadline_ns, 0);      /* relaxed: published with the state */
    pi_store_relaxed(&slot->result_size, task->size); /* relaxed: the same */
    if (task->block) {
        pi_store_relaxed(&slot->result, task->block); /* relaxed: the same */
        pi_block_attach(task->executor, task->block, task->index, pi_generation(task->word));
    }
    if (task->lost)
        return PI_LOST;
    return late || task->over ? PI_TIMED_OUT : ok ? PI_DONE : PI_FAILED;
}

/* ---- the end ---- */

/* The supervisor is about to kill this worker, so the worker takes nothing more. The supervisor
 * finds the task by `current`, which a task may have overwritten. */
static _Noreturn void await_kill(const struct posse_task *task)
{
    posse_executor *e = task->executor;
    _Atomic uint32_t *current = &e->segment.workers[task->worker].current;
    while (pi_has_state(pi_load_seq(&task->slot->word), PI_KILLING, task->worker)) {
        pi_store_seq(current, task->index + 1); /* with check_stack in deadline.c */
        pi_os_sleep(PI_KILL_WAIT_NS);
        e->backend->notify(e);
    }
    pi_os_exit(1); /* this worker cannot have that word: a task has overwritten it */
}

/* The task was ended while its thread ran it: it is final and PINNED. Frees what the task had. */
static void unpin(const struct posse_task *task)
{
    posse_executor *e = task->executor;
    struct pi_slot *slot = task->slot;
    uint64_t tag = pi_tag_attached(task->index, pi_generation(task->word));
    uint64_t word = pi_load_acquire(&slot->word); /* with the pi_finish that ended it */
    if (pi_generation(word) != pi_generation(task->word))
        return;
    if (e->stamps)
        pi_stamp_left(task, pi_state(word));
    pi_block_ref blocks[] = {task->block, pi_slot_arg(e, slot).ref};
    for (int i = 0; i < 2; i++)
        if (blocks[i])
            pi_block_release(e, task->worker, blocks[i], tag);
    if (!pi_slot_transition(slot, &word, pi_state(word), 0, PI_PINNED))
        return;
    word &= ~(uint64_t)PI_PINNED;
    if (pi_slot_is_left(slot, word) && !pi_leave_to_log(e, task->index, word))
        pi_discard(e, task->index, word);
}

/* Makes the task final, and counts it. While the count is odd, the end counts if the task is
 * final. */
static bool finish(struct posse_task *task, enum pi_state state)
{
    posse_executor *e = task->executor;
    struct pi_segment *s = &e->segment;
    enum pi_end end = state == PI_DONE     ? PI_END_DONE
                      : state == PI_FAILED ? PI_END_FAILED
                      : state == PI_LOST   ? PI_END_LOST
                                           : PI_END_TIMED_OUT;
    if (task->worker == PI_OWNER_PROGRAM)
        return pi_finish(e, task->index, &task->word, state, &s->header->inline_ended[end]);
    _Atomic uint64_t *count = &s->workers[task->worker].finished[end];
    uint64_t before = pi_load_relaxed(count); /* relaxed: this worker alone writes it */
    pi_store_relaxed(count, before + 1);      /* relaxed: published with the state */
    bool done = pi_finish(e, task->index, &task->word, state, NULL);
    pi_store_release(count, done ? before + 2 : before); /* with pi_count_finished */
    return done;
}

/* If the task may end by itself after posse_kill, the worker exits soon, or at once if others wait
 * on its stack: SIGTERM may come late (supervisor/grace.c). finish has just read the word. */
static void finish_killed(struct posse_task *task, enum pi_state state)
{
    struct pi_worker *worker = &task->executor->segment.workers[task->worker];
    if (!pi_limits_may_end(task, task->word) || !finish(task, state))
        await_kill(task);
    /* relaxed: this worker alone acts on it, or it has died */
    pi_store_relaxed(&worker->exit_requested, task->outer ? PI_EXIT_AT_ONCE : PI_EXIT_AFTER_TASK);
    if (task->outer) {
        pop_task(task);
        pi_os_exit(1);
    }
}

uint64_t pi_count_finished(posse_executor *e, unsigned worker, enum pi_end end)
{
    struct pi_worker *record = &e->segment.workers[worker];
    uint64_t seen, word;
    int tries = 0;
    do {
        seen = pi_load_acquire(&record->finished[end]);       /* with finish */
        uint32_t current = pi_load_acquire(&record->current); /* with push_task, pop_task */
        word = current ? pi_slots_word(&e->segment.slots, current - 1) : 0;
        /* acquire: with finish */
    } while (seen % 2 && pi_load_acquire(&record->finished[end]) != seen && ++tries < 100);
    return seen / 2 + (seen % 2 && !pi_is_run_by(word, worker));
}

void pi_check_return(const struct posse_task *task)
{
    const posse_executor *e = task->executor;
    if (!pi_os_fork_detect_holds(&e->guard))
        pi_os_exit(0);
    if (e->backend->kills && pi_self->task != task)
        pi_os_exit(1);
}

void pi_flush_streams(posse_executor *e)
{
    pi_os_stdio_flush();
    if (e->keep_stderr)
        pi_os_output_show(&e->output);
}

__attribute__((noinline)) static void end_special(struct posse_task *task, int code)
{
    if (pi_limits_matter(task))
        pi_limits_end(task, code);
    if (task->over && !task->failed) /* else a message of its own stays */
        pi_drop_result(task);
    else if (task->refused && code == 0 && !task->failed)
        pi_task_fail(task, 0, "the result is over options.max_result");
}

/* The task was lost with its process. Before it is PENDING again it is off the worker's stack, so
 * after a death in between the supervisor finds it by `touched`. False: it does not run again. */
__attribute__((noinline)) static bool try_again(struct posse_task *task)
{
    posse_executor *e = task->executor;
    struct pi_slot *slot = task->slot;
    uint8_t retries = pi_load_relaxed(&slot->retries); /* relaxed: this worker's, in RUNNING */
    uint64_t word = pi_load_seq(&slot->word);          /* with posse_cancel */
    bool again = retries > 0 && !(word & PI_CANCEL_REQUESTED) && pi_phase_of(e) < PI_STOPPING;
    if (!again && !task->elsewhere)
        return false;
    if (e->stamps)
        pi_stamp_again(e, task->index, task->word);
    pi_drop_result(task);
    pi_slots_touch(&e->segment.slots, task->worker, task->index);
    pop_task(task);
    pi_store_relaxed(&slot->deadline_ns, 0); /* relaxed, all: PENDING publishes them */
    if (task->elsewhere)
        pi_store_relaxed(&slot->attempt, pi_load_relaxed(&slot->attempt) - 1); /* as said */
    else
        pi_store_relaxed(&slot->retries, (uint8_t)(retries - 1)); /* as said */
    if (!pi_unclaim(e, task->index, task->word))
        await_kill(task);
    return true;
}

/* With POSSE_BREAK a process that dies breaks the executor, as a worker does. */
__attribute__((noinline)) static void apply_loss_policy(posse_executor *e,
                                                        const struct pi_death *death)
{
    struct pi_error why = pi_error_from_death(death);
    if (!e->break_on_loss || pi_phase_of(e) >= PI_STOPPING)
        return;
    pi_break(e, &why);
    e->backend->notify(e);
}

static void finish_or_wait(struct posse_task *task, int code)
{
    enum pi_state state = compute_outcome(task, code);
    if (!finish(task, state)) {
        if (task->executor->backend->kills)
            finish_killed(task, state);
        else
            unpin(task);
    }
    pop_task(task);
}

__attribute__((noinline)) static void end_lost(struct posse_task *task)
{
    struct pi_death death = task->slot->death; /* the slot may be another task's soon */
    if (!try_again(task))
        finish_or_wait(task, 0);
    if (!task->elsewhere)
        apply_loss_policy(task->executor, &death);
}

/* The task's function has returned, or was left. */
void pi_end_task(struct posse_task *task, int code)
{
    posse_executor *e = task->executor;
    pi_check_return(task);
    if (task->special)
        end_special(task, code);
    if (e->backend->kills)
        pi_flush_streams(e);
    if (task->lost)
        end_lost(task);
    else
        finish_or_wait(task, code);
    pi_self->task = task->outer;
    pi_self->ran++;
    if (task->outer)
        pi_wake_for_backlog(e); /* this worker is busy again, with the outer task */
}
