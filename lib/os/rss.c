#include "os/rss.h"

#include "os/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

/* In pages. */
struct use {
    long mapped, resident, shared;
};

#define SOURCE "/proc/self/statm"

static struct pi_os_fd kept; /* of a sealed process */
static bool keeps;

int pi_os_rss_keep(void)
{
    int fd = pi_os_fd_open(SOURCE, O_RDONLY);
    if (fd >= 0)
        fd = pi_os_fd_above_stdio(fd);
    keeps = true;
    return fd < 0 ? errno : pi_os_fd_own(&kept, fd);
}

static ssize_t read_text(char *text, size_t size)
{
    if (!keeps)
        return pi_os_fd_read(SOURCE, text, size);
    ssize_t length = pi_os_fd_is_ours(&kept) ? pread(kept.number, text, size - 1, 0) : 0;
    text[length > 0 ? length : 0] = '\0';
    return length;
}

/* Keeps errno. False: the system does not tell. */
static bool read_use(struct use *use)
{
    char text[128], *at = text;
    int error = errno;
    ssize_t length = read_text(text, sizeof text);
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
