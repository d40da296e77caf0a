/* scene.c - what most scenes do with a pool. */
#include "fault/kit/fault.h"

int use_pool(posse_executor *pool)
{
    for (long i = 0; i < 3; i++) {
        posse_future future;
        long square = i * i;
        posse_status status = posse_submit(pool, square_task, &i, sizeof i, &future);
        ALLOW(status, ACCEPTED);
        if (status != POSSE_OK)
            continue;
        ALLOW(posse_result_into(future, -1, &square, sizeof square, NULL), ENDED);
        REQUIRE(square == i * i);
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    return 0;
}

int leave_pool(posse_executor *pool)
{
    if (fault_is_spent()) { /* one failure does not spoil what comes after it */
        posse_future future;
        long value = 7;
        ALLOW(posse_submit(pool, square_task, &value, sizeof value, &future), AS(POSSE_OK));
        ALLOW(posse_result_into(future, -1, &value, sizeof value, NULL), AS(POSSE_OK));
        REQUIRE(value == 49);
        REQUIRE(posse_release(future) == POSSE_OK);
    }
    REQUIRE(posse_destroy(pool) == POSSE_OK);
    return 0;
}

void sweep_all(const char *name, fault_scene *scene)
{
    long faults = sweep(name, scene, PROGRAM);
    if (backend() == POSSE_PROCESS) {
        faults += sweep(name, scene, SUPERVISOR);
        faults += sweep(name, scene, WORKER);
    }
    if (backend() == POSSE_THREAD)
        faults += sweep(name, scene, HELPERS);
    /* Without processes a warm pool may need no call that can fail. */
    assert_true(faults > 0 || backend() != POSSE_PROCESS);
}
