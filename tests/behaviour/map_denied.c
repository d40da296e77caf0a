/* map_denied.c - the system denies memory for a chunk of a map while others are on their way.
 *
 * The linker leads the calls that back memory here. After a map of one chunk they are denied, as by
 * a filter of system calls. It leads the freeing of large blocks here, too: a worker that is just
 * freeing one waits, as it may on a busy machine.
 */
#include "base/tuning.h"
#include "core/arena.h"
#include "os/clock.h"
#include "pool/pool.h"
#include "support/maps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ITEM ((size_t)100 << 10) /* a chunk has a block of its own */

static bool denied;
static pid_t program;

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

void __real_pi_units_free(struct pi_arena *, uint32_t, enum pi_rest);
void __wrap_pi_units_free(struct pi_arena *, uint32_t, enum pi_rest);
void __wrap_pi_units_free(struct pi_arena *arena, uint32_t head, enum pi_rest rest)
{
    if (getpid() != program)
        pi_os_sleep(100 * PI_MS);
    __real_pi_units_free(arena, head, rest);
}

/* Of the thread that opens a map: it sleeps, and may go on. */
static _Thread_local bool opens;
static _Atomic bool sleeps, goes_on, wakes;

void __real_pi_os_sleep(uint64_t);
void __wrap_pi_os_sleep(uint64_t);
void __wrap_pi_os_sleep(uint64_t ns)
{
    __real_pi_os_sleep(ns);
    if (!opens)
        return;
    sleeps = true;
    for (long i = 0; !goes_on && i < PATIENCE_MS; i++)
        pause_ms(1);
    __real_pi_os_sleep(200 * PI_MS); /* longer than the rest of posse_destroy, most often */
    wakes = true;
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
    program = getpid();
    assert_map(pool, 1);
    assert_eventually(stats_of(pool).memory_blocks == 0); /* the worker is just freeing it */
    denied = true;
    assert_map(pool, 4);
    denied = false;
}

/* ---- what ends the wait for memory ---- */

struct opening {
    posse_executor *pool;
    posse_input input;
    posse_map_iter *map;
};

static posse_status open_one(void *context)
{
    struct opening *o = context;
    posse_map_job job = map_job(square_item, &o->input, 1, 1);
    opens = true;
    return posse_map_open(o->pool, &job, &o->map);
}

static posse_status let_go(void *pool)
{
    const posse_executor *e = pool;
    for (long i = 0; !pi_destroying(e) && i < PATIENCE_MS; i++)
        pause_ms(1);
    goes_on = true;
    return POSSE_OK;
}

TEST(posse_destroy_waits_for_a_map_that_waits_for_memory, PROCESSES)
{
    struct opening opening = {.pool = make_pool(1), .input = make_input(1)};
    struct caller opener, helper;
    denied = true;
    start_call(&opener, open_one, &opening);
    assert_eventually(sleeps);
    start_call(&helper, let_go, opening.pool);
    assert_ok(posse_destroy(opening.pool));
    assert_true(wakes);
    assert_status(end_call(&opener), POSSE_SHUT_DOWN);
    assert_null(opening.map);
    assert_ok(end_call(&helper));
    denied = false;
    free((void *)(uintptr_t)opening.input.data);
}

POOL_TEST(the_time_of_a_map_ends_its_wait_for_memory, PROCESSES, 1)
{
    posse_input input = make_input(1);
    posse_map_job job = map_job(square_item, &input, 1, 1);
    job.timeout_ms = 50; /* less than PI_MAP_PATIENCE_NS */
    denied = true;
    assert_status(posse_map(pool, &job, NULL), POSSE_TIMEOUT);
    denied = false;
    free((void *)(uintptr_t)input.data);
}
