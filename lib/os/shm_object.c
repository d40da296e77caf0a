#include "os/shm_object.h"

#include "base/tuning.h"
#include "os/cancel.h"
#include "os/clock.h"
#include "os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(MFD_CLOEXEC) && !defined(MFD_NOEXEC_SEAL)
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3 */
#endif

/* Removes a name that may be there. 0 or an errno. */
static int remove_name(const char *name)
{
    return shm_unlink(name) == 0 || errno == ENOENT ? 0 : errno;
}

/* A shared memory object whose name is gone, or -1; *stays: why the name could not be removed. To
 * remove a name that is not there shows first whether the system removes names at all. A kill
 * between making and removing a name leaves it, without bytes. */
static int open_object(int *stays)
{
    static _Atomic unsigned serial; /* only makes a clash less likely: O_EXCL decides */
    for (int tries = 0; tries < PI_MAX_NAMES; tries++) {
        char name[64];
        snprintf(name, sizeof name, "/posse-%ld-%lx-%x", (long)getpid(),
                 (unsigned long)(pi_os_now() % PI_SECOND), serial++);
        if (remove_name(name) != 0)
            return -1;
        int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd >= 0) {
            *stays = remove_name(name);
            return pi_os_fd_above_stdio(fd);
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* An object that never had a name, or -1. Some systems refuse an object that may be executed; older
 * ones do not know the flag against it. */
static int open_unnamed(void)
{
#ifdef MFD_CLOEXEC
    int fd = memfd_create("posse", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("posse", MFD_CLOEXEC);
    return fd < 0 ? -1 : pi_os_fd_above_stdio(fd);
#else
    return -1;
#endif
}

/* Whether a file may have that length: beyond RLIMIT_FSIZE the kernel sends SIGXFSZ. */
static bool length_allowed(size_t length)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           length <= limit.rlim_cur;
}

int pi_os_shm_object_make(struct pi_os_fd *fd, size_t size)
{
    PI_OS_NO_CANCEL;
    int stays = 0;
    fd->number = -1;
    if (!length_allowed(size))
        return 0;
    int number = open_object(&stays);
    if (number < 0 && !stays)
        number = open_unnamed();
    if (number >= 0 && !stays && ftruncate(number, (off_t)size) == 0)
        (void)pi_os_fd_own(fd, number);
    else
        pi_os_close(number);
    return stays;
}

/* Not posix_fallocate: where the file system does not help, it writes zeros itself, over what a
 * worker has just written there. */
static int allocate_once(int fd, off_t offset, off_t length)
{
#ifdef __linux__
    return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
#else
    return posix_fallocate(fd, offset, length);
#endif
}

/* Some kernels give up half-way at a signal, and undo what they did: a profiler's timer could
 * interrupt each try. So the second one runs with signals blocked. */
int pi_os_shm_object_allocate(int fd, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    sigset_t before;
    int error = allocate_once(fd, (off_t)offset, (off_t)length);
    if (error != EINTR)
        return error;
    pi_os_signals_block(&before);
    do
        error = allocate_once(fd, (off_t)offset, (off_t)length);
    while (error == EINTR);
    pi_os_signals_restore(&before);
    return error;
}

bool pi_os_shm_object_punch(int fd, size_t offset, size_t length)
{
#ifdef FALLOC_FL_PUNCH_HOLE
    PI_OS_NO_CANCEL;
    return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
                     (off_t)length) == 0;
#else
    (void)fd;
    (void)offset;
    (void)length;
    return false;
#endif
}
