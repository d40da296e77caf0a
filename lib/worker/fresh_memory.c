/* Runs in: worker, and the process of a task.
 *
 * Blocks of posse_alloc that a task gets (job.memory). With POSSE_FRESH a block of posse_alloc is
 * whole units of the arena, so whole pages, all of which the program may show.
 *
 *   process    step                                                      checks
 *   submitter  writes references of the blocks into the details          job_memory.c
 *   w          finds their pages, in memory of its own; then in the      that each is a block, and
 *              task memory, before `go`                                  the program's
 *   process    maps these pages alone, each of a descriptor that allows  nothing: w has
 *              no more; closes both descriptors; then the task begins
 *
 * From then on the filter of system calls keeps the process to these pages. mremap could make a
 * mapping longer, beyond the block; MADV_REMOVE could take the memory of pages away from the
 * program; vmsplice could leave pages in a pipe, and MSG_ZEROCOPY in a socket, and so show what
 * they hold later.
 *
 * The program must not free a block before the task has ended: what follows there would be seen. So
 * a block that is not there any more fails the task.
 */
#include "worker/fresh_memory.h"
#include "core/arena.h"

static bool find(posse_executor *e, const struct pi_details_memory *from, struct pi_task_block *to)
{
    struct pi_block block;
    if (!pi_arena_find(&e->segment.arena, from->ref, &block) || block.span)
        return false;
    uint64_t tag = pi_load_acquire(block.tag); /* with pi_units_join */
    size_t first = (size_t)(block.bytes - e->memory.base);
    *to = (struct pi_task_block){{first, first + block.size}, from->writable};
    return tag == pi_tag_held(PI_OWNER_PROGRAM);
}

bool pi_fresh_find_blocks(const struct posse_task *task, struct pi_task_blocks *blocks)
{
    posse_executor *e = task->executor;
    const struct pi_details *details = pi_slot_details(e, task->slot);
    blocks->n = 0;
    if (!details || details->n_memory == 0)
        return true;
    uint32_t n = details->n_memory;
    if (n > PI_MAX_TASK_BLOCKS ||
        !pi_block_bytes(e, pi_slot_details_ref(task->slot), pi_details_size(n)))
        return false;
    while (blocks->n < n && find(e, &details->memory[blocks->n], &blocks->at[blocks->n]))
        blocks->n++;
    return blocks->n == n;
}

int pi_fresh_map_blocks(struct pi_os_shm *memory, const struct pi_task_blocks *blocks)
{
    int error = 0;
    for (uint32_t i = 0; i < blocks->n && error == 0; i++)
        error = pi_os_shm_map(memory, &blocks->at[i].pages, blocks->at[i].writable);
    pi_os_shm_close(memory);
    return error;
}
