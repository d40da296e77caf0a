/* cgroup.h - the limits of the control groups that this process is in, of versions 2 and 1.
 * Runs in: program. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PI_OS_NO_LIMIT UINT64_MAX

/* A kind of limit. */
struct pi_os_cgroup {
    const char *controller; /* its name in version 1 */
    /* What the files in the directory of one group allow, or PI_OS_NO_LIMIT. */
    uint64_t (*allowed)(const char *directory);
};

/* The least that a group of this process or a group above it allows, or PI_OS_NO_LIMIT. What cannot
 * be read limits nothing. root: "", or for tests a directory that holds another /proc and /sys. */
uint64_t pi_os_cgroup_allowed(const struct pi_os_cgroup *kind, const char *root);

/* For the function above: reads a small file as pi_os_fd_read does. False: it has no text. */
bool pi_os_cgroup_read(const char *directory, const char *name, char *text, size_t size);
