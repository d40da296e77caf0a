/* cpus.c - how many processors may be used: quotas and the affinity mask. */
#include "support/support.h"

#include "os/cpus.h"

#include <sched.h>
#include <unistd.h>

TEST(quotas_are_rounded_up)
{
    assert_int_equal(pi_os_cpus_of_quota("100000 100000"), 1);
    assert_int_equal(pi_os_cpus_of_quota("150000 100000\n"), 2);
    assert_int_equal(pi_os_cpus_of_quota("200000 100000\n"), 2);
    assert_int_equal(pi_os_cpus_of_quota("200001 100000\n"), 3);
    assert_int_equal(pi_os_cpus_of_quota("1000 100000"), 1);
    assert_int_equal(pi_os_cpus_of_quota("1 1"), 1);
}

TEST(no_quota)
{
    assert_int_equal(pi_os_cpus_of_quota("max 100000\n"), 0);
    assert_int_equal(pi_os_cpus_of_quota("-1 100000\n"), 0); /* of version 1 */
}

TEST(garbage_limits_nothing)
{
    const char *const texts[] = {"",          " ",          "\n",        "max",
                                 "100000",    "100000 max", "0 100000",  "100000 0",
                                 "100000 -5", "x 1",        "1,5 100000"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(pi_os_cpus_of_quota(texts[i]), 0);
    }
}

TEST(numbers_that_are_too_large)
{
    unsigned cpus = pi_os_cpus_of_quota("99999999999999999999 100000");
    assert_true(cpus == 0 || cpus > 1000000);
    assert_int_equal(pi_os_cpus_of_quota("1 99999999999999999999"), 1);
}

TEST(one_at_least)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    assert_true(pi_os_cpus() >= 1);
    assert_true(pi_os_cpus() <= (unsigned long)online);
}

static int on_one_processor(void *context)
{
    cpu_set_t allowed, one;
    (void)context;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    unsigned before = pi_os_cpus();
    REQUIRE(before <= (unsigned)CPU_COUNT(&allowed));
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed)) {
            continue;
        }
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
        REQUIRE(pi_os_cpus() == 1);
    }
    REQUIRE(sched_setaffinity(0, sizeof allowed, &allowed) == 0);
    REQUIRE(pi_os_cpus() == before);
    return 0;
}

TEST(affinity_counts) { assert_child(on_one_processor, NULL); }

int main(int argc, char **argv)
{
    const struct check checks[] = {
        CHECK(quotas_are_rounded_up, ALL),  CHECK(no_quota, ALL),
        CHECK(garbage_limits_nothing, ALL), CHECK(numbers_that_are_too_large, ALL),
        CHECK(one_at_least, ALL),           CHECK(affinity_counts, ALL),
    };
    return RUN_CHECKS(argc, argv, checks);
}
