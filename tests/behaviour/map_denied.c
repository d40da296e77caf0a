/* map_denied.c - the system denies memory for a chunk of a map while others are on their way.
 *
 * The linker leads the calls that back memory here. After a map of one chunk they are denied, as by
 * a filter of system calls.
 */
#include "support/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#define ITEM ((size_t)100 << 10) /* a chunk has a block of its own */

static bool denied;

static int deny(void)
{
    errno = EPERM;
    return -1;
}

int __real_fallocate(int, int, off_t, off_t);
int __wrap_fallocate(int, int, off_t, off_t);
int __wrap_fallocate(int fd, int mode, off_t offset, off_t length)
{
    return denied ? deny() : __real_fallocate(fd, mode, offset, length);
}

int __real_madvise(void *, size_t, int);
int __wrap_madvise(void *, size_t, int);
int __wrap_madvise(void *at, size_t length, int advice)
{
    return denied ? deny() : __real_madvise(at, length, advice);
}

static posse_input make_input(size_t items)
{
    char *data = calloc(items, ITEM);
    assert_non_null(data);
    for (size_t i = 0; i < items; i++)
        *(long *)(void *)(data + i * ITEM) = (long)i;
    return (posse_input){.data = data, .size = ITEM};
}

static void assert_map(posse_executor *pool, long items)
{
    posse_input input = make_input((size_t)items);
    posse_map_job job = map_job(square_item, &input, 1, (size_t)items);
    job.chunksize = 1;
    job.buffersize = 2;
    posse_map_iter *map = open_map(pool, job);
    assert_squares(map, 0, items);
    assert_map_ends(map);
    free((void *)(uintptr_t)input.data);
}

/* The memory of one chunk serves those after it, one by one. */
POOL_TEST(the_map_goes_on_with_the_memory_that_it_has, PROCESSES, 1)
{
    assert_map(pool, 1);
    assert_eventually(stats_of(pool).memory_blocks == 0); /* the worker has freed it */
    denied = true;
    assert_map(pool, 4);
    denied = false;
}
