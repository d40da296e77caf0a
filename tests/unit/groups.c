/* groups.c - groups of slots come and go: which calls open and close them, what is found in one
 * that is closed, and what a death in between leaves. */
#include "table.h"
#include "threads.h"

#include "core/done_list.h"

#define GROUPS 4u
#define SLOTS (GROUPS * PI_GROUP_SLOTS)

/* All are below the count, and none was ever open. */
static struct table *make_closed(void)
{
    struct table *table = make_table(SLOTS, 0);
    atomic_store(&table->count, pi_monotonic_word(SLOTS));
    return table;
}

static uint64_t group_word(struct table *table, uint32_t group)
{
    return atomic_load(&table->slots.groups[group]);
}

static enum pi_group state_of(struct table *table, uint32_t group)
{
    return pi_group_state(group_word(table, group));
}

static void open_group(struct table *table, uint32_t group)
{
    assert_true(pi_group_claim(&table->slots, group, SUBMITTER));
    pi_group_open(&table->slots, group);
}

static uint64_t map_word(struct table *table, uint32_t group)
{
    return atomic_load(&table->slots.map.level[0][group]);
}

/* One task's whole life. Its slot. */
static uint32_t run_one(struct table *table, uint64_t *run)
{
    uint32_t index = submit(table);
    assert_int_equal(take(table, WORKER, run), index);
    assert_true(end_task(table, index, *run));
    return index;
}

static uint32_t acquire(struct table *table, unsigned owner, uint32_t hint)
{
    uint64_t word;
    return pi_slots_acquire(&table->slots, owner, hint, &word);
}

/* ---- opening ---- */

TEST(nothing_is_found_in_a_closed_group, ALL)
{
    struct table *table = make_closed();
    for (uint32_t i = 0; i < SLOTS; i++) {
        assert_false(pi_slots_has(&table->slots, i));
        assert_int_equal(pi_slots_word(&table->slots, i), 0);
    }
    assert_int_equal(acquire(table, SUBMITTER, 70), PI_NO_INDEX);
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(word_of(table, i), 0); /* nobody has touched it */
    free_table(table);
}

TEST(open_group_gives_its_slots, ALL)
{
    struct table *table = make_closed();
    open_group(table, 1);
    for (uint32_t i = 0; i < SLOTS; i++)
        assert_int_equal(pi_slots_has(&table->slots, i), i / PI_GROUP_SLOTS == 1);
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        assert_int_equal(acquire(table, SUBMITTER, 0), PI_GROUP_SLOTS + i);
    assert_int_equal(acquire(table, SUBMITTER, 0), PI_NO_INDEX);
    open_group(table, 0); /* also where somebody has looked for a slot before */
    assert_int_equal(acquire(table, SUBMITTER, 0), 0);
    free_table(table);
}

TEST(claimed_by_one_alone, ALL)
{
    struct table *table = make_closed();
    assert_true(pi_group_claim(&table->slots, 2, SUBMITTER));
    assert_false(pi_group_claim(&table->slots, 2, WORKER));
    assert_int_equal(pi_group_owner(group_word(table, 2)), SUBMITTER);
    assert_int_equal(map_word(table, 2), 0);
    assert_false(pi_slots_has(&table->slots, 2 * PI_GROUP_SLOTS));
    assert_false(pi_slots_close(&table->slots, 2));
    pi_group_leave(&table->slots, 2, 0); /* there was no memory */
    assert_int_equal(group_word(table, 2), 0);
    open_group(table, 2);
    assert_false(pi_group_claim(&table->slots, 2, WORKER));
    free_table(table);
}

