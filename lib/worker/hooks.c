/* Runs in: worker; inline in the program.
 *
 * The initializer and the finalizer of a worker. Each is called as a task whose slot is on this
 * stack: it may do all that a task may do, its result is dropped, and no other process sees it.
 */
#include "worker/hooks.h"
#include "os/clock.h"
#include "os/stdio.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "pool/self.h"
#include "worker/end.h"

#include <stdio.h>
#include <string.h>

void pi_worker_name(const posse_executor *e, unsigned worker, char name[16])
{
    char number[12];
    int digits = snprintf(number, sizeof number, "_%u", worker);
    snprintf(name, 16, "%.*s%s", 15 - digits, e->hooks.name, number);
}

/* The message of posse_task_fail, or one of our own. */
static struct pi_error failure(posse_executor *e, struct posse_task *task, int code)
{
    struct pi_error why = {.death.pid = -1, .code = task->failed ? task->code : code};
    size_t size = task->failed ? (size_t)task->size : 0;
    const void *bytes =
        task->block ? pi_block_bytes(e, task->block, size) : pi_slot_result_room(task->slot, size);
    if (size > 0 && bytes)
        snprintf(why.message, sizeof why.message, "%.*s", (int)size, (const char *)bytes);
    else
        snprintf(why.message, sizeof why.message, "the initializer returned %d", (int)why.code);
    return why;
}

bool pi_call_hook(posse_executor *e, unsigned worker, const struct pi_hook *hook,
                  struct pi_error *why)
{
    struct pi_slot slot = {.fn = 0};
    struct posse_task task = {
        .executor = e, .slot = &slot, .index = PI_NO_INDEX, .worker = worker, .deadline = PI_NEVER};
    task.word = pi_with_owner(PI_RUNNING, worker);
    atomic_init(&slot.word, task.word);
    atomic_init(&slot.attempt, 1);
    task.outer = pi_self->task;
    pi_self->task = &task;
    int code = hook->fn(&task, hook->arg, hook->size);
    pi_check_return(&task);
    pi_self->task = task.outer;
    bool good = code == 0 && !task.failed;
    if (!good)
        *why = failure(e, &task, code);
    if (task.block)
        (void)pi_block_release(e, worker, task.block, pi_tag_held(worker));
    if (e->backend->kills)
        pi_flush_streams(e);
    return good;
}

bool pi_initialize(posse_executor *e, unsigned worker, struct pi_error *why)
{
    if (!e->hooks.initializer.fn || pi_call_hook(e, worker, &e->hooks.initializer, why))
        return true;
    why->failures = 1;
    return false;
}

void pi_finalize(posse_executor *e, unsigned worker)
{
    struct pi_error ignored;
    if (e->hooks.finalizer.fn)
        (void)pi_call_hook(e, worker, &e->hooks.finalizer, &ignored);
}
