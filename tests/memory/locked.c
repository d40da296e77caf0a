/* locked.c - mlockall in a program with a pool: what is locked is what is used.
 *
 * A cgroup and a /dev/shm of its own guard the machine, as a pool that locks all that it reserves
 * would fill it.
 */
#include "kit/kit.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define LIMIT (512 * MB)
#define SHM "size=128m"

static int works_and_ends(posse_executor *pool)
{
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

static int locked_before(void *context)
{
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    return works_and_ends(open_pool(2));
}

static int locked_after(void *context)
{
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && pool_works(pool) == 0);
    REQUIRE(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
    return works_and_ends(pool);
}

static int lock_task(posse_task *task, const void *arg, size_t size)
{
    return return_long(task, mlockall(MCL_CURRENT | MCL_FUTURE));
}

static int locked_by_a_task(void *context)
{
    long value = -1;
    posse_executor *pool = open_pool(2);
    REQUIRE(pool != NULL && run_task(pool, lock_task, 0, &value) == POSSE_OK && value == 0);
    return works_and_ends(pool);
}

static void assert_can_lock(int (*body)(void *))
{
    if (geteuid() != 0) {
        print_message("only root may lock as much as it likes\n");
        skip();
    }
    assert_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = body});
}

TEST(all_is_locked_before_create, UNSANITIZED(ALL)) { assert_can_lock(locked_before); }

TEST(all_is_locked_after_create, UNSANITIZED(ALL)) { assert_can_lock(locked_after); }

TEST(task_locks_all, UNSANITIZED(ALL)) { assert_can_lock(locked_by_a_task); }

/* Another user may lock 64 kB; what is mapped later counts. posse_create works, or says why not. */
static int locked_by_a_user(void *context)
{
    struct rlimit limit = {65536, 65536};
    posse_executor *pool = NULL;
    posse_options options = OPTIONS(2);
    REQUIRE(setrlimit(RLIMIT_MEMLOCK, &limit) == 0);
    REQUIRE(geteuid() != 0 || setuid(54321) == 0);
    REQUIRE(mlockall(MCL_FUTURE) == 0);
    posse_status status = posse_create(&options, &pool);
    dprintf(STDOUT_FILENO, "under a limit of locked memory: %s\n", posse_status_name(status));
    if (status == POSSE_OK)
        return works_and_ends(pool);
    REQUIRE(pool == NULL && (status == POSSE_NO_MEMORY || status == POSSE_SYSTEM));
    return 0;
}

TEST(little_may_be_locked, UNSANITIZED(ALL))
{
    assert_guarded((struct guard){.limit = LIMIT, .shm = SHM, .body = locked_by_a_user});
}
