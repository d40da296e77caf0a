/* trace.c - see trace.h. */
#include "trace.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLEEP_MS 3 /* before it is asked whether it sleeps */

static void require(long result, const char *what)
{
    if (result < 0)
        fail_msg("%s: %s", what, strerror(errno));
}

bool may_trace(void)
{
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    bool may = ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0;
    kill(child, SIGKILL);
    while (waitpid(child, NULL, __WALL) < 0 && errno == EINTR) {
    }
    return may;
}

void trace_step(pid_t pid) { require(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), "step"); }

void trace_call(pid_t pid) { require(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), "go to a call"); }

void trace_run(pid_t pid) { require(ptrace(PTRACE_CONT, pid, NULL, NULL), "go on"); }

static void assert_stopped(int status)
{
    assert_true(WIFSTOPPED(status));
    assert_int_equal(WSTOPSIG(status), SIGTRAP);
}

void await_stop(pid_t pid)
{
    int status = 0;
    require(waitpid(pid, &status, __WALL), "wait for a stop");
    assert_stopped(status);
}

bool comes_to_stop(pid_t pid)
{
    int status = 0;
    pid_t stopped;
    long look = now_ms() + SLEEP_MS;
    while ((stopped = waitpid(pid, &status, __WALL | WNOHANG)) == 0) {
        if (now_ms() > look && process_state(pid) == 'S')
            return false;
        sched_yield();
    }
    require(stopped, "wait for a stop");
    assert_stopped(status);
    return true;
}

void trace_sleeper(pid_t pid)
{
    require(ptrace(PTRACE_SEIZE, pid, NULL, NULL), "trace");
    require(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), "interrupt");
    await_stop(pid);
    trace_step(pid);
    assert_eventually(process_state(pid) == 'S');
}

bool trace_steps(pid_t pid)
{
    bool steps = ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0;
    if (!steps)
        assert_int_equal(errno, ESRCH);
    return steps;
}

bool trace_stops(pid_t pid)
{
    int status = 0;
    require(waitpid(pid, &status, __WALL), "wait for a stop or the end");
    if (WIFSTOPPED(status))
        assert_stopped(status);
    return WIFSTOPPED(status);
}

void end_traced(pid_t pid)
{
    int status = 0;
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status))
        ;
}

void kill_traced(pid_t pid)
{
    int status = 0;
    kill(pid, SIGKILL);
    do {
        require(waitpid(pid, &status, __WALL), "wait for its end");
    } while (WIFSTOPPED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}
