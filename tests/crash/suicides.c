/* suicides.c - tasks that take their worker with them in unusual ways: each costs its one future,
 * which says how the worker ended. exits.c has the usual ways. */
#include "pool/pool.h"
#include "support/hostile.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

HOSTILE(execs_a_program)
{
    execlp("true", "true", (char *)NULL);
    return GAVE_UP;
}

HOSTILE(kills_its_group)
{
    kill(0, SIGTERM);
    return GAVE_UP;
}

/* abort ends a program that does not want to hear of it. */
HOSTILE(aborts_with_the_signal_blocked)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGABRT, SIG_IGN);
    abort();
}

HOSTILE(allows_itself_no_system_call)
{
    if (prctl(PR_SET_SECCOMP, 1 /* SECCOMP_MODE_STRICT */) != 0)
        raise(SIGKILL); /* not everywhere can it be had */
    return (int)syscall(SYS_getpid);
}

HOSTILE(unmaps_the_segment)
{
    struct pi_os_shm memory = posse_task_executor(task)->memory;
    (void)munmap(memory.base, memory.size);
    return 0;
}

HOSTILE(write_protects_the_segment)
{
    struct pi_os_shm memory = posse_task_executor(task)->memory;
    (void)mprotect(memory.base, memory.size, PROT_READ);
    return 0;
}

/* It then finds itself in a pool that is all zero. */
HOSTILE(maps_zeros_over_the_segment)
{
    struct pi_os_shm memory = posse_task_executor(task)->memory;
    (void)mmap(memory.base, memory.size, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    return 0;
}

/* The child returns, into a worker that it is not. */
HOSTILE(dies_and_leaves_a_child_to_return)
{
    pid_t child = fork();
    if (child == 0) {
        while (process_state(getppid()) == 'X') {
        }
        return 0;
    }
    raise(SIGKILL);
    return GAVE_UP;
}

#ifndef SANITIZED_THREADS /* it gives up when a forked child starts threads */
static void *crash_in_thread(void *nothing)
{
    raise(SIGSEGV);
    return NULL;
}

HOSTILE(crashes_in_a_thread)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, crash_in_thread, NULL) == 0)
        pthread_join(thread, NULL);
    return GAVE_UP;
}
#endif

static const struct {
    const char *name;
    posse_fn *fn;
    int signal, exit_code;
} suicides[] = {
#define SUICIDE(name, signal, exit_code)                                                           \
    {                                                                                              \
#name, name, signal, exit_code                                                             \
    }
    SUICIDE(execs_a_program, 0, 0),
    SUICIDE(kills_its_group, SIGTERM, -1),
    SUICIDE(aborts_with_the_signal_blocked, SIGABRT, -1),
    SUICIDE(allows_itself_no_system_call, SIGKILL, -1),
    SUICIDE(unmaps_the_segment, SIGSEGV, -1),
    SUICIDE(write_protects_the_segment, SIGSEGV, -1),
    SUICIDE(maps_zeros_over_the_segment, 0, 1),
    SUICIDE(dies_and_leaves_a_child_to_return, SIGKILL, -1),
#ifndef SANITIZED_THREADS
    SUICIDE(crashes_in_a_thread, SIGSEGV, -1),
#endif
};

TEST(suicides_cost_one_future, PROCESSES)
{
    for (size_t i = 0; i < COUNT(suicides); i++) {
        scene_is("%s", suicides[i].name);
        posse_error error = lost_by(suicides[i].fn, NULL, 0);
        assert_int_equal(error.signal, suicides[i].signal);
        assert_int_equal(error.exit_code, suicides[i].exit_code);
    }
}
