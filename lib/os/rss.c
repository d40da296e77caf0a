#include "os/rss.h"

#include "os/fd.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* In pages. */
struct use {
    long mapped, resident, shared;
};

/* Keeps errno. False: the system does not tell. */
static bool read_use(struct use *use)
{
    char text[128], *at = text;
    int error = errno;
    ssize_t length = pi_os_fd_read("/proc/self/statm", text, sizeof text);
    errno = error;
    if (length <= 0)
        return false;
    use->mapped = strtol(at, &at, 10);
    use->resident = strtol(at, &at, 10);
    use->shared = strtol(at, &at, 10);
    return true;
}

long pi_os_rss(void)
{
    struct use use;
    if (!read_use(&use))
        return -1;
    return use.resident < use.shared ? 0 : (use.resident - use.shared) * sysconf(_SC_PAGESIZE);
}

uint64_t pi_os_address_space(void)
{
    struct use use;
    return read_use(&use) ? (uint64_t)use.mapped * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}
