/* waiters.c - who sleeps until one event: each is claimed once, and none is missed. */
#include "threads.h"

#include "core/waiters.h"

#include <semaphore.h>

#define SERIAL 77u
#define LATER 78u

static struct pi_waiters waiters;

TEST(nobody_waits, ALL)
{
    pi_waiters_init(&waiters, SERIAL);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
    pi_waiters_remove(&waiters, SERIAL, 5);
    assert_false(pi_waiters_has(&waiters, SERIAL, 5));
}

TEST(each_is_claimed_once, ALL)
{
    static const uint32_t parkers[] = {0, 1, 31, 32, 63, 64, 1000, PI_MAX_WAITERS - 1};
    pi_waiters_init(&waiters, SERIAL);
    for (size_t i = 0; i < COUNT(parkers); i++) {
        assert_true(pi_waiters_add(&waiters, SERIAL, parkers[i]));
        assert_true(pi_waiters_add(&waiters, SERIAL, parkers[i]));
        assert_true(pi_waiters_has(&waiters, SERIAL, parkers[i]));
    }
    for (size_t i = 0; i < COUNT(parkers); i++) {
        assert_int_equal(pi_waiters_claim(&waiters, SERIAL), parkers[i]);
        assert_false(pi_waiters_has(&waiters, SERIAL, parkers[i]));
    }
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
}

TEST(one_that_left_is_not_claimed, ALL)
{
    pi_waiters_init(&waiters, SERIAL);
    assert_true(pi_waiters_add(&waiters, SERIAL, 3));
    assert_true(pi_waiters_add(&waiters, SERIAL, 40));
    pi_waiters_remove(&waiters, SERIAL, 3);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), 40);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
}

/* The one who comes back at once is not preferred. */
TEST(each_has_its_turn, ALL)
{
    pi_waiters_init(&waiters, SERIAL);
    for (uint32_t parker = 30; parker < 35; parker++)
        assert_true(pi_waiters_add(&waiters, SERIAL, parker));
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t claimed = pi_waiters_claim(&waiters, SERIAL);
        assert_int_equal(claimed, 30 + i % 5);
        assert_true(pi_waiters_add(&waiters, SERIAL, claimed));
    }
}

TEST(too_many, ALL)
{
    pi_waiters_init(&waiters, SERIAL);
    assert_false(pi_waiters_add(&waiters, SERIAL, PI_MAX_WAITERS));
    assert_false(pi_waiters_has(&waiters, SERIAL, PI_MAX_WAITERS));
    pi_waiters_remove(&waiters, SERIAL, PI_MAX_WAITERS);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
}

/* Another life of the memory, or other bytes altogether: nothing is written. */
TEST(late_callers_change_nothing, ALL)
{
    static const uint64_t bytes[] = {0, 1, UINT64_MAX, 0xa5a5a5a5a5a5a5a5u};
    pi_waiters_init(&waiters, LATER);
    assert_true(pi_waiters_add(&waiters, LATER, 3));
    assert_false(pi_waiters_add(&waiters, SERIAL, 4));
    pi_waiters_remove(&waiters, SERIAL, 3);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
    assert_int_equal(pi_waiters_claim(&waiters, LATER), 3);
    for (size_t i = 0; i < COUNT(bytes); i++) {
        atomic_store(&waiters.used, bytes[i]);
        atomic_store(&waiters.word[0], bytes[i]);
        assert_false(pi_waiters_add(&waiters, SERIAL, 0));
        pi_waiters_remove(&waiters, SERIAL, 0);
        assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
        assert_int_equal(atomic_load(&waiters.used), bytes[i]);
        assert_int_equal(atomic_load(&waiters.word[0]), bytes[i]);
    }
}

/* Scribbled counts lead nowhere. */
TEST(impossible_counts, ALL)
{
    pi_waiters_init(&waiters, SERIAL);
    assert_true(pi_waiters_add(&waiters, SERIAL, 9));
    atomic_store(&waiters.used, pi_stamp(SERIAL) | UINT32_MAX);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), 9);
    assert_int_equal(pi_waiters_claim(&waiters, SERIAL), PI_NO_INDEX);
}

/* Waiters who sleep until there are tokens: a waker that finds nobody leaves its token where every
 * later look finds it. It sleeps too when some are left: it would for ever if a wake were lost. */
#define TOKENS 5000
#define WAITERS 3u
static _Atomic long tokens;
static _Atomic long taken;
static sem_t woken[PI_MAX_WAITERS];
static sem_t taken_one;

static uint32_t parker_of(unsigned waiter) { return waiter * 31; } /* in two words */

static bool take_token(void)
{
    long seen = atomic_load(&tokens);
    while (seen > 0) {
        if (atomic_compare_exchange_weak(&tokens, &seen, seen - 1)) {
            atomic_fetch_add(&taken, 1);
            sem_post(&taken_one);
            return true;
        }
    }
    return false;
}

static void wait_for_tokens(uint32_t parker)
{
    while (atomic_load(&taken) < TOKENS) {
        (void)pi_waiters_add(&waiters, SERIAL, parker);
        if (!take_token())
            sem_wait(&woken[parker]);
    }
}

static void bring_tokens(void)
{
    for (int i = 0; i < TOKENS; i++) {
        atomic_fetch_add(&tokens, 1);
        uint32_t parker = pi_waiters_claim(&waiters, SERIAL);
        if (parker != PI_NO_INDEX)
            sem_post(&woken[parker]);
        while (atomic_load(&tokens) > 3)
            sem_wait(&taken_one);
    }
    while (atomic_load(&taken) < TOKENS)
        sem_wait(&taken_one);
    for (unsigned i = 1; i <= WAITERS; i++)
        sem_post(&woken[parker_of(i)]); /* it is over */
}

static void take_part(void *context, unsigned number)
{
    if (number == 0)
        bring_tokens();
    else
        wait_for_tokens(parker_of(number));
}

TEST(no_wake_is_lost, ALL)
{
    pi_waiters_init(&waiters, SERIAL);
    atomic_store(&tokens, 0);
    atomic_store(&taken, 0);
    assert_int_equal(sem_init(&taken_one, 0, 0), 0);
    for (unsigned i = 1; i <= WAITERS; i++)
        assert_int_equal(sem_init(&woken[parker_of(i)], 0, 0), 0);
    run_threads(1 + WAITERS, take_part, NULL);
    assert_int_equal(atomic_load(&taken), TOKENS);
}
