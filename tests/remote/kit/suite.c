/* suite.c - the tests of behaviour with agents, in a program that is linked with
 * --wrap=posse_create,--wrap=posse_alloc,--wrap=posse_free,--wrap=add_test: each pool of processes
 * has agents on this machine. Gates and counters, which lie in memory of posse_alloc, are in a file
 * that the agents map at the same address. SUITE_FILE is the file of tests. */
#include "remote/kit/left_out.h"
#include "support/support.h"

#include <fcntl.h>
#include <posse_remote.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SHARED_SIZE ((size_t)64 << 20)
#define SHARED_AT ((char *)0x200000000000)

posse_status __real_posse_create(const posse_options *options, posse_executor **executor);
posse_status __wrap_posse_create(const posse_options *options, posse_executor **executor);
posse_status __real_posse_alloc(posse_executor *executor, size_t size, void **memory);
posse_status __wrap_posse_alloc(posse_executor *executor, size_t size, void **memory);
posse_status __real_posse_free(posse_executor *executor, void *memory);
posse_status __wrap_posse_free(posse_executor *executor, void *memory);

void __real_add_test(struct test *test);
void __wrap_add_test(struct test *test);

static bool is_agent;

/* ---- which tests ---- */

void __wrap_add_test(struct test *test)
{
    for (size_t i = 0; i < COUNT(left_out); i++)
        if (strcmp(left_out[i].file, SUITE_FILE) == 0 && strcmp(left_out[i].test, test->name) == 0)
            return;
    __real_add_test(test);
}

/* ---- memory that agents share ---- */

static void share_memory(void)
{
    char path[64];
    const char *given = getenv("POSSE_TEST_SHARED");
    int fd =
        is_agent && given ? open(given, O_RDWR | O_CLOEXEC) : memfd_create("shared", MFD_CLOEXEC);
    if (fd < 0 || (!is_agent && ftruncate(fd, (off_t)SHARED_SIZE) != 0) ||
        mmap(SHARED_AT, SHARED_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
             0) != SHARED_AT)
        abort();
    snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getpid(), fd);
    if (is_agent)
        close(fd);
    else
        (void)setenv("POSSE_TEST_SHARED", path, 1);
}

/* It is never used again: a test needs little. */
posse_status __wrap_posse_alloc(posse_executor *executor, size_t size, void **memory)
{
    static size_t used;
    posse_status status = __real_posse_alloc(executor, size, memory);
    if (status != POSSE_NOT_SUPPORTED || size > SHARED_SIZE - used)
        return status;
    *memory = SHARED_AT + used;
    used += (size + 63) & ~(size_t)63;
    return POSSE_OK;
}

posse_status __wrap_posse_free(posse_executor *executor, void *memory)
{
    bool ours = (char *)memory >= SHARED_AT && (char *)memory < SHARED_AT + SHARED_SIZE;
    return ours ? POSSE_OK : __real_posse_free(executor, memory);
}

/* ---- pools ---- */

/* Before the one of agent.c. */
__attribute__((constructor(101))) static void begin(int argc, char **argv)
{
    is_agent = argc > 1 && strcmp(argv[1], "--posse-agent") == 0;
    share_memory();
}

/* posse_remote_create calls it, too, with a runner. */
posse_status __wrap_posse_create(const posse_options *options, posse_executor **executor)
{
    long places = options ? options->max_workers : 0;
    posse_remote_options remote = {.struct_size = sizeof remote,
                                   .places = places < POSSE_MAX_WORKERS ? places : 1};
    if (is_agent || (options && (options->backend != POSSE_PROCESS || options->runner)))
        return __real_posse_create(options, executor);
    return posse_remote_create(options, &remote, executor);
}
