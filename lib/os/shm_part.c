/* Runs in: worker, and the process of a task; pi_os_shm_map_at in all.
 *
 * Parts of shared memory for a process that has given up the rest (worker/fresh.c). It maps them of
 * two descriptors, which it closes before the task begins. The kernel lets no mprotect write what
 * was mapped of the one that was opened for reading.
 */
#include "os/shm.h"

#include "os/cancel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif
#if defined(__linux__) && !defined(MAP_FIXED_NOREPLACE)
#define MAP_FIXED_NOREPLACE 0x100000 /* Linux 4.17 */
#endif

int pi_os_shm_map_at(char *wanted, const struct pi_os_pages *pages, int access, int fd)
{
#ifdef MAP_FIXED_NOREPLACE
    PI_OS_NO_CANCEL;
    size_t length = pages->end - pages->first;
    void *at = mmap(wanted, length, access, MAP_SHARED | MAP_NORESERVE | MAP_FIXED_NOREPLACE, fd,
                    (off_t)pages->first);
    if (at == MAP_FAILED)
        return errno;
    if (at != wanted) { /* an old kernel ignores the flag */
        munmap(at, length);
        return EEXIST;
    }
    /* cppcheck-suppress memleak; it stays mapped */
    return 0;
#else
    (void)wanted;
    (void)pages;
    (void)access;
    (void)fd;
    return ENOTSUP;
#endif
}

int pi_os_shm_map(const struct pi_os_shm *memory, const struct pi_os_pages *pages, bool writable)
{
    const struct pi_os_fd *fd = writable ? &memory->fd : &memory->readable;
    int access = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    if (!pi_os_fd_is_ours(fd))
        return EBADF;
    return pi_os_shm_map_at(memory->base + pages->first, pages, access, fd->number);
}

int pi_os_shm_open_readable(struct pi_os_shm *memory)
{
    char path[40];
    if (!pi_os_fd_is_ours(&memory->fd))
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory->fd.number);
    int fd = pi_os_fd_open(path, O_RDONLY);
    if (fd < 0 || (fd = pi_os_fd_above_stdio(fd)) < 0)
        return errno;
    return pi_os_fd_own(&memory->readable, fd);
}

void pi_os_shm_close(struct pi_os_shm *memory)
{
    pi_os_fd_close(&memory->fd);
    pi_os_fd_close(&memory->readable);
}
