/* verify.c - a caller that has been blocked for a second checks whether a task overwrote memory. A
 * sound pool that is only slow or stopped passes all checks. The tests make the checks one after
 * another, as if seconds lay between them. */
#include "pool/pool.h"
#include "pool/grow.h"
#include "pool/phase.h"
#include "pool/dispatch.h"
#include "pool/verify.h"
#include "support/support.h"

#include <signal.h>

#define LOOKS 50
#define GIVING 32u        /* in the word `backed`, */
#define MARK_UP 0xffffffu /* and a cell: see core/ring.c */
#define FAR 1000          /* past the end of the ring, in the same memory */
#define WAITING 20        /* entries: the tail of the ring lags less behind */

/* As many looks at the pool as a caller takes in that many seconds. */
static void look_long(posse_executor *pool)
{
    for (int i = 0; i < LOOKS; i++) {
        atomic_store(&pool->stall.checked_ns, 0);
        pi_verify_pool(pool);
    }
}

static void look_long_at(posse_executor *pool, posse_future future)
{
    struct pi_verify verify = {.word = 0};
    for (int i = 0; i < LOOKS; i++)
        pi_verify_task(pool, future.slot, &verify);
}

/* Its only worker is at the gate. */
struct scene {
    posse_executor *pool;
    struct gate *gate;
    posse_future held;
};

static struct scene hold_worker(void)
{
    struct scene scene = {.pool = make_pool(1)};
    scene.gate = make_gate(scene.pool);
    scene.held = submitted_hold(scene.pool, scene.gate);
    await_entered(scene.gate, 1);
    return scene;
}

static void end_scene(struct scene scene)
{
    free_gate(scene.pool, scene.gate);
    end_pool(scene.pool);
}

/* The caller that finds a task without a worker is late: the task has ended meanwhile. */
POOL_TEST(late_for_a_loss, PROCESSES, 1)
{
    long signal = SIGKILL;
    posse_future future = SUBMIT_VALUE(pool, signal_task, signal);
    posse_error error = error_of(future);
    assert_int_equal(error.signal, SIGKILL);
    uint64_t was = pi_with_state(pi_word_of(future), PI_RUNNING);
    pi_finish_ownerless(pool, future.slot, was);
    assert_int_equal(error_of(future).signal, SIGKILL);
    assert_int_equal(error_of(future).pid, error.pid);
    assert_ok(posse_release(future));
    assert_eventually(stats_of(pool).workers == 1);
}

/* The same with a result, which lies in the same place. */
POOL_TEST(late_for_a_result, PARALLEL, 1)
{
    static const char bytes[24] = "as long as a death is";
    const void *result;
    posse_future future = submitted(pool, echo_task, bytes, sizeof bytes);
    assert_ok(posse_result(future, -1, &result, NULL));
    pi_finish_ownerless(pool, future.slot, pi_with_state(pi_word_of(future), PI_RUNNING));
    assert_memory_equal(result, bytes, sizeof bytes);
    assert_ok(posse_release(future));
}

/* It ends without a death that anyone knows of. */
POOL_TEST(no_worker_of_its_name, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate), future;
    await_entered(gate, 1);
    future = submitted_long(pool, square_task, 3);
    pi_finish_ownerless(pool, future.slot, pi_word_of(future));
    posse_error error = take_error(future, POSSE_WORKER_LOST);
    assert_int_equal(error.signal, 0);
    assert_int_equal(error.exit_code, -1);
    assert_int_equal(error.pid, 0);
    open_gate(gate);
    take_error(held, POSSE_OK);
    free_gate(pool, gate);
}

POOL_TEST(stopped_worker, PROCESSES, 1)
{
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    kill(worker, SIGSTOP);
    posse_future future = submitted_long(pool, square_task, 5);
    look_long(pool);
    look_long_at(pool, future);
    kill(worker, SIGCONT);
    assert_int_equal(take_long(future), 25);
}

