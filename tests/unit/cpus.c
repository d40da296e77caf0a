/* cpus.c - how many processors may be used: quotas and the affinity mask. */
#include "support/support.h"
#include "support/tree.h"

#include "os/cpus.h"

#include <sched.h>
#include <unistd.h>

TEST(quotas_are_rounded_up, ALL)
{
    assert_int_equal(pi_os_cpus_of_quota("100000 100000"), 1);
    assert_int_equal(pi_os_cpus_of_quota("150000 100000\n"), 2);
    assert_int_equal(pi_os_cpus_of_quota("200000 100000\n"), 2);
    assert_int_equal(pi_os_cpus_of_quota("200001 100000\n"), 3);
    assert_int_equal(pi_os_cpus_of_quota("1000 100000"), 1);
    assert_int_equal(pi_os_cpus_of_quota("1 1"), 1);
}

TEST(no_quota, ALL)
{
    assert_int_equal(pi_os_cpus_of_quota("max 100000\n"), 0);
    assert_int_equal(pi_os_cpus_of_quota("-1 100000\n"), 0); /* of version 1 */
}

TEST(garbage_limits_nothing, ALL)
{
    const char *const texts[] = {"",          " ",          "\n",        "max",
                                 "100000",    "100000 max", "0 100000",  "100000 0",
                                 "100000 -5", "x 1",        "1,5 100000"};
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(pi_os_cpus_of_quota(texts[i]), 0);
}

TEST(numbers_that_are_too_large, ALL)
{
    unsigned cpus = pi_os_cpus_of_quota("99999999999999999999 100000");
    assert_true(cpus == 0 || cpus > 1000000);
    assert_int_equal(pi_os_cpus_of_quota("1 99999999999999999999"), 1);
}

TEST(one_at_least, ALL)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    assert_true(pi_os_cpus("") >= 1);
    assert_true(pi_os_cpus("") <= (unsigned long)online);
}

static int on_one_processor(void *context)
{
    cpu_set_t allowed, one;
    REQUIRE(sched_getaffinity(0, sizeof allowed, &allowed) == 0);
    unsigned before = pi_os_cpus("");
    REQUIRE(before <= (unsigned)CPU_COUNT(&allowed));
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed))
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
        REQUIRE(pi_os_cpus("") == 1);
    }
    REQUIRE(sched_setaffinity(0, sizeof allowed, &allowed) == 0);
    REQUIRE(pi_os_cpus("") == before);
    return 0;
}

TEST(affinity_counts, ALL) { assert_child(on_one_processor, NULL); }

/* One processor is the least that a machine has, so a quota of one counts on each. */
TEST(groups_of_version_2, ALL)
{
    char *root = make_tree();
    put_file(root, "/proc/self/cgroup", "0::/outer/inner\n");
    unsigned all = pi_os_cpus(root);
    put_file(root, "/sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
    assert_int_equal(pi_os_cpus(root), all);
    put_file(root, "/sys/fs/cgroup/outer/cpu.max", "50000 100000\n");
    assert_int_equal(pi_os_cpus(root), 1);
    free_tree(root);
}

TEST(groups_of_version_1, ALL)
{
    char *root = make_tree();
    put_file(root, "/proc/self/cgroup", "2:cpuset:/\n3:cpuacct,cpu:/a\n");
    unsigned all = pi_os_cpus(root);
    put_file(root, "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
    assert_int_equal(pi_os_cpus(root), all); /* of an unknown period */
    put_file(root, "/sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
    assert_int_equal(pi_os_cpus(root), 1);
    put_file(root, "/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(pi_os_cpus(root), all);
    free_tree(root);
}
