#include "os/fork_detect.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int pi_os_fork_detect_init(struct pi_os_fork_detect *guard)
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
    pi_os_fork_detect_set(guard);
    return 0;
}

void pi_os_fork_detect_fini(struct pi_os_fork_detect *guard)
{
    if (guard->mark)
        munmap((void *)guard->mark, (size_t)sysconf(_SC_PAGESIZE));
    guard->mark = NULL;
}

void pi_os_fork_detect_set(struct pi_os_fork_detect *guard)
{
    guard->pid = getpid();
    if (guard->mark)
        *guard->mark = 1;
}

bool pi_os_fork_detect_holds_by_pid(const struct pi_os_fork_detect *guard)
{
    return guard->pid == getpid();
}
