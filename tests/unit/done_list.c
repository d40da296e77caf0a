/* done_list.c - the list of tasks that have ended: order, generations, chains that lead astray. */
#include "table.h"
#include "threads.h"

#include "core/done_list.h"

#include <sched.h>

#define SLOTS 64u

struct list {
    struct table *table;
    struct pi_parker parker;
};

static struct list make_list(void)
{
    struct list list = {.table = make_table(SLOTS, SLOTS)};
    return list;
}

static bool push_ready(struct list *list, uint32_t slot, uint32_t generation)
{
    return pi_done_list_push(&list->table->slots, &list->parker, slot, generation);
}

static void assert_next(struct list *list, pi_done_ref *at, uint32_t expected)
{
    uint32_t slot = PI_NO_INDEX;
    bool broken = true;
    assert_true(pi_done_list_next(&list->table->slots, pi_slots_count(&list->table->slots), at,
                                  &slot, &broken));
    assert_false(broken);
    assert_int_equal(slot, expected);
}

static void assert_end(struct list *list, pi_done_ref *at, bool is_broken)
{
    uint32_t slot;
    bool broken = !is_broken;
    assert_false(pi_done_list_next(&list->table->slots, pi_slots_count(&list->table->slots), at,
                                   &slot, &broken));
    assert_int_equal(broken, is_broken);
}

TEST(empty, ALL)
{
    struct list list = make_list();
    pi_done_ref at = pi_done_list_take(&list.parker);
    assert_end(&list, &at, false);
    free_table(list.table);
}

TEST(newest_first, ALL)
{
    struct list list = make_list();
    assert_true(push_ready(&list, 5, 1)); /* the owner must be posted for the first only */
    assert_false(push_ready(&list, 0, 9));
    assert_false(push_ready(&list, SLOTS - 1, 0));
    pi_done_ref at = pi_done_list_take(&list.parker);
    assert_next(&list, &at, SLOTS - 1);
    assert_next(&list, &at, 0);
    assert_next(&list, &at, 5);
    assert_end(&list, &at, false);
    at = pi_done_list_take(&list.parker);
    assert_end(&list, &at, false);
    assert_true(push_ready(&list, 5, 2));
    free_table(list.table);
}

/* Only the low bits of a generation are kept; large ones are as good. */
TEST(large_generations, ALL)
{
    struct list list = make_list();
    (void)push_ready(&list, 1, UINT32_MAX);
    (void)push_ready(&list, 2, (uint32_t)1 << PI_DONE_TAG_BITS);
    pi_done_ref at = pi_done_list_take(&list.parker);
    assert_next(&list, &at, 2);
    assert_next(&list, &at, 1);
    assert_end(&list, &at, false);
    free_table(list.table);
}

/* The slot in the middle is used again and pushed elsewhere before the owner comes to it. */
TEST(broken_by_reuse, ALL)
{
    struct list list = make_list();
    static struct pi_parker other;
    (void)push_ready(&list, 1, 4);
    (void)push_ready(&list, 2, 4);
    (void)push_ready(&list, 3, 4);
    (void)pi_done_list_push(&list.table->slots, &other, 2, 5);
    pi_done_ref at = pi_done_list_take(&list.parker);
    assert_next(&list, &at, 3);
    assert_end(&list, &at, true);
    assert_end(&list, &at, false); /* it does not go on from there */
    at = pi_done_list_take(&other);
    assert_next(&list, &at, 2);
    assert_end(&list, &at, false);
    free_table(list.table);
}

TEST(pushed_again_here, ALL)
{
    struct list list = make_list();
    (void)push_ready(&list, 1, 4);
    (void)push_ready(&list, 2, 4);
    (void)push_ready(&list, 1, 5);
    pi_done_ref at = pi_done_list_take(&list.parker);
    assert_next(&list, &at, 1);
    assert_next(&list, &at, 2);
    assert_end(&list, &at, true); /* 2 leads to an older life of 1 */
    free_table(list.table);
}

static void scribble(struct list *list, pi_done_ref head)
{
    atomic_store(&list->parker.done, head);
    pi_done_ref at = pi_done_list_take(&list->parker);
    assert_end(list, &at, true);
}

TEST(scribbled_heads, ALL)
{
    struct list list = make_list();
    scribble(&list, UINT64_MAX);
    scribble(&list, pi_done_ref_make(SLOTS, 0));
    scribble(&list, (uint64_t)1 << PI_DONE_REF_BITS | pi_done_ref_make(1, 0));
    scribble(&list, 1); /* a generation without a slot */
    free_table(list.table);
}

/* A cycle is walked for ever: whoever walks counts. It never leaves the table. */
TEST(scribbled_cycle, ALL)
{
    struct list list = make_list();
    (void)push_ready(&list, 1, 4);
    (void)push_ready(&list, 2, 4);
    uint64_t tag = pi_done_tag(4) << PI_DONE_REF_BITS;
    atomic_store(&slot_at(list.table, 1)->link, tag | pi_done_ref_make(2, 4));
    pi_done_ref at = pi_done_list_take(&list.parker);
    for (int i = 0; i < 1000; i++)
        assert_next(&list, &at, i % 2 ? 1 : 2);
    free_table(list.table);
}

/* ---- several threads ---- */

#define PUSHERS 3u
#define EACH 20000u
#define SLOTS_EACH (SLOTS / PUSHERS)

struct race {
    struct list list;
    _Atomic uint32_t taken[SLOTS]; /* the generation that was taken last */
    _Atomic unsigned posts, empties, wrong, pushing;
};

static void take_once(struct race *race)
{
    struct pi_slots *slots = &race->list.table->slots;
    pi_done_ref at = pi_done_list_take(&race->list.parker);
    uint32_t slot;
    bool broken = false;
    atomic_fetch_add(&race->empties, at != 0);
    while (pi_done_list_next(slots, pi_slots_count(slots), &at, &slot, &broken))
        atomic_fetch_add(&race->taken[slot], 1);
    atomic_fetch_add(&race->wrong, broken);
}

/* Uses its slots again only when they were taken, so no chain breaks. If one was not, it takes what
 * is there itself: the taker may have no processor. */
static void push_often(struct race *race, unsigned number)
{
    uint32_t first = number * SLOTS_EACH;
    for (uint32_t i = 0; i < EACH; i++) {
        uint32_t slot = first + i % SLOTS_EACH, generation = i / SLOTS_EACH + 1;
        while (atomic_load(&race->taken[slot]) != generation - 1)
            take_once(race);
        if (push_ready(&race->list, slot, generation))
            atomic_fetch_add(&race->posts, 1);
    }
    atomic_fetch_sub(&race->pushing, 1);
}

static void take_often(struct race *race)
{
    for (bool last = false; !last;) {
        last = atomic_load(&race->pushing) == 0; /* before the look */
        take_once(race);
        sched_yield();
    }
}

static void race_body(void *context, unsigned number)
{
    if (number < PUSHERS)
        push_often(context, number);
    else
        take_often(context);
}

TEST(each_is_taken_once, ALL)
{
    static struct race race;
    race.list = make_list();
    race.pushing = PUSHERS;
    run_threads(PUSHERS + 1, race_body, &race);
    assert_int_equal(race.wrong, 0);
    assert_int_equal(race.posts, race.empties); /* one post for each list that was taken */
    uint32_t all = 0;
    for (uint32_t i = 0; i < SLOTS; i++)
        all += race.taken[i];
    assert_int_equal(all, PUSHERS * EACH);
    free_table(race.list.table);
}
