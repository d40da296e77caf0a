/* bitmap_threads.c - the tree of bits under threads that take and give at once. */
#include "bits.h"
#include "threads.h"

#include "core/bitmap.h"

#include <stdlib.h>

#define MAX 8192u
#define THREADS_AT_ONCE 4u

struct contest {
    struct pi_bitmap map;
    uint32_t count;
    unsigned rounds;
    _Atomic unsigned owned[MAX]; /* the things' own words: the truth */
    _Atomic unsigned refused;    /* bits that were won for a thing that was owned */
    _Atomic unsigned beyond;
};

static struct contest *make_contest(uint32_t count, unsigned rounds)
{
    struct contest *contest = calloc(1, sizeof *contest);
    void *memory = calloc(1, pi_bitmap_size(MAX));
    assert_non_null(contest);
    assert_non_null(memory);
    pi_bitmap_init(&contest->map, memory, MAX);
    give_all(&contest->map, MAX);
    contest->count = count;
    contest->rounds = rounds;
    return contest;
}

static void free_contest(struct contest *contest)
{
    free(contest->map.level[2]);
    free(contest);
}

/* Takes a thing, its bit first and then its word. */
static uint32_t take(struct contest *contest, uint32_t hint)
{
    uint32_t index = pi_bitmap_alloc(&contest->map, contest->count, hint);
    if (index != PI_NO_INDEX && index >= contest->count) {
        atomic_fetch_add(&contest->beyond, 1);
        return PI_NO_INDEX;
    }
    if (index != PI_NO_INDEX && atomic_exchange(&contest->owned[index], 1) != 0) {
        atomic_fetch_add(&contest->refused, 1);
        return PI_NO_INDEX;
    }
    return index;
}

static void give(struct contest *contest, uint32_t index)
{
    atomic_store(&contest->owned[index], 0);
    pi_bitmap_free(&contest->map, index);
}

/* Holds up to eight things at a time, so that the map is full now and then. */
static void take_and_give(void *context, unsigned number)
{
    struct contest *contest = context;
    uint32_t held[8];
    for (unsigned round = 0; round < contest->rounds; round++) {
        unsigned n = 0;
        for (unsigned i = 0; i < COUNT(held); i++) {
            uint32_t index = take(contest, round % 2 ? number * 64 : 0);
            if (index != PI_NO_INDEX)
                held[n++] = index;
        }
        while (n > 0)
            give(contest, held[--n]);
    }
}

static void assert_all_free(struct contest *contest)
{
    for (uint32_t i = 0; i < contest->count; i++)
        assert_int_equal(pi_bitmap_alloc(&contest->map, contest->count, 0), i);
    assert_int_equal(pi_bitmap_alloc(&contest->map, contest->count, 0), PI_NO_INDEX);
}

static void assert_fair_contest(uint32_t count)
{
    struct contest *contest = make_contest(count, 20000);
    run_threads(THREADS_AT_ONCE, take_and_give, contest);
    assert_int_equal(contest->beyond, 0);
    assert_int_equal(contest->refused, 0);
    assert_all_free(contest);
    free_contest(contest);
}

TEST(enough_for_all, ALL) { assert_fair_contest(256); }

TEST(too_few_for_all, ALL) { assert_fair_contest(10); }

TEST(partial_last_word, ALL) { assert_fair_contest(70); }

/* A wrong bit in the middle of it: a thing that is owned, but looks free. */
TEST(word_decides_when_bits_are_wrong, ALL)
{
    struct contest *contest = make_contest(64, 20000);
    contest->owned[0] = 1;
    run_threads(THREADS_AT_ONCE, take_and_give, contest);
    assert_int_equal(contest->beyond, 0);
    assert_int_equal(contest->refused, 1); /* the bit stays set until the owner gives it */
    give(contest, 0);
    assert_all_free(contest);
    free_contest(contest);
}

static void hold_one_at_a_time(void *context, unsigned number)
{
    struct contest *contest = context;
    for (unsigned round = 0; round < contest->rounds; round++) {
        uint32_t index = take(contest, 0);
        if (index != PI_NO_INDEX)
            give(contest, index);
    }
}

#define FIRST_FREE 64u /* not in the word of the hint, where takers look in spite of marks */

/* All but a few things of one word are taken, so each take of the last one marks that word full,
 * its word at level 1 and that one's at level 2, while others give. When all is quiet nothing may
 * be marked full that is not: nobody would look there again. */
static void assert_no_mark_left(uint32_t free_things)
{
    struct contest *contest = make_contest(4096, 30000);
    assert_int_equal(take(contest, 0), 0);
    while (take(contest, 0) != PI_NO_INDEX) {
    }
    for (int tries = 0; tries < 10; tries++) {
        for (uint32_t i = 0; i < free_things; i++)
            give(contest, FIRST_FREE + i);
        run_threads(THREADS_AT_ONCE, hold_one_at_a_time, contest);
        for (uint32_t i = 0; i < free_things; i++)
            assert_int_equal(take(contest, 0), FIRST_FREE + i);
        assert_int_equal(take(contest, 0), PI_NO_INDEX);
    }
    free_contest(contest);
}

TEST(marks_are_right_when_one_is_free, ALL) { assert_no_mark_left(1); }

TEST(marks_are_right_when_some_are_free, ALL)
{
    assert_no_mark_left(2);
    assert_no_mark_left(3);
}
