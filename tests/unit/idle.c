/* idle.c - which workers spin, which sleep, and which is woken. */
#include "threads.h"

#include "core/idle.h"

#include <stdlib.h>

static struct pi_idle *make_idle(void)
{
    struct pi_idle *idle = calloc(1, sizeof *idle);
    assert_non_null(idle);
    return idle;
}

static bool is_spinning(struct pi_idle *idle, unsigned worker)
{
    return pi_load_seq(&idle->word[worker / 32]) >> (32 + worker % 32) & 1;
}

TEST(nobody_at_first, ALL)
{
    struct pi_idle *idle = make_idle();
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 0);
    assert_false(pi_idle_any_spinner(idle, PI_MAX_WORKERS));
    assert_int_equal(pi_idle_claim_if_none_spins(idle, PI_MAX_WORKERS), PI_NO_INDEX);
    assert_int_equal(pi_idle_claim(idle, PI_MAX_WORKERS), PI_NO_INDEX);
    free(idle);
}

/* All states of one worker, while its neighbours stay what they are. */
static void assert_worker_changes(unsigned worker, unsigned spinner, unsigned sleeper)
{
    struct pi_idle *idle = make_idle();
    pi_idle_spin(idle, spinner);
    pi_idle_sleep(idle, sleeper);
    assert_false(is_spinning(idle, worker));
    pi_idle_spin(idle, worker);
    assert_true(is_spinning(idle, worker));
    pi_idle_spin(idle, worker);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 3);
    pi_idle_sleep(idle, worker);
    assert_false(is_spinning(idle, worker));
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 3);
    pi_idle_leave(idle, worker);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 2);
    pi_idle_spin(idle, worker);
    pi_idle_leave(idle, worker);
    pi_idle_leave(idle, worker);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 2);
    assert_true(is_spinning(idle, spinner));
    assert_false(is_spinning(idle, sleeper));
    assert_int_equal(pi_idle_claim(idle, PI_MAX_WORKERS), sleeper);
    free(idle);
}

TEST(one_worker_changes, ALL)
{
    assert_worker_changes(0, 1, 2);
    assert_worker_changes(31, 30, 32);
    assert_worker_changes(32, 64, 0);
    assert_worker_changes(PI_MAX_WORKERS - 1, PI_MAX_WORKERS - 2, 31);
}

/* As one does that a post has woken, which was for all. */
TEST(a_worker_that_spins_after_a_sleep_counts_once, ALL)
{
    struct pi_idle *idle = make_idle();
    pi_idle_sleep(idle, 3);
    pi_idle_spin(idle, 3);
    pi_idle_sleep(idle, 35);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 2);
    pi_idle_sleep(idle, 3);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 2);
    pi_idle_leave(idle, 3);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), 1);
    free(idle);
}

TEST(how_many_spin, ALL)
{
    static const unsigned workers[] = {0, 5, 31, 32, 63, 64, 999};
    struct pi_idle *idle = make_idle();
    for (unsigned i = 0; i < COUNT(workers); i++) {
        assert_int_equal(pi_idle_count_spinners(idle, PI_MAX_WORKERS), i);
        pi_idle_spin(idle, workers[i]);
        pi_idle_sleep(idle, workers[i] ^ 2); /* another one */
    }
    assert_int_equal(pi_idle_count_spinners(idle, 32), 3);
    assert_int_equal(pi_idle_count_spinners(idle, 64), 5);
    for (unsigned i = 0; i < COUNT(workers); i++)
        assert_int_not_equal(pi_idle_claim(idle, PI_MAX_WORKERS), PI_NO_INDEX);
    assert_int_equal(pi_idle_count_spinners(idle, PI_MAX_WORKERS), 2 * COUNT(workers));
    free(idle);
}

TEST(a_claimed_sleeper_spins, ALL)
{
    struct pi_idle *idle = make_idle();
    pi_idle_sleep(idle, 4);
    assert_false(pi_idle_any_spinner(idle, 8));
    assert_int_equal(pi_idle_claim_if_none_spins(idle, 8), 4);
    assert_true(is_spinning(idle, 4));
    assert_true(pi_idle_any_spinner(idle, 8));
    assert_int_equal(pi_idle_count(idle, 8), 1);
    assert_int_equal(pi_idle_claim(idle, 8), PI_NO_INDEX); /* it is nobody's to claim again */
    free(idle);
}