TEST(claims_groups_in_a_row, ALL)
{
    struct table *table = make_closed();
    uint32_t first = 9;
    open_group(table, 1);
    assert_int_equal(pi_groups_claim(&table->slots, WORKER, 5, &first), 1);
    assert_int_equal(first, 0);
    assert_int_equal(pi_groups_claim(&table->slots, WORKER, 1, &first), 1);
    assert_int_equal(first, 2);
    assert_int_equal(pi_groups_claim(&table->slots, WORKER, 5, &first), 1);
    assert_int_equal(first, 3);
    assert_int_equal(pi_groups_claim(&table->slots, WORKER, 5, &first), 0);
    free_table(table);
}

/* ---- marks ---- */

TEST(workers_mark_the_groups_in_which_they_submit, ALL)
{
    struct table *table = make_closed();
    open_group(table, 0);
    assert_int_equal(acquire(table, SUBMITTER, 0), 0);
    assert_false(pi_group_has_mark(group_word(table, 0), 0));
    assert_int_equal(acquire(table, 0, 0), 1);
    assert_true(pi_group_has_mark(group_word(table, 0), 0));
    assert_false(pi_group_has_mark(group_word(table, 0), 1));
    assert_int_equal(acquire(table, 0, 0), 2);
    assert_false(pi_group_has_mark(group_word(table, 0), 1));
    assert_int_equal(acquire(table, PI_MAX_WORKERS - 1, 0), 3);
    for (unsigned worker = 0; worker < PI_MAX_WORKERS; worker++)
        assert_true(pi_group_has_mark(group_word(table, 0), worker)); /* of MANY */
    assert_int_equal(acquire(table, 5, 0), 4);
    assert_int_equal(state_of(table, 0), PI_GROUP_OPEN);
    free_table(table);
}

TEST(the_worker_says_which_slot_it_has_touched, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    const struct pi_worker *worker = &table->slots.workers[WORKER];
    uint64_t word;
    assert_int_equal(acquire(table, SUBMITTER, 0), 0);
    assert_int_equal(atomic_load(&worker->touched), 0);
    assert_int_equal(acquire(table, WORKER, 0), 1);
    assert_int_equal(atomic_load(&worker->touched), 1 + 1);
    assert_int_equal(submit(table), 2);
    assert_int_equal(take(table, WORKER, &word), 2);
    assert_int_equal(atomic_load(&worker->touched), 2 + 1);
    free_table(table);
}

/* ---- closing ---- */

TEST(close_one_that_was_used, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    uint64_t run;
    uint32_t index = run_one(table, &run);
    for (int i = 0; i < 10; i++)
        assert_int_equal(run_one(table, &run), index);
    assert_true(pi_slots_close(&table->slots, 0));
    assert_int_equal(state_of(table, 0), PI_GROUP_CLOSED);
    assert_true(group_word(table, 0) & PI_GROUP_MEMORY);
    assert_int_equal(map_word(table, 0), 0);
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++) {
        assert_false(pi_slots_has(&table->slots, i));
        assert_int_equal(pi_state(word_of(table, i)), PI_NO_SLOT);
    }
    assert_false(pi_slots_close(&table->slots, 0)); /* it is closed */
    assert_int_equal(acquire(table, SUBMITTER, 0), PI_GROUP_SLOTS);
    free_table(table);
}

/* With all of its memory gone in between. */
static void reopen(struct table *table, uint32_t group)
{
    assert_true(pi_slots_close(&table->slots, group));
    assert_true(pi_group_claim(&table->slots, group, SUBMITTER));
    memset((void *)slot_at(table, group * PI_GROUP_SLOTS), 0,
           PI_GROUP_SLOTS * sizeof(struct pi_slot));
    pi_group_leave(&table->slots, group, 0);
    assert_false(group_word(table, group) & PI_GROUP_MEMORY);
    assert_false(pi_slots_has(&table->slots, group * PI_GROUP_SLOTS));
    open_group(table, group);
}

TEST(old_handles_stay_stale, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    uint64_t run[20];
    for (int i = 0; i < 20; i++) {
        assert_int_equal(run_one(table, &run[i]), 0);
        if (i % 3 == 0)
            reopen(table, 0);
        for (int j = 0; j <= i; j++)
            assert_true(pi_generation(word_of(table, 0)) > pi_generation(run[j]));
        assert_true(pi_generation(word_of(table, 63)) <= pi_generation(word_of(table, 0)));
    }
    free_table(table);
}

