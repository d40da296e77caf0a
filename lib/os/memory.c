#include "os/memory.h"

#include "os/cancel.h"
#include "os/file.h"
#include "os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#if defined(__linux__) && !defined(MADV_POPULATE_WRITE)
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* A shared memory object that nobody can open, or -1.
 * A kill between the first two calls leaves a name without bytes. */
static int open_object(void)
{
    static _Atomic unsigned serial; /* only makes a clash less likely: O_EXCL decides */
    for (int tries = 0; tries < 100; tries++) {
        struct timespec now;
        char name[64];
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(name, sizeof name, "/posse-%ld-%lx-%x", (long)getpid(), (unsigned long)now.tv_nsec,
                 serial++);
        int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd >= 0) {
            shm_unlink(name);
            return pi_os_file_above_stdio(fd);
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* Whether a file may become that long: beyond RLIMIT_FSIZE the kernel sends SIGXFSZ. */
static bool length_allowed(size_t length)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           length <= limit.rlim_cur;
}

/* An object with the size of the segment, or -1. */
static int make_object(struct pi_os_memory *memory)
{
    struct stat status;
    if (!length_allowed(memory->size))
        return -1;
    int fd = open_object();
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)memory->size) != 0 || fstat(fd, &status) != 0) {
        close(fd);
        return -1;
    }
    memory->device = status.st_dev;
    memory->inode = status.st_ino;
    return fd;
}

/* Whether the descriptor is still ours: a task may have closed it. */
static bool object_is_ours(const struct pi_os_memory *memory)
{
    struct stat status;
    if (memory->fd < 0)
        return false;
    if (fstat(memory->fd, &status) != 0)
        return errno != EBADF; /* not told: most likely nobody has touched it */
    return status.st_dev == memory->device && status.st_ino == memory->inode;
}

void pi_os_memory_destroy(struct pi_os_memory *memory)
{
    PI_OS_NO_CANCEL;
    if (memory->base)
        munmap(memory->base, memory->size);
    if (object_is_ours(memory))
        close(memory->fd);
    memory->base = NULL;
    memory->fd = -1;
}

int pi_os_memory_create(struct pi_os_memory *memory, size_t size, bool shared)
{
    PI_OS_NO_CANCEL;
    *memory = (struct pi_os_memory){.size = size, .fd = -1, .shared = shared};
    int flags = MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE);
    if (shared)
        memory->fd = make_object(memory);
    if (memory->fd < 0)
        flags |= MAP_ANONYMOUS;
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, memory->fd, 0);
    if (base == MAP_FAILED) {
        int error = errno;
        pi_os_memory_destroy(memory);
        return error;
    }
    memory->base = base;
    return 0;
}

/* Makes the kernel map pages now, for writing. EFAULT: there is no room for them. */
static int populate(char *from, size_t length)
{
#ifdef MADV_POPULATE_WRITE
    while (madvise(from, length, MADV_POPULATE_WRITE) != 0) {
        if (errno == EFAULT)
            return ENOSPC;
        if (errno != EINTR && errno != EAGAIN)
            return errno;
    }
    return 0;
#else
    (void)from;
    (void)length;
    return EINVAL;
#endif
}

/* Some kernels give up half-way at a signal, and take back what they did: a profiler's timer could
 * have that go on for ever. So the second time signals wait. */
static int allocate(int fd, off_t offset, off_t length)
{
    sigset_t before;
    int error = posix_fallocate(fd, offset, length);
    if (error != EINTR)
        return error;
    pi_os_signals_block(&before);
    do
        error = posix_fallocate(fd, offset, length);
    while (error == EINTR);
    pi_os_signals_restore(&before);
    return error;
}

int pi_os_memory_back(struct pi_os_memory *memory, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = offset & ~(page - 1), last = (offset + length + page - 1) & ~(page - 1);
    if (object_is_ours(memory)) {
        int error = allocate(memory->fd, (off_t)first, (off_t)(last - first));
        /* Cheaper at once than a fault a page. */
        if (error == 0 && last - first > page)
            (void)populate(memory->base + first, last - first);
        return error;
    }
    int error = populate(memory->base + first, last - first);
    return error == EINVAL ? 0 : error; /* an old kernel: pages come when they are touched */
}

void pi_os_memory_discard(struct pi_os_memory *memory, size_t offset, size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = (offset + page - 1) & ~(page - 1), last = (offset + length) & ~(page - 1);
    if (first >= last)
        return;
#ifdef __linux__
    (void)madvise(memory->base + first, last - first, memory->shared ? MADV_REMOVE : MADV_DONTNEED);
#else
    (void)posix_madvise(memory->base + first, last - first, POSIX_MADV_DONTNEED);
#endif
}

void pi_os_memory_clear(struct pi_os_memory *memory)
{
    if (memory->base && memory->shared)
        pi_os_memory_discard(memory, 0, memory->size);
}