/* It starts no worker, and so nobody takes the task. */
POOL_TEST(stopped_supervisor, PROCESSES, 1, .on_demand = true, .idle_timeout_ms = 1)
{
    pid_t supervisor = (pid_t)take_long(submitted(pool, parent_task, NULL, 0));
    assert_eventually(stats_of(pool).workers == 0);
    kill(supervisor, SIGSTOP);
    posse_future future = submitted_long(pool, square_task, 6);
    look_long(pool);
    look_long_at(pool, future);
    kill(supervisor, SIGCONT);
    assert_int_equal(take_long(future), 36);
}

TEST(busy_worker, PARALLEL)
{
    struct scene scene = hold_worker();
    posse_future future = submitted_long(scene.pool, square_task, 7);
    look_long(scene.pool);
    look_long_at(scene.pool, scene.held);
    look_long_at(scene.pool, future);
    open_gate(scene.gate);
    assert_int_equal(take_long(future), 49);
    (void)take_long(scene.held);
    assert_int_equal(stats_of(scene.pool).workers_lost, 0);
    end_scene(scene);
}

/* What was seen at an earlier attempt says nothing of this one. */
TEST(retried_task, PARALLEL)
{
    struct scene scene = hold_worker();
    struct pi_segment *segment = &scene.pool->segment;
    posse_future future = submitted_long(scene.pool, square_task, 8);
    struct pi_slot *slot = &segment->slots.at[future.slot];
    struct pi_verify verify = {.word = 0};
    uint64_t end = pi_ring_end(&segment->lanes.ring[0]);
    for (uint8_t retries = LOOKS; retries > 0; retries--) {
        atomic_store(&slot->retries, retries - 1);
        pi_verify_task(scene.pool, future.slot, &verify);
        verify.since = 0; /* the head is past that, as if the task had been taken */
    }
    assert_int_equal(pi_ring_end(&segment->lanes.ring[0]), end); /* nothing was pushed */
    open_gate(scene.gate);
    assert_int_equal(take_long(future), 64);
    (void)take_long(scene.held);
    end_scene(scene);
}

/* An entry that is lost is put there again. */
TEST(lost_entry, PARALLEL)
{
    struct scene scene = hold_worker();
    struct pi_ring *ring = &scene.pool->segment.lanes.ring[0];
    posse_future future = submitted_long(scene.pool, square_task, 9);
    atomic_store(&ring->shared->head, pi_ring_end(ring)); /* past it */
    open_gate(scene.gate);
    (void)take_long(scene.held);
    look_long_at(scene.pool, future);
    assert_int_equal(take_long(future), 81);
    end_scene(scene);
}

static uint64_t backed_of(struct scene scene)
{
    return atomic_load(&scene.pool->segment.lanes.ring[0].shared->backed);
}

/* A task has overwritten the cell at the head: no worker comes past it, and the pool breaks,
 * whatever stands in the word `backed`. */
static void assert_gap_found(struct scene scene, uint64_t backed)
{
    struct pi_ring *ring = &scene.pool->segment.lanes.ring[0];
    for (int i = 0; i < WAITING; i++)
        assert_ok(posse_submit(scene.pool, square_task, &(long){9}, sizeof(long), NULL));
    posse_future future = submitted_long(scene.pool, square_task, 9);
    atomic_store(&ring->cells[atomic_load(&ring->shared->head) % PI_RING_CELLS], 0);
    atomic_store(&ring->shared->backed, backed);
    open_gate(scene.gate);
    (void)take_long(scene.held);
    assert_eventually((look_long(scene.pool), posse_result(future, 0, NULL, NULL) == POSSE_BROKEN));
    assert_ok(posse_destroy(scene.pool)); /* it is not at rest */
}

TEST(gap_in_the_ring, PARALLEL)
{
    struct scene scene = hold_worker();
    assert_gap_found(scene, backed_of(scene));
}

