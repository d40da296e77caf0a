/* parker.c - the places where callers sleep: each is one caller's. */
#include "bits.h"
#include "threads.h"

#include "core/parker.h"

#include <stdlib.h>
#include <string.h>

#define OWNER 7u

struct lot {
    struct pi_parkers parkers;
    _Atomic uint64_t count;
    _Atomic unsigned users[PI_MAX_PARKERS];
    _Atomic unsigned shared; /* times that two callers had the same parker */
};

static struct lot *make_lot(uint32_t count)
{
    struct lot *lot = calloc(1, sizeof *lot);
    void *memory = calloc(1, pi_bitmap_size(PI_MAX_PARKERS));
    assert_non_null(lot);
    assert_non_null(memory);
    size_t size = PI_MAX_PARKERS * sizeof *lot->parkers.at;
    lot->parkers.at = aligned_alloc(64, size);
    assert_non_null(lot->parkers.at);
    memset((void *)lot->parkers.at, 0, size);
    pi_bitmap_init(&lot->parkers.map, memory, PI_MAX_PARKERS);
    give_all(&lot->parkers.map, PI_MAX_PARKERS);
    pi_monotonic_init(&lot->parkers.count, &lot->count, PI_MAX_PARKERS);
    atomic_init(&lot->count, pi_monotonic_word(count));
    return lot;
}

static void free_lot(struct lot *lot)
{
    free(lot->parkers.map.level[2]);
    free(lot->parkers.at);
    free(lot);
}

static uint32_t owner_word(struct lot *lot, uint32_t index)
{
    return atomic_load(&lot->parkers.at[index].owner);
}

TEST(acquire_names_the_owner, ALL)
{
    struct lot *lot = make_lot(4);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER + i), i);
        assert_int_equal(owner_word(lot, i), 1 + OWNER + i);
    }
    assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER), PI_NO_INDEX);
    atomic_store(&lot->count, pi_monotonic_word(5));
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 0), 4);
    assert_int_equal(owner_word(lot, 4), 1); /* worker 0 is not nobody */
    free_lot(lot);
}

TEST(released_ones_are_used_again, ALL)
{
    struct lot *lot = make_lot(3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER), i);
    pi_parkers_release(&lot->parkers, 1);
    assert_int_equal(owner_word(lot, 1), 0);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER + 1), 1);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER + 1), PI_NO_INDEX);
    free_lot(lot);
}

/* The bit says free, but somebody sleeps there. */
TEST(owned_ones_that_look_free, ALL)
{
    struct lot *lot = make_lot(2);
    atomic_store(&lot->parkers.at[0].owner, 1 + OWNER);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 3), 1);
    assert_int_equal(owner_word(lot, 0), 1 + OWNER);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 3), PI_NO_INDEX);
    pi_parkers_release(&lot->parkers, 0);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 3), 0);
    free_lot(lot);
}

/* The taker died between the bit and the word; the sweep gives the bit back. */
TEST(free_ones_that_look_owned, ALL)
{
    struct lot *lot = make_lot(2);
    assert_int_equal(pi_bitmap_alloc(&lot->parkers.map, 2, 0), 0);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 3), 1);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 3), PI_NO_INDEX);
    pi_bitmap_free(&lot->parkers.map, 0);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, 3), 0);
    free_lot(lot);
}

TEST(count_that_is_too_large, ALL)
{
    struct lot *lot = make_lot(PI_MAX_PARKERS);
    assert_int_equal(pi_parkers_count(&lot->parkers), PI_MAX_PARKERS);
    atomic_store(&lot->count, pi_monotonic_word(UINT32_MAX));
    assert_int_equal(pi_parkers_count(&lot->parkers), PI_MAX_PARKERS);
    for (uint32_t i = 0; i < PI_MAX_PARKERS; i++)
        assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER), i);
    assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER), PI_NO_INDEX);
    free_lot(lot);
}

static void park_often(void *context, unsigned number)
{
    struct lot *lot = context;
    for (int i = 0; i < 20000; i++) {
        uint32_t index = pi_parkers_acquire(&lot->parkers, number);
        if (index == PI_NO_INDEX)
            continue;
        if (atomic_fetch_add(&lot->users[index], 1) != 0)
            atomic_fetch_add(&lot->shared, 1);
        atomic_fetch_sub(&lot->users[index], 1);
        pi_parkers_release(&lot->parkers, index);
    }
}

TEST(one_caller_each, ALL)
{
    struct lot *lot = make_lot(3);
    run_threads(4, park_often, lot);
    assert_int_equal(lot->shared, 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(pi_parkers_acquire(&lot->parkers, OWNER), i);
    free_lot(lot);
}
