/* aftermath.c - tasks that return, and leave their worker in a state that nobody would wish for.
 *
 * What they have changed stays in that worker. It does its work all the same, and the pool can do
 * with it what it can do with any other: end its tasks by a deadline or a kill, let it leave,
 * replace it, destroy it with all that it has started.
 */
#include "support/hostile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE 100000

/* ---- what they leave ---- */

HOSTILE(blocked_signals)
{
    sigset_t all;
    sigfillset(&all);
    return sigprocmask(SIG_SETMASK, &all, NULL);
}

static void on_signal(int signal) { (void)signal; }

HOSTILE(other_handlers)
{
    for (int signal = 1; signal < NSIG; signal++) {
        void (*handler)(int) = signal % 2 ? SIG_IGN : on_signal;
        (void)sigaction(signal, &(struct sigaction){.sa_handler = handler}, NULL);
    }
    return signal(SIGCHLD, SIG_IGN) == SIG_ERR;
}

HOSTILE(no_streams)
{
    fclose(stdin);
    fclose(stdout);
    return fclose(stderr);
}

/* Then others have the numbers of the library's own. */
HOSTILE(other_descriptors)
{
    for (int fd = 0; fd < 256; fd++) {
        close(fd);
        (void)open("/dev/null", O_RDWR);
    }
    return 0;
}

HOSTILE(another_directory)
{
    umask(0777);
    return chdir("/proc");
}

HOSTILE(another_user) { return geteuid() == 0 ? setuid(54321) : 0; }

HOSTILE(the_least_priority) { return setpriority(PRIO_PROCESS, 0, 19); }

HOSTILE(no_death_with_its_parent) { return prctl(PR_SET_PDEATHSIG, 0); }

HOSTILE(another_group) { return setpgid(0, getpgid(getppid())); }

HOSTILE(a_tracer) { return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL); }

static int limit(int resource, rlim_t most)
{
    struct rlimit both = {most, most};
    switch (resource) {
    case RLIMIT_NOFILE: return setrlimit(RLIMIT_NOFILE, &both);
    case RLIMIT_FSIZE: return setrlimit(RLIMIT_FSIZE, &both);
    default: return setrlimit(RLIMIT_NPROC, &both);
    }
}

#ifndef SANITIZED /* whose shadow needs address space of its own */
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

/* It has taken all that it may have, and keeps it. */
HOSTILE(no_memory)
{
    rlim_t most = address_space() + (4 << 20);
    if (setrlimit(RLIMIT_AS, &(struct rlimit){most, most}) != 0)
        return GAVE_UP;
    for (size_t piece = 1 << 20; piece >= 1024; piece /= 2)
        for (void *taken; (taken = malloc(piece)) != NULL;)
            memset(taken, 1, piece);
    return 0;
}
#endif

HOSTILE(no_descriptors) { return limit(RLIMIT_NOFILE, 0); }

HOSTILE(no_files) { return limit(RLIMIT_FSIZE, 0); }

HOSTILE(no_processes) { return limit(RLIMIT_NPROC, 0); }

static void *go_on(void *nothing)
{
    for (;;)
        pause();
    return nothing;
}

#ifndef SANITIZED_THREADS /* it gives up when a forked child starts threads */
HOSTILE(a_thread)
{
    pthread_t thread;
    return pthread_create(&thread, NULL, go_on, NULL);
}
#endif

HOSTILE(a_child)
{
    pid_t child = fork();
    if (child == 0)
        go_on(NULL);
    return child < 0;
}

HOSTILE(a_pool)
{
    posse_future future;
    posse_executor *pool = open_pool(1);
    return pool == NULL || posse_submit(pool, sleep_task, &(long){100000}, sizeof(long), &future);
}

static const struct {
    const char *name;
    posse_fn *fn;
} legacies[] = {
#define LEGACY(name)                                                                               \
    {                                                                                              \
#name, name                                                                                \
    }
    LEGACY(blocked_signals),
    LEGACY(other_handlers),
    LEGACY(no_streams),
    LEGACY(other_descriptors),
    LEGACY(another_directory),
    LEGACY(another_user),
    LEGACY(the_least_priority),
    LEGACY(no_death_with_its_parent),
    LEGACY(another_group),
    LEGACY(a_tracer),
#ifndef SANITIZED
    LEGACY(no_memory),
#endif
    LEGACY(no_descriptors),
    LEGACY(no_files),
    LEGACY(no_processes),
#ifndef SANITIZED_THREADS
    LEGACY(a_thread),
#endif
    LEGACY(a_child),
    LEGACY(a_pool),
};

/* ---- what can be done with their worker ---- */

/* Gives the worker its legacy, and says which it is. */
static pid_t burden(posse_executor *pool, posse_fn *fn)
{
    pid_t worker = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    take_error(submitted(pool, fn, NULL, 0), POSSE_OK);
    return worker;
}

static void assert_is(posse_executor *pool, pid_t worker, bool same)
{
    pid_t now = (pid_t)take_long(submitted(pool, identity_task, NULL, 0));
    assert_true((now == worker) == same);
}

