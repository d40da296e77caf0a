/* sweep.c - a worker dies, and the recovery sweeps, just when the program has taken the bit of a
 * thing in a map and has not yet put its name into the thing's word. The sweep takes the bit for
 * one that a dead taker left, and clears it. Then the thing is taken though its bit is clear, which
 * costs the next taker a step and nothing else (core/bitmap.h). Of slots this is so only if all of
 * them are looked at: else the dead worker has said which bit was its own.
 *
 * The linker leads pi_bitmap_alloc_bits, for slots, and pi_bitmap_alloc_noted, for parkers, here.
 */
#include "pool/pool.h"
#include "support/support.h"

#include <signal.h>

struct stage {
    posse_executor *pool;
    struct gate *gate;
    posse_future held; /* one worker is at the gate, */
    pid_t idle;        /* and this one is to die */
    bool stays;        /* the bit that was taken is not swept */
};
static struct stage *sweeping; /* NULL: nothing happens at a take */

/* The recovery is over when the next worker is there. */
static void sweep(const struct stage *stage)
{
    assert_int_equal(kill(stage->idle, SIGKILL), 0);
    assert_eventually(stats_of(stage->pool).workers_lost == 1 &&
                      stats_of(stage->pool).workers_idle == 1);
}

static void taken(struct pi_bitmap *map, uint32_t index)
{
    struct stage *stage = sweeping;
    if (!stage)
        return;
    sweeping = NULL;
    sweep(stage);
    assert_int_equal(pi_bitmap_is_allocated(map, index), stage->stays);
}

struct pi_bitmap_bits __real_pi_bitmap_alloc_bits(struct pi_bitmap *, uint32_t, uint32_t, unsigned);
struct pi_bitmap_bits __wrap_pi_bitmap_alloc_bits(struct pi_bitmap *, uint32_t, uint32_t, unsigned);
struct pi_bitmap_bits __wrap_pi_bitmap_alloc_bits(struct pi_bitmap *map, uint32_t count,
                                                  uint32_t hint, unsigned most)
{
    struct pi_bitmap_bits found = __real_pi_bitmap_alloc_bits(map, count, hint, most);
    if (found.bits != 0)
        taken(map, found.word * 64 + (uint32_t)__builtin_ctzll(found.bits));
    return found;
}

uint32_t __real_pi_bitmap_alloc_noted(struct pi_bitmap *, uint32_t, uint32_t, _Atomic uint32_t *);
uint32_t __wrap_pi_bitmap_alloc_noted(struct pi_bitmap *, uint32_t, uint32_t, _Atomic uint32_t *);
uint32_t __wrap_pi_bitmap_alloc_noted(struct pi_bitmap *map, uint32_t count, uint32_t hint,
                                      _Atomic uint32_t *note)
{
    uint32_t index = __real_pi_bitmap_alloc_noted(map, count, hint, note);
    if (index != PI_NO_INDEX)
        taken(map, index);
    return index;
}

static struct stage begin(void)
{
    struct stage stage = {.pool = make_pool(2)};
    stage.gate = make_gate(stage.pool);
    stage.held = submitted_hold(stage.pool, stage.gate);
    await_entered(stage.gate, 1);
    stage.idle = (pid_t)take_long(submitted(stage.pool, identity_task, NULL, 0));
    /* Until then its task may still be on its stack, and its death is one in the midst of work. */
    assert_eventually(stats_of(stage.pool).workers_idle == 1);
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

#define MANY 200 /* more slots than a thread keeps */

/* Submits until the map is asked for slots. */
static void take_a_slot(struct stage *stage)
{
    posse_future futures[MANY];
    long n = 0;
    for (sweeping = stage; sweeping && n < MANY; n++)
        futures[n] = submitted_long(stage->pool, square_task, n);
    for (long i = 0; i < n; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    end(stage);
}

TEST(slot, PROCESSES)
{
    struct stage stage = begin();
    stage.stays = true;
    take_a_slot(&stage);
}

TEST(slot_when_all_are_looked_at, PROCESSES)
{
    struct stage stage = begin();
    for (unsigned i = 0; i < 2; i++) /* as if other threads of the workers had changed slots */
        atomic_store(&stage.pool->segment.workers[i].walk, 1);
    take_a_slot(&stage);
}

/* As if the worker that dies had freed the slot of the task that is held, and had set its bit just
 * after another took the slot. Of such a group a walk over all tasks would pass that task. */
static void set_bit_and_die(struct stage *stage, bool touched)
{
    struct pi_segment *segment = &stage->pool->segment;
    uint32_t index = stage->held.slot;
    for (unsigned i = 0; i < 2; i++)
        if (touched)
            atomic_store(&segment->workers[i].touched, PI_BITMAP_NOTED | (index + 1));
        else
            atomic_store(&segment->workers[i].walk, 1);
    pi_bitmap_free(&segment->slots.map, index);
    sweep(stage);
    assert_true(pi_bitmap_is_allocated(&segment->slots.map, index));
    end(stage);
}

TEST(bit_of_a_slot_that_was_taken_again, PROCESSES)
{
    struct stage stage = begin();
    set_bit_and_die(&stage, true);
}

TEST(bit_of_a_taken_slot_when_all_are_looked_at, PROCESSES)
{
    struct stage stage = begin();
    set_bit_and_die(&stage, false);
}

/* On a busy machine the time can be over before a caller has come to park itself. */
TEST(parker, PROCESSES)
{
    struct stage stage = begin();
    for (sweeping = &stage; sweeping;)
        assert_status(posse_result(stage.held, 10, NULL, NULL), POSSE_TIMEOUT);
    end(&stage);
}

/* It is kept as long as the executor lives. */
TEST(parker_of_a_dispatcher, PROCESSES)
{
    struct stage stage = begin();
    for (sweeping = &stage; sweeping;)
        assert_status(posse_wait(&stage.held, 1, POSSE_ALL_COMPLETED, 10, NULL, NULL),
                      POSSE_TIMEOUT);
    end(&stage);
}
