#include "os/resident.h"

#include "os/file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

long pi_os_resident(void)
{
    char text[128], *at = text;
    int error = errno;
    ssize_t length = pi_os_file_read("/proc/self/statm", text, sizeof text);
    errno = error;
    if (length <= 0)
        return -1;
    /* total, resident and shared pages */
    (void)strtol(at, &at, 10);
    long resident = strtol(at, &at, 10), shared = strtol(at, &at, 10);
    return resident < shared ? 0 : (resident - shared) * sysconf(_SC_PAGESIZE);
}