/* One who looks already is enough, unless everybody shall look. */
TEST(no_claim_while_somebody_spins, ALL)
{
    struct pi_idle *idle = make_idle();
    for (unsigned worker = 0; worker < 4; worker++)
        pi_idle_sleep(idle, worker);
    pi_idle_spin(idle, 70); /* in another word */
    assert_int_equal(pi_idle_claim_if_none_spins(idle, 80), PI_NO_INDEX);
    assert_int_equal(pi_idle_claim(idle, 80), 0);
    pi_idle_leave(idle, 70);
    assert_int_equal(pi_idle_claim_if_none_spins(idle, 80),
                     PI_NO_INDEX); /* the one that was claimed */
    pi_idle_leave(idle, 0);
    assert_int_equal(pi_idle_claim_if_none_spins(idle, 80), 1);
    assert_int_equal(pi_idle_claim(idle, 80), 2);
    assert_int_equal(pi_idle_claim(idle, 80), 3);
    assert_int_equal(pi_idle_claim(idle, 80), PI_NO_INDEX);
    free(idle);
}

TEST(workers_in_several_words, ALL)
{
    const unsigned workers[] = {5, 31, 32, 63, 64, 500, PI_MAX_WORKERS - 1};
    struct pi_idle *idle = make_idle();
    for (size_t i = 0; i < COUNT(workers); i++)
        pi_idle_sleep(idle, workers[i]);
    assert_int_equal(pi_idle_count(idle, PI_MAX_WORKERS), COUNT(workers));
    for (size_t i = 0; i < COUNT(workers); i++)
        assert_int_equal(pi_idle_claim(idle, PI_MAX_WORKERS), workers[i]);
    assert_int_equal(pi_idle_claim(idle, PI_MAX_WORKERS), PI_NO_INDEX);
    free(idle);
}

/* Only the words of the workers that there are cost a look. */
TEST(words_beyond_the_workers, ALL)
{
    struct pi_idle *idle = make_idle();
    pi_idle_sleep(idle, 40);
    pi_idle_spin(idle, 41);
    assert_int_equal(pi_idle_count(idle, 32), 0);
    assert_false(pi_idle_any_spinner(idle, 32));
    assert_int_equal(pi_idle_claim(idle, 32), PI_NO_INDEX);
    assert_int_equal(pi_idle_claim(idle, 41), 40);
    free(idle);
}

#define SLEEPERS 320u
#define CLAIMERS 4u

struct wake_up {
    struct pi_idle idle;
    _Atomic unsigned woken[SLEEPERS];
};

static void claim_all(void *context, unsigned number)
{
    struct wake_up *all = context;
    uint32_t worker;
    while ((worker = pi_idle_claim(&all->idle, SLEEPERS)) != PI_NO_INDEX)
        atomic_fetch_add(&all->woken[worker], 1);
}

TEST(each_sleeper_is_claimed_once, ALL)
{
    struct wake_up *all = calloc(1, sizeof *all);
    assert_non_null(all);
    for (int round = 0; round < 100; round++) {
        for (unsigned worker = 0; worker < SLEEPERS; worker++) {
            pi_idle_sleep(&all->idle, worker);
            all->woken[worker] = 0;
        }
        run_threads(CLAIMERS, claim_all, all);
        for (unsigned worker = 0; worker < SLEEPERS; worker++) {
            assert_int_equal(all->woken[worker], 1);
            assert_true(is_spinning(&all->idle, worker));
        }
    }
    free(all);
}

/* Each goes through all states of its own worker; all workers are in one word. */
static void go_round(void *context, unsigned number)
{
    struct pi_idle *idle = context;
    for (int i = 0; i < 20000; i++) {
        pi_idle_spin(idle, number);
        pi_idle_sleep(idle, number);
        pi_idle_leave(idle, number);
    }
    pi_idle_sleep(idle, number);
}

TEST(neighbours_do_not_disturb_each_other, ALL)
{
    struct pi_idle *idle = make_idle();
    run_threads(CLAIMERS, go_round, idle);
    assert_int_equal(pi_idle_count(idle, 32), CLAIMERS);
    for (unsigned worker = 0; worker < CLAIMERS; worker++)
        assert_int_equal(pi_idle_claim(idle, 32), worker);
    free(idle);
}
