/* priority_queue.c - the queue has a ring for each priority, and what is promised of the queue
 * holds for all of them: its limit, its memory, its end, and that workers wake up for it. */
#include "pool/grow.h"
#include "pool/pool.h"
#include "pool/verify.h"
#include "support/support.h"

#include <limits.h>
#include <string.h>

#define EACH 3000

static const long priorities[] = {POSSE_PRIORITY_LOW, POSSE_PRIORITY_NORMAL, POSSE_PRIORITY_HIGH};

struct scene {
    posse_executor *pool;
    struct gate *gate;
    posse_future held;
};

static struct scene hold_worker(posse_options options)
{
    struct scene scene = {.pool = make_pool_with(options)};
    scene.gate = make_gate(scene.pool);
    scene.held = submitted_hold(scene.pool, scene.gate);
    await_entered(scene.gate, 1);
    return scene;
}

static void end_scene(struct scene scene)
{
    open_gate(scene.gate);
    (void)take_long(scene.held);
    free_gate(scene.pool, scene.gate);
    end_pool(scene.pool);
}

static posse_future submitted_square(posse_executor *pool, long priority, long value)
{
    return submitted_job(
        pool,
        (posse_job){.fn = square_task, .arg = &value, .size = sizeof value, .priority = priority});
}

/* ---- the limit ---- */

static posse_status try_submit(posse_executor *pool, long priority)
{
    posse_job job = {.struct_size = sizeof job,
                     .fn = identity_task,
                     .flags = POSSE_NO_WAIT,
                     .priority = priority};
    return posse_submit_with(pool, &job, NULL);
}

TEST(limit_counts_all, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1, .queue_limit = 3));
    posse_future futures[3];
    for (int i = 0; i < 3; i++)
        futures[i] = submitted_square(scene.pool, priorities[i], i);
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++)
            assert_status(try_submit(scene.pool, priorities[k]), POSSE_FULL);
        assert_ok(posse_cancel(futures[i])); /* makes room for one of any priority */
        assert_ok(posse_release(futures[i]));
        assert_ok(try_submit(scene.pool, priorities[(i + 1) % 3]));
    }
    assert_status(try_submit(scene.pool, POSSE_PRIORITY_HIGH), POSSE_FULL);
    end_scene(scene);
}

static posse_status submit_and_wait(void *context)
{
    posse_executor *pool = context;
    posse_job job = {
        .struct_size = sizeof job, .fn = identity_task, .priority = POSSE_PRIORITY_LOW};
    posse_future future;
    posse_status status = posse_submit_with(pool, &job, &future);
    if (status == POSSE_OK) {
        status = posse_result(future, -1, NULL, NULL);
        posse_release(future);
    }
    return status;
}

TEST(room_in_one_ring_wakes_for_another, PARALLEL)
{
    look_never();
    struct scene scene = hold_worker(OPTIONS(1, .queue_limit = 2));
    struct caller callers[3];
    assert_ok(try_submit(scene.pool, POSSE_PRIORITY_HIGH));
    assert_ok(try_submit(scene.pool, POSSE_PRIORITY_NORMAL));
    for (size_t i = 0; i < COUNT(callers); i++) {
        start_call(&callers[i], submit_and_wait, scene.pool);
        await_parked(&callers[i]);
    }
    open_gate(scene.gate);
    for (size_t i = 0; i < COUNT(callers); i++)
        assert_ok(end_call(&callers[i]));
    end_scene(scene);
}

/* ---- memory ---- */

/* Tasks of all priorities are cancelled again and again while no worker looks: each leaves its
 * entry, but no slot has two in one ring. */
TEST(cancelled_tasks_do_not_pile_up, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    struct pi_segment *segment = &scene.pool->segment;
    posse_future held[10];
    for (int i = 0; i < 10; i++) /* in front of all that */
        held[i] = submitted_square(scene.pool, priorities[i % 3], i);
    uint64_t committed = stats_of(scene.pool).memory_committed;
    for (long i = 0; i < EACH; i++) {
        posse_future futures[20];
        for (long k = 0; k < 20; k++)
            futures[k] = submitted_square(scene.pool, priorities[(i + k * k) % 3], k);
        for (long k = 0; k < 20; k++) {
            assert_ok(posse_cancel(futures[k]));
            assert_ok(posse_release(futures[k]));
        }
    }
    for (unsigned lane = 0; lane < PI_LANES; lane++)
        assert_in_range(pi_ring_length(&segment->lanes.ring[lane]), 0,
                        pi_slots_count(&segment->slots));
    assert_int_equal(stats_of(scene.pool).memory_committed, committed);
    open_gate(scene.gate);
    for (long i = 0; i < 10; i++)
        assert_int_equal(take_long(held[i]), i * i);
    end_scene(scene);
}

/* An executor without priorities has one ring; the others get memory with the first, and give it
 * back, but for a page, when it is idle. */
