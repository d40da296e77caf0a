#include "remote/apart.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Takes the signal of the process between, unless a child of the program has died, too, and shares
 * it. */
static void take_sigchld(pid_t between)
{
    const struct timespec now = {.tv_sec = 0};
    sigset_t child;
    siginfo_t info;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (sigtimedwait(&child, &info, &now) != SIGCHLD)
        return;
    info.si_pid = info.si_pid == between ? 0 : info.si_pid;
    if (info.si_pid == 0)
        (void)waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    if (info.si_pid != 0)
        kill(getpid(), SIGCHLD);
}

/* The process between is this program's child for a moment. No SIGCHLD of it stays. */
int pi_fork_apart(void (*body)(void *), void *context)
{
    sigset_t blocked, before, pending;
    sigfillset(&blocked);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    sigpending(&pending);
    pid_t between = fork();
    int error = between < 0 ? errno : 0;
    if (between == 0) {
        pid_t apart = fork();
        if (apart == 0) {
            (void)setsid();
            body(context);
        }
        _exit(apart < 0 ? 1 : 0);
    }
    int how = 0;
    while (between > 0 && waitpid(between, &how, 0) < 0 && errno == EINTR)
        ;
    if (between > 0 && !sigismember(&pending, SIGCHLD))
        take_sigchld(between);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error ? error : WIFEXITED(how) && WEXITSTATUS(how) ? EAGAIN : 0;
}
