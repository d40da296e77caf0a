#include "os/limits.h"

#include "os/rss.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* memory.max or memory.limit_in_bytes holds "max", or a number. Without a limit version 1 has a
 * number that is larger than any memory. */
static uint64_t limit_of(const char *text)
{
    unsigned long limit = text[0] >= '1' && text[0] <= '9' ? strtoul(text, NULL, 10) : 0;
    return limit > 0 ? limit : PI_OS_NO_LIMIT;
}

static uint64_t of_group(const char *directory)
{
    char text[64];
    bool found = pi_os_cgroup_read(directory, "memory.max", text, sizeof text) ||
                 pi_os_cgroup_read(directory, "memory.limit_in_bytes", text, sizeof text);
    return found ? limit_of(text) : PI_OS_NO_LIMIT;
}

uint64_t pi_os_memory_of_groups(const char *root)
{
    static const struct pi_os_cgroup memory = {"memory", of_group};
    return pi_os_cgroup_allowed(&memory, root);
}

static uint64_t physical(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    return pages > 0 ? (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE) : PI_OS_NO_LIMIT;
}

uint64_t pi_os_memory_of_machine(void)
{
    uint64_t all = physical(), allowed = pi_os_memory_of_groups("");
    return allowed < all ? allowed : all;
}

uint64_t pi_os_address_space_left(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return PI_OS_NO_LIMIT;
    uint64_t used = pi_os_address_space();
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}
