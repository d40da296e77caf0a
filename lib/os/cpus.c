#include "os/cpus.h"

#include "os/cgroup.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned pi_os_cpus_of_quota(const char *text)
{
    char *end;
    long quota = strtol(text, &end, 10);
    long period = strtol(end, NULL, 10);
    if (end == text || quota <= 0 || period <= 0)
        return 0;
    long cpus = quota / period + (quota % period != 0);
    return cpus < INT_MAX ? (unsigned)cpus : INT_MAX;
}

/* The quota of one group: cpu.max, or the pair of files of version 1. */
static uint64_t of_group(const char *directory)
{
    char text[128];
    if (!pi_os_cgroup_read(directory, "cpu.max", text, sizeof text)) {
        char period[64];
        if (!pi_os_cgroup_read(directory, "cpu.cfs_quota_us", text, 32) ||
            !pi_os_cgroup_read(directory, "cpu.cfs_period_us", period, sizeof period))
            return PI_OS_NO_LIMIT;
        strcat(strcat(text, " "), period);
    }
    unsigned quota = pi_os_cpus_of_quota(text);
    return quota ? quota : PI_OS_NO_LIMIT;
}

static unsigned affinity(void)
{
#ifdef CPU_COUNT
    /* Of 1024 processors. With more the call fails, and all that are online count. */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned pi_os_cpus(const char *root)
{
    static const struct pi_os_cgroup cpu = {"cpu", of_group};
    unsigned cpus = affinity();
    uint64_t allowed = pi_os_cgroup_allowed(&cpu, root);
    return allowed < cpus ? (unsigned)allowed : cpus;
}
