/* committed.c - how much memory is counted, and what becomes of it when it is counted wrong, when
 * the system takes none back, when a table grows while all memory is in freed blocks, while
 * others are given back, and while tasks wait.
 *
 * The linker leads pi_os_shm_discard here.
 */
#include "pool/pool.h"
#include "support/support.h"

#define MB ((size_t)1 << 20)
#define BLOCK ((size_t)100000)

enum { MAX_BLOCKS = 1000, TASKS = 10000, ROUNDS = 20 };

static bool kept; /* the system takes nothing back */
/* While the first piece of memory is given back: whether a block can be had from this executor. */
static posse_executor *_Atomic asked;
static atomic_int refused;

static bool can_take(posse_executor *pool, size_t size)
{
    void *memory;
    return posse_alloc(pool, size, &memory) == POSSE_OK && posse_free(pool, memory) == POSSE_OK;
}

bool __real_pi_os_shm_discard(struct pi_os_shm *, size_t, size_t);
bool __wrap_pi_os_shm_discard(struct pi_os_shm *, size_t, size_t);
bool __wrap_pi_os_shm_discard(struct pi_os_shm *memory, size_t offset, size_t length)
{
    posse_executor *pool = atomic_exchange(&asked, NULL);
    if (pool != NULL && !can_take(pool, BLOCK))
        atomic_fetch_add(&refused, 1);
    return !kept && __real_pi_os_shm_discard(memory, offset, length);
}

static posse_executor *limited(size_t most) { return POOL(1, .max_memory = most); }

static int take_all(posse_executor *pool, size_t size, void **memory)
{
    int n = 0;
    while (n < MAX_BLOCKS && posse_alloc(pool, size, &memory[n]) == POSSE_OK)
        n++;
    return n;
}

static void free_all(posse_executor *pool, void **memory, int n)
{
    for (int i = 0; i < n; i++)
        assert_ok(posse_free(pool, memory[i]));
}

/* ---- counted wrong ---- */

/* As when a worker has died between its two steps. */
static void count_too_much(size_t most)
{
    posse_executor *pool = limited(most);
    assert_true(can_take(pool, BLOCK));
    for (int i = 0; i < 2; i++) {
        (void)pi_add_relaxed(&pool->segment.header->committed, most);
        assert_eventually(can_take(pool, 2 * BLOCK));
    }
    end_pool(pool);
}

TEST(too_much_is_counted, ALL)
{
    count_too_much(MB);
    count_too_much(16 * MB);
}

/* ---- nothing is taken back ---- */

TEST(blocks_of_any_size_if_no_memory_can_be_given_back, ALL)
{
    static const size_t sizes[] = {100000, 20000, 1000000};
    void *memory[MAX_BLOCKS];
    posse_executor *pool = limited(8 * MB);
    kept = true;
    for (size_t i = 0; i < ROUNDS; i++) {
        size_t size = sizes[i % COUNT(sizes)];
        int n = take_all(pool, size, memory);
        assert_true((size_t)n * size > 4 * MB);
        free_all(pool, memory, n);
    }
    end_pool(pool);
    kept = false;
}

/* ---- what was freed serves a table that grows ---- */

TEST(freed_blocks_make_room_for_tasks, PARALLEL)
{
    void *memory[MAX_BLOCKS];
    posse_executor *pool = limited(16 * MB);
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    int n = take_all(pool, BLOCK, memory);
    assert_in_range(n, 50, MAX_BLOCKS - 1);
    free_all(pool, memory, n);
    for (int i = 0; i < TASKS; i++)
        assert_ok(posse_submit(pool, echo_task, NULL, 0, NULL));
    open_gate(gate);
    assert_ok(posse_result(held, -1, NULL, NULL));
    assert_ok(posse_release(held));
    free_gate(pool, gate);
    end_pool(pool);
}

/* ---- given back in pieces ---- */

/* The free blocks lie before others that are in use, and do not serve a large one. */
TEST(free_blocks_are_there_while_others_are_given_back, PROCESSES)
{
    void *memory[MAX_BLOCKS], *large;
    posse_executor *pool = limited(64 * MB);
    int n = take_all(pool, BLOCK, memory);
    assert_in_range(n, 200, MAX_BLOCKS - 1);
    free_all(pool, memory, n / 2);
    atomic_store(&asked, pool);
    assert_status(posse_alloc(pool, 40 * MB, &large), POSSE_NO_MEMORY);
    assert_null(atomic_load(&asked));
    assert_int_equal(atomic_load(&refused), 0);
    free_all(pool, memory + n / 2, n - n / 2);
    end_pool(pool);
}

/* ---- nothing wakes up ---- */

static bool sleeps(posse_executor *pool)
{
    uint64_t rounds = pi_load_seq(&pool->segment.header->supervisor_rounds);
    pause_ms(500);
    return rounds == pi_load_seq(&pool->segment.header->supervisor_rounds);
}

/* The supervisor is asked for memory, and cannot give back that of the queue. */
POOL_TEST(supervisor_sleeps_while_tasks_wait, PARALLEL, 1)
{
    struct gate *gate = make_gate(pool);
    posse_future held = submitted_hold(pool, gate);
    await_entered(gate, 1);
    for (int i = 0; i < 2 * TASKS; i++)
        assert_ok(posse_submit(pool, echo_task, NULL, 0, NULL));
    assert_true(can_take(pool, 4 * MB));
    assert_eventually(sleeps(pool));
    open_gate(gate);
    assert_ok(posse_result(held, -1, NULL, NULL));
    assert_ok(posse_release(held));
    free_gate(pool, gate);
    assert_eventually(sleeps(pool));
    assert_eventually(stats_of(pool).memory_committed < 4 * MB);
}
