/* Runs in: the process of one task (fresh.c).
 *
 * It gives up what belongs to others before it is sealed, and is sealed before it waits for the
 * task. If a step fails, it ends, and the worker takes another process or fails the task.
 */
#include "worker/fresh_task.h"
#include "core/crash_record.h"
#include "os/clock.h"
#include "os/fd.h"
#include "os/spare.h"
#include "os/stdio.h"
#include "os/unwind.h"
#include "os/usage.h"
#include "pool/self.h"
#include "pool/task_memory.h"
#include "worker/fresh_memory.h"
#include "worker/result.h"

#include <errno.h>

/* relaxed, all: the worker reads it when it has seen `done`, or the end of this process */
#define SAY(where, value) atomic_store_explicit(&(where), (value), memory_order_relaxed)

static pid_t own_pid;

bool pi_fresh_is_here(void) { return pi_os_self() == own_pid; }

/* ---- before the task ---- */

static void close_own(posse_executor *e)
{
    pi_os_fd_close(&e->link.descriptors);
    for (int i = 0; e->answers.kept && i < 2; i++)
        pi_os_fd_close(&e->answers.ends[i]);
}

/* 0 or an errno. */
static int give_up(const struct pi_spare *spare)
{
    posse_executor *e = spare->executor;
    int error = pi_os_shm_unmap(&e->memory);
    close_own(e);
    e->crash_record = e->autopsy ? &spare->memory->record : NULL;
    if (e->crash_record)
        pi_os_crash_watch(&e->crash_record->crash);
    if (error == 0)
        error = pi_os_seal_task(e->seal, &spare->memory->forbidden, spare->ruleset);
    pi_os_close(spare->ruleset);
    return error;
}

/* ---- the task ---- */

/* In a signal handler, or in exit. */
static void note_refusal(void)
{
    if (errno == ENOMEM && pi_fresh_is_here())
        SAY(pi_own_memory->refused, 1);
}

/* What the worker takes. errno: as the function has left it. */
static void say_end(struct posse_task *task, int code)
{
    struct pi_task_memory *m = task->memory;
    bool fails = code != 0 || task->failed;
    if (m->limited)
        SAY(m->refused, fails && errno == ENOMEM);
    if (!fails && task->refused)
        pi_task_fail(task, 0, "the result is over options.max_result");
    pi_os_stdio_flush();
    SAY(m->failed, task->failed);
    SAY(m->code, task->failed ? task->code : code);
    SAY(m->size, task->size);
    atomic_store_explicit(&m->done, 1, memory_order_release); /* with pi_os_spare_await */
    pi_os_spare_say();
}

static int call(struct posse_task *task)
{
    struct pi_task_memory *m = task->memory;
    posse_fn *fn = (posse_fn *)(uintptr_t)pi_load_relaxed(&m->slot.fn); /* before `go` */
    if (m->limited)
        pi_os_before_crash(note_refusal);
    errno = 0;
    return fn(task, m->arg_size ? pi_task_arg_room(m) : NULL, m->arg_size);
}

static void run(posse_executor *e, struct pi_task_memory *m)
{
    struct pi_self self = {.executor = e, .worker = e->owner, .begun = true};
    struct posse_task task = {.executor = e,
                              .slot = &m->slot,
                              .word = m->word,
                              .index = m->index,
                              .worker = e->owner,
                              .deadline = m->deadline,
                              .grace_ms = m->grace_ms,
                              .memory = m};
    if (m->has_descriptors)
        task.descriptors = &m->descriptors;
    self.task = &task;
    pi_self = &self;
    SAY(m->begun, 1);
    int code = call(&task);
    if (pi_fresh_is_here()) /* else the task has forked it: it has nothing to return to */
        say_end(&task, code);
}

__attribute__((noinline)) void pi_fresh_main(void *context)
{
    PI_OS_STACK_BEGINS();
    const struct pi_spare *spare = context;
    struct pi_task_memory *m = spare->memory;
    own_pid = pi_os_self();
    pi_own_memory = m;
    int error = give_up(spare);
    if (error == 0) {
        (void)pi_os_semaphore_wait(&m->go, PI_NEVER);
        error = pi_fresh_map_blocks(&spare->executor->memory, &m->blocks);
    }
    if (error == 0)
        run(spare->executor, m);
    SAY(m->error, error);
    pi_os_exit(0);
}
