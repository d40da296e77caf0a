/* Runs in: worker; pi_place_ended in the supervisor.
 *
 * A worker that stands for a place elsewhere (posse_runner.h). It runs no function of the program.
 *
 *   state    the worker                                     changed by          to
 *   WAITING  asks the runner, and sleeps on its descriptor  the runner: ready   READY
 *                                                           DRAINING, and no    exits
 *                                                           task is pending
 *                                                           the runner: never   breaks the executor
 *   READY    as any worker without a task                   a claim             BUSY
 *   BUSY     is in the runner, with a task                  RETURNED, OVER      READY
 *                                                           LOST, NOT_BEGUN     READY or WAITING,
 *                                                                               as the runner says
 *
 * A WAITING worker has no idle bit, so no caller counts on it, and a pending task stays in the
 * queue for a worker that is READY.
 *
 *   step                                                  a death of the worker right after it
 *   1  WAITING: the runner accepts a place                the place sees the end; no task is lost
 *   2  claims a task: RUNNING(w)                          LOST, or another attempt
 *   3  the runner hands the task to the place             the same; the place ends the task
 *   4  NOT_BEGUN: PENDING again, this run does not count  it is pushed again, by `touched`
 *   5  LOST by the place: PENDING with one retry less     as step 10 of worker/fresh.c
 *   6  RETURNED: the result is in the slot or a block     LOST, or another attempt
 *   7  the last arrow                                     as with any task
 */
#include "worker/place.h"
#include "base/tuning.h"
#include "core/details.h"
#include "os/clock.h"
#include "os/fd_wait.h"
#include "pool/backend.h"
#include "pool/error.h"
#include "pool/phase.h"
#include "worker/result.h"

#include <stdio.h>
#include <string.h>

/* ---- a place ---- */

void pi_place_begin(posse_executor *e)
{
    if (e->runner)
        pi_os_fd_wait_begin();
}

void pi_place_ended(posse_executor *e)
{
    if (e->runner && e->runner->calls.ended)
        e->runner->calls.ended(e->runner->calls.context);
}

static void give_up(posse_executor *e, const posse_place *place)
{
    struct pi_error why = pi_error_from_words(place->message);
    pi_break(e, &why);
    e->backend->notify(e);
}

/* Nobody tells a worker that the last pending task has ended otherwise. */
static uint64_t until_of(posse_executor *e, const posse_place *place)
{
    uint64_t until = pi_os_after_ms(place->timeout_ms);
    uint64_t soon = pi_os_now() + PI_PLACE_LOOK_NS;
    return pi_phase_of(e) == PI_DRAINING && soon < until ? soon : until;
}

bool pi_place_ready(posse_executor *e, unsigned worker)
{
    posse_place place = {
        .struct_size = sizeof place, .worker = (int)worker, .fds = {-1, -1}, .timeout_ms = -1};
    posse_status status = e->runner->calls.ready(e->runner->calls.context, &place);
    if (status == POSSE_TIMEOUT)
        pi_os_fd_wait(place.fds, until_of(e, &place));
    else if (status != POSSE_OK)
        give_up(e, &place);
    return status == POSSE_OK;
}

/* ---- a task ---- */

/* relaxed, all: published with the state */
static void note_use(struct posse_task *task, const posse_run *run)
{
    struct pi_details *details = pi_slot_details(task->executor, task->slot);
    enum pi_over over = run->end == POSSE_RUN_OVER_MEMORY ? PI_OVER_MEMORY
                        : run->end == POSSE_RUN_OVER_CPU  ? PI_OVER_CPU
                                                          : PI_OVER_NONE;
    if (!details)
        return;
    task->over = over != PI_OVER_NONE;
    pi_store_relaxed(&details->peak, run->peak_memory); /* as said */
    pi_store_relaxed(&details->cpu_ns, run->cpu_ns);    /* as said */
    pi_store_relaxed(&details->over, (uint32_t)over);   /* as said */
}

/* The name of the node is the result of a task that is lost there (describe.c). */
static void lose(struct posse_task *task, const posse_run *run)
{
    struct pi_bytes block;
    pi_drop_result(task);
    task->lost = true;
    task->slot->death =
        (struct pi_death){.signal = run->signal, .exit_code = run->exit_code, .pid = run->pid};
    if (!run->node ||
        pi_block_acquire(task->executor, task->worker, PI_NODE_NAME, &block) != POSSE_OK)
        return;
    snprintf(block.bytes, PI_NODE_NAME, "%s", run->node);
    task->block = block.ref;
    task->size = PI_NODE_NAME;
}

static void read_task(const struct posse_task *task, posse_run *run)
{
    const struct pi_runner *runner = task->executor->runner;
    const struct pi_details *details = pi_slot_details(task->executor, task->slot);
    if (details && pi_slot_is_limited(task->slot)) {
        run->max_memory = (size_t)details->max_memory;
        run->max_cpu_ms = (long)details->max_cpu_ms;
    }
    if (run->fn == runner->chunk) {
        memcpy(run->pointers, runner->pointers, sizeof run->pointers);
        run->n_pointers = 2;
    }
}

static bool can_end_so(const posse_run *run)
{
    switch (run->end) {
    case POSSE_RUN_RETURNED:
    case POSSE_RUN_LOST:
    case POSSE_RUN_NOT_BEGUN: return true;
    case POSSE_RUN_OVER_MEMORY: return run->max_memory > 0;
    case POSSE_RUN_OVER_CPU: return run->max_cpu_ms > 0;
    default: return false;
    }
}

int pi_place_call(struct posse_task *task, const struct pi_bytes *arg)
{
    const posse_runner *runner = &task->executor->runner->calls;
    posse_run run = {.struct_size = sizeof run,
                     .task = task,
                     .fn = (posse_fn *)(uintptr_t)task->slot->fn,
                     .arg = arg->size ? arg->bytes : NULL,
                     .size = (size_t)arg->size};
    read_task(task, &run);
    task->of_map = run.n_pointers > 0;
    runner->run(runner->context, &run);
    if (!can_end_so(&run))
        run.end = POSSE_RUN_LOST;
    task->elsewhere = run.end == POSSE_RUN_NOT_BEGUN;
    task->lost = task->elsewhere;
    if (run.end == POSSE_RUN_LOST)
        lose(task, &run);
    note_use(task, &run);
    task->special |= task->over;
    return run.code;
}