/* The supervisor gives rings back, as it seems, and does not come to its end with that. */
TEST(gap_while_rings_seem_to_go, PARALLEL)
{
    struct scene scene = hold_worker();
    assert_gap_found(scene, pi_monotonic_word((uint32_t)backed_of(scene) | GIVING));
}

TEST(gap_and_no_word_of_rings, PARALLEL) { assert_gap_found(hold_worker(), UINT64_MAX); }

/* No worker would come past the gap, as none lives: the supervisor knows that, whatever a task has
 * written. */
TEST(damage_without_workers, PARALLEL)
{
    posse_executor *pool = POOL(1, .on_demand = true, .idle_timeout_ms = 1);
    assert_int_equal(take_long(submitted_long(pool, square_task, 6)), 36);
    assert_eventually(stats_of(pool).workers == 0);
    atomic_store(&pool->segment.header->workers, 7);
    atomic_store(&pool->segment.lanes.ring[0].shared->tail, FAR);
    posse_future future = submitted_long(pool, square_task, 6);
    assert_eventually((look_long(pool), posse_result(future, 0, NULL, NULL) == POSSE_BROKEN));
    assert_ok(posse_destroy(pool));
}

/* The supervisor is stopped as it gives rings back, and the head stands at a mark that a producer
 * has just put: that is no damage. */
POOL_TEST(stopped_while_rings_go, PARALLEL, 1)
{
    struct pi_ring *ring = &pool->segment.lanes.ring[0];
    assert_eventually(stats_of(pool).workers_idle == 1);
    if (pi_ring_backed(ring).rings < 2)
        assert_true(pi_grow_ring(pool, ring));
    uint64_t backed = pi_ring_backed(ring).word;
    _Atomic uint64_t *cell = &ring->cells[atomic_load(&ring->shared->head) % PI_RING_CELLS];
    uint64_t before = atomic_load(cell);
    atomic_store(&ring->shared->backed, pi_monotonic_word((uint32_t)backed | GIVING));
    assert_true(pi_ring_backed(ring).giving);
    atomic_store(cell, atomic_load(&ring->shared->head) << 24 | MARK_UP);
    look_long(pool);
    assert_int_equal(pi_phase_of(pool), PI_OPEN);
    atomic_store(cell, before);
    atomic_store(&ring->shared->backed, backed);
    assert_int_equal(take_long(submitted_long(pool, square_task, 5)), 25);
}

/* Only callers that have been blocked for a second count as looks: a worker that was interrupted
 * between its claim and its next store is not suspect, however often others wait shortly. */
TEST(short_waits, PARALLEL)
{
    struct scene scene = hold_worker();
    _Atomic uint32_t *current = &scene.pool->segment.workers[0].current;
    uint32_t task = atomic_exchange(current, 0);
    posse_completion_iter *iter;
    look_never();
    assert_ok(posse_as_completed(&scene.held, 1, -1, &iter));
    for (int i = 0; i < LOOKS; i++)
        assert_int_equal(posse_wait(&scene.held, 1, POSSE_ALL_COMPLETED, 1, NULL, NULL),
                         POSSE_TIMEOUT);
    assert_int_equal(atomic_load(&scene.pool->segment.workers[0].suspect), 0);
    atomic_store(current, task);
    posse_completion_iter_close(iter);
    open_gate(scene.gate);
    (void)take_long(scene.held);
    end_scene(scene);
}

/* Its worker is killed, and only then it is lost. */
TEST(worker_without_its_task, PROCESSES)
{
    struct scene scene = hold_worker();
    assert_true(pi_is_on_stack(scene.pool, 0, scene.held.slot));
    atomic_store(&scene.pool->segment.workers[0].current, 0); /* scribbled */
    look_long_at(scene.pool, scene.held);
    assert_int_equal(take_error(scene.held, POSSE_WORKER_LOST).signal, SIGKILL);
    assert_int_equal(take_long(submitted_long(scene.pool, square_task, 10)), 100);
    end_scene(scene);
}
