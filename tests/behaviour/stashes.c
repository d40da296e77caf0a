/* stashes.c - the free slots that threads keep are there for others when the map has none. */
#include "pool/pool.h"
#include "support/support.h"

#include <pthread.h>

#define MEMORY (1 << 20)
#define ALL_SLOTS (MEMORY / 512) /* see max_memory in posse.h */
#define KEPT 128

static void *submit_and_release(void *pool)
{
    posse_future futures[KEPT];
    for (long i = 0; i < KEPT; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < KEPT; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    return NULL;
}

/* A thread that has ended kept some. */
TEST(all_slots_can_be_had, PARALLEL)
{
    posse_executor *pool = make_pool_with(OPTIONS(8, .max_memory = MEMORY));
    posse_future futures[ALL_SLOTS];
    pthread_t thread;
    assert_true(pool->stashes.n > 0);
    assert_int_equal(pthread_create(&thread, NULL, submit_and_release, pool), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    for (long i = 0; i < ALL_SLOTS; i++)
        assert_ok(posse_submit(pool, square_task, &i, sizeof i, &futures[i]));
    for (long i = 0; i < ALL_SLOTS; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    end_pool(pool);
}
