/* Runs in: worker; inline and with threads in the program.
 *
 * Runs one task. A task's way through a worker, from the ring to its waiter:
 *
 *   work (loop.c)          claims the task from the ring, then calls pi_run
 *   pi_run                 puts it on the worker's stack, sets its deadline, calls its function
 *   pi_end_task (end.c)    writes the result into the slot, and counts the end
 *   pi_finish (finish.c)   one compare-and-swap makes it final; wakes the waiter
 *
 * The worker's stack is `current` in its record, and from there `outer` in each slot: the
 * supervisor finds there which tasks run, and which a death has ended.
 */
#include "worker/run.h"
#include "base/assert.h"
#include "base/probe.h"
#include "os/clock.h"
#include "os/unwind.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/descriptors.h"
#include "pool/error.h"
#include "pool/self.h"
#include "pool/stamp.h"
#include "pool/wake.h"
#include "worker/end.h"
#include "worker/fresh.h"
#include "worker/own_descriptors.h"
#include "worker/place.h"
#include "worker/result.h"
#include "worker/task_limits.h"

/* ---- the worker's stack ---- */

static void push_task(struct posse_task *task)
{
    if (task->worker == PI_OWNER_PROGRAM)
        return;
    struct pi_worker *worker = &task->executor->segment.workers[task->worker];
    task->outer_index = pi_load_relaxed(&worker->current);   /* relaxed: this worker alone */
    task->earliest = pi_load_relaxed(&worker->deadline_ns);  /* writes them, here too */
    pi_store_relaxed(&task->slot->outer, task->outer_index); /* relaxed: published by `current` */
    pi_store_seq(&worker->current, task->index + 1);         /* with check_stack in deadline.c */
}

/* When the supervisor must look at the task first: at its deadline, or for its limits. */
static uint64_t first_look(const struct posse_task *task)
{
    uint64_t look = task->limits ? pi_limits_first_look(task) : PI_NEVER;
    look = look < task->deadline ? look : task->deadline;
    return task->earliest && task->earliest < look ? task->earliest : look;
}

/* Its own, or the end of its group's time. kind: as in the slot. */
static uint64_t deadline_of(const struct posse_task *task, uint64_t kind)
{
    const struct pi_details *details =
        kind & PI_BOUNDED ? pi_slot_details(task->executor, task->slot) : NULL;
    uint64_t own = kind & PI_TIMED ? pi_os_after_ms((long)task->slot->timeout_ms) : PI_NEVER;
    return details && details->group_end_ns < own ? details->group_end_ns : own;
}

/* Notifies the supervisor if it plans to look later than the deadline. */
static void set_deadline(struct posse_task *task, uint64_t kind)
{
    posse_executor *e = task->executor;
    struct pi_slot *slot = task->slot;
    bool timed = task->deadline != PI_NEVER;
    if (kind & PI_GRACED)
        pi_limits_grace(task);
    if ((!timed && !(kind & PI_LIMITED)) || task->worker == PI_OWNER_PROGRAM)
        return;
    uint64_t first = first_look(task);
    /* Tasks of a group may have the same; but no two lives of a slot that follow each other have,
     * for clear_deadline in verify.c. */
    if (timed) /* relaxed: published by the next store */
        pi_store_relaxed(&slot->deadline_ns, task->deadline + pi_generation(task->word) % 1024);
    /* seq, both: store, then load, as plan in supervisor.c does the other way round */
    pi_store_seq(&e->segment.workers[task->worker].deadline_ns, first);
    uint64_t planned = pi_load_seq(&e->segment.header->next_check_ns);
    if (planned == 0 || first < planned || pi_os_now() >= first)
        e->backend->notify(e);
}

/* ---- the call ---- */

static int call_with_descriptors(struct posse_task *task, posse_fn *fn, const struct pi_bytes *arg)
{
    int code = 0, error = pi_call_with_descriptors(task, fn, arg, &code);
    if (error)
        pi_task_fail(task, 0, pi_error_from_errno("no descriptors for the task", error).message);
    return code;
}