POOL_TEST(memory_comes_and_goes, PARALLEL, 1)
{
    struct pi_lanes *lanes = &pool->segment.lanes;
    posse_future futures[EACH];
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1); /* else the urgent tasks run first, and none waits */
    assert_int_equal(pi_lanes_count(lanes), 1);
    assert_int_equal(pi_ring_backed(&lanes->ring[PI_LANE_HIGH]).rings, 0);
    for (long i = 0; i < EACH; i++)
        futures[i] = submitted_square(pool, POSSE_PRIORITY_HIGH, i);
    assert_int_equal(pi_lanes_count(lanes), PI_LANES);
    assert_true(pi_ring_backed(&lanes->ring[PI_LANE_HIGH]).rings > 1);
    open_gate(gate);
    (void)take_long(held);
    for (long i = 0; i < EACH; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    free_gate(pool, gate);
    void *memory = NULL;
    assert_ok(posse_alloc(pool, (size_t)4 << 20, &memory));
    assert_ok(posse_free(pool, memory)); /* more than an idle executor keeps */
    assert_eventually(pi_ring_backed(&lanes->ring[PI_LANE_HIGH]).rings == 1);
    assert_int_equal(take_long(submitted_square(pool, POSSE_PRIORITY_HIGH, 9)), 81);
}

/* ---- waking, ending ---- */

/* No caller looks by itself: a worker that was not woken would sleep on. */
TEST(sleeping_workers_wake_up, PARALLEL)
{
    look_never();
    posse_executor *pool = make_pool(2);
    for (long i = 0; i < 300; i++) {
        if (i % 10 == 0)
            assert_eventually(stats_of(pool).workers_idle == 2);
        assert_int_equal(take_long(submitted_square(pool, priorities[i % 3], i)), i * i);
    }
    end_pool(pool);
}

/* The first task of an executor has a priority, and there is no worker yet. */
TEST(workers_on_demand, PARALLEL)
{
    look_never();
    for (int i = 0; i < 3; i++) {
        posse_executor *pool = POOL(2, .on_demand = true, .idle_timeout_ms = 1);
        for (long k = 0; k < 5; k++) {
            assert_int_equal(take_long(submitted_square(pool, priorities[(i + k) % 3], k)), k * k);
            if (k % 2)
                assert_eventually(stats_of(pool).workers == 0);
        }
        end_pool(pool);
    }
}

static posse_status shut_down(void *pool) { return posse_shutdown(pool, 0, -1); }

TEST(shutdown_runs_all, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    posse_future futures[30];
    for (long i = 0; i < 30; i++)
        futures[i] = submitted_square(scene.pool, priorities[i % 3], i);
    struct caller caller;
    start_call(&caller, shut_down, scene.pool);
    await_parked(&caller);
    open_gate(scene.gate);
    assert_ok(end_call(&caller));
    for (long i = 0; i < 30; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    end_scene(scene);
}

TEST(shutdown_cancels_all, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    posse_future futures[9];
    for (long i = 0; i < 9; i++)
        futures[i] = submitted_square(scene.pool, priorities[i % 3], i);
    assert_status(posse_shutdown(scene.pool, POSSE_CANCEL_FUTURES, 0), POSSE_TIMEOUT);
    for (long i = 0; i < 9; i++)
        (void)take_error(futures[i], POSSE_CANCELLED);
    end_scene(scene);
}

/* ---- memory that was overwritten ---- */

/* An entry that is lost is put there again. */
TEST(lost_entry, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    struct pi_ring *ring = &scene.pool->segment.lanes.ring[PI_LANE_HIGH];
    posse_future future = submitted_square(scene.pool, POSSE_PRIORITY_HIGH, 9);
    atomic_store(&ring->shared->head, pi_ring_end(ring)); /* past it */
    struct pi_verify verify = {.word = 0};
    for (int i = 0; i < 2; i++)
        pi_verify_task(scene.pool, future.slot, &verify);
    open_gate(scene.gate);
    assert_int_equal(take_long(future), 81);
    end_scene(scene);
}

/* The number of lanes is right again where it was seen before. */
TEST(lost_lanes, PARALLEL)
{
    struct scene scene = hold_worker(OPTIONS(1));
    posse_future future = submitted_square(scene.pool, POSSE_PRIORITY_LOW, 9);
    atomic_store(&scene.pool->segment.header->more_lanes, 0);
    assert_int_equal(pi_lanes_count(&scene.pool->segment.lanes), PI_LANES);
    open_gate(scene.gate);
    assert_int_equal(take_long(future), 81);
    end_scene(scene);
}

/* ---- what is refused ---- */

POOL_TEST(other_numbers_are_refused, ALL, 1)
{
    const long numbers[] = {-2, 2, LONG_MIN, LONG_MAX};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        posse_job job = {.struct_size = sizeof job, .fn = identity_task, .priority = numbers[i]};
        assert_status(posse_submit_with(pool, &job, NULL), POSSE_INVALID);
        assert_non_null(strstr(posse_last_error(), "priority"));
    }
}

/* A program that knows no priorities has NORMAL tasks. */
POOL_TEST(a_job_without_the_field, ALL, 1)
{
    posse_job job = {
        .struct_size = offsetof(posse_job, priority), .fn = identity_task, .priority = LONG_MAX};
    posse_future future;
    assert_ok(posse_submit_with(pool, &job, &future));
    (void)take_error(future, POSSE_OK);
}
