/* limits.c - resource limits: create says what is missing and leaves nothing behind; a pool that
 * was made works. */
#include "support/support.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int set_limit(int resource, rlim_t limit)
{
    struct rlimit now;
    REQUIRE(getrlimit((__rlimit_resource_t)resource, &now) == 0);
    now.rlim_cur = limit < now.rlim_max ? limit : now.rlim_max;
    return setrlimit((__rlimit_resource_t)resource, &now);
}

static int others = 1; /* processes that were there before: the runner */

static int nothing_is_left(int descriptors)
{
    REQUIRE(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    REQUIRE(count_descriptors() == descriptors);
    for (long end = now_ms() + PATIENCE_MS; count_processes() > others; pause_ms(2))
        REQUIRE(now_ms() < end);
    return 0;
}

/* Tries to make a pool under the limit, uses it, and lifts the limit again before it looks what
 * is left. */
static int try_with(int resource, rlim_t limit, posse_status *status)
{
    int descriptors = count_descriptors();
    struct rlimit before;
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(3);
    REQUIRE(getrlimit((__rlimit_resource_t)resource, &before) == 0);
    REQUIRE(set_limit(resource, limit) == 0);
    errno = 0;
    *status = posse_create(&options, &pool);
    int error = errno;
    if (*status == POSSE_OK) {
        REQUIRE(pool_works(pool) == 0);
        REQUIRE(posse_destroy(pool) == POSSE_OK);
    } else {
        REQUIRE(pool == NULL);
        REQUIRE(*status == POSSE_NO_MEMORY || *status == POSSE_SYSTEM);
        REQUIRE(*status != POSSE_SYSTEM || error != 0);
    }
    REQUIRE(setrlimit((__rlimit_resource_t)resource, &before) == 0);
    return nothing_is_left(descriptors);
}

/* Raises the limit step by step until a pool can be made. */
static int raise_limit(int resource, rlim_t from, rlim_t step, int steps)
{
    posse_status status = POSSE_SYSTEM;
    int failures = 0;
    for (int i = 0; i < steps && status != POSSE_OK; i++) {
        REQUIRE(try_with(resource, from + (rlim_t)i * step, &status) == 0);
        failures += status != POSSE_OK;
    }
    dprintf(STDOUT_FILENO, "%d failures before success\n", failures);
    REQUIRE(status == POSSE_OK);
    return 0;
}

static int few_descriptors(void *context)
{
    return raise_limit(RLIMIT_NOFILE, (rlim_t)count_descriptors(), 1, 30);
}

/* Another user's, as nothing is too much for root. The child itself is a process of that user. */
static int few_processes(void *context)
{
    REQUIRE(geteuid() != 0 || setuid(54321) == 0);
    return raise_limit(RLIMIT_NPROC, 0, 1, 200);
}

/* A dead orphan counts as a process of its user until a process reaps it. The system may take its
 * time. So a parent that adopts orphans does it here. */
static int few_processes_reaped_at_once(void *context)
{
    int status;
    int result = 1;
    pid_t ended;
    REQUIRE(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    others++;
    pid_t child = fork();
    if (child == 0)
        _exit(few_processes(context));
    while ((ended = wait(&status)) > 0)
        if (ended == child)
            result = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    return result;
}

static int small_files(void *context)
{
    static const rlim_t limits[] = {0, 4096, 65536, 262144, 1 << 20, 4 << 20, 64 << 20};
    for (size_t i = 0; i < COUNT(limits); i++) {
        posse_status status;
        REQUIRE(try_with(RLIMIT_FSIZE, limits[i], &status) == 0);
        dprintf(STDOUT_FILENO, "%lu: %s\n", (unsigned long)limits[i], posse_status_name(status));
    }
    return 0;
}

/* A pool that was made under a limit for files reaches it without harm: more than fits is
 * refused. */
static int files_of_one_megabyte(void *context)
{
    static const char bytes[10000] = "";
    posse_executor *pool = NULL;
    posse_options options = default_options();
    posse_status status = POSSE_OK;
    REQUIRE(set_limit(RLIMIT_FSIZE, 1 << 20) == 0);
    if (posse_create(&options, &pool) != POSSE_OK)
        return 0; /* small_files shows which status it gives */
    for (int i = 0; i < 3000 && status == POSSE_OK; i++) { /* 30 MB, if nothing stopped it */
        posse_future future;
        status = posse_submit(pool, echo_task, bytes, sizeof bytes, &future);
    }
    REQUIRE(status == POSSE_OK || status == POSSE_NO_MEMORY);
    REQUIRE(posse_shutdown(pool, 0, -1) == POSSE_OK);
    posse_stats stats = {.struct_size = sizeof stats};
    REQUIRE(posse_get_stats(pool, &stats) == POSSE_OK && stats.workers_lost == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

#ifndef SANITIZED
static rlim_t address_space(void)
{
    unsigned long pages = 0;
    FILE *statm = fopen("/proc/self/statm", "re");
    if (statm != NULL) {
        if (fscanf(statm, "%lu", &pages) != 1)
            pages = 0;
        fclose(statm);
    }
    return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

static int little_address_space(void *context)
{
    rlim_t used = address_space();
    REQUIRE(used > 0);
    return raise_limit(RLIMIT_AS, used + 65536, 8 << 20, 600);
}

TEST(address_space_limit, PROCESSES) { assert_child(little_address_space, NULL); }

/* A program that locks all its memory, and may lock only little: what is reserved counts. */
static int little_locked_memory(void *context)
{
    const rlim_t most = (rlim_t)16 << 20;
    posse_status status;
    REQUIRE(geteuid() != 0 || setuid(54321) == 0);
    REQUIRE(set_limit(RLIMIT_MEMLOCK, most) == 0 && mlockall(MCL_FUTURE) == 0);
    return try_with(RLIMIT_MEMLOCK, most, &status);
}

TEST(locked_memory_limit, PROCESSES) { assert_child(little_locked_memory, NULL); }
#endif

TEST(descriptor_limit, PROCESSES) { assert_child(few_descriptors, NULL); }

TEST(process_limit, PROCESSES) { assert_child(few_processes_reaped_at_once, NULL); }

TEST(file_size_limit, PROCESSES) { assert_child(small_files, NULL); }

TEST(file_size_limit_is_reached, PROCESSES) { assert_child(files_of_one_megabyte, NULL); }
