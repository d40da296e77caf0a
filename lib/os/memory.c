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
#if defined(__linux__) && !defined(MADV_DONTNEED_LOCKED)
#define MADV_DONTNEED_LOCKED 24 /* Linux 5.18 */
#endif
#if defined(MFD_CLOEXEC) && !defined(MFD_NOEXEC_SEAL)
#define MFD_NOEXEC_SEAL 8u /* Linux 6.3 */
#endif

/* Whole pages of the memory. */
struct pages {
    size_t first, length;
};

/* All that a range touches. */
static struct pages pages_of(size_t offset, size_t length)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = offset & ~(page - 1), last = (offset + length + page - 1) & ~(page - 1);
    return (struct pages){first, last - first};
}

/* ---- making ---- */

/* Removes a name that may be there. 0 or an errno. */
static int remove_name(const char *name)
{
    return shm_unlink(name) == 0 || errno == ENOENT ? 0 : errno;
}

/* A shared memory object that nobody can open, or -1; *stays: why its name could not be removed.
 * None is made where names cannot be removed, as is seen by removing one that is not there. A kill
 * between making and removing it leaves a name without bytes. */
static int open_object(int *stays)
{
    static _Atomic unsigned serial; /* only makes a clash less likely: O_EXCL decides */
    for (int tries = 0; tries < 100; tries++) {
        struct timespec now;
        char name[64];
        clock_gettime(CLOCK_MONOTONIC, &now);
        snprintf(name, sizeof name, "/posse-%ld-%lx-%x", (long)getpid(), (unsigned long)now.tv_nsec,
                 serial++);
        if (remove_name(name) != 0)
            return -1;
        int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
        if (fd >= 0) {
            *stays = remove_name(name);
            return pi_os_file_above_stdio(fd);
        }
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

/* An object that never had a name, or -1. Some systems refuse those that may be executed; older ones
 * do not know the flag that says so. */
static int open_unnamed(void)
{
#ifdef MFD_CLOEXEC
    int fd = memfd_create("posse", MFD_CLOEXEC | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("posse", MFD_CLOEXEC);
    return fd < 0 ? -1 : pi_os_file_above_stdio(fd);
#else
    return -1;
#endif
}

/* Whether a file may become that long: beyond RLIMIT_FSIZE the kernel sends SIGXFSZ. */
static bool length_allowed(size_t length)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
           length <= limit.rlim_cur;
}

/* Gives the memory an object of its size, if the system has one. 0, or an errno if a name stays. */
static int make_object(struct pi_os_memory *memory)
{
    int stays = 0;
    if (!length_allowed(memory->size))
        return 0;
    int fd = open_object(&stays);
    if (fd < 0 && !stays)
        fd = open_unnamed();
    if (fd >= 0 && (stays || ftruncate(fd, (off_t)memory->size) != 0)) {
        close(fd);
        fd = -1;
    }
    if (fd >= 0)
        (void)pi_os_fd_own(&memory->fd, fd);
    return stays;
}

void pi_os_memory_destroy(struct pi_os_memory *memory)
{
    PI_OS_NO_CANCEL;
    if (memory->base)
        munmap(memory->base, memory->size);
    pi_os_fd_close(&memory->fd);
    memory->base = NULL;
}

int pi_os_memory_create(struct pi_os_memory *memory, size_t size, bool shared)
{
    PI_OS_NO_CANCEL;
    *memory = (struct pi_os_memory){.size = size, .fd.number = -1, .shared = shared};
    int flags = MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE);
    int error = shared ? make_object(memory) : 0;
    if (error)
        return error;
    if (memory->fd.number < 0)
        flags |= MAP_ANONYMOUS;
    void *base = mmap(NULL, size, PROT_NONE, flags, memory->fd.number, 0);
    if (base == MAP_FAILED) {
        error = errno;
        pi_os_memory_destroy(memory);
        return error;
    }
    memory->base = base;
#ifdef MADV_DONTDUMP
    (void)madvise(base, size, MADV_DONTDUMP);
#endif
    return 0;
}

/* ---- opening and backing ---- */

int pi_os_memory_open(struct pi_os_memory *memory, size_t offset, size_t length, bool dump)
{
    struct pages pages = pages_of(offset, length);
    char *from = memory->base + pages.first;
    if (mprotect(from, pages.length, PROT_READ | PROT_WRITE) != 0)
        return errno;
#ifdef MADV_DODUMP
    if (dump)
        (void)madvise(from, pages.length, MADV_DODUMP);
#else
    (void)dump;
#endif
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

/* Not posix_fallocate, which writes zeros itself if the file system does not help: over what a
 * worker has just written there. */
static int allocate_once(int fd, off_t offset, off_t length)
{
#ifdef __linux__
    return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
#else
    return posix_fallocate(fd, offset, length);
#endif
}

/* Some kernels give up half-way at a signal, and take back what they did: a profiler's timer could
 * have that go on for ever. So the second time signals wait. */
static int allocate(int fd, off_t offset, off_t length)
{
    sigset_t before;
    int error = allocate_once(fd, offset, length);
    if (error != EINTR)
        return error;
    pi_os_signals_block(&before);
    do
        error = allocate_once(fd, offset, length);
    while (error == EINTR);
    pi_os_signals_restore(&before);
    return error;
}

/* Whether the call itself is refused: by the file system, an old kernel, or a filter. */
static bool is_denied(int error)
{
    return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL ||
           error == EOPNOTSUPP;
}

int pi_os_memory_back(struct pi_os_memory *memory, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    struct pages pages = pages_of(offset, length);
    char *from = memory->base + pages.first;
    int denied = 0;
    if (pi_os_fd_is_ours(&memory->fd)) {
        int error = allocate(memory->fd.number, (off_t)pages.first, (off_t)pages.length);
        /* Cheaper at once than a fault a page. */
        if (error == 0 && pages.length > (size_t)sysconf(_SC_PAGESIZE))
            (void)populate(from, pages.length);
        if (!is_denied(error))
            return error;
        denied = error;
    }
    int error = populate(from, pages.length);
    return is_denied(error) ? denied : error; /* an old kernel: pages come when they are touched */
}

/* ---- giving back ---- */

/* Linux does not let go of what is locked in memory at the common request. */
static bool drop(const struct pi_os_memory *memory, const struct pages *pages)
{
#ifdef __linux__
    char *from = memory->base + pages->first;
    if (memory->shared)
        return madvise(from, pages->length, MADV_REMOVE) == 0;
    return madvise(from, pages->length, MADV_DONTNEED) == 0 ||
           madvise(from, pages->length, MADV_DONTNEED_LOCKED) == 0;
#else
    (void)memory;
    (void)pages;
    return false;
#endif
}

/* Also what is locked, or not open in this process. */
static bool punch(const struct pi_os_memory *memory, const struct pages *pages)
{
#ifdef FALLOC_FL_PUNCH_HOLE
    return pi_os_fd_is_ours(&memory->fd) &&
           fallocate(memory->fd.number, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                     (off_t)pages->first, (off_t)pages->length) == 0;
#else
    (void)memory;
    (void)pages;
    return false;
#endif
}

bool pi_os_memory_discard(struct pi_os_memory *memory, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t first = (offset + page - 1) & ~(page - 1), last = (offset + length) & ~(page - 1);
    const struct pages whole = {first, last - first};
    int error = errno;
    bool gone = first >= last || drop(memory, &whole) || punch(memory, &whole);
    errno = error;
    return gone;
}

/* The file first, as older kernels give back only what is open here. Without it all is opened. */
void pi_os_memory_clear(struct pi_os_memory *memory)
{
    PI_OS_NO_CANCEL;
    const struct pages all = {0, memory->size};
    if (!memory->base || !memory->shared)
        return;
    int error = errno;
    if (!punch(memory, &all)) {
        (void)mprotect(memory->base, memory->size, PROT_READ | PROT_WRITE);
        (void)drop(memory, &all);
    }
    errno = error;
}
