#include "worker/run.h"
#include "os/clock.h"
#include "os/process.h"
#include "os/stdio.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/finish.h"
#include "pool/pool.h"
#include "pool/self.h"
#include "pool/wake.h"

#define WAIT_NS 100000000 /* for the kill, between looks */

/* Puts the task on the worker's stack, where the supervisor finds it. */
static void push_task(struct posse_task *task)
{
    if (task->worker == PI_OWNER_PROGRAM)
        return;
    struct pi_worker *worker = &task->executor->segment.workers[task->worker];
    task->outer_index = pi_load_relaxed(&worker->current); /* relaxed: ours */
    task->earliest = pi_load_relaxed(&worker->deadline_ns);
    pi_store_relaxed(&task->slot->outer,
                     task->outer_index);             /* relaxed: published by the next store */
    pi_store_seq(&worker->current, task->index + 1); /* with the supervisor's walk */
}

/* Takes it off again. */
static void pop_task(struct posse_task *task)
{
    if (task->worker == PI_OWNER_PROGRAM)
        return;
    struct pi_worker *worker = &task->executor->segment.workers[task->worker];
    pi_store_release(&worker->current, task->outer_index);
    /* relaxed: seen late, it costs a look in vain */
    if (task->deadline != PI_NEVER)
        pi_store_relaxed(&worker->deadline_ns, task->earliest);
}

/* Sets the deadline, and tells the supervisor if it would look too late. */
static void set_deadline(struct posse_task *task)
{
    struct pi_slot *slot = task->slot;
    uint64_t earliest = task->earliest;
    bool timed =
        pi_load_relaxed(&slot->arg_size) & PI_TIMED; /* relaxed: published with the state */
    task->deadline = timed ? pi_os_after_ms((long)slot->timeout_ms) : PI_NEVER;
    if (!timed || task->worker == PI_OWNER_PROGRAM)
        return;
    posse_executor *e = task->executor;
    /* relaxed: seen by the supervisor's look after the store below */
    pi_store_relaxed(&slot->deadline_ns, task->deadline);
    uint64_t first = earliest && earliest < task->deadline ? earliest : task->deadline;
    /* seq: before next_check, see worker_record.h */
    pi_store_seq(&e->segment.workers[task->worker].deadline_ns, first);
    uint64_t look = pi_load_seq(&e->segment.header->next_check_ns);
    if (look == 0 || first < look || pi_os_now() >= first)
        e->backend->notify(e);
}

/* Forgets what was returned. */
static void drop_result(struct posse_task *task)
{
    if (task->block)
        pi_block_release(task->executor, task->worker, task->block, pi_tag_held(task->worker));
    task->block = 0;
    task->size = 0;
}

/* The end as the task wants it: writes the result, or the message of a failure, into the slot. */
static enum pi_state compute_outcome(struct posse_task *task, int code)
{
    struct pi_slot *slot = task->slot;
    bool ok = code == 0 && !task->failed;
    bool late =
        task->deadline != PI_NEVER && pi_os_now() >= task->deadline; /* not yet interrupted */
    if (late || (!ok && !task->failed))
        drop_result(task);
    if (!ok)
        slot->code = task->failed ? task->code : code;
    if (task->deadline != PI_NEVER) /* relaxed: published with the end, so the next life has none */
        pi_store_relaxed(&slot->deadline_ns, 0);
    /* relaxed: all of it is published with the state */
    pi_store_relaxed(&slot->result_size, task->size);
    if (task->block) {
        pi_store_relaxed(&slot->result, task->block);
        pi_block_attach(task->executor, task->block, task->index, pi_generation(task->word));
    }
    return late ? PI_TIMED_OUT : ok ? PI_DONE : PI_FAILED;
}

/* The task's end was decided while it ran. With processes (KILLING) the supervisor is about to kill
 * us, and we take nothing more; with threads it is final and PINNED, and what we held is freed
 * now. */
static void too_late(struct posse_task *task)
{
    posse_executor *e = task->executor;
    struct pi_slot *slot = task->slot;
    /* It comes at once, unless a task has scribbled on the word: then it names us no more. */
    while (e->backend->kills && pi_has_state(pi_load_seq(&slot->word), PI_KILLING, task->worker)) {
        pi_os_sleep(WAIT_NS);
        e->backend->notify(e);
    }
    if (e->backend->kills)
        pi_os_exit(
            1); /* the word is none that this worker can have: somebody has scribbled on it */
    uint64_t tag = pi_tag_attached(task->index, pi_generation(task->word));
    uint64_t word = pi_load_acquire(&slot->word);
    if (pi_generation(word) != pi_generation(task->word))
        return;
    if (task->block)
        pi_block_release(e, task->worker, task->block, tag);
    pi_block_ref arg = pi_slot_arg(e, slot).ref;
    if (arg)
        pi_block_release(e, task->worker, arg, tag);
    (void)pi_slot_transition(slot, &word, pi_state(word), 0, PI_PINNED);
    if (word & PI_DETACHED)
        pi_discard(e, task->index, word & ~(uint64_t)PI_PINNED);
}