/* It may lack what a large result needs, and say so. */
static void works(posse_executor *pool, posse_fn *fn)
{
    static const char bytes[LARGE] = "bytes";
    pid_t worker = burden(pool, fn);
    posse_future large = submitted(pool, echo_task, bytes, sizeof bytes);
    posse_error error = error_of(large);
    assert_true(error.status == POSSE_OK || error.code == GAVE_UP);
    assert_ok(posse_release(large));
    assert_int_equal(take_long(submitted_long(pool, fib_task, 5)), 5);
    assert_is(pool, worker, true);
}

static void has_deadlines(posse_executor *pool, posse_fn *fn)
{
    long ms = 100000;
    posse_job job = {.fn = sleep_task, .arg = &ms, .size = sizeof ms, .timeout_ms = 20};
    pid_t worker = burden(pool, fn);
    take_error(submitted_job(pool, job), POSSE_DEADLINE);
    assert_is(pool, worker, false);
}

static void can_be_killed(posse_executor *pool, posse_fn *fn)
{
    struct gate *gate = make_gate(pool);
    pid_t worker = burden(pool, fn);
    posse_future future = submitted_hold(pool, gate);
    await_entered(gate, 1);
    assert_ok(posse_kill(future));
    take_error(future, POSSE_CANCELLED);
    assert_is(pool, worker, false);
    free_gate(pool, gate);
}

static void can_die(posse_executor *pool, posse_fn *fn)
{
    pid_t worker = burden(pool, fn);
    posse_error error = take_error(submitted_long(pool, exit_task, 5), POSSE_WORKER_LOST);
    assert_int_equal(error.pid, worker);
    assert_int_equal(error.exit_code, 5);
    assert_is(pool, worker, false);
}

static void can_be_destroyed(posse_executor *pool, posse_fn *fn) { (void)burden(pool, fn); }

/* With each legacy, in a pool of one worker. What is left after the end shows in the census. */
static void with_each(void (*probe)(posse_executor *pool, posse_fn *fn))
{
    int before = count_processes();
    for (size_t i = 0; i < COUNT(legacies); i++) {
        posse_executor *pool = make_pool(1);
        scene_is("%s", legacies[i].name);
        probe(pool, legacies[i].fn);
        end_pool(pool);
        assert_eventually(count_processes() == before);
    }
}

TEST(it_works, PROCESSES) { with_each(works); }

TEST(it_has_deadlines, PROCESSES) { with_each(has_deadlines); }

TEST(it_can_be_killed, PROCESSES) { with_each(can_be_killed); }

TEST(it_can_die, PROCESSES) { with_each(can_die); }

TEST(it_can_be_destroyed, PROCESSES) { with_each(can_be_destroyed); }

/* It leaves after its last task, and another takes its place. */
TEST(it_can_be_replaced, PROCESSES)
{
    posse_options options = OPTIONS(1, .max_tasks_per_worker = 2);
    for (size_t i = 0; i < COUNT(legacies); i++) {
        scene_is("%s", legacies[i].name);
        posse_executor *pool = make_pool_with(options);
        pid_t worker = burden(pool, legacies[i].fn);
        assert_is(pool, worker, false);
        assert_eventually(stats_of(pool).workers == 1);
        assert_ok(posse_shutdown(pool, 0, -1));
        assert_int_equal(stats_of(pool).workers_lost, 0);
        end_pool(pool);
    }
}

/* ---- what others notice of it ---- */

static int place_task(posse_task *task, const void *arg, size_t size)
{
    char place[4096];
    mode_t mask = umask(0);
    umask(mask);
    int length = snprintf(place, sizeof place, "%03o ", (unsigned)mask);
    if (getcwd(place + length, sizeof place - (size_t)length) == NULL)
        return GAVE_UP;
    return posse_task_return(task, place, strlen(place) + 1) == POSSE_OK ? 0 : GAVE_UP;
}

static void assert_place(posse_executor *pool, const char *expected)
{
    const void *place = NULL;
    posse_future future = submitted(pool, place_task, NULL, 0);
    assert_ok(posse_result(future, -1, &place, NULL));
    assert_string_equal(place, expected);
    assert_ok(posse_release(future));
}

/* Another directory is that of the one worker: neither the program nor the next one has it. */
POOL_TEST(it_stays_in_its_worker, PROCESSES, 1)
{
    char here[4096], after[4096];
    mode_t mask = umask(022);
    assert_non_null(getcwd(here, sizeof here));
    (void)burden(pool, another_directory);
    assert_place(pool, "777 /proc");
    assert_int_equal(umask(mask), 022);
    assert_string_equal(getcwd(after, sizeof after), here);
    take_error(submitted_long(pool, exit_task, 0), POSSE_WORKER_LOST);
    posse_future future = submitted(pool, place_task, NULL, 0);
    const void *place = NULL;
    assert_ok(posse_result(future, -1, &place, NULL));
    assert_string_equal((const char *)place + 4, here);
    assert_ok(posse_release(future));
}
