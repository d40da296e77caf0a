/* Runs in: supervisor.
 *
 * Step 10 of pool/assign.h. Only the supervisor knows which workers are active.
 */
#include "supervisor/drop_assigned.h"
#include "pool/assign.h"
#include "pool/finish.h"
#include "supervisor/child.h"

void pi_drop_assigned(struct pi_supervisor *s)
{
    posse_executor *e = s->executor;
    if (pi_load_seq(&e->segment.header->assigned) == 0) /* seq: with posse_broadcast */
        return;
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (pi_is_active(s, i))
            continue;
        uint64_t assigned = pi_load_seq(&e->segment.workers[i].assigned); /* seq: as above */
        uint64_t word = pi_assigned_word(e, assigned);
        if (word != 0) /* it was no task of the program's, so it is not counted */
            (void)pi_finish(e, (uint32_t)assigned - 1, &word, PI_CANCELLED, NULL);
    }
}
