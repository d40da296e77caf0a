/* rss.c - the memory of this process alone. */
#include "os/rss.h"
#include "support/support.h"

#include <stdlib.h>
#include <string.h>

#define SIZE ((size_t)20 << 20)

TEST(own_memory_counts, PROCESSES)
{
    long before = pi_os_rss();
    assert_true(before > 0);
    char *memory = malloc(SIZE);
    assert_non_null(memory);
    for (size_t i = 0; i < SIZE; i += 4096)
        ((volatile char *)memory)[i] = 1; /* a compiler may leave out what nobody reads */
    assert_true(pi_os_rss() - before >= (long)SIZE * 9 / 10);
    free(memory);
}

/* The thread sanitizer keeps memory of its own for all that is touched. */
#ifndef SANITIZED_THREADS
TEST(shared_memory_does_not, PROCESSES)
{
    long before = pi_os_rss();
    void *memory = make_shared(SIZE);
    memset(memory, 1, SIZE);
    assert_true(pi_os_rss() - before < (long)SIZE / 2);
    free_shared(memory, SIZE);
}
#endif
