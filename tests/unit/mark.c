/* mark.c - a group of slots is closed and opened anew just when a worker has marked it, and before
 * the worker takes a slot there, since a recovery has given back the bit that the worker had taken.
 *
 * The linker leads pi_group_enter here.
 */
#include "table.h"

#define SLOTS PI_GROUP_SLOTS

static struct table *reopened; /* at the next mark */

bool __real_pi_group_enter(struct pi_slots *, uint32_t, unsigned);
bool __wrap_pi_group_enter(struct pi_slots *, uint32_t, unsigned);
bool __wrap_pi_group_enter(struct pi_slots *slots, uint32_t group, unsigned owner)
{
    bool entered = __real_pi_group_enter(slots, group, owner);
    struct table *table = reopened;
    reopened = NULL;
    if (table != NULL) {
        pi_bitmap_free_word(&slots->map, group, UINT64_MAX);
        assert_true(pi_slots_close(slots, group));
        assert_true(pi_group_claim(slots, group, SUBMITTER));
        pi_group_open(slots, group);
    }
    return entered;
}

TEST(group_of_a_slot_that_is_taken_has_the_mark, ALL)
{
    uint64_t word;
    struct table *table = make_table(SLOTS, SLOTS);
    reopened = table;
    uint32_t index = pi_slots_acquire(&table->slots, WORKER, 0, &word);
    assert_null(reopened);
    assert_in_range(index, 0, SLOTS - 1);
    assert_true(pi_has_state(word_of(table, index), PI_FILLING, WORKER));
    assert_true(pi_group_has_mark(atomic_load(&table->slots.groups[0]), WORKER));
    free_table(table);
}
