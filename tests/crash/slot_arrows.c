/* slot_arrows.c - a slot's word from state to state: exact, but for what others add meanwhile. */
#include "support/support.h"

#include "core/slot.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OWNER 5u
#define GENERATION ((uint64_t)77 << PI_GENERATION_SHIFT)

static struct pi_slot slot;

/* Puts the slot into a state, with some flags. */
static uint64_t set_word(enum pi_state state, uint64_t flags)
{
    uint64_t word = pi_with_state(pi_with_owner(GENERATION | flags, OWNER), state);
    atomic_store(&slot.word, word);
    return word;
}

static uint64_t get_word(void) { return atomic_load(&slot.word); }

#define TARGET(state) | 1u << PI_##state
#define ROW(state, targets) [PI_##state] = 0 targets,
static const unsigned arrows[PI_STATES] = {PI_STATE_LIST(ROW, TARGET)};

static bool is_listed(unsigned from, unsigned to) { return arrows[from] >> to & 1; }

TEST(each_arrow_of_the_list, ALL)
{
    for (unsigned pair = 0; pair < PI_STATES * PI_STATES; pair++) {
        enum pi_state state = pair / PI_STATES, to = pair % PI_STATES;
        assert_int_equal(pi_is_arrow(state, to), state == to || is_listed(state, to));
        if (!is_listed(state, to))
            continue;
        uint64_t from = set_word(state, PI_IN_RING), left = from;
        assert_true(pi_slot_transition(&slot, &left, to, 0, 0));
        assert_int_equal(left, from);
        assert_int_equal(get_word(), pi_with_state(from, to));
    }
}

static int take_arrow(void *context)
{
    unsigned pair = *(unsigned *)context;
    const struct rlimit no_core = {0, 0};
    uint64_t word = set_word(pair / PI_STATES, 0);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    close(STDERR_FILENO); /* it says what was asserted */
    (void)pi_slot_transition(&slot, &word, pair % PI_STATES, 0, 0);
    return 0;
}

TEST(no_other_arrow, ALL)
{
    for (unsigned pair = 0; pair < PI_STATES * PI_STATES; pair++) {
        if (pi_is_arrow(pair / PI_STATES, pair % PI_STATES))
            continue;
        int status = wait_status(start_child(take_arrow, &pair));
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGABRT);
    }
}

/* Its number in the word is that of the list, in which the final states are the last. */
TEST(the_list_is_whole, ALL)
{
#define NAME(state, targets) #state,
    static const char *const names[] = {PI_STATE_LIST(NAME, )};
    assert_int_equal(COUNT(names), PI_STATES);
    for (unsigned state = 0; state < PI_STATES; state++) {
        assert_true(arrows[state] != 0); /* none is left for ever */
        assert_true(arrows[state] < 1u << PI_STATES);
        assert_int_equal(pi_final(state), strcmp(names[state], "DONE") == 0 || state > PI_DONE);
    }
    assert_false(pi_is_arrow(PI_STATES, PI_FREE)); /* a word that somebody has scribbled on */
    assert_false(pi_is_arrow(PI_FREE, PI_STATES));
}

TEST(sets_and_clears_flags, ALL)
{
    uint64_t from = set_word(PI_RUNNING, PI_CANCEL_REQUESTED | PI_BROADCAST);
    assert_true(pi_slot_transition(&slot, &from, PI_KILLING, PI_DETACHED, PI_CANCEL_REQUESTED));
    assert_int_equal(get_word(), set_word(PI_KILLING, PI_BROADCAST | PI_DETACHED));
}

/* Somebody detaches, cancels, or comes to sleep, after the word was read. */
TEST(keeps_what_comes_in_meanwhile, ALL)
{
    uint64_t from = set_word(PI_RUNNING, 0), parked = pi_with_parker(from | PI_CANCEL_REQUESTED, 9);
    atomic_store(&slot.word, parked);
    assert_true(pi_slot_transition(&slot, &from, PI_DONE, 0, 0));
    assert_int_equal(from, parked); /* so that the finisher knows whom to wake */
    assert_int_equal(get_word(), pi_with_state(parked, PI_DONE));
}

