/* map_split_memory.c - maps that split lost chunks (POSSE_SPLIT) when memory is short. */
#include "support/mortal.h"

#include <string.h>

enum { N = 4 };
#define LARGE ((size_t)64 << 10) /* a copied item */

struct block {
    struct block *next;
};

/* Takes all that is left of the pool's memory. */
static void take_all(posse_executor *pool, struct block **blocks)
{
    for (size_t size = LARGE; size >= 64; size /= 2) {
        void *memory;
        while (posse_alloc(pool, size, &memory) == POSSE_OK) {
            struct block *block = memory;
            block->next = *blocks;
            *blocks = block;
        }
    }
}

static void give_all(posse_executor *pool, struct block *blocks)
{
    while (blocks) {
        struct block *block = blocks;
        blocks = block->next;
        assert_ok(posse_free(pool, block));
    }
}

/* Of four items in one chunk the first one kills its worker once. All memory but that of the chunk
 * is taken meanwhile, and that too if `spare` is false. */
static void assert_ends(bool unordered, bool spare)
{
    static char items[N * LARGE];
    struct mortals m;
    struct block *blocks = NULL;
    make_mortals(&m, POOL(2, .max_memory = 4 << 20), N);
    for (size_t i = 0; i < N; i++)
        memcpy(items + i * LARGE, &m.items[i], sizeof m.items[i]);
    m.input = (posse_input){.data = items, .size = LARGE};
    m.job.unordered = unordered;
    m.tally->deaths[0] = m.tally->waits[0] = 1;
    posse_map_iter *map = open_map(m.pool, m.job);
    await_entered(m.tally->gate, 1);
    take_all(m.pool, &blocks);
    unsigned long used = stats_of(m.pool).memory_blocks;
    open_gate(m.tally->gate);
    assert_eventually(stats_of(m.pool).memory_blocks < used);
    if (!spare)
        take_all(m.pool, &blocks);
    for (size_t i = 0; i < N; i++)
        assert_status(next_item(map).status, spare ? POSSE_OK : POSSE_WORKER_LOST);
    give_all(m.pool, blocks);
    assert_map_ends(map);
    assert_int_equal(atomic_load(&m.tally->runs[0]), spare ? 2 : 1);
    end_mortals(&m);
}

/* Both halves together need more than the chunk did: the second one waits for the first. */
TEST(one_half_waits_for_the_other, PROCESSES)
{
    assert_ends(false, true);
    assert_ends(true, true);
}

TEST(no_memory_for_a_half, PROCESSES)
{
    assert_ends(false, false);
    assert_ends(true, false);
}
