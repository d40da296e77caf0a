#include "os/pages.h"

#include <sys/mman.h>

#ifndef MAP_ANONYMOUS
#define MAP_ANONYMOUS MAP_ANON
#endif

void *pi_os_pages_get(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages; /* cppcheck-suppress memleak */
}

void pi_os_pages_free(void *pages, size_t size)
{
    if (pages)
        (void)munmap(pages, size);
}
