/* hidden.c - executors where the system does not tell its limits, or has no /dev/shm.
 *
 * The linker leads here the calls that ask for limits, and a test may have them refused. Nothing of
 * that is needed to make an executor.
 */
#include "support/support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static bool refusing;
static int refused; /* by this process */

static int refuse(void)
{
    refused++;
    errno = EPERM;
    return -1;
}

static bool tells_limits(const char *path)
{
    return strncmp(path, "/proc/", 6) == 0 || strncmp(path, "/sys/", 5) == 0;
}

int __real_open(const char *, int, ...);
int __wrap_open(const char *, int, ...);
int __wrap_open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    int mode = (flags & O_CREAT) != 0 ? va_arg(rest, int) : 0;
    va_end(rest);
    return refusing && tells_limits(path) ? refuse() : __real_open(path, flags, mode);
}

int __real_sched_getaffinity(pid_t, size_t, cpu_set_t *);
int __wrap_sched_getaffinity(pid_t, size_t, cpu_set_t *);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
    return refusing ? refuse() : __real_sched_getaffinity(pid, size, set);
}

long __real_sysconf(int);
long __wrap_sysconf(int);
long __wrap_sysconf(int name)
{
    return refusing && name != _SC_PAGESIZE ? refuse() : __real_sysconf(name);
}

int __real_getrlimit(int, struct rlimit *);
int __wrap_getrlimit(int, struct rlimit *);
int __wrap_getrlimit(int resource, struct rlimit *limit)
{
    return refusing ? refuse() : __real_getrlimit(resource, limit);
}

static bool no_shm; /* as in a container without /dev/shm */

int __real_shm_open(const char *, int, mode_t);
int __wrap_shm_open(const char *, int, mode_t);
int __wrap_shm_open(const char *name, int flags, mode_t mode)
{
    if (no_shm) {
        refused++;
        errno = ENOENT;
        return -1;
    }
    return __real_shm_open(name, flags, mode);
}

static void hide(bool *what)
{
    refused = 0;
    *what = true;
}

static void assert_all_work(posse_executor *pool)
{
    enum { TASKS = 200 };
    static const char large[100000] = "large";
    posse_future futures[TASKS];
    for (long i = 0; i < TASKS; i++)
        futures[i] = submitted_long(pool, square_task, i);
    for (long i = 0; i < TASKS; i++)
        assert_int_equal(take_long(futures[i]), i * i);
    take_error(submitted(pool, echo_task, large, sizeof large), POSSE_OK);
    assert_int_equal(stats_of(pool).workers_lost, 0);
}

/* The default number of workers is then that of one processor. */
TEST(P02_limits_cannot_be_read, PARALLEL)
{
    hide(&refusing);
    posse_options options = default_options();
    posse_executor *pool = NULL;
    posse_status status = posse_create(&options, &pool);
    refusing = false;
    assert_ok(status);
    assert_true(refused >= 2); /* posse asked for the limit, and got none */
    unsigned expected = backend() == POSSE_THREAD ? 5 : 1;
    assert_eventually(stats_of(pool).workers == expected);
    assert_all_work(pool);
    end_pool(pool);
}

/* Where the limits are hidden for as long as the executor lives, in its workers too. */
TEST(P02_limits_stay_hidden, ALL)
{
    hide(&refusing);
    posse_executor *pool = make_pool(3);
    assert_all_work(pool);
    end_pool(pool);
    refusing = false;
}

/* A limit that is asked for, and cannot be kept, is no silent loss. */
TEST(P02_memory_cannot_be_measured, PROCESSES)
{
    posse_options options = default_options();
    posse_executor *pool = NULL;
    options.max_rss_per_worker = 1 << 20;
    hide(&refusing);
    posse_status status = posse_create(&options, &pool);
    refusing = false;
    assert_status(status, POSSE_NOT_SUPPORTED);
    assert_null(pool);
    assert_true(refused > 0);
}

/* An executor of processes does not need the one kind of shared memory, and one of threads or none
 * needs no shared memory at all. */
TEST(IP23_shared_memory_is_unavailable, ALL)
{
    hide(&no_shm);
    posse_executor *pool = make_pool(2);
    no_shm = false;
    assert_true(backend() == POSSE_PROCESS ? refused > 0 : refused == 0);
    assert_all_work(pool);
    end_pool(pool);
}
