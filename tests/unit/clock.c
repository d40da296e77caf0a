/* clock.c - moments in nanoseconds, and what they are in milliseconds. */
#include "support/support.h"

#include "os/clock.h"

#include <limits.h>

#define MS ((uint64_t)1000000)

TEST(goes_on, ALL)
{
    uint64_t before = pi_os_now();
    pause_ms(5);
    uint64_t after = pi_os_now();
    assert_true(after - before >= 5 * MS);
    assert_true(after - before < PATIENCE_MS * MS);
}

TEST(moments_in_the_future, ALL)
{
    uint64_t before = pi_os_now(), moment = pi_os_after_ms(5000), after = pi_os_now();
    assert_true(moment >= before + 5000 * MS);
    assert_true(moment <= after + 5000 * MS);
    assert_true(pi_os_after_ms(0) <= pi_os_now());
}

TEST(never, ALL)
{
    assert_true(pi_os_after_ms(-1) == PI_NEVER);
    assert_true(pi_os_after_ms(LONG_MIN) == PI_NEVER);
    if (sizeof(long) > 4)
        assert_true(pi_os_after_ms(LONG_MAX) == PI_NEVER);
    assert_int_equal(pi_os_ms_until(PI_NEVER), -1);
}

/* No number of milliseconds makes a moment that is past. */
TEST(far_moments_do_not_wrap, ALL)
{
    for (long ms = 1; ms > 0 && ms < LONG_MAX / 2; ms *= 2)
        assert_true(pi_os_after_ms(ms) > pi_os_now());
}

TEST(milliseconds_left, ALL)
{
    assert_int_equal(pi_os_ms_until(0), 0);
    assert_int_equal(pi_os_ms_until(pi_os_now()), 0);
    assert_in_range(pi_os_ms_until(pi_os_now() + 5000 * MS), 1, 5000);
    assert_int_equal(pi_os_ms_until(PI_NEVER - 1), INT_MAX);
    assert_int_equal(pi_os_ms_until(pi_os_now() + 2 * MS * (uint64_t)INT_MAX), INT_MAX);
}

/* Rounded up: a poll of that time does not return before the moment. */
TEST(less_than_a_millisecond_is_one, ALL)
{
    int ms = pi_os_ms_until(pi_os_now() + 60 * 1000 * MS + 1);
    assert_in_range(ms, 1, 60 * 1000 + 1);
    uint64_t moment = pi_os_after_ms(20);
    pause_ms(pi_os_ms_until(moment));
    assert_true(pi_os_now() >= moment);
}

TEST(rests, ALL)
{
    uint64_t before = pi_os_now();
    pi_os_sleep(3 * 1000 * 1000);
    assert_true(pi_os_now() - before >= 3 * MS);
}
