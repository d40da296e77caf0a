#include "os/shm.h"

#include "os/cancel.h"
#include "os/shm_object.h"

#include <errno.h>
#include <sys/mman.h>
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

size_t pi_os_page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* All pages that a range touches. */
static struct pi_os_pages pages_around(size_t offset, size_t length)
{
    size_t page = pi_os_page_size();
    return (struct pi_os_pages){offset & ~(page - 1), (offset + length + page - 1) & ~(page - 1)};
}

/* All pages that lie wholly in a range; `first` is not before `end` if there is none. */
static struct pi_os_pages pages_within(size_t offset, size_t length)
{
    size_t page = pi_os_page_size();
    return (struct pi_os_pages){(offset + page - 1) & ~(page - 1), (offset + length) & ~(page - 1)};
}

/* ---- making ---- */

/* The first gap that ends behind the offset, or an empty one at the end. */
static struct pi_os_pages next_gap(const struct pi_os_shm *memory, size_t offset)
{
    struct pi_os_pages next = {memory->size, memory->size};
    for (unsigned i = 0; i < memory->gaps; i++) {
        if (memory->gap[i].end > offset && memory->gap[i].first < next.first)
            next = memory->gap[i];
    }
    return next;
}

int pi_os_shm_unmap(struct pi_os_shm *memory)
{
    PI_OS_NO_CANCEL;
    int error = 0;
    for (size_t at = 0; memory->base && at < memory->size;) {
        struct pi_os_pages gap = next_gap(memory, at);
        if (gap.first > at && munmap(memory->base + at, gap.first - at) != 0)
            error = errno;
        at = gap.end;
    }
    return error;
}

int pi_os_shm_destroy(struct pi_os_shm *memory)
{
    int error = pi_os_shm_unmap(memory);
    pi_os_shm_close(memory);
    memory->base = NULL;
    return error;
}

int pi_os_shm_create(struct pi_os_shm *memory, size_t size, bool shared)
{
    PI_OS_NO_CANCEL;
    *memory = (struct pi_os_shm){.size = size,
                                 .fd.number = -1,
                                 .readable.number = -1,
                                 .shared = shared,
                                 .lock = PTHREAD_MUTEX_INITIALIZER};
    int flags = MAP_NORESERVE | (shared ? MAP_SHARED : MAP_PRIVATE);
    int error = shared ? pi_os_shm_object_make(&memory->fd, size) : 0;
    if (error)
        return error;
    if (memory->fd.number < 0)
        flags |= MAP_ANONYMOUS;
    void *base = mmap(NULL, size, PROT_NONE, flags, memory->fd.number, 0);
    if (base == MAP_FAILED) {
        error = errno;
        (void)pi_os_shm_destroy(memory);
        return error;
    }
    memory->base = base;
#ifdef MADV_DONTDUMP
    (void)madvise(base, size, MADV_DONTDUMP);
#endif
    return 0;
}

/* ---- opening and backing ---- */

/* Whether this process has given up a part of these pages. */
static bool has_gap_locked(const struct pi_os_shm *memory, const struct pi_os_pages *pages)
{
    return next_gap(memory, pages->first).first < pages->end;
}

/* Reserves again what was given up, unless something else is there now. */
static int map_again(struct pi_os_shm *memory, const struct pi_os_pages *pages)
{
    if (!pi_os_fd_is_ours(&memory->fd))
        return EBADF;
    char *wanted = memory->base + pages->first;
    int error = pi_os_shm_map_at(wanted, pages, PROT_NONE, memory->fd.number);
#ifdef MADV_DONTDUMP
    if (error == 0)
        (void)madvise(wanted, pages->end - pages->first, MADV_DONTDUMP);
#endif
    return error;
}

/* Closes the gaps that reach into these pages, up to the end of the pages. */
static int close_gaps_locked(struct pi_os_shm *memory, const struct pi_os_pages *pages)
{
    for (unsigned i = 0; i < memory->gaps;) {
        struct pi_os_pages *gap = &memory->gap[i], part = *gap;
        if (part.end > pages->first && part.first < pages->end) {
            part.end = part.end < pages->end ? part.end : pages->end;
            int error = map_again(memory, &part);
            if (error)
                return error;
            gap->first = part.end;
        }
        if (gap->first == gap->end)
            *gap = memory->gap[--memory->gaps];
        else
            i++;
    }
    return 0;
}

