/* made_code.c - functions that the program makes while it runs, as bindings of other languages and
 * compilers at run time do: those made before the pool run in it, those made after it do not. */
#include "support/support.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CODE 7

/* Returns CODE, which is how it is known that it ran. */
#if defined(__x86_64__) || defined(__i386__)
static const unsigned char machine_code[] = {0xb8, CODE, 0, 0, 0, 0xc3};
#elif defined(__aarch64__)
static const uint32_t machine_code[] = {0x52800000 | CODE << 5, 0xd65f03c0};
#else
static const unsigned char machine_code[] = {0};
#define NO_MACHINE_CODE
#endif

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

/* Some sanitizers read what is before a function. */
#define BEFORE 64
#define ROOM (BEFORE + 64)

static posse_fn *write_code(void *room)
{
    posse_fn *fn;
    char *at = (char *)room + BEFORE;
#ifdef NO_MACHINE_CODE
    skip();
#endif
    memcpy(at, machine_code, sizeof machine_code);
    __builtin___clear_cache(at, at + sizeof machine_code);
    memcpy(&fn, &at, sizeof fn); /* ISO C has no cast from an object to a function */
    return fn;
}

/* Memory that may be written and run; NULL where the system does not allow that. */
static void *map_code(void)
{
    void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE | PROT_EXEC,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

static void assert_runs(posse_executor *pool, posse_fn *fn)
{
    assert_int_equal(take_error(submitted(pool, fn, NULL, 0), POSSE_TASK_FAILED).code, CODE);
}

static void assert_is_refused(posse_executor *pool, posse_fn *fn)
{
    posse_future future = {0};
    assert_status(posse_submit(pool, fn, NULL, 0, &future), POSSE_NOT_LOADED);
    assert_null(future.executor);
}

/* In the first worker, and in the one that takes its place. */
static void assert_runs_in_all(posse_executor *pool, posse_fn *fn)
{
    assert_runs(pool, fn);
    if (backend() == POSSE_PROCESS) {
        take_error(submitted_long(pool, exit_task, 1), POSSE_WORKER_LOST);
        assert_runs(pool, fn);
    }
}

TEST(before_create, ALL)
{
    void *page = map_code();
    if (page == NULL)
        skip();
    posse_fn *fn = write_code(page);
    posse_executor *pool = make_pool(1);
    assert_runs_in_all(pool, fn);
    end_pool(pool);
    munmap(page, page_size());
}

/* As where nothing may be both written and run. */
TEST(before_create_and_then_sealed, ALL)
{
    void *page =
        mmap(NULL, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    posse_fn *fn = write_code(page);
    assert_int_equal(mprotect(page, page_size(), PROT_READ | PROT_EXEC), 0);
    posse_executor *pool = make_pool(1);
    assert_runs_in_all(pool, fn);
    end_pool(pool);
    munmap(page, page_size());
}

TEST(after_create, ALL)
{
    posse_executor *pool = make_pool(1);
    void *page = map_code();
    if (page == NULL) {
        end_pool(pool);
        skip();
    }
    posse_fn *fn = write_code(page);
    if (backend() == POSSE_PROCESS)
        assert_is_refused(pool, fn);
    else
        assert_runs(pool, fn);
    end_pool(pool);
    munmap(page, page_size());
}

/* A stack that may be run, as a program with nested functions of gcc has it. */
static bool allow_on_stack(void *from, size_t size, int protection)
{
    uintptr_t first = (uintptr_t)from & ~(page_size() - 1);
    return mprotect((void *)first, (uintptr_t)from + size - first, protection) == 0;
}

TEST(on_the_stack, ALL)
{
    unsigned char room[ROOM] __attribute__((aligned(ROOM)));
    if (!allow_on_stack(room, sizeof room, PROT_READ | PROT_WRITE | PROT_EXEC))
        skip();
    posse_fn *fn = write_code(room);
    posse_executor *pool = make_pool(1);
    assert_runs_in_all(pool, fn);
    end_pool(pool);
    assert_true(allow_on_stack(room, sizeof room, PROT_READ | PROT_WRITE));
}
