/* Runs in: program, worker.
 *
 * Taking back a task that was published, while no worker has claimed it.
 */
#include "submit.h"
#include "base/assert.h"
#include "pool/finish.h"
#include "pool/pool.h"

/* Whether the task has this state, and was never claimed: a claim leaves its owner in the word,
 * also when the task is PENDING again for another run. */
static bool is_untouched(const struct pi_submission *s, uint64_t seen, enum pi_state state)
{
    return (pi_has_state(seen, state, PI_OWNER_NONE) ||
            pi_has_state(seen, state, PI_OWNER_WITHHELD)) &&
           pi_generation(seen) == pi_generation(s->word);
}

bool pi_submit_take_back(struct pi_submission *s, uint64_t entries)
{
    uint64_t seen = pi_load_acquire(&s->slot->word); /* with pi_slot_transition */
    while (is_untouched(s, seen, PI_PENDING)) {
        uint64_t back = (s->word & ~PI_IN_RING) | (seen & entries);
        PI_ASSERT_ARROW(seen, back);
        if (pi_cas(&s->slot->word, &seen, back)) { /* as above */
            s->word = back;
            return true;
        }
    }
    return false;
}

bool pi_submit_undo(struct pi_submission *s)
{
    posse_executor *e = s->executor;
    uint64_t seen = pi_load_acquire(&s->slot->word); /* with pi_slot_transition */
    bool cancelled = is_untouched(s, seen, PI_CANCELLED);
    if (!cancelled && !pi_submit_take_back(s, PI_IN_RING))
        return false; /* it runs, has run, or was cancelled just now: it was accepted */
    if (pi_discard(e, s->index, cancelled ? seen : s->word) && cancelled)
        /* The caller that closed the executor has counted it. It is refused, so it was no task.
         * relaxed: only the value counts */
        pi_add_relaxed(&e->segment.header->cancelled, (uint64_t)-1);
    return true;
}
