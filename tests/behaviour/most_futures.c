/* most_futures.c - the table of futures is full: submit says so, and takes tasks again when one was
 * released. The real table has room for 16 million; here it is cut short from inside. */
#include "pool/pool.h"
#include "support/support.h"

#include <stdlib.h>

TEST(full_table, ALL)
{
    posse_executor *pool = make_pool(1);
    uint32_t room = pi_slots_count(&pool->segment.slots) + 64;
    pool->segment.slots.max = room;
    posse_future *futures = calloc(room, sizeof *futures), one_more;
    long value = 3;
    assert_non_null(futures);
    for (uint32_t i = 0; i < room; i++)
        futures[i] = submitted_long(pool, square_task, value);
    for (int i = 0; i < 2; i++) {
        assert_status(posse_submit(pool, square_task, &value, sizeof value, &one_more),
                      POSSE_NO_MEMORY);
        assert_status(posse_submit(pool, square_task, &value, sizeof value, NULL), POSSE_NO_MEMORY);
        assert_int_equal(take_long(futures[0]), 9);
        futures[0] = submitted_long(pool, square_task, value);
    }
    for (uint32_t i = 0; i < room; i++)
        assert_int_equal(take_long(futures[i]), 9);
    free(futures);
    end_pool(pool);
}