static int call(struct posse_task *task, struct pi_bytes arg)
{
    posse_fn *fn = (posse_fn *)(uintptr_t)pi_load_relaxed(&task->slot->fn); /* as arg_size */
    if (task->executor->fresh && (!arg.size || arg.bytes))
        return pi_fresh_call(task, &arg);
    if (task->executor->runner && (!arg.size || arg.bytes))
        return pi_place_call(task, &arg);
    if (pi_slot_has_descriptors(task->slot) && (!arg.size || arg.bytes))
        return call_with_descriptors(task, fn, &arg);
    if (!arg.size || arg.bytes)
        return fn(task, arg.size ? arg.bytes : NULL, arg.size);
    pi_task_fail(task, 0, "the argument is damaged");
    return 0;
}

static void end_left(void *context)
{
    struct posse_task *task = context;
    task->item = NULL; /* it was on the stack that is gone */
    pi_check_return(task);
    pi_task_fail(task, 0, "an exception, or the end of its thread, left the task");
    pi_end_task(task, 0);
}

/* On the stack of a caller, or of a task that waits: either may catch what leaves the task, and go
 * on. A worker that is left ends, and the supervisor recovers its task. */
static int call_for_other(struct posse_task *task, struct pi_bytes arg)
{
    int code;
    PI_OS_IF_LEFT(end_left, task);
    code = call(task, arg);
    PI_OS_END_IF_LEFT;
    return code;
}

static inline int call_plain(struct posse_task *task, struct pi_bytes arg)
{
    bool alone = task->worker != PI_OWNER_PROGRAM && !task->outer;
    return alone ? call(task, arg) : call_for_other(task, arg);
}

/* Of a task with a deadline, limits or a grace, or on top of one with limits. */
__attribute__((noinline)) static int call_special(struct posse_task *task, struct pi_bytes arg,
                                                  struct pi_limits *limits)
{
    uint64_t kind = pi_load_relaxed(&task->slot->arg_size); /* relaxed: as in pi_run */
    if (task->executor->fresh || task->executor->runner)
        kind &= ~PI_LIMITED; /* they are those of the task's own process */
    if ((kind & PI_LIMITED) && task->executor->backend->kills)
        task->limits = limits;
    task->deadline = deadline_of(task, kind);
    if ((kind & PI_BOUNDED) && task->deadline <= pi_os_now())
        return 0; /* its group's time was up before it began: it ends late */
    set_deadline(task, kind);
    task->special = pi_limits_matter(task);
    if (!task->special || pi_limits_begin(task))
        return call_plain(task, arg);
    pi_task_fail(task, 0, "a limit of the task cannot be enforced in this worker");
    return 0;
}

void pi_run(posse_executor *e, unsigned worker, uint32_t index, uint64_t word)
{
    struct pi_slot *slot = &e->segment.slots.at[index];
    struct posse_task task = {.executor = e,
                              .slot = slot,
                              .word = word,
                              .index = index,
                              .worker = worker,
                              .deadline = PI_NEVER};
    struct pi_limits limits;
    struct pi_bytes arg = pi_slot_arg(e, slot);
    PI_ASSERT(pi_has_state(word, PI_RUNNING, worker) && pi_self_in(e));
    PI_PROBE(claim, e, index, pi_generation(word), worker);
    uint8_t attempt = pi_load_relaxed(&slot->attempt); /* relaxed: only the value counts */
    task.outer = pi_self->task;
    if (e->stamps)
        pi_stamp_start(&task);
    if (attempt < UINT8_MAX) /* release: after the stamps, for drop_result in recover.c */
        pi_store_release(&slot->attempt, (uint8_t)(attempt + 1));
    pi_self->task = &task;
    push_task(&task);
    /* A caller that has ended the task since the claim has notified the supervisor, which may not
     * have seen it on this stack. seq: after `current`; check_stack reads the other way round. */
    if (!pi_has_state(pi_load_seq(&slot->word), PI_RUNNING, worker))
        e->backend->notify(e);
    pi_wake_for_backlog(e);
    pi_see_blocks(e);                                 /* the argument may name one */
    uint64_t kind = pi_load_relaxed(&slot->arg_size); /* relaxed: published with the state */
    bool plain = !(kind & PI_SPECIAL) && !(task.outer && task.outer->limits);
    pi_end_task(&task, plain ? call_plain(&task, arg) : call_special(&task, arg, &limits));
}
