/* sealed_limits.c - limits of a task, and where it crashed, in a worker that can open nothing. */
#include "support/autopsied.h"
#include "support/sealed.h"
#include "support/support.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MB ((size_t)1 << 20)

/* Asks for as many bytes and touches them; gives how many it has. */
static int asking_task(posse_task *task, const void *arg, size_t size)
{
    size_t bytes = (size_t) * (const long *)arg;
    volatile char *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 1;
    for (size_t i = 0; i < bytes; i += 1024)
        memory[i] = 1;
    munmap((void *)memory, bytes);
    return return_long(task, (long)bytes);
}

static posse_future asked(posse_executor *pool, size_t bytes)
{
    long number = (long)bytes;
    return submitted_job(
        pool, (posse_job){
                  .fn = asking_task, .arg = &number, .size = sizeof number, .max_memory = 16 * MB});
}

TEST(memory, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    for (int round = 0; round < 3; round++) {
        posse_future future = asked(pool, 4 * MB);
        posse_error error = error_of(future);
        assert_in_range(error.peak_memory, 3 * MB, 16 * MB);
        assert_int_equal(take_long(future), 4 * MB);
        take_error(asked(pool, 64 * MB), POSSE_OVER_MEMORY);
    }
    posse_stats stats = stats_of(pool);
    assert_int_equal(stats.workers_started, 1);
    assert_int_equal(stats.lost, 0);
    end_pool(pool);
}

static int close_all_task(posse_task *task, const void *arg, size_t size)
{
    for (int fd = 3; fd < 2048; fd++)
        close(fd);
    return 0;
}

/* The worker cannot open again what it measures memory with, so the next task gets another one. */
TEST(after_a_task_that_closes_all, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    for (int round = 0; round < 2; round++) {
        take_error(submitted(pool, close_all_task, NULL, 0), POSSE_OK);
        assert_int_equal(take_long(asked(pool, 4 * MB)), 4 * MB);
    }
    assert_int_equal(stats_of(pool).workers_lost, 0);
    end_pool(pool);
}

static int spinning_task(posse_task *task, const void *arg, size_t size)
{
    for (volatile unsigned i = 1; i != 0; i += 2)
        continue;
    return 0;
}

TEST(processor_time, SEALABLE)
{
    posse_executor *pool = sealed_pool(1, (posse_seal){.allow = 0});
    posse_job job = {.fn = spinning_task, .max_cpu_ms = 50};
    take_error(submitted_job(pool, job), POSSE_OVER_CPU);
    assert_int_equal(take_long(asked(pool, MB)), MB);
    end_pool(pool);
}

/* The handler of the crash sends the signal again, to its own thread. */
TEST(a_crash, SEALABLE)
{
    posse_options options = OPTIONS(1, .autopsy = 1);
    posse_executor *pool = sealed_pool_with(options, (posse_seal){.allow = 0});
    static const int signals[] = {SIGSEGV, SIGABRT};
    for (size_t i = 0; i < COUNT(signals); i++) {
        posse_future future = submitted_long(pool, signal_task, signals[i]);
        posse_autopsy_report report = report_of(future, POSSE_WORKER_LOST);
        assert_int_equal(report.signal, signals[i]);
        assert_in_range(report.n_frames, 1, POSSE_MAX_FRAMES);
        assert_ok(posse_release(future));
    }
    take_error(submitted(pool, socket_task, NULL, 0), POSSE_FORBIDDEN);
    end_autopsied(pool);
}

/* ---- /proc hides processes ---- */

#define NOT_PERMITTED 77
#define NOBODY 65534

/* As with hidepid, to a user who is not root: a process that may not be dumped cannot be seen. */
static bool hide_processes(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("proc", "/proc", "proc", 0, "hidepid=2") == 0 && setgid(NOBODY) == 0 &&
           setuid(NOBODY) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
}

static posse_status end_of(posse_executor *pool, posse_job job)
{
    posse_future future;
    posse_error error = {.struct_size = sizeof error};
    job.struct_size = sizeof job;
    posse_status status = posse_submit_with(pool, &job, &future);
    if (status != POSSE_OK)
        return status;
    status = posse_exception(future, -1, &error);
    (void)posse_release(future);
    return status == POSSE_OK ? error.status : status;
}

static int nesting_task(posse_task *task, const void *arg, size_t size)
{
    posse_job job = {.fn = asking_task, .max_memory = 16 * MB};
    return end_of(posse_task_executor(task), job) == POSSE_NOT_SUPPORTED ? 0 : GAVE_UP;
}

/* A limit that could not be compared is refused; others hold. */
static int play_hidden(void *context)
{
    const posse_options *options = context;
    posse_executor *pool = NULL;
    long bytes = 4 * MB;
    bool dumps = options->seal->allow & POSSE_ALLOW_DUMPS;
    posse_job asks = {.fn = asking_task, .arg = &bytes, .size = sizeof bytes};
    if (!hide_processes())
        return NOT_PERMITTED;
    REQUIRE(posse_create(options, &pool) == POSSE_OK);
    REQUIRE(end_of(pool, asks) == POSSE_OK);
    asks.max_memory = 16 * MB;
    REQUIRE(end_of(pool, asks) == (dumps ? POSSE_OK : POSSE_NOT_SUPPORTED));
    REQUIRE(dumps || strstr(posse_last_error(), "job.max_memory") != NULL);
    bytes = 64 * MB;
    REQUIRE(end_of(pool, asks) == (dumps ? POSSE_OVER_MEMORY : POSSE_NOT_SUPPORTED));
    REQUIRE(end_of(pool, (posse_job){.fn = spinning_task, .max_cpu_ms = 20}) == POSSE_OVER_CPU);
    REQUIRE(dumps || end_of(pool, (posse_job){.fn = nesting_task}) == POSSE_OK);
    return posse_destroy(pool) == POSSE_OK ? 0 : 1;
}

static void assert_hidden(posse_isolation isolation)
{
    static const posse_seal seals[] = {
        {.struct_size = sizeof(posse_seal)},
        {.struct_size = sizeof(posse_seal), .allow = POSSE_ALLOW_DUMPS}};
    end_pool(fresh_pool(1, seals[0])); /* or skips */
    for (size_t i = 0; i < COUNT(seals); i++) {
        posse_options options = OPTIONS(1, .seal = &seals[i], .isolation = isolation);
        int status = wait_status(start_child(play_hidden, &options));
        if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_PERMITTED) {
            print_message("/proc cannot be mounted here so that it hides processes\n");
            skip();
        }
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

TEST(hidden_workers, SEALABLE) { assert_hidden(POSSE_SHARED); }

TEST(hidden_processes, SEALABLE) { assert_hidden(POSSE_FRESH); }
