/* kill_and_release.c - a task ends and another thread releases it, while posse_kill is about to
 * cancel it. The linker leads that step to the test.
 */
#include "pool/finish.h"
#include "pool/pool.h"
#include "support/support.h"

static bool released; /* just before the next step */

/* What posse_release makes of the word, until it has freed the task's blocks. */
static uint64_t emptied(_Atomic uint64_t *word)
{
    return atomic_exchange(word, pi_emptied(atomic_load(word), PI_OWNER_PROGRAM));
}

bool __real_pi_finish(posse_executor *, uint32_t, uint64_t *, uint64_t, _Atomic uint64_t *);
bool __wrap_pi_finish(posse_executor *, uint32_t, uint64_t *, uint64_t, _Atomic uint64_t *);
bool __wrap_pi_finish(posse_executor *pool, uint32_t index, uint64_t *from, uint64_t end,
                      _Atomic uint64_t *counter)
{
    _Atomic uint64_t *at = &pool->segment.slots.at[index].word;
    bool midway = released;
    released = false;
    uint64_t word = midway ? emptied(at) : 0;
    bool done = __real_pi_finish(pool, index, from, end, counter);
    if (midway)
        atomic_store(at, word); /* the test goes on with it */
    return done;
}

POOL_TEST(released_midway, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future future = submitted_long(pool, square_task, 4);
    released = true;
    assert_status(posse_kill(future), POSSE_TOO_LATE);
    released = true;
    assert_status(posse_cancel(future), POSSE_TOO_LATE);
    open_gate(gate);
    assert_int_equal(take_long(future), 16);
    (void)take_long(held);
    free_gate(pool, gate);
}
