/* monotonic.c - numbers in shared memory that only grow: a scribbled one is not believed. */
#include "support/support.h"

#include "core/monotonic.h"

#define MAX 1000u

struct shared_count {
    _Atomic uint64_t word;
    struct pi_monotonic count;
};

static void make_count(struct shared_count *shared, uint32_t number)
{
    atomic_init(&shared->word, pi_monotonic_word(number));
    pi_monotonic_init(&shared->count, &shared->word, MAX);
}

TEST(grows, ALL)
{
    struct shared_count shared;
    make_count(&shared, 0);
    assert_int_equal(atomic_load(&shared.word), 0); /* as memory that was never written */
    assert_int_equal(pi_monotonic_get(&shared.count), 0);
    for (uint32_t number = 1; number <= MAX; number += 37) {
        pi_monotonic_raise(&shared.count, number);
        assert_int_equal(pi_monotonic_get(&shared.count), number);
        assert_int_equal(atomic_load(&shared.word), pi_monotonic_word(number));
    }
    pi_monotonic_raise(&shared.count, 5); /* somebody was slow */
    assert_true(pi_monotonic_get(&shared.count) > 5);
}

/* What one process raises, another sees. */
TEST(seen_by_others, ALL)
{
    struct shared_count shared;
    struct pi_monotonic other;
    make_count(&shared, 10);
    pi_monotonic_init(&other, &shared.word, MAX);
    pi_monotonic_raise(&shared.count, 20);
    assert_int_equal(pi_monotonic_get(&other), 20);
}

TEST(scribbled, ALL)
{
    const uint64_t words[] = {0,
                              UINT64_MAX,
                              500,
                              pi_monotonic_word(500) + 1,
                              pi_monotonic_word(500) ^ (uint64_t)1 << 63,
                              pi_monotonic_word(MAX + 1),
                              pi_monotonic_word(100)};
    for (size_t i = 0; i < COUNT(words); i++) {
        struct shared_count shared;
        make_count(&shared, 200);
        assert_int_equal(pi_monotonic_get(&shared.count), 200);
        atomic_store(&shared.word, words[i]);
        assert_int_equal(pi_monotonic_get(&shared.count), 200);
        assert_int_equal(atomic_load(&shared.word), pi_monotonic_word(200)); /* put back */
        atomic_store(&shared.word, words[i]);
        pi_monotonic_raise(&shared.count, 300); /* is not kept from growing */
        assert_int_equal(pi_monotonic_get(&shared.count), 300);
    }
}