int pi_os_shm_open(struct pi_os_shm *memory, size_t offset, size_t length, bool dump)
{
    PI_OS_NO_CANCEL;
    struct pi_os_pages pages = pages_around(offset, length);
    char *from = memory->base + pages.first;
    pthread_mutex_lock(&memory->lock);
    int error = close_gaps_locked(memory, &pages);
    if (error == 0 && mprotect(from, pages.end - pages.first, PROT_READ | PROT_WRITE) != 0)
        error = errno;
    pthread_mutex_unlock(&memory->lock);
#ifdef MADV_DODUMP
    if (error == 0 && dump)
        (void)madvise(from, pages.end - pages.first, MADV_DODUMP);
#else
    (void)dump;
#endif
    return error;
}

static int add_gap_locked(struct pi_os_shm *memory, const struct pi_os_pages *pages)
{
    if (has_gap_locked(memory, pages))
        return EEXIST;
    if (memory->gaps == PI_OS_MAX_GAPS)
        return ENOMEM;
    if (munmap(memory->base + pages->first, pages->end - pages->first) != 0)
        return errno;
    memory->gap[memory->gaps++] = *pages;
    return 0;
}

int pi_os_shm_give_up(struct pi_os_shm *memory, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    struct pi_os_pages pages = pages_within(offset, length);
    if (pages.first >= pages.end)
        return 0;
    if (!pi_os_fd_is_ours(&memory->fd))
        return ENOTSUP;
    pthread_mutex_lock(&memory->lock);
    int error = add_gap_locked(memory, &pages);
    pthread_mutex_unlock(&memory->lock);
    return error;
}

/* Makes the kernel map pages now, for writing. It says EFAULT if there is no memory for them. */
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

void pi_os_shm_detach(struct pi_os_shm *memory)
{
    if (memory->gaps == 0 && populate(memory->base, pi_os_page_size()) == 0)
        pi_os_fd_close(&memory->fd);
}

/* Whether the file system, an old kernel or a filter refuses the call itself. */
static bool is_denied(int error)
{
    return error == ENOSYS || error == EPERM || error == EACCES || error == EINVAL ||
           error == EOPNOTSUPP;
}

int pi_os_shm_back(struct pi_os_shm *memory, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    struct pi_os_pages pages = pages_around(offset, length);
    char *from = memory->base + pages.first;
    size_t size = pages.end - pages.first;
    int denied = 0;
    if (pi_os_fd_is_ours(&memory->fd)) {
        int error = pi_os_shm_object_allocate(memory->fd.number, pages.first, size);
        /* One call is cheaper than a fault for each page. */
        if (error == 0 && size > pi_os_page_size())
            (void)populate(from, size);
        if (!is_denied(error))
            return error;
        denied = error;
    }
    int error = populate(from, size);
    return is_denied(error) ? denied : error; /* an old kernel backs a page at its first touch */
}

/* ---- giving back ---- */

/* MADV_DONTNEED refuses what is locked in memory. A gap may hold memory of the program by now. */
static bool drop(struct pi_os_shm *memory, const struct pi_os_pages *pages)
{
    bool gone = false;
#ifdef __linux__
    char *from = memory->base + pages->first;
    size_t size = pages->end - pages->first;
    pthread_mutex_lock(&memory->lock);
    if (!has_gap_locked(memory, pages))
        gone = memory->shared ? madvise(from, size, MADV_REMOVE) == 0
                              : madvise(from, size, MADV_DONTNEED) == 0 ||
                                    madvise(from, size, MADV_DONTNEED_LOCKED) == 0;
    pthread_mutex_unlock(&memory->lock);
#else
    (void)memory;
    (void)pages;
#endif
    return gone;
}

/* Unlike `drop`, also what is locked, or not open in this process. */
static bool punch(const struct pi_os_shm *memory, const struct pi_os_pages *pages)
{
    return pi_os_fd_is_ours(&memory->fd) &&
           pi_os_shm_object_punch(memory->fd.number, pages->first, pages->end - pages->first);
}

bool pi_os_shm_discard(struct pi_os_shm *memory, size_t offset, size_t length)
{
    PI_OS_NO_CANCEL;
    struct pi_os_pages whole = pages_within(offset, length);
    int error = errno;
    bool gone = whole.first >= whole.end || punch(memory, &whole) || drop(memory, &whole);
    errno = error;
    return gone;
}

/* Older kernels drop only what is open in this process. */
void pi_os_shm_clear(struct pi_os_shm *memory)
{
    PI_OS_NO_CANCEL;
    const struct pi_os_pages all = {0, memory->size};
    if (!memory->base || !memory->shared)
        return;
    int error = errno;
    if (!punch(memory, &all)) {
        (void)pi_os_shm_open(memory, 0, memory->size, false);
        (void)drop(memory, &all);
    }
    errno = error;
}
