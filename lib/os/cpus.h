/* cpus.h - how many processors this process may use. Runs in: program. */
#pragma once

/* The processors of its affinity mask, but no more than the quota of its control groups (v2 and
 * v1), rounded up. At least 1. What cannot be read limits nothing. root: see
 * pi_os_cgroup_allowed. */
unsigned pi_os_cpus(const char *root);

/* A quota in processors, rounded up, 0: none. `text` is what cpu.max of version 2 holds ("max
 * 100000", "150000 100000"). For tests. */
unsigned pi_os_cpus_of_quota(const char *text);
