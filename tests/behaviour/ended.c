/* ended.c - a future that has ended stays as it is, and all who look see the same. */
#include "pool/pool.h"
#include "pool/finish.h"
#include "support/support.h"

#include <string.h>

/* Ends it again, as nobody should: false is what is right. */
static bool ends_again(posse_future future, enum pi_state state)
{
    posse_executor *e = future.executor;
    struct pi_slot *slot = &e->segment.slots.at[future.slot];
    uint64_t run = pi_with_state(pi_load_seq(&slot->word), PI_RUNNING);
    uint64_t copy = run;
    return pi_slot_transition(slot, &run, state, 0, 0) ||
           pi_finish(e, future.slot, &copy, state, NULL);
}

POOL_TEST(F_20_multiple_set_result, ALL, 1)
{
    posse_future future = submitted_long(pool, square_task, 6);
    assert_ok(posse_result(future, -1, NULL, NULL));
    assert_false(ends_again(future, PI_DONE));
    assert_false(ends_again(future, PI_FAILED));
    assert_int_equal(take_long(future), 36);
}

POOL_TEST(F_21_multiple_set_exception, ALL, 1)
{
    posse_future future = submitted_long(pool, message_task, 6);
    assert_ok(posse_exception(future, -1, NULL));
    assert_false(ends_again(future, PI_FAILED));
    assert_false(ends_again(future, PI_DONE));
    assert_string_equal(take_error(future, POSSE_TASK_FAILED).message, "failed with 6");
}

/* Looks a thousand times: before the end nothing is there, after it everything. */
static posse_status snapshots(void *context)
{
    posse_future future = *(posse_future *)context;
    posse_error first = {0}, error = {.struct_size = sizeof error};
    bool ended = false;
    for (int i = 0; i < 1000; i++) {
        posse_status status = posse_exception(future, 0, &error);
        if (status == POSSE_TIMEOUT && !ended)
            continue;
        first = ended ? first : error;
        ended = true;
        if (status != POSSE_OK || memcmp(&first, &error, sizeof first) != 0 ||
            posse_result(future, 0, NULL, NULL) != error.status || !posse_done(future) ||
            posse_running(future) || posse_cancelled(future))
            return POSSE_SYSTEM;
    }
    return POSSE_OK;
}

POOL_TEST(F_22_get_snapshot, PARALLEL_CALLERS, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    posse_future future = submitted_long(pool, message_task, 9);
    struct caller callers[4];
    for (int i = 0; i < 4; i++)
        start_call(&callers[i], snapshots, &future);
    open_gate(gate);
    for (int i = 0; i < 4; i++)
        assert_ok(end_call(&callers[i]));
    assert_ok(posse_exception(future, -1, NULL));
    assert_ok(snapshots(&future));
    take_error(future, POSSE_TASK_FAILED);
    take_long(held);
    free_gate(pool, gate);
}
