#include "os/cpus.h"

#include "os/file.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS "/sys/fs/cgroup"

static bool read_text(const char *path, char *text, size_t size)
{
    return pi_os_file_read(path, text, size) > 0;
}

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
static unsigned quota_of(const char *root, const char *group)
{
    char path[512], text[128], period[64];
    snprintf(path, sizeof path, "%s%s/cpu.max", root, group);
    if (read_text(path, text, sizeof text))
        return pi_os_cpus_of_quota(text);
    snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", root, group);
    if (!read_text(path, text, 32))
        return 0;
    snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", root, group);
    if (!read_text(path, period, sizeof period))
        return 0;
    strcat(strcat(text, " "), period);
    return pi_os_cpus_of_quota(text);
}

/* The least quota of a group and those above it, or `cpus` if that is less. */
static unsigned least_quota(unsigned cpus, const char *root, char *group)
{
    for (;;) {
        unsigned quota = quota_of(root, group);
        if (quota && quota < cpus)
            cpus = quota;
        char *slash = strrchr(group, '/');
        if (!slash)
            return cpus;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup is "id:controllers:/group"; version 2 has no controllers. */
static unsigned limited_by(unsigned cpus, char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!group)
        return cpus;
    *group++ = '\0';
    controllers++;
    if (*controllers == '\0')
        return least_quota(cpus, GROUPS, group);
    char names[128];
    snprintf(names, sizeof names, ",%.120s,", controllers);
    return strstr(names, ",cpu,") ? least_quota(cpus, GROUPS "/cpu", group) : cpus;
}

static unsigned affinity(void)
{
#ifdef CPU_COUNT
    /* Of 1024 processors; more make the call fail, and then all that are online count. */
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (unsigned)online : 1;
}

unsigned pi_os_cpus(void)
{
    char text[4096], *rest = text;
    unsigned cpus = affinity();
    if (!read_text("/proc/self/cgroup", text, sizeof text))
        return cpus;
    for (char *line; (line = strtok_r(rest, "\n", &rest));)
        cpus = limited_by(cpus, line);
    return cpus;
}
