/* crossed_count.c - the supervisor counts the tasks that wait, and is held up on its way. A worker
 * takes a task that was counted, and the next task comes, in the same slot. Only one task waits, so
 * the supervisor starts no second worker.
 *
 * The linker leads here the functions by which the supervisor and the worker look at the ring.
 */
#include "pool/pool.h"
#include "pool/backend.h"
#include "support/support.h"

static struct {
    _Atomic bool hold_supervisor, supervisor_held; /* at the next entry that it sees */
    _Atomic bool hold_worker;                      /* the worker waits before it takes a task, */
    _Atomic int may_take; /* unless this is above 0; a task counts it down */
} way;

static _Thread_local bool is_worker;

static void wait_while(_Atomic bool *held)
{
    for (long end = now_ms() + PATIENCE_MS; atomic_load(held) && now_ms() < end;)
        pause_ms(1);
}

uint32_t __real_pi_slots_claim_next(struct pi_slots *, struct pi_ring *, unsigned, uint64_t *);
uint32_t __wrap_pi_slots_claim_next(struct pi_slots *, struct pi_ring *, unsigned, uint64_t *);
uint32_t __wrap_pi_slots_claim_next(struct pi_slots *slots, struct pi_ring *ring, unsigned owner,
                                    uint64_t *word)
{
    is_worker = true;
    for (long end = now_ms() + PATIENCE_MS;
         atomic_load(&way.hold_worker) && atomic_load(&way.may_take) == 0 && now_ms() < end;)
        pause_ms(1);
    uint32_t index = __real_pi_slots_claim_next(slots, ring, owner, word);
    if (index != PI_NO_INDEX && atomic_load(&way.hold_worker))
        atomic_fetch_sub(&way.may_take, 1);
    return index;
}

uint32_t __real_pi_ring_at(struct pi_ring *, uint64_t, bool *);
uint32_t __wrap_pi_ring_at(struct pi_ring *, uint64_t, bool *);
uint32_t __wrap_pi_ring_at(struct pi_ring *ring, uint64_t position, bool *mark)
{
    uint32_t index = __real_pi_ring_at(ring, position, mark);
    if (index != PI_NO_INDEX && !is_worker && atomic_load(&way.hold_supervisor)) {
        atomic_store(&way.supervisor_held, true);
        wait_while(&way.hold_supervisor);
    }
    return index;
}

static posse_executor *make_one_worker(void)
{
    posse_executor *pool = POOL(4, .on_demand = true);
    assert_int_equal(take_long(submitted_long(pool, square_task, 2)), 4);
    assert_int_equal(stats_of(pool).workers_started, 1);
    return pool;
}

TEST(one_slot_is_not_counted_twice, THREADS)
{
    posse_executor *pool = make_one_worker();
    assert_eventually(stats_of(pool).workers_idle == 1);
    atomic_store(&way.hold_worker, true);
    posse_future first = submitted_long(pool, square_task, 3);
    atomic_store(&way.hold_supervisor, true);
    pool->backend->notify(pool);
    assert_eventually(atomic_load(&way.supervisor_held));
    atomic_store(&way.may_take, 1);
    assert_int_equal(take_long(first), 9);
    posse_future second = submitted_long(pool, square_task, 5);
    assert_int_equal(second.slot, first.slot);
    uint64_t rounds = atomic_load(&pool->segment.header->supervisor_rounds);
    atomic_store(&way.hold_supervisor, false);
    pool->backend->notify(pool);
    assert_eventually(atomic_load(&pool->segment.header->supervisor_rounds) > rounds);
    assert_int_equal(stats_of(pool).workers_started, 1);
    atomic_store(&way.hold_worker, false);
    assert_int_equal(take_long(second), 25);
    end_pool(pool);
}
