/* robust_lock.c - the word of a lock: each arrow of its table, and nothing but those. */
#include "threads.h"

#include "core/robust_lock.h"
#include "core/state.h"

#define SERIAL 77u
#define LATER 78u
#define WORKER 5u

static struct pi_robust_lock lock;

static const uint32_t worker_thread = WORKER << PI_HOLDER_SHIFT | 1;

static void assert_word(uint64_t bits)
{
    assert_int_equal(atomic_load(&lock.word), pi_stamp(SERIAL) | bits);
}

TEST(holders_are_told_apart, ALL)
{
    assert_int_equal(pi_holder(WORKER, 1), worker_thread);
    assert_int_not_equal(pi_holder(0, 1), 0);
    assert_int_not_equal(pi_holder(0, 1), pi_holder(1, 1));
    assert_int_not_equal(pi_holder(0, 1), pi_holder(0, 2));
    assert_int_equal(
        pi_robust_lock_owner(pi_stamp(SERIAL) | pi_holder(PI_OWNER_PROGRAM, PI_HOLDER_THREADS)),
        PI_OWNER_PROGRAM);
}

TEST(take_and_leave, ALL)
{
    pi_robust_lock_init(&lock, SERIAL);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_DONE);
    assert_word(11);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_MINE);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 12), PI_LOCK_BUSY);
    assert_int_equal(pi_robust_lock_release(&lock, SERIAL, 12), PI_LOCK_STALE);
    assert_word(11);
    assert_int_equal(pi_robust_lock_release(&lock, SERIAL, 11), PI_LOCK_DONE);
    assert_int_equal(pi_robust_lock_release(&lock, SERIAL, 11), PI_LOCK_STALE);
    assert_word(0);
}

TEST(other_lives, ALL)
{
    pi_robust_lock_init(&lock, LATER);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_STALE);
    assert_int_equal(pi_robust_lock_acquire(&lock, LATER, 11), PI_LOCK_DONE);
    assert_int_equal(pi_robust_lock_release(&lock, SERIAL, 11), PI_LOCK_STALE);
    assert_int_equal(pi_robust_lock_end(&lock, SERIAL), PI_LOCK_STALE);
    assert_true(pi_robust_lock_is_gone(&lock, SERIAL));
    assert_false(pi_robust_lock_is_gone(&lock, LATER));
}

TEST(recovered, ALL)
{
    pi_robust_lock_init(&lock, SERIAL);
    assert_false(pi_robust_lock_recover(&lock, WORKER));
    assert_false(pi_robust_lock_recover(&lock, 0));
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, worker_thread), PI_LOCK_DONE);
    assert_false(pi_robust_lock_recover(&lock, WORKER + 1));
    assert_true(pi_robust_lock_recover(&lock, WORKER));
    assert_word(PI_LOCK_DIED);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_TOLD);
    assert_word(11);
    assert_int_equal(pi_robust_lock_release(&lock, SERIAL, 11), PI_LOCK_DONE);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_DONE);
}

TEST(ended, ALL)
{
    pi_robust_lock_init(&lock, SERIAL);
    assert_int_equal(pi_robust_lock_end_if_free(&lock, SERIAL), PI_LOCK_DONE);
    assert_true(pi_robust_lock_is_gone(&lock, SERIAL));
    assert_int_equal(pi_robust_lock_end(&lock, SERIAL), PI_LOCK_STALE);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_STALE);
}

TEST(ended_while_it_is_held, ALL)
{
    pi_robust_lock_init(&lock, SERIAL);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, worker_thread), PI_LOCK_DONE);
    assert_int_equal(pi_robust_lock_end_if_free(&lock, SERIAL), PI_LOCK_BUSY);
    assert_false(pi_robust_lock_is_gone(&lock, SERIAL));
    assert_int_equal(pi_robust_lock_end(&lock, SERIAL), PI_LOCK_BUSY);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 12), PI_LOCK_STALE);
    assert_int_equal(pi_robust_lock_release(&lock, SERIAL, worker_thread), PI_LOCK_LAST);
    assert_word(PI_LOCK_GONE);
}

TEST(ended_and_its_holder_died, ALL)
{
    pi_robust_lock_init(&lock, SERIAL);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, worker_thread), PI_LOCK_DONE);
    assert_int_equal(pi_robust_lock_end(&lock, SERIAL), PI_LOCK_BUSY);
    assert_true(pi_robust_lock_recover(&lock, WORKER));
    assert_word(PI_LOCK_GONE | PI_LOCK_DIED);
    assert_int_equal(pi_robust_lock_acquire(&lock, SERIAL, 11), PI_LOCK_STALE);
}

/* Threads count together, and one after another leaves as if it had died. */
#define EACH 30000
static long counter;
static _Atomic long told;
static long deaths;

static void count(void *context, unsigned number)
{
    uint32_t holder = pi_holder(number, number + 1);
    for (int i = 0; i < EACH; i++) {
        enum pi_robust_lock_result answer;
        while ((answer = pi_robust_lock_acquire(&lock, SERIAL, holder)) == PI_LOCK_BUSY)
            pi_pause();
        atomic_fetch_add(&told, answer == PI_LOCK_TOLD);
        counter++;
        bool dies = i % 10 == 0;
        deaths += dies;
        if (dies)
            (void)pi_robust_lock_recover(&lock, number);
        else
            (void)pi_robust_lock_release(&lock, SERIAL, holder);
    }
}

TEST(one_at_a_time, ALL)
{
    pi_robust_lock_init(&lock, SERIAL);
    counter = deaths = 0;
    atomic_store(&told, 0);
    run_threads(3, count, NULL);
    assert_int_equal(counter, 3 * EACH);
    bool last = atomic_load(&lock.word) & PI_LOCK_DIED; /* nobody came to be told */
    assert_int_equal(deaths, atomic_load(&told) + last);
}
