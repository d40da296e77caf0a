/* at_rest.c - the look at a pool's insides that the tests of deaths end with sees what it is made
 * to see: each kind of thing that could be left is put there by hand, and taken away again.
 *
 * And it sees nothing after an ordinary life.
 */
#include "pool/pool.h"
#include "support/support.h"

#include <string.h>

/* While a word has that value something is not at rest, and it says what. */
static void assert_seen64(posse_executor *pool, _Atomic uint64_t *at, uint64_t value,
                          const char *word)
{
    uint64_t before = atomic_exchange(at, value);
    const char *what = unrest(pool);
    atomic_store(at, before);
    assert_non_null(what);
    assert_non_null(strstr(what, word));
    assert_at_rest(pool);
}

static void assert_seen32(posse_executor *pool, _Atomic uint32_t *at, uint32_t value,
                          const char *word)
{
    uint32_t before = atomic_exchange(at, value);
    const char *what = unrest(pool);
    atomic_store(at, before);
    assert_non_null(what);
    assert_non_null(strstr(what, word));
    assert_at_rest(pool);
}

/* A pool that has done a little of everything, and rests. */
static posse_executor *rested_pool(void)
{
    posse_executor *pool = make_pool(2);
    posse_error error = {.struct_size = sizeof error};
    void *memory = NULL;
    assert_int_equal(take_long(submitted_long(pool, fib_task, 6)), 8);
    assert_ok(posse_alloc(pool, 100, &memory));
    assert_non_null(unrest(pool));
    assert_ok(posse_free(pool, memory));
    error = take_error(submitted_long(pool, message_task, 5), POSSE_TASK_FAILED);
    assert_int_equal(error.code, 5);
    assert_at_rest(pool);
    return pool;
}

TEST(sees_slots, PARALLEL)
{
    posse_executor *pool = rested_pool();
    struct pi_slots *slots = &pool->segment.slots;
    uint64_t last = pi_slots_count(slots) - 1, word = pi_load_seq(&slots->at[last].word);
    assert_seen64(pool, &slots->at[last].word, pi_with_state(word, PI_FILLING), "slots");
    for (unsigned lane = 0; lane < PI_LANES; lane++)
        assert_seen64(pool, &slots->at[last].word, word | pi_in_ring((enum pi_lane)lane),
                      "in the ring");
    assert_seen64(pool, &slots->map.level[0][last / 64], (uint64_t)1 << (last % 64), "map");
    assert_seen64(pool, &slots->map.level[1][0], 0, "levels");
    assert_seen64(pool, &slots->groups[0], pi_group_make(PI_GROUP_CLAIMED, 1, 0), "group");
    assert_seen64(pool, &slots->groups[0], pi_group_make(PI_GROUP_OPEN, 1, 0), "group");
    end_pool(pool);
}

TEST(sees_blocks, PARALLEL)
{
    posse_executor *pool = rested_pool();
    struct pi_arena *arena = &pool->segment.arena;
    assert_true(pi_arena_end(arena) > 0);
    uint64_t span = pi_load_seq(&arena->units[0].tag);
    assert_int_equal(pi_tag_kind(span), PI_TAG_SPAN);
    assert_seen64(pool, &arena->tags[0], pi_tag_held(3), "blocks");
    assert_seen64(pool, &arena->tags[1], pi_tag_attached(3, 1), "blocks");
    assert_seen64(pool, &arena->tags[1], 0, "blocks");
    assert_seen64(pool, &arena->tags[1], pi_tag_free(pi_tag_life(span) + 1), "blocks");
    assert_seen64(pool, &arena->units[0].info, (uint64_t)pi_tag_life(span) << 32, "blocks");
    assert_seen64(pool, &arena->units[0].tag, pi_tag_with_closer(span, 1), "blocks");
    assert_seen64(pool, &arena->units[0].tag, pi_tag_held(3), "units");
    assert_seen64(pool, &arena->units[0].tag, pi_tag_claimed(3, 0), "units");
    assert_seen64(pool, &arena->units[0].tag, pi_tag_inside(0), "units");
    end_pool(pool);
}

TEST(sees_parkers, PARALLEL)
{
    posse_executor *pool = rested_pool();
    struct pi_parkers *parkers = &pool->segment.parkers;
    assert_seen32(pool, &parkers->at[9].owner, PI_OWNER_PROGRAM + 1, "parker");
    assert_seen32(pool, &parkers->at[9].owner, 1, "parker");
    uint64_t bits = pi_load_seq(&parkers->map.level[0][0]);
    assert_seen64(pool, &parkers->map.level[0][0], bits & ~((uint64_t)1 << 9), "parker");
    assert_seen32(pool, &pool->blocked, 1, "inside a call");
    end_pool(pool);
}

TEST(sees_workers, PARALLEL)
{
    posse_executor *pool = rested_pool();
    struct pi_header *header = pool->segment.header;
    struct pi_worker *worker = &pool->segment.workers[1];
    uint64_t both = pi_load_seq(&header->idle.word[0]);
    assert_int_equal(both, 3);
    assert_seen64(pool, &header->idle.word[0], 1, "sleep");
    assert_seen64(pool, &header->idle.word[0], 7, "sleep");
    assert_seen64(pool, &header->idle.word[0], (uint64_t)1 << 33 | 1, "sleep");
    assert_seen32(pool, &worker->state, PI_WORKER_RETIRING, "sleep");
    assert_seen32(pool, &worker->exit_requested, 1, "sleep");
    assert_seen32(pool, &worker->current, 1, "task");
    assert_seen64(pool, &worker->deadline_ns, 1, "deadline");
    assert_seen64(pool, &worker->finished[0], pi_load_seq(&worker->finished[0]) | 1, "count");
    assert_seen32(pool, &header->initializer.state, PI_ERROR_CLAIMED, "reason");
    end_pool(pool);
}

/* A cell is written where the next one would be. */
TEST(sees_an_entry, PARALLEL)
{
    posse_executor *pool = rested_pool();
    struct pi_ring *ring = &pool->segment.lanes.ring[0];
    uint64_t head = pi_load_seq(&ring->shared->head);
    assert_seen64(pool, &ring->cells[head % PI_RING_CELLS], head << 24 | 1, "ring");
    end_pool(pool);
}
