/* Runs in: worker.
 *
 * The worker's part of posse_broadcast; pool/assign.h has the protocol.
 */
#include "worker/run_assigned.h"
#include "pool/block.h"
#include "pool/assign.h"
#include "pool/error.h"
#include "pool/self.h"
#include "worker/hooks.h"
#include "worker/run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int pi_broadcast_task(posse_task *task, const void *arg, size_t size)
{
    const struct pi_broadcast *head = arg;
    if (size < sizeof *head || (head->serial != 0 && head->serial == pi_self->broadcast))
        return 0; /* the worker ran it at its start */
    posse_fn *fn = (posse_fn *)(uintptr_t)head->fn;
    size -= sizeof *head;
    return fn(task, size ? head + 1 : NULL, size);
}

void pi_run_assigned(posse_executor *e, unsigned worker, uint64_t assigned)
{
    struct pi_slots *slots = &e->segment.slots;
    uint32_t index = (uint32_t)assigned - 1;
    uint64_t word;
    bool claimed = false;
    while (!claimed && (word = pi_assigned_word(e, assigned)) != 0) {
        pi_slots_touch(slots, worker, index);
        claimed = pi_slot_claim(&slots->at[index], worker, &word);
    }
    /* with posse_broadcast, which may have assigned the next one */
    (void)pi_cas(&e->segment.workers[worker].assigned, &assigned, 0);
    if (!claimed)
        return;
    pi_run(e, worker, index, word);
    pi_self->ran_assigned++;
}

/* A copy of the block, to be freed; NULL: there is none, or no memory (ENOMEM). */
static struct pi_broadcast *copy(posse_executor *e, uint64_t for_later)
{
    pi_block_ref ref = for_later >> PI_BROADCAST_SERIAL_BITS;
    size_t size = pi_block_room(e, ref);
    const void *bytes = size >= sizeof(struct pi_broadcast) ? pi_block_bytes(e, ref, size) : NULL;
    struct pi_broadcast *head = bytes ? malloc(size) : NULL;
    errno = bytes ? ENOMEM : 0;
    if (!head)
        return NULL;
    memcpy(head, bytes, size);
    bool whole = head->serial == ((uint32_t)for_later & PI_BROADCAST_SERIAL_MASK) &&
                 head->size <= size - sizeof *head;
    /* order: after the copy; with the exchange in broadcast.c, before the block is freed */
    if (whole && pi_load_again(&e->segment.header->for_later) == for_later)
        return head;
    free(head);
    errno = 0;
    return NULL;
}

bool pi_run_for_later(posse_executor *e, unsigned worker, struct pi_error *why)
{
    _Atomic uint64_t *at = &e->segment.header->for_later;
    uint64_t seen;
    struct pi_broadcast *head = NULL;
    do {
        seen = pi_load_seq(at); /* after STARTING: see assign.h */
        pi_see_blocks(e);
        head = seen ? copy(e, seen) : NULL;
        if (!head && seen && errno) {
            *why = pi_error_from_errno("no memory for the broadcast to later workers", errno);
            return false;
        }
    } while (!head && seen != pi_load_seq(at)); /* as above; if it is overwritten, it is none */
    if (!head)
        return true;
    struct pi_hook hook = {(posse_fn *)(uintptr_t)head->fn, head + 1, (size_t)head->size};
    if (hook.size == 0)
        hook.arg = NULL;
    pi_self->broadcast = (uint32_t)head->serial;
    bool good = pi_call_hook(e, worker, &hook, why);
    free(head);
    return good;
}
