/* overwritten_block.c - a task gone wild overwrites the tag of a block just when another call takes
 * that block: the call takes another one, or says that there is none.
 *
 * The linker leads the last step of taking a block to the test.
 */
#include "pool/pool.h"
#include "support/support.h"

#include <string.h>

#define SMALL 100    /* bytes: a part of a unit */
#define LARGE 100000 /* units of its own */

static _Atomic int overwritten; /* blocks that will be */

static void overwrite(struct pi_arena *arena, uint32_t unit)
{
    if (atomic_load(&overwritten) > 0 && atomic_fetch_sub(&overwritten, 1) > 0)
        atomic_store(&arena->units[unit].tag, UINT64_MAX);
}

pi_block_ref __real_pi_span_take(struct pi_arena *, unsigned class, unsigned owner);
pi_block_ref __wrap_pi_span_take(struct pi_arena *, unsigned class, unsigned owner);
pi_block_ref __wrap_pi_span_take(struct pi_arena *arena, unsigned class, unsigned owner)
{
    pi_block_ref ref = __real_pi_span_take(arena, class, owner);
    if (ref != 0)
        overwrite(arena, (uint32_t)((ref - 1) / PI_TAGS));
    return ref;
}

pi_block_ref __real_pi_span_open(struct pi_arena *, uint32_t unit, unsigned class, unsigned owner);
pi_block_ref __wrap_pi_span_open(struct pi_arena *, uint32_t unit, unsigned class, unsigned owner);
pi_block_ref __wrap_pi_span_open(struct pi_arena *arena, uint32_t unit, unsigned class,
                                 unsigned owner)
{
    pi_block_ref ref = __real_pi_span_open(arena, unit, class, owner);
    overwrite(arena, unit);
    return ref;
}

void __real_pi_units_join(struct pi_arena *, uint32_t unit, uint32_t n, unsigned owner);
void __wrap_pi_units_join(struct pi_arena *, uint32_t unit, uint32_t n, unsigned owner);
void __wrap_pi_units_join(struct pi_arena *arena, uint32_t unit, uint32_t n, unsigned owner)
{
    __real_pi_units_join(arena, unit, n, owner);
    overwrite(arena, unit);
}

static posse_executor *make_overwritten(int blocks)
{
    posse_executor *pool = POOL(1, .wipe = true);
    assert_int_equal(take_long(submitted_long(pool, square_task, 3)), 9);
    atomic_store(&overwritten, blocks);
    return pool;
}

static void end_overwritten(posse_executor *pool)
{
    atomic_store(&overwritten, 0);
    assert_ok(posse_destroy(pool)); /* it is not at rest */
}

static void assert_another_is_taken(size_t size)
{
    posse_executor *pool = make_overwritten(1);
    void *memory;
    assert_ok(posse_alloc(pool, size, &memory));
    assert_non_null(memory);
    assert_int_equal(atomic_load(&overwritten), 0);
    memset(memory, 1, size);
    end_overwritten(pool);
}

TEST(another_block_is_taken, ALL)
{
    assert_another_is_taken(SMALL);
    assert_another_is_taken(LARGE);
}

TEST(each_block_is_overwritten, ALL)
{
    posse_executor *pool = make_overwritten(INT32_MAX);
    static char bytes[LARGE];
    void *memory = bytes;
    posse_lock lock;
    posse_queue queue;
    posse_future future;
    assert_status(posse_alloc(pool, SMALL, &memory), POSSE_NO_MEMORY);
    assert_null(memory);
    assert_status(posse_alloc(pool, LARGE, &memory), POSSE_NO_MEMORY);
    assert_status(posse_lock_create(pool, &lock), POSSE_NO_MEMORY);
    assert_status(posse_queue_create(pool, 3, SMALL, &queue), POSSE_NO_MEMORY);
    assert_status(posse_queue_create(pool, 3, LARGE, &queue), POSSE_NO_MEMORY);
    assert_status(posse_submit(pool, echo_task, bytes, SMALL, &future), POSSE_NO_MEMORY);
    assert_status(posse_submit(pool, echo_task, bytes, LARGE, &future), POSSE_NO_MEMORY);
    end_overwritten(pool);
}
