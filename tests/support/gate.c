/* gate.c - holds tasks back until the test lets them go on. */
#include "support.h"

#include <string.h>

struct gate *make_gate(posse_executor *pool)
{
    void *memory = NULL;
    assert_ok(posse_alloc(pool, sizeof(struct gate), &memory));
    return memset(memory, 0, sizeof(struct gate));
}

void free_gate(posse_executor *pool, struct gate *gate) { assert_ok(posse_free(pool, gate)); }

void open_gate(struct gate *gate) { atomic_store(&gate->open, 1); }

void await_entered(struct gate *gate, int tasks)
{
    assert_eventually(atomic_load(&gate->entered) >= tasks);
}

posse_future submitted_hold(posse_executor *pool, struct gate *gate)
{
    return SUBMIT_VALUE(pool, hold_task, gate);
}

void enter_gate(struct gate *gate)
{
    unsigned place = (unsigned)atomic_fetch_add(&gate->coming, 1);
    atomic_store(&gate->who[place % COUNT(gate->who)], identity());
    atomic_fetch_add(&gate->entered, 1);
}

bool pass_gate(struct gate *gate)
{
    enter_gate(gate);
    for (long end = now_ms() + PATIENCE_MS; !atomic_load(&gate->open); pause_ms(1))
        if (now_ms() > end)
            return false;
    atomic_fetch_add(&gate->passed, 1);
    return true;
}

/* ---- nests ---- */

struct nest *make_nest(posse_executor *pool)
{
    void *memory;
    assert_ok(posse_alloc(pool, sizeof(struct nest), &memory));
    struct nest *nest = memory;
    *nest = (struct nest){.gate = make_gate(pool)};
    return nest;
}

void free_nest(posse_executor *pool, struct nest *nest)
{
    free_gate(pool, nest->gate);
    assert_ok(posse_free(pool, nest));
}

struct nest *nest_of(const void *arg)
{
    struct nest *nest;
    memcpy(&nest, arg, sizeof nest);
    return nest;
}

int wait_in_nest(posse_task *task, struct nest *nest, posse_job job)
{
    job.struct_size = sizeof job;
    job.arg = &nest->gate;
    job.size = sizeof nest->gate;
    if (posse_submit_with(posse_task_executor(task), &job, &nest->inner) != POSSE_OK)
        return INNER_FAILED;
    return return_long(task, posse_result(nest->inner, -1, NULL, NULL));
}
