/* sweep.c - a worker dies, and the recovery sweeps, just when the program has taken the bit of a
 * thing in a map and has not yet put its name into the thing's word. The sweep takes the bit for
 * one that a dead taker left, and clears it. Then the thing is taken though its bit is clear, which
 * costs the next taker a step and nothing else (core/map.h).
 *
 * The linker leads pi_map_take here.
 */
#include "support/support.h"

#include "worker/backend.h"

#include <signal.h>

struct stage {
    posse_executor *pool;
    struct gate *gate;
    posse_future held; /* one worker is at the gate, */
    pid_t idle;        /* and this one is to die */
};
static struct stage *sweeping; /* NULL: nothing happens at a take */

/* The recovery is over when the next worker is there. */
static void sweep(const struct stage *stage)
{
    assert_int_equal(kill(stage->idle, SIGKILL), 0);
    assert_eventually(stats_of(stage->pool).workers_lost == 1 &&
                      stats_of(stage->pool).workers_idle == 1);
}

uint32_t __real_pi_map_take(struct pi_map *map, uint32_t count, uint32_t hint);
uint32_t __wrap_pi_map_take(struct pi_map *map, uint32_t count, uint32_t hint);
uint32_t __wrap_pi_map_take(struct pi_map *map, uint32_t count, uint32_t hint)
{
    uint32_t index = __real_pi_map_take(map, count, hint);
    struct stage *stage = sweeping;
    sweeping = NULL;
    if (stage) {
        sweep(stage);
        assert_false(pi_map_taken(map, index));
    }
    return index;
}

static struct stage begin(void)
{
    struct stage stage = {.pool = make_pool(2)};
    stage.gate = make_gate(stage.pool);
    stage.held = submitted_hold(stage.pool, stage.gate);
    await_entered(stage.gate, 1);
    stage.idle = (pid_t)take_long(submitted(stage.pool, identity_task, NULL, 0));
    return stage;
}

/* All is given back, whether another taker has come there meanwhile or not. */
static void end(struct stage *stage)
{
    assert_null(sweeping);
    open_gate(stage->gate);
    assert_eventually(posse_done(stage->held));
    (void)take_long(stage->held);
    free_gate(stage->pool, stage->gate);
    assert_at_rest(stage->pool);
    assert_int_equal(take_long(submitted_long(stage->pool, fib_task, 7)), 13);
    assert_at_rest(stage->pool);
    end_pool(stage->pool);
}

TEST(slot)
{
    struct stage stage = begin();
    sweeping = &stage;
    posse_future future = submitted_long(stage.pool, square_task, 7);
    posse_future other = submitted_long(stage.pool, square_task, 8);
    assert_int_equal(take_long(future), 49);
    assert_int_equal(take_long(other), 64);
    end(&stage);
}

TEST(parker)
{
    struct stage stage = begin();
    sweeping = &stage;
    assert_status(posse_result(stage.held, 10, NULL, NULL), POSSE_TIMEOUT);
    end(&stage);
}

/* It is kept as long as the executor lives. */
TEST(parker_of_a_mail_box)
{
    struct stage stage = begin();
    sweeping = &stage;
    assert_status(posse_wait(&stage.held, 1, POSSE_ALL_COMPLETED, 10, NULL, NULL), POSSE_TIMEOUT);
    end(&stage);
}

static const struct check checks[] = {
    CHECK(slot, PROCESSES),
    CHECK(parker, PROCESSES),
    CHECK(parker_of_a_mail_box, PROCESSES),
};

int main(int argc, char **argv) { return RUN_CHECKS(argc, argv, checks); }
