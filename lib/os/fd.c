#include "os/fd.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

void pi_os_close(int fd)
{
    PI_OS_NO_CANCEL;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
}

int pi_os_fd_above_stdio(int fd)
{
    PI_OS_NO_CANCEL;
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    pi_os_close(fd);
    return moved;
}

bool pi_os_fd_is_open(int fd)
{
    PI_OS_NO_CANCEL;
    return fcntl(fd, F_GETFD) != -1;
}

int pi_os_fd_open(const char *path, int flags)
{
    PI_OS_NO_CANCEL;
    int fd;
    while ((fd = open(path, flags | O_CLOEXEC)) < 0 && errno == EINTR)
        ;
    return fd;
}

ssize_t pi_os_fd_read_some(int fd, char *bytes, size_t size)
{
    PI_OS_NO_CANCEL;
    ssize_t length;
    while ((length = read(fd, bytes, size)) < 0 && errno == EINTR)
        ;
    return length;
}

ssize_t pi_os_fd_read(const char *path, char *text, size_t size)
{
    int fd = pi_os_fd_open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t length = pi_os_fd_read_some(fd, text, size - 1);
    pi_os_close(fd);
    text[length > 0 ? length : 0] = '\0';
    return length;
}

int pi_os_fd_own(struct pi_os_fd *fd, int number)
{
    struct stat status;
    *fd = (struct pi_os_fd){.number = number};
    if (fstat(number, &status) != 0) {
        int error = errno;
        pi_os_close(number);
        fd->number = -1;
        return error;
    }
    fd->device = status.st_dev;
    fd->inode = status.st_ino;
    return 0;
}

bool pi_os_fd_is_ours(const struct pi_os_fd *fd)
{
    struct stat status;
    if (fd->number < 0)
        return false;
    if (fstat(fd->number, &status) != 0)
        return errno != EBADF; /* the system does not tell: most likely nobody has touched it */
    return status.st_dev == fd->device && status.st_ino == fd->inode;
}

void pi_os_fd_close(struct pi_os_fd *fd)
{
    if (pi_os_fd_is_ours(fd))
        pi_os_close(fd->number);
    fd->number = -1;
}