TEST(keeps_that_a_flag_went_meanwhile, ALL)
{
    uint64_t from = set_word(PI_RUNNING, PI_IN_RING);
    uint64_t passed = set_word(PI_RUNNING, 0);
    assert_true(pi_slot_transition(&slot, &from, PI_FAILED, PI_DETACHED, 0));
    assert_int_equal(from, passed);
    assert_int_equal(get_word(), set_word(PI_FAILED, PI_DETACHED));
}

static void assert_refused(uint64_t from, uint64_t now)
{
    atomic_store(&slot.word, now);
    assert_false(pi_slot_transition(&slot, &from, PI_DONE, 0, 0));
    assert_int_equal(from, now); /* what there is */
    assert_int_equal(get_word(), now);
}

TEST(refused_when_it_is_another_task_or_state, ALL)
{
    uint64_t run = set_word(PI_RUNNING, 0);
    assert_refused(run, pi_with_state(run, PI_KILLING));
    assert_refused(run, pi_with_state(run, PI_LOST));
    assert_refused(run, pi_with_owner(run, OWNER + 1));
    assert_refused(run, run + ((uint64_t)1 << PI_GENERATION_SHIFT));
    assert_refused(run, run + ((uint64_t)1 << 63));
}

TEST(final_states_are_left_by_freeing, ALL)
{
    for (unsigned state = PI_DONE; state < PI_STATES; state++) {
        uint64_t word =
            pi_with_parker(set_word((enum pi_state)state, PI_DETACHED | PI_CANCEL_REQUESTED), 3);
        atomic_store(&slot.word, word);
        assert_true(pi_slot_free(&slot, &word));
        assert_int_equal(get_word(), (uint64_t)78 << PI_GENERATION_SHIFT | PI_FREE);
    }
}

/* The entry in the ring stays, so the flag does. */
TEST(freeing_keeps_queued, ALL)
{
    uint64_t word = set_word(PI_CANCELLED, PI_IN_RING | PI_BROADCAST);
    assert_true(pi_slot_free(&slot, &word));
    assert_int_equal(get_word(), (uint64_t)78 << PI_GENERATION_SHIFT | PI_IN_RING | PI_FREE);
}

/* In two steps, if there are blocks to be freed in between. */
TEST(emptying_before_it_is_freed, ALL)
{
    uint64_t word = set_word(PI_DONE, PI_IN_RING | PI_BROADCAST), other = word;
    assert_true(pi_slot_empty(&slot, &word, 9));
    assert_int_equal(get_word(), word);
    assert_true(pi_has_state(word, PI_FILLING, 9));
    assert_int_equal(pi_generation(word), pi_generation(other));
    assert_true(word & PI_IN_RING);
    assert_false(pi_slot_empty(&slot, &other, 10)); /* a second holder of the same handle */
    assert_int_equal(other, word);
    assert_true(pi_slot_free(&slot, &word));
    assert_int_equal(get_word(), (uint64_t)78 << PI_GENERATION_SHIFT | PI_IN_RING | PI_FREE);
}

TEST(freeing_an_inexact_word, ALL)
{
    uint64_t word = set_word(PI_DONE, PI_IN_RING), passed = set_word(PI_DONE, 0);
    assert_false(pi_slot_free(&slot, &word));
    assert_int_equal(word, passed);
    assert_int_equal(get_word(), passed);
    assert_true(pi_slot_free(&slot, &word));
    assert_false(pi_slot_free(&slot, &passed)); /* a second holder of the same handle */
}

TEST(generations_go_round, ALL)
{
    uint64_t word = pi_with_state((uint64_t)UINT32_MAX << PI_GENERATION_SHIFT, PI_LOST);
    atomic_store(&slot.word, word);
    assert_true(pi_slot_free(&slot, &word));
    assert_int_equal(get_word(), PI_FREE);
}