static enum pi_end end_of(enum pi_state state)
{
    return state == PI_DONE ? PI_END_DONE : state == PI_FAILED ? PI_END_FAILED : PI_END_TIMED_OUT;
}

/* Makes the task final, and counts it: what is odd meanwhile counts if the task is final. */
static bool finish(struct posse_task *task, enum pi_state state)
{
    posse_executor *e = task->executor;
    struct pi_segment *s = &e->segment;
    enum pi_end end = end_of(state);
    if (task->worker == PI_OWNER_PROGRAM)
        return pi_finish(e, task->index, &task->word, state, &s->header->inline_ended[end]);
    _Atomic uint64_t *ended = &s->workers[task->worker].finished[end];
    uint64_t before = pi_load_relaxed(ended); /* relaxed: ours */
    pi_store_relaxed(ended, before + 1);      /* relaxed: published with the state */
    bool done = pi_finish(e, task->index, &task->word, state, NULL);
    pi_store_release(ended, done ? before + 2 : before); /* with pi_count_finished */
    return done;
}

uint64_t pi_count_finished(posse_executor *e, unsigned worker, enum pi_end end)
{
    struct pi_worker *s = &e->segment.workers[worker];
    uint64_t seen, word;
    int tries = 0;
    do {
        seen = pi_load_acquire(&s->finished[end]);
        uint32_t current = pi_load_acquire(&s->current);
        word = current ? pi_slots_word(&e->segment.slots, current - 1) : 0;
    } while (seen % 2 && pi_load_acquire(&s->finished[end]) != seen && ++tries < 100);
    bool open = pi_has_state(word, PI_RUNNING, worker) || pi_has_state(word, PI_KILLING, worker);
    return seen / 2 + (seen % 2 && !open);
}

void pi_check_return(const struct posse_task *task)
{
    const posse_executor *e = task->executor;
    if (!pi_os_fork_detect_holds(&e->guard))
        pi_os_exit(0);
    if (e->backend->kills && pi_self->task != task)
        pi_os_exit(1);
}

/* An argument that is nowhere was scribbled on. */
static int call(struct posse_task *task, struct pi_bytes arg)
{
    posse_fn *fn = (posse_fn *)(uintptr_t)task->slot->fn;
    if (arg.size && !arg.bytes)
        return posse_task_fail(task, 0, "the argument is damaged");
    return fn(task, arg.size ? arg.bytes : NULL, arg.size);
}

/* After the task's function. */
static void end(struct posse_task *task, int code)
{
    posse_executor *e = task->executor;
    pi_check_return(task);
    if (e->backend->kills)
        pi_os_stdio_flush();
    if (!finish(task, compute_outcome(task, code)))
        too_late(task);
    pop_task(task);
    pi_self->task = task->outer;
    pi_self->ran++;
    if (task->outer)
        pi_wake_for_backlog(e); /* busy again, with that one */
}

static void end_left(void *context)
{
    struct posse_task *task = context;
    task->item = NULL; /* it is gone */
    end(task, posse_task_fail(task, 0, "an exception, or the end of its thread, left the task"));
}

/* On the stack of a caller, or of a task that waits, which goes on if it catches. A worker that is
 * left does not: what such a task has left there, the supervisor sees to. */
static int call_for_other(struct posse_task *task, struct pi_bytes arg)
{
    int code;
    PI_OS_IF_LEFT(end_left, task);
    code = call(task, arg);
    PI_OS_END_IF_LEFT;
    return code;
}

void pi_run(posse_executor *e, unsigned worker, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    struct posse_task task = {
        .executor = e, .slot = slot, .word = word, .index = index, .worker = worker};
    struct pi_bytes arg = pi_slot_arg(e, slot);
    uint8_t attempt = pi_load_relaxed(&slot->attempt); /* relaxed: only the value counts */
    if (attempt < UINT8_MAX)
        pi_store_relaxed(&slot->attempt, (uint8_t)(attempt + 1));
    task.outer = pi_self->task;
    pi_self->task = &task;
    push_task(&task);
    /* Whoever ended it since the claim poked the supervisor, which did not see it on this stack.
     * seq: after `current`, as the supervisor reads the other way round. */
    if (!pi_has_state(pi_load_seq(&slot->word), PI_RUNNING, worker))
        e->backend->notify(e);
    pi_wake_for_backlog(e);
    pi_see_blocks(e); /* the argument may name one */
    set_deadline(&task);
    bool alone = worker != PI_OWNER_PROGRAM && !task.outer;
    end(&task, alone ? call(&task, arg) : call_for_other(&task, arg));
}
