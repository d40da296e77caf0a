/* Runs in: program, worker.
 *
 * The memory of a job: which blocks of posse_alloc its task gets. That matters only where each task
 * has a process of its own, but it is checked everywhere. The list goes into the task's details;
 * worker/fresh_memory.c reads it there, and checks it again.
 */
#include "posse_seal.h"

#include "core/arena.h"
#include "internal.h"
#include "os/seal.h"
#include "pool/block.h"

/* The whole of a block that posse_alloc has given; 0: there is none. A worker's block would go with
 * its worker, so a process gets the program's alone. */
static pi_block_ref block_at(posse_executor *e, const void *address)
{
    struct pi_block block;
    pi_block_ref ref = pi_arena_ref(&e->segment.arena, address);
    if (!pi_arena_find(&e->segment.arena, ref, &block))
        return 0;
    uint64_t tag = pi_load_acquire(block.tag); /* with the CAS that gave it its owner */
    bool held = pi_tag_kind(tag) == PI_TAG_HELD;
    return held && (!e->fresh || pi_tag_owner(tag) == PI_OWNER_PROGRAM) ? ref : 0;
}

static posse_status check_blocks(posse_executor *e, const posse_job *job)
{
    for (size_t i = 0; i < job->n_memory; i++) {
        if (!block_at(e, job->memory[i].block))
            return pi_refuse(POSSE_INVALID, "job.memory has a block that is not of posse_alloc");
        for (size_t k = 0; k < i; k++)
            if (job->memory[k].block == job->memory[i].block)
                return pi_refuse(POSSE_INVALID, "job.memory has a block twice");
    }
    return POSSE_OK;
}

posse_status pi_check_memory(posse_executor *e, const posse_job *job)
{
    bool leaves_children = e->fresh && (e->seal->allow & PI_OS_ALLOW_PROCESSES);
    const struct pi_mistake mistakes[] = {
        {job->n_memory > POSSE_MAX_JOB_MEMORY, POSSE_TOO_LARGE,
         "job.n_memory is over POSSE_MAX_JOB_MEMORY"},
        {!job->memory, POSSE_INVALID, "job.memory is NULL, but job.n_memory is not 0"},
        {leaves_children, POSSE_NOT_SUPPORTED,
         "job.memory: with POSSE_ALLOW_PROCESSES a child could keep it"},
        {e->fresh && e->memory.fd.number < 0, POSSE_NOT_SUPPORTED,
         "job.memory: this system gives shared memory no descriptor"},
    };
    posse_status status = pi_check_shared(e);
    if (status == POSSE_OK)
        status = PI_REFUSE_FIRST(mistakes);
    return status == POSSE_OK && job->memory ? check_blocks(e, job) : status;
}

void pi_fill_memory(posse_executor *e, const posse_job *job, struct pi_details *details)
{
    details->n_memory = (uint32_t)job->n_memory;
    for (size_t i = 0; i < job->n_memory; i++)
        details->memory[i] = (struct pi_details_memory){
            pi_arena_ref(&e->segment.arena, job->memory[i].block), job->memory[i].writable};
}
