#include "os/resident.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* /proc/self/statm in one read: total, resident and shared pages. No stdio, which would take memory
 * of its own. */
static ssize_t read_statm(char *text, size_t size)
{
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length;
    while ((length = read(fd, text, size)) < 0 && errno == EINTR)
        ;
    close(fd);
    return length;
}

long pi_os_resident(void)
{
    PI_OS_NO_CANCEL;
    char text[128], *at = text;
    int error = errno;
    ssize_t length = read_statm(text, sizeof text - 1);
    errno = error;
    if (length <= 0)
        return -1;
    text[length] = 0;
    (void)strtol(at, &at, 10);
    long resident = strtol(at, &at, 10), shared = strtol(at, &at, 10);
    return resident < shared ? 0 : (resident - shared) * sysconf(_SC_PAGESIZE);
}
