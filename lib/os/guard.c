#include "os/guard.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int pi_os_guard_init(struct pi_os_guard *guard)
{
    guard->mark = NULL;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return errno;
#ifdef MADV_WIPEONFORK
    if (madvise(memory, page, MADV_WIPEONFORK) == 0)
        guard->mark = memory;
#endif
    if (!guard->mark)
        munmap(memory, page);
    pi_os_guard_set(guard);
    return 0;
}

void pi_os_guard_fini(struct pi_os_guard *guard)
{
    if (guard->mark)
        munmap((void *)guard->mark, (size_t)sysconf(_SC_PAGESIZE));
    guard->mark = NULL;
}

void pi_os_guard_set(struct pi_os_guard *guard)
{
    guard->pid = getpid();
    if (guard->mark)
        *guard->mark = 1;
}

bool pi_os_guard_holds(const struct pi_os_guard *guard)
{
    return guard->mark ? *guard->mark != 0 : guard->pid == getpid();
}
