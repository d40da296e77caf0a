/* Runs in: program.
 *
 * The tasks of posse_broadcast, and what it leaves for workers that start later: steps 1 to 5 of
 * pool/assign.h.
 */
#include "broadcast.h"
#include "base/probe.h"
#include "os/semaphore.h"
#include "pool/backend.h"
#include "pool/block.h"
#include "submit.h"
#include "worker/run_assigned.h"

#include <errno.h>
#include <string.h>

/* ---- for workers that start later ---- */

posse_status pi_broadcast_later(struct pi_broadcast_call *c)
{
    posse_executor *e = c->executor;
    struct pi_bytes block = {.ref = 0};
    uint64_t word = 0;
    if (c->job->fn) {
        posse_status status =
            pi_block_acquire(e, PI_OWNER_PROGRAM, sizeof c->head + c->job->size, &block);
        if (status != POSSE_OK)
            return status;
        e->broadcasts = e->broadcasts % PI_BROADCAST_SERIAL_MASK + 1; /* never 0 */
        c->head.serial = e->broadcasts;
        memcpy(block.bytes, &c->head, sizeof c->head);
        if (c->job->size)
            memcpy((struct pi_broadcast *)block.bytes + 1, c->job->arg, c->job->size);
        word = block.ref << PI_BROADCAST_SERIAL_BITS | c->head.serial;
    }
    /* seq: before the states of the workers; release: the block */
    uint64_t old = pi_exchange_seq(&e->segment.header->for_later, word);
    pi_block_ref ref = old >> PI_BROADCAST_SERIAL_BITS;
    if (ref)
        (void)pi_block_release(e, PI_OWNER_PROGRAM, ref, pi_tag_held(PI_OWNER_PROGRAM));
    return POSSE_OK;
}

/* ---- the tasks ---- */

/* As a pi_writer: head and argument together. */
static void *write_arg(void *to, const void *from, size_t size)
{
    const struct pi_broadcast_call *c = from;
    memcpy(to, &c->head, sizeof c->head);
    if (size > sizeof c->head)
        memcpy((char *)to + sizeof c->head, c->job->arg, size - sizeof c->head);
    return to;
}

/* A task that is withheld. */
static posse_status make_task(struct pi_broadcast_call *c, posse_future *future)
{
    posse_job job = {.struct_size = sizeof job,
                     .fn = pi_broadcast_task,
                     .arg = c,
                     .size = sizeof c->head + c->job->size,
                     .retries = -1};
    struct pi_submission s = {
        .executor = c->executor, .write = write_arg, .owner = PI_OWNER_PROGRAM};
    struct pi_filling taken;
    pi_submit_set_job(&s, &job);
    if (pi_submit_take(&s, 1, &taken) == 0)
        return pi_failure(PI_NO_SHARED);
    s.index = taken.index;
    s.word = taken.word;
    *future = (posse_future){c->executor, s.index, pi_generation(s.word)};
    posse_status status = pi_submit_fill(&s);
    if (status != POSSE_OK)
        return status;
    PI_PROBE(submit, c->executor, s.index, pi_generation(s.word), c->job->fn);
    pi_slot_withhold(s.slot, s.word, 0);
    return POSSE_OK;
}

static void assign(const struct pi_run *run)
{
    posse_executor *e = run->future.executor;
    struct pi_worker *worker = &e->segment.workers[run->worker];
    pi_store_seq(&worker->assigned, pi_assigned(run->future)); /* with run_assigned */
    pi_os_semaphore_post(&worker->wake);
}

void pi_broadcast_assign_again(const struct pi_run *run)
{
    posse_executor *e = run->future.executor;
    pi_store_seq(&e->segment.header->assigned, 1); /* with pi_drop_assigned */
    assign(run);
    e->backend->notify(e);
}

static bool is_active(posse_executor *e, unsigned worker)
{
    switch (pi_load_seq(&e->segment.workers[worker].state)) { /* after `for_later` */
    case PI_WORKER_STARTING:
    case PI_WORKER_READY:
    case PI_WORKER_IDLE: return true;
    default: return false;
    }
}

posse_status pi_broadcast_assign_all(struct pi_broadcast_call *c)
{
    posse_executor *e = c->executor;
    posse_status status = POSSE_OK;
    pi_store_seq(&e->segment.header->assigned, 1); /* with pi_drop_assigned */
    unsigned workers = pi_workers_count(&e->segment);
    for (unsigned i = 0; i < workers && status == POSSE_OK; i++) {
        struct pi_run *run = &c->runs[c->n];
        if (!is_active(e, i))
            continue;
        *run = (struct pi_run){.worker = i, .future.executor = e};
        status = make_task(c, &run->future);
        if (status == POSSE_OK) {
            assign(run);
            c->n++;
        }
    }
    c->error = errno;
    e->backend->notify(e);
    return status;
}
