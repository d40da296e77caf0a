/* kill_and_release.c - a task ends and another thread releases it, while posse_kill is about to
 * cancel it: the linker leads that step to the test. By then its slot may be another task's. And a
 * task that was released and is lost without a worker.
 */
#include "internal.h"
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

/* posse_kill has looked, and comes late. */
POOL_TEST(the_next_task_in_its_slot_goes_on, PARALLEL, 1)
{
    struct pi_seen seen;
    struct gate *gates[] = {make_gate(pool), make_gate(pool)};
    posse_future held = submitted_hold(pool, gates[0]);
    await_entered(gates[0], 1);
    posse_future first = submitted_long(pool, square_task, 4);
    assert_ok(pi_future_look(first, &seen));
    assert_ok(posse_cancel(first));
    assert_ok(posse_release(first));
    posse_future next = submitted_hold(pool, gates[1]);
    assert_int_equal(next.slot, first.slot);
    open_gate(gates[0]);
    (void)take_long(held);
    await_entered(gates[1], 1);
    assert_status(pi_kill(first, seen), POSSE_TOO_LATE);
    open_gate(gates[1]);
    (void)take_long(next);
    free_gate(pool, gates[0]);
    free_gate(pool, gates[1]);
}

/* As when it is put back, and there is no memory for the queue: its word names the worker. */
POOL_TEST(lost_without_a_worker_it_frees_its_slot, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    posse_future future = submitted_long(pool, square_task, 4);
    _Atomic uint64_t *at = &pool->segment.slots.at[future.slot].word;
    assert_ok(posse_release(future));
    uint64_t word = pi_with_owner(pi_load_seq(at), 0);
    atomic_store(at, word);
    pi_finish_ownerless(pool, future.slot, word);
    assert_int_equal(pi_generation(pi_load_seq(at)), future.generation + 1);
    open_gate(gate);
    (void)take_long(held);
    free_gate(pool, gate);
}