/* An old word does not become right again. */
TEST(old_words_do_not_match, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    uint64_t before[PI_GROUP_SLOTS];
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        before[i] = word_of(table, i);
    reopen(table, 0);
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++) {
        assert_int_not_equal(word_of(table, i), before[i]);
        assert_int_equal(pi_state(word_of(table, i)), PI_FREE);
    }
    free_table(table);
}

TEST(marks_go_when_it_closes, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    assert_int_equal(acquire(table, WORKER, 0), 0);
    uint64_t word = word_of(table, 0);
    assert_true(pi_slot_free(slot_at(table, 0), &word));
    pi_bitmap_free(&table->slots.map, 0);
    assert_true(pi_group_has_mark(group_word(table, 0), WORKER));
    reopen(table, 0);
    assert_false(pi_group_has_mark(group_word(table, 0), WORKER));
    free_table(table);
}

/* Nothing has changed, and all that was free is found. */
static void assert_not_closed(struct table *table, uint32_t used)
{
    uint64_t before[PI_GROUP_SLOTS];
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        before[i] = word_of(table, i);
    uint64_t map = map_word(table, 0), group = group_word(table, 0);
    assert_false(pi_slots_close(&table->slots, 0));
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        assert_int_equal(word_of(table, i), before[i]);
    assert_int_equal(group_word(table, 0), group);
    assert_true(map_word(table, 0) == map || map_word(table, 0) == (map & ~((uint64_t)1 << used)));
    assert_true(pi_slots_has(&table->slots, used));
    assert_int_equal(acquire(table, SUBMITTER, 0), used == 0 ? 1 : 0);
}

TEST(no_close_while_a_slot_is_taken, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    assert_int_equal(submit(table), 0);
    assert_not_closed(table, 0);
    free_table(table);
}

/* Its bit is clear, as a sweep was wrong (core/bitmap.h). */
TEST(no_close_while_a_slot_is_taken_and_its_bit_is_clear, ALL)
{
    for (uint32_t used = 0; used < PI_GROUP_SLOTS; used += 21) {
        struct table *table = make_table(SLOTS, SLOTS);
        atomic_store(&slot_at(table, used)->word, pi_with_state(0, PI_DONE));
        assert_not_closed(table, used);
        free_table(table);
    }
}

/* Its entry is in the ring: it would be taken for one of a later life. */
TEST(no_close_while_a_free_slot_is_queued, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    atomic_store(&slot_at(table, 40)->word, PI_FREE | PI_IN_RING);
    uint64_t map = map_word(table, 0);
    assert_false(pi_slots_close(&table->slots, 0));
    assert_int_equal(map_word(table, 0), map);
    for (uint32_t i = 0; i < PI_GROUP_SLOTS; i++)
        assert_int_equal(word_of(table, i), i == 40 ? PI_FREE | PI_IN_RING : PI_FREE);
    atomic_store(&slot_at(table, 40)->word, PI_FREE);
    assert_true(pi_slots_close(&table->slots, 0));
    free_table(table);
}

/* ---- what names a slot of a closed group ---- */

TEST(entries_of_closed_groups_are_passed, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    uint64_t word;
    assert_true(pi_slots_close(&table->slots, 0));
    assert_int_equal(push(&table->queue, 7), PI_PUSHED);
    assert_int_equal(submit(table), PI_GROUP_SLOTS);
    assert_int_equal(pi_slots_count_entries(&table->slots, &table->queue.ring, 9).stale, 1);
    assert_int_equal(pi_slots_count_entries(&table->slots, &table->queue.ring, 9).pending, 1);
    assert_int_equal(take(table, WORKER, &word), PI_GROUP_SLOTS);
    assert_int_equal(pi_state(word_of(table, 7)), PI_NO_SLOT);
    free_table(table);
}

