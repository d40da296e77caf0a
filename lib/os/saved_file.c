#include "os/saved_file.h"

#include "os/cancel.h"
#include "os/fd.h"
#include "os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *at, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, at, size);
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0) {
            at += written;
            size -= (size_t)written;
        }
    }
    return 0;
}

static int open_new(const char *path)
{
    int fd;
    while ((fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC, 0600)) < 0 &&
           errno == EINTR) {
    }
    return fd;
}

/* Some file systems tell here of what they could not write. After EINTR the descriptor is gone, and
 * what was written is there. */
static int close_written(int fd) { return close(fd) == 0 || errno == EINTR ? 0 : errno; }

static int write_file(const char *path, const void *head, size_t size,
                      const struct pi_os_bytes *bytes)
{
    int fd = open_new(path);
    if (fd < 0)
        return errno;
    int error = write_all(fd, head, size);
    if (error == 0)
        error = write_all(fd, bytes->at, bytes->size);
    if (error)
        (void)ftruncate(fd, 0);
    int lost = close_written(fd);
    if (lost)
        (void)truncate(path, 0);
    return error ? error : lost;
}

int pi_os_file_write(const char *path, const void *head, size_t size,
                     const struct pi_os_bytes *bytes)
{
    PI_OS_NO_CANCEL;
    struct pi_os_write_signals signals;
    pi_os_signals_begin_write(&signals);
    int error = write_file(path, head, size, bytes);
    pi_os_signals_end_write(&signals);
    return error;
}

int pi_os_file_open(const char *path, int *fd, uint64_t *size)
{
    struct stat status = {.st_size = 0};
    *fd = pi_os_fd_open(path, O_RDONLY | O_NONBLOCK);
    if (*fd < 0)
        return errno;
    int error = fstat(*fd, &status) != 0 ? errno : S_ISREG(status.st_mode) ? 0 : EINVAL;
    *size = (uint64_t)status.st_size;
    if (error)
        pi_os_close(*fd);
    return error;
}

int pi_os_file_read(int fd, void *bytes, size_t size)
{
    char *at = bytes;
    while (size > 0) {
        ssize_t length = pi_os_fd_read_some(fd, at, size);
        if (length <= 0)
            return length < 0 ? errno : EINVAL;
        at += length;
        size -= (size_t)length;
    }
    return 0;
}
