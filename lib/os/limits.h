/* limits.h - how much memory there may be.
 *
 * Runs in: program, worker.
 * PI_OS_NO_LIMIT: the system does not limit it, or does not tell.
 */
#pragma once

#include "os/cgroup.h"

/* Bytes that all processes here may have together: the machine's memory, but no more than its
 * control groups (v2 and v1) allow. Swap does not count. */
uint64_t pi_os_memory_of_machine(void);

/* What the control groups alone allow. root: see pi_os_cgroup_allowed. */
uint64_t pi_os_memory_of_groups(const char *root);

/* Bytes that this process may still map before it reaches RLIMIT_AS. */
uint64_t pi_os_address_space_left(void);