TEST(links_to_closed_groups_break_the_list, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    struct pi_parker parker;
    memset((void *)&parker, 0, sizeof parker);
    assert_true(pi_done_list_push(&table->slots, &parker, 3, 0));
    assert_false(pi_done_list_push(&table->slots, &parker, 70, 0));
    assert_true(pi_slots_close(&table->slots, 0));
    pi_done_ref at = pi_done_list_take(&parker);
    uint32_t slot;
    bool broken;
    assert_true(pi_done_list_next(&table->slots, SLOTS, &at, &slot, &broken));
    assert_int_equal(slot, 70);
    assert_false(pi_done_list_next(&table->slots, SLOTS, &at, &slot, &broken));
    assert_true(broken);
    free_table(table);
}

TEST(next_skips_what_is_closed_or_unused, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    uint32_t i = 0;
    assert_false(pi_slots_next(&table->slots, SLOTS, &i));
    assert_int_equal(acquire(table, SUBMITTER, 2 * PI_GROUP_SLOTS), 2 * PI_GROUP_SLOTS);
    assert_true(pi_slots_close(&table->slots, 0));
    i = 0;
    assert_true(pi_slots_next(&table->slots, SLOTS, &i));
    assert_int_equal(i, 2 * PI_GROUP_SLOTS);
    i = 3 * PI_GROUP_SLOTS - 1;
    assert_true(pi_slots_next(&table->slots, SLOTS, &i));
    i++;
    assert_false(pi_slots_next(&table->slots, SLOTS, &i));
    free_table(table);
}

/* ---- deaths ---- */

TEST(death_of_one_that_has_claimed, ALL)
{
    struct table *table = make_closed();
    assert_true(pi_group_claim(&table->slots, 0, WORKER));
    pi_group_recover(&table->slots, 0, WORKER + 1);
    assert_int_equal(state_of(table, 0), PI_GROUP_CLAIMED);
    pi_group_recover(&table->slots, 0, WORKER);
    assert_int_equal(state_of(table, 0), PI_GROUP_CLOSED);
    assert_true(group_word(table, 0) & PI_GROUP_MEMORY); /* perhaps */
    open_group(table, 0);
    assert_int_equal(acquire(table, SUBMITTER, 0), 0);
    free_table(table);
}

/* Before it said in the map that they are free, or in the midst of that. */
TEST(death_of_one_that_has_opened, ALL)
{
    for (int given = 0; given < 2; given++) {
        struct table *table = make_table(SLOTS, SLOTS);
        atomic_store(&table->slots.groups[1], pi_group_make(PI_GROUP_OPEN, WORKER, 0));
        assert_true(pi_bitmap_alloc_word(&table->slots.map, 1));
        if (given) {
            pi_bitmap_free_word(&table->slots.map, 1, UINT64_MAX);
            assert_int_equal(acquire(table, 0, PI_GROUP_SLOTS), PI_GROUP_SLOTS);
        }
        assert_false(pi_slots_close(&table->slots, 1)); /* not yet */
        pi_group_recover(&table->slots, 1, WORKER + 1);
        assert_int_equal(map_word(table, 1), given ? UINT64_MAX - 1 : 0);
        pi_group_recover(&table->slots, 1, WORKER);
        assert_int_equal(map_word(table, 1), given ? UINT64_MAX - 1 : UINT64_MAX);
        assert_int_equal(pi_group_owner(group_word(table, 1)), PI_OWNER_NONE);
        assert_int_equal(pi_group_has_mark(group_word(table, 1), 0), given != 0);
        assert_int_equal(acquire(table, SUBMITTER, PI_GROUP_SLOTS),
                         PI_GROUP_SLOTS + (given ? 1u : 0u));
        free_table(table);
    }
}

