/* many_pools.c - a thousand pools at once in one program, each of which runs a task. In a short run
 * there are fewer of processes: to fork costs more, the more memory the program has mapped. */
#include "kit/kit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 2, SECONDS = 500 };
#ifdef SANITIZED
enum { POOLS = 20 };
#else
enum { POOLS = 1000 };
#endif
#define FEW (POOLS / 4)

static posse_executor *pools[POOLS];
static long count;

/* What the limit is now, at most the hard one. */
static rlim_t raised(int resource)
{
    struct rlimit limit;
    if (getrlimit((__rlimit_resource_t)resource, &limit) != 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit((__rlimit_resource_t)resource, &limit);
    return limit.rlim_cur;
}

static long number_in(const char *path)
{
    long number = 0;
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fscanf(file, "%ld", &number) != 1)
            number = 0;
        fclose(file);
    }
    return number;
}

/* Three processes, or two threads and more, and some descriptors for each pool. */
static bool machine_has_room(void)
{
    const long tasks = count * (WORKERS + 1L) + 1000;
    const rlim_t descriptors = (rlim_t)count * 6 + 100;
    return raised(RLIMIT_NOFILE) >= descriptors && raised(RLIMIT_NPROC) >= (rlim_t)tasks &&
           number_in("/proc/sys/kernel/pid_max") >= 2 * tasks &&
           number_in("/proc/sys/kernel/threads-max") >= 2 * tasks && available_memory() > 4096 * MB;
}

/* False: the machine gives no more processes, which is no fault of the pools. */
static bool open_all(void)
{
    for (long i = 0; i < count; i++) {
        pools[i] = open_pool(WORKERS);
        if (pools[i] == NULL) {
            print_message("pool %ld: %s\n", i, strerror(errno));
            return errno != EAGAIN;
        }
    }
    return true;
}

static int each_runs_a_task(void)
{
    static posse_future futures[POOLS];
    for (long i = 0; i < count; i++) {
        REQUIRE(pools[i] != NULL);
        REQUIRE(posse_submit(pools[i], square_task, &i, sizeof i, &futures[i]) == POSSE_OK);
    }
    for (long i = 0, value = 0; i < count; i++) {
        REQUIRE(posse_result_into(futures[i], -1, &value, sizeof value, NULL) == POSSE_OK);
        REQUIRE(value == i * i && posse_release(futures[i]) == POSSE_OK);
    }
    return 0;
}

enum { NO_ROOM = 3 };

static int many_pools(void *context)
{
    time_limit(SECONDS);
    if (!machine_has_room() || !open_all())
        return NO_ROOM; /* what was made ends with this process */
    REQUIRE(each_runs_a_task() == 0);
    for (long i = 0; i < count; i++)
        REQUIRE(posse_destroy(pools[i]) == POSSE_OK);
    return 0;
}

TEST(thousand_pools, ALL)
{
    time_limit(SECONDS + 5);
    count = in_long_run(backend() == POSSE_PROCESS ? FEW : POOLS, POOLS);
    int status = wait_status(start_child(many_pools, NULL));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_ROOM) {
        print_message("the machine has no room for %ld pools\n", count);
        assert_eventually(count_processes() == 0);
        skip();
    }
    assert_ended_well(status);
}
