/* state.c - the fields of a slot's word do not touch each other. */
#include "support/support.h"

#include "core/state.h"

static const uint64_t flags[] = {PI_DETACHED,
                                 PI_CANCEL_REQUESTED,
                                 PI_BROADCAST,
                                 (uint64_t)1 << (PI_IN_RING_SHIFT + PI_LANE_NORMAL),
                                 (uint64_t)1 << (PI_IN_RING_SHIFT + PI_LANE_HIGH),
                                 (uint64_t)1 << (PI_IN_RING_SHIFT + PI_LANE_LOW)};

#define ALL_FLAGS ((uint64_t)(PI_DETACHED | PI_CANCEL_REQUESTED | PI_IN_RING | PI_BROADCAST))

static uint64_t with_generation(uint64_t word, uint32_t generation)
{
    return (word & UINT32_MAX) | (uint64_t)generation << PI_GENERATION_SHIFT;
}

static const uint64_t extremes[] = {0, UINT64_MAX, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa};

TEST(state_round_trips, ALL)
{
    for (size_t i = 0; i < COUNT(extremes); i++) {
        for (unsigned state = 0; state < PI_STATES; state++) {
            uint64_t word = pi_with_state(extremes[i], (enum pi_state)state);
            assert_int_equal(pi_state(word), state);
            assert_int_equal(word & ~(uint64_t)15, extremes[i] & ~(uint64_t)15);
        }
    }
}

TEST(owner_round_trips, ALL)
{
    for (size_t i = 0; i < COUNT(extremes); i++) {
        for (unsigned owner = 0; owner < 1024; owner++) {
            uint64_t word = pi_with_owner(extremes[i], owner);
            assert_int_equal(pi_owner(word), owner);
            assert_int_equal(word & ~PI_OWNER_MASK, extremes[i] & ~PI_OWNER_MASK);
        }
    }
}

TEST(parker_round_trips, ALL)
{
    for (size_t i = 0; i < COUNT(extremes); i++) {
        for (unsigned parker = 0; parker < 4096; parker++) {
            uint64_t word = pi_with_parker(extremes[i], parker);
            assert_int_equal(pi_parker(word), parker);
            assert_int_equal(word & ~PI_PARKER_MASK, extremes[i] & ~PI_PARKER_MASK);
        }
    }
}

TEST(generation_is_the_upper_half, ALL)
{
    assert_int_equal(pi_generation(UINT32_MAX), 0);
    assert_int_equal(pi_generation(with_generation(0, UINT32_MAX)), UINT32_MAX);
    assert_int_equal(pi_generation(with_generation(UINT32_MAX, 0x80000001)), 0x80000001);
}

/* Each flag is one bit of its own, outside all fields. */
TEST(flags_are_apart, ALL)
{
    uint64_t seen = 15 | PI_OWNER_MASK | PI_PARKER_MASK | (uint64_t)UINT32_MAX << 32;
    for (size_t i = 0; i < COUNT(flags); i++) {
        assert_int_equal(flags[i] & (flags[i] - 1), 0);
        assert_int_equal(seen & flags[i], 0);
        seen |= flags[i];
    }
    assert_int_equal(seen, UINT64_MAX);
}

/* No state has two of them: a task that is asked, one that is late, one that a thread is inside. */
TEST(one_bit_for_three_states, ALL)
{
    assert_int_equal(PI_CANCEL_REQUESTED, PI_EXPIRED);
    assert_int_equal(PI_CANCEL_REQUESTED, PI_PINNED);
}

TEST(states_from_done_on_are_final, ALL)
{
    for (unsigned state = 0; state < PI_STATES; state++) {
        uint64_t word = pi_with_state(UINT64_MAX, (enum pi_state)state);
        assert_int_equal(pi_final(word), state >= PI_DONE);
    }
    assert_int_equal(PI_NO_SLOT, 0); /* where memory was never touched there is no slot */
    assert_true(PI_STATES <= 16);
}

TEST(owners_that_are_no_worker_fit, ALL)
{
    assert_int_equal(pi_owner(pi_with_owner(0, PI_OWNER_PROGRAM)), PI_OWNER_PROGRAM);
    assert_int_equal(pi_owner(pi_with_owner(0, PI_OWNER_NONE)), PI_OWNER_NONE);
    assert_int_not_equal(PI_OWNER_PROGRAM, PI_OWNER_NONE);
}

static uint64_t full_word(enum pi_state state, uint32_t generation)
{
    uint64_t word = pi_with_parker(pi_with_owner(ALL_FLAGS, 517), 4095);
    return with_generation(pi_with_state(word, state), generation);
}

TEST(a_flag_for_each_lane, ALL)
{
    uint64_t all = 0;
    for (unsigned lane = 0; lane < PI_LANES; lane++)
        all |= pi_in_ring((enum pi_lane)lane);
    assert_int_equal(all, PI_IN_RING);
}

TEST(freed_keeps_the_flags_of_rings_alone, ALL)
{
    uint64_t word = full_word(PI_LOST, 41);
    assert_int_equal(pi_freed(word), with_generation(PI_IN_RING | PI_FREE, 42));
    assert_int_equal(pi_freed(word & ~(uint64_t)PI_IN_RING), with_generation(PI_FREE, 42));
}

TEST(freed_after_the_last_generation, ALL)
{
    uint64_t word = full_word(PI_DONE, UINT32_MAX);
    assert_int_equal(pi_freed(word), PI_IN_RING | PI_FREE);
}

TEST(emptied_names_the_freer_and_keeps_the_life, ALL)
{
    uint64_t word = full_word(PI_LOST, 41), emptied = pi_emptied(word, 9);
    assert_int_equal(emptied, with_generation(pi_with_owner(PI_IN_RING | PI_FILLING, 9), 41));
    assert_int_equal(pi_emptied(word & ~(uint64_t)PI_IN_RING, 9), emptied & ~(uint64_t)PI_IN_RING);
}

TEST(slots_that_are_free_or_not_there_are_not_in_use, ALL)
{
    for (unsigned state = 0; state < PI_STATES; state++) {
        bool used = state != PI_NO_SLOT && state != PI_FREE;
        assert_int_equal(pi_in_use(full_word((enum pi_state)state, 3)), used);
    }
}

TEST(is_looks_at_state_and_owner, ALL)
{
    uint64_t word = full_word(PI_RUNNING, 7);
    assert_true(pi_has_state(word, PI_RUNNING, 517));
    assert_true(pi_has_state(with_generation(word, 8), PI_RUNNING, 517));
    assert_false(pi_has_state(word, PI_KILLING, 517));
    assert_false(pi_has_state(word, PI_RUNNING, 516));
}