/* It found all FREE. Then a recovery set a bit of which another took the slot. */
TEST(death_of_one_that_has_set_bits_of_taken_slots, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    atomic_store(&table->slots.groups[1], pi_group_make(PI_GROUP_OPEN, WORKER, 0));
    assert_int_equal(acquire(table, SUBMITTER, PI_GROUP_SLOTS + 5), PI_GROUP_SLOTS);
    pi_bitmap_free_word(&table->slots.map, 1, UINT64_MAX);
    pi_group_recover(&table->slots, 1, WORKER);
    assert_int_equal(map_word(table, 1), UINT64_MAX - 1);
    free_table(table);
}

TEST(recovery_leaves_others_alone, ALL)
{
    struct table *table = make_table(SLOTS, SLOTS);
    assert_int_equal(acquire(table, WORKER, 0), 0);
    for (uint32_t i = 0; i < GROUPS; i++) {
        uint64_t group = group_word(table, i), map = map_word(table, i);
        pi_group_recover(&table->slots, i, WORKER);
        assert_int_equal(group_word(table, i), group);
        assert_int_equal(map_word(table, i), map);
    }
    free_table(table);
}

/* ---- all at once ---- */

#define TAKERS 3u
#define ROUNDS 20000u

struct rush {
    struct table *table;
    _Atomic unsigned takers; /* that are not through */
    _Atomic unsigned closed, shared, lost;
    _Atomic unsigned holders[SLOTS];
};

/* Slots are held by one at a time, and are there as long as that. */
static void hold_one(struct rush *rush, unsigned owner, uint32_t hint)
{
    struct pi_slots *slots = &rush->table->slots;
    uint64_t word;
    if (!pi_slots_has(slots, hint) && pi_group_claim(slots, hint / PI_GROUP_SLOTS, owner))
        pi_group_open(slots, hint / PI_GROUP_SLOTS);
    uint32_t index = pi_slots_acquire(slots, owner, hint, &word);
    if (index == PI_NO_INDEX)
        return;
    bool held = atomic_fetch_add(&rush->holders[index], 1) != 0;
    bool gone = !pi_slots_has(slots, index);
    atomic_fetch_sub(&rush->holders[index], 1);
    gone = !pi_slot_free(slot_at(rush->table, index), &word) || gone;
    atomic_fetch_add(&rush->shared, held ? 1u : 0u);
    atomic_fetch_add(&rush->lost, gone ? 1u : 0u);
    pi_bitmap_free(&slots->map, index);
}

static void take_part(void *context, unsigned number)
{
    struct rush *rush = context;
    if (number < TAKERS) {
        for (uint32_t i = 0; i < ROUNDS; i++)
            hold_one(rush, number, i % SLOTS);
        atomic_fetch_sub(&rush->takers, 1);
        return;
    }
    while (atomic_load(&rush->takers) > 0)
        for (uint32_t i = 0; i < GROUPS; i++)
            atomic_fetch_add(&rush->closed, pi_slots_close(&rush->table->slots, i) ? 1u : 0u);
}

TEST(threads_that_take_while_groups_close, ALL)
{
    struct rush *rush = calloc(1, sizeof *rush);
    assert_non_null(rush);
    rush->table = make_table(SLOTS, SLOTS);
    rush->takers = TAKERS;
    run_threads(TAKERS + 1, take_part, rush);
    print_message("%u closings\n", rush->closed);
    assert_int_equal(rush->shared, 0);
    assert_int_equal(rush->lost, 0);
    for (uint32_t i = 0; i < GROUPS; i++) {
        bool open = state_of(rush->table, i) == PI_GROUP_OPEN;
        assert_true(open || state_of(rush->table, i) == PI_GROUP_CLOSED);
        for (uint32_t j = 0; open && j < PI_GROUP_SLOTS; j++)
            assert_int_equal(pi_state(word_of(rush->table, i * PI_GROUP_SLOTS + j)), PI_FREE);
    }
    free_table(rush->table);
    free(rush);
}
