/* Runs in: supervisor.
 *
 * Step 10 of pool/assign.h. Only the supervisor knows which workers are active.
 */
#include "supervisor/drop_assigned.h"
#include "pool/assign.h"
#include "pool/finish.h"
#include "supervisor/child.h"

/* Whether the worker may run it, or take a task from the queue before it does. A worker that was
 * told to exit may have looked just before: it runs what is assigned to it then, or leaves. If it
 * is in a task, it looks again after that. */
static bool may_run(const struct pi_supervisor *s, unsigned worker)
{
    const struct pi_child *child = &s->children[worker];
    if (pi_is_active(s, worker))
        return true;
    /* seq: after pi_retire; with push_task in run.c */
    return child->state == PI_CHILD_ALIVE && !child->retiring &&
           pi_worker_state(s, worker) <= PI_WORKER_IDLE &&
           pi_load_seq(&s->executor->segment.workers[worker].current) == 0;
}

void pi_drop_assigned(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    if (pi_load_seq(&e->segment.header->assigned) == 0) /* seq: with posse_broadcast */
        return;
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (may_run(s, i))
            continue;
        uint64_t assigned = pi_load_seq(&e->segment.workers[i].assigned); /* seq: as above */
        uint64_t word = pi_assigned_word(e, assigned);
        if (word != 0) /* it was no task of the program's, so it is not counted */
            (void)pi_finish(e, (uint32_t)assigned - 1, &word, PI_CANCELLED, NULL);
    }
}
